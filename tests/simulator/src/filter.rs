//! Filters: read from JSON, held against the entity's fields, applied to rows.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use crate::cell::{Cell, Kind, midnight, parse_decimal, parse_instant};
use crate::schema::Entity;
use crate::table::Row;
use crate::tables::ENCRYPTED_UDFS;

/// OR conditions that a query may hold; each element of `in` counts.
pub const OR_CONDITIONS_MAX: usize = 500;

/// A filter that holds for a row or not.
#[derive(Debug)]
pub(crate) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Test(Test),
}

/// One condition.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) subject: Subject,
    pub(crate) check: Check,
}

/// What a condition looks at.
#[derive(Debug)]
pub(crate) enum Subject {
    Field(usize),
    Udf(String),
}

/// What a condition asks.
#[derive(Debug)]
pub(crate) enum Check {
    /// A value of the wrong type: no row, no error.
    Never,
    Exist(bool),
    Compare(Comparison, Scalar),
    In(BTreeSet<Scalar>, bool),
    Text(TextCheck, String),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Comparison {
    Eq,
    NotEq,
    Gt,
    Gte,
    Lt,
    Lte,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum TextCheck {
    Begins,
    Ends,
    Contains,
}

/// A value that can be compared. Texts are lower case: the database's collation has no case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scalar {
    Bool(bool),
    Int(i64),
    Decimal(Decimal),
    Text(String),
    Millis(i64),
}

/// Reads a `filter` array. The error is the text of the answer.
pub(crate) fn read(entity: &Entity, filter: &Value) -> Result<Node, String> {
    let mut reader = Reader { entity, or_conditions: 0, udfs: 0 };
    let items = filter.as_array().filter(|items| !items.is_empty()).ok_or(NO_FILTER)?;
    let node = Node::All(reader.nodes(items, false)?);
    if reader.or_conditions > OR_CONDITIONS_MAX {
        return Err(TOO_MANY.to_owned());
    }
    if reader.udfs > 1 {
        return Err("Invalid query syntax. Only one user-defined field is allowed per query.".to_owned());
    }
    Ok(node)
}

const NO_FILTER: &str = "Invalid query syntax. The query has no filter.";
const TOO_MANY: &str = "Invalid query syntax. Queries are limited to 500 or fewer 'OR' conditions.";

struct Reader<'a> {
    entity: &'a Entity,
    or_conditions: usize,
    udfs: usize,
}

impl Reader<'_> {
    fn nodes(&mut self, items: &[Value], in_or: bool) -> Result<Vec<Node>, String> {
        items.iter().map(|item| self.node(item, in_or)).collect()
    }

    fn node(&mut self, item: &Value, in_or: bool) -> Result<Node, String> {
        let object = item.as_object().ok_or("Invalid query syntax. A condition is an object.")?;
        let op = member(object, "op").and_then(Value::as_str).unwrap_or_default();
        let group = |object| {
            member(object, "items")
                .and_then(Value::as_array)
                .filter(|items| !items.is_empty())
                .ok_or("Invalid query syntax. A group needs items.")
        };
        match op.to_ascii_lowercase().as_str() {
            "and" => Ok(Node::All(self.nodes(group(object)?, in_or)?)),
            "or" => Ok(Node::Any(self.nodes(group(object)?, true)?)),
            other => self.condition(object, other, in_or).map(Node::Test),
        }
    }

    fn condition(&mut self, object: &Map<String, Value>, op: &str, in_or: bool) -> Result<Test, String> {
        let name = member(object, "field").and_then(Value::as_str).unwrap_or_default();
        let value = member(object, "value").unwrap_or(&Value::Null);
        let (subject, kind) = self.subject(object, name)?;
        let check = match op {
            "eq" => compare(Comparison::Eq, kind, value)?,
            "noteq" => compare(Comparison::NotEq, kind, value)?,
            "gt" => compare(Comparison::Gt, kind, value)?,
            "gte" => compare(Comparison::Gte, kind, value)?,
            "lt" => compare(Comparison::Lt, kind, value)?,
            "lte" => compare(Comparison::Lte, kind, value)?,
            "beginswith" => text(TextCheck::Begins, kind, value)?,
            "endswith" => text(TextCheck::Ends, kind, value)?,
            "contains" => text(TextCheck::Contains, kind, value)?,
            "exist" => Check::Exist(true),
            "notexist" => Check::Exist(false),
            "in" | "notin" => {
                let list = value.as_array().ok_or("Invalid query syntax. The value of in is an array.")?;
                self.or_conditions += list.len();
                among(kind, list, op == "in")?
            }
            other => return Err(format!("Invalid query syntax. Unknown operator '{other}'.")),
        };
        if in_or && !matches!(check, Check::In(..)) {
            self.or_conditions += 1;
        }
        Ok(Test { subject, check })
    }

    fn subject(&mut self, object: &Map<String, Value>, name: &str) -> Result<(Subject, Kind), String> {
        let unknown = || format!("Unable to find {name} in the {} Entity.", self.entity.def.name);
        if member(object, "udf").and_then(Value::as_bool) == Some(true) {
            let udf = self.entity.def.udfs.iter().find(|udf| udf.eq_ignore_ascii_case(name));
            self.udfs += 1;
            if udf.is_some_and(|udf| ENCRYPTED_UDFS.contains(udf)) {
                return Err(format!("The field {name} of the {} Entity cannot be queried.", self.entity.def.name));
            }
            return Ok((Subject::Udf((*udf.ok_or_else(unknown)?).to_owned()), Kind::Text));
        }
        let at = self.entity.field(name).ok_or_else(unknown)?;
        let field = &self.entity.fields[at];
        if field.internal {
            return Err(unknown());
        }
        if !field.queryable {
            return Err(format!("The field {} of the {} Entity cannot be queried.", field.name, self.entity.def.name));
        }
        Ok((Subject::Field(at), field.kind))
    }
}

