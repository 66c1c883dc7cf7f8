//! Webhooks with what lies below them, and the log of what they could not deliver.
//!
//! Autotask has the same five entities over and over, named after what they watch. The models of 2020 have those of
//! companies and contacts; the others are served by the models of companies.

use super::{ChildDef, EntityDef, PLAIN};

/// One kind of webhooks: the entity that they watch, and their own entities by plural.
#[derive(Debug)]
pub(crate) struct WebhookKind {
    pub(crate) watched: &'static str,
    pub(crate) webhooks: &'static str,
    pub(crate) fields: &'static str,
    pub(crate) udf_fields: Option<&'static str>,
    pub(crate) excluded: &'static str,
    /// `EntityType` of a callout: the name of the older API.
    pub(crate) entity_type: &'static str,
    /// The column of the error log that holds the webhook's id, where one is known.
    pub(crate) log_column: Option<&'static str>,
    /// The number of the first field, and of the first user-defined one. Our own numbers.
    pub(crate) first_field: i64,
    pub(crate) first_udf_field: i64,
}

/// The kinds that there are.
pub(crate) const KINDS: &[WebhookKind] = &[
    WebhookKind {
        watched: "Companies",
        webhooks: "CompanyWebhooks",
        fields: "CompanyWebhookFields",
        udf_fields: Some("CompanyWebhookUdfFields"),
        excluded: "CompanyWebhookExcludedResources",
        entity_type: "Account",
        log_column: Some("accountWebhookID"),
        first_field: 101,
        first_udf_field: 29_682_301,
    },
    WebhookKind {
        watched: "Contacts",
        webhooks: "ContactWebhooks",
        fields: "ContactWebhookFields",
        udf_fields: Some("ContactWebhookUdfFields"),
        excluded: "ContactWebhookExcludedResources",
        entity_type: "Contact",
        log_column: Some("contactWebhookID"),
        first_field: 301,
        first_udf_field: 29_682_401,
    },
    WebhookKind {
        watched: "ConfigurationItems",
        webhooks: "ConfigurationItemWebhooks",
        fields: "ConfigurationItemWebhookFields",
        udf_fields: Some("ConfigurationItemWebhookUdfFields"),
        excluded: "ConfigurationItemWebhookExcludedResources",
        entity_type: "InstalledProduct",
        log_column: None,
        first_field: 501,
        first_udf_field: 29_682_501,
    },
    WebhookKind {
        watched: "Tickets",
        webhooks: "TicketWebhooks",
        fields: "TicketWebhookFields",
        udf_fields: Some("TicketWebhookUdfFields"),
        excluded: "TicketWebhookExcludedResources",
        entity_type: "Ticket",
        log_column: None,
        first_field: 701,
        first_udf_field: 29_682_601,
    },
    WebhookKind {
        watched: "TicketNotes",
        webhooks: "TicketNoteWebhooks",
        fields: "TicketNoteWebhookFields",
        udf_fields: None,
        excluded: "TicketNoteWebhookExcludedResources",
        entity_type: "TicketNote",
        log_column: None,
        first_field: 901,
        first_udf_field: 0,
    },
];

/// The right to create webhooks of any kind, among the permissions.
pub(crate) const RIGHT: &str = "Webhooks";

const fn webhook(name: &'static str, plural: &'static str) -> EntityDef {
    EntityDef {
        name,
        plural,
        model: "CompanyWebhook",
        required: &["name", "webhookUrl", "deactivationUrl", "secretKey", "sendThresholdExceededNotification"],
        lengths: &[
            ("name", 50),
            ("webhookUrl", 500),
            ("deactivationUrl", 500),
            ("secretKey", 64),
            ("notificationEmailAddress", 150),
        ],
        references: &[("ownerResourceID", "Resources")],
        not_queryable: &["secretKey"],
        read_only: &["isReady", "webhookGUID", "ownerResourceID"],
        secret: &["secretKey"],
        internal: &["_sequence", "_failures", "_readyFrom"],
        defaults: &[
            ("isActive", "false"),
            ("isReady", "false"),
            ("isSubscribedToCreateEvents", "false"),
            ("isSubscribedToUpdateEvents", "false"),
            ("isSubscribedToDeleteEvents", "false"),
        ],
        ..PLAIN
    }
}

const fn fields(name: &'static str, plural: &'static str, child: ChildDef) -> EntityDef {
    EntityDef {
        name,
        plural,
        model: "CompanyWebhookField",
        child: Some(child),
        required: &["webhookID", "fieldID", "isSubscribedField", "isDisplayAlwaysField"],
        fixed: &["webhookID", "fieldID"],
        ..PLAIN
    }
}

