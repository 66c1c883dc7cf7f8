//! When a connection's seat sync is next due. The slot names the run and its month, so it is recomputed with every
//! change that moves it, in the same transaction.

use super::record::{Connection, SEAT_SYNC_JOB, Schedule};
use super::settings::Settings;
use crate::actor::Scope;
use crate::calendar::{CATCH_UP_MAX, next_slot};
use crate::ports::{Order, PageRequest, Ports, Read};
use crate::problem::Result;
use crate::records::{Collection, Expect, Key, Record, SHARDS, Versioned, Write, load, load_page};
use jiff::Timestamp;

/// Due schedules read at once.
const PAGE: u32 = 100;

/// The schedules of a job that are due at or before a time, over all partners. The index is eventually consistent: what
/// counts is the record.
///
/// # Errors
/// Storage.
pub async fn due_schedules(ports: &Ports, scope: &Scope, job: &str, until: Timestamp) -> Result<Vec<Schedule>> {
    let mut due = Vec::new();
    for shard in 0..SHARDS {
        let of = Collection::Due { job: job.to_owned(), shard, until };
        let mut after = None;
        loop {
            let page = PageRequest { limit: PAGE, after, order: Order::Ascending, read: Read::Eventual };
            let (found, next) = load_page::<Schedule>(&*ports.storage, scope, &of, page).await?;
            due.extend(found.into_iter().map(|found| found.value));
            match next {
                Some(token) => after = Some(token),
                None => break,
            }
        }
    }
    Ok(due)
}

/// The schedule as stored.
pub(super) async fn load_schedule(
    ports: &Ports,
    scope: &Scope,
    connection: &Connection,
) -> Result<Option<Versioned<Schedule>>> {
    let key = key(connection);
    Ok(load::<Schedule>(&*ports.storage, scope, &key).await?)
}

/// The write that makes the schedule fit settings and features; none where it fits already.
pub(super) fn rewrite(
    connection: &Connection,
    settings: &Settings,
    present: Option<&Versioned<Schedule>>,
    now: Timestamp,
    moved: bool,
) -> Result<Option<Write>> {
    let due_at = match wanted(connection, settings) {
        true => due(present.map(|found| found.value.due_at), settings, now, moved),
        false => None,
    };
    let expect = present.map_or(Expect::Absent, |found| Expect::Version(found.v));
    match (due_at, present) {
        (None, None) => Ok(None),
        (None, Some(_)) => Ok(Some(Write::delete(key(connection), expect))),
        (Some(due_at), _) => {
            if present.is_some_and(|found| found.value.due_at == due_at) {
                return Ok(None);
            }
            Ok(Some(Write::put(&fresh(connection, due_at), expect)?))
        }
    }
}

/// The schedule of a new connection.
pub(super) fn first(connection: &Connection, settings: &Settings, now: Timestamp) -> Result<Option<Schedule>> {
    let due_at = if wanted(connection, settings) { due(None, settings, now, true) } else { None };
    Ok(due_at.map(|due_at| fresh(connection, due_at)))
}

fn wanted(connection: &Connection, settings: &Settings) -> bool {
    connection.has_feature(SEAT_SYNC_JOB) && settings.schedule.enabled
}

/// The slot to keep or to take; none where nothing runs by itself. One that has come and can still be made up for
/// stays; one that is further back is given up for the next.
fn due(present: Option<Timestamp>, settings: &Settings, now: Timestamp, moved: bool) -> Option<Timestamp> {
    let next = next_slot(&settings.schedule, &settings.zone(), now)?;
    match present {
        Some(slot) if slot <= now && now.duration_since(slot) <= CATCH_UP_MAX => Some(slot),
        Some(slot) if slot > now && !moved => Some(slot),
        _ => Some(next),
    }
}

fn fresh(connection: &Connection, due_at: Timestamp) -> Schedule {
    Schedule {
        partner: connection.partner.clone(),
        connection: connection.id.clone(),
        job: SEAT_SYNC_JOB.to_owned(),
        due_at,
    }
}

pub(super) fn key(connection: &Connection) -> Key {
    fresh(connection, Timestamp::UNIX_EPOCH).key()
}

#[cfg(test)]
mod tests {
    use super::super::settings::ScheduleKind;
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_slot_that_can_be_made_up_for_is_kept_and_an_older_one_is_given_up() {
        let settings = Settings::default();
        let slot = at("2026-12-01T00:15:00Z");
        for (now, moved, wanted) in [
            ("2026-11-20T00:00:00Z", false, "2026-12-01T00:15:00Z"),
            ("2026-12-02T10:00:00Z", false, "2026-12-01T00:15:00Z"),
            ("2026-12-02T10:00:00Z", true, "2026-12-01T00:15:00Z"),
            ("2026-12-04T00:16:00Z", false, "2027-01-01T00:15:00Z"),
        ] {
            assert_eq!(due(Some(slot), &settings, at(now), moved), Some(at(wanted)), "{now}");
        }
        let mut later = Settings::default();
        later.schedule.day = 5;
        assert_eq!(due(Some(slot), &later, at("2026-11-20T00:00:00Z"), true), Some(at("2026-12-05T00:15:00Z")));
    }

    #[test]
    fn a_schedule_that_only_people_start_has_no_slot_to_keep_or_to_take() {
        let mut settings = Settings::default();
        settings.schedule.kind = ScheduleKind::Manual;
        let slot = at("2026-12-01T00:15:00Z");
        for (present, now) in [(None, "2026-11-20T00:00:00Z"), (Some(slot), "2026-12-01T01:00:00Z")] {
            assert_eq!(due(present, &settings, at(now), true), None, "{now}");
        }
    }
}
