//! Page tokens: base64url of the key where the page before ended.

use super::item::{Item, text};
use crate::keys::Range;
use crate::table::{GSI1_PK, GSI1_SK, PK, SK};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ports::StorageError;
use std::collections::BTreeMap;

/// The token of the page that follows `item` (or follows the engine's own last evaluated key).
pub(super) fn token(range: &Range, item: &Item) -> Result<String, StorageError> {
    let key: BTreeMap<&str, &str> =
        names(range).iter().filter_map(|name| text(item, name).map(|text| (*name, text))).collect();
    if key.len() != names(range).len() {
        return Err(bad(range, "an item without its keys"));
    }
    let json = serde_json::to_vec(&key).map_err(|source| bad(range, source))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// The key that a token stands for. A token of another collection is refused: it could start a query
/// among records that the caller's scope does not cover.
pub(super) fn start(range: &Range, token: &str) -> Result<Item, StorageError> {
    let json = URL_SAFE_NO_PAD.decode(token).map_err(|source| bad(range, source))?;
    let key: BTreeMap<String, String> = serde_json::from_slice(&json).map_err(|source| bad(range, source))?;
    let (pk, sk) = if range.indexed { (GSI1_PK, GSI1_SK) } else { (PK, SK) };
    let own = key.get(pk) == Some(&range.pk) && key.get(sk).is_some_and(|sk| range.holds(sk));
    let whole = key.len() == names(range).len() && names(range).iter().all(|name| key.contains_key(*name));
    if !own || !whole {
        return Err(StorageError::OutOfScope);
    }
    Ok(key.into_iter().map(|(name, value)| (name, AttributeValue::S(value))).collect())
}

fn names(range: &Range) -> &'static [&'static str] {
    if range.indexed { &[PK, SK, GSI1_PK, GSI1_SK] } else { &[PK, SK] }
}

fn bad(range: &Range, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StorageError {
    StorageError::Corrupt { key: format!("page token of {}", range.pk), source: source.into() }
}
