//! Makes a report, stores it, and says so.

use super::check::{Found, Live, Ours, check};
use super::record::{HealthReport, Severity};
use super::sources;
use super::tell::tell;
use crate::actor::{Actor, Scope};
use crate::budget::Mode;
use crate::change::Change;
use crate::connections::{SEAT_SYNC_JOB, Schedule, load_connection};
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Expect, Key, Versioned, Write, load};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Findings that a report lists: with words of some 300 bytes, half of what a record may hold.
const FINDINGS_MAX: usize = 500;
/// How often the report is written again when another one was stored meanwhile.
const ATTEMPTS_MAX: usize = 3;

/// A connection that is to be checked for a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthMessage {
    /// Whose.
    pub partner: PartnerId,
    /// Which connection.
    pub connection: ConnectionId,
    /// The slot that is looked ahead to.
    pub health_for: Timestamp,
}

/// The newest report; none before the first.
///
/// # Errors
/// `not_found`.
pub async fn newest(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<Option<HealthReport>> {
    load_connection(ports, scope, partner, id).await?;
    Ok(stored(ports, scope, partner, id).await?.map(|found| found.value))
}

async fn stored(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<Option<Versioned<HealthReport>>> {
    Ok(load(&*ports.storage, scope, &Key::HealthReport(partner.clone(), id.clone())).await?)
}

/// Checks a connection now, for somebody who waits.
///
/// # Errors
/// `not_found`; a failed call as explained. A connection that cannot be used is a finding, not an error.
pub async fn check_now(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<HealthReport> {
    let made = make(ports, scope, actor, (partner, id), Mode::Interactive).await?;
    store(ports, scope, actor, made, None).await
}

/// Checks a connection for a slot, once. A slot that was moved, or has been checked, is left alone.
///
/// # Errors
/// As [`check_now`].
pub async fn check_slot(ports: &Ports, scope: &Scope, actor: &Actor, message: &HealthMessage) -> Result<()> {
    let HealthMessage { partner, connection, health_for: slot } = message;
    let key = Key::Schedule(partner.clone(), connection.clone(), SEAT_SYNC_JOB.to_owned());
    let due = load::<Schedule>(&*ports.storage, scope, &key).await?.map(|found| found.value.due_at);
    let known = stored(ports, scope, partner, connection).await?.and_then(|found| found.value.checked_slot);
    if due != Some(*slot) || known == Some(*slot) {
        return Ok(());
    }
    let made = make(ports, scope, actor, (partner, connection), Mode::Background).await?;
    store(ports, scope, actor, made, Some(*slot)).await.map(|_| ())
}

async fn make(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &ConnectionId),
    mode: Mode,
) -> Result<HealthReport> {
    let mut ours = sources::ours(ports, scope, partner, id).await?;
    // A contract that ends the day before the run is no longer there.
    let until = ours.day().yesterday().unwrap_or(ours.day());
    let live = sources::live(ports, scope, actor, &mut ours, until, mode).await?;
    let found = check(&ours, live.as_ref());
    let saw_all = live.as_ref().is_some_and(|live| live.left_out == 0);
    let of = (partner, id);
    tell(ports, scope, actor, of, (&found.findings, saw_all, ours.now)).await?;
    Ok(report(&ours, live.as_ref(), found))
}

fn report(ours: &Ours, live: Option<&Live>, mut found: Found) -> HealthReport {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let blocking = found.findings.iter().filter(|finding| finding.severity == Severity::Blocking).count();
    let all = found.findings.len();
    let (score, lines, ready) = (found.score(), count(found.lines()), count(found.ready()));
    found.findings.truncate(FINDINGS_MAX);
    HealthReport {
        partner: ours.connection.partner.clone(),
        connection: ours.connection.id.clone(),
        checked_at: ours.now,
        slot: ours.slot,
        checked_slot: None,
        score,
        lines,
        ready,
        blocking: count(blocking),
        warnings: count(all - blocking),
        findings_left_out: count(all - found.findings.len()),
        findings: found.findings,
        accounts_left_out: live.map_or(0, |live| count(live.left_out)),
        autotask_calls: live.map_or(0, |live| live.calls),
    }
}

/// Stores a report and tells of it. One for a slot that has been checked meanwhile is dropped.
async fn store(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    mut made: HealthReport,
    slot: Option<Timestamp>,
) -> Result<HealthReport> {
    let counts = |report: &HealthReport| {
        json!({"score": report.score, "lines": report.lines, "ready": report.ready, "blocking": report.blocking,
            "warnings": report.warnings})
    };
    for _ in 0..ATTEMPTS_MAX {
        let (partner, id) = (&made.partner, &made.connection);
        let before = stored(ports, scope, partner, id).await?;
        let known = before.as_ref().and_then(|found| found.checked_slot);
        if slot.is_some() && known == slot {
            return Ok(made);
        }
        made.checked_slot = slot.or(known);
        let expect = before.as_ref().map_or(Expect::Absent, |found| Expect::Version(found.v));
        let was = before.as_ref().map_or(Value::Null, |found| counts(found));
        let mut told = counts(&made);
        told["slot"] = json!(made.slot);
        told["checked_at"] = json!(made.checked_at);
        let change = Change::of_connection(ports, actor, &made.partner, &made.connection)
            .write(Write::put(&made, expect)?)
            .audit("health.checked", "connection", was, counts(&made))?
            .event("connection.health_checked", told)?;
        match change.commit(scope).await {
            Ok(()) => return Ok(made),
            Err(StorageError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::problem(Code::Conflict, "Other checks of this connection are under way."))
}