/// A member of an object, its name in any case.
pub(crate) fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn compare(comparison: Comparison, kind: Kind, value: &Value) -> Result<Check, String> {
    Ok(scalar(kind, value)?.map_or(Check::Never, |scalar| Check::Compare(comparison, scalar)))
}

fn among(kind: Kind, list: &[Value], wanted: bool) -> Result<Check, String> {
    let mut scalars = BTreeSet::new();
    for value in list {
        scalars.extend(scalar(kind, value)?);
    }
    Ok(Check::In(scalars, wanted))
}

fn text(check: TextCheck, kind: Kind, value: &Value) -> Result<Check, String> {
    match (kind, value) {
        (Kind::Text, Value::String(text)) => Ok(Check::Text(check, text.to_lowercase())),
        (Kind::Text, Value::Number(number)) => Ok(Check::Text(check, number.to_string())),
        _ => Err("Invalid query syntax. The operator needs a text.".to_owned()),
    }
}

/// A filter value for a field of `kind`; none where it can match nothing.
fn scalar(kind: Kind, value: &Value) -> Result<Option<Scalar>, String> {
    let misfit = || format!("Error converting value {value} to the type of the field.");
    match (kind, value) {
        (Kind::Bool, Value::Bool(flag)) => Ok(Some(Scalar::Bool(*flag))),
        (Kind::Bool, Value::String(text)) => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Some(Scalar::Bool(true))),
            "false" => Ok(Some(Scalar::Bool(false))),
            _ => Err(misfit()),
        },
        (Kind::Bool, _) => Err(misfit()),
        (_, Value::Null) => Ok(None),
        (Kind::Int | Kind::Long, Value::Bool(flag)) => {
            Err(format!("Unexpected character encountered while parsing value: {}.", if *flag { 't' } else { 'f' }))
        }
        (Kind::Int | Kind::Long, Value::Number(number)) => {
            number.as_i64().map(|number| Some(Scalar::Int(number))).ok_or_else(misfit)
        }
        // Measured: a text against a long id finds nothing and is no error.
        (Kind::Long, Value::String(_)) => Ok(None),
        (Kind::Int, Value::String(text)) => text
            .trim()
            .parse()
            .map(|number| Some(Scalar::Int(number)))
            .map_err(|_| format!("Conversion failed when converting varchar '{text}' to data type int.")),
        (Kind::Decimal, Value::Number(number)) => {
            parse_decimal(&number.to_string()).map(|number| Some(Scalar::Decimal(number))).ok_or_else(misfit)
        }
        (Kind::Decimal, Value::String(text)) => {
            parse_decimal(text.trim()).map(|number| Some(Scalar::Decimal(number))).ok_or_else(misfit)
        }
        (Kind::Text, Value::String(text)) => Ok(Some(Scalar::Text(text.to_lowercase()))),
        (Kind::Text, Value::Number(number)) => Ok(Some(Scalar::Text(number.to_string()))),
        (Kind::Instant | Kind::Date, Value::String(text)) => parse_instant(text)
            .map(|at| Some(Scalar::Millis(at.as_millisecond())))
            .ok_or_else(|| "Conversion failed when converting date and/or time from character string.".to_owned()),
        _ => Err(misfit()),
    }
}

impl Node {
    /// Whether the filter holds. As in SQL, a null is neither equal nor unequal to anything.
    pub(crate) fn holds(&self, row: &Row, zone: &TimeZone) -> bool {
        match self {
            Node::All(nodes) => nodes.iter().all(|node| node.holds(row, zone)),
            Node::Any(nodes) => nodes.iter().any(|node| node.holds(row, zone)),
            Node::Test(test) => test.holds(row, zone),
        }
    }

