//! Opaque positions in a listing. A cursor is good for the partner and the route it was given to, and
//! cannot be made up: it is base64url of the position and a MAC over position, partner and route.

use crate::app::App;
use crate::edge::{ApiError, Caller};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::Problem;
use serde::{Serialize, de::DeserializeOwned};

const LABEL: &str = "cursor/1";
/// Longest cursor that is looked at, in characters; a store's token is a few hundred.
const CURSOR_CHARS_MAX: usize = 4_096;
const CODE_BYTES: usize = 32;

/// The cursor for a position of this caller's listing on `route` (its template:
/// `/v1/connections/{cid}/runs`). Put what the listing was filtered by into the position or the route.
///
/// # Errors
/// Internal if the position cannot be written as JSON.
pub fn encode<T: Serialize>(app: &App, caller: &Caller, route: &str, position: &T) -> Result<String, ApiError> {
    let mut bytes = serde_json::to_vec(position).map_err(ApiError::internal)?;
    let code = app.edge.mac_key.code(LABEL, &[owner(caller), route.as_bytes(), &bytes]);
    bytes.extend_from_slice(&code);
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// The position in a cursor of this caller and route.
///
/// # Errors
/// `invalid_input` for a cursor that was made up, changed, or given to another partner or route.
pub fn decode<T: DeserializeOwned>(app: &App, caller: &Caller, route: &str, cursor: &str) -> Result<T, ApiError> {
    open(app, caller, route, cursor)
        .ok_or_else(|| Problem::field("cursor", "is not a cursor of this listing; start without one").into())
}

fn open<T: DeserializeOwned>(app: &App, caller: &Caller, route: &str, cursor: &str) -> Option<T> {
    if cursor.len() > CURSOR_CHARS_MAX {
        return None;
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (position, code) = bytes.split_at_checked(bytes.len().checked_sub(CODE_BYTES)?)?;
    let good = app.edge.mac_key.verify(LABEL, &[owner(caller), route.as_bytes(), position], code);
    if good { serde_json::from_slice(position).ok() } else { None }
}

/// A partner identifier has no slash, so no partner can be the vendor.
fn owner(caller: &Caller) -> &[u8] {
    caller.partner_if_named().map_or(b"/vendor", |partner| partner.as_str().as_bytes())
}
