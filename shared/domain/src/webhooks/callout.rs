//! What Autotask sends, as our own event. Only what names the change is taken; the rest is a hint, kept for the report.

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Longest name of a webhook (`webhookGUID`) that is taken, in characters; a GUID has 36.
const GUID_CHARS_MAX: usize = 64;
/// Longest name of an entity or action that is taken, in characters.
const NAME_CHARS_MAX: usize = 40;

/// The kinds of things that webhooks are about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WebhookEntity {
    /// `Companies`.
    Companies,
    /// `Contacts`.
    Contacts,
    /// `ConfigurationItems`.
    ConfigurationItems,
    /// `Tickets`.
    Tickets,
    /// `TicketNotes`.
    TicketNotes,
    /// One that we do not know, by Autotask's name.
    Other(String),
}

impl WebhookEntity {
    /// Those that Autotask has webhooks for.
    pub const ALL: [WebhookEntity; 5] =
        [Self::Companies, Self::Contacts, Self::ConfigurationItems, Self::Tickets, Self::TicketNotes];

    /// Its name in our API.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Companies => "companies",
            Self::Contacts => "contacts",
            Self::ConfigurationItems => "configuration_items",
            Self::Tickets => "tickets",
            Self::TicketNotes => "ticket_notes",
            Self::Other(name) => name,
        }
    }

    /// One of [`WebhookEntity::ALL`] by its name in our API.
    #[must_use]
    pub fn known(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|entity| entity.as_str() == name)
    }

    /// By the name that callouts carry, which is that of Autotask's older API.
    fn of_callout(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "account" | "company" => Self::Companies,
            "contact" => Self::Contacts,
            "installedproduct" | "configurationitem" => Self::ConfigurationItems,
            "ticket" => Self::Tickets,
            "ticketnote" => Self::TicketNotes,
            _ => Self::Other(name.chars().take(NAME_CHARS_MAX).collect()),
        }
    }
}

impl fmt::Display for WebhookEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for WebhookEntity {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for WebhookEntity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Ok(Self::known(&name).unwrap_or(Self::Other(name)))
    }
}

/// What happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It was made.
    Create,
    /// A subscribed field changed.
    Update,
    /// It was deleted.
    Delete,
    /// One that we do not know, by Autotask's name.
    #[serde(untagged)]
    Other(String),
}

impl Action {
    pub(super) fn of_callout(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "create" => Self::Create,
            "update" => Self::Update,
            "delete" => Self::Delete,
            _ => Self::Other(name.chars().take(NAME_CHARS_MAX).collect()),
        }
    }

    /// Its name in our API.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Other(name) => name,
        }
    }
}

/// One callout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callout {
    /// `Guid`: which webhook.
    pub guid: String,
    /// `SequenceNumber`: grows by one with each event of the webhook.
    pub sequence: u64,
    /// `EntityType`.
    pub entity: WebhookEntity,
    /// `Action`.
    pub action: Action,
    /// `Id` of the row.
    pub id: i64,
    /// `PersonID`: the resource that did it.
    pub person: Option<i64>,
    /// `EventTime`.
    pub at: Option<Timestamp>,
}

