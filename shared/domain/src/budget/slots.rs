//! Calls at once: two slots on one record per connection and object of Autotask, each with its owner and an end.

use super::{BudgetExhausted, Denied, Limit, Place, RACES_MAX, RETRY_SOON, add};
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::StorageError;
use crate::records::{Key, Record, Versioned, Write, load};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Calls at once on one object. Autotask refuses the fourth, and counts one down late: one is kept free for that.
pub const SLOTS: usize = 2;
/// How long a slot is held beyond the call it was taken for, so that a stretch of calls writes the record seldom.
/// A session that dies keeps its slot for so long.
pub const HELD: Duration = Duration::from_secs(120);
/// How long the record is kept that nobody uses.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Who makes calls on an object at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotsRow {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// On which object: see [`object`].
    pub object: String,
    /// The slots that are taken, some perhaps expired.
    pub slots: Vec<Slot>,
    /// When the record was last written.
    pub at: Timestamp,
}

/// One slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The session that holds it.
    pub owner: String,
    /// Until when.
    pub expires: Timestamp,
}

impl Record for SlotsRow {
    const ENTITY: &'static str = "slots";
    fn key(&self) -> Key {
        Key::Slots(self.partner.clone(), self.connection.clone(), self.object.clone())
    }
    fn expires(&self) -> Option<Timestamp> {
        self.at.checked_add(KEPT).ok()
    }
}

/// The slots after `owner` has taken or prolonged one; none where all are taken by others.
#[must_use]
pub fn taken(slots: &[Slot], owner: &str, now: Timestamp, until: Timestamp) -> Option<Vec<Slot>> {
    let mut next = without(slots, owner, now);
    if next.len() >= SLOTS {
        return None;
    }
    next.push(Slot { owner: owner.to_owned(), expires: until });
    Some(next)
}

/// The slots of others that have not expired.
#[must_use]
pub fn without(slots: &[Slot], owner: &str, now: Timestamp) -> Vec<Slot> {
    slots.iter().filter(|slot| slot.owner != owner && slot.expires > now).cloned().collect()
}

/// The object that a request's path is about, in small letters: what Autotask counts calls at once by. Metadata and
/// queries count for their object; a child's path for the child as it is named at the top level
/// (`Contracts/7/Services` is `contractservices`).
#[must_use]
pub fn object(path: &str) -> String {
    let path = path.to_ascii_lowercase();
    let mut parts = path.split('/').skip_while(|part| !is_version(part)).skip(1);
    let Some(first) = parts.next().filter(|part| !part.is_empty()) else { return "other".to_owned() };
    let is_id = |part: &str| part.parse::<i64>().is_ok();
    match (parts.next().is_some_and(is_id), parts.next()) {
        (true, Some(child)) if !child.is_empty() => format!("{}{child}", singular(first)),
        _ => first.to_owned(),
    }
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn singular(name: &str) -> String {
    match name.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => name.strip_suffix('s').unwrap_or(name).to_owned(),
    }
}

/// Takes a slot for `owner`, or prolongs the one it has. Returns until when.
pub(super) async fn acquire(place: &Place, object: &str, owner: &str, call: Duration) -> Result<Timestamp, Denied> {
    for _ in 0..RACES_MAX {
        let row = row(place, object).await?;
        let now = place.clock.now();
        let until = add(now, call + HELD);
        let present = row.as_ref().map_or(&[][..], |row| &row.slots);
        let Some(slots) = taken(present, owner, now, until) else { break };
        if put(place, object, row, slots, now).await? {
            return Ok(until);
        }
    }
    Err(Denied::NotNow(BudgetExhausted { limit: Limit::Threads, retry_after: RETRY_SOON.unsigned_abs() }))
}

/// Gives the slot of `owner` back.
pub(super) async fn release(place: &Place, object: &str, owner: &str) -> Result<(), StorageError> {
    for _ in 0..RACES_MAX {
        let Some(row) = row(place, object).await? else { return Ok(()) };
        if !row.slots.iter().any(|slot| slot.owner == owner) {
            return Ok(());
        }
        let now = place.clock.now();
        let slots = without(&row.slots, owner, now);
        if put(place, object, Some(row), slots, now).await? {
            return Ok(());
        }
    }
    tracing::warn!(connection.id = %place.connection, object, "a slot stays taken until it expires: its record is busy");
    Ok(())
}

async fn row(place: &Place, object: &str) -> Result<Option<Versioned<SlotsRow>>, StorageError> {
    let key = Key::Slots(place.partner.clone(), place.connection.clone(), object.to_owned());
    load(&*place.storage, &place.scope, &key).await
}

/// Writes the slots; false where somebody else was faster.
async fn put(
    place: &Place,
    object: &str,
    row: Option<Versioned<SlotsRow>>,
    slots: Vec<Slot>,
    at: Timestamp,
) -> Result<bool, StorageError> {
    let (partner, connection) = (place.partner.clone(), place.connection.clone());
    let next = SlotsRow { partner, connection, object: object.to_owned(), slots, at };
    let write = match row {
        Some(row) => Write::replace(&next, row.v)?,
        None => Write::create(&next)?,
    };
    match place.storage.write(&place.scope, vec![write]).await {
        Ok(()) => Ok(true),
        Err(StorageError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
