//! Runs of the mapper: started here, worked on by a queue's worker, ended once.

use super::context::Context;
use crate::change::Change;
use crate::ids::{ConnectionId, PartnerId, RunId};
use crate::ports::{Deadline, Ports, QueueError, QueueName, StorageError};
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Key, Versioned, Write, load};
use crate::runs::{Run, RunKind, RunState, Trigger};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How often a run is taken up when Autotask or we are away.
const ATTEMPTS_MAX: u32 = 5;
/// How long it waits in between.
const ATTEMPT_DELAY: Duration = Duration::from_secs(60);
/// With less time left than this, a run hands on to a message of its own: one more row and its end fit in.
pub(super) const TIME_MIN: Duration = Duration::from_secs(30);

/// A message of the queue [`QueueName::Map`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapMessage {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Which run.
    pub run: RunId,
    /// How often it has been taken up in vain.
    #[serde(default)]
    pub attempt: u32,
}

impl MapMessage {
    pub(super) async fn send(&self, ports: &Ports, delay: Duration) -> Result<()> {
        let body = serde_json::to_string(self).map_err(|error| QueueError(Box::new(error)))?;
        Ok(ports.queue.send(QueueName::Map, body, delay, &self.partner).await?)
    }
}

/// Writes a run as queued, together with what else belongs to its start, and sends its message.
pub(super) async fn start(context: Context<'_>, run: Run, mut writes: Vec<Write>) -> Result<Run> {
    let Context { ports, scope, actor, partner, connection } = context;
    let mut change = Change::of_connection(ports, actor, partner, connection).create(&run)?;
    for write in writes.drain(..) {
        change = change.write(write);
    }
    let after = json!({"kind": run.kind, "outcome": run.outcome});
    change.audit("run.started", format!("run/{}", run.id), Value::Null, after)?.commit(scope).await?;
    let message =
        MapMessage { partner: partner.clone(), connection: connection.clone(), run: run.id.clone(), attempt: 0 };
    if let Err(error) = message.send(ports, Duration::ZERO).await {
        // Nobody would ever take it up: it says so instead of waiting for the sweep.
        let detail = "The run could not be handed to a worker; start it again.";
        end(
            context,
            Versioned { v: 1, value: run },
            RunState::Failed,
            Value::Null,
            Some((Code::Unavailable, detail.to_owned())),
        )
        .await?;
        return Err(error);
    }
    Ok(run)
}

/// How a stretch of work on a run ended.
pub(super) enum Worked {
    /// All is done.
    Done(Value),
    /// Time is up; another message goes on where this one ended.
    HandOn,
}

/// Takes up a message: works on its run and ends it. A run that has ended, or is not there, is success.
///
/// # Errors
/// Storage or queue: the message is tried again.
pub async fn work_on(ports: &Ports, scope: &crate::Scope, message: MapMessage, deadline: &dyn Deadline) -> Result<()> {
    let scope = &scope.narrow(&message.partner).ok_or_else(|| Error::not_found("partner"))?;
    let key = Key::Run(message.partner.clone(), message.connection.clone(), message.run.clone());
    let Some(run) = load::<Run>(&*ports.storage, scope, &key).await?.filter(|run| !run.state.is_final()) else {
        return Ok(());
    };
    let actor = &run.actor.clone();
    let context = Context { ports, scope, actor, partner: &message.partner, connection: &message.connection };
    let Some(mut run) = take_up(context, run).await? else { return Ok(()) };
    let worked = match run.kind {
        RunKind::AutoMap => super::automap::work(context, &mut run.value, deadline).await,
        RunKind::CsvImport => super::import::work(context, &mut run.value, deadline).await,
        RunKind::SeatSync | RunKind::Initial | RunKind::PackageChanges | RunKind::Undo => return Ok(()),
    };
    match worked {
        Ok(Worked::Done(outcome)) => end(context, run, RunState::Done, outcome, None).await,
        Ok(Worked::HandOn) => {
            touch(context, run).await?;
            MapMessage { attempt: 0, ..message.clone() }.send(ports, Duration::ZERO).await
        }
        Err(error) => later_or_failed(context, run, message.clone(), error).await,
    }
}

