//! The daily counts that explain what a counting rule makes of a month. Pure; days are the partner's.

use super::{DayCount, Usage, UsageMonth};
use crate::calendar::day_of;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

impl UsageMonth {
    /// The record of the month that holds a count, before any count is in it.
    pub(super) fn before(usage: &Usage, zone: &TimeZone) -> Self {
        Self {
            partner: usage.partner.clone(),
            account: usage.account.clone(),
            package: usage.package.clone(),
            month: day_of(usage.as_of, zone).first_of_month(),
            opening: None,
            days: BTreeMap::new(),
        }
    }

    /// The first day of the month after.
    pub(super) fn next(&self) -> Date {
        self.month.last_of_month().tomorrow().unwrap_or(Date::MAX)
    }

    /// Takes a count in: into its day, or as the opening where it is from before the month. In whatever order a
    /// day's counts come, the newest is its last and the largest its high; a count of a later month changes nothing.
    pub(super) fn take(&mut self, usage: &Usage, zone: &TimeZone) {
        let day = day_of(usage.as_of, zone);
        if day < self.month {
            self.opening = Some(usage.active);
            return;
        }
        if day.first_of_month() != self.month {
            return;
        }
        let count = DayCount { last: usage.active, as_of: usage.as_of, high: usage.active };
        match self.days.entry(day.day()) {
            Entry::Vacant(vacant) => {
                vacant.insert(count);
            }
            // The same count again, or another number under its name: what was said first stays.
            Entry::Occupied(known) if known.get().as_of == usage.as_of => {}
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                let high = known.high.max(usage.active);
                *known = if usage.as_of > known.as_of { count } else { *known };
                known.high = high;
            }
        }
    }

    /// The day of a count, where the month has it.
    pub(super) fn day(&self, usage: &Usage, zone: &TimeZone) -> Option<DayCount> {
        let day = day_of(usage.as_of, zone);
        self.days.get(&day.day()).filter(|_| day.first_of_month() == self.month).copied()
    }

    /// Whether a count is the newest that the month has.
    pub(super) fn ends_with(&self, usage: &Usage) -> bool {
        self.days.last_key_value().is_some_and(|(_, count)| count.as_of == usage.as_of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AccountId, PackageId, PartnerId};
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn usage(active: i64, as_of: Timestamp) -> Usage {
        Usage {
            partner: PartnerId::new("acme").unwrap(),
            account: AccountId::new("a1").unwrap(),
            package: PackageId::new("p1").unwrap(),
            active,
            as_of,
            source_id: None,
            received_at: as_of,
        }
    }

    fn days(month: &UsageMonth) -> Vec<(i8, i64, i64)> {
        month.days.iter().map(|(day, count)| (*day, count.last, count.high)).collect()
    }

    #[test]
    fn a_count_belongs_to_the_partners_own_day_and_month() {
        for (zone, as_of, month, day) in [
            ("Pacific/Auckland", "2026-11-30T10:59:59Z", "2026-11-01", 30),
            ("Pacific/Auckland", "2026-11-30T11:00:00Z", "2026-12-01", 1),
            ("America/Los_Angeles", "2026-12-01T07:59:59Z", "2026-11-01", 30),
            ("America/Los_Angeles", "2026-12-01T08:00:00Z", "2026-12-01", 1),
            ("UTC", "2026-11-30T23:59:59Z", "2026-11-01", 30),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            let counted = usage(5, as_of.parse().unwrap());
            let mut taken = UsageMonth::before(&counted, &zone);
            taken.take(&counted, &zone);
            assert_eq!(
                (taken.month.to_string().as_str(), days(&taken)),
                (month, vec![(day, 5, 5)]),
                "{as_of} {zone:?}"
            );
        }
    }

    #[test]
    fn counts_of_other_months_open_it_or_leave_it_alone() {
        let at = |text: &str| text.parse().unwrap();
        let mut month = UsageMonth::before(&usage(0, at("2026-11-15T00:00:00Z")), &TimeZone::UTC);
        month.take(&usage(7, at("2026-10-31T23:59:59Z")), &TimeZone::UTC);
        month.take(&usage(9, at("2026-12-01T00:00:00Z")), &TimeZone::UTC);
        assert_eq!((month.opening, days(&month)), (Some(7), vec![]));
        let same = at("2026-11-15T08:00:00Z");
        for active in [4, 4, 6] {
            month.take(&usage(active, same), &TimeZone::UTC);
        }
        assert_eq!(days(&month), [(15, 4, 4)], "another number under the same name is nobody's");
    }

    proptest! {
        /// In whatever order counts arrive, the month says the same.
        #[test]
        fn the_order_of_arrival_does_not_matter(
            counts in proptest::collection::btree_map(0..400_i64, 0..90_i64, 1..20)
                .prop_flat_map(|counts| {
                    let counts: Vec<(i64, i64)> = counts.into_iter().collect();
                    (Just(counts.clone()), Just(counts).prop_shuffle())
                })
        ) {
            let (sorted, shuffled) = counts;
            let first: Timestamp = "2026-11-03T00:00:00Z".parse().unwrap();
            let of = |counts: &[(i64, i64)]| {
                let mut month = UsageMonth::before(&usage(0, first), &TimeZone::UTC);
                for (hours, active) in counts {
                    month.take(&usage(*active, first + jiff::SignedDuration::from_hours(*hours)), &TimeZone::UTC);
                }
                month
            };
            let month = of(&sorted);
            prop_assert_eq!(&of(&shuffled), &month);
            for (day, count) in &month.days {
                let own = |hours: i64| (first + jiff::SignedDuration::from_hours(hours)).to_zoned(TimeZone::UTC).day() == *day;
                let of_day: Vec<i64> = sorted.iter().filter(|(hours, _)| own(*hours)).map(|(_, active)| *active).collect();
                prop_assert_eq!((of_day.last(), of_day.iter().max()), (Some(&count.last), Some(&count.high)));
            }
        }
    }
}
