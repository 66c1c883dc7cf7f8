//! What a run does with a line on which nothing is open, and with the answer to its POST.

use super::super::ledger::{Closed, Desired, Intent, Outcome, Owed, Purpose, UnitLine};
use super::super::{HEARD_TRIES_MAX, SEND_WINDOW, SETTLE, TRIES_MAX};
use super::close::{closed, is_older};
use super::{Action, Answer, HeldWhy, Look, Next, Order, State, Task, Verdict, Want};
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
        // A run that computed an older target may still be under way: it must find out that it is older.
        let record_it = look.others || task.want.pressed;
        if record_it && is_older(&ours, &task.want) {
            let record = UnitLine { desired: Some(desired(&task.want)), ..ours };
            return task.put(expect, record, Next::Finish(right));
        }
        return task.finish(right);
    }
    let owed = match next_kept(&ours, task.want.effective_date) {
        None => None,
        Some(date) => match (look.theirs)(date) {
            Some(_) if task.want.onward => Some(Owed { date, units: task.want.units, tries: 0, onward: true }),
            Some(units) => Some(Owed { date, units, tries: 0, onward: false }),
            None => return task.finish(Verdict::Held { why: HeldWhy::Unreadable, seen: Some(units) }),
        },
    };
    let record = UnitLine { desired: Some(desired(&task.want)), owed, ..ours };
    let (target, date) = (task.want.units, task.want.effective_date);
    intend(task, look, expect, record, Purpose::Target, (units, target, date))
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
            Some(Verdict::Held { why: HeldWhy::Tries, seen: Some(last.units_before) })
        }
        Outcome::NotApplied | Outcome::NotSent => None,
    }
}

/// What a run's last intent on a line came to, where it came to an end: for a run that stops before asking again.
#[must_use]
pub fn word_of(last: &Closed) -> Option<Verdict> {
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
            let owed = next_owed(&ours, &owed);
            let record = UnitLine { owed, ..ours };
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

/// What is owed after this is done: where the target counts onward, the same at our next date.
pub(super) fn next_owed(ours: &UnitLine, done: &Owed) -> Option<Owed> {
    let date = next_kept(ours, done.date).filter(|_| done.onward)?;
    Some(Owed { date, tries: 0, ..*done })
}

/// The first of our own dates after `date`: units there must not move with a change at `date`.
fn next_kept(ours: &UnitLine, date: Date) -> Option<Date> {
    ours.kept.iter().copied().filter(|kept| *kept > date).min()
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
