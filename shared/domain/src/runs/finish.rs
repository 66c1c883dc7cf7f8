//! Ending a run, and what the world is told about it.

use super::{Run, RunKind, RunMode, RunState, Totals, lease, line_events};
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::issues::{self, Met, More, Subject};
use crate::mappings;
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Record, Versioned, load};
use serde_json::{Value, json};

/// How often the end is written anew because a person asked to stop it, or its lease went, at the same moment.
const TRIES: u32 = 4;
/// What an issue about runs as such is about.
pub(super) const SUBJECT: &str = "seat_sync";

/// Ends a run, or stores that its plan is made ([`RunState::Planned`]): the run with whatever else the caller has set
/// on it, its lease given back, a row in the audit trail and the events, in one change. A run that has ended already
/// is returned as it is.
///
/// # Errors
/// [`StorageError::Conflict`] where somebody else works on the run: the message is to be tried again.
pub async fn finish(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    run: Versioned<Run>,
    state: RunState,
    totals: Totals,
    problem: Option<(Code, String)>,
) -> Result<Versioned<Run>> {
    debug_assert!(state.is_final() || state == RunState::Planned, "{state:?} is no end");
    let Versioned { mut v, value: mut run } = run;
    let now = ports.clock.now();
    run.totals = totals;
    run.problem = problem;
    run.touched_at = now;
    let before = run.state;
    run.state = ended_as(state, &run);
    run.finished_at = run.state.is_final().then_some(now);
    for _ in 0..TRIES {
        match write(ports, scope, actor, &run, v, before).await {
            Ok(()) => {
                log(&run);
                return Ok(Versioned { v: v + 1, value: run });
            }
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            Err(error) => return Err(error),
        }
        let there = load::<Run>(&*ports.storage, scope, &run.key()).await?;
        let there = there.ok_or_else(|| Error::not_found("run"))?;
        let is_ours = there.v == v;
        let only_asked = there.v == v + 1 && there.cancel_requested && !run.cancel_requested;
        match there {
            ended if ended.state.is_final() || ended.state == state => return Ok(ended),
            _ if is_ours => {}
            asked if only_asked => {
                (v, run.cancel_requested) = (asked.v, true);
                run.state = ended_as(state, &run);
                run.finished_at = run.state.is_final().then_some(now);
            }
            _ => break,
        }
    }
    Err(StorageError::Conflict { at: 0, current: None }.into())
}

/// A plan that somebody asked to stop while it was made waits for nobody.
fn ended_as(state: RunState, run: &Run) -> RunState {
    if state == RunState::Planned && run.cancel_requested { RunState::Cancelled } else { state }
}

async fn write(ports: &Ports, scope: &Scope, actor: &Actor, run: &Run, v: u64, before: RunState) -> Result<()> {
    let mut change = Change::of_connection(ports, actor, &run.partner, &run.connection).replace(run, v)?;
    if let Some(write) = lease::release(ports, scope, run).await? {
        change = change.write(write);
    }
    let after = json!({"state": run.state, "totals": run.totals, "problem": run.problem});
    let action = if run.state == RunState::Planned { "run.planned" } else { "run.ended" };
    change = change.audit(action, format!("run/{}", run.id), json!({"state": before}), after)?;
    for name in events(run) {
        change = change.event(name, event_data(run))?;
    }
    change = line_events::tell(change, ports, scope, run).await?;
    change = as_a_whole(change, ports, scope, run).await?;
    change = mappings::told::told(change, ports, scope, run).await?;
    if run.state == RunState::Done && run.kind == RunKind::SeatSync && run.accounts.is_none() {
        let on = Subject { partner: &run.partner, connection: &run.connection, subject: SUBJECT };
        change = issues::resolve(change, ports, scope, on, Code::RunPartial).await?;
        change = issues::resolve(change, ports, scope, on, Code::Internal).await?;
    }
    change.commit(scope).await?;
    Ok(())
}

/// What issues about runs of a kind as such are about.
fn subject(kind: RunKind) -> &'static str {
    match kind {
        RunKind::SeatSync => SUBJECT,
        RunKind::Initial | RunKind::PackageChanges => "package_changes",
        RunKind::Undo => "undo",
        RunKind::AutoMap | RunKind::CsvImport => "mappings",
    }
}

/// Opens the issue of a run that was to write and failed as a whole; closes it with one that covers the same and did
/// not. Failures that have an issue of their own are not told twice: refused credentials, a lost run.
async fn as_a_whole<'a>(change: Change<'a>, ports: &Ports, scope: &Scope, run: &Run) -> Result<Change<'a>> {
    if !run.kind.is_billing() || run.mode != RunMode::Apply {
        return Ok(change);
    }
    let on = Subject { partner: &run.partner, connection: &run.connection, subject: subject(run.kind) };
    let code = Code::RunFailed;
    match (run.state, &run.problem) {
        (
            RunState::Failed,
            Some((Code::NeedsRelink | Code::ConnectionPaused | Code::RunPartial | Code::Internal, _)),
        ) => Ok(change),
        (RunState::Failed, Some((why, detail))) => {
            let data = json!({"code": why, "kind": run.kind});
            let met = Met { detail, more: Some(More { data, fix: None }), by: Some(run.id.as_str()) };
            issues::open_in(change, ports, scope, on, code, met).await
        }
        (RunState::Done | RunState::Partial, _) => match (&run.accounts, &run.retry_of) {
            (None, _) => issues::resolve(change, ports, scope, on, code).await,
            (Some(_), Some(of)) => issues::resolve_met_by(change, ports, scope, on, code, of.as_str()).await,
            (Some(_), None) => Ok(change),
        },
        _ => Ok(change),
    }
}

/// `billing.run_held` goes out beside the run's own event where lines wait for a person.
fn events(run: &Run) -> Vec<&'static str> {
    if !run.kind.is_billing() {
        return Vec::new();
    }
    let held = run.mode == RunMode::Apply && run.totals.held > 0;
    let own = match run.state {
        RunState::Planned => Some("billing.run_planned"),
        RunState::Done => Some("billing.run_completed"),
        RunState::Partial => Some("billing.run_partial"),
        RunState::Failed => Some("billing.run_failed"),
        RunState::Stopped => return vec!["billing.run_held"],
        RunState::Cancelled | RunState::Queued | RunState::Planning | RunState::Applying | RunState::Settling => {
            return Vec::new();
        }
    };
    own.into_iter().chain(held.then_some("billing.run_held")).collect()
}

fn event_data(run: &Run) -> Value {
    json!({
        "run_id": run.id,
        "kind": run.kind,
        "trigger": run.trigger,
        "mode": run.mode,
        "state": run.state,
        "period": run.period,
        "effective_date": run.effective_date,
        "totals": run.totals,
        "code": run.problem.as_ref().map(|(code, _)| code),
        "status_url": run.status_url(),
    })
}

fn log(run: &Run) {
    let totals = run.totals;
    tracing::info!(
        run.id = %run.id,
        run.kind = run.kind.as_str(),
        run.state = run.state.as_str(),
        partner.id = %run.partner,
        connection.id = %run.connection,
        lines = totals.lines,
        changed = totals.changed,
        unchanged = totals.unchanged,
        held = totals.held,
        failed = totals.failed,
        skipped = totals.skipped,
        superseded = totals.superseded,
        unverified = totals.unverified,
        autotask.calls = run.autotask_calls,
        code = run.problem.as_ref().map(|(code, _)| code.as_str()),
        "a run is {}",
        run.state.as_str(),
    );
}
