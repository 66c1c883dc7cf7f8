//! What a tick does: finds the connections whose slot has come, each in its own zone, and starts their runs.

use crate::actor::{Actor, Scope};
use crate::calendar::{CATCH_UP_MAX, latest_slot, next_slot};
use crate::change::Change;
use crate::connections::{Connection, ConnectionStatus, Schedule, Settings, due_schedules, load_connection};
use crate::issues::{self, Subject};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Expect, Key, Record, Versioned, Write, load};
use crate::runs::{self, StartRun, Trigger};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// The job's name in schedules.
pub const JOB: &str = "seat_sync";
/// What the issue of a missed slot is about; the next whole run that is not stopped closes it.
pub(super) const MISSED: &str = "schedule/seat_sync";
/// A slot taken up later than this is called a catch-up: two ticks of the hourly schedule.
const LATE: SignedDuration = SignedDuration::from_hours(2);
/// So long before its slot a connection's counts are asked for: the tick before.
const ASK_AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// What a tick did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ticked {
    /// Runs started.
    pub started: u32,
    /// Slots that nobody could take up in time.
    pub missed: u32,
    /// Connections that stay due for the next tick.
    pub waiting: u32,
    /// Connections whose counts were asked for.
    pub asked: u32,
}

/// Starts what is due at `now`.
///
/// # Errors
/// Storage; a tick is then repeated, and starts nothing twice.
pub async fn tick(ports: &Ports, scope: &Scope, actor: &Actor, now: Timestamp) -> Result<Ticked> {
    let mut ticked = Ticked::default();
    for schedule in due_schedules(ports, scope, JOB, now + ASK_AHEAD).await? {
        let id = schedule.connection.clone();
        // One connection's trouble is not another's.
        if let Err(error) = one(ports, scope, actor, now, schedule, &mut ticked).await {
            tracing::error!(connection.id = %id, error = %error, cause = ?std::error::Error::source(&error), "a due connection could not be started");
            ticked.waiting += 1;
        }
    }
    Ok(ticked)
}

async fn one(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    now: Timestamp,
    indexed: Schedule,
    ticked: &mut Ticked,
) -> Result<()> {
    let Some(scope) = scope.narrow(&indexed.partner) else { return Ok(()) };
    // The index is eventually consistent: what counts is the record.
    let key = Key::Schedule(indexed.partner.clone(), indexed.connection.clone(), indexed.job.clone());
    let Some(schedule) = load::<Schedule>(&*ports.storage, &scope, &key).await? else { return Ok(()) };
    let connection = load_connection(ports, &scope, &schedule.partner, &schedule.connection).await?.value;
    let settings = super::settings_of(ports, &scope, &connection).await?;
    let wanted = settings.schedule.enabled && connection.has_feature(JOB);
    if schedule.due_at > now {
        return match wanted {
            true => ask_ahead(ports, &scope, actor, &connection, &schedule, now, ticked).await,
            false => Ok(()),
        };
    }
    let latest = latest_slot(&settings.schedule, &settings.zone(), now);
    let Some(slot) = latest.map(|slot| slot.max(schedule.due_at)).filter(|_| wanted) else {
        return advance(ports, &scope, &schedule, &settings, now).await;
    };
    if now.duration_since(slot) > CATCH_UP_MAX {
        ticked.missed += 1;
        missed(ports, &scope, actor, &connection, slot).await?;
        return advance(ports, &scope, &schedule, &settings, now).await;
    }
    if connection.status != ConnectionStatus::Connected {
        // A person may put it right within the time for catching up.
        ticked.waiting += 1;
        return Ok(());
    }
    let trigger = if now.duration_since(slot) > LATE { Trigger::CatchUp } else { Trigger::Schedule };
    let wanted = StartRun::of_slot(slot, trigger);
    match runs::start(ports, &scope, actor, &schedule.partner, &schedule.connection, wanted).await {
        Ok(run) => {
            ticked.started += 1;
            tracing::info!(connection.id = %connection.id, run.id = %run.id, slot = %slot, "started a scheduled seat sync");
            advance(ports, &scope, &schedule, &settings, now).await
        }
        Err(Error::Problem(problem)) => {
            ticked.waiting += 1;
            tracing::warn!(connection.id = %connection.id, code = problem.code.as_str(), "a due seat sync has to wait");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Asks the vendor's core for fresh counts, once per slot: the tick before the slot.
async fn ask_ahead(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    connection: &Connection,
    schedule: &Schedule,
    now: Timestamp,
    ticked: &mut Ticked,
) -> Result<()> {
    if schedule.due_at.duration_since(now) > ASK_AHEAD || connection.status != ConnectionStatus::Connected {
        return Ok(());
    }
    ticked.asked += 1;
    let data = json!({"reason": "seat_sync", "due_at": schedule.due_at});
    let change = Change::of_connection(ports, actor, &connection.partner, &connection.id);
    Ok(change.event("usage.requested", data)?.commit(scope).await?)
}

/// Moves a schedule on to its next slot, or ends it where there is none. Somebody else's doing so is as good.
async fn advance(
    ports: &Ports,
    scope: &Scope,
    schedule: &Versioned<Schedule>,
    settings: &Settings,
    now: Timestamp,
) -> Result<()> {
    let write = match next_slot(&settings.schedule, &settings.zone(), now) {
        Some(due_at) => Write::replace(&Schedule { due_at, ..schedule.value.clone() }, schedule.v)?,
        None => Write::delete(schedule.key(), Expect::Version(schedule.v)),
    };
    match ports.storage.write(scope, vec![write]).await {
        Ok(()) | Err(StorageError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn missed(ports: &Ports, scope: &Scope, actor: &Actor, connection: &Connection, slot: Timestamp) -> Result<()> {
    let on = Subject { partner: &connection.partner, connection: &connection.id, subject: MISSED };
    let words = format!("The seat sync due at {slot} did not run within {} hours.", CATCH_UP_MAX.as_hours());
    let change = Change::of_connection(ports, actor, &connection.partner, &connection.id);
    let change = issues::open(change, ports, scope, on, Code::RunMissed, &words).await?;
    Ok(change.commit(scope).await?)
}
