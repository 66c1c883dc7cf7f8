//! Runs that nobody works on any more.

use super::finish::SUBJECT;
use super::lease::is_lost;
use super::{Run, RunMode, RunState, finish};
use crate::actor::{Actor, Scope};
use crate::billing::give_up_lines;
use crate::change::Change;
use crate::issues::{self, Met, Subject};
use crate::ports::{Ports, Read, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, Record, Versioned, load, load_all};
use jiff::SignedDuration;
use std::time::Duration;

/// A queued run that nobody has begun for this long gets its message again …
const RESEND_FROM: SignedDuration = SignedDuration::from_mins(10);
/// … and only up to here, so that a full queue is not filled further: two or three sweeps, five minutes apart.
const RESEND_UNTIL: SignedDuration = SignedDuration::from_mins(25);

/// Ends the lost runs of one shard of all partners', with an issue for each connection whose seat sync was lost;
/// sends the message of queued runs again that seem to have lost it. Returns how many runs it ended.
///
/// # Errors
/// The first one that was met; the other runs are looked after all the same.
pub async fn sweep_lost(ports: &Ports, scope: &Scope, shard: u8) -> Result<usize> {
    let open = load_all::<Run>(&*ports.storage, scope, &Collection::OpenRuns(shard), Read::Eventual).await?;
    let (mut ended, mut failed) = (0, None);
    for seen in open {
        match look_after(ports, scope, &seen).await {
            Ok(true) => ended += 1,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(run.id = %seen.id, error = %error, "a run that may be lost could not be looked after");
                failed.get_or_insert(error);
            }
        }
    }
    failed.map_or(Ok(ended), Err)
}

/// Whether the run was lost, and is ended.
async fn look_after(ports: &Ports, scope: &Scope, seen: &Run) -> Result<bool> {
    let Some(own) = scope.narrow(&seen.partner) else { return Ok(false) };
    // The index may be a moment old.
    let Some(run) = load::<Run>(&*ports.storage, &own, &seen.key()).await? else { return Ok(false) };
    let now = ports.clock.now();
    if is_lost(&run, now) {
        give_up(ports, &own, run).await?;
        return Ok(true);
    }
    let waits = now.duration_since(run.touched_at);
    let unheard = run.state == RunState::Queued && run.kind.is_billing();
    if unheard && (RESEND_FROM..RESEND_UNTIL).contains(&waits) {
        run.message().send(ports, Duration::ZERO).await?;
    }
    Ok(false)
}

/// Ends a lost run as failed: `run_partial` where it may have written something, `internal` where it had not begun
/// to. Nothing is written to Autotask; the lines it left open are settled by the next run.
pub(super) async fn give_up(ports: &Ports, scope: &Scope, mut run: Versioned<Run>) -> Result<()> {
    let actor = Actor::system("sweep:lost_runs", format!("sweep_{}", ports.ids.uuid().simple()));
    let (code, detail) = match run.state {
        RunState::Applying | RunState::Settling => {
            (Code::RunPartial, "The run stopped while it was writing; its lines say what became of each.")
        }
        _ if !run.kind.is_billing() => (Code::Internal, "The run stopped before its end; what it had saved stays."),
        _ => (Code::Internal, "The run was never carried out; nothing was written."),
    };
    let (partner, connection) = (run.partner.clone(), run.connection.clone());
    let id = run.id.clone();
    let is_seats = run.kind.is_billing();
    let writes = is_seats && run.mode == RunMode::Apply;
    let totals = if writes { give_up_lines(ports, scope, &mut run.value, Code::Internal).await? } else { run.totals };
    let problem = Some((code, detail.to_owned()));
    match finish(ports, scope, &actor, run, RunState::Failed, totals, problem).await {
        Ok(ended) if ended.state == RunState::Failed => {}
        // Somebody took it up after all.
        Ok(_) | Err(Error::Storage(StorageError::Conflict { .. })) => return Ok(()),
        Err(error) => return Err(error),
    }
    tracing::error!(run.id = %id, partner.id = %partner, connection.id = %connection, "a run was lost");
    if !is_seats {
        // Its issue is that of its kind, and was opened with its end.
        return Ok(());
    }
    let on = Subject { partner: &partner, connection: &connection, subject: SUBJECT };
    let change = Change::of_connection(ports, &actor, &partner, &connection);
    let detail = format!("Run {id}: {detail}");
    let met = Met { detail: &detail, more: None, by: Some(id.as_str()) };
    let change = issues::open_in(change, ports, scope, on, code, met).await?;
    change.commit(scope).await?;
    Ok(())
}
