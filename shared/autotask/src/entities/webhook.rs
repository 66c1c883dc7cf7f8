use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

use crate::entity::{entity, row};
use crate::error::{Error, Result};
use crate::{DateValue, Field, Id};

/// Most characters of a webhook's name.
pub const WEBHOOK_NAME_MAX: usize = 50;
/// Most characters of each of a webhook's URLs.
pub const WEBHOOK_URL_MAX: usize = 500;
/// Most characters of the key that a webhook's callouts are signed with. Autotask advises at least 10.
pub const WEBHOOK_KEY_MAX: usize = 64;

/// What webhooks are about. Autotask has five entities of webhooks that differ in nothing but their
/// names, and of which one has no user-defined fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebhookKind {
    /// Companies.
    Company,
    /// Contacts.
    Contact,
    /// Configuration items.
    ConfigurationItem,
    /// Tickets, those of Taskfire among them.
    Ticket,
    /// Notes on tickets.
    TicketNote,
}

impl WebhookKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Company, Self::Contact, Self::ConfigurationItem, Self::Ticket, Self::TicketNote];

    /// The entity of its webhooks, e.g. `CompanyWebhooks`.
    pub const fn entity(self) -> &'static str {
        match self {
            Self::Company => "CompanyWebhooks",
            Self::Contact => "ContactWebhooks",
            Self::ConfigurationItem => "ConfigurationItemWebhooks",
            Self::Ticket => "TicketWebhooks",
            Self::TicketNote => "TicketNoteWebhooks",
        }
    }

    /// The entity of their fields, for queries and metadata, e.g. `CompanyWebhookFields`.
    pub const fn fields_entity(self) -> &'static str {
        match self {
            Self::Company => "CompanyWebhookFields",
            Self::Contact => "ContactWebhookFields",
            Self::ConfigurationItem => "ConfigurationItemWebhookFields",
            Self::Ticket => "TicketWebhookFields",
            Self::TicketNote => "TicketNoteWebhookFields",
        }
    }

    /// The entity of their user-defined fields, where there is one.
    pub const fn udf_fields_entity(self) -> Option<&'static str> {
        match self {
            Self::Company => Some("CompanyWebhookUdfFields"),
            Self::Contact => Some("ContactWebhookUdfFields"),
            Self::ConfigurationItem => Some("ConfigurationItemWebhookUdfFields"),
            Self::Ticket => Some("TicketWebhookUdfFields"),
            Self::TicketNote => None,
        }
    }

    /// The entity of the resources whose changes they do not report.
    pub const fn excluded_resources_entity(self) -> &'static str {
        match self {
            Self::Company => "CompanyWebhookExcludedResources",
            Self::Contact => "ContactWebhookExcludedResources",
            Self::ConfigurationItem => "ConfigurationItemWebhookExcludedResources",
            Self::Ticket => "TicketWebhookExcludedResources",
            Self::TicketNote => "TicketNoteWebhookExcludedResources",
        }
    }

    /// The entity that they watch, e.g. `Companies`.
    pub const fn watched(self) -> &'static str {
        match self {
            Self::Company => "Companies",
            Self::Contact => "Contacts",
            Self::ConfigurationItem => "ConfigurationItems",
            Self::Ticket => "Tickets",
            Self::TicketNote => "TicketNotes",
        }
    }

    /// `EntityType` of their callouts: the names of the older API.
    pub const fn entity_type(self) -> &'static str {
        match self {
            Self::Company => "Account",
            Self::Contact => "Contact",
            Self::ConfigurationItem => "InstalledProduct",
            Self::Ticket => "Ticket",
            Self::TicketNote => "TicketNote",
        }
    }

    /// The kind that a callout's `EntityType` names, by its older or its newer name, in any case.
    pub fn of_entity_type(name: &str) -> Option<Self> {
        let newer = |kind: Self| match kind {
            Self::Company => "Company",
            Self::ConfigurationItem => "ConfigurationItem",
            Self::Contact | Self::Ticket | Self::TicketNote => kind.entity_type(),
        };
        let named = |kind: &Self| [kind.entity_type(), newer(*kind)].iter().any(|own| own.eq_ignore_ascii_case(name));
        Self::ALL.into_iter().find(named)
    }
}

/// The key that a webhook's callouts are signed with. It does not print, and serialises only in the
/// body that creates or changes the webhook; Autotask never tells it again.
#[derive(Clone)]
pub struct WebhookKey(SecretString);

