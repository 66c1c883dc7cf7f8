//! When a connection is checked by itself: days before its next run, in the morning of its own zone, once for each slot.

use super::record::HealthReport;
use super::run::HealthMessage;
use crate::actor::Scope;
use crate::connections::settings::SettingsRecord;
use crate::connections::{SEAT_SYNC_JOB, Schedule, due_schedules};
use crate::ports::{Ports, QueueError, QueueName};
use crate::problem::Result;
use crate::records::{Key, load};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::time::Duration;

/// How many days before its run a connection is checked: time for a person to put things right.
const DAYS_BEFORE: i64 = 3;
/// At which hour of its own zone.
const HOUR: i8 = 9;
/// How far ahead slots are looked for: the days before, and the day itself with a clock change in it.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * (DAYS_BEFORE + 1) + 2);
/// Messages of one tick are spread over so many seconds.
const SPREAD: u64 = 600;

/// When the check of a slot is due.
#[must_use]
pub fn due(slot: Timestamp, zone: &TimeZone) -> Timestamp {
    let day = slot.to_zoned(zone.clone()).date().saturating_sub(DAYS_BEFORE.days());
    let local = day.at(HOUR, 0, 0, 0);
    zone.to_ambiguous_zoned(local).compatible().map_or(slot, |zoned| zoned.timestamp())
}

/// Asks for the checks that are due at `now` and not made yet: also those that earlier ticks missed, until the slot
/// itself has come. Returns how many.
///
/// # Errors
/// Storage and queue; a tick may be repeated, for a check that was made is not made again.
pub async fn send_due(ports: &Ports, scope: &Scope, now: Timestamp) -> Result<u32> {
    let mut sent = 0;
    let slots = due_schedules(ports, scope, SEAT_SYNC_JOB, now + AHEAD).await?;
    for schedule in slots.into_iter().filter(|schedule| schedule.due_at > now) {
        sent += u32::from(send(ports, scope, now, schedule, sent).await?);
    }
    Ok(sent)
}

async fn send(ports: &Ports, scope: &Scope, now: Timestamp, schedule: Schedule, sent: u32) -> Result<bool> {
    let Schedule { partner, connection, due_at: slot, .. } = schedule;
    let Some(scope) = scope.narrow(&partner) else { return Ok(false) };
    let key = Key::Settings(partner.clone(), connection.clone());
    let settings = load::<SettingsRecord>(&*ports.storage, &scope, &key).await?;
    let zone = settings.map_or(TimeZone::UTC, |found| found.value.settings.zone());
    if due(slot, &zone) > now {
        return Ok(false);
    }
    let key = Key::HealthReport(partner.clone(), connection.clone());
    let report = load::<HealthReport>(&*ports.storage, &scope, &key).await?;
    if report.is_some_and(|found| found.value.checked_slot == Some(slot)) {
        return Ok(false);
    }
    let message = HealthMessage { partner: partner.clone(), connection, health_for: slot };
    let body = serde_json::to_string(&message).map_err(|error| QueueError(Box::new(error)))?;
    let delay = Duration::from_secs(u64::from(sent) % SPREAD);
    ports.queue.send(QueueName::SeatSync, body, delay, &partner).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_due_in_the_morning_three_days_before_in_the_connections_zone() {
        for (zone, slot, wanted) in [
            ("UTC", "2026-12-01T00:15:00Z", "2026-11-28T09:00:00Z"),
            ("America/New_York", "2026-12-01T05:15:00Z", "2026-11-28T14:00:00Z"),
            ("Pacific/Auckland", "2026-11-30T11:15:00Z", "2026-11-27T20:00:00Z"),
            ("Europe/London", "2026-10-28T23:59:00Z", "2026-10-25T09:00:00Z"),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            let (slot, wanted): (Timestamp, Timestamp) = (slot.parse().unwrap(), wanted.parse().unwrap());
            assert_eq!(due(slot, &zone), wanted, "{slot}");
            assert!(slot.duration_since(wanted) <= AHEAD, "a tick of {wanted} would not look as far as {slot}");
        }
    }
}
