//! What runs once a day for each connection: the probe of credentials and rights, and the sweep of secrets that
//! nothing names.

use super::lifecycle::{keep, look};
use super::load_connection;
use super::record::{Connection, ConnectionStatus};
use crate::actor::{Actor, Scope};
use crate::autotask_session::secrets_problem;
use crate::budget::Mode;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Ports, SecretName};
use crate::problem::{Code, Error, Result};
use crate::records::{Key, load};
use jiff::SignedDuration;

/// How old a secret without a connection must be before it is deleted: longer than any connect takes.
pub const SECRET_ORPHAN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Probes one connection as the daily job: rights, costs, the billing code. One that is not connected is left
/// alone; refused credentials and an Autotask that is away are results, not failures.
///
/// # Errors
/// Records and secrets: try again.
pub async fn probe_one(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<()> {
    let connection = load_connection(ports, scope, partner, id).await?;
    if connection.status != ConnectionStatus::Connected {
        return Ok(());
    }
    let findings = match look(ports, scope, actor, &connection, Mode::Background).await {
        Ok((findings, _)) => findings,
        Err(Error::Problem(problem)) if problem.code != Code::SecretStoreUnavailable => {
            tracing::info!(connection.id = %id, code = problem.code.as_str(), "the daily probe found a problem");
            return Ok(());
        }
        Err(other) => return Err(other),
    };
    match keep(ports, scope, actor, partner, id, &findings, "connection.probed").await {
        // Somebody changed the connection meanwhile: tomorrow's probe will see it.
        Err(Error::Problem(problem)) if problem.code == Code::Conflict => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Deletes connection secrets that have had no connection for an hour: what a kill between secret and record, or
/// between record and deletion, left behind. Returns how many.
///
/// # Errors
/// Records and secrets: try again.
pub async fn sweep_secrets(ports: &Ports, scope: &Scope) -> Result<u32> {
    let now = ports.clock.now();
    let mut swept = 0;
    for (name, created_at) in ports.secrets.list().await.map_err(secrets_problem)? {
        let SecretName::Connection(partner, id) = &name else { continue };
        if now.duration_since(created_at) < SECRET_ORPHAN_AFTER {
            continue;
        }
        let key = Key::Connection(partner.clone(), id.clone());
        let connection = load::<Connection>(&*ports.storage, scope, &key).await?;
        if connection.is_some_and(|found| found.status != ConnectionStatus::Disconnected) {
            continue;
        }
        ports.secrets.delete(&name).await.map_err(secrets_problem)?;
        tracing::info!(connection.id = %id, "deleted a secret that no connection names");
        swept += 1;
    }
    Ok(swept)
}