impl WebhookKey {
    /// A key of 1 to [`WEBHOOK_KEY_MAX`] characters.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] if it is empty or longer.
    pub fn new(key: SecretString) -> Result<Self> {
        match key.expose_secret().chars().count() {
            1..=WEBHOOK_KEY_MAX => Ok(Self(key)),
            _ => Err(Error::out_of_bounds(format!("a webhook's key has 1 to {WEBHOOK_KEY_MAX} characters"))),
        }
    }

    pub(crate) const fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl std::fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookKey([redacted])")
    }
}

fn exposed<S: Serializer>(key: &WebhookKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.0.expose_secret())
}

fn exposed_if_set<S: Serializer>(key: &Option<WebhookKey>, serializer: S) -> Result<S::Ok, S::Error> {
    match key {
        Some(key) => exposed(key, serializer),
        None => serializer.serialize_none(),
    }
}

row! {
    /// A webhook of any [`WebhookKind`]. Its key is never read.
    Webhook, read Self::FIELDS;
    /// Name.
    name "name" String,
    /// Whether it calls out. Autotask switches it off itself after 25 events in a row that nobody took.
    is_active "isActive" bool,
    /// Whether Autotask is done with setting it up; never, without a field that it is subscribed to.
    is_ready "isReady" bool,
    /// Its own identity, `Guid` of its callouts.
    webhook_guid "webhookGUID" String,
    /// Where it calls.
    webhook_url "webhookUrl" String,
    /// Where it calls, unsigned, when it is switched off or deleted.
    deactivation_url "deactivationUrl" String,
    /// Whether it reports new rows.
    is_subscribed_to_create_events "isSubscribedToCreateEvents" bool,
    /// Whether it reports changed rows.
    is_subscribed_to_update_events "isSubscribedToUpdateEvents" bool,
    /// Whether it reports deleted rows.
    is_subscribed_to_delete_events "isSubscribedToDeleteEvents" bool,
    /// Whether Autotask writes a mail when callouts are delayed.
    send_threshold_exceeded_notification "sendThresholdExceededNotification" bool,
    /// To whom.
    notification_email_address "notificationEmailAddress" String,
    /// Who made it, a resource. With that user it is switched off.
    owner_resource_id "ownerResourceID" i64,
}

row! {
    /// A built-in field of a webhook.
    WebhookField, read Self::FIELDS;
    /// The webhook.
    webhook_id "webhookID" Id<Webhook>,
    /// The field, by its number: [`Webhooks::field_ids`](crate::Webhooks::field_ids).
    field_id "fieldID" i64,
    /// Whether a change of it is reported.
    is_subscribed_field "isSubscribedField" bool,
    /// Whether every callout tells it.
    is_display_always_field "isDisplayAlwaysField" bool,
}

row! {
    /// A user-defined field of a webhook.
    WebhookUdfField, read Self::FIELDS;
    /// The webhook.
    webhook_id "webhookID" Id<Webhook>,
    /// The field, by its number: [`Webhooks::udf_field_ids`](crate::Webhooks::udf_field_ids).
    udf_field_id "udfFieldID" i64,
    /// Whether a change of it is reported.
    is_subscribed_field "isSubscribedField" bool,
    /// Whether every callout tells it.
    is_display_always_field "isDisplayAlwaysField" bool,
}

row! {
    /// A resource whose changes a webhook does not report: the one that the bundle itself writes as.
    WebhookExcludedResource, read Self::FIELDS;
    /// The webhook.
    webhook_id "webhookID" Id<Webhook>,
    /// The resource.
    resource_id "resourceID" i64,
}

/// A new webhook.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewWebhook {
    /// Name, at most [`WEBHOOK_NAME_MAX`] characters.
    pub name: String,
    /// Where it calls, at most [`WEBHOOK_URL_MAX`] characters.
    pub webhook_url: String,
    /// Where it calls, unsigned, when it is switched off or deleted, at most [`WEBHOOK_URL_MAX`] characters.
    pub deactivation_url: String,
    /// What its callouts are signed with.
    #[serde(serialize_with = "exposed")]
    pub secret_key: WebhookKey,
    /// Whether it calls out.
    pub is_active: bool,
    /// Whether it reports new rows.
    pub is_subscribed_to_create_events: bool,
    /// Whether it reports changed rows.
    pub is_subscribed_to_update_events: bool,
    /// Whether it reports deleted rows.
    pub is_subscribed_to_delete_events: bool,
    /// Whether Autotask writes a mail when callouts are delayed. Refused without an address.
    pub send_threshold_exceeded_notification: bool,
    /// To whom, at most 150 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_email_address: Option<String>,
}

