//! Runs: every stretch of work that writes to Autotask or takes long has one, with a line for each thing it looked at.
//!
//! A run is claimed ([`start()`]), worked on by a queue's worker, and ended once ([`finish()`]); a preview waits as
//! `planned` until a person applies it. Its lines lie beside it in chunks ([`lines`]).

mod finish;
mod lease;
pub mod lines;
mod lost;
mod record;
mod start;

pub use finish::finish;
pub use lease::{RUN_LOST, RunLease, SlotClaim, already_running, is_lost};
pub use lost::sweep_lost;
pub use record::{
    LineState, Period, Run, RunKind, RunLine, RunMode, RunState, Totals, Trigger, WORDS_MAX, WorkMessage,
};
pub use start::{StartRun, start};
