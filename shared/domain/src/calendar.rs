//! Dates of billing: months, due slots, effective dates. Pure; the zone is always said.

use crate::connections::settings::RunSchedule;
use crate::runs::Period;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// How long after its slot a missed run is still made up for.
pub const CATCH_UP_MAX: SignedDuration = SignedDuration::from_hours(72);

/// The calendar day of an instant in a zone.
#[must_use]
pub fn day_of(at: Timestamp, zone: &TimeZone) -> Date {
    at.to_zoned(zone.clone()).date()
}

/// The calendar month that holds a date.
#[must_use]
pub fn month_of(date: Date) -> Period {
    Period { start: date.first_of_month(), end: date.last_of_month() }
}

/// The month that a due slot is for, in the connection's zone.
#[must_use]
pub fn period_of_slot(slot: Timestamp, zone: &TimeZone) -> Period {
    month_of(day_of(slot, zone))
}

/// The first slot after `after`. A local time that a clock change skips is the instant just after the gap; one
/// that happens twice is the first of the two.
#[must_use]
pub fn next_slot(schedule: &RunSchedule, zone: &TimeZone, after: Timestamp) -> Timestamp {
    let mut month = after.to_zoned(zone.clone()).date().first_of_month();
    loop {
        let slot = slot_in(schedule, zone, month);
        if slot > after {
            return slot;
        }
        month = next_month(month);
    }
}

/// The newest slot at or before `at`.
#[must_use]
pub fn latest_slot(schedule: &RunSchedule, zone: &TimeZone, at: Timestamp) -> Timestamp {
    let month = at.to_zoned(zone.clone()).date().first_of_month();
    let slot = slot_in(schedule, zone, month);
    if slot <= at { slot } else { slot_in(schedule, zone, previous_month(month)) }
}

fn slot_in(schedule: &RunSchedule, zone: &TimeZone, month: Date) -> Timestamp {
    let last = month.days_in_month();
    let day = schedule.day.clamp(1, last);
    let date = Date::new(month.year(), month.month(), day).unwrap_or(month);
    let local = date.at(schedule.hour.clamp(0, 23), schedule.minute.clamp(0, 59), 0, 0);
    zone.to_ambiguous_zoned(local).compatible().map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

fn next_month(month: Date) -> Date {
    month.last_of_month().tomorrow().unwrap_or(Date::MAX)
}

fn previous_month(month: Date) -> Date {
    month.yesterday().map_or(Date::MIN, |day| day.first_of_month())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_next_slot_is_the_first_in_the_connections_own_zone() {
        for (zone, after, slot) in [
            ("UTC", "2026-11-20T11:00:00Z", "2026-12-01T00:15:00Z"),
            ("UTC", "2026-12-01T00:15:00Z", "2027-01-01T00:15:00Z"),
            ("America/New_York", "2026-11-30T23:59:00Z", "2026-12-01T05:15:00Z"),
            ("Pacific/Auckland", "2026-11-20T00:00:00Z", "2026-11-30T11:15:00Z"),
            ("Asia/Kolkata", "2026-11-30T18:45:00Z", "2026-12-31T18:45:00Z"),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            assert_eq!(next_slot(&RunSchedule::default(), &zone, at(after)), at(slot), "{after}");
        }
    }

    #[test]
    fn a_skipped_local_time_runs_just_after_the_gap_and_a_repeated_one_runs_once() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let gap = RunSchedule { day: 28, hour: 1, minute: 30, ..RunSchedule::default() };
        assert_eq!(next_slot(&gap, &zone, at("2027-03-01T00:00:00Z")), at("2027-03-28T01:30:00Z"));
        let fold = RunSchedule { day: 25, hour: 1, minute: 30, ..RunSchedule::default() };
        let first = next_slot(&fold, &zone, at("2026-10-20T00:00:00Z"));
        assert_eq!(first, at("2026-10-25T00:30:00Z"));
        assert_eq!(next_slot(&fold, &zone, first), at("2026-11-25T01:30:00Z"));
    }

    #[test]
    fn a_late_tick_is_still_for_the_slots_own_month() {
        let zone = TimeZone::get("America/Los_Angeles").unwrap();
        let slot = latest_slot(&RunSchedule::default(), &zone, at("2026-12-03T20:00:00Z"));
        assert_eq!(slot, at("2026-12-01T08:15:00Z"));
        assert_eq!(period_of_slot(slot, &zone).start.to_string(), "2026-12-01");
        let before = latest_slot(&RunSchedule::default(), &zone, at("2026-12-01T08:14:59Z"));
        assert_eq!(period_of_slot(before, &zone).start.to_string(), "2026-11-01");
    }

    #[test]
    fn february_ends_when_it_ends() {
        for (date, end) in [("2027-02-10", "2027-02-28"), ("2028-02-29", "2028-02-29"), ("2026-12-31", "2026-12-31")] {
            assert_eq!(month_of(date.parse().unwrap()).end.to_string(), end);
        }
    }
}
