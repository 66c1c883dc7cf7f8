//! Dates: Autotask stores instants in UTC, but many of its fields mean a calendar date.

use jiff::Timestamp;
use jiff::civil::{self, Date, Time};
use jiff::tz::{Offset, TimeZone};
use serde::Serializer;

use crate::wire::{Scalar, Wire};

/// Hour (UTC) from which a date-only value is taken to mean the next day: a midnight east of
/// Greenwich lies in the second half of the day before.
const NEXT_DAY_FROM_HOUR: i8 = 12;

/// A date or date-time as Autotask returned it, kept as the instant.
///
/// Seen on the wire: `2026-11-01T00:00:00Z`, `2012-10-24T05:00:00.000Z`, and both without `Z`,
/// which mean UTC as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateValue(Timestamp);

impl DateValue {
    /// The value for an instant.
    pub const fn from_instant(instant: Timestamp) -> Self {
        Self(instant)
    }

    /// The value for a calendar date: its midnight in UTC.
    ///
    /// Returns `None` at the far ends of the calendar, where no instant exists.
    pub fn from_date(date: Date) -> Option<Self> {
        Offset::UTC.to_timestamp(date.to_datetime(Time::midnight())).ok().map(Self)
    }

    /// The instant.
    pub const fn instant(self) -> Timestamp {
        self.0
    }

    /// The calendar date that a date-only field means, for a database whose time zone is `tz`.
    ///
    /// Midnight UTC is that date. Midnight in `tz` is that date in `tz`. Of anything else the
    /// nearest midnight UTC decides: such values are midnights of a zone that we do not know.
    pub fn calendar_date(self, tz: &TimeZone) -> Date {
        let utc = Offset::UTC.to_datetime(self.0);
        if utc.time() == Time::midnight() {
            return utc.date();
        }
        let local = tz.to_datetime(self.0);
        if local.time() == Time::midnight() {
            return local.date();
        }
        if utc.hour() < NEXT_DAY_FROM_HOUR { utc.date() } else { utc.date().tomorrow().unwrap_or(utc.date()) }
    }
}

impl From<Timestamp> for DateValue {
    fn from(instant: Timestamp) -> Self {
        Self(instant)
    }
}

impl Wire for DateValue {
    fn read(scalar: Scalar) -> Result<Self, &'static str> {
        const WANTED: &str = "expected a date";
        let Scalar::Text(text) = scalar else {
            return Err(WANTED);
        };
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(Self(instant));
        }
        let civil: civil::DateTime = text.parse().map_err(|_| WANTED)?;
        Offset::UTC.to_timestamp(civil).map(Self).map_err(|_| WANTED)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A calendar date that we send: `YYYY-MM-DDT00:00:00`, without a zone.
///
/// For fields without a time Autotask drops the time and keeps the date as sent.
impl Wire for Date {
    fn read(scalar: Scalar) -> Result<Self, &'static str> {
        const WANTED: &str = "expected a date";
        let Scalar::Text(text) = scalar else {
            return Err(WANTED);
        };
        let day = text.get(..10).ok_or(WANTED)?;
        day.parse().map_err(|_| WANTED)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self}T00:00:00"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jiff::civil::date;

    fn value(text: &str) -> DateValue {
        DateValue::read(Scalar::Text(text.to_owned())).unwrap()
    }

    fn meant(text: &str, zone: &str) -> Date {
        value(text).calendar_date(&TimeZone::get(zone).unwrap())
    }

    #[test]
    fn the_forms_seen_on_the_wire_are_the_same_instant() {
        let wanted = value("2026-11-01T00:00:00Z");
        for text in ["2026-11-01T00:00:00.000Z", "2026-11-01T00:00:00", "2026-11-01T00:00:00.00", "2026-11-01"] {
            assert_eq!(value(text), wanted, "{text}");
        }
    }

    #[test]
    fn midnight_in_utc_or_in_the_tenants_zone_is_that_date() {
        assert_eq!(meant("2026-11-01T00:00:00Z", "America/New_York"), date(2026, 11, 1));
        assert_eq!(meant("2012-10-24T04:00:00.000Z", "America/New_York"), date(2012, 10, 24));
        assert_eq!(meant("2026-10-31T13:00:00Z", "Australia/Sydney"), date(2026, 11, 1));
        assert_eq!(meant("2026-11-30T11:00:00Z", "Pacific/Auckland"), date(2026, 12, 1));
    }

    #[test]
    fn another_zones_midnight_is_the_nearest_date() {
        assert_eq!(meant("2026-11-01T05:00:00Z", "UTC"), date(2026, 11, 1));
        assert_eq!(meant("2026-10-31T23:00:00Z", "UTC"), date(2026, 11, 1));
        assert_eq!(meant("2026-10-31T12:00:00Z", "UTC"), date(2026, 11, 1));
        assert_eq!(meant("2026-11-01T11:59:59Z", "UTC"), date(2026, 11, 1));
    }

    #[test]
    fn a_date_is_sent_without_a_zone() {
        #[derive(serde::Serialize)]
        struct Body {
            #[serde(with = "crate::wire::required")]
            on: Date,
        }
        let body = serde_json::to_string(&Body { on: date(2026, 11, 1) }).unwrap();
        assert_eq!(body, r#"{"on":"2026-11-01T00:00:00"}"#);
    }
}
