//! Getting write-backs done: a message at once, and a sweep for what was missed or has to wait.

use super::books::load_writeback;
use super::record::Writeback;
use super::send::{Later, carry_out};
use crate::actor::{Actor, Scope};
use crate::autotask_session::refuse_unless_connected;
use crate::change::{Change, conflict_as};
use crate::connections::load_connection;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{DELAY_MAX, Order, PageRequest, Ports, QueueError, QueueName, Read};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, SHARDS, load_page};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// Write-backs read at once.
const PAGE: u32 = 100;
/// Most messages of one sweep of one shard: what a dispatcher sends well within its minute. The rest is due in the
/// next sweep, too.
const SENT_MAX: u32 = 500;

/// An invoice whose write-back is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentsMessage {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// `Invoices.id`.
    pub invoice: i64,
}

/// Sends a message for each write-back that is due. Returns how many.
///
/// # Errors
/// Records, or the queue.
pub async fn sweep(ports: &Ports, scope: &Scope, now: Timestamp) -> Result<u32> {
    let mut all = 0;
    for shard in 0..SHARDS {
        let of = Collection::WritebacksDue { shard, until: now };
        let (mut after, mut sent) = (None, 0);
        while sent < SENT_MAX {
            let page = PageRequest { limit: PAGE, after, order: Order::Ascending, read: Read::Eventual };
            let (due, next) = load_page::<Writeback>(&*ports.storage, scope, &of, page).await?;
            for found in due {
                let Writeback { partner, connection, invoice, .. } = found.value;
                send(ports, &partner, &connection, invoice, Duration::ZERO).await?;
                sent += 1;
            }
            match next {
                Some(token) => after = Some(token),
                None => break,
            }
        }
        all += sent;
    }
    Ok(all)
}

/// Carries out one message. What has to wait is a delayed message, or left to the sweep.
///
/// # Errors
/// Only what the message should come back for.
pub async fn work(ports: &Ports, scope: &Scope, actor: &Actor, body: &str) -> Result<()> {
    let message: PaymentsMessage =
        serde_json::from_str(body).map_err(|error| Error::Queue(QueueError(Box::new(error))))?;
    let PaymentsMessage { partner, connection, invoice } = message;
    let Some(scope) = scope.narrow(&partner) else { return Ok(()) };
    match carry_out(ports, &scope, actor, (&partner, &connection), invoice).await? {
        Later::At(at) => {
            let wait = at.duration_since(ports.clock.now()).max(jiff::SignedDuration::ZERO);
            // Queues count whole seconds; a message that came early would find nothing due.
            let wait = Duration::from_secs(wait.unsigned_abs().as_secs() + 1);
            if wait <= DELAY_MAX {
                nudge(ports, &partner, &connection, invoice, wait).await;
            }
            Ok(())
        }
        Later::Never => Ok(()),
    }
}

/// Has an invoice's paid date written now, whatever its turn. A request that may still be under way is waited for all
/// the same.
///
/// # Errors
/// `not_found`; `needs_relink`, `connection_paused`; `issue_not_retryable` where nothing is to be written; `conflict`
/// while a worker is at it.
pub async fn write_now(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    invoice: i64,
) -> Result<()> {
    refuse_unless_connected(&*load_connection(ports, scope, of.0, of.1).await?)?;
    let Some(found) = load_writeback(ports, scope, of, invoice).await? else {
        return Err(Error::problem(
            Code::IssueNotRetryable,
            "Autotask has the paid date that the payments here ask for.",
        ));
    };
    let next = Writeback { next_at: ports.clock.now(), ..found.value.clone() };
    let shown = |writeback: &Writeback| json!({"next_at": writeback.next_at, "attempts": writeback.attempts});
    Change::of_connection(ports, actor, of.0, of.1)
        .replace(&next, found.v)?
        .audit("payment.writeback_asked", format!("invoice/{invoice}"), shown(&found), shown(&next))?
        .commit(scope)
        .await
        .map_err(|error| {
            conflict_as(error, || Error::problem(Code::Conflict, "The date is being written right now."))
        })?;
    nudge(ports, of.0, of.1, invoice, Duration::ZERO).await;
    Ok(())
}

/// Asks for a look at a write-back; a queue that is away is left to the sweep.
pub(super) async fn nudge(
    ports: &Ports,
    partner: &PartnerId,
    connection: &ConnectionId,
    invoice: i64,
    delay: Duration,
) {
    if let Err(error) = send(ports, partner, connection, invoice, delay).await {
        tracing::warn!(connection.id = %connection, error = %error, "a write-back is left to the sweep");
    }
}

async fn send(
    ports: &Ports,
    partner: &PartnerId,
    connection: &ConnectionId,
    invoice: i64,
    delay: Duration,
) -> Result<()> {
    let message = PaymentsMessage { partner: partner.clone(), connection: connection.clone(), invoice };
    let body = serde_json::to_string(&message).map_err(|error| QueueError(Box::new(error)))?;
    Ok(ports.queue.send(QueueName::Payments, body, delay, partner).await?)
}
