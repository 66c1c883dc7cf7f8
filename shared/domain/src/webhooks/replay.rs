//! Deliveries worked off once more: one, or those of a time. An event that is told again has the id that it had.

use super::amend::{Desk, Tell};
use super::delivery::{Delivery, DeliveryStatus};
use super::installed::Webhooks;
use super::report::{Below, DeliveryFilter, DeliveryId, list_deliveries, read_delivery};
use super::work::EventMessage;
use crate::actor::{Actor, Scope};
use crate::autotask_session::refuse_unless_connected;
use crate::connections::load_connection;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Versioned, Write};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde_json::json;

/// Deliveries of one request: what an API call has time for.
pub const REPLAY_MAX: usize = 500;
/// Pages of deliveries that one request looks through for them.
const PAGES_MAX: u32 = 25;
/// Deliveries of one page.
const PAGE: u32 = 200;
/// Deliveries that are written at the same time.
const AT_ONCE: usize = 16;
/// How often a delivery that somebody works on meanwhile is written again.
const TRIES: u32 = 4;

/// Which deliveries are worked off once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// Those that failed.
    Failed,
    /// All.
    All,
}

/// A time, and which of its deliveries.
#[derive(Debug, Clone, Copy)]
pub struct ReplayRange {
    /// Received at or after this.
    pub since: Timestamp,
    /// Received before this, where there is an end.
    pub until: Option<Timestamp>,
    /// Which.
    pub only: Only,
    /// Only count.
    pub dry_run: bool,
}

/// What a replay came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// Deliveries that were found, or at least so many where there are more.
    pub matched: u32,
    /// Deliveries that are queued.
    pub queued: u32,
    /// Where to go on: `until` of the next request. None: there are no more.
    pub next_until: Option<Timestamp>,
}

/// Works one delivery off once more, whatever became of it. Returns what had become of it.
///
/// # Errors
/// `not_found`; `needs_relink`, `connection_paused`; `conflict`; storage's and the queue's own.
pub async fn replay_one(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &ConnectionId),
    delivery: &DeliveryId,
) -> Result<(DeliveryStatus, Delivery)> {
    refuse_unless_connected(&*load_connection(ports, scope, partner, id).await?)?;
    let found = read_delivery(ports, scope, (partner, id), delivery).await?;
    let was = found.status;
    let desk = Desk { ports, scope, actor, partner, connection: id };
    let (before, after) = (json!({"delivery": delivery.to_string(), "status": was}), json!({"status": "stored"}));
    announce(&desk, std::slice::from_ref(&found), Tell::Audit("webhooks.delivery_replayed", before, after)).await?;
    Ok((was, again(&desk, found).await?))
}

/// Works the deliveries of a time off once more.
///
/// # Errors
/// `invalid_input`; as [`replay_one`]. What was queued until then stays queued.
pub async fn replay(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &ConnectionId),
    range: ReplayRange,
) -> Result<Replayed> {
    if range.until.is_some_and(|until| range.since >= until) {
        return Err(Problem::field("/until", "must be after since").into());
    }
    if !range.dry_run {
        refuse_unless_connected(&*load_connection(ports, scope, partner, id).await?)?;
    }
    let (found, more) = matching(ports, scope, (partner, id), range).await?;
    let next_until = found.last().filter(|_| more).map(|last| last.received_at);
    let matched = u32::try_from(found.len()).unwrap_or(u32::MAX);
    if range.dry_run || found.is_empty() {
        return Ok(Replayed { matched, queued: 0, next_until });
    }
    let desk = Desk { ports, scope, actor, partner, connection: id };
    let (from, to) = (json!({"since": range.since, "until": range.until}), json!({"queued": matched}));
    announce(&desk, &found, Tell::Audit("webhooks.deliveries_replayed", from, to)).await?;
    for some in found.chunks(AT_ONCE) {
        try_join_all(some.iter().map(|delivery| again(&desk, delivery.clone()))).await?;
    }
    Ok(Replayed { matched, queued: matched, next_until })
}

async fn matching(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId),
    range: ReplayRange,
) -> Result<(Vec<Versioned<Delivery>>, bool)> {
    let status = (range.only == Only::Failed).then_some(DeliveryStatus::Failed);
    let filter = DeliveryFilter { status, entity: None, from: Some(range.since), to: range.until };
    let (mut found, mut below) = (Vec::new(), Below::new());
    for _ in 0..PAGES_MAX {
        let room = u32::try_from(REPLAY_MAX - found.len()).unwrap_or(PAGE).min(PAGE);
        let (page, next) = list_deliveries(ports, scope, of, &filter, room, below).await?;
        found.extend(page);
        match next {
            Some(next) if found.len() < REPLAY_MAX => below = next,
            next => return Ok((found, next.is_some())),
        }
    }
    Ok((found, true))
}

/// Notes who asked, and from where on deliveries wait again, before any does: a message that is lost is then sent again
/// by the hourly look.
async fn announce(desk: &Desk<'_>, found: &[Versioned<Delivery>], audit: Tell) -> Result<()> {
    desk.amend(|record: &mut Webhooks| {
        let lowest = |guid: Option<&String>, present: Option<u64>| {
            let of_hook = found.iter().filter(|delivery| guid == Some(&delivery.guid));
            of_hook.map(|delivery| delivery.sequence).chain(present).min()
        };
        for hook in &mut record.hooks {
            hook.look_from = lowest(hook.guid.as_ref(), hook.look_from);
        }
        for past in &mut record.past {
            past.look_from = lowest(Some(&past.guid), past.look_from);
        }
        Ok(vec![audit.clone()])
    })
    .await?;
    Ok(())
}

/// Has a delivery wait for its turn again, and sends its message.
async fn again(desk: &Desk<'_>, mut found: Versioned<Delivery>) -> Result<Delivery> {
    for _ in 0..TRIES {
        let after =
            Delivery { status: DeliveryStatus::Stored, words: String::new(), put_off: 0, ..found.value.clone() };
        match desk.ports.storage.write(desk.scope, vec![Write::replace(&after, found.v)?]).await {
            Ok(()) => {
                EventMessage::of(&after).send(desk.ports).await?;
                return Ok(after);
            }
            Err(StorageError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        found = read_delivery(desk.ports, desk.scope, (desk.partner, desk.connection), &found.name()).await?;
    }
    Err(Error::problem(Code::Conflict, "The delivery is being worked on; try again."))
}
