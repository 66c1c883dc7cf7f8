//! Filters as values: what a query asks for.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::error::Error;
use crate::id::Id;
use crate::wire::Wire;

/// Most OR conditions that Autotask takes in one query; each element of `in` counts.
pub const OR_CONDITIONS_MAX: usize = 500;

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// Equal.
    Eq,
    /// Not equal.
    NotEq,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Text begins with.
    BeginsWith,
    /// Text ends with.
    EndsWith,
    /// Text contains.
    Contains,
    /// Is not null.
    Exist,
    /// Is null.
    NotExist,
    /// Is one of.
    In,
    /// Is none of.
    NotIn,
}

impl Op {
    /// The operator's name in Autotask's JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::NotEq => "noteq",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::BeginsWith => "beginsWith",
            Self::EndsWith => "endsWith",
            Self::Contains => "contains",
            Self::Exist => "exist",
            Self::NotExist => "notExist",
            Self::In => "in",
            Self::NotIn => "notIn",
        }
    }
}

/// A value to compare with, of the field's own type: Autotask finds nothing, without an error, when
/// text is compared with a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FilterValue {
    /// Ids, numbers, picklist values.
    Int(i64),
    /// Amounts.
    Decimal(Decimal),
    /// Real booleans only: `Contacts.isActive` is a number.
    Bool(bool),
    /// Text.
    Text(String),
    /// A calendar date, for fields without a time.
    Date(Date),
    /// An instant, sent in UTC.
    Instant(Timestamp),
}

impl Serialize for FilterValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(value) => value.write(serializer),
            Self::Decimal(value) => value.write(serializer),
            Self::Bool(value) => value.write(serializer),
            Self::Text(value) => value.write(serializer),
            Self::Date(value) => value.write(serializer),
            Self::Instant(value) => serializer.collect_str(&format_args!("{value:.3}")),
        }
    }
}

macro_rules! value_from {
    ($($type:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$type> for FilterValue {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }
    )+};
}

value_from!(i64 => Int, i32 => Int, u32 => Int, Decimal => Decimal, bool => Bool, &str => Text, String => Text, Date => Date, Timestamp => Instant);

impl<T> From<&Id<T>> for FilterValue {
    fn from(id: &Id<T>) -> Self {
        Self::Int(id.get())
    }
}

impl<T> From<Id<T>> for FilterValue {
    fn from(id: Id<T>) -> Self {
        Self::Int(id.get())
    }
}

/// A condition or a group of conditions.
///
/// A group is either "all of" or "any of", so that the two cannot be mixed without saying how they
/// nest: `a.and(b).or(c)` is `(a and b) or c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Node);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Condition { op: Op, field: String, udf: bool, value: Operand },
    All(Vec<Filter>),
    Any(Vec<Filter>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operand {
    Nothing,
    One(FilterValue),
    Many(Vec<FilterValue>),
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident => $op:ident),+ $(,)?) => {$(
        $(#[$doc])*
        pub fn $name(field: impl Into<String>, value: impl Into<FilterValue>) -> Self {
            Self::condition(Op::$op, field, Operand::One(value.into()))
        }
    )+};
}

impl Filter {
    comparisons! {
        /// `field` equals `value`.
        eq => Eq,
        /// `field` differs from `value`.
        not_eq => NotEq,
        /// `field` is greater than `value`.
        gt => Gt,
        /// `field` is `value` or greater.
        gte => Gte,
        /// `field` is less than `value`.
        lt => Lt,
        /// `field` is `value` or less.
        lte => Lte,
        /// The text in `field` begins with `value`.
        begins_with => BeginsWith,
        /// The text in `field` ends with `value`.
        ends_with => EndsWith,
        /// The text in `field` contains `value`.
        contains => Contains,
    }

    /// `field` is not null.
    pub fn exist(field: impl Into<String>) -> Self {
        Self::condition(Op::Exist, field, Operand::Nothing)
    }

    /// `field` is null.
    pub fn not_exist(field: impl Into<String>) -> Self {
        Self::condition(Op::NotExist, field, Operand::Nothing)
    }

    /// `field` is one of `values`, at most [`OR_CONDITIONS_MAX`]. For more see
    /// [`Query::any_of`](crate::Query::any_of), which splits.
    pub fn is_in<V: Into<FilterValue>>(field: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        Self::condition(Op::In, field, Operand::Many(values.into_iter().map(Into::into).collect()))
    }

    /// `field` is none of `values`.
    pub fn not_in<V: Into<FilterValue>>(field: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        Self::condition(Op::NotIn, field, Operand::Many(values.into_iter().map(Into::into).collect()))
    }

    /// All of `filters`.
    pub fn all(filters: impl IntoIterator<Item = Filter>) -> Self {
        Self(Node::All(filters.into_iter().collect()))
    }

