//! A person stops a run.

use super::apply::not_writable;
use super::finish;
use super::read::load_run;
use super::{Run, RunState};
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::connections::check_version;
use crate::ids::{ConnectionId, PartnerId, RunId};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::Versioned;
use serde_json::json;

/// How often it is tried against a worker that takes the run up at the same moment.
const TRIES: u32 = 4;

/// Cancels a run that nobody has begun or that waits as a preview; asks one that is under way to stop: it sends
/// nothing more, finishes what is open, and then ends. Cancelling twice is cancelling once.
///
/// # Errors
/// `not_found`; `precondition_failed`; `run_not_writable` if it has ended otherwise, or is no seat sync.
pub async fn cancel(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, connection, id): (&PartnerId, &ConnectionId, &RunId),
    if_match: Option<u64>,
) -> Result<Versioned<Run>> {
    for _ in 0..TRIES {
        let found = load_run(ports, scope, partner, connection, id).await?;
        let asked = found.cancel_requested && !found.state.is_final();
        if asked || found.state == RunState::Cancelled {
            return Ok(found);
        }
        check_version(if_match, found.v)?;
        if !found.kind.is_billing() || found.state.is_final() {
            return Err(not_writable(&found, "Only a seat sync that has not ended can be cancelled"));
        }
        let written = match found.state {
            RunState::Queued | RunState::Planned => at_once(ports, scope, actor, found).await,
            _ => ask(ports, scope, actor, found).await,
        };
        match written {
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            other => return other,
        }
    }
    Err(Error::problem(Code::Conflict, "The run changes too fast to be cancelled just now."))
}

async fn at_once(ports: &Ports, scope: &Scope, actor: &Actor, found: Versioned<Run>) -> Result<Versioned<Run>> {
    let totals = found.totals;
    let ended = finish(ports, scope, actor, found, RunState::Cancelled, totals, None).await?;
    if ended.state == RunState::Cancelled {
        return Ok(ended);
    }
    Err(not_writable(&ended, "Only a seat sync that has not ended can be cancelled"))
}

async fn ask(ports: &Ports, scope: &Scope, actor: &Actor, found: Versioned<Run>) -> Result<Versioned<Run>> {
    let Versioned { v, value: mut run } = found;
    run.cancel_requested = true;
    let change = Change::of_connection(ports, actor, &run.partner, &run.connection).replace(&run, v)?;
    let subject = format!("run/{}", run.id);
    let change = change.audit("run.cancel_requested", subject, json!({"state": run.state}), json!({}))?;
    change.commit(scope).await?;
    Ok(Versioned { v: v + 1, value: run })
}
