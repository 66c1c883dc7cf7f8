//! One event of one webhook, kept for 30 days: what came, and what became of it.

use super::callout::{Action, Callout, WebhookEntity};
use crate::ids::{ConnectionId, PartnerId};
use crate::records::{Key, Record};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io::{Read as _, Write as _};

/// How long a delivery is kept: as long as Autotask keeps its own log of errors.
pub const DELIVERY_KEPT: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Most characters of deflated fields that are kept: more are left away rather than cost a third write unit.
const PAYLOAD_CHARS_MAX: usize = 1_024;
/// Most bytes that a payload may inflate to. Guards against a record that is not ours.
const PAYLOAD_BYTES_MAX: u64 = 1024 * 1024;
/// Fields whose values are not kept: words in their names, in lower case.
const PERSONAL: [&str; 11] =
    ["email", "phone", "fax", "mobile", "address", "name", "password", "secret", "birth", "note", "description"];
/// What stands in their place.
const MASK: &str = "…";

/// Where a delivery came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum DeliverySource {
    /// Autotask called, and signed.
    #[default]
    Callout,
    /// Autotask's log of callouts that it gave up: names a row to fetch.
    ErrorLog,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It is kept, and waits for its turn.
    #[default]
    Stored,
    /// It was applied.
    Applied,
    /// It was looked at, and nothing of ours had to change.
    Unchanged,
    /// It is the echo of a change that we made.
    Echo,
    /// It is about something that nobody here is interested in.
    Dropped,
    /// It failed; the error says why.
    Failed,
}

impl DeliveryStatus {
    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_done(self) -> bool {
        !matches!(self, Self::Stored | Self::Failed)
    }

    /// Its name in our API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Echo => "echo",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
    }
}

/// One event of one webhook. Names are short and what is usual is left away, so that it fits into one write unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Which webhook.
    pub guid: String,
    /// Its number.
    pub sequence: u64,
    /// The id that events of it carry, however often it is applied: UUID v7.
    pub event_id: String,
    /// About what.
    pub entity: WebhookEntity,
    /// What happened.
    pub action: Action,
    /// To which row.
    pub id: i64,
    /// Which resource did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<i64>,
    /// When, as Autotask says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// When it came.
    pub received_at: Timestamp,
    /// Which generation of the key signed it; 0: it was not signed.
    pub generation: u32,
    /// Where it came from.
    #[serde(default)]
    pub source: DeliverySource,
    /// What became of it.
    #[serde(default)]
    pub status: DeliveryStatus,
    /// How often it came again, and was recognised.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub again: u32,
    /// How often it was put off since it came or was last replayed, while Autotask was away.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub put_off: u32,
    /// How often work on it began.
    #[serde(default)]
    pub attempts: u32,
    /// When work on it last ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_at: Option<Timestamp>,
    /// What became of it, in words: the error, or what was done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
    /// The callout's `Fields`, with personal values masked, deflated, in base64; empty where they would be too long.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub payload: String,
}

impl Delivery {
    /// A delivery that has just come.
    #[must_use]
    pub fn new(
        (partner, connection): (&PartnerId, &ConnectionId),
        callout: Callout,
        event_id: String,
        received_at: Timestamp,
    ) -> Self {
        let Callout { guid, sequence, entity, action, id, person, at } = callout;
        Self {
            partner: partner.clone(),
            connection: connection.clone(),
            guid,
            sequence,
            event_id,
            entity,
            action,
            id,
            person,
            at,
            received_at,
            generation: 0,
            source: DeliverySource::Callout,
            status: DeliveryStatus::Stored,
            again: 0,
            put_off: 0,
            attempts: 0,
            handled_at: None,
            words: String::new(),
            payload: String::new(),
        }
    }

