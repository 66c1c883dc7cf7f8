//! Which of a month's counts is billed. Pure; months and days are those of the partner's time zone.

use super::CountRule;
use crate::calendar::day_of;
use crate::vendor::{DayCount, Usage, UsageMonth};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A count as a rule makes it of what was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The count, before any quantity rule.
    pub count: i64,
    /// How new it is: when the newest count that was known was counted, or the prepaid quantity was stated. Orders
    /// targets, so that also a rule that looks back over a month never yields to an older reckoning.
    pub as_of: Timestamp,
    /// How it came about, in words for a partner: `largest of 21 daily counts of November 2026: 52 on 14 November`.
    pub how: String,
}

/// The first day of the month whose counts a run of this day bills: the month of the day before. A run on 1 December
/// bills November; one on 20 or on 30 November bills November as far as it has gone. Of a run that makes up for a
/// missed slot, give the slot's own day.
#[must_use]
pub fn counting_month(day: Date) -> Date {
    day.yesterday().unwrap_or(day).first_of_month()
}

/// The count that a rule makes; none where nothing was counted, or nothing prepaid.
///
/// - `snapshot_on_run`: the newest count.
/// - `high_water_mark`: the largest count of the month, or the count that it began with where that is larger.
/// - `average_rounded_up`: each day of the month counts with the count that stood at its end, days without counts with
///   that of the day before, from the first day that has one to the last day that has begun; rounded up.
/// - `fixed`: the prepaid quantity, and when it was stated.
///
/// `month` is the record of [`counting_month`]; days that have not begun at `until` in the partner's `zone` are left
/// out. Where it has no counts, the newest count is taken to have stood all month, and the words say so.
#[must_use]
pub fn count(
    rule: CountRule,
    newest: Option<&Usage>,
    month: Option<&UsageMonth>,
    until: Timestamp,
    zone: &TimeZone,
    prepaid: Option<(i64, Timestamp)>,
) -> Option<Counted> {
    if rule == CountRule::Fixed {
        let (count, as_of) = prepaid?;
        return Some(Counted { count, as_of, how: "prepaid quantity of the account's package".to_owned() });
    }
    let newest = newest?;
    let as_of = newest.as_of;
    let counted_on = named(day_of(as_of, zone));
    let month = month.map(|month| Days::of(month, day_of(until, zone)));
    let of_month = match rule {
        CountRule::HighWaterMark => month.as_ref().and_then(Days::highest),
        CountRule::AverageRoundedUp => month.as_ref().and_then(Days::average),
        CountRule::SnapshotOnRun | CountRule::Fixed => None,
    };
    let (count, how) = match (of_month, rule) {
        (Some(found), _) => found,
        (None, CountRule::SnapshotOnRun | CountRule::Fixed) => {
            (newest.active, format!("newest count, of {counted_on}"))
        }
        (None, CountRule::HighWaterMark | CountRule::AverageRoundedUp) => {
            (newest.active, format!("no daily counts of the month; newest count, of {counted_on}"))
        }
    };
    Some(Counted { count, as_of, how })
}

fn named(day: Date) -> String {
    day.strftime("%-d %B %Y").to_string()
}

/// A month's daily counts as far as its days have begun.
struct Days<'a> {
    first: Date,
    last: Date,
    opening: Option<i64>,
    counts: Vec<(i8, &'a DayCount)>,
}

impl<'a> Days<'a> {
    fn of(month: &'a UsageMonth, until: Date) -> Self {
        let (first, last) = (month.month, month.month.last_of_month().min(until));
        let begun = |day: i8| first.with().day(day).build().is_ok_and(|date| date <= last);
        let counts = month.days.iter().filter(|(day, _)| begun(**day)).map(|(day, count)| (*day, count)).collect();
        Self { first, last, opening: month.opening.filter(|_| first <= last), counts }
    }

    fn highest(&self) -> Option<(i64, String)> {
        let month = self.first.strftime("%B %Y");
        // Of equal days the first: that is when the mark was reached.
        let top = self.counts.iter().map(|(day, count)| (count.high, *day)).max_by_key(|(high, day)| (*high, -day));
        match (top, self.opening) {
            (Some((high, _)), Some(opening)) if opening >= high => {
                Some((opening, format!("count that {month} began with: {opening}; largest daily count: {high}")))
            }
            (Some((high, day)), _) => {
                let (days, name) = (self.counts.len(), self.first.strftime("%B"));
                let counts = if days == 1 { "the one daily count".to_owned() } else { format!("{days} daily counts") };
                Some((high, format!("largest of {counts} of {month}: {high} on {day} {name}")))
            }
            (None, Some(opening)) => Some((opening, format!("count that {month} began with: {opening}"))),
            (None, None) => None,
        }
    }

