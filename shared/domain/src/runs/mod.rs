//! Runs: every stretch of work that writes to Autotask or takes long has one, with a line for each thing it looked at.
//!
//! A run is claimed ([`start()`]), worked on by a queue's worker, and ended once ([`finish()`]); a preview waits as
//! `planned` until a person applies it. Its lines lie beside it in chunks ([`lines`]).

mod apply;
mod cancel;
mod decide;
mod dismissal;
mod finish;
mod follow;
mod lease;
mod line;
mod line_events;
pub mod lines;
mod lost;
mod orphans;
mod read;
mod reconcile;
mod record;
mod retry;
#[cfg(test)]
pub(crate) mod sample;
mod start;
mod table;
mod undo;

pub use apply::{PLAN_TTL, apply};
pub use cancel::cancel;
pub use decide::{Chosen, DECIDED_MAX, Decide, Decided, NO_SUCH_LINE, NOTE_CHARS_MAX, decide};
pub use dismissal::Dismissal;
pub use finish::finish;
pub use lease::{RUN_LOST, RunLease, SlotClaim, already_running, is_lost};
pub use line::{Decision, DecisionKind, LineName, Part, Reckoning, RunLine, Undecided};
pub use lost::sweep_lost;
pub use read::{
    FOUND_MAX, FoundLine, LineFilter, RunFilter, Search, invoice_change, list_runs, load_run, run_lines, search_lines,
};
pub use reconcile::{Bucket, BucketTotal, Finding, Reconciliation, reconcile};
pub use record::{LineState, Period, Run, RunKind, RunMode, RunState, Totals, Trigger, WORDS_MAX, WorkMessage};
pub use retry::{retry_accounts, retry_failed, run_again};
pub use start::{StartRun, start};
pub use table::{findings_csv, lines_csv, safe as safe_cell};
pub use undo::{Undo, undo};
