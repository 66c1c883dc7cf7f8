//! Units change exactly once.
//!
//! Autotask changes units by a relative, create-only, unreadable POST without an idempotency key, whose answer can be
//! lost after it took effect. So each contract line has one item in our ledger ([`UnitLine`]), whatever the run, the
//! period or the date, and every change goes through one pure state machine ([`protocol::step`]): read ours, then
//! theirs; store the intent on condition that nobody wrote in between; POST once; close by reading only.
//!
//! Safety assumes that no request takes effect later than [`SETTLE`] after its `sent_by`. Autotask publishes no such
//! bound; every unknown outcome is logged for the alarm.

mod ledger;
pub mod protocol;
#[cfg(test)]
mod simulation;

pub use ledger::{Closed, Desired, Intent, Outcome, Owed, Purpose, Seq, UnitLine};
pub use protocol::{Action, Answer, Event, HeldWhy, Look, Order, Task, Verdict, Want, step};

use jiff::SignedDuration;

/// How long after storing an intent its POST may leave. Longer than a store call and a connect take together.
pub const SEND_WINDOW: SignedDuration = SignedDuration::from_secs(15);
/// How far two functions' clocks may be apart.
pub const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// How long after `sent_by` a request may still take effect, and reads show it: Autotask runs a call for up to
/// 300 s; twice that.
pub const SETTLE: SignedDuration = SignedDuration::from_secs(600);
/// How often one run sends a change that is lost without a word. Of 60 lines with every tenth POST lost, three tries
/// leave a line to a person in 6 runs of 100, five in 6 of 10,000.
pub const TRIES_MAX: u32 = 5;
/// How often where Autotask said something that leaves open whether it did it: probably a refusal in words that we do
/// not know.
pub const HEARD_TRIES_MAX: u32 = 3;
/// How often one run looks at a line again because somebody else wrote to it.
pub const LOOKS_MAX: u32 = 8;
/// How many of our own dates a line remembers, so that a change before them leaves them as they were.
pub const KEPT_MAX: usize = 6;
