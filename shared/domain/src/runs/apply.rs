//! A person applies a preview.

use super::decide::{second_person, started_by};
use super::read::load_run;
use super::start::{lease_for, ready};
use super::{DecisionKind, LineName, Run, RunLine, RunMode, RunState, lines};
use crate::actor::{Actor, Scope};
use crate::billing;
use crate::change::Change;
use crate::connections::check_version;
use crate::ids::{ConnectionId, PartnerId, RunId};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Problem, Result};
use crate::records::Versioned;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a preview can be applied: after a day a person would decide about numbers that nobody remembers.
pub const PLAN_TTL: SignedDuration = SignedDuration::from_hours(24);
/// Lines that are named in `plan_stale`; with more, the preview is to be made anew anyhow.
const NAMED_MAX: usize = 50;
/// How often the write is tried against others of the same connection.
const TRIES: u32 = 4;

/// Lets a preview write: it becomes a queued run that may, if `plan_hash` is its plan's and a fresh look at counts
/// and Autotask finds the plan unchanged. Applying what was applied returns the run as it is.
///
/// # Errors
/// `not_found`; `precondition_failed`; `run_not_writable` if it is no preview that waits; `plan_stale`, naming in
/// `lines` what differs; `second_person_needed` where the settings ask for one; `already_running`; and what is wrong
/// with the connection, as for a start.
pub async fn apply(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, connection, id): (&PartnerId, &ConnectionId, &RunId),
    plan_hash: &str,
    if_match: Option<u64>,
) -> Result<Versioned<Run>> {
    let found = load_run(ports, scope, partner, connection, id).await?;
    if is_applied(&found, plan_hash) {
        return taken_up(ports, found).await;
    }
    check_version(if_match, found.v)?;
    check(&found, plan_hash, ports.clock.now())?;
    let settings = ready(ports, scope, partner, connection, found.kind).await?;
    let stored = lines::load_lines(ports, scope, partner, connection, id).await?;
    if settings.second_approver {
        by_a_second_person(&found, &stored, actor)?;
    }
    unchanged(ports, scope, actor, &found, &stored).await?;
    claim(ports, scope, actor, found, plan_hash).await
}

fn is_applied(run: &Run, plan_hash: &str) -> bool {
    run.applied_by.is_some() && run.plan_hash.as_deref() == Some(plan_hash)
}

fn check(run: &Run, plan_hash: &str, now: Timestamp) -> Result<()> {
    if !run.kind.is_billing() || run.state != RunState::Planned {
        return Err(not_writable(run, "Only a preview that waits can be applied"));
    }
    if run.plan_hash.as_deref() != Some(plan_hash) {
        return Err(stale("The plan_hash is not that of this run's plan."));
    }
    if run.planned_at.is_none_or(|at| now.duration_since(at) > PLAN_TTL) {
        return Err(stale(&format!("The plan is older than {} hours.", PLAN_TTL.as_hours())));
    }
    Ok(())
}

/// A run that is in the wrong state for what somebody wants.
pub(super) fn not_writable(run: &Run, rule: &str) -> Error {
    Error::problem(Code::RunNotWritable, format!("{rule}; this run is {}.", run.state.as_str()))
}

fn stale(why: &str) -> Error {
    Error::problem(Code::PlanStale, why)
}

/// Whoever started a run by hand, or decided about its lines, leaves it to somebody else.
fn by_a_second_person(run: &Run, stored: &[RunLine], actor: &Actor) -> Result<()> {
    if started_by(run, actor) {
        return Err(second_person("You started this run; somebody else applies it."));
    }
    let decided = |line: &&RunLine| line.decision.as_ref().is_some_and(|decision| decision.who == actor.who);
    match stored.iter().find(decided) {
        Some(line) => {
            let detail = format!("You decided about line {}; somebody else applies the plan.", line.no);
            Err(second_person(&detail))
        }
        None => Ok(()),
    }
}

