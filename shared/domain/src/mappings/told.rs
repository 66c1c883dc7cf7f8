//! What issues say of auto-map runs and imports: one for each kind, as one brings nothing of what the other lacks.

use crate::actor::Scope;
use crate::change::Change;
use crate::connections::{Connection, ConnectionStatus};
use crate::issues::{self, Met, More, Subject};
use crate::ports::Ports;
use crate::problem::{Code, Result};
use crate::records::{Key, load};
use crate::runs::{Run, RunKind, RunState};
use serde_json::{Value, json};

/// What every subject of these runs begins with.
pub(crate) const OF_RUNS: &str = "mappings/";

/// Adds what the end of an auto-map run or of an import means for issues: one that failed opens `run_failed`, an
/// import that refused rows `run_partial`; one of the same kind that did neither closes both. A connection that is not
/// connected has that issue alone, or is so by somebody's wish.
///
/// # Errors
/// Records.
pub(crate) async fn told<'a>(change: Change<'a>, ports: &Ports, scope: &Scope, run: &Run) -> Result<Change<'a>> {
    let what = match run.kind {
        RunKind::AutoMap | RunKind::CsvImport => run.kind.as_str(),
        RunKind::SeatSync | RunKind::Initial | RunKind::PackageChanges | RunKind::Undo => return Ok(change),
    };
    let subject = format!("{OF_RUNS}{what}");
    let on = Subject { partner: &run.partner, connection: &run.connection, subject: &subject };
    let met = |detail, data: Value| {
        let more = Some(More { data, fix: None });
        Met { detail, more, by: Some(run.id.as_str()) }
    };
    match (run.state, &run.problem) {
        (RunState::Failed, Some((why, detail))) => {
            let key = Key::Connection(run.partner.clone(), run.connection.clone());
            let connection = load::<Connection>(&*ports.storage, scope, &key).await?;
            if connection.is_none_or(|found| found.status != ConnectionStatus::Connected) {
                return Ok(change);
            }
            let met = met(detail, json!({"code": why, "kind": run.kind}));
            issues::open_in(change, ports, scope, on, Code::RunFailed, met).await
        }
        (RunState::Done, _) => {
            let change = issues::resolve(change, ports, scope, on, Code::RunFailed).await?;
            let refused = run.outcome.get("refused").and_then(Value::as_u64).unwrap_or_default();
            if refused == 0 {
                return issues::resolve(change, ports, scope, on, Code::RunPartial).await;
            }
            let words = format!("The rows of {refused} accounts were refused; the run's result says why.");
            let met = met(&words, json!({"kind": run.kind, "refused": refused}));
            issues::open_in(change, ports, scope, on, Code::RunPartial, met).await
        }
        _ => Ok(change),
    }
}
