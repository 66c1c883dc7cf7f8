//! Test, pause, resume: what a person does with a connection that is there.

use super::connect::told;
use super::findings::{Findings, Warning};
use super::probe::{ProbeError, probe};
use super::record::{Connection, ConnectionStatus};
use super::settings::SettingsRecord;
use super::{check_version, conflict, invoice_schedule, load_connection, schedule};
use crate::actor::{Actor, Scope};
use crate::autotask_session::{open_whatever_its_state, refuse_unless_connected, settle, unauthorised};
use crate::budget::Mode;
use crate::change::{Change, conflict_as};
use crate::ids::{ConnectionId, PartnerId};
use crate::issues::{self, Subject};
use crate::ports::Ports;
use crate::problem::{Code, Error, Result};
use crate::records::{Key, Versioned, load};
use serde_json::json;

/// What a test found.
#[derive(Debug, Clone)]
pub struct Tested {
    /// The record as it is now.
    pub connection: Versioned<Connection>,
    /// What works only in part.
    pub warnings: Vec<Warning>,
    /// Calls that the test made.
    pub calls: u32,
}

/// Tests a connection against Autotask, whatever its state: a person pressed the button. Working credentials end
/// `needs_relink` and keep a pause.
///
/// # Errors
/// As when connecting. Refused credentials put a connected one into `needs_relink`.
pub async fn test(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<Tested> {
    let found = load_connection(ports, scope, partner, id).await?;
    if found.status == ConnectionStatus::Disconnected {
        refuse_unless_connected(&found)?;
    }
    let (findings, calls) = look(ports, scope, actor, &found, Mode::Interactive).await?;
    let connection = keep(ports, scope, actor, partner, id, &findings, "connection.tested").await?;
    let warnings = findings.warnings(&connection.features);
    Ok(Tested { connection, warnings, calls })
}

/// Probes the rights of a connection that works: what [`test`] does, but never where the credentials were refused.
///
/// # Errors
/// `needs_relink`, `connection_paused`; as [`test`].
pub async fn probe_permissions(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<Tested> {
    refuse_unless_connected(&*load_connection(ports, scope, partner, id).await?)?;
    test(ports, scope, actor, partner, id).await
}

/// Probes with the stored credentials; a 401 is looked after once. A database that was moved is probed again in its
/// new zone.
pub(crate) async fn look(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    connection: &Connection,
    mode: Mode,
) -> Result<(Findings, u32)> {
    let session = open_whatever_its_state(ports, scope, connection, mode).await?;
    let found = probe(ports, scope, &session.client).await;
    let calls = session.calls();
    session.close().await;
    match found {
        Ok(findings) => Ok((findings, calls)),
        Err(ProbeError::Ours(error)) => Err(error),
        Err(ProbeError::Autotask(error @ autotask::Error::Unauthorised { .. })) => {
            let moved = unauthorised(ports, scope, actor, &connection.partner, &connection.id).await?;
            if moved != crate::autotask_session::Verdict::ZoneMoved {
                return Err(crate::autotask_session::explain(error));
            }
            let again = load_connection(ports, scope, &connection.partner, &connection.id).await?;
            let session = open_whatever_its_state(ports, scope, &again, mode).await?;
            let found = probe(ports, scope, &session.client).await;
            let calls = calls + session.calls();
            session.close().await;
            found.map(|findings| (findings, calls)).map_err(super::connect::probe_problem)
        }
        Err(ProbeError::Autotask(error)) => Err(settle(ports, scope, actor, connection, error).await),
    }
}

/// Keeps what a probe found: the record, its issues, and the end of `needs_relink`.
pub(super) async fn keep(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
    findings: &Findings,
    action: &str,
) -> Result<Versioned<Connection>> {
    let found = load_connection(ports, scope, partner, id).await?;
    let (v, before) = (found.v, found.value);
    let mut after = before.clone();
    findings.apply(&mut after);
    after.needs_relink_since = None;
    after.updated_at = ports.clock.now();
    let recovers = before.status == ConnectionStatus::NeedsRelink;
    if recovers {
        after.status = ConnectionStatus::Connected;
    }
    let summary = |c: &Connection| json!({"status": c.status, "permissions": c.permissions});
    let mut change = Change::of_connection(ports, actor, partner, id).replace(&after, v)?.audit(
        action,
        "connection",
        summary(&before),
        summary(&after),
    )?;
    if recovers {
        change = change.event("connection.connected", told(&after))?;
        change = reschedule(change, ports, scope, &after).await?;
    }
    let on = Subject { partner, connection: id, subject: "connection" };
    let change = issues::resolve(change, ports, scope, on, Code::NeedsRelink).await?;
    let change = findings.issues(change, ports, scope, &after).await?;
    change.commit(scope).await.map_err(|error| conflict_as(error, conflict))?;
    Ok(Versioned { v: v + 1, value: after })
}

/// Pauses a connection: its schedule stays, nothing is written. Pausing a paused one changes nothing.
///
/// # Errors
/// `precondition_failed`, `conflict`; `needs_relink` where it is disconnected.
pub async fn pause(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
    if_match: Option<u64>,
) -> Result<Versioned<Connection>> {
    let found = load_connection(ports, scope, partner, id).await?;
    check_version(if_match, found.v)?;
    match found.status {
        ConnectionStatus::Paused => return Ok(found),
        ConnectionStatus::Disconnected => refuse_unless_connected(&found)?,
        ConnectionStatus::Connected | ConnectionStatus::NeedsRelink => {}
    }
    switch(ports, scope, actor, found, ConnectionStatus::Paused).await
}

/// Ends a pause. A slot that passed meanwhile is made up for within its time, else the next one is taken. Where the
/// credentials were refused before the pause, they still need to be entered again.
///
/// # Errors
/// `precondition_failed`, `conflict`; `needs_relink` where it is disconnected.
pub async fn resume(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
    if_match: Option<u64>,
) -> Result<Versioned<Connection>> {
    let found = load_connection(ports, scope, partner, id).await?;
    check_version(if_match, found.v)?;
    match found.status {
        ConnectionStatus::Connected | ConnectionStatus::NeedsRelink => return Ok(found),
        ConnectionStatus::Disconnected => refuse_unless_connected(&found)?,
        ConnectionStatus::Paused => {}
    }
    let to = match found.needs_relink_since {
        Some(_) => ConnectionStatus::NeedsRelink,
        None => ConnectionStatus::Connected,
    };
    switch(ports, scope, actor, found, to).await
}

async fn switch(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    found: Versioned<Connection>,
    to: ConnectionStatus,
) -> Result<Versioned<Connection>> {
    let (v, before) = (found.v, found.value);
    let mut after = before.clone();
    after.status = to;
    after.updated_at = ports.clock.now();
    let (action, event) = match to {
        ConnectionStatus::Paused => ("connection.paused", "connection.paused"),
        ConnectionStatus::NeedsRelink => ("connection.resumed", "connection.needs_relink"),
        ConnectionStatus::Connected | ConnectionStatus::Disconnected => ("connection.resumed", "connection.connected"),
    };
    let status = |c: &Connection| json!({"status": c.status});
    let mut change = Change::of_connection(ports, actor, &before.partner, &before.id)
        .replace(&after, v)?
        .audit(action, "connection", status(&before), status(&after))?
        .event(event, told(&after))?;
    if to == ConnectionStatus::Connected {
        change = reschedule(change, ports, scope, &after).await?;
    }
    change.commit(scope).await.map_err(|error| conflict_as(error, conflict))?;
    Ok(Versioned { v: v + 1, value: after })
}

/// Adds what brings the schedule up to date after a time in which nothing ran.
pub(super) async fn reschedule<'a>(
    change: Change<'a>,
    ports: &Ports,
    scope: &Scope,
    connection: &Connection,
) -> Result<Change<'a>> {
    let key = Key::Settings(connection.partner.clone(), connection.id.clone());
    let settings = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
    let settings = settings.map(|found| found.value.settings).ok_or_else(|| Error::not_found("connection"))?;
    let present = schedule::load_schedule(ports, scope, connection).await?;
    let write = schedule::rewrite(connection, &settings, present.as_ref(), ports.clock.now(), false)?;
    let invoices = invoice_schedule::rewrite(ports, scope, connection, &settings).await?;
    Ok(write.into_iter().chain(invoices).fold(change, Change::write))
}
