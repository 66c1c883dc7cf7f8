//! The protocol as a pure state machine: an event comes in, an action goes out, nothing is awaited here.
//! `seats::run` drives it in production; the fault simulation drives the very same code without sockets.

use super::ledger::{Closed, Desired, Intent, Outcome, Owed, Purpose, Seq, UnitLine};
use super::{HEARD_TRIES_MAX, KEPT_MAX, LOOKS_MAX, SEND_WINDOW, SETTLE, SKEW, TRIES_MAX};
use crate::ids::{LineRef, RunId};
use crate::records::Versioned;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use std::time::Duration;

/// What a run wants of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Units.
    pub units: i64,
    /// From when.
    pub effective_date: Date,
    /// Unit cost to write along, where Overwrite Cost is on.
    pub cost: Option<Decimal>,
    /// Its place in the order of targets.
    pub seq: Seq,
    /// Whether the target is a person's own, which stands in no count: it is recorded even where units are right
    /// already, or a later run over older counts would not know of it.
    pub pressed: bool,
    /// The run.
    pub run: RunId,
}

/// One line's way through one run. Made anew for each invocation: everything that must survive a kill is in the ledger.
#[derive(Debug, Clone)]
pub struct Task {
    want: Want,
    fresh: UnitLine,
    state: State,
    looks: u32,
    /// The attempt that Autotask answered with 2xx in this invocation, and its `itemId`.
    acked: Option<(u64, Option<i64>)>,
}

#[derive(Debug, Clone)]
enum State {
    Looking,
    Intending { v: u64, record: Box<UnitLine> },
    Posting { v: u64, record: Box<UnitLine> },
    Writing(Next),
    Resting,
    Finished,
}

/// What follows a write that is not an intent.
#[derive(Debug, Clone)]
enum Next {
    Finish(Verdict),
    Look,
    Wait(Timestamp),
}

/// What was seen of a line: ours first, strongly consistent, then theirs.
pub struct Look<'a> {
    /// Our item.
    pub ours: Option<Versioned<UnitLine>>,
    /// Units in Autotask at a date; `None` where no complete read shows any.
    pub theirs: &'a (dyn Fn(Date) -> Option<i64> + Sync),
    /// Taken before the read of theirs began: what is judged by this look is judged as of then.
    pub seen_at: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// Whether another run of this connection may be writing.
    pub others: bool,
}

impl std::fmt::Debug for Look<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Look").field("ours", &self.ours).field("seen_at", &self.seen_at).finish_non_exhaustive()
    }
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The line was looked at.
    Looked(&'a Look<'a>),
    /// The put was carried out.
    Stored,
    /// The put was refused: somebody else wrote first.
    Conflict,
    /// The POST ended.
    Answered(Answer, Timestamp),
}

/// How a POST ended, as the protocol sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 2xx, with the `itemId`.
    Acked(Option<i64>),
    /// It surely did nothing: refused connection, 429, thread limit, 401, or it was too late to send.
    NotSent,
    /// Autotask said no, in these words.
    Refused(String),
    /// Nobody knows: time-out, reset, or an unlisted 500 with these words.
    Unknown(Option<String>),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Read ours, then theirs.
    Look,
    /// Put our item on condition of its version (`None`: that there is none).
    Put {
        /// The version that was read.
        expect: Option<u64>,
        /// The item.
        record: Box<UnitLine>,
    },
    /// POST one adjustment, once.
    Post(Order),
    /// Nothing before the end of the run; then look, together with all others.
    Confirm,
    /// Nothing before this time; then look.
    Wait(Timestamp),
    /// The line is finished.
    Finish(Verdict),
}

/// An adjustment to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Which line.
    pub line: LineRef,
    /// Relative change of units.
    pub change: i64,
    /// From when.
    pub effective_date: Date,
    /// Unit cost to write along.
    pub cost: Option<Decimal>,
    /// Until when it may leave.
    pub sent_by: Timestamp,
}

/// Seconds that an invocation keeps for storing what a POST's answer means.
pub const AFTER_POST: Duration = Duration::from_secs(15);

impl Order {
    /// Whether it may leave now: a POST that left later than `sent_by` could take effect after it was judged, and one
    /// in flight when the invocation ends could be sent by a sandbox that thaws.
    #[must_use]
    pub fn may_leave(&self, now: Timestamp, remaining: Duration, request_timeout: Duration) -> bool {
        now < self.sent_by - SKEW && remaining >= request_timeout.saturating_add(AFTER_POST)
    }
}

/// Why a line is left to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldWhy {
    /// Units are neither as before nor as wanted.
    ThirdValue,
    /// Autotask answered yes, and the change is not seen.
    AckedUnseen,
    /// Tried as often as allowed.
    Tries,
    /// The line's units cannot be read.
    Unreadable,
    /// Others kept writing to the line.
    Busy,
    /// An earlier invocation of this run left it so.
    Earlier,
}

