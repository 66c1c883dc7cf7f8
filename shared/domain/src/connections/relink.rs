//! New credentials for a connection that is there. What works stays in use until the new ones are proven.

use super::connect::{already_connected, audited, probe_problem, put_secret, told, zone_record};
use super::findings::{Findings, Warning};
use super::input::login;
use super::lifecycle::reschedule;
use super::probe::probe;
use super::record::{Connection, ConnectionStatus, PsaGuard};
use super::settings::SettingsRecord;
use super::{PSA, check_version, conflict, disconnect, load_connection};
use crate::actor::{Actor, Scope};
use crate::autotask_session::{Login, discover, explain_zone};
use crate::change::Change;
use crate::ids::{ConnectionId, PartnerId};
use crate::issues::{self, Subject};
use crate::ports::{Ports, SecretVersion, StorageError};
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Expect, Key, Versioned, Write, load};
use crate::tickets::FailureTicketSettings;
use crate::webhooks;
use secrecy::SecretString;
use serde_json::json;

/// How often the last write is tried again over somebody's unrelated change.
const SWITCH_TRIES: u32 = 3;

/// A relink request as it came.
#[derive(Debug, Clone)]
pub struct NewCredentials {
    /// The API user's key.
    pub username: Option<String>,
    /// The API user's secret.
    pub secret: Option<SecretString>,
    /// Take another database, and drop what is kept of this one: mappings, invoices, issues.
    pub start_fresh: bool,
}

/// A connection with its new credentials.
#[derive(Debug, Clone)]
pub struct Relink {
    /// The record as it is now.
    pub connection: Versioned<Connection>,
    /// What works only in part.
    pub warnings: Vec<Warning>,
    /// Whether what was kept of another database was dropped.
    pub started_fresh: bool,
}

/// Replaces a connection's credentials.
///
/// # Errors
/// As when connecting, and `different_database` unless `start_fresh`; `already_running` where a run would have to
/// be torn apart; `unavailable` while there is more of the old database to remove than one call removes: the connection
/// has stopped then, and repeating goes on. After any other the credentials of before are in use.
pub async fn relink(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
    if_match: Option<u64>,
    input: NewCredentials,
) -> Result<Relink> {
    let found = load_connection(ports, scope, partner, id).await?;
    check_version(if_match, found.v)?;
    let mut errors = Vec::new();
    let entered = login(input.username.as_deref(), input.secret.as_ref(), &mut errors);
    let Some((username, secret)) = entered else {
        return Err(Problem::fields(errors).unwrap_or_else(|| Problem::field("/username", "is required")).into());
    };
    let zone = discover(ports, &username).await.map_err(|error| explain_zone(&error))?;
    let other = zone.ci != found.zone.ci;
    if other && !input.start_fresh {
        let text = "The username belongs to another Autotask database; every mapping would point at a stranger.";
        return Err(Problem::new(Code::DifferentDatabase, text).with("start_fresh", true).into());
    }
    let session = Login::entered(ports, scope, &username, secret.clone()).await?.session(ports, zone.url.clone());
    let probed = probe(ports, scope, &session.client).await;
    session.close().await;
    let findings = probed.map_err(probe_problem)?;
    if other {
        disconnect::refuse_while_running(ports, scope, &found).await?;
    }
    // Nothing is dropped before the new credentials are safe.
    let version = put_secret(ports, partner, id, &username, &secret).await?;
    if other {
        drop_theirs(ports, scope, actor, found).await?;
    }
    let switched = Switch { username, version, zone: &zone, findings: &findings, fresh: other };
    let connection = switched.carry_out(ports, scope, actor, partner, id).await?;
    let warnings = findings.warnings(&connection.features);
    Ok(Relink { connection, warnings, started_fresh: other })
}

/// Another database: nothing may run while what is kept of the old one meets new credentials. So the connection stops
/// first, all that goes next, and only then the credentials change. Repeating after a kill goes on where it was.
async fn drop_theirs(ports: &Ports, scope: &Scope, actor: &Actor, found: Versioned<Connection>) -> Result<()> {
    let (partner, id) = (found.partner.clone(), found.id.clone());
    if found.status == ConnectionStatus::Connected {
        webhooks::remove_while_possible(ports, scope, actor, &found).await;
        let (v, before) = (found.v, found.value);
        let mut after = before.clone();
        after.status = ConnectionStatus::NeedsRelink;
        after.needs_relink_since = Some(ports.clock.now());
        after.updated_at = ports.clock.now();
        let status = |c: &Connection| json!({"status": c.status, "database": c.zone.ci});
        Change::of_connection(ports, actor, &partner, &id)
            .replace(&after, v)?
            .audit("connection.start_fresh", "connection", status(&before), status(&after))?
            .commit(scope)
            .await
            .map_err(|error| crate::change::conflict_as(error, conflict))?;
        // A run that was claimed just before the connection stopped.
        let stopped = load_connection(ports, scope, &partner, &id).await?;
        disconnect::refuse_while_running(ports, scope, &stopped).await?;
    }
    webhooks::forget(ports, scope, actor, &partner, &id).await?;
    drop_ticket_settings(ports, scope, actor, &partner, &id).await?;
    disconnect::drop_theirs(ports, scope, &partner, &id).await
}

