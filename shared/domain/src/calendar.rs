//! Dates of billing: months, due slots, effective dates. Pure; the zone is always said.

use crate::connections::settings::{RunSchedule, ScheduleKind};
use crate::runs::Period;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// How long after its slot a missed run is still made up for.
pub const CATCH_UP_MAX: SignedDuration = SignedDuration::from_hours(72);

/// Most days from one slot of a schedule to the next: the longest month.
const SLOT_DAYS_MAX: usize = 31;

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

/// The first slot after `after`; none where nothing runs by itself. A local time that a clock change skips is the
/// instant just after the gap, and so is one of a day that a zone skips; one that happens twice is the first of the two.
#[must_use]
pub fn next_slot(schedule: &RunSchedule, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    // From the day before: a gap may have moved its slot to this day.
    let today = day_of(after, zone);
    let mut day = today.yesterday().unwrap_or(today);
    loop {
        day = slot_day(schedule, day, Date::tomorrow)?;
        let slot = instant(schedule, zone, day)?;
        if slot > after {
            return Some(slot);
        }
        day = day.tomorrow().ok()?;
    }
}

/// The newest slot at or before `at`; none where nothing runs by itself.
#[must_use]
pub fn latest_slot(schedule: &RunSchedule, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
    let mut day = day_of(at, zone);
    loop {
        day = slot_day(schedule, day, Date::yesterday)?;
        let slot = instant(schedule, zone, day)?;
        if slot <= at {
            return Some(slot);
        }
        day = day.yesterday().ok()?;
    }
}

/// The first day of the schedule from a day on, in the direction of `step`: every schedule has one within a month.
fn slot_day(schedule: &RunSchedule, from: Date, step: impl Fn(Date) -> Result<Date, jiff::Error>) -> Option<Date> {
    let mut day = from;
    for _ in 0..=SLOT_DAYS_MAX {
        let fits = match schedule.kind {
            ScheduleKind::Monthly => day.day() == schedule.day.clamp(1, day.days_in_month()),
            ScheduleKind::LastDay => day == day.last_of_month(),
            ScheduleKind::Weekly => day.weekday() == schedule.weekday.into(),
            ScheduleKind::Daily => true,
            ScheduleKind::Manual => false,
        };
        if fits {
            return Some(day);
        }
        day = step(day).ok()?;
    }
    None
}

