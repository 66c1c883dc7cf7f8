//! How single values look in Autotask's JSON: lenient when read, exact when written.
//!
//! Autotask's binder is lax and its answers are too: numbers arrive as text, text as numbers,
//! booleans as 0 and 1. Nothing here quotes a foreign value in an error.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serializer};

/// Decimal places that Autotask keeps for prices and costs (`0.0000`). Its JSON carries them as
/// doubles, so that anything beyond is noise.
pub const DECIMAL_PLACES: u32 = 4;

/// A JSON value that is neither an array nor an object, before we know what it should be.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A number without a fraction.
    Int(i64),
    /// A number with a fraction, in its shortest decimal form.
    Fraction(String),
    /// Text.
    Text(String),
}

/// A value of an entity's field.
pub trait Wire: Sized {
    /// Reads the value. The error says what was expected, never what was found.
    fn read(scalar: Scalar) -> Result<Self, &'static str>;

    /// Writes the value in the form that Autotask expects in bodies and filters.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

impl Wire for i64 {
    fn read(scalar: Scalar) -> Result<Self, &'static str> {
        const WANTED: &str = "expected a whole number";
        match scalar {
            Scalar::Int(value) => Ok(value),
            // `10.0`: some serialisers print whole doubles so.
            Scalar::Fraction(text) => {
                let value = Decimal::from_str(&text).map_err(|_| WANTED)?;
                if value.is_integer() { value.to_i64().ok_or(WANTED) } else { Err(WANTED) }
            }
            Scalar::Text(text) => text.trim().parse().map_err(|_| WANTED),
            Scalar::Bool(_) => Err(WANTED),
        }
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(*self)
    }
}

impl Wire for bool {
    fn read(scalar: Scalar) -> Result<Self, &'static str> {
        match scalar {
            Scalar::Bool(value) => Ok(value),
            Scalar::Int(0) => Ok(false),
            Scalar::Int(1) => Ok(true),
            Scalar::Text(text) if text.eq_ignore_ascii_case("true") || text == "1" => Ok(true),
            Scalar::Text(text) if text.eq_ignore_ascii_case("false") || text == "0" => Ok(false),
            _ => Err("expected true or false"),
        }
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self)
    }
}

impl Wire for String {
    fn read(scalar: Scalar) -> Result<Self, &'static str> {
        Ok(match scalar {
            Scalar::Text(text) | Scalar::Fraction(text) => text,
            Scalar::Int(value) => value.to_string(),
            Scalar::Bool(value) => value.to_string(),
        })
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl Wire for Decimal {
    fn read(scalar: Scalar) -> Result<Self, &'static str> {
        const WANTED: &str = "expected a decimal number";
        let value = match scalar {
            Scalar::Int(value) => Decimal::from(value),
            Scalar::Fraction(text) => Decimal::from_str(&text).map_err(|_| WANTED)?,
            Scalar::Text(text) => {
                let text = text.trim();
                Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text)).map_err(|_| WANTED)?
            }
            Scalar::Bool(_) => return Err(WANTED),
        };
        Ok(value.round_dp(DECIMAL_PLACES))
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.round_dp(DECIMAL_PLACES).normalize();
        if value.is_integer()
            && let Some(whole) = value.to_i64()
        {
            return serializer.serialize_i64(whole);
        }
        let text = value.to_string();
        let double: f64 = text.parse().map_err(serde::ser::Error::custom)?;
        // A double keeps 15 digits. More would silently become another amount.
        if double.to_string() != text {
            return Err(serde::ser::Error::custom("a decimal has more digits than JSON's numbers keep"));
        }
        serializer.serialize_f64(double)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, true or false")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
        i64::try_from(value).map(Scalar::Int).map_err(|_| E::custom("a number is too large"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
        // Display of f64 is the shortest text that reads back as the same double, without exponent.
        Ok(Scalar::Fraction(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Scalar, E> {
        Ok(Scalar::Text(value))
    }
}

/// `#[serde(with)]` for `Option<T>`: `null`, an absent field and (except for text) `""` are `None`.
pub mod optional {
    use super::{Scalar, Wire};
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Reads an optional value.
    pub fn deserialize<'de, T: Wire, D: Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
        match Option::<Scalar>::deserialize(d)? {
            None => Ok(None),
            Some(Scalar::Text(text)) if text.is_empty() => Ok(T::read(Scalar::Text(text)).ok()),
            Some(scalar) => T::read(scalar).map(Some).map_err(D::Error::custom),
        }
    }

    /// Writes an optional value.
    pub fn serialize<T: Wire, S: Serializer>(value: &Option<T>, s: S) -> Result<S::Ok, S::Error> {
        match value {
            None => s.serialize_none(),
            Some(value) => super::Written(value).serialize(s),
        }
    }
}

/// `#[serde(with)]` for a value that must be there.
pub mod required {
    use super::{Scalar, Wire};
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Reads a value.
    pub fn deserialize<'de, T: Wire, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        T::read(Scalar::deserialize(d)?).map_err(D::Error::custom)
    }

    /// Writes a value.
    pub fn serialize<T: Wire, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        value.write(s)
    }
}

