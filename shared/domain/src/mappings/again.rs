//! An auto-map run or an import that has ended, once more.

use super::context::Context;
use super::import::import_again;
use super::runs::{queued, start};
use crate::autotask_session::refuse_unless_connected;
use crate::ids::RunId;
use crate::problem::{Code, Error, Result};
use crate::records::{Key, load};
use crate::runs::{Run, RunKind, Trigger};
use serde_json::{Value, json};

/// Starts a run like another one that has ended. An import brings the same file and leaves alone what was mapped
/// otherwise since the first one was started.
///
/// # Errors
/// `not_found`; `run_not_writable` for a run of lines, or one that is under way; `needs_relink`, `connection_paused`;
/// `unavailable` where no worker could be told.
pub async fn run_again(context: Context<'_>, id: &RunId) -> Result<Run> {
    let connection = context.connection().await?;
    refuse_unless_connected(&connection)?;
    let key = Key::Run(context.partner.clone(), context.connection.clone(), id.clone());
    let found = load::<Run>(&*context.ports.storage, context.scope, &key).await?;
    let run = found.ok_or_else(|| Error::not_found("run"))?.value;
    if !run.state.is_final() {
        return Err(Error::problem(Code::RunNotWritable, "The run is under way."));
    }
    match run.kind {
        RunKind::AutoMap => {
            let rerun = run.outcome.get("rerun").and_then(Value::as_bool).unwrap_or_default();
            let next = Run {
                trigger: Trigger::Retry,
                retry_of: Some(run.id),
                ..queued(context, RunKind::AutoMap, json!({"rerun": rerun}))
            };
            start(context, next, Vec::new()).await
        }
        RunKind::CsvImport => import_again(context, run).await,
        RunKind::SeatSync | RunKind::Initial | RunKind::PackageChanges | RunKind::Undo => {
            Err(Error::problem(Code::RunNotWritable, "It is neither an auto-map run nor an import."))
        }
    }
}