/// Tickets are opened in queues, and at companies, that another database does not have: they are off until somebody
/// chooses anew.
async fn drop_ticket_settings(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<()> {
    let key = Key::Settings(partner.clone(), id.clone());
    let Some(found) = load::<SettingsRecord>(&*ports.storage, scope, &key).await? else { return Ok(()) };
    let (v, mut after) = (found.v, found.value);
    let before = std::mem::take(&mut after.settings.failure_ticket);
    if before == after.settings.failure_ticket {
        return Ok(());
    }
    let told = |of: &FailureTicketSettings| json!({"failure_ticket": of});
    let (was, is) = (told(&before), told(&after.settings.failure_ticket));
    Change::of_connection(ports, actor, partner, id)
        .replace(&after, v)?
        .audit("settings.changed", "settings", was, is)?
        .commit(scope)
        .await
        .map_err(|error| crate::change::conflict_as(error, conflict))
}

struct Switch<'a> {
    username: String,
    version: SecretVersion,
    zone: &'a autotask::Zone,
    findings: &'a Findings,
    fresh: bool,
}

impl Switch<'_> {
    /// One conditional write switches record and secret version.
    async fn carry_out(
        &self,
        ports: &Ports,
        scope: &Scope,
        actor: &Actor,
        partner: &PartnerId,
        id: &ConnectionId,
    ) -> Result<Versioned<Connection>> {
        for _ in 0..SWITCH_TRIES {
            let found = load_connection(ports, scope, partner, id).await?;
            match self.try_once(ports, scope, actor, found).await {
                Err(Error::Storage(StorageError::Conflict { .. })) => {}
                other => return other,
            }
        }
        Err(conflict())
    }

    async fn try_once(
        &self,
        ports: &Ports,
        scope: &Scope,
        actor: &Actor,
        found: Versioned<Connection>,
    ) -> Result<Versioned<Connection>> {
        let (v, before) = (found.v, found.value);
        let (partner, id) = (&before.partner, &before.id);
        let mut after = before.clone();
        after.username.clone_from(&self.username);
        after.secret = self.version.clone();
        after.zone = zone_record(ports, self.zone);
        after.needs_relink_since = None;
        after.updated_at = ports.clock.now();
        self.findings.apply(&mut after);
        if self.fresh {
            after.automap_ran = false;
        }
        // A person's pause outlives new credentials.
        if before.status != ConnectionStatus::Paused {
            after.status = ConnectionStatus::Connected;
        }
        let mut change = Change::of_connection(ports, actor, partner, id)
            .replace(&after, v)?
            .audit("connection.relinked", "connection", audited(&before), audited(&after))?
            .event("connection.connected", told(&after))?;
        if before.status == ConnectionStatus::Disconnected {
            change = change.write(guard(ports, scope, &before).await?);
        }
        change = reschedule(change, ports, scope, &after).await?;
        let on = Subject { partner, connection: id, subject: "connection" };
        change = issues::resolve(change, ports, scope, on, Code::NeedsRelink).await?;
        change = self.findings.issues(change, ports, scope, &after).await?;
        change.commit(scope).await?;
        tracing::info!(connection.id = %id, fresh = self.fresh, "a connection got new credentials");
        Ok(Versioned { v: v + 1, value: after })
    }
}

/// A disconnected connection takes its place again, unless another has taken it.
async fn guard(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<Write> {
    let key = Key::ConnectionOfPsa(connection.partner.clone(), PSA.to_owned());
    if let Some(present) = load::<PsaGuard>(&*ports.storage, scope, &key).await? {
        return Err(already_connected(&present.value.connection));
    }
    let guard =
        PsaGuard { partner: connection.partner.clone(), psa: PSA.to_owned(), connection: connection.id.clone() };
    Ok(Write::put(&guard, Expect::Absent)?)
}