    fn average(&self) -> Option<(i64, String)> {
        let from = match (self.opening, self.counts.first()) {
            (Some(_), _) => self.first.day(),
            (None, Some((day, _))) => *day,
            (None, None) => return None,
        };
        let mut standing = self.opening.unwrap_or(0);
        let (mut sum, mut days) = (0_i64, 0_i64);
        for day in from..=self.last.day() {
            if let Some((_, count)) = self.counts.iter().find(|(of, _)| *of == day) {
                standing = count.last;
            }
            sum = sum.saturating_add(standing);
            days += 1;
        }
        let average = sum / days + i64::from(sum % days != 0);
        let (to, month) = (self.last.day(), self.first.strftime("%B %Y"));
        let span =
            if days == 1 { format!("the day {to} {month}") } else { format!("the {days} days {from} to {to} {month}") };
        Some((average, format!("average of {span}, rounded up: {sum} / {days} = {average}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AccountId, PackageId, PartnerId};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn usage(active: i64, as_of: &str) -> Usage {
        Usage {
            partner: PartnerId::new("acme").unwrap(),
            account: AccountId::new("a1").unwrap(),
            package: PackageId::new("p1").unwrap(),
            active,
            as_of: at(as_of),
            source_id: None,
            received_at: at(as_of),
        }
    }

    /// November 2026, from `(day, last, high)`.
    fn november(opening: Option<i64>, days: &[(i8, i64, i64)]) -> UsageMonth {
        let days: BTreeMap<i8, DayCount> = days
            .iter()
            .map(|(day, last, high)| (*day, DayCount { last: *last, high: *high, as_of: at("2026-11-01T12:00:00Z") }))
            .collect();
        let Usage { partner, account, package, .. } = usage(0, "2026-11-01T12:00:00Z");
        UsageMonth { partner, account, package, month: "2026-11-01".parse().unwrap(), opening, days }
    }

    const RULES: [CountRule; 4] =
        [CountRule::SnapshotOnRun, CountRule::HighWaterMark, CountRule::AverageRoundedUp, CountRule::Fixed];

    fn four(newest: &Usage, month: Option<&UsageMonth>, until: &str, prepaid: i64) -> [(i64, String); 4] {
        let prepaid = Some((prepaid, at("2026-10-05T08:00:00Z")));
        RULES.map(|rule| {
            let counted = count(rule, Some(newest), month, at(until), &TimeZone::UTC, prepaid).unwrap();
            let stated = if rule == CountRule::Fixed { at("2026-10-05T08:00:00Z") } else { newest.as_of };
            assert_eq!(counted.as_of, stated, "{rule:?}");
            (counted.count, counted.how)
        })
    }

    #[test]
    fn the_same_daily_counts_make_four_numbers() {
        // Stood at 40; 45 from the 10th, 52 at noon and 50 at the end of the 14th, 30 from the 28th.
        let month = november(Some(40), &[(10, 45, 45), (14, 50, 52), (28, 30, 31)]);
        let newest = usage(30, "2026-11-28T20:00:00Z");
        let whole = four(&newest, Some(&month), "2026-12-01T00:15:00Z", 60);
        // 9 x 40 + 4 x 45 + 14 x 50 + 3 x 30 = 1330
        assert_eq!(
            whole,
            [
                (30, "newest count, of 28 November 2026".to_owned()),
                (52, "largest of 3 daily counts of November 2026: 52 on 14 November".to_owned()),
                (45, "average of the 30 days 1 to 30 November 2026, rounded up: 1330 / 30 = 45".to_owned()),
                (60, "prepaid quantity of the account's package".to_owned()),
            ]
        );
        // 9 x 40 + 3 x 45 = 495, on the 12th.
        let so_far = four(&newest, Some(&month), "2026-11-12T00:00:00Z", 60);
        assert_eq!(so_far.map(|(count, _)| count), [30, 45, 42, 60]);
    }

    #[test]
    fn a_month_begins_with_the_count_that_stood() {
        let newest = usage(30, "2026-11-20T20:00:00Z");
        let until = "2026-11-20T21:00:00Z";
        for (opening, days, high, average) in [
            // A larger count before the month stood on its first days.
            (Some(90), vec![(11, 30, 30)], 90, 60),
            (Some(90), vec![], 90, 90),
            // Without one, the days before the first count are nobody's.
            (None, vec![(11, 30, 30)], 30, 30),
            (None, vec![(20, 31, 33)], 33, 31),
            (Some(0), vec![(20, 1, 1)], 1, 1),
            (Some(0), vec![], 0, 0),
            // Nothing but days that have not begun: the newest count.
            (None, vec![(21, 99, 99)], 30, 30),
        ] {
            let month = november(opening, &days);
            let counts = four(&newest, Some(&month), until, 0).map(|(count, _)| count);
            assert_eq!(counts, [30, high, average, 0], "{opening:?} {days:?}");
        }
    }

    #[test]
    fn a_month_without_counts_says_that_it_bills_the_newest() {
        let newest = usage(30, "2026-10-20T20:00:00Z");
        let [_, (high, how), (average, _), _] = four(&newest, None, "2026-12-01T00:15:00Z", 0);
        assert_eq!((high, average), (30, 30));
        assert_eq!(how, "no daily counts of the month; newest count, of 20 October 2026");
        for rule in RULES {
            let month = november(Some(4), &[(3, 5, 5)]);
            assert_eq!(count(rule, None, Some(&month), newest.as_of, &TimeZone::UTC, None), None, "{rule:?}");
        }
    }

    #[test]
    fn the_words_name_days_and_what_was_larger() {
        let newest = usage(3, "2026-11-01T00:30:00Z");
        let month = november(Some(9), &[(1, 3, 4)]);
        let [_, (_, high), (_, average), _] = four(&newest, Some(&month), "2026-11-01T10:00:00Z", 0);
        assert_eq!(high, "count that November 2026 began with: 9; largest daily count: 4");
        assert_eq!(average, "average of the day 1 November 2026, rounded up: 3 / 1 = 3");
        let honolulu = TimeZone::get("Pacific/Honolulu").unwrap();
        let newest = count(CountRule::SnapshotOnRun, Some(&newest), None, newest.as_of, &honolulu, None).unwrap();
        assert_eq!(newest.how, "newest count, of 31 October 2026");
    }

    #[test]
    fn a_day_has_begun_when_it_has_where_the_partner_is() {
        let month = november(None, &[(10, 10, 10), (11, 20, 20)]);
        let newest = usage(20, "2026-11-10T11:30:00Z");
        for (zone, high) in [("Pacific/Auckland", 20), ("Europe/London", 10), ("America/Los_Angeles", 10)] {
            let zone = TimeZone::get(zone).unwrap();
            let counted = count(CountRule::HighWaterMark, Some(&newest), Some(&month), newest.as_of, &zone, None);
            assert_eq!(counted.unwrap().count, high, "{zone:?}");
        }
    }

    #[test]
    fn a_run_bills_the_month_of_the_day_before() {
        for (day, month) in [
            ("2026-12-01", "2026-11-01"),
            ("2026-11-20", "2026-11-01"),
            ("2026-11-30", "2026-11-01"),
            ("2026-12-02", "2026-12-01"),
            ("2027-01-01", "2026-12-01"),
            ("2028-03-01", "2028-02-01"),
            ("2026-11-01", "2026-10-01"),
        ] {
            assert_eq!(counting_month(day.parse().unwrap()).to_string(), month, "{day}");
        }
    }

    proptest! {
        #[test]
        fn an_average_lies_between_the_smallest_and_the_largest_count(
            opening in proptest::option::of(0..500_i64),
            days in proptest::collection::btree_map(1..=30_i8, 0..500_i64, 1..12),
            until in 1..=30_i8,
        ) {
            let series: Vec<(i8, i64, i64)> = days.iter().map(|(day, count)| (*day, *count, *count)).collect();
            let month = november(opening, &series);
            let newest = usage(7, "2026-11-30T20:00:00Z");
            let until = at(&format!("2026-11-{until:02}T12:00:00Z"));
            let of = |rule| count(rule, Some(&newest), Some(&month), until, &TimeZone::UTC, None).unwrap().count;
            let (high, average) = (of(CountRule::HighWaterMark), of(CountRule::AverageRoundedUp));
            let low = days.values().copied().chain(opening).chain([7]).min().unwrap();
            prop_assert!(low <= average && average <= high);
        }
    }
}
