//! From changes of rows to callouts.

use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value, json};

use super::body::object;
use super::outcome::log_failure;
use super::{Callout, CalloutOutcome, DEACTIVATED};
use crate::cell::{Cell, show_instant};
use crate::persist::Record;
use crate::schema::{Entity, catalogue};
use crate::state::Tenant;
use crate::switches::DeactivatedQueue;
use crate::table::Row;
use crate::tables::WebhookKind;
use crate::webhooks::{ACTIONS, is_set};

/// What a webhook tells of the fields of a row.
#[derive(Debug, Default)]
struct Wanted {
    /// Indices of fields and names of user-defined ones, with whether a change is reported and whether they are always
    /// told.
    fields: Vec<(usize, bool, bool)>,
    udfs: Vec<(String, bool, bool)>,
}

/// A row of what webhooks of a kind watch is new (`before` is none), changed, or gone (`after` is none).
pub(crate) fn report(
    tenant: &mut Tenant,
    kind: &WebhookKind,
    entity: &Entity,
    before: Option<&Row>,
    after: Option<&Row>,
) {
    let webhooks = catalogue().known(kind.webhooks);
    if tenant.db.table(webhooks).rows.is_empty() {
        return;
    }
    let (row, action) = match (before, after) {
        (None, Some(row)) => (row, 0),
        (Some(_), Some(row)) => (row, 1),
        (Some(row), None) => (row, 2),
        (None, None) => return,
    };
    let hears = |webhook: &&Row| hears(tenant, kind, webhooks, webhook, ACTIONS[action].1);
    let listening: Vec<Row> = tenant.db.table(webhooks).rows.values().filter(hears).cloned().collect();
    for webhook in listening {
        let wanted = Wanted::read(tenant, kind, entity, webhook.id(webhooks));
        let told = match (before, after) {
            (Some(before), Some(after)) => match wanted.changed(before, after) {
                Some(told) => wanted.show(entity, after, |_, changed| changed, &told),
                None => continue,
            },
            (None, Some(row)) => wanted.show(entity, row, |subscribed, _| subscribed, &Told::default()),
            _ => wanted.show(entity, row, |_, _| false, &Told::default()),
        };
        raise(tenant, kind, webhooks, webhook, (ACTIONS[action].0, row.id(entity), told));
    }
}

/// Active and ready, asks for such events, belongs to somebody who may see the entity, and does not leave out who did it.
fn hears(tenant: &Tenant, kind: &WebhookKind, webhooks: &Entity, webhook: &Row, wants: &str) -> bool {
    let meta = &tenant.db.meta;
    let is_api_users = webhook.get(webhooks, "ownerResourceID").int() == Some(meta.resource_id);
    let may_see = !is_api_users || meta.permissions.access(kind.watched).view.granted();
    let excluded = catalogue().known(kind.excluded);
    let mut left_out = tenant.db.table(excluded).rows_by(excluded.at("webhookID"), webhook.id(webhooks));
    ["isActive", "isReady", wants].iter().all(|field| is_set(webhooks, webhook, field))
        && may_see
        && !left_out.any(|row| row.get(excluded, "resourceID").int() == Some(tenant.actor))
}

/// The fields that a change is about, by place.
#[derive(Debug, Default)]
struct Told {
    fields: Vec<usize>,
    udfs: Vec<String>,
}

impl Wanted {
    fn read(tenant: &Tenant, kind: &WebhookKind, entity: &Entity, webhook: i64) -> Self {
        let mut wanted = Self::default();
        for (plural, number) in [(Some(kind.fields), "fieldID"), (kind.udf_fields, "udfFieldID")] {
            let Some(plural) = plural else { continue };
            let fields = catalogue().known(plural);
            let picks = fields.fields[fields.at(number)].picklist.unwrap_or_default();
            for row in tenant.db.table(fields).rows_by(fields.at("webhookID"), webhook) {
                let held = row.get(fields, number).int();
                let Some((_, _, name)) = picks.iter().find(|(value, ..)| Some(*value) == held) else { continue };
                let used = (is_set(fields, row, "isSubscribedField"), is_set(fields, row, "isDisplayAlwaysField"));
                match number {
                    "fieldID" => wanted.fields.push((entity.at(name), used.0, used.1)),
                    _ => wanted.udfs.push(((*name).to_owned(), used.0, used.1)),
                }
            }
        }
        wanted
    }

    /// The subscribed fields that differ; none if no such field does.
    fn changed(&self, before: &Row, after: &Row) -> Option<Told> {
        let udf =
            |row: &Row, name: &str| row.udfs.iter().find(|(held, _)| held == name).map(|(_, value)| value.clone());
        let differ = |(at, subscribed, _): &(usize, bool, bool)| {
            (*subscribed && before.cells[*at] != after.cells[*at]).then_some(*at)
        };
        let udfs_differ = |(name, subscribed, _): &(String, bool, bool)| {
            (*subscribed && udf(before, name) != udf(after, name)).then(|| name.clone())
        };
        let told = Told {
            fields: self.fields.iter().filter_map(differ).collect(),
            udfs: self.udfs.iter().filter_map(udfs_differ).collect(),
        };
        (!told.fields.is_empty() || !told.udfs.is_empty()).then_some(told)
    }

    /// `Fields`: what is always told, and what `also` says of (subscribed, changed).
    fn show(&self, entity: &Entity, row: &Row, also: impl Fn(bool, bool) -> bool, told: &Told) -> Value {
        let mut shown = Map::new();
        for (at, subscribed, always) in &self.fields {
            if *always || also(*subscribed, told.fields.contains(at)) {
                shown.insert(older_name(&entity.fields[*at].name), row.cells[*at].to_json(&TimeZone::UTC));
            }
        }
        for (name, subscribed, always) in &self.udfs {
            if *always || also(*subscribed, told.udfs.contains(name)) {
                let value = row.udfs.iter().find(|(held, _)| held == name).map(|(_, value)| value.clone());
                shown.insert(name.clone(), value.unwrap_or(Value::Null));
            }
        }
        Value::Object(shown)
    }
}