impl NewWebhook {
    /// Every field of the body, by its name on the wire; the address is left out unless set.
    pub const FIELDS: &'static [&'static str] = &[
        "name",
        "webhookUrl",
        "deactivationUrl",
        "secretKey",
        "isActive",
        "isSubscribedToCreateEvents",
        "isSubscribedToUpdateEvents",
        "isSubscribedToDeleteEvents",
        "sendThresholdExceededNotification",
        "notificationEmailAddress",
    ];

    /// An active webhook that reports everything and writes no mails.
    pub fn new(
        name: impl Into<String>,
        url: impl Into<String>,
        deactivation: impl Into<String>,
        key: WebhookKey,
    ) -> Self {
        Self {
            name: name.into(),
            webhook_url: url.into(),
            deactivation_url: deactivation.into(),
            secret_key: key,
            is_active: true,
            is_subscribed_to_create_events: true,
            is_subscribed_to_update_events: true,
            is_subscribed_to_delete_events: true,
            send_threshold_exceeded_notification: false,
            notification_email_address: None,
        }
    }
}

/// Changes to a webhook.
#[derive(Debug, Clone, Serialize)]
pub struct WebhookPatch {
    /// The webhook: in the body, never in the path.
    pub id: Id<Webhook>,
    /// Name.
    #[serde(skip_serializing_if = "Field::is_unset")]
    pub name: Field<String>,
    /// Whether it calls out.
    #[serde(rename = "isActive", skip_serializing_if = "Field::is_unset")]
    pub is_active: Field<bool>,
    /// Where it calls.
    #[serde(rename = "webhookUrl", skip_serializing_if = "Field::is_unset")]
    pub webhook_url: Field<String>,
    /// Where it calls when it is switched off or deleted.
    #[serde(rename = "deactivationUrl", skip_serializing_if = "Field::is_unset")]
    pub deactivation_url: Field<String>,
    /// What its callouts are signed with from now on.
    #[serde(rename = "secretKey", serialize_with = "exposed_if_set", skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<WebhookKey>,
    /// Whether it reports new rows.
    #[serde(rename = "isSubscribedToCreateEvents", skip_serializing_if = "Field::is_unset")]
    pub is_subscribed_to_create_events: Field<bool>,
    /// Whether it reports changed rows.
    #[serde(rename = "isSubscribedToUpdateEvents", skip_serializing_if = "Field::is_unset")]
    pub is_subscribed_to_update_events: Field<bool>,
    /// Whether it reports deleted rows.
    #[serde(rename = "isSubscribedToDeleteEvents", skip_serializing_if = "Field::is_unset")]
    pub is_subscribed_to_delete_events: Field<bool>,
    /// Whether Autotask writes a mail when callouts are delayed.
    #[serde(rename = "sendThresholdExceededNotification", skip_serializing_if = "Field::is_unset")]
    pub send_threshold_exceeded_notification: Field<bool>,
    /// To whom.
    #[serde(rename = "notificationEmailAddress", skip_serializing_if = "Field::is_unset")]
    pub notification_email_address: Field<String>,
}

impl WebhookPatch {
    /// A patch that changes nothing yet.
    pub fn new(id: impl Into<Id<Webhook>>) -> Self {
        Self {
            id: id.into(),
            name: Field::Unset,
            is_active: Field::Unset,
            webhook_url: Field::Unset,
            deactivation_url: Field::Unset,
            secret_key: None,
            is_subscribed_to_create_events: Field::Unset,
            is_subscribed_to_update_events: Field::Unset,
            is_subscribed_to_delete_events: Field::Unset,
            send_threshold_exceeded_notification: Field::Unset,
            notification_email_address: Field::Unset,
        }
    }
}

entity! {
    /// An event that nobody took after five attempts. Kept for 30 days; who has handled it deletes it.
    ///
    /// An API user sees those of its own webhooks. The vendor names columns for webhooks of companies and
    /// contacts only: of others, only the payload's `Guid` says whose they are.
    WebhookEventErrorLog at "WebhookEventErrorLogs",
        read Self::FIELDS,
        query true, create false, patch false, delete true;
    /// The webhook, if it is one of companies.
    account_webhook_id "accountWebhookID" Id<Webhook>,
    /// The webhook, if it is one of contacts.
    contact_webhook_id "contactWebhookID" Id<Webhook>,
    /// When it was logged.
    create_date_time "createDateTime" DateValue,
    /// Why it could not be delivered.
    error_message "errorMessage" String,
    /// The callout's body, cut off after 8,000 characters: not always JSON.
    payload "payload" String,
    /// `SequenceNumber` of the callout.
    sequence_number "sequenceNumber" i64,
}
