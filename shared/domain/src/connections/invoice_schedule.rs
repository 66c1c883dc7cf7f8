//! When invoices are next fetched: every hour, each connection at its own minute, and once a day in the night. The rows
//! are there exactly while the feature is on.

use super::record::{Connection, INVOICE_FETCH_JOB, INVOICE_REFRESH_JOB, Schedule};
use super::settings::Settings;
use crate::actor::Scope;
use crate::invoices::FEATURE;
use crate::ports::Ports;
use crate::problem::Result;
use crate::records::{Expect, Key, Record, Write, load};
use jiff::{SignedDuration, Timestamp, ToSpan};
use sha2::{Digest, Sha256};

/// The hour of the daily look, in the connection's zone.
const REFRESH_HOUR: i8 = 2;

/// The next slot of one of the two jobs after `now`. Connections are spread over the minutes of an hour, so that
/// neither our queues nor Autotask's zones are hit at once.
#[must_use]
pub fn next_invoice_slot(connection: &Connection, settings: &Settings, job: &str, now: Timestamp) -> Timestamp {
    let minute = minute_of(connection);
    let later = SignedDuration::from_hours(1);
    match job {
        INVOICE_REFRESH_JOB => {
            let local = now.to_zoned(settings.zone());
            let of_day = |day: jiff::civil::Date| {
                day.at(REFRESH_HOUR, minute, 0, 0).to_zoned(settings.zone()).ok().map(|at| at.timestamp())
            };
            let days = [local.date().checked_add(0.days()), local.date().checked_add(1.day())];
            let slots = days.into_iter().flatten().filter_map(of_day);
            slots.into_iter().find(|slot| *slot > now).unwrap_or(now + later * 24)
        }
        _ => {
            let hour = now.as_second() - now.as_second().rem_euclid(later.as_secs());
            let slot = Timestamp::from_second(hour + i64::from(minute) * 60).unwrap_or(now);
            if slot > now { slot } else { slot + later }
        }
    }
}

fn minute_of(connection: &Connection) -> i8 {
    let digest = Sha256::digest(connection.id.as_str());
    i8::try_from(digest[0] % 60).unwrap_or_default()
}

/// The rows of a new connection: the first import is due at once.
pub(super) fn first(connection: &Connection, settings: &Settings, now: Timestamp) -> Vec<Schedule> {
    if !connection.has_feature(FEATURE) {
        return Vec::new();
    }
    let refresh = next_invoice_slot(connection, settings, INVOICE_REFRESH_JOB, now);
    vec![row(connection, INVOICE_FETCH_JOB, now), row(connection, INVOICE_REFRESH_JOB, refresh)]
}

/// The writes that make the rows fit the features.
pub(super) async fn rewrite(
    ports: &Ports,
    scope: &Scope,
    connection: &Connection,
    settings: &Settings,
) -> Result<Vec<Write>> {
    let now = ports.clock.now();
    let mut writes = Vec::new();
    for job in [INVOICE_FETCH_JOB, INVOICE_REFRESH_JOB] {
        let wanted = first(connection, settings, now).into_iter().find(|schedule| schedule.job == job);
        let key = key(connection, job);
        let present = load::<Schedule>(&*ports.storage, scope, &key).await?;
        match (wanted, present) {
            (Some(schedule), None) => writes.push(Write::create(&schedule)?),
            (None, Some(present)) => writes.push(Write::delete(key, Expect::Version(present.v))),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    Ok(writes)
}

/// The name of a job's row.
pub(super) fn key(connection: &Connection, job: &str) -> Key {
    row(connection, job, Timestamp::UNIX_EPOCH).key()
}

fn row(connection: &Connection, job: &str, due_at: Timestamp) -> Schedule {
    let (partner, connection) = (connection.partner.clone(), connection.id.clone());
    Schedule { partner, connection, job: job.to_owned(), due_at }
}