    /// Any of `filters`.
    pub fn any(filters: impl IntoIterator<Item = Filter>) -> Self {
        Self(Node::Any(filters.into_iter().collect()))
    }

    /// Every row. Autotask refuses an empty filter, and id 0 is a company.
    pub fn everything() -> Self {
        Self::gte("id", 0_i64)
    }

    /// Says that the field is a user-defined one; of a group, that all its fields are. Autotask
    /// takes one user-defined field in a query.
    #[must_use]
    pub fn udf(mut self) -> Self {
        match &mut self.0 {
            Node::Condition { udf, .. } => *udf = true,
            Node::All(filters) | Node::Any(filters) => {
                *filters = std::mem::take(filters).into_iter().map(Self::udf).collect();
            }
        }
        self
    }

    /// This and `other`.
    #[must_use]
    pub fn and(self, other: Filter) -> Self {
        match self.0 {
            Node::All(mut filters) => {
                filters.push(other);
                Self(Node::All(filters))
            }
            node => Self(Node::All(vec![Self(node), other])),
        }
    }

    /// This or `other`.
    #[must_use]
    pub fn or(self, other: Filter) -> Self {
        match self.0 {
            Node::Any(mut filters) => {
                filters.push(other);
                Self(Node::Any(filters))
            }
            node => Self(Node::Any(vec![Self(node), other])),
        }
    }

    /// Whether any condition is about one of `fields`. User-defined fields of such a name are not meant.
    pub(crate) fn asks_for(&self, fields: &[&str]) -> bool {
        match &self.0 {
            Node::Condition { field, udf, .. } => {
                !udf && fields.iter().any(|unfiltered| unfiltered.eq_ignore_ascii_case(field))
            }
            Node::All(filters) | Node::Any(filters) => filters.iter().any(|filter| filter.asks_for(fields)),
        }
    }

    fn condition(op: Op, field: impl Into<String>, value: Operand) -> Self {
        Self(Node::Condition { op, field: field.into(), udf: false, value })
    }

    fn cost(&self, below_any: bool) -> Cost {
        match &self.0 {
            Node::Condition { field, udf, value, .. } => {
                let values: &[FilterValue] = match value {
                    Operand::Nothing => &[],
                    Operand::One(value) => std::slice::from_ref(value),
                    Operand::Many(values) => values,
                };
                let listed = matches!(value, Operand::Many(_));
                let text = values.iter().any(|value| matches!(value, FilterValue::Text(_)));
                Cost {
                    ors: if listed { values.len() } else { usize::from(below_any) },
                    udfs: usize::from(*udf),
                    hollow: listed && values.is_empty(),
                    text_for_id: text && !udf && field.eq_ignore_ascii_case("id"),
                }
            }
            Node::All(filters) | Node::Any(filters) => {
                let below_any = below_any || matches!(self.0, Node::Any(_));
                let start = Cost { hollow: filters.is_empty(), ..Cost::default() };
                filters.iter().map(|filter| filter.cost(below_any)).fold(start, Cost::plus)
            }
        }
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.0 {
            Node::Condition { op, field, udf, value } => {
                map.serialize_entry("op", op.as_str())?;
                map.serialize_entry("field", field)?;
                match value {
                    Operand::Nothing => {}
                    Operand::One(value) => map.serialize_entry("value", value)?,
                    Operand::Many(values) => map.serialize_entry("value", values)?,
                }
                if *udf {
                    map.serialize_entry("udf", &true)?;
                }
            }
            Node::All(filters) => {
                map.serialize_entry("op", "and")?;
                map.serialize_entry("items", filters)?;
            }
            Node::Any(filters) => {
                map.serialize_entry("op", "or")?;
                map.serialize_entry("items", filters)?;
            }
        }
        map.end()
    }
}

/// What a filter uses of Autotask's limits, and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Cost {
    ors: usize,
    udfs: usize,
    hollow: bool,
    text_for_id: bool,
}

impl Cost {
    const fn plus(self, other: Self) -> Self {
        Self {
            ors: self.ors + other.ors,
            udfs: self.udfs + other.udfs,
            hollow: self.hollow || other.hollow,
            text_for_id: self.text_for_id || other.text_for_id,
        }
    }
}