/// Compares the stored plan with one made now.
async fn unchanged(ports: &Ports, scope: &Scope, actor: &Actor, run: &Run, stored: &[RunLine]) -> Result<()> {
    let as_asked = Run { actor: actor.clone(), ..run.clone() };
    let fresh = billing::compute(ports, scope, &run.partner, &run.connection, &as_asked).await?;
    if let Some((code, why)) = fresh.stopped {
        return Err(Error::problem(code, why));
    }
    let differing = differences(stored, &fresh.lines);
    if differing.is_empty() {
        return Ok(());
    }
    let detail = format!("{} of {} lines differ from the plan by now.", differing.len(), stored.len());
    let named: Vec<Value> = differing.into_iter().take(NAMED_MAX).collect();
    Err(Problem::new(Code::PlanStale, detail).with("lines", named).into())
}

/// What differs between a plan and a later one, each with what was and what is; a line that only one of them has
/// lacks the other side.
fn differences(stored: &[RunLine], fresh: &[RunLine]) -> Vec<Value> {
    let (was, is) = (by_name(stored), by_name(fresh));
    let names: BTreeSet<&LineName> = was.keys().chain(is.keys()).collect();
    // What nobody wants written may be whatever it is.
    let dismissed = |line: &RunLine| line.decision.as_ref().is_some_and(|said| said.kind == DecisionKind::Dismiss);
    let left: BTreeSet<LineName> = stored.iter().filter(|line| dismissed(line)).map(RunLine::name).collect();
    let unseen: BTreeSet<LineName> = stored.iter().filter(|line| is_unseen(line)).map(RunLine::name).collect();
    let same = |name: &LineName| {
        let (mut was, mut is) = (was.get(name).cloned(), is.get(name).cloned());
        if unseen.contains(name) {
            for facts in [&mut was, &mut is].into_iter().flatten() {
                facts["units_now"] = Value::Null;
            }
        }
        was == is
    };
    let differing = names.into_iter().filter(|name| !left.contains(*name) && !same(name));
    differing
        .map(|name| {
            json!({
                "account_id": name.account, "package_id": name.package, "line_kind": name.kind,
                "service_id": name.service_id,
                "was": was.get(name), "is": is.get(name),
            })
        })
        .collect()
}

/// Whether a person chose another date than the plan's: what is there then was not read.
fn is_unseen(line: &RunLine) -> bool {
    line.decision.is_some() && line.units_now.is_none()
}

fn by_name(lines: &[RunLine]) -> BTreeMap<LineName, Value> {
    lines.iter().map(|line| (line.name(), facts(line))).collect()
}

fn facts(line: &RunLine) -> Value {
    json!({
        "units_now": line.units_now, "count": line.count, "units_wanted": line.units_wanted,
        "cost_now": line.cost_now, "cost_wanted": line.cost_wanted, "effective_date": line.effective_date,
    })
}

async fn claim(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    found: Versioned<Run>,
    plan_hash: &str,
) -> Result<Versioned<Run>> {
    let Versioned { v, value: before } = found;
    let mut run = before.clone();
    run.mode = RunMode::Apply;
    run.state = RunState::Queued;
    run.approved = true;
    run.applied_by = Some(actor.clone());
    run.problem = None;
    run.touched_at = ports.clock.now();
    for _ in 0..TRIES {
        let change = Change::of_connection(ports, actor, &run.partner, &run.connection)
            .replace(&run, v)?
            .write(lease_for(ports, scope, &run).await?)
            .audit(
                "run.applied",
                format!("run/{}", run.id),
                json!({"state": before.state, "mode": before.mode}),
                json!({"state": run.state, "mode": run.mode, "plan_hash": plan_hash}),
            )?;
        match change.commit(scope).await {
            Ok(()) => return taken_up(ports, Versioned { v: v + 1, value: run }).await,
            Err(StorageError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let there = load_run(ports, scope, &run.partner, &run.connection, &run.id).await?;
        if is_applied(&there, plan_hash) {
            return taken_up(ports, there).await;
        }
        if there.v != v {
            return Err(not_writable(&there, "Somebody else changed the run"));
        }
    }
    Err(Error::problem(Code::Conflict, "Other runs of this connection start and end at the same moment."))
}

/// Sends the message of a run that nobody has begun: a second press helps where the first one's was lost.
async fn taken_up(ports: &Ports, run: Versioned<Run>) -> Result<Versioned<Run>> {
    if run.state == RunState::Queued {
        run.message().send(ports, Duration::ZERO).await?;
    }
    Ok(run)
}
