//! One value of a row, typed, and its way from and to JSON.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil::DateTime};
use rust_decimal::Decimal;
use serde_json::{Number, Value};

/// One value of a row. Dates without a time are calendar dates, not instants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Decimal(Decimal),
    Text(Box<str>),
    /// Milliseconds since 1970, UTC.
    Instant(i64),
    Date(Date),
}

/// The type of a field, from the vendor's model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    /// int32
    Int,
    /// int64
    Long,
    Decimal,
    Text,
    Instant,
    /// A date-time on the wire whose time is dropped on writing.
    Date,
}

impl Kind {
    /// The name that `entityInformation/fields` gives it.
    pub(crate) fn data_type(self) -> &'static str {
        match self {
            Kind::Bool => "boolean",
            Kind::Int => "integer",
            Kind::Long => "long",
            Kind::Decimal => "decimal",
            Kind::Text => "string",
            Kind::Instant | Kind::Date => "datetime",
        }
    }
}

/// Why a JSON value does not fit a field; the text is what Autotask answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit(pub(crate) String);

impl Cell {
    pub(crate) fn text(text: &str) -> Self {
        Cell::Text(text.into())
    }

    pub(crate) fn instant(at: Timestamp) -> Self {
        Cell::Instant(at.as_millisecond())
    }

    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Cell::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn date(&self) -> Option<Date> {
        match self {
            Cell::Date(date) => Some(*date),
            _ => None,
        }
    }

    pub(crate) fn decimal(&self) -> Option<Decimal> {
        match self {
            Cell::Decimal(number) => Some(*number),
            Cell::Int(number) => Some(Decimal::from(*number)),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Cell::Null)
    }

    /// The cell that a written JSON value becomes. The binder is lax: numbers and booleans may
    /// come as strings, but a boolean where a number belongs is refused.
    pub(crate) fn from_json(kind: Kind, value: &Value) -> Result<Cell, Misfit> {
        match (kind, value) {
            (_, Value::Null) => Ok(Cell::Null),
            (Kind::Text, Value::String(text)) => Ok(Cell::text(text)),
            (Kind::Text, Value::Number(number)) => Ok(Cell::text(&number.to_string())),
            (Kind::Bool, Value::Bool(flag)) => Ok(Cell::Bool(*flag)),
            (Kind::Bool, Value::String(text)) => match text.to_ascii_lowercase().as_str() {
                "true" => Ok(Cell::Bool(true)),
                "false" => Ok(Cell::Bool(false)),
                _ => Err(unreadable(value)),
            },
            (Kind::Int | Kind::Long, Value::Number(number)) => {
                number.as_i64().map(Cell::Int).ok_or_else(|| unreadable(value))
            }
            (Kind::Int | Kind::Long, Value::String(text)) => {
                text.trim().parse().map(Cell::Int).map_err(|_| unreadable(value))
            }
            (Kind::Decimal, Value::Number(number)) => {
                parse_decimal(&number.to_string()).map(Cell::Decimal).ok_or_else(|| unreadable(value))
            }
            (Kind::Decimal, Value::String(text)) => {
                parse_decimal(text.trim()).map(Cell::Decimal).ok_or_else(|| unreadable(value))
            }
            (Kind::Instant, Value::String(text)) => {
                parse_instant(text).map(Cell::instant).ok_or_else(|| unreadable(value))
            }
            (Kind::Date, Value::String(text)) => parse_date(text).map(Cell::Date).ok_or_else(|| unreadable(value)),
            _ => Err(unreadable(value)),
        }
    }

    /// The JSON that a reader sees. `zone` is where a date-only value has its midnight.
    pub(crate) fn to_json(&self, zone: &TimeZone) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Bool(flag) => Value::Bool(*flag),
            Cell::Int(number) => Value::from(*number),
            Cell::Decimal(number) => decimal_json(*number),
            Cell::Text(text) => Value::from(&**text),
            Cell::Instant(millis) => Value::from(show_instant(*millis)),
            Cell::Date(date) => Value::from(show_instant(midnight(*date, zone))),
        }
    }
}