/// The schedule's local time of a day.
fn instant(schedule: &RunSchedule, zone: &TimeZone, day: Date) -> Option<Timestamp> {
    let local = day.at(schedule.hour.clamp(0, 23), schedule.minute.clamp(0, 59), 0, 0);
    zone.to_ambiguous_zoned(local).compatible().ok().map(|zoned| zoned.timestamp())
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
            assert_eq!(next_slot(&RunSchedule::default(), &zone, at(after)), Some(at(slot)), "{after}");
        }
    }

    #[test]
    fn a_skipped_local_time_runs_just_after_the_gap_and_a_repeated_one_runs_once() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let gap = RunSchedule { day: 28, hour: 1, minute: 30, ..RunSchedule::default() };
        assert_eq!(next_slot(&gap, &zone, at("2027-03-01T00:00:00Z")), Some(at("2027-03-28T01:30:00Z")));
        let fold = RunSchedule { day: 25, hour: 1, minute: 30, ..RunSchedule::default() };
        let first = next_slot(&fold, &zone, at("2026-10-20T00:00:00Z")).unwrap();
        assert_eq!(first, at("2026-10-25T00:30:00Z"));
        assert_eq!(next_slot(&fold, &zone, first), Some(at("2026-11-25T01:30:00Z")));
    }

    #[test]
    fn a_late_tick_is_still_for_the_slots_own_month() {
        let zone = TimeZone::get("America/Los_Angeles").unwrap();
        let slot = latest_slot(&RunSchedule::default(), &zone, at("2026-12-03T20:00:00Z")).unwrap();
        assert_eq!(slot, at("2026-12-01T08:15:00Z"));
        assert_eq!(period_of_slot(slot, &zone).start.to_string(), "2026-12-01");
        let before = latest_slot(&RunSchedule::default(), &zone, at("2026-12-01T08:14:59Z")).unwrap();
        assert_eq!(period_of_slot(before, &zone).start.to_string(), "2026-11-01");
    }

    #[test]
    fn february_ends_when_it_ends() {
        for (date, end) in [("2027-02-10", "2027-02-28"), ("2028-02-29", "2028-02-29"), ("2026-12-31", "2026-12-31")] {
            assert_eq!(month_of(date.parse().unwrap()).end.to_string(), end);
        }
    }

    /// `kind`, with day or weekday where it has one, at `hour:minute`.
    fn schedule(kind: &str, hour: i8, minute: i8) -> RunSchedule {
        let every = |kind| RunSchedule { kind, hour, minute, ..RunSchedule::default() };
        match kind.split_once(' ') {
            Some(("monthly", day)) => RunSchedule { day: day.parse().unwrap(), ..every(ScheduleKind::Monthly) },
            Some(("weekly", day)) => {
                let weekday = serde_json::from_value(serde_json::json!(day)).unwrap();
                RunSchedule { weekday, ..every(ScheduleKind::Weekly) }
            }
            _ => every(serde_json::from_value(serde_json::json!(kind)).unwrap()),
        }
    }

    /// The local days and times of the next slots.
    fn slots(kind: &str, (hour, minute): (i8, i8), zone: &str, after: &str, count: usize) -> String {
        let (schedule, zone) = (schedule(kind, hour, minute), TimeZone::get(zone).unwrap());
        let mut after = at(after);
        let mut found = Vec::new();
        for _ in 0..count {
            let slot = next_slot(&schedule, &zone, after).unwrap();
            assert_eq!(latest_slot(&schedule, &zone, slot), Some(slot));
            let before = slot - jiff::SignedDuration::from_secs(1);
            assert!(latest_slot(&schedule, &zone, before).unwrap() < slot);
            found.push(slot.to_zoned(zone.clone()).strftime("%m-%d %H:%M").to_string());
            after = slot;
        }
        found.join(", ")
    }

    #[test]
    fn every_kind_has_its_days() {
        for (kind, zone, after, told) in [
            ("monthly 1", "UTC", "2026-11-20T00:00:00Z", "12-01 00:15, 01-01 00:15, 02-01 00:15"),
            ("monthly 28", "UTC", "2027-01-28T00:15:00Z", "02-28 00:15, 03-28 00:15, 04-28 00:15"),
            // Stored before the bound: the last day of a month that is too short.
            ("monthly 31", "UTC", "2027-01-31T00:15:00Z", "02-28 00:15, 03-31 00:15, 04-30 00:15"),
            ("last_day", "UTC", "2026-11-30T00:14:59Z", "11-30 00:15, 12-31 00:15, 01-31 00:15"),
            ("last_day", "UTC", "2027-01-31T00:15:00Z", "02-28 00:15, 03-31 00:15, 04-30 00:15"),
            ("last_day", "UTC", "2028-02-01T00:00:00Z", "02-29 00:15, 03-31 00:15, 04-30 00:15"),
            // The last of November begins in Auckland when it is the 29th in UTC.
            ("last_day", "Pacific/Auckland", "2026-11-29T11:14:59Z", "11-30 00:15, 12-31 00:15, 01-31 00:15"),
            ("weekly monday", "UTC", "2026-11-20T00:00:00Z", "11-23 00:15, 11-30 00:15, 12-07 00:15"),
            ("weekly friday", "UTC", "2026-11-20T00:14:59Z", "11-20 00:15, 11-27 00:15, 12-04 00:15"),
            ("weekly friday", "UTC", "2026-11-20T00:15:00Z", "11-27 00:15, 12-04 00:15, 12-11 00:15"),
            ("weekly sunday", "Pacific/Honolulu", "2026-11-22T10:14:59Z", "11-22 00:15, 11-29 00:15, 12-06 00:15"),
            ("daily", "UTC", "2026-12-30T23:00:00Z", "12-31 00:15, 01-01 00:15, 01-02 00:15"),
            ("daily", "UTC", "2028-02-28T12:00:00Z", "02-29 00:15, 03-01 00:15, 03-02 00:15"),
            ("daily", "Asia/Kolkata", "2026-11-20T18:44:59Z", "11-21 00:15, 11-22 00:15, 11-23 00:15"),
        ] {
            assert_eq!(slots(kind, (0, 15), zone, after, 3), told, "{kind} after {after} in {zone}");
        }
    }

    #[test]
    fn every_kind_runs_once_where_clocks_change() {
        for (kind, time, zone, after, told) in [
            // London skips 01:00 to 02:00 on 28 March 2027 and has it twice on 25 October 2026, both Sundays.
            ("daily", (1, 30), "Europe/London", "2027-03-27T01:30:00Z", "03-28 02:30, 03-29 01:30"),
            ("daily", (1, 30), "Europe/London", "2026-10-24T00:30:00Z", "10-25 01:30, 10-26 01:30"),
            ("weekly sunday", (1, 30), "Europe/London", "2027-03-22T00:00:00Z", "03-28 02:30, 04-04 01:30"),
            ("weekly sunday", (1, 30), "Europe/London", "2026-10-20T00:00:00Z", "10-25 01:30, 11-01 01:30"),
            // Beirut skips midnight itself.
            ("daily", (0, 15), "Asia/Beirut", "2026-03-27T22:15:00Z", "03-29 01:15, 03-30 00:15"),
            // Samoa had no 30 December 2011, a Friday: its slot is that of the day after, which runs once.
            ("daily", (0, 15), "Pacific/Apia", "2011-12-28T12:00:00Z", "12-29 00:15, 12-31 00:15, 01-01 00:15"),
            ("weekly friday", (0, 15), "Pacific/Apia", "2011-12-28T12:00:00Z", "12-31 00:15, 01-06 00:15"),
            ("monthly 30", (0, 15), "Pacific/Apia", "2011-12-28T12:00:00Z", "12-31 00:15, 01-30 00:15"),
            ("last_day", (0, 15), "Pacific/Apia", "2011-12-28T12:00:00Z", "12-31 00:15, 01-31 00:15"),
        ] {
            let count = told.split(", ").count();
            assert_eq!(slots(kind, time, zone, after, count), told, "{kind} after {after} in {zone}");
        }
    }

    #[test]
    fn what_a_person_starts_has_no_slot() {
        let manual = schedule("manual", 0, 15);
        assert_eq!(next_slot(&manual, &TimeZone::UTC, at("2026-11-20T00:00:00Z")), None);
        assert_eq!(latest_slot(&manual, &TimeZone::UTC, at("2026-11-20T00:00:00Z")), None);
        assert_eq!(next_slot(&schedule("daily", 0, 15), &TimeZone::UTC, Timestamp::MAX), None);
    }

    #[test]
    fn a_slot_is_for_the_month_of_its_day_whatever_the_kind() {
        for (kind, zone, slot, month) in [
            ("last_day", "UTC", "2026-11-30T00:15:00Z", "2026-11-01"),
            ("daily", "Pacific/Auckland", "2026-11-30T11:15:00Z", "2026-12-01"),
            ("weekly tuesday", "America/Los_Angeles", "2026-12-01T08:15:00Z", "2026-12-01"),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            assert_eq!(latest_slot(&schedule(kind, 0, 15), &zone, at(slot)), Some(at(slot)), "{kind}");
            assert_eq!(period_of_slot(at(slot), &zone).start.to_string(), month, "{kind}");
        }
    }
}
