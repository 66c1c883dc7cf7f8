//! Runs: every stretch of work that writes to Autotask or takes long has one, with a line for each thing it looked at.

mod record;

pub use record::{LineState, Period, Run, RunKind, RunLine, RunMode, RunState, Totals, Trigger, WORDS_MAX};