/// Checks the filters of one query, joined by AND, and says how many OR conditions they use.
pub(crate) fn or_conditions(filters: &[Filter]) -> Result<usize, Error> {
    let cost = filters.iter().map(|filter| filter.cost(false)).fold(Cost::default(), Cost::plus);
    if cost.text_for_id {
        return Err(Error::out_of_bounds("an id is compared with text, which finds nothing"));
    }
    if cost.hollow {
        return Err(Error::out_of_bounds("a filter has an empty group or an empty list"));
    }
    if cost.udfs > 1 {
        return Err(Error::out_of_bounds("Autotask takes one user-defined field in a query"));
    }
    if cost.ors > OR_CONDITIONS_MAX {
        return Err(Error::out_of_bounds("Autotask takes 500 OR conditions in a query"));
    }
    Ok(cost.ors)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jiff::civil::date;

    fn json(filter: &Filter) -> String {
        serde_json::to_string(filter).unwrap()
    }

    #[test]
    fn every_operator_has_autotasks_name_and_its_values_type() {
        let cases = [
            (Filter::eq("id", 7_i64), r#"{"op":"eq","field":"id","value":7}"#),
            (Filter::not_eq("status", 1), r#"{"op":"noteq","field":"status","value":1}"#),
            (Filter::gt("unitPrice", Decimal::new(125, 1)), r#"{"op":"gt","field":"unitPrice","value":12.5}"#),
            (
                Filter::gte("endDate", date(2026, 11, 1)),
                r#"{"op":"gte","field":"endDate","value":"2026-11-01T00:00:00"}"#,
            ),
            (
                Filter::lt("createDate", "2026-11-01T05:00:00Z".parse::<Timestamp>().unwrap()),
                r#"{"op":"lt","field":"createDate","value":"2026-11-01T05:00:00.000Z"}"#,
            ),
            (Filter::lte("isActive", true), r#"{"op":"lte","field":"isActive","value":true}"#),
            (Filter::begins_with("name", "a"), r#"{"op":"beginsWith","field":"name","value":"a"}"#),
            (Filter::ends_with("name", "a\"b"), r#"{"op":"endsWith","field":"name","value":"a\"b"}"#),
            (Filter::contains("name", "é"), r#"{"op":"contains","field":"name","value":"é"}"#),
            (Filter::exist("id"), r#"{"op":"exist","field":"id"}"#),
            (Filter::not_exist("id"), r#"{"op":"notExist","field":"id"}"#),
            (Filter::is_in("id", [1_i64, 2]), r#"{"op":"in","field":"id","value":[1,2]}"#),
            (Filter::not_in("id", [Id::<()>::new(3)]), r#"{"op":"notIn","field":"id","value":[3]}"#),
            (Filter::eq("Tier", "gold").udf(), r#"{"op":"eq","field":"Tier","value":"gold","udf":true}"#),
            (Filter::everything(), r#"{"op":"gte","field":"id","value":0}"#),
        ];
        for (filter, wanted) in cases {
            assert_eq!(json(&filter), wanted);
        }
    }

    #[test]
    fn and_and_or_nest_as_written() {
        let a = || Filter::exist("a");
        let (b, c) = (Filter::exist("b"), Filter::exist("c"));
        let filter = a().and(b).or(c);
        assert_eq!(
            json(&filter),
            r#"{"op":"or","items":[{"op":"and","items":[{"op":"exist","field":"a"},{"op":"exist","field":"b"}]},{"op":"exist","field":"c"}]}"#
        );
        assert_eq!(json(&a().and(a()).and(a())).matches("\"and\"").count(), 1);

        let open = Filter::not_exist("paidDate").and(Filter::eq("isVoided", false));
        let since = Filter::gt("id", 6100_i64).and(Filter::exist("invoiceNumber"));
        assert_eq!(
            json(&open.or(since)),
            concat!(
                r#"{"op":"or","items":[{"op":"and","items":[{"op":"notExist","field":"paidDate"},"#,
                r#"{"op":"eq","field":"isVoided","value":false}]},{"op":"and","items":["#,
                r#"{"op":"gt","field":"id","value":6100},{"op":"exist","field":"invoiceNumber"}]}]}"#,
            )
        );
    }

    #[test]
    fn the_limits_are_counted_before_anything_is_sent() {
        let ids = |n: i64| Filter::is_in("id", 0..n);
        assert_eq!(or_conditions(&[ids(490), Filter::eq("a", 1), Filter::eq("b", 1)]).unwrap(), 490);
        assert_eq!(or_conditions(&[ids(400), Filter::eq("a", 1).or(Filter::eq("b", 1))]).unwrap(), 402);
        assert!(or_conditions(&[ids(500)]).is_ok());
        assert!(or_conditions(&[ids(499), Filter::eq("a", 1).or(Filter::eq("b", 1))]).is_err());
        assert!(or_conditions(&[Filter::eq("a", 1).udf()]).is_ok());
        assert!(or_conditions(&[Filter::eq("a", 1).and(Filter::eq("b", 1)).udf()]).is_err());
        assert!(or_conditions(&[ids(0)]).is_err());
        assert!(or_conditions(&[Filter::any([])]).is_err());
        assert!(or_conditions(&[Filter::eq("id", "7")]).is_err());
        assert!(or_conditions(&[Filter::eq("externalID", "7")]).is_ok());
    }
}
