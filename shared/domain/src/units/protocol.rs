//! The protocol as a pure state machine: an event comes in, an action goes out, nothing is awaited here.
//! `billing::run` drives it in production; the fault simulation drives the very same code without sockets.

mod close;
mod decide;

pub use close::close_abandoned;
pub use decide::word_of;

use super::ledger::{Seq, UnitLine};
use super::{LOOKS_MAX, SKEW};
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
    /// Whether it also counts at our own later dates: somebody's newest word, not the count of one month.
    pub onward: bool,
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
    /// What had been set for a later date was taken back, and the run ended before the change itself.
    Halfway,
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
        (State::Intending { v, record }, Event::Stored) => decide::post(task, v, record),
        (State::Posting { v, record }, Event::Answered(answer, now)) => decide::answered(task, v, *record, answer, now),
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
        Some(open) => close::settle(task, look, expect, ours, &open),
        None => decide::decide(task, look, expect, ours),
    }
}