    /// Keeps the body's `Fields` for the report: values of personal ones masked.
    #[must_use]
    pub fn with_payload(mut self, body: &[u8]) -> Self {
        let fields = serde_json::from_slice::<Hints>(body).ok().map(|hints| hints.fields);
        let fields = fields.filter(|fields| fields.as_object().is_some_and(|fields| !fields.is_empty()));
        self.payload = fields.and_then(|fields| kept(&masked(fields, false))).unwrap_or_default();
        self
    }

    /// The callout's `Fields` as they were kept.
    #[must_use]
    pub fn shown_payload(&self) -> Option<Value> {
        let deflated = BASE64_STANDARD.decode(&self.payload).ok().filter(|bytes| !bytes.is_empty())?;
        let mut json = Vec::new();
        DeflateDecoder::new(deflated.as_slice()).take(PAYLOAD_BYTES_MAX).read_to_end(&mut json).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Record for Delivery {
    const ENTITY: &'static str = "delivery";
    fn key(&self) -> Key {
        Key::Delivery(self.partner.clone(), self.connection.clone(), self.guid.clone(), self.sequence)
    }
    fn expires(&self) -> Option<Timestamp> {
        self.received_at.checked_add(DELIVERY_KEPT).ok()
    }
}

/// What a callout says besides the change's name.
#[derive(Deserialize)]
struct Hints {
    #[serde(rename = "Fields", default)]
    fields: Value,
}

fn masked(value: Value, personal: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let mask = |(name, value): (String, Value)| {
                let personal = personal || is_personal(&name);
                (name, masked(value, personal))
            };
            Value::Object(fields.into_iter().map(mask).collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(|value| masked(value, personal)).collect()),
        Value::String(_) if personal => MASK.into(),
        other => other,
    }
}

fn is_personal(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PERSONAL.iter().any(|word| name.contains(word))
}

fn kept(body: &Value) -> Option<String> {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(body.to_string().as_bytes()).ok()?;
    let text = BASE64_STANDARD.encode(deflate.finish().ok()?);
    (text.len() <= PAYLOAD_CHARS_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_payload_is_kept_without_personal_values() {
        let body = json!({
            "Action": "Update", "Id": 7, "EntityType": "Contact", "Guid": "g", "SequenceNumber": 1,
            "Fields": {"emailAddress": "jo@example.com", "firstName": "Jo", "isActive": true, "companyID": 3,
                       "userDefinedFields": [{"name": "Tier", "value": "gold"}], "city": "Graz"},
        });
        let callout = Callout::read(body.to_string().as_bytes()).unwrap();
        let of = (&PartnerId::new("acme").unwrap(), &ConnectionId::new("con_1").unwrap());
        let delivery =
            Delivery::new(of, callout, "e".to_owned(), Timestamp::UNIX_EPOCH).with_payload(body.to_string().as_bytes());
        let shown = delivery.shown_payload().unwrap();
        assert_eq!((&shown["emailAddress"], &shown["firstName"]), (&json!(MASK), &json!(MASK)));
        assert_eq!(
            (&shown["isActive"], &shown["companyID"], &shown["city"]),
            (&json!(true), &json!(3), &json!("Graz"))
        );
        assert!(!shown.to_string().contains("Jo") && !shown.to_string().contains("example"));
    }

    #[test]
    fn a_payload_that_would_cost_a_third_unit_is_left_away() {
        let noise: String =
            (0..4_000_u32).map(|n| char::from(b'!' + (n.wrapping_mul(2_654_435_761) >> 25) as u8 % 90)).collect();
        let body = json!({"Action": "Update", "Id": 7, "EntityType": "Ticket", "Guid": "g", "SequenceNumber": 1,
                          "Fields": {"solution": noise}});
        let callout = Callout::read(body.to_string().as_bytes()).unwrap();
        let of = (&PartnerId::new("acme").unwrap(), &ConnectionId::new("con_1").unwrap());
        let delivery =
            Delivery::new(of, callout, "e".to_owned(), Timestamp::UNIX_EPOCH).with_payload(body.to_string().as_bytes());
        assert_eq!((delivery.payload.as_str(), delivery.shown_payload()), ("", None));
    }
}
