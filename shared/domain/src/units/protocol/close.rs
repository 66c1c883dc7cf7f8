//! How an intent is closed: by reading only.

use super::super::ledger::{Closed, Intent, Outcome, Purpose, UnitLine};
use super::super::{KEPT_MAX, SETTLE};
use super::{Action, HeldWhy, Look, Next, Task, Verdict, Want};
use jiff::Timestamp;

/// An intent is open: judge it by what is seen, or wait until it can be judged. Anybody may close.
pub(super) fn settle(task: &mut Task, look: &Look<'_>, expect: Option<u64>, ours: UnitLine, open: &Intent) -> Action {
    let heard = task.acked.filter(|(attempt, _)| *attempt == open.attempt);
    let acked = open.acked || heard.is_some();
    let seen = (look.theirs)(open.effective_date);
    let outcome = match judge(open, seen, acked, look.seen_at) {
        Ok(outcome) => outcome,
        Err(settled_at) if acked && !open.acked => {
            // Should this invocation end, the next must know that Autotask said yes.
            let mut record = ours;
            record.open = Some(Intent { acked: true, ..open.clone() });
            return task.put(expect, record, Next::Wait(settled_at));
        }
        Err(settled_at) => return task.wait(settled_at),
    };
    let next = after_close(task, &ours, open, outcome, seen, acked);
    let record = closed(ours, open, outcome, look.now);
    task.put(expect, record, next)
}

/// How an intent ended, by what was seen at `seen_at`; or when it can be told.
fn judge(open: &Intent, seen: Option<i64>, acked: bool, seen_at: Timestamp) -> Result<Outcome, Timestamp> {
    let settled_at = open.sent_by + SETTLE;
    match seen {
        Some(units) if units == open.target && acked => Ok(Outcome::Verified),
        _ if seen_at < settled_at => Err(settled_at),
        Some(units) if units == open.target => Ok(Outcome::Applied),
        Some(units) if units == open.units_before && !acked => Ok(Outcome::NotApplied),
        _ => Ok(Outcome::Held),
    }
}

/// Closes an intent on a line for which nobody wants anything now: the item to put, or when it can be told. `None`
/// where nothing is open.
pub fn close_abandoned(ours: &UnitLine, look: &Look<'_>) -> Option<Result<UnitLine, Timestamp>> {
    let open = ours.open.as_ref()?;
    let seen = (look.theirs)(open.effective_date);
    let outcome = judge(open, seen, open.acked, look.seen_at);
    Some(outcome.map(|outcome| closed(ours.clone(), open, outcome, look.now)))
}

fn after_close(task: &Task, ours: &UnitLine, open: &Intent, outcome: Outcome, seen: Option<i64>, acked: bool) -> Next {
    if open.run != task.want.run {
        return Next::Look;
    }
    match outcome {
        Outcome::Verified | Outcome::Applied
            if answers(open, &task.want) && ours.owed.is_none() && !is_older(ours, &task.want) =>
        {
            let item = task.acked.filter(|(attempt, _)| *attempt == open.attempt).and_then(|(_, item)| item);
            Next::Finish(Verdict::Changed { before: open.units_before, units: open.target, item })
        }
        Outcome::Held => {
            let seen_before = seen == Some(open.units_before);
            let why = match seen {
                None => HeldWhy::Unreadable,
                Some(_) if acked && seen_before => HeldWhy::AckedUnseen,
                Some(_) => HeldWhy::ThirdValue,
            };
            // What is seen at another date than the run's says nothing of the line.
            let seen = seen.filter(|_| open.purpose == Purpose::Target);
            Next::Finish(Verdict::Held { why, seen })
        }
        _ => Next::Look,
    }
}

/// Whether the target on record was computed from older sources than this one.
pub(super) fn is_older(ours: &UnitLine, want: &Want) -> bool {
    ours.desired.as_ref().is_none_or(|desired| desired.seq < want.seq)
}

/// Whether an intent was for this very target: an earlier invocation of the run may have had an older one.
fn answers(open: &Intent, want: &Want) -> bool {
    open.purpose == Purpose::Target && open.target == want.units && open.effective_date == want.effective_date
}

/// The item with its intent closed. `last` tells of targets and of what stood in their way: a correction is ours to
/// make, not to report; and what was taken back for a target must not hide what another run has written.
pub(super) fn closed(mut ours: UnitLine, open: &Intent, outcome: Outcome, at: Timestamp) -> UnitLine {
    ours.open = None;
    let done = matches!(outcome, Outcome::Verified | Outcome::Applied);
    if done {
        ours.kept.retain(|date| *date != open.effective_date);
        ours.kept.push(open.effective_date);
        let surplus = ours.kept.len().saturating_sub(KEPT_MAX);
        ours.kept.drain(..surplus);
    }
    match open.purpose {
        Purpose::Levelling if done => ours.levelled_by = Some(open.run.clone()),
        Purpose::Target | Purpose::Levelling => {
            if done {
                ours.levelled_by = None;
            } else {
                ours.owed = None;
            }
            ours.last = Some(Closed {
                attempt: open.attempt,
                run: open.run.clone(),
                tries: open.tries,
                units_before: open.units_before,
                target: open.target,
                effective_date: open.effective_date,
                outcome,
                heard: open.heard.clone(),
                at,
            });
        }
        Purpose::Correction if done || matches!(outcome, Outcome::Held | Outcome::Refused) => {
            ours.owed = None;
            if !done && let Some(last) = &mut ours.last {
                last.outcome = Outcome::Held;
            }
        }
        Purpose::Correction => {}
    }
    ours
}