/// Marks a run as being worked on; none where somebody else got there first and ended it.
async fn take_up(context: Context<'_>, mut run: Versioned<Run>) -> Result<Option<Versioned<Run>>> {
    run.value.state = RunState::Planning;
    run.value.touched_at = context.ports.clock.now();
    match context.ports.storage.write(context.scope, vec![Write::replace(&run.value, run.v)?]).await {
        Ok(()) => Ok(Some(Versioned { v: run.v + 1, value: run.value })),
        Err(StorageError::Conflict { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn touch(context: Context<'_>, mut run: Versioned<Run>) -> Result<()> {
    run.value.touched_at = context.ports.clock.now();
    Ok(context.ports.storage.write(context.scope, vec![Write::replace(&run.value, run.v)?]).await?)
}

/// What passes by itself is tried again a few times; everything else ends the run and says why.
async fn later_or_failed(context: Context<'_>, run: Versioned<Run>, message: MapMessage, error: Error) -> Result<()> {
    let passing = match &error {
        Error::Problem(problem) => {
            matches!(
                problem.code,
                Code::AutotaskUnavailable | Code::Throttled | Code::Unavailable | Code::SecretStoreUnavailable
            )
        }
        Error::Storage(_) | Error::Queue(_) | Error::Events(_) => return Err(error),
        Error::Secrets(_) => true,
        Error::Autotask { .. } => false,
    };
    if passing && message.attempt + 1 < ATTEMPTS_MAX {
        tracing::warn!(run.id = %message.run, attempt = message.attempt, error = %error, "the run is tried again later");
        touch(context, run).await?;
        return MapMessage { attempt: message.attempt + 1, ..message }.send(context.ports, ATTEMPT_DELAY).await;
    }
    let problem = match error {
        Error::Problem(problem) => *problem,
        other => {
            tracing::error!(run.id = %message.run, error = %other, "the run failed");
            Problem::new(Code::Internal, "Something went wrong on our side.")
        }
    };
    end(context, run, RunState::Failed, Value::Null, Some((problem.code, problem.detail))).await
}

/// Ends a run. Its outcome stays what it was where none is given.
async fn end(
    context: Context<'_>,
    run: Versioned<Run>,
    state: RunState,
    outcome: Value,
    problem: Option<(Code, String)>,
) -> Result<()> {
    let Context { ports, scope, actor, partner, connection } = context;
    let Versioned { v, value: mut run } = run;
    let before = json!({"state": run.state});
    run.state = state;
    run.touched_at = ports.clock.now();
    run.finished_at = Some(run.touched_at);
    run.problem = problem;
    if !outcome.is_null() {
        run.outcome = outcome;
    }
    let after = json!({"state": run.state, "problem": run.problem, "autotask_calls": run.autotask_calls});
    tracing::info!(run.id = %run.id, run.kind = run.kind.as_str(), run.state = run.state.as_str(), partner.id = %partner,
        connection.id = %connection, autotask.calls = run.autotask_calls, outcome = %brief(&run.outcome), "a mapping run ended");
    let change = Change::of_connection(ports, actor, partner, connection).replace(&run, v)?;
    let change = change.audit("run.ended", format!("run/{}", run.id), before, after)?;
    super::told::told(change, ports, scope, &run).await?.commit(scope).await?;
    Ok(())
}

/// An outcome without its lists.
fn brief(outcome: &Value) -> Value {
    let Some(members) = outcome.as_object() else { return Value::Null };
    members.iter().filter(|(_, value)| !value.is_array()).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A run of the mapper, not yet written.
pub(super) fn queued(context: Context<'_>, kind: RunKind, outcome: Value) -> Run {
    let of = (context.partner, context.connection);
    Run { outcome, ..Run::queued(context.ports, context.actor, of, kind, Trigger::Manual) }
}
