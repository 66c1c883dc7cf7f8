//! A record as an item: the document's fields as attributes beside ours.

use crate::keys::{self, Address};
use crate::table::{GSI1_PK, GSI1_SK, PK, SK, TTL};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::StorageError;
use domain::records::{Index, Key, Stored};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// An item as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The entity's name, for people who read the table.
pub(super) const ENTITY: &str = "entity";
/// The version.
pub(super) const V: &str = "v";
/// Which write put the item.
pub(super) const NONCE: &str = "nonce";

/// Attributes that are ours; a field of a document with such a name is stored with [`ESCAPE`] before it.
const RESERVED: &[&str] = &[PK, SK, GSI1_PK, GSI1_SK, TTL, ENTITY, V, NONCE];
/// Stands before a field whose name is reserved or starts with it.
const ESCAPE: char = '_';

/// What is put beside the document's fields.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) address: &'a Address,
    pub(super) entity: &'static str,
    pub(super) v: u64,
    pub(super) nonce: &'a str,
    pub(super) index: Option<&'a Index>,
    pub(super) expires: Option<Timestamp>,
}

/// The item of a document.
pub(super) fn encode(key: &Key, doc: &Value, envelope: &Envelope<'_>) -> Result<Item, StorageError> {
    let Value::Object(fields) = doc else {
        return Err(malformed(key, "a record must be a JSON object"));
    };
    let mut item = Item::with_capacity(fields.len() + RESERVED.len());
    for (name, value) in fields {
        let value = serde_dynamo::to_attribute_value(value).map_err(|source| malformed(key, source))?;
        item.insert(escaped(name), value);
    }
    let mut text = |name: &str, value: &str| item.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
    text(PK, &envelope.address.pk);
    text(SK, &envelope.address.sk);
    text(ENTITY, envelope.entity);
    text(NONCE, envelope.nonce);
    if let Some(index) = envelope.index {
        let at = keys::index(envelope.address, index);
        text(GSI1_PK, &at.pk);
        text(GSI1_SK, &at.sk);
    }
    item.insert(V.to_owned(), AttributeValue::N(envelope.v.to_string()));
    if let Some(expires) = envelope.expires {
        item.insert(TTL.to_owned(), AttributeValue::N(ceil_second(expires).to_string()));
    }
    Ok(item)
}

/// The document of an item.
pub(super) fn decode(mut item: Item) -> Result<Stored, StorageError> {
    let name = format!("{}/{}", text(&item, PK).unwrap_or("?"), text(&item, SK).unwrap_or("?"));
    let corrupt =
        |source: Box<dyn std::error::Error + Send + Sync>| StorageError::Corrupt { key: name.clone(), source };
    let v = item
        .get(V)
        .and_then(|v| v.as_n().ok())
        .and_then(|v| v.parse().ok())
        .ok_or_else(|| corrupt("it has no version".into()))?;
    for ours in RESERVED {
        item.remove(*ours);
    }
    let mut doc = Map::with_capacity(item.len());
    for (name, value) in item {
        let value = serde_dynamo::from_attribute_value(value).map_err(|source| corrupt(Box::new(source)))?;
        doc.insert(name.strip_prefix(ESCAPE).map(str::to_owned).unwrap_or(name), value);
    }
    Ok(Stored { v, doc: Value::Object(doc) })
}

/// Whether the write with this nonce put the item.
pub(super) fn bears(item: &Item, nonce: &str) -> bool {
    text(item, NONCE) == Some(nonce)
}

/// The item of a refusal as its record, where it can be read at all.
pub(super) fn current(item: Option<&Item>) -> Option<Box<Stored>> {
    let item = item.filter(|item| !item.is_empty())?;
    decode(item.clone())
        .inspect_err(|error| tracing::warn!(error = %error, "a refusal came with a record that cannot be read"))
        .ok()
        .map(Box::new)
}

/// The text of one attribute.
pub(super) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// A record that cannot be stored as it is.
pub(super) fn malformed(key: &Key, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StorageError {
    StorageError::Corrupt { key: format!("{key:?}"), source: source.into() }
}

fn escaped(name: &str) -> String {
    if RESERVED.contains(&name) || name.starts_with(ESCAPE) { format!("{ESCAPE}{name}") } else { name.to_owned() }
}

/// Never earlier than asked: TTL counts whole seconds.
fn ceil_second(at: Timestamp) -> i64 {
    at.as_second() + i64::from(at.subsec_nanosecond() > 0)
}
