//! What is shown of webhooks and deliveries.

use domain::Code;
use domain::webhooks::{
    Delivery, DeliverySource, DeliveryStatus, RejectedRow, RowStatus, Table, TableRow, WebhookProblem, Webhooks,
    WebhooksState,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemView {
    /// Which: `webhook_permission_missing`, `webhook_limit_reached`, `webhook_duplicate`, `webhook_not_ready`, …
    #[schema(value_type = String)]
    code: Code,
    /// In words, Autotask's own included.
    words: String,
    /// What to do.
    action: &'static str,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
}

impl From<&WebhookProblem> for ProblemView {
    fn from(of: &WebhookProblem) -> Self {
        Self { code: of.code, words: of.words.clone(), action: of.code.action(), since: Some(of.since) }
    }
}

/// Where a connection's webhooks stand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhooksView {
    /// `absent`, `installing`, `installed`, `uninstalling` or `failed`.
    #[schema(value_type = String)]
    state: WebhooksState,
    /// About what they are wanted.
    entities: Vec<String>,
    /// Which generation of keys they have, or get.
    generation: u32,
    /// What is wrong with all of them.
    problem: Option<ProblemView>,
    /// When all this was last looked at in Autotask.
    #[schema(value_type = Option<String>, format = DateTime)]
    looked_at: Option<Timestamp>,
    /// Whether changes are being read again because events were lost.
    catching_up: bool,
}

impl From<&Webhooks> for WebhooksView {
    fn from(of: &Webhooks) -> Self {
        Self {
            state: of.state,
            entities: of.wanted.iter().map(ToString::to_string).collect(),
            generation: of.generation,
            problem: of.problem.as_ref().map(ProblemView::from),
            looked_at: of.looked_at,
            catching_up: of.poll.is_some(),
        }
    }
}

/// One webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookView {
    /// Its name in this API; null while it is not there.
    id: Option<String>,
    /// What Autotask calls it.
    name: String,
    /// Where it calls, without its token.
    url: Option<String>,
    /// `companies`, `contacts`, `configuration_items`, `tickets` or `ticket_notes`.
    entity: String,
    /// `active`, `inactive`, `not_ready`, `missing`, or `orphan`: it points here and is nobody's.
    #[schema(value_type = String)]
    status: RowStatus,
    /// When its last event came.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_event_at: Option<Timestamp>,
    /// How many events of the last 24 hours have failed here and were not worked off since.
    errors_24h: u32,
    problem: Option<ProblemView>,
    /// Fields that it should have and that Autotask does not know or take.
    skipped_fields: Vec<String>,
}

impl From<&TableRow> for WebhookView {
    fn from(of: &TableRow) -> Self {
        Self {
            id: of.id.as_ref().map(ToString::to_string),
            name: of.name.clone(),
            url: of.url.clone(),
            entity: of.entity.to_string(),
            status: of.status,
            last_event_at: of.last_event_at,
            errors_24h: of.errors_24h,
            problem: of.problem.as_ref().map(ProblemView::from),
            skipped_fields: of.skipped.clone(),
        }
    }
}

/// A connection's webhooks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TableView {
    #[serde(flatten)]
    webhooks: WebhooksView,
    /// Ours first, then those of nobody.
    items: Vec<WebhookView>,
    /// Why this is what was seen last, and not what Autotask has now; null where it is.
    stale: Option<ProblemView>,
}

impl From<&Table> for TableView {
    fn from(of: &Table) -> Self {
        let stale = of.stale.as_ref().map(|(code, words)| ProblemView {
            code: *code,
            words: words.clone(),
            action: code.action(),
            since: None,
        });
        Self {
            webhooks: WebhooksView::from(&of.webhooks),
            items: of.rows.iter().map(WebhookView::from).collect(),
            stale,
        }
    }
}

/// A delivery, or a minute of refused callouts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ReportRow {
    /// A delivery.
    Delivery(Box<DeliveryView>),
    /// Refused callouts, only with `status=rejected`.
    Rejected(RejectedView),
}

/// An event of a webhook, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// Its name in this API.
    id: String,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// `webhookGUID`.
    webhook: String,
    entity: String,
    /// `create`, `update` or `delete`; what is done here does not depend on it.
    action: String,
    /// Autotask's number of the event.
    sequence: u64,
    /// Autotask's id of the row.
    autotask_id: i64,
    /// The resource that did it.
    person_id: Option<i64>,
    /// When, as Autotask says.
    #[schema(value_type = Option<String>, format = DateTime)]
    happened_at: Option<Timestamp>,
    /// `valid`, or `unsigned` where it was taken from Autotask's log of lost events.
    signature: &'static str,
    /// Which generation of the key signed it.
    key_generation: Option<u32>,
    /// `callout` or `error_log`.
    #[schema(value_type = String)]
    source: DeliverySource,
    /// `stored`, `applied`, `unchanged`, `echo`, `dropped` or `failed`.
    #[schema(value_type = String)]
    status: DeliveryStatus,
    /// The same in words: the error, or what was done.
    words: String,
    /// How often it came again, and was recognised by its number.
    came_again: u32,
    /// How often work on it began.
    attempts: u32,
    /// When work on it last ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    handled_at: Option<Timestamp>,
    /// From its coming to the end of work on it.
    latency_ms: Option<i64>,
    /// The id that the events have that tell of it, however often it is worked off.
    event_id: String,
    /// The fields that came with it, personal ones masked; null where there were none, or too many to keep.
    #[schema(value_type = Option<Object>)]
    payload: Option<Value>,
}

impl From<&Delivery> for DeliveryView {
    fn from(of: &Delivery) -> Self {
        let signed = of.source == DeliverySource::Callout;
        let taken = |at: Timestamp| i64::try_from(at.duration_since(of.received_at).as_millis()).unwrap_or(i64::MAX);
        Self {
            id: of.name().to_string(),
            received_at: of.received_at,
            webhook: of.guid.clone(),
            entity: of.entity.to_string(),
            action: of.action.as_str().to_owned(),
            sequence: of.sequence,
            autotask_id: of.id,
            person_id: of.person,
            happened_at: of.at,
            signature: if signed { "valid" } else { "unsigned" },
            key_generation: signed.then_some(of.generation),
            source: of.source,
            status: of.status,
            words: of.words.clone(),
            came_again: of.again,
            attempts: of.attempts,
            handled_at: of.handled_at,
            latency_ms: of.handled_at.map(taken),
            event_id: of.event_id.clone(),
            payload: of.shown_payload(),
        }
    }
}

/// Callouts that a receiver refused within a minute.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RejectedView {
    id: String,
    /// `rejected`.
    status: &'static str,
    /// When the first of them came.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// How many, by reason: `signature_invalid`, `unreadable`.
    counts: BTreeMap<String, u64>,
}

impl From<&RejectedRow> for RejectedView {
    fn from(of: &RejectedRow) -> Self {
        Self { id: of.id.clone(), status: "rejected", received_at: of.from, counts: of.counts.clone() }
    }
}

/// A page of the report.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReportPage {
    pub(crate) items: Vec<ReportRow>,
    /// Where the next page begins; null on the last one. A page may be short, or empty, and not the last.
    pub(crate) next_cursor: Option<String>,
}
