//! What lets one seat-sync run of a connection be under way at a time, and one run exist for a due slot. Both are
//! courtesies: that nothing is written twice rests on the units' ledger.

use super::{Run, RunState};
use crate::actor::Scope;
use crate::ids::{ConnectionId, PartnerId, RunId};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Expect, Key, Record, Versioned, Write, load};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A run that nobody has worked on for this long is lost: its message is dead or was never sent. Far longer than any
/// wait of a run that lives (15 minutes' delay, 30 minutes' visibility, three deliveries).
pub const RUN_LOST: SignedDuration = SignedDuration::from_hours(2);

/// The seat-sync run of a connection that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLease {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Which run.
    pub run: RunId,
    /// Since when.
    pub since: Timestamp,
}

impl Record for RunLease {
    const ENTITY: &'static str = "run_lease";
    fn key(&self) -> Key {
        Key::RunLease(self.partner.clone(), self.connection.clone())
    }
}

/// The run of one due slot, so that a slot that is found twice has one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotClaim {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Which job.
    pub job: String,
    /// The slot.
    pub due_slot: Timestamp,
    /// Its run.
    pub run: RunId,
    /// Kept as long as the run.
    pub expires: Option<Timestamp>,
}

impl Record for SlotClaim {
    const ENTITY: &'static str = "slot_claim";
    fn key(&self) -> Key {
        Key::SlotClaim(self.partner.clone(), self.connection.clone(), self.job.clone(), self.due_slot)
    }
    fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

/// Whether a run is one that nobody works on any more.
#[must_use]
pub fn is_lost(run: &Run, now: Timestamp) -> bool {
    let waits_for_a_person = run.state == RunState::Planned;
    !run.state.is_final() && !waits_for_a_person && now.duration_since(run.touched_at) > RUN_LOST
}

/// Who holds a connection's lease.
pub(super) enum Holder {
    /// Nobody, or a run that has ended: the write that takes it.
    Free(Box<Write>),
    /// A run that is lost; it has to be ended first.
    Lost(Box<Versioned<Run>>),
    /// A run that is under way.
    Busy(Box<Run>),
}

/// Looks at the lease of `run`'s connection on behalf of `run`.
pub(super) async fn look(ports: &Ports, scope: &Scope, run: &Run) -> Result<Holder> {
    let now = ports.clock.now();
    let own =
        RunLease { partner: run.partner.clone(), connection: run.connection.clone(), run: run.id.clone(), since: now };
    let Some(held) = load::<RunLease>(&*ports.storage, scope, &own.key()).await? else {
        return Ok(Holder::Free(Box::new(Write::create(&own)?)));
    };
    let holder = Key::Run(run.partner.clone(), run.connection.clone(), held.run.clone());
    match load::<Run>(&*ports.storage, scope, &holder).await? {
        Some(other) if other.id == run.id || other.state.is_final() => {
            Ok(Holder::Free(Box::new(Write::replace(&own, held.v)?)))
        }
        Some(other) if is_lost(&other, now) => Ok(Holder::Lost(Box::new(other))),
        Some(other) => Ok(Holder::Busy(Box::new(other.value))),
        None => Ok(Holder::Free(Box::new(Write::replace(&own, held.v)?))),
    }
}

/// The write that gives a run's lease back; none where it has none.
pub(super) async fn release(ports: &Ports, scope: &Scope, run: &Run) -> Result<Option<Write>, StorageError> {
    let key = Key::RunLease(run.partner.clone(), run.connection.clone());
    let held = load::<RunLease>(&*ports.storage, scope, &key).await?;
    Ok(held.filter(|lease| lease.run == run.id).map(|lease| Write::delete(key, Expect::Version(lease.v))))
}

/// What a second press is told: `already_running` with `run_id` and `status_url` of the run that is under way.
#[must_use]
pub fn already_running(run: &Run) -> Error {
    let detail = format!("The run {} of this connection is {}.", run.id, run.state.as_str());
    Problem::new(Code::AlreadyRunning, detail)
        .with("run_id", run.id.as_str())
        .with("status_url", run.status_url())
        .into()
}