/// The instant, in milliseconds, at which `date` begins in `zone`.
pub(crate) fn midnight(date: Date, zone: &TimeZone) -> i64 {
    date.to_zoned(zone.clone()).map_or(0, |zoned| zoned.timestamp().as_millisecond())
}

/// An instant as Autotask writes it: UTC with a `Z`, a fraction only where there is one.
pub(crate) fn show_instant(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| String::new(), |at| at.to_string())
}

/// Reads a date-time: with an offset, with `Z`, bare (then UTC), or a bare date.
pub(crate) fn parse_instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let local = match text.parse::<DateTime>() {
        Ok(local) => local,
        Err(_) => text.parse::<Date>().ok()?.at(0, 0, 0, 0),
    };
    local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Reads the calendar date as it was sent; time and offset are dropped, not converted.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let text = text.trim();
    let day = text.split(['T', ' ']).next()?;
    let date = day.parse::<Date>().ok()?;
    (text.len() == day.len() || parse_instant(text).is_some()).then_some(date)
}

/// A number as text becomes a decimal; exponents are understood.
pub(crate) fn parse_decimal(text: &str) -> Option<Decimal> {
    text.parse::<Decimal>().ok().or_else(|| Decimal::from_scientific(text).ok())
}

fn decimal_json(number: Decimal) -> Value {
    let shown = number.normalize().to_string();
    // `70` is shown as `70.0`: Autotask's decimals are doubles and always carry a point.
    let shown = if shown.contains('.') { shown } else { format!("{shown}.0") };
    serde_json::from_str::<Number>(&shown).map_or(Value::Null, Value::Number)
}

fn unreadable(value: &Value) -> Misfit {
    match value {
        Value::Bool(flag) => {
            Misfit(format!("Unexpected character encountered while parsing value: {}.", if *flag { 't' } else { 'f' }))
        }
        Value::String(text) => Misfit(format!("Could not convert string to the type of the field: {text}.")),
        other => Misfit(format!("Error converting value {other} to the type of the field.")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_time_of_a_date_is_dropped_and_never_converted() {
        for text in ["2026-12-01", "2026-12-01T00:00:00", "2026-12-01T23:59:59-11:00", "2026-12-01T05:00:00.000Z"] {
            let cell = Cell::from_json(Kind::Date, &json!(text)).expect("a date");
            assert_eq!(cell, Cell::Date(jiff::civil::date(2026, 12, 1)), "{text}");
        }
        assert!(Cell::from_json(Kind::Date, &json!("2026-12-01Tnoon")).is_err());
    }

    #[test]
    fn a_date_is_shown_at_the_midnight_of_its_zone() {
        let cell = Cell::Date(jiff::civil::date(2026, 12, 1));
        let chicago = TimeZone::fixed(jiff::tz::offset(-5));
        assert_eq!(cell.to_json(&TimeZone::UTC), json!("2026-12-01T00:00:00Z"));
        assert_eq!(cell.to_json(&chicago), json!("2026-12-01T05:00:00Z"));
    }

    #[test]
    fn a_boolean_is_no_number() {
        let misfit = Cell::from_json(Kind::Int, &json!(true)).expect_err("refused");
        assert_eq!(misfit.0, "Unexpected character encountered while parsing value: t.");
    }

    #[test]
    fn decimals_keep_their_value_and_their_point() {
        let cell = Cell::from_json(Kind::Decimal, &json!(70)).expect("a number");
        assert_eq!(cell.to_json(&TimeZone::UTC).to_string(), "70.0");
        let cell = Cell::from_json(Kind::Decimal, &json!("12.3450")).expect("a number");
        assert_eq!(cell.to_json(&TimeZone::UTC).to_string(), "12.345");
    }
}
