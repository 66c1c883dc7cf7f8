//! The issue that Autotask's hourly limit is near or reached. It goes with the writes that the budget makes anyhow: of
//! what the database said, of a pause that Autotask asked for, of permits that are there again.

use super::Place;
use super::rate::{BudgetRow, Observed, Rate, used_percent};
use crate::actor::Actor;
use crate::change::Change;
use crate::issues::{self, Met, More, Subject};
use crate::ports::StorageError;
use crate::problem::{Code, Error};
use crate::records::Write;
use jiff::Timestamp;
use serde_json::json;

/// From this use of the database's limit on, in per cent, by all integrations together, people are told: calls cost two
/// and a half times as much, and what is left is little for whoever else calls.
pub const NEAR_PERCENT: i64 = 80;

/// What a write of the budget's record tells.
pub(super) enum Tells {
    /// Nothing that people should know.
    Nothing,
    /// The limit is near or reached; the session is counted once.
    Met { detail: String, data: serde_json::Value, session: String },
    /// There is room again.
    Gone,
}

/// What an observation tells, and notes on the record.
pub(super) fn observed(row: &mut BudgetRow, share_percent: i64, seen: &Observed, session: &str) -> Tells {
    if used_percent(seen) < NEAR_PERCENT {
        return if row.paused_until.is_some_and(|until| until > seen.at) { Tells::Nothing } else { room(row) };
    }
    row.told = true;
    let rate = Rate::of(share_percent, Some(seen), seen.at);
    let Observed { limit, period_minutes, used, .. } = *seen;
    let detail = format!(
        "All integrations together have made {used} of the {limit} calls that Autotask allows in {period_minutes} \
         minutes; we make at most {} of them instead of {}.",
        rate.permits(rate.share),
        rate.share
    );
    let data = json!({"limit": limit, "used": used, "period_minutes": period_minutes, "at": seen.at,
        "share": rate.share, "share_now": rate.permits(rate.share)});
    Tells::Met { detail, data, session: session.to_owned() }
}

/// What a refusal of Autotask's tells, and notes on the record.
pub(super) fn refused(row: &mut BudgetRow, until: Timestamp, session: &str) -> Tells {
    row.told = true;
    let detail = format!("Autotask refuses calls because of its hourly limit; we make none before {until}.");
    let data = json!({"limit": row.database.map(|seen| seen.limit), "paused_until": until});
    Tells::Met { detail, data, session: session.to_owned() }
}

/// What permits tell that were granted at `now`: that there is room, unless the database has said otherwise of late.
pub(super) fn granted(row: &mut BudgetRow, rate: &Rate, now: Timestamp) -> Tells {
    let recent = row.database.filter(|seen| now.duration_since(seen.at) < rate.period);
    if recent.is_some_and(|seen| used_percent(&seen) >= NEAR_PERCENT) { Tells::Nothing } else { room(row) }
}

fn room(row: &mut BudgetRow) -> Tells {
    if std::mem::take(&mut row.told) { Tells::Gone } else { Tells::Nothing }
}

/// Writes the budget's record together with what it tells.
pub(super) async fn write(place: &Place, write: Write, tells: Tells) -> Result<(), StorageError> {
    let ports = &place.ports;
    let actor = Actor::system("budget", format!("budget_{}", ports.clock.now()));
    let on = Subject { partner: &place.partner, connection: &place.connection, subject: "connection" };
    let change = Change::of_connection(ports, &actor, &place.partner, &place.connection).write(write.clone());
    let change = match &tells {
        Tells::Nothing => Ok(change),
        Tells::Gone => issues::resolve(change, ports, &place.scope, on, Code::ThresholdNear).await,
        Tells::Met { detail, data, session } => {
            let by = format!("session/{session}");
            let met = Met { detail, more: Some(More { data: data.clone(), fix: None }), by: Some(&by) };
            issues::open_in(change, ports, &place.scope, on, Code::ThresholdNear, met).await
        }
    };
    match change {
        Ok(change) => change.commit(&place.scope).await,
        Err(Error::Storage(error)) => Err(error),
        Err(error) => {
            // The limit is kept to in any case.
            tracing::error!(connection.id = %place.connection, error = %error, "an issue of the limit was not made");
            ports.storage.write(&place.scope, vec![write]).await
        }
    }
}