/// A [`Wire`] value as something that serialises.
#[derive(Debug)]
pub(crate) struct Written<'a, T>(pub &'a T);

impl<T: Wire> serde::Serialize for Written<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Row {
        #[serde(default, with = "optional")]
        price: Option<Decimal>,
        #[serde(default, with = "optional")]
        units: Option<i64>,
        #[serde(default, with = "optional")]
        name: Option<String>,
        #[serde(default, with = "optional")]
        active: Option<bool>,
    }

    fn row(json: &str) -> Row {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn numbers_as_text_text_as_numbers_and_flags_as_numbers_are_read() {
        let read = row(r#"{"price":"12.50","units":"10","name":4711,"active":1,"new":{"a":[1]}}"#);
        assert_eq!(read.price, Some(Decimal::new(125, 1)));
        assert_eq!(read.units, Some(10));
        assert_eq!(read.name.as_deref(), Some("4711"));
        assert_eq!(read.active, Some(true));
    }

    #[test]
    fn null_absent_and_empty_are_nothing_but_empty_text_stays_text() {
        let read = row(r#"{"price":null,"units":"","name":""}"#);
        assert_eq!((read.price, read.units, read.active), (None, None, None));
        assert_eq!(read.name.as_deref(), Some(""));
    }

    #[test]
    fn a_fraction_is_no_number_of_units() {
        assert!(serde_json::from_str::<Row>(r#"{"units":1.5}"#).is_err());
        assert_eq!(row(r#"{"units":10.0}"#).units, Some(10));
    }

    #[test]
    fn the_noise_of_a_double_is_rounded_away() {
        assert_eq!(row(r#"{"price":0.30000000000000004}"#).price, Some(Decimal::new(3, 1)));
        assert_eq!(row(r#"{"price":1e-7}"#).price, Some(Decimal::ZERO));
    }

    #[test]
    fn an_error_never_quotes_the_value() {
        let text = serde_json::from_str::<Row>(r#"{"units":"hunter2"}"#).unwrap_err().to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn an_amount_that_a_double_cannot_keep_is_refused() {
        let big = Decimal::from_str("123456789012345678.1234").unwrap();
        let row = Row { price: Some(big), units: None, name: None, active: None };
        assert!(serde_json::to_string(&row).is_err());
    }

    proptest! {
        #[test]
        fn a_price_written_and_read_back_is_the_same(mantissa in -99_999_999_999_999i64..99_999_999_999_999, scale in 0u32..=4) {
            let price = Decimal::new(mantissa, scale);
            let json = serde_json::to_string(&Row { price: Some(price), units: None, name: None, active: None }).unwrap();
            prop_assert!(!json.contains('"') || !json.contains(r#""price":""#));
            prop_assert_eq!(row(&json).price, Some(price.normalize()));
        }
    }
}
