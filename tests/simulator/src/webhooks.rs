//! What follows when rows that have to do with webhooks change, through the API or by hand.

use jiff::SignedDuration;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::callouts;
use crate::cell::Cell;
use crate::schema::{Entity, Role, catalogue};
use crate::state::Tenant;
use crate::table::Row;
use crate::tables::{KINDS, WebhookKind};

/// What a callout reports, and the field of a webhook that asks for it.
pub(crate) const ACTIONS: &[(&str, &str)] = &[
    ("Create", "isSubscribedToCreateEvents"),
    ("Update", "isSubscribedToUpdateEvents"),
    ("Delete", "isSubscribedToDeleteEvents"),
];

/// How long the error log keeps a row.
const LOG_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Whether a field holds `true`.
pub(crate) fn is_set(entity: &Entity, row: &Row, field: &str) -> bool {
    *row.get(entity, field) == Cell::Bool(true)
}

/// The resource whose webhook a row of the error log is about.
pub(crate) fn owner_of_log(entity: &Entity, row: &Row) -> Option<i64> {
    row.get(entity, "_owner").decimal().and_then(|owner| owner.to_i64())
}

/// A row is new or changed.
pub(crate) fn after_put(tenant: &mut Tenant, entity: &Entity, id: i64, before: Option<&Row>) {
    if matches!(entity.role, Role::Plain | Role::Excluded) && entity.def.plural != "Resources" {
        return;
    }
    let Some(row) = tenant.row(entity, id).cloned() else { return };
    match entity.role {
        Role::Watched(kind) => callouts::report(tenant, kind, entity, before, Some(&row)),
        Role::WebhookField(kind) => follow_fields(tenant, kind, &row, entity),
        Role::Webhook(kind) => {
            let was_active = before.is_some_and(|before| is_set(entity, before, "isActive"));
            match (was_active, is_set(entity, &row, "isActive")) {
                (true, false) => callouts::deactivated(tenant, kind, &row),
                (false, true) => callouts::reactivated(tenant, entity, &row),
                (true, true) | (false, false) => {}
            }
        }
        Role::Plain | Role::Excluded if !is_set(entity, &row, "isActive") => owner_left(tenant, id),
        Role::Plain | Role::Excluded => {}
    }
}

/// Webhooks are switched off with the resource who made them.
fn owner_left(tenant: &mut Tenant, resource: i64) {
    for kind in KINDS {
        let webhooks = catalogue().known(kind.webhooks);
        let rows = tenant.db.table(webhooks).rows_by(webhooks.at("ownerResourceID"), resource);
        for mut row in rows.filter(|row| is_set(webhooks, row, "isActive")).cloned().collect::<Vec<_>>() {
            row.set(webhooks, "isActive", Cell::Bool(false));
            tenant.put(webhooks, row);
        }
    }
}

/// A row is gone.
pub(crate) fn after_remove(tenant: &mut Tenant, entity: &Entity, row: &Row) {
    match entity.role {
        Role::Watched(kind) => callouts::report(tenant, kind, entity, Some(row), None),
        Role::WebhookField(kind) => follow_fields(tenant, kind, row, entity),
        Role::Webhook(kind) => {
            callouts::withdrawn(tenant, kind, row);
            for plural in [Some(kind.fields), kind.udf_fields, Some(kind.excluded)].into_iter().flatten() {
                let below = catalogue().known(plural);
                let ids: Vec<i64> = tenant.db.table(below).ids_by(below.at("webhookID"), row.id(entity)).collect();
                for id in ids {
                    tenant.remove(below, id);
                }
            }
        }
        Role::Plain if entity.def.plural == "Resources" => owner_left(tenant, row.id(entity)),
        Role::Plain | Role::Excluded => {}
    }
}

/// A webhook is ready as long as it has a field that it is subscribed to, and Autotask has had time to see that.
fn follow_fields(tenant: &mut Tenant, kind: &WebhookKind, field: &Row, fields: &Entity) {
    let Some(webhook) = field.get(fields, "webhookID").int() else { return };
    let entity = catalogue().known(kind.webhooks);
    let Some(mut row) = tenant.row(entity, webhook).cloned() else { return };
    let subscribed = [Some(kind.fields), kind.udf_fields].into_iter().flatten().any(|plural| {
        let fields = catalogue().known(plural);
        let mut rows = tenant.db.table(fields).rows_by(fields.at("webhookID"), webhook);
        rows.any(|field| is_set(fields, field, "isSubscribedField"))
    });
    let (ready, waits) = (is_set(entity, &row, "isReady"), !row.get(entity, "_readyFrom").is_null());
    let wait = tenant.switches.webhook_ready_seconds;
    match subscribed {
        true if ready || waits => return,
        true if wait == 0 => row.set(entity, "isReady", Cell::Bool(true)),
        true => {
            let from = tenant.now.as_second().saturating_add(i64::try_from(wait).unwrap_or(i64::MAX));
            row.set(entity, "_readyFrom", Cell::Decimal(Decimal::from(from)));
        }
        false => {
            row.set(entity, "isReady", Cell::Bool(false));
            row.set(entity, "_readyFrom", Cell::Null);
        }
    }
    tenant.put(entity, row);
}

/// What the clock brings: webhooks that have become ready, and rows of the error log that have had their time.
pub(crate) fn run_due(tenant: &mut Tenant) {
    for kind in KINDS {
        let entity = catalogue().known(kind.webhooks);
        let due = |row: &&Row| {
            row.get(entity, "_readyFrom").decimal().is_some_and(|from| from <= Decimal::from(tenant.now.as_second()))
        };
        let ready: Vec<Row> = tenant.db.table(entity).rows.values().filter(due).cloned().collect();
        for mut row in ready {
            row.set(entity, "isReady", Cell::Bool(true));
            row.set(entity, "_readyFrom", Cell::Null);
            tenant.put(entity, row);
        }
    }
    let logs = catalogue().known("WebhookEventErrorLogs");
    let Ok(oldest) = tenant.now.checked_sub(LOG_KEPT) else { return };
    let old =
        |row: &&Row| matches!(row.get(logs, "createDateTime"), Cell::Instant(at) if *at < oldest.as_millisecond());
    let gone: Vec<i64> = tenant.db.table(logs).rows.values().filter(old).map(|row| row.id(logs)).collect();
    for id in gone {
        tenant.remove(logs, id);
    }
}
