//! When a connection's webhooks are next looked at: every hour, each connection at its own minute, while it wants any.

use crate::actor::Scope;
use crate::connections::{Connection, Schedule, Settings, due_schedules, load_connection, next_invoice_slot};
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Ports, QueueError, QueueName, StorageError};
use crate::problem::{Error, Result};
use crate::records::{Expect, Key, Record, Write, load};
use crate::webhooks::AdminMessage;
use jiff::Timestamp;
use std::time::Duration;

/// The job of the hourly look, in [`Schedule::job`].
const HEAL_JOB: &str = "webhook_heal";

/// The name of a connection's row.
pub(super) fn key(partner: &PartnerId, connection: &ConnectionId) -> Key {
    Key::Schedule(partner.clone(), connection.clone(), HEAL_JOB.to_owned())
}

/// The write that has a connection looked at in an hour at most.
pub(super) fn put(connection: &Connection, now: Timestamp) -> Result<Write> {
    Ok(Write::put(&row(connection, now), Expect::Any)?)
}

fn row(connection: &Connection, now: Timestamp) -> Schedule {
    Schedule {
        partner: connection.partner.clone(),
        connection: connection.id.clone(),
        job: HEAL_JOB.to_owned(),
        due_at: next_invoice_slot(connection, &Settings::default(), HEAL_JOB, now),
    }
}

impl AdminMessage {
    /// Whose webhooks it is about.
    #[must_use]
    pub fn of(&self) -> (&PartnerId, &ConnectionId) {
        match self {
            Self::Look { partner, connection }
            | Self::Fit { partner, connection, .. }
            | Self::Heal { partner, connection, .. } => (partner, connection),
        }
    }

    /// Sends it, to be seen after `delay`.
    ///
    /// # Errors
    /// Those of the queue.
    pub async fn send(&self, ports: &Ports, delay: Duration) -> Result<()> {
        let body = serde_json::to_string(self).map_err(|error| QueueError(Box::new(error)))?;
        Ok(ports.queue.send(QueueName::WebhookAdmin, body, delay, self.of().0).await?)
    }
}

/// Asks for a look at every connection whose hour has come. Returns how many.
///
/// # Errors
/// Records, where the due connections cannot be listed. The next tick finds what is left.
pub async fn heal_tick(ports: &Ports, scope: &Scope, now: Timestamp) -> Result<u32> {
    let mut asked = 0;
    for due in due_schedules(ports, scope, HEAL_JOB, now).await? {
        // One connection's trouble is not another's.
        match one(ports, scope, &due, now).await {
            Ok(true) => asked += 1,
            Ok(false) => {}
            Err(error) => {
                let cause = std::error::Error::source(&error);
                tracing::error!(connection.id = %due.connection, error = %error, ?cause, "webhooks could not be looked at");
            }
        }
    }
    Ok(asked)
}

async fn one(ports: &Ports, scope: &Scope, indexed: &Schedule, now: Timestamp) -> Result<bool> {
    let Some(scope) = scope.narrow(&indexed.partner) else { return Ok(false) };
    // The index is eventually consistent: what counts is the record.
    let Some(found) = load::<Schedule>(&*ports.storage, &scope, &indexed.key()).await? else { return Ok(false) };
    if found.due_at > now {
        return Ok(false);
    }
    let (partner, connection) = (found.partner.clone(), found.connection.clone());
    let owner = load_connection(ports, &scope, &partner, &connection).await?;
    // Asked first: a look more does no harm, one that is forgotten does.
    AdminMessage::Heal { partner, connection, round: 0 }.send(ports, Duration::ZERO).await?;
    match ports.storage.write(&scope, vec![Write::replace(&row(&owner, now), found.v)?]).await {
        Ok(()) | Err(StorageError::Conflict { .. }) => Ok(true),
        Err(error) => Err(Error::from(error)),
    }
}
