//! Works one kept delivery off.

use super::apply::{Applied, apply};
use super::delivery::{Delivery, DeliverySource, DeliveryStatus};
use super::installed::load_webhooks;
use crate::actor::{Actor, Scope};
use crate::autotask_session;
use crate::change::Change;
use crate::connections::{Connection, ConnectionStatus};
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{DELAY_MAX, Ports, QueueError, QueueName, StorageError};
use crate::problem::{Code, Error, Result, chain};
use crate::records::{Key, Versioned, Write, load};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The shortest pause after "not now".
const PAUSE_MIN: Duration = Duration::from_secs(15);
/// How often a delivery is put off while Autotask is away or has no room: with pauses that double up to 15 minutes, some
/// three and a half hours. After that it is a failure.
const AWAY_TRIES_MAX: u32 = 20;

/// Longest words of a failure that are kept, in characters: they share the record's write unit.
const WORDS_CHARS_MAX: usize = 300;

/// A message of the queue [`QueueName::Webhooks`]: a delivery to work off. What it says stands in its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventMessage {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Which webhook.
    pub guid: String,
    /// Which event of it.
    pub sequence: u64,
}

/// A message of the queue [`QueueName::WebhookAdmin`]: something to look after in Autotask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum AdminMessage {
    /// Look whether the webhooks are as they should be: somebody says that one was switched off.
    Look {
        /// Whose.
        partner: PartnerId,
        /// Of which connection.
        connection: ConnectionId,
    },
    /// Bring Autotask to what is wanted: install, change, remove.
    Fit {
        /// Whose.
        partner: PartnerId,
        /// Of which connection.
        connection: ConnectionId,
        /// How often it was put off.
        #[serde(default)]
        round: u32,
    },
    /// Look for what was lost, switched off or removed.
    Heal {
        /// Whose.
        partner: PartnerId,
        /// Of which connection.
        connection: ConnectionId,
        /// How often it was put off.
        #[serde(default)]
        round: u32,
    },
}

impl EventMessage {
    /// The message about a delivery.
    #[must_use]
    pub fn of(delivery: &Delivery) -> Self {
        let Delivery { partner, connection, guid, sequence, .. } = delivery;
        Self { partner: partner.clone(), connection: connection.clone(), guid: guid.clone(), sequence: *sequence }
    }

    /// Sends it.
    ///
    /// # Errors
    /// Those of the queue.
    pub async fn send(&self, ports: &Ports) -> Result<()> {
        self.send_in(ports, Duration::ZERO).await
    }

    pub(super) async fn send_in(&self, ports: &Ports, delay: Duration) -> Result<()> {
        let body = serde_json::to_string(self).map_err(|error| QueueError(Box::new(error)))?;
        Ok(ports.queue.send(QueueName::Webhooks, body, delay, &self.partner).await?)
    }

    fn key(&self) -> Key {
        Key::Delivery(self.partner.clone(), self.connection.clone(), self.guid.clone(), self.sequence)
    }
}

