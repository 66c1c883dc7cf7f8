//! One change: the records it writes, its row in the audit trail and the events it causes, committed together.

use crate::actor::{Actor, Scope};
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{OutEvent, Ports, Read, StorageError};
use crate::problem::{Error, Result};
use crate::records::{Collection, Expect, Index, Key, Record, WRITES_MAX, Write, load_all};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Version of the event envelope.
pub const EVENT_VERSION: u32 = 1;
/// How long a row of the audit trail is kept: 13 months, so that a whole year can be compared.
pub const AUDIT_KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);

/// A row of the audit trail: append-only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    /// UUID v7.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Whose records.
    pub partner: PartnerId,
    /// Of which connection, where it is one's.
    pub connection: Option<ConnectionId>,
    /// Who.
    pub actor: Actor,
    /// What: `mapping.saved`.
    pub action: String,
    /// On what: `mapping/a1`.
    pub subject: String,
    /// As it was; never with secrets.
    pub before: Value,
    /// As it is.
    pub after: Value,
}

impl Record for AuditRow {
    const ENTITY: &'static str = "audit";
    fn key(&self) -> Key {
        let date = self.at.to_zoned(jiff::tz::TimeZone::UTC).date();
        let month = format!("{:04}-{:02}", date.year(), date.month());
        Key::Audit(self.partner.clone(), self.connection.clone(), month, self.id.clone())
    }
    fn expires(&self) -> Option<Timestamp> {
        self.at.checked_add(AUDIT_KEPT).ok()
    }
}

/// An event that is committed and not yet on the bus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// The event's id: UUID v7, stable over repeated deliveries.
    pub id: String,
    /// Whose event.
    pub partner: PartnerId,
    /// When it was committed.
    pub at: Timestamp,
    /// What goes on the bus.
    pub event: OutEvent,
}

impl Record for OutboxRow {
    const ENTITY: &'static str = "outbox";
    fn key(&self) -> Key {
        Key::Outbox(self.partner.clone(), self.id.clone())
    }
    fn index(&self) -> Option<Index> {
        Some(Index::Outbox { at: self.at })
    }
}

/// Collects what one change writes.
#[derive(Debug)]
pub struct Change<'a> {
    ports: &'a Ports,
    actor: &'a Actor,
    partner: PartnerId,
    connection: Option<ConnectionId>,
    writes: Vec<Write>,
    outbox: Vec<OutboxRow>,
}

impl<'a> Change<'a> {
    /// A change of a partner's own records.
    #[must_use]
    pub fn of_partner(ports: &'a Ports, actor: &'a Actor, partner: &PartnerId) -> Self {
        Self { ports, actor, partner: partner.clone(), connection: None, writes: Vec::new(), outbox: Vec::new() }
    }

    /// A change of a connection's records.
    #[must_use]
    pub fn of_connection(ports: &'a Ports, actor: &'a Actor, partner: &PartnerId, connection: &ConnectionId) -> Self {
        Self { connection: Some(connection.clone()), ..Self::of_partner(ports, actor, partner) }
    }

    /// Adds a write.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Adds a record that must not exist yet.
    pub fn create<R: Record>(self, record: &R) -> Result<Self> {
        Ok(self.write(Write::create(record)?))
    }

    /// Adds a record over the version that was read.
    pub fn replace<R: Record>(self, record: &R, v: u64) -> Result<Self> {
        Ok(self.write(Write::replace(record, v)?))
    }

    /// Adds a row to the audit trail.
    pub fn audit(self, action: &str, subject: impl Into<String>, before: Value, after: Value) -> Result<Self> {
        let row = AuditRow {
            id: self.ports.ids.uuid().to_string(),
            at: self.ports.clock.now(),
            partner: self.partner.clone(),
            connection: self.connection.clone(),
            actor: self.actor.clone(),
            action: action.to_owned(),
            subject: subject.into(),
            before,
            after,
        };
        self.create(&row)
    }

    /// Adds an event.
    pub fn event(self, detail_type: &str, data: Value) -> Result<Self> {
        let id = self.ports.ids.uuid().to_string();
        self.event_with_id(&id, detail_type, data)
    }

    /// Adds an event whose id is given by what it tells of: told again, it is the same event.
    pub fn event_with_id(mut self, id: &str, detail_type: &str, data: Value) -> Result<Self> {
        let (id, at) = (id.to_owned(), self.ports.clock.now());
        let detail = json!({
            "version": EVENT_VERSION,
            "id": id,
            "occurred_at": at,
            "partner_id": self.partner,
            "connection_id": self.connection,
            "data": data,
        });
        let event = OutEvent { detail_type: detail_type.to_owned(), detail };
        let row = OutboxRow { id, partner: self.partner.clone(), at, event };
        self.writes.push(Write::create(&row)?);
        self.outbox.push(row);
        Ok(self)
    }

    /// How many writes it has so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether it writes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Commits everything or nothing, then tries to publish the events; what the bus does not take now,
    /// the sweep takes later.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] names the write that was refused.
    pub async fn commit(self, scope: &Scope) -> Result<(), StorageError> {
        debug_assert!(self.writes.len() <= WRITES_MAX, "a change of {} writes", self.writes.len());
        if self.writes.is_empty() {
            return Ok(());
        }
        self.ports.storage.write(scope, self.writes).await?;
        publish(self.ports, scope, self.outbox).await;
        Ok(())
    }
}

/// Publishes committed events and removes them from the outbox. A failure is logged and left to the sweep.
async fn publish(ports: &Ports, scope: &Scope, rows: Vec<OutboxRow>) -> usize {
    if rows.is_empty() {
        return 0;
    }
    let events: Vec<OutEvent> = rows.iter().map(|row| row.event.clone()).collect();
    if let Err(error) = ports.events.publish(&events).await {
        tracing::warn!(error = %error, events = rows.len(), "events stay in the outbox");
        return 0;
    }
    let mut published = 0;
    for row in rows {
        match ports.storage.write(scope, vec![Write::delete(row.key(), Expect::Any)]).await {
            Ok(()) => published += 1,
            Err(error) => {
                tracing::warn!(error = %error, event.id = row.id, "a published event stays in the outbox")
            }
        }
    }
    published
}

/// Most events handed to the bus at once (EventBridge's own bound is 10 entries a call; the store splits).
const SWEEP_BATCH: usize = 100;

/// Publishes what is left in one shard of all partners' outboxes. Returns how many events went out.
pub async fn sweep_shard(ports: &Ports, scope: &Scope, shard: u8) -> Result<usize> {
    let rows = load_all::<OutboxRow>(&*ports.storage, scope, &Collection::OutboxShard(shard), Read::Eventual).await?;
    sweep_rows(ports, scope, rows.into_iter().map(|row| row.value).collect()).await
}

async fn sweep_rows(ports: &Ports, scope: &Scope, rows: Vec<OutboxRow>) -> Result<usize> {
    let mut published = 0;
    for batch in rows.chunks(SWEEP_BATCH) {
        published += publish(ports, scope, batch.to_vec()).await;
    }
    Ok(published)
}

/// A write refused because somebody else wrote first, as the caller is told; other failures as they are.
#[must_use]
pub fn conflict_as(error: StorageError, problem: impl FnOnce() -> Error) -> Error {
    match error {
        StorageError::Conflict { .. } => problem(),
        other => other.into(),
    }
}