/// The older API, whose names callouts carry, began fields with a capital.
fn older_name(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

fn text(entity: &Entity, row: &Row, field: &str) -> String {
    match row.get(entity, field) {
        Cell::Text(text) => text.to_string(),
        _ => String::new(),
    }
}

fn raise(
    tenant: &mut Tenant,
    kind: &WebhookKind,
    webhooks: &Entity,
    mut webhook: Row,
    (action, id, fields): (&str, i64, Value),
) {
    let sequence = number(webhooks, &webhook, "_sequence") + 1;
    webhook.set(webhooks, "_sequence", Cell::Decimal(Decimal::from(sequence)));
    let body = object([
        ("Action", json!(action)),
        ("Guid", json!(text(webhooks, &webhook, "webhookGUID"))),
        ("EntityType", json!(kind.entity_type)),
        ("Id", json!(id)),
        ("Fields", fields),
        ("EventTime", json!(show_instant(tenant.now.as_second().saturating_mul(1_000)))),
        ("SequenceNumber", json!(sequence)),
        ("PersonID", json!(tenant.actor)),
    ]);
    let webhook_id = tenant.put(webhooks, webhook);
    add(tenant, kind, webhook_id, Draft { action, sequence_number: Some(sequence), body, url: None });
}

struct Draft<'d> {
    action: &'d str,
    sequence_number: Option<i64>,
    body: String,
    url: Option<String>,
}

fn add(tenant: &mut Tenant, kind: &WebhookKind, webhook_id: i64, draft: Draft) {
    let callout = Callout {
        number: tenant.callouts.next(),
        ci: tenant.ci(),
        webhooks: kind.webhooks.to_owned(),
        webhook_id,
        action: draft.action.to_owned(),
        sequence_number: draft.sequence_number,
        body: draft.body,
        raised_at: tenant.now,
        due: tenant.now,
        attempts: 0,
        url: draft.url,
        signature: None,
        replay_of: None,
        outcome: CalloutOutcome::Pending { last_error: None },
    };
    keep(tenant, callout);
}

/// Keeps a callout, on disk as well.
pub(super) fn keep(tenant: &mut Tenant, callout: Callout) {
    tenant.journal.record(|| Record::Callout(Box::new(callout.clone())));
    tenant.callouts.keep(callout);
}

/// A counter of a webhook.
pub(super) fn number(webhooks: &Entity, webhook: &Row, field: &str) -> i64 {
    webhook.get(webhooks, field).decimal().and_then(|number| number.to_i64()).unwrap_or(0)
}

/// A webhook was switched off, by somebody or by its failures: what waits does not go out any more, and its
/// deactivation URL is told, once and unsigned.
pub(crate) fn deactivated(tenant: &mut Tenant, kind: &WebhookKind, webhook: &Row) {
    let webhooks = catalogue().known(kind.webhooks);
    let id = webhook.id(webhooks);
    let at = tenant.now;
    for mut callout in tenant.callouts.pending_of(tenant.ci(), kind.webhooks, id) {
        if callout.action == DEACTIVATED || callout.replay_of.is_some() {
            continue;
        }
        callout.outcome = match tenant.switches.deactivated_queue {
            DeactivatedQueue::Logged => {
                log_failure(tenant, kind, webhook, &callout, "The webhook was deactivated.");
                CalloutOutcome::Failed { at, why: "The webhook was deactivated.".to_owned() }
            }
            DeactivatedQueue::Lost => CalloutOutcome::Lost { at },
        };
        keep(tenant, callout);
    }
    say_deactivated(tenant, kind, webhook);
}

/// A webhook is deleted: what waits is lost with it.
pub(crate) fn withdrawn(tenant: &mut Tenant, kind: &WebhookKind, webhook: &Row) {
    let webhooks = catalogue().known(kind.webhooks);
    let at = tenant.now;
    for mut callout in tenant.callouts.pending_of(tenant.ci(), kind.webhooks, webhook.id(webhooks)) {
        if callout.action != DEACTIVATED {
            callout.outcome = CalloutOutcome::Lost { at };
            keep(tenant, callout);
        }
    }
    if is_set(webhooks, webhook, "isActive") {
        say_deactivated(tenant, kind, webhook);
    }
}

fn say_deactivated(tenant: &mut Tenant, kind: &WebhookKind, webhook: &Row) {
    let webhooks = catalogue().known(kind.webhooks);
    let body = object([
        ("Action", json!(DEACTIVATED)),
        ("Guid", json!(text(webhooks, webhook, "webhookGUID"))),
        ("Id", json!(webhook.id(webhooks))),
        ("EventTime", json!(show_instant(tenant.now.as_second().saturating_mul(1_000)))),
    ]);
    let url = Some(text(webhooks, webhook, "deactivationUrl"));
    add(tenant, kind, webhook.id(webhooks), Draft { action: DEACTIVATED, sequence_number: None, body, url });
}

/// A webhook was switched on again: its failures are counted anew.
pub(crate) fn reactivated(tenant: &mut Tenant, webhooks: &Entity, webhook: &Row) {
    if number(webhooks, webhook, "_failures") > 0 {
        let mut row = webhook.clone();
        row.set(webhooks, "_failures", Cell::Null);
        tenant.put(webhooks, row);
    }
}