/// How one attempt ended.
enum Ended {
    Done(Applied),
    /// It waits until the connection can be used again; the healer sends it then.
    Waits(&'static str),
    NotNow(Duration),
    /// Autotask is away, or all its integrations together have used it up.
    Away(Duration, String),
}

/// Works a delivery off: one that is done already is left alone.
///
/// # Errors
/// What brings the message back, and at last into the dead-letter queue: the delivery then says why.
pub async fn work(ports: &Ports, scope: &Scope, body: &str) -> Result<()> {
    let message: EventMessage = serde_json::from_str(body).map_err(|error| QueueError(Box::new(error)))?;
    let scope = &scope.narrow(&message.partner).ok_or_else(|| Error::not_found("connection"))?;
    let Some(delivery) = load::<Delivery>(&*ports.storage, scope, &message.key()).await? else {
        tracing::warn!(connection.id = %message.connection, "a delivery is gone before it was worked off");
        return Ok(());
    };
    if delivery.status.is_done() {
        return Ok(());
    }
    let actor = Actor::system("webhook", delivery.event_id.clone());
    match attempt(ports, scope, &actor, &delivery).await {
        Ok(Ended::Done(applied)) => conclude(ports, scope, &actor, delivery, applied).await,
        Ok(Ended::Waits(words)) => note(ports, scope, delivery, DeliveryStatus::Stored, words.to_owned()).await,
        Ok(Ended::NotNow(pause)) => message.send_in(ports, pause.clamp(PAUSE_MIN, DELAY_MAX)).await,
        Ok(Ended::Away(pause, words)) => {
            let pause = pause.max(PAUSE_MIN.saturating_mul(2_u32.saturating_pow(delivery.put_off)));
            let put_off = delivery.put_off.saturating_add(1);
            let delivery = Versioned { v: delivery.v, value: Delivery { put_off, ..delivery.value } };
            note(ports, scope, delivery, DeliveryStatus::Stored, words).await?;
            message.send_in(ports, pause.min(DELAY_MAX)).await
        }
        Err(error) => {
            let words = chain(&error).chars().take(WORDS_CHARS_MAX).collect();
            note(ports, scope, delivery, DeliveryStatus::Failed, words).await?;
            Err(error)
        }
    }
}

async fn attempt(ports: &Ports, scope: &Scope, actor: &Actor, delivery: &Delivery) -> Result<Ended> {
    let (partner, id) = (&delivery.partner, &delivery.connection);
    let dropped = |words: &str| Ok(Ended::Done(Applied::dropped(words)));
    let key = Key::Connection(partner.clone(), id.clone());
    let Some(connection) = load::<Connection>(&*ports.storage, scope, &key).await? else {
        return dropped("The connection is gone.");
    };
    match connection.status {
        ConnectionStatus::Connected => {}
        ConnectionStatus::Disconnected => return dropped("The connection was disconnected."),
        ConnectionStatus::Paused => return Ok(Ended::Waits("The connection is paused.")),
        ConnectionStatus::NeedsRelink => return Ok(Ended::Waits("The connection needs new credentials.")),
    }
    let webhooks = load_webhooks(ports, scope, partner, id).await?;
    let signed = delivery.source == DeliverySource::Callout;
    if signed && webhooks.as_ref().is_some_and(|webhooks| !webhooks.takes(delivery.generation)) {
        return dropped("It was signed with a key that is no longer valid.");
    }
    if delivery.person.is_some() && delivery.person == webhooks.and_then(|webhooks| webhooks.api_resource) {
        return Ok(Ended::Done(Applied::echo()));
    }
    let session = match autotask_session::open(ports, scope, &connection).await {
        Ok(session) => session,
        Err(error) => return not_now(error, delivery.put_off),
    };
    let applied = apply(ports, scope, actor, &connection, &session, delivery).await;
    session.close().await;
    match applied {
        Ok(applied) => Ok(Ended::Done(applied)),
        Err(Error::Autotask { source, .. }) => {
            not_now(autotask_session::settle(ports, scope, actor, &connection, source).await, delivery.put_off)
        }
        Err(error) => not_now(error, delivery.put_off),
    }
}

/// What is not a failure of this event: our share of Autotask's limits, its being away, credentials.
fn not_now(error: Error, put_off: u32) -> Result<Ended> {
    let Error::Problem(problem) = &error else { return Err(error) };
    let pause = Duration::from_secs(problem.retry_after.unwrap_or_default());
    match problem.code {
        Code::Throttled | Code::Unavailable => Ok(Ended::NotNow(pause)),
        Code::AutotaskUnavailable if put_off < AWAY_TRIES_MAX => Ok(Ended::Away(pause, problem.detail.clone())),
        Code::NeedsRelink | Code::CredentialsInvalid | Code::AccountLockedOrInactive => {
            Ok(Ended::Waits("The connection needs new credentials."))
        }
        Code::ConnectionPaused => Ok(Ended::Waits("The connection is paused.")),
        _ => Err(error),
    }
}

/// Records what became of it, with the event that tells of it: once, however often it is worked on.
async fn conclude(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    delivery: Versioned<Delivery>,
    applied: Applied,
) -> Result<()> {
    let (partner, connection) = (delivery.partner.clone(), delivery.connection.clone());
    let after = ended(ports, &delivery, applied.status, applied.words);
    let mut change = Change::of_connection(ports, actor, &partner, &connection).replace(&after, delivery.v)?;
    if let Some((detail_type, data)) = applied.event {
        change = change.event_with_id(&after.event_id, &detail_type, data)?;
    }
    match change.commit(scope).await {
        // Somebody else worked it off at the same time.
        Ok(()) | Err(StorageError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn note(
    ports: &Ports,
    scope: &Scope,
    delivery: Versioned<Delivery>,
    status: DeliveryStatus,
    words: String,
) -> Result<()> {
    let after = ended(ports, &delivery, status, words);
    match ports.storage.write(scope, vec![Write::replace(&after, delivery.v)?]).await {
        Ok(()) | Err(StorageError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn ended(ports: &Ports, delivery: &Delivery, status: DeliveryStatus, words: String) -> Delivery {
    let attempts = delivery.attempts.saturating_add(1);
    Delivery { status, words, attempts, handled_at: Some(ports.clock.now()), ..delivery.clone() }
}
