//! Ready for the 1st: what would go wrong if the seat sync ran now, found before it runs.
//!
//! `sources` loads ours and looks at theirs, `check` judges (pure), `run` stores the report and says so, `tell` in issues, `due` knows when.

mod check;
mod due;
mod record;
mod run;
mod sources;
mod tell;

pub use due::{due, send_due};
pub use record::{About, Finding, HealthReport, Severity};
pub use run::{HealthMessage, check_now, check_slot, newest};
