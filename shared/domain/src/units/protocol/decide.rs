//! What a run does with a line on which nothing is open, and with the answer to its POST.

use super::super::ledger::{Closed, Desired, Intent, Outcome, Owed, Purpose, UnitLine};
use super::super::{HEARD_TRIES_MAX, SEND_WINDOW, SETTLE, TRIES_MAX};
use super::close::{closed, is_older};
use super::{Action, Answer, HeldWhy, Look, Next, Order, State, Task, Verdict, Want};
use crate::ids::RunId;
use jiff::Timestamp;
use jiff::civil::Date;

/// No intent is open: is there anything to do?
pub(super) fn decide(task: &mut Task, look: &Look<'_>, expect: Option<u64>, ours: UnitLine) -> Action {
    if let Some(owed) = ours.owed {
        return correct(task, look, expect, ours, owed);
    }
    let said = already_said(task, &ours);
    match &said {
        // The same units as before, counted anew: the newer count still has to be put on record below.
        Some(Verdict::Changed { .. }) if is_older(&ours, &task.want) => {}
        Some(verdict) => return task.finish(verdict.clone()),
        None => {}
    }
    if let Some(newer) = ours.desired.as_ref().filter(|desired| desired.seq > task.want.seq) {
        let units = newer.units;
        return task.finish(Verdict::Superseded { units });
    }
    let Some(units) = (look.theirs)(task.want.effective_date) else {
        return task.finish(Verdict::Held { why: HeldWhy::Unreadable, seen: None });
    };
    if units == task.want.units {
        let right = said.unwrap_or(Verdict::Unchanged { units });
        // A run that computed an older target may still be under way: it must find out that it is older. And what was
        // taken back for this target needs nothing more.
        let newer = (look.others || task.want.pressed) && is_older(&ours, &task.want);
        if newer || ours.levelled_by.as_ref() == Some(&task.want.run) {
            let wanted = if newer { Some(desired(&task.want)) } else { ours.desired.clone() };
            let record = UnitLine { desired: wanted, levelled_by: None, ..ours };
            return task.put(expect, record, Next::Finish(right));
        }
        return task.finish(right);
    }
    let Some(ahead) = ahead(&ours, look, task.want.effective_date) else {
        return task.finish(Verdict::Held { why: HeldWhy::Unreadable, seen: Some(units) });
    };
    let wanted = Some(desired(&task.want));
    if let Some((date, from, to)) = uneven(units, &ahead).filter(|_| task.want.onward) {
        let record = UnitLine { desired: wanted, ..ours };
        return intend(task, look, expect, record, Purpose::Levelling, (from, to, date));
    }
    let restored = ahead.first().filter(|_| !task.want.onward);
    let owed = restored.map(|(date, units)| Owed { date: *date, units: *units, tries: 0 });
    let record = UnitLine { desired: wanted, owed, ..ours };
    let (target, date) = (task.want.units, task.want.effective_date);
    intend(task, look, expect, record, Purpose::Target, (units, target, date))
}

/// Units at our own dates after `date`, in their order; none where some cannot be read.
fn ahead(ours: &UnitLine, look: &Look<'_>, date: Date) -> Option<Vec<(Date, i64)>> {
    let mut dates: Vec<Date> = ours.kept.iter().copied().filter(|kept| *kept > date).collect();
    dates.sort_unstable();
    dates.into_iter().map(|date| Some((date, (look.theirs)(date)?))).collect()
}

/// What has to be taken back before units change for good: the last of our own later dates at which they differ from
/// those before it, with its units and those. From the last one back, units are at each date always such as were
/// billed already; from the first, or after the change itself, they could be more, or less than none.
fn uneven(units: i64, ahead: &[(Date, i64)]) -> Option<(Date, i64, i64)> {
    let before = std::iter::once(units).chain(ahead.iter().map(|(_, units)| *units));
    let steps = ahead.iter().zip(before).map(|((date, units), before)| (*date, *units, before));
    steps.filter(|(_, units, before)| units != before).last()
}

/// What this run already did with the line, in an earlier invocation.
fn already_said(task: &Task, ours: &UnitLine) -> Option<Verdict> {
    let last = ours.last.as_ref().filter(|last| last.run == task.want.run)?;
    let same = last.target == task.want.units && last.effective_date == task.want.effective_date;
    match last.outcome {
        Outcome::Verified | Outcome::Applied if same => {
            let item = task.acked.filter(|(attempt, _)| *attempt == last.attempt).and_then(|(_, item)| item);
            Some(Verdict::Changed { before: last.units_before, units: last.target, item })
        }
        Outcome::Verified | Outcome::Applied => None,
        Outcome::Refused => Some(Verdict::Refused(None)),
        Outcome::Held => Some(Verdict::Held { why: HeldWhy::Earlier, seen: None }),
        Outcome::NotApplied if last.tries >= HEARD_TRIES_MAX && last.heard.is_some() => {
            Some(Verdict::Refused(last.heard.clone()))
        }
        Outcome::NotApplied if last.tries >= TRIES_MAX => {
            let seen = Some(last.units_before).filter(|_| last.effective_date == task.want.effective_date);
            Some(Verdict::Held { why: HeldWhy::Tries, seen })
        }
        Outcome::NotApplied | Outcome::NotSent => None,
    }
}