/// The body is not a callout.
#[derive(Debug, thiserror::Error)]
#[error("the body is not a webhook's callout")]
pub struct NotACallout(#[from] serde_json::Error);

impl Callout {
    /// Reads a body whose signature is right.
    ///
    /// # Errors
    /// [`NotACallout`] without a usable `Guid`, `SequenceNumber`, `Action`, `EntityType` or `Id`.
    pub fn read(body: &[u8]) -> Result<Self, NotACallout> {
        let wire: Wire<'_> = serde_json::from_slice(body)?;
        if wire.guid.is_empty() || wire.guid.len() > GUID_CHARS_MAX || !wire.guid.bytes().all(is_of_a_guid) {
            return Err(serde_json::Error::custom("Guid is none").into());
        }
        Ok(Self {
            guid: wire.guid.to_ascii_lowercase(),
            sequence: wire.sequence,
            entity: WebhookEntity::of_callout(&wire.entity),
            action: Action::of_callout(&wire.action),
            id: wire.id,
            person: wire.person,
            at: wire.at.and_then(|text| instant(&text)),
        })
    }
}

fn is_of_a_guid(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

/// With a zone, else UTC: Autotask's instants come both ways.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| format!("{text}Z").parse().ok())
}

/// As it comes. Numbers may come as text.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "Action", borrow)]
    action: Cow<'a, str>,
    #[serde(rename = "Guid", borrow)]
    guid: Cow<'a, str>,
    #[serde(rename = "EntityType", borrow)]
    entity: Cow<'a, str>,
    #[serde(rename = "Id", deserialize_with = "number")]
    id: i64,
    #[serde(rename = "SequenceNumber", deserialize_with = "number")]
    sequence: u64,
    #[serde(rename = "PersonID", alias = "PersonId", default, deserialize_with = "number_if_any")]
    person: Option<i64>,
    #[serde(rename = "EventTime", default, borrow)]
    at: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Loose<'a, T> {
    Number(T),
    Text(#[serde(borrow)] Cow<'a, str>),
    Other(serde::de::IgnoredAny),
}

fn number<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + std::str::FromStr,
{
    number_if_any(from)?.ok_or_else(|| D::Error::custom("a number is missing"))
}

fn number_if_any<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + std::str::FromStr,
{
    Ok(match Option::<Loose<'de, T>>::deserialize(from)? {
        Some(Loose::Number(number)) => Some(number),
        Some(Loose::Text(text)) => text.trim().parse().ok(),
        Some(Loose::Other(_)) | None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let mut body = json!({
            "Action": "Update", "Guid": "6F1B2C3D-0000-4000-8000-000000000001", "EntityType": "Account", "Id": 175,
            "Fields": {"companyName": "Caf\u{e9} & Söhne"}, "EventTime": "2026-11-20T10:00:00Z", "SequenceNumber": 7,
            "PersonID": 29,
        });
        change(&mut body);
        body.to_string().into_bytes()
    }

    #[test]
    fn a_callout_is_read_whatever_its_numbers_look_like() {
        let read = Callout::read(&body(|_| {})).unwrap();
        assert_eq!((read.guid.as_str(), read.sequence), ("6f1b2c3d-0000-4000-8000-000000000001", 7));
        assert_eq!(
            (read.entity.clone(), read.action.clone(), read.id),
            (WebhookEntity::Companies, Action::Update, 175)
        );
        assert_eq!((read.person, read.at), (Some(29), Some("2026-11-20T10:00:00Z".parse().unwrap())));
        let text = Callout::read(&body(|body| {
            body["Id"] = json!("175");
            body["SequenceNumber"] = json!(" 7 ");
            body["EventTime"] = json!("2026-11-20T10:00:00");
            body["PersonID"] = json!("29");
        }));
        assert_eq!(text.unwrap(), read);
        let less = Callout::read(&body(|body| {
            body["PersonID"] = json!(null);
            body["EventTime"] = json!("yesterday");
        }));
        assert_eq!(less.unwrap(), Callout { person: None, at: None, ..read });
    }

    #[test]
    fn names_of_both_apis_are_known_and_others_keep_theirs() {
        for (name, entity) in [
            ("Account", WebhookEntity::Companies),
            ("contact", WebhookEntity::Contacts),
            ("InstalledProduct", WebhookEntity::ConfigurationItems),
            ("ConfigurationItem", WebhookEntity::ConfigurationItems),
            ("Ticket", WebhookEntity::Tickets),
            ("TicketNote", WebhookEntity::TicketNotes),
            ("Quote", WebhookEntity::Other("Quote".to_owned())),
        ] {
            let read = Callout::read(&body(|body| body["EntityType"] = json!(name))).unwrap();
            assert_eq!(read.entity, entity, "{name}");
        }
        let read = Callout::read(&body(|body| body["Action"] = json!("Merge"))).unwrap();
        assert_eq!(serde_json::to_value(&read.action).unwrap(), json!("Merge"));
    }

    #[test]
    fn what_does_not_name_a_change_is_no_callout() {
        for (field, value) in [
            ("Guid", json!("")),
            ("Guid", json!("a#b")),
            ("Guid", json!("x".repeat(65))),
            ("Id", json!({"of": 1})),
            ("SequenceNumber", json!(-1)),
            ("SequenceNumber", json!(null)),
            ("Action", json!(7)),
            ("EntityType", json!(null)),
        ] {
            assert!(Callout::read(&body(|body| body[field] = value.clone())).is_err(), "{field}: {value}");
        }
        for bytes in [&b""[..], b"[]", b"{}", b"\xff\xfe", b"{\"Action\":\"Update\""] {
            assert!(Callout::read(bytes).is_err());
        }
    }
}