    /// Integers that the field at `at` must be one of, if the filter says so at its top.
    pub(crate) fn demanded(&self, at: usize) -> Option<Vec<i64>> {
        let Node::All(nodes) = self else { return None };
        nodes.iter().find_map(|node| match node {
            Node::Test(Test { subject: Subject::Field(field), check }) if *field == at => match check {
                Check::Compare(Comparison::Eq, Scalar::Int(number)) => Some(vec![*number]),
                Check::In(scalars, true) => Some(
                    scalars
                        .iter()
                        .filter_map(|scalar| match scalar {
                            Scalar::Int(number) => Some(*number),
                            _ => None,
                        })
                        .collect(),
                ),
                _ => None,
            },
            Node::All(_) => node.demanded(at),
            _ => None,
        })
    }

    /// The least that the integer field at `at` can hold, if the filter says so at its top.
    pub(crate) fn at_least(&self, at: usize) -> Option<i64> {
        let Node::All(nodes) = self else { return None };
        let least = nodes.iter().filter_map(|node| match node {
            Node::Test(Test { subject: Subject::Field(field), check }) if *field == at => match check {
                Check::Compare(Comparison::Gt, Scalar::Int(number)) => Some(number.saturating_add(1)),
                Check::Compare(Comparison::Gte, Scalar::Int(number)) => Some(*number),
                _ => None,
            },
            Node::All(_) => node.at_least(at),
            _ => None,
        });
        least.max()
    }
}

impl Test {
    fn holds(&self, row: &Row, zone: &TimeZone) -> bool {
        let held = match &self.subject {
            Subject::Field(at) => of_cell(&row.cells[*at], zone),
            Subject::Udf(name) => row
                .udfs
                .iter()
                .find(|(held, _)| held == name)
                .and_then(|(_, value)| value.as_str())
                .map(|text| Scalar::Text(text.to_lowercase())),
        };
        match (&self.check, held) {
            (Check::Exist(wanted), held) => held.is_some() == *wanted,
            (Check::Never, _) | (_, None) => false,
            (Check::Compare(comparison, value), Some(held)) => comparison.holds(held.cmp(value)),
            (Check::In(scalars, wanted), Some(held)) => scalars.contains(&held) == *wanted,
            (Check::Text(check, part), Some(Scalar::Text(held))) => match check {
                TextCheck::Begins => held.starts_with(part),
                TextCheck::Ends => held.ends_with(part),
                TextCheck::Contains => held.contains(part),
            },
            (Check::Text(..), Some(_)) => false,
        }
    }
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Eq => ordering.is_eq(),
            Comparison::NotEq => ordering.is_ne(),
            Comparison::Gt => ordering.is_gt(),
            Comparison::Gte => ordering.is_ge(),
            Comparison::Lt => ordering.is_lt(),
            Comparison::Lte => ordering.is_le(),
        }
    }
}

fn of_cell(cell: &Cell, zone: &TimeZone) -> Option<Scalar> {
    match cell {
        Cell::Null => None,
        Cell::Bool(flag) => Some(Scalar::Bool(*flag)),
        Cell::Int(number) => Some(Scalar::Int(*number)),
        Cell::Decimal(number) => Some(Scalar::Decimal(*number)),
        Cell::Text(text) => Some(Scalar::Text(text.to_lowercase())),
        Cell::Instant(millis) => Some(Scalar::Millis(*millis)),
        Cell::Date(date) => Some(Scalar::Millis(midnight(*date, zone))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::catalogue;

    #[test]
    fn each_element_of_in_counts_as_an_or_condition() {
        let units = catalogue().known("ContractServiceUnits");
        let ids = |count: usize| json!([{ "op": "in", "field": "contractServiceID", "value": (0..count).collect::<Vec<_>>() }]);
        assert!(read(units, &ids(500)).is_ok());
        assert_eq!(read(units, &ids(501)).expect_err("refused"), TOO_MANY);
        let many: Vec<Value> = (0..501).map(|id| json!({ "op": "eq", "field": "id", "value": id })).collect();
        assert_eq!(read(units, &json!([{ "op": "or", "items": many }])).expect_err("refused"), TOO_MANY);
        assert!(read(units, &Value::from(many)).is_ok(), "an and of many is no or");
    }

    #[test]
    fn values_of_the_wrong_type_are_told_apart() {
        let contacts = catalogue().known("Contacts");
        let one = |field: &str, value: Value| read(contacts, &json!([{ "op": "eq", "field": field, "value": value }]));
        assert!(one("id", json!("7")).is_ok(), "finds nothing, but is no error");
        assert_eq!(
            one("isActive", json!(true)).expect_err("refused"),
            "Unexpected character encountered while parsing value: t."
        );
        assert!(one("primaryContact", json!(1)).is_err());
        assert!(one("primaryContact", json!(null)).is_err());
        assert_eq!(one("frobs", json!(1)).expect_err("refused"), "Unable to find frobs in the Contact Entity.");
        assert!(one("surveyOptOut", json!(true)).expect_err("refused").contains("cannot be queried"));
        assert!(read(contacts, &json!([])).is_err());
    }
}
