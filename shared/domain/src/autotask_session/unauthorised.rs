//! After a 401: look the zone up once, probe once, and then nobody calls until a person acts.
//! Repeated failures lock the API user, and with it everything else that uses it.

use super::{checked_zone, discover, explain, explain_zone, open_at};
use crate::actor::{Actor, Scope};
use crate::budget::Mode;
use crate::change::Change;
use crate::connections::{Connection, ConnectionStatus, load_connection};
use crate::ids::{ConnectionId, PartnerId};
use crate::issues::{self, Subject};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Problem, Result};
use crate::records::Versioned;
use autotask::{Company, ZoneError};
use serde_json::json;

/// What a look at a refused connection found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The credentials work where they always did: the 401 was a passing one.
    Works,
    /// The database was moved to another zone; the connection now points there.
    ZoneMoved,
    /// Autotask refuses the credentials: no call until new ones or a person's Test.
    NeedsRelink,
}

/// Looks after a connection whose call was answered with 401. At most two further calls: the zone, and one probe.
///
/// # Errors
/// `autotask_unavailable` when neither could be judged; records.
pub async fn unauthorised(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<Verdict> {
    let found = load_connection(ports, scope, partner, connection).await?;
    match found.status {
        ConnectionStatus::Connected => {}
        ConnectionStatus::NeedsRelink | ConnectionStatus::Disconnected => return Ok(Verdict::NeedsRelink),
        // A person decides when it is used again; a resumed connection meets its 401 then.
        ConnectionStatus::Paused => return Ok(Verdict::NeedsRelink),
    }
    let verdict = judge(ports, scope, &found).await?;
    match verdict {
        Judged::Works => Ok(Verdict::Works),
        Judged::Moved(zone) => store_zone(ports, scope, actor, found, &zone).await,
        Judged::Refused(detail) => mark_needs_relink(ports, scope, actor, found, &detail).await,
    }
}

/// Turns a client's error into what the caller is told, after having looked after the connection where it was a 401.
/// Nobody needs to tell a 401 apart who passes every error through here.
pub async fn settle(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    connection: &Connection,
    error: autotask::Error,
) -> Error {
    if !matches!(error, autotask::Error::Unauthorised { .. }) {
        return explain(error);
    }
    match unauthorised(ports, scope, actor, &connection.partner, &connection.id).await {
        Ok(Verdict::NeedsRelink) => explain(error),
        Ok(Verdict::Works | Verdict::ZoneMoved) => {
            Problem::new(Code::AutotaskUnavailable, "Autotask refused a call and then took the same login again.")
                .retry_after(1)
                .into()
        }
        Err(other) => other,
    }
}

enum Judged {
    Works,
    Moved(autotask::Zone),
    Refused(String),
}

async fn judge(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<Judged> {
    let zone = match discover(ports, &connection.username).await {
        Ok(zone) => Some(zone),
        Err(ZoneError::UnknownUser) => {
            return Ok(Judged::Refused("Autotask no longer knows this username.".to_owned()));
        }
        Err(error @ ZoneError::Refused { .. }) => return Err(explain_zone(&error)),
        // The look-up can fail for a known user: then the zone we have is judged.
        Err(ZoneError::Unavailable { .. }) => None,
    };
    if zone.as_ref().is_some_and(|zone| zone.ci != connection.zone.ci) {
        let text = "The username now belongs to another Autotask database.";
        return Ok(Judged::Refused(text.to_owned()));
    }
    let moved = zone.filter(|zone| zone.url.as_str() != connection.zone.url);
    let url = match &moved {
        Some(zone) => zone.url.clone(),
        None => checked_zone(ports, &connection.zone.url)?,
    };
    let session = open_at(ports, scope, connection, url, Mode::Background).await?;
    let answer = session.client.entity_information::<Company>().await;
    session.close().await;
    match answer {
        Ok(_) | Err(autotask::Error::Forbidden { .. }) => Ok(moved.map_or(Judged::Works, Judged::Moved)),
        Err(autotask::Error::Unauthorised { texts }) => {
            let words = texts.join("; ");
            Ok(Judged::Refused(if words.is_empty() { "Autotask answered 401.".to_owned() } else { words }))
        }
        Err(other) => Err(explain(other)),
    }
}

async fn store_zone(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    found: Versioned<Connection>,
    zone: &autotask::Zone,
) -> Result<Verdict> {
    let (v, before) = (found.v, found.value);
    let mut after = before.clone();
    after.zone.url = zone.url.as_str().to_owned();
    after.zone.web_url.clone_from(&zone.web_url);
    after.zone.discovered_at = ports.clock.now();
    after.updated_at = ports.clock.now();
    let change = Change::of_connection(ports, actor, &before.partner, &before.id).replace(&after, v)?.audit(
        "connection.zone_moved",
        "connection",
        json!({"zone": before.zone.url}),
        json!({"zone": after.zone.url}),
    )?;
    tracing::info!(connection.id = %before.id, zone = after.zone.url, "the database moved to another zone");
    match change.commit(scope).await {
        // Whoever wrote first has judged as well.
        Ok(()) | Err(StorageError::Conflict { .. }) => Ok(Verdict::ZoneMoved),
        Err(other) => Err(other.into()),
    }
}

/// How often a mark is tried again over somebody's unrelated change.
const MARK_TRIES: u32 = 3;

async fn mark_needs_relink(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    found: Versioned<Connection>,
    detail: &str,
) -> Result<Verdict> {
    let judged = (found.value.secret.clone(), found.value.partner.clone(), found.value.id.clone());
    let mut found = found;
    for _ in 0..MARK_TRIES {
        match mark(ports, scope, actor, found, detail).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            other => return other.map(|()| Verdict::NeedsRelink),
        }
        found = load_connection(ports, scope, &judged.1, &judged.2).await?;
        if found.status != ConnectionStatus::Connected || found.secret != judged.0 {
            return Ok(Verdict::NeedsRelink);
        }
    }
    Err(Error::problem(Code::Conflict, "The connection keeps being changed by others."))
}

async fn mark(ports: &Ports, scope: &Scope, actor: &Actor, found: Versioned<Connection>, detail: &str) -> Result<()> {
    let (v, before) = (found.v, found.value);
    let now = ports.clock.now();
    let mut after = before.clone();
    after.status = ConnectionStatus::NeedsRelink;
    after.needs_relink_since = Some(now);
    after.updated_at = now;
    let on = Subject { partner: &before.partner, connection: &before.id, subject: "connection" };
    let status = |of: &Connection| json!({"status": of.status});
    let change = Change::of_connection(ports, actor, &before.partner, &before.id)
        .replace(&after, v)?
        .audit("connection.needs_relink", "connection", status(&before), status(&after))?
        .event("connection.needs_relink", json!({"since": now, "detail": detail}))?;
    let change = issues::open(change, ports, scope, on, Code::NeedsRelink, detail).await?;
    change.commit(scope).await?;
    tracing::warn!(connection.id = %before.id, detail, "Autotask refuses the connection's credentials");
    Ok(())
}