/// How a line ended in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Units are as wanted already.
    Unchanged {
        /// Units.
        units: i64,
    },
    /// Units were changed and seen.
    Changed {
        /// Before.
        before: i64,
        /// Now.
        units: i64,
        /// `itemId` of the adjustment, where the answer came.
        item: Option<i64>,
    },
    /// A newer target stands.
    Superseded {
        /// Its units.
        units: i64,
    },
    /// Autotask said no, in these words (none where an earlier invocation heard them).
    Refused(Option<String>),
    /// For a person.
    Held {
        /// Why.
        why: HeldWhy,
        /// Units as last seen.
        seen: Option<i64>,
    },
}

impl Task {
    /// A line's way begins with a look. `fresh` is the item of a line that the ledger does not know yet.
    #[must_use]
    pub fn new(fresh: UnitLine, want: Want) -> Self {
        Self { want, fresh, state: State::Looking, looks: 0, acked: None }
    }

    /// What the run wants of the line.
    #[must_use]
    pub fn want(&self) -> &Want {
        &self.want
    }

    /// Whether the line is finished in this run.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    fn finish(&mut self, verdict: Verdict) -> Action {
        self.state = State::Finished;
        Action::Finish(verdict)
    }

    fn wait(&mut self, until: Timestamp) -> Action {
        self.state = State::Resting;
        Action::Wait(until)
    }

    fn look_again(&mut self) -> Action {
        self.state = State::Looking;
        self.looks += 1;
        if self.looks > LOOKS_MAX {
            return self.finish(Verdict::Held { why: HeldWhy::Busy, seen: None });
        }
        Action::Look
    }

    fn put(&mut self, expect: Option<u64>, record: UnitLine, next: Next) -> Action {
        self.state = State::Writing(next);
        Action::Put { expect, record: Box::new(record) }
    }
}

/// One step. An event that does not fit the state leads to a new look: reading is always safe.
pub fn step(task: &mut Task, event: Event<'_>) -> Action {
    let state = std::mem::replace(&mut task.state, State::Looking);
    match (state, event) {
        (State::Looking | State::Resting, Event::Looked(look)) => looked(task, look),
        (State::Intending { v, record }, Event::Stored) => post(task, v, record),
        (State::Posting { v, record }, Event::Answered(answer, now)) => answered(task, v, *record, answer, now),
        (State::Writing(next), Event::Stored) => match next {
            Next::Finish(verdict) => task.finish(verdict),
            Next::Look => task.look_again(),
            Next::Wait(until) => task.wait(until),
        },
        // A finished line has nothing more to do in this run.
        (State::Finished, _) => {
            task.state = State::Finished;
            Action::Confirm
        }
        _ => task.look_again(),
    }
}

fn looked(task: &mut Task, look: &Look<'_>) -> Action {
    let (expect, ours) = match &look.ours {
        Some(found) => (Some(found.v), found.value.clone()),
        None => (None, task.fresh.clone()),
    };
    match ours.open.clone() {
        Some(open) => settle(task, look, expect, ours, &open),
        None => decide(task, look, expect, ours),
    }
}

/// An intent is open: judge it by what is seen, or wait until it can be judged. Anybody may close.
fn settle(task: &mut Task, look: &Look<'_>, expect: Option<u64>, ours: UnitLine, open: &Intent) -> Action {
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
            Next::Finish(Verdict::Held { why, seen })
        }
        _ => Next::Look,
    }
}

/// Whether the target on record was computed from older sources than this one.
fn is_older(ours: &UnitLine, want: &Want) -> bool {
    ours.desired.as_ref().is_none_or(|desired| desired.seq < want.seq)
}

/// Whether an intent was for this very target: an earlier invocation of the run may have had an older one.
fn answers(open: &Intent, want: &Want) -> bool {
    open.purpose == Purpose::Target && open.target == want.units && open.effective_date == want.effective_date
}

/// The item with its intent closed. `last` tells of targets only: a correction is ours to make, not to report.
fn closed(mut ours: UnitLine, open: &Intent, outcome: Outcome, at: Timestamp) -> UnitLine {
    ours.open = None;
    let done = matches!(outcome, Outcome::Verified | Outcome::Applied);
    if done {
        ours.kept.retain(|date| *date != open.effective_date);
        ours.kept.push(open.effective_date);
        let surplus = ours.kept.len().saturating_sub(KEPT_MAX);
        ours.kept.drain(..surplus);
    }
    match open.purpose {
        Purpose::Target => {
            if !done {
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

/// No intent is open: is there anything to do?
fn decide(task: &mut Task, look: &Look<'_>, expect: Option<u64>, ours: UnitLine) -> Action {
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
            Some(units) => Some(Owed { date, units, tries: 0 }),
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
            let record = UnitLine { owed: None, ..ours };
            task.put(expect, record, Next::Look)
        }
        Some(units) if owed.tries >= TRIES_MAX => {
            let record = UnitLine { owed: None, ..ours };
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

fn post(task: &mut Task, v: u64, record: Box<UnitLine>) -> Action {
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

fn answered(task: &mut Task, v: u64, record: UnitLine, answer: Answer, now: Timestamp) -> Action {
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