const fn udf_fields(name: &'static str, plural: &'static str, child: ChildDef) -> EntityDef {
    EntityDef {
        name,
        plural,
        model: "CompanyWebhookUdfField",
        child: Some(child),
        required: &["webhookID", "udfFieldID", "isSubscribedField", "isDisplayAlwaysField"],
        fixed: &["webhookID", "udfFieldID"],
        ..PLAIN
    }
}

const fn excluded(name: &'static str, plural: &'static str, child: ChildDef) -> EntityDef {
    EntityDef {
        name,
        plural,
        model: "CompanyWebhookExcludedResource",
        child: Some(child),
        required: &["webhookID", "resourceID"],
        ..PLAIN
    }
}

const fn below(parent: &'static str, segment: &'static str) -> ChildDef {
    ChildDef { parent, segment, field: "webhookID" }
}

macro_rules! referring {
    ($def:expr, $webhooks:literal) => {
        EntityDef { references: &[("webhookID", $webhooks)], ..$def }
    };
    ($def:expr, $webhooks:literal, resource) => {
        EntityDef { references: &[("webhookID", $webhooks), ("resourceID", "Resources")], ..$def }
    };
}

macro_rules! kind {
    ($webhook:literal, $webhooks:literal, $field:literal, $fields:literal, $excluded:literal, $excludeds:literal) => {
        [
            webhook($webhook, $webhooks),
            referring!(fields($field, $fields, below($webhooks, "Fields")), $webhooks),
            referring!(excluded($excluded, $excludeds, below($webhooks, "ExcludedResources")), $webhooks, resource),
        ]
    };
}

macro_rules! of_udfs {
    ($udf:literal, $udfs:literal, $webhooks:literal) => {
        referring!(udf_fields($udf, $udfs, below($webhooks, "UdfFields")), $webhooks)
    };
}

const COMPANY: [EntityDef; 3] = kind!(
    "CompanyWebhook",
    "CompanyWebhooks",
    "CompanyWebhookField",
    "CompanyWebhookFields",
    "CompanyWebhookExcludedResource",
    "CompanyWebhookExcludedResources"
);
const CONTACT: [EntityDef; 3] = kind!(
    "ContactWebhook",
    "ContactWebhooks",
    "ContactWebhookField",
    "ContactWebhookFields",
    "ContactWebhookExcludedResource",
    "ContactWebhookExcludedResources"
);
const CONFIGURATION_ITEM: [EntityDef; 3] = kind!(
    "ConfigurationItemWebhook",
    "ConfigurationItemWebhooks",
    "ConfigurationItemWebhookField",
    "ConfigurationItemWebhookFields",
    "ConfigurationItemWebhookExcludedResource",
    "ConfigurationItemWebhookExcludedResources"
);
const TICKET: [EntityDef; 3] = kind!(
    "TicketWebhook",
    "TicketWebhooks",
    "TicketWebhookField",
    "TicketWebhookFields",
    "TicketWebhookExcludedResource",
    "TicketWebhookExcludedResources"
);
const TICKET_NOTE: [EntityDef; 3] = kind!(
    "TicketNoteWebhook",
    "TicketNoteWebhooks",
    "TicketNoteWebhookField",
    "TicketNoteWebhookFields",
    "TicketNoteWebhookExcludedResource",
    "TicketNoteWebhookExcludedResources"
);
const OF_UDFS: [EntityDef; 4] = [
    of_udfs!("CompanyWebhookUdfField", "CompanyWebhookUdfFields", "CompanyWebhooks"),
    of_udfs!("ContactWebhookUdfField", "ContactWebhookUdfFields", "ContactWebhooks"),
    of_udfs!("ConfigurationItemWebhookUdfField", "ConfigurationItemWebhookUdfFields", "ConfigurationItemWebhooks"),
    of_udfs!("TicketWebhookUdfField", "TicketWebhookUdfFields", "TicketWebhooks"),
];
const ERROR_LOGS: [EntityDef; 1] = [EntityDef {
    name: "WebhookEventErrorLog",
    plural: "WebhookEventErrorLogs",
    first_id: 3_100,
    lengths: &[("errorMessage", 8_000), ("payload", 8_000)],
    references: &[("accountWebhookID", "CompanyWebhooks"), ("contactWebhookID", "ContactWebhooks")],
    internal: &["_owner"],
    stamped: &["createDateTime"],
    ..PLAIN
}];

pub(super) const ENTITIES: &[&[EntityDef]] =
    &[&COMPANY, &CONTACT, &CONFIGURATION_ITEM, &TICKET, &TICKET_NOTE, &OF_UDFS, &ERROR_LOGS];
