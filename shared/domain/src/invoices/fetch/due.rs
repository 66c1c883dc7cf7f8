//! Which connections are due, hourly and daily.

use super::record::{Fetch, FetchKind, FetchState, FetchTrigger};
use super::start::{claim, progress_of, reference, seen, settings_of};
use super::work::{FetchMessage, FetchRef, SHARED_MAX};
use crate::actor::{Actor, Scope};
use crate::connections::{ConnectionStatus, INVOICE_FETCH_JOB, INVOICE_REFRESH_JOB, Schedule, due_schedules};
use crate::connections::{load_connection, next_invoice_slot};
use crate::invoices::FEATURE;
use crate::ports::{Ports, StorageError};
use crate::problem::{Error, Result};
use crate::records::{Key, Record, Versioned, Write, load};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// A fetch that nobody has touched for so long is taken up again: three visibility times, so that its message is
/// rather dead than late.
const STUCK_AFTER: SignedDuration = SignedDuration::from_mins(90);
/// How long a due connection waits for the fetch that is under way.
const PUT_OFF: SignedDuration = SignedDuration::from_mins(10);

/// What a tick did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ticked {
    /// Fetches started.
    pub started: u32,
    /// Fetches of which nobody heard any more, taken up again.
    pub resumed: u32,
    /// Connections whose fetch has to wait: another one is under way, or the connection is not in use.
    pub waiting: u32,
}

/// Starts what is due at `now`, over all partners.
///
/// # Errors
/// Records, where the due connections cannot be listed; the queue. The next tick finds what is left.
pub async fn tick(ports: &Ports, scope: &Scope, actor: &Actor, now: Timestamp) -> Result<Ticked> {
    let mut ticked = Ticked::default();
    let mut started = Vec::new();
    for job in [INVOICE_FETCH_JOB, INVOICE_REFRESH_JOB] {
        for schedule in due_schedules(ports, scope, job, now).await? {
            let id = schedule.connection.clone();
            // One connection's trouble is not another's.
            match one(ports, scope, actor, now, &schedule, &mut ticked).await {
                Ok(Some(fetch)) => started.push(fetch),
                Ok(None) => {}
                Err(error) => {
                    let cause = std::error::Error::source(&error);
                    tracing::error!(connection.id = %id, error = %error, ?cause, "a fetch of invoices could not be started");
                    ticked.waiting += 1;
                }
            }
        }
    }
    for fetches in started.chunks(SHARED_MAX) {
        FetchMessage { fetches: fetches.to_vec() }.send(ports, Duration::ZERO).await?;
    }
    Ok(ticked)
}

async fn one(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    now: Timestamp,
    indexed: &Schedule,
    ticked: &mut Ticked,
) -> Result<Option<FetchRef>> {
    let Some(scope) = scope.narrow(&indexed.partner) else { return Ok(None) };
    // The index is eventually consistent: what counts is the record.
    let Some(schedule) = load::<Schedule>(&*ports.storage, &scope, &indexed.key()).await? else { return Ok(None) };
    if schedule.due_at > now {
        return Ok(None);
    }
    let connection = load_connection(ports, &scope, &schedule.partner, &schedule.connection).await?;
    let settings = settings_of(ports, &scope, &connection).await?;
    let next_slot = next_invoice_slot(&connection, &settings, &schedule.job, now);
    let moved_to = |due_at| Write::replace(&Schedule { due_at, ..schedule.value.clone() }, schedule.v);
    let usable = connection.status == ConnectionStatus::Connected && connection.has_feature(FEATURE);
    let present = progress_of(ports, &scope, &schedule.partner, &schedule.connection).await?;
    let active = match present.as_ref().and_then(|progress| progress.active.as_ref()) {
        Some(active) => {
            let key = Key::Fetch(schedule.partner.clone(), schedule.connection.clone(), active.id.clone());
            load::<Fetch>(&*ports.storage, &scope, &key).await?
        }
        None => None,
    };
    if !usable || active.is_some() {
        ticked.waiting += 1;
        let stuck = active.filter(|fetch| usable && is_stuck(fetch, now));
        skip(ports, &scope, moved_to(if usable { now + PUT_OFF } else { next_slot })?).await?;
        ticked.resumed += u32::from(stuck.is_some());
        return Ok(stuck.map(|fetch| reference(&fetch)));
    }
    let kind = if schedule.job == INVOICE_REFRESH_JOB { FetchKind::Open } else { FetchKind::New };
    let seen = seen(present, &schedule.partner, &schedule.connection);
    if kind == FetchKind::Open && seen.1.checkpoint.is_none() {
        // The import sees what is open as well.
        skip(ports, &scope, moved_to(next_slot)?).await?;
        return Ok(None);
    }
    let next = moved_to(next_slot)?;
    match claim(ports, &scope, actor, seen, &settings, (kind, FetchTrigger::Schedule), Some(next)).await {
        Ok(fetch) => {
            ticked.started += 1;
            Ok(Some(reference(&fetch)))
        }
        // Another tick, or a person, was faster.
        Err(Error::Storage(StorageError::Conflict { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_stuck(fetch: &Versioned<Fetch>, now: Timestamp) -> bool {
    let waits = matches!(fetch.state, FetchState::Queued | FetchState::Running);
    waits && now.duration_since(fetch.touched_at) > STUCK_AFTER
}

/// Moves the slot on without a fetch.
async fn skip(ports: &Ports, scope: &Scope, next: Write) -> Result<()> {
    match ports.storage.write(scope, vec![next]).await {
        Ok(()) | Err(StorageError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