/// What a run came to with a line, where it came to an end: for a run that stops before asking again.
#[must_use]
pub fn word_of(ours: &UnitLine, run: &RunId) -> Option<Verdict> {
    if ours.levelled_by.as_ref() == Some(run) {
        return Some(Verdict::Held { why: HeldWhy::Halfway, seen: None });
    }
    let last = ours.last.as_ref().filter(|last| last.run == *run)?;
    match last.outcome {
        Outcome::Verified | Outcome::Applied => {
            Some(Verdict::Changed { before: last.units_before, units: last.target, item: None })
        }
        Outcome::Refused => Some(Verdict::Refused(last.heard.clone())),
        Outcome::Held => Some(Verdict::Held { why: HeldWhy::Earlier, seen: None }),
        Outcome::NotApplied | Outcome::NotSent => None,
    }
}

/// A change moved the units at one of our own later dates: move them back, through the same protocol.
fn correct(task: &mut Task, look: &Look<'_>, expect: Option<u64>, ours: UnitLine, owed: Owed) -> Action {
    match (look.theirs)(owed.date) {
        None => task.finish(Verdict::Held { why: HeldWhy::Unreadable, seen: None }),
        Some(units) if units == owed.units => {
            let record = UnitLine { owed: None, ..ours };
            task.put(expect, record, Next::Look)
        }
        Some(units) if owed.tries >= TRIES_MAX => {
            // The run whose target it was must not call the line right.
            let last = ours.last.clone().map(|last| Closed { outcome: Outcome::Held, ..last });
            let record = UnitLine { owed: None, last, ..ours };
            task.put(expect, record, Next::Finish(Verdict::Held { why: HeldWhy::Tries, seen: Some(units) }))
        }
        Some(units) => {
            let record = UnitLine { owed: Some(Owed { tries: owed.tries + 1, ..owed }), ..ours };
            intend(task, look, expect, record, Purpose::Correction, (units, owed.units, owed.date))
        }
    }
}

fn desired(want: &Want) -> Desired {
    Desired { units: want.units, effective_date: want.effective_date, cost: want.cost, seq: want.seq.clone() }
}

fn intend(
    task: &mut Task,
    look: &Look<'_>,
    expect: Option<u64>,
    mut record: UnitLine,
    purpose: Purpose,
    (units_before, target, effective_date): (i64, i64, Date),
) -> Action {
    // What did not leave was no try: a busy Autotask must not use them up.
    let tries = match record.last.as_ref().filter(|last| last.run == task.want.run) {
        Some(last) if last.outcome == Outcome::NotApplied => last.tries + 1,
        Some(last) if last.outcome == Outcome::NotSent => last.tries,
        _ => 1,
    };
    record.attempts += 1;
    record.open = Some(Intent {
        attempt: record.attempts,
        run: task.want.run.clone(),
        tries,
        purpose,
        units_before,
        target,
        effective_date,
        sent_by: look.now + SEND_WINDOW,
        acked: false,
        heard: None,
    });
    task.state = State::Intending { v: expect.map_or(1, |v| v + 1), record: Box::new(record.clone()) };
    Action::Put { expect, record: Box::new(record) }
}

pub(super) fn post(task: &mut Task, v: u64, record: Box<UnitLine>) -> Action {
    let Some(open) = record.open.clone() else { return task.look_again() };
    let cost = if open.purpose == Purpose::Target { task.want.cost } else { None };
    let order = Order {
        line: record.line,
        change: open.target - open.units_before,
        effective_date: open.effective_date,
        cost,
        sent_by: open.sent_by,
    };
    task.state = State::Posting { v, record };
    Action::Post(order)
}

pub(super) fn answered(task: &mut Task, v: u64, record: UnitLine, answer: Answer, now: Timestamp) -> Action {
    let Some(open) = record.open.clone() else { return task.look_again() };
    match answer {
        Answer::Acked(item) => {
            task.acked = Some((open.attempt, item));
            task.state = State::Resting;
            Action::Confirm
        }
        Answer::Unknown(None) => task.wait(open.sent_by + SETTLE),
        // Kept for the report: should it never be applied, these words are the reason.
        Answer::Unknown(heard) => {
            let record = UnitLine { open: Some(Intent { heard, ..open.clone() }), ..record };
            task.put(Some(v), record, Next::Wait(open.sent_by + SETTLE))
        }
        Answer::NotSent => {
            let record = closed(record, &open, Outcome::NotSent, now);
            task.put(Some(v), record, Next::Look)
        }
        Answer::Refused(text) => {
            let record = closed(record, &open, Outcome::Refused, now);
            task.put(Some(v), record, Next::Finish(Verdict::Refused(Some(text))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    /// What is taken back before units change for good, one after the other: the units at all dates after each.
    fn levelled(units: &[i64]) -> Vec<Vec<i64>> {
        let dates = [date(2027, 1, 1), date(2027, 2, 1), date(2027, 3, 1)];
        let (mut units, mut all) = (units.to_vec(), Vec::new());
        loop {
            let ahead: Vec<_> = dates.into_iter().zip(units[1..].iter().copied()).collect();
            let Some((at, from, to)) = uneven(units[0], &ahead) else { return all };
            let first = 1 + dates.iter().position(|date| *date == at).unwrap();
            assert_eq!(units[first], from);
            units[first..].iter_mut().for_each(|units| *units += to - from);
            all.push(units.clone());
        }
    }

    #[test]
    fn what_was_set_for_later_is_taken_back_from_the_last_date_and_never_leaves_what_was_billed() {
        let none: [Vec<i64>; 0] = [];
        assert_eq!(levelled(&[9, 9, 9, 9]), none);
        assert_eq!(levelled(&[9, 5]), [[9, 9]]);
        assert_eq!(levelled(&[9, 5, 9, 0]), [[9, 5, 9, 9], [9, 5, 5, 5], [9, 9, 9, 9]]);
        assert_eq!(levelled(&[0, 7, 7, 3]), [[0, 7, 7, 7], [0, 0, 0, 0]]);
    }
}
