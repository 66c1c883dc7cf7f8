//! Which invocations of a connection may be writing. No lock: it tells a run that finds a line right already whether
//! an older run could still be on its way, so that the newer target has to be put on record.

use crate::actor::Scope;
use crate::ids::{ConnectionId, PartnerId, RunId};
use crate::ports::{Ports, StorageError};
use crate::problem::Result;
use crate::records::{Expect, Key, Record, Write, load};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// After this an invocation that did not sign off is surely gone: twice Lambda's longest time-out.
pub const WRITER_MAX: SignedDuration = SignedDuration::from_mins(30);
/// After this a lasting writer whose run nobody ended is forgotten: longer than a run is worked on.
pub const LASTING_MAX: SignedDuration = SignedDuration::from_hours(25);
/// How often signing on or off is tried against others who do the same.
const TRIES: u32 = 10;

/// One invocation that may write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// The invocation.
    pub invocation: String,
    /// Its run.
    pub run: RunId,
    /// Since when.
    pub since: Timestamp,
    /// Whether it stays until its run has ended: a person's own target stands in no count, so that other runs have to
    /// know of it between two invocations as well.
    #[serde(default)]
    pub lasting: bool,
}

/// All of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writers {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Who.
    pub writers: Vec<Writer>,
}

impl Record for Writers {
    const ENTITY: &'static str = "writers";
    fn key(&self) -> Key {
        Key::ActiveRuns(self.partner.clone(), self.connection.clone())
    }
}

/// Signs an invocation on. Must come before it reads counts.
pub async fn sign_on(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    writer: &Writer,
) -> Result<()> {
    change(ports, scope, partner, connection, |writers| {
        writers.retain(|other| other.invocation != writer.invocation);
        writers.push(writer.clone());
    })
    .await
}

/// Signs an invocation off, once it will write no more.
pub async fn sign_off(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    invocation: &str,
) -> Result<()> {
    change(ports, scope, partner, connection, |writers| writers.retain(|other| other.invocation != invocation)).await
}

/// Whether another invocation may be writing. Must come after this one has read counts.
pub async fn others(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    invocation: &str,
) -> Result<bool> {
    let key = Key::ActiveRuns(partner.clone(), connection.clone());
    let now = ports.clock.now();
    let present = load::<Writers>(&*ports.storage, scope, &key).await?;
    Ok(present.is_some_and(|present| {
        present.writers.iter().any(|other| other.invocation != invocation && is_alive(other, now))
    }))
}

fn is_alive(writer: &Writer, now: Timestamp) -> bool {
    now.duration_since(writer.since) < if writer.lasting { LASTING_MAX } else { WRITER_MAX }
}

async fn change(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    edit: impl Fn(&mut Vec<Writer>),
) -> Result<()> {
    let key = Key::ActiveRuns(partner.clone(), connection.clone());
    let mut tries = 0;
    loop {
        let present = load::<Writers>(&*ports.storage, scope, &key).await?;
        let expect = present.as_ref().map_or(Expect::Absent, |present| Expect::Version(present.v));
        let fresh = || Writers { partner: partner.clone(), connection: connection.clone(), writers: Vec::new() };
        let mut record = present.map_or_else(fresh, |present| present.value);
        let now = ports.clock.now();
        record.writers.retain(|writer| is_alive(writer, now));
        edit(&mut record.writers);
        match ports.storage.write(scope, vec![Write::put(&record, expect)?]).await {
            Err(StorageError::Conflict { .. }) if tries < TRIES => tries += 1,
            other => return Ok(other?),
        }
    }
}
