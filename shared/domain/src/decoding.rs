//! Foreign JSON refused in words of the caller: the place by JSON Pointer, the rule, and never the value, which may be
//! a secret. What serde and its friends say is written for whoever writes the code.

use crate::problem::Problem;
use rust_decimal::Decimal;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// Longest field name that is repeated in a pointer, in characters.
const NAME_CHARS_MAX: usize = 64;
/// What a body or an item has to be.
pub const OBJECT: &str = "must be an object";
const WHOLE_NUMBER: &str = "must be a whole number";

/// Decodes an object.
///
/// # Errors
/// `invalid_input` with the place; for a list too, which serde would take for a struct's fields in their order.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    if !value.is_object() {
        return Err(Problem::field("", OBJECT));
    }
    serde_path_to_error::deserialize(value).map_err(|error| rule(&pointer(error.path()), &error.inner().to_string()))
}

/// Money as text: a JSON number would have been a float on the way here. For `#[serde(deserialize_with)]`.
///
/// # Errors
/// Those of the deserialiser.
pub fn decimal_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(|_| D::Error::custom("a Decimal type"))).transpose()
}

/// serde's words without the value that was refused, at the field that they are about.
#[must_use]
pub fn rule(at: &str, words: &str) -> Problem {
    let words = words.rsplit_once(" at line ").map_or(words, |(words, _)| words);
    let about_a_field = [
        ("unknown field ", "is not a field of this request"),
        ("missing field ", "is required"),
        ("duplicate field ", "stands twice"),
    ];
    if let Some((_, rule)) = about_a_field.iter().find(|(start, _)| words.starts_with(start)) {
        return Problem::field(field_in(at, words), *rule);
    }
    let echoes = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    if echoes.iter().any(|start| words.starts_with(start)) {
        // What stands before the last "expected" is the caller's own value.
        let expected = words.rsplit_once(", expected ").map_or("another value", |(_, expected)| expected);
        return Problem::field(at, format!("must be {}", plain(expected)));
    }
    Problem::field(at, parsed(words))
}

/// A path as a JSON Pointer (RFC 6901).
#[must_use]
pub fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", escaped(key))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// A name within a JSON Pointer: `~` and `/` are escaped.
#[must_use]
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The field that serde names, below `at`, which may end in it already.
fn field_in(at: &str, words: &str) -> String {
    let name: String = words.split('`').nth(1).unwrap_or_default().chars().take(NAME_CHARS_MAX).collect();
    let last = format!("/{}", escaped(&name));
    if at.ends_with(&last) { at.to_owned() } else { format!("{at}{last}") }
}

/// serde's names of types in words of JSON.
fn plain(expected: &str) -> &str {
    match expected {
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "f32" | "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a string" | "string or map" => "text",
        "a sequence" => "a list",
        "a map" => "an object",
        structure if structure.starts_with("struct ") => "an object",
        date if date.contains("date string") => "a date as text, such as `2026-12-01`",
        instant if instant.contains("timestamp") => "an instant as text, such as `2026-12-01T00:15:00Z`",
        other => other,
    }
}

/// The words of parsers of numbers, dates and instants. Our own types' words are plain already.
fn parsed(words: &str) -> &str {
    let says = |part: &str| words.contains(part);
    if ["invalid digit found", "parse integer", "number too "].into_iter().any(says) {
        WHOLE_NUMBER
    } else if says("was not `true` or `false`") {
        "must be `true` or `false`"
    } else if says("Decimal type") {
        "must be a decimal number as text, such as `1.25`"
    } else if says("parsed date is not valid") || says("parsed time is not valid") {
        "must be a day and time that exist"
    } else if says("timestamp") && !says("jiff::Timestamp") {
        "must be an instant with time and offset, such as `2026-12-01T00:15:00Z`"
    } else if says("civil") || says(" in date") {
        "must be a date, such as `2026-12-01`"
    } else if ["failed to parse", "failed to find", "parsed value", "unparsed input", "expected "].into_iter().any(says)
    {
        "must be a date such as `2026-12-01`, or an instant such as `2026-12-01T00:15:00Z` where time counts"
    } else {
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::civil::Date;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Order {
        units: i64,
        #[serde(default)]
        day: Option<Date>,
        #[serde(default)]
        at: Option<Timestamp>,
        #[serde(default)]
        yes: bool,
        #[serde(default, deserialize_with = "decimal_text")]
        price: Option<Decimal>,
    }

    fn told(value: Value) -> String {
        from_value::<Order>(value).unwrap_err().detail
    }

    #[test]
    fn a_refusal_names_the_place_and_the_rule_and_not_the_value() {
        assert_eq!(told(json!(5)), "must be an object");
        assert_eq!(told(json!([1])), "must be an object");
        assert_eq!(told(json!({"units": "canary"})), "/units: must be a whole number");
        assert_eq!(told(json!({"units": 1.5})), "/units: must be a whole number");
        assert_eq!(told(json!({})), "/units: is required");
        assert_eq!(told(json!({"units": 1, "frob": 1})), "/frob: is not a field of this request");
        assert_eq!(told(json!({"units": 1, "yes": "canary"})), "/yes: must be `true` or `false`");
    }

    #[test]
    fn dates_and_instants_are_refused_in_a_callers_words() {
        for bad in ["2026-02-30", "canary", "", "2026-12-01T00:00:00Z", "01.12.2026", "2026-13-01"] {
            let told = told(json!({"units": 1, "day": bad}));
            assert!(told.starts_with("/day: must be a da"), "{bad}: {told}");
        }
        for bad in ["2026-02-30T00:00:00Z", "canary", "", "2026-12-01", "2026-12-01T00:00:00", "2026-12-01T25:00:00Z"] {
            let told = told(json!({"units": 1, "at": bad}));
            assert!(told.starts_with("/at: must be a"), "{bad}: {told}");
            assert!(!told.contains("canary") && !told.contains("jiff"), "{bad}: {told}");
        }
        assert_eq!(told(json!({"units": 1, "day": 5})), "/day: must be a date as text, such as `2026-12-01`");
    }

    #[test]
    fn money_is_text_and_never_a_float() {
        assert_eq!(
            from_value::<Order>(json!({"units": 1, "price": "1.25"})).unwrap().price,
            Some(Decimal::new(125, 2))
        );
        assert_eq!(told(json!({"units": 1, "price": 1.25})), "/price: must be text");
        for bad in ["NaN", "1e999", "", "canary"] {
            let told = told(json!({"units": 1, "price": bad}));
            assert_eq!(told, "/price: must be a decimal number as text, such as `1.25`", "{bad}");
        }
    }
}
