//! What an attempt leads to: done, once more, or the error log.

use jiff::SignedDuration;
use rust_decimal::Decimal;

use super::events::{keep, number};
use super::{CALLOUT_ATTEMPTS, CALLOUT_FAILURES_MAX, CALLOUT_RETRY_SECONDS, Callout, CalloutOutcome, DEACTIVATED};
use crate::cell::Cell;
use crate::schema::catalogue;
use crate::state::Tenant;
use crate::table::Row;
use crate::tables::{KINDS, WebhookKind};
use crate::write::stamp;

/// Most characters of an error that the log keeps.
const ERROR_MAX: usize = 8_000;

/// The kind of webhooks of a callout.
pub(super) fn kind_of(callout: &Callout) -> Option<&'static WebhookKind> {
    KINDS.iter().find(|kind| kind.webhooks == callout.webhooks)
}

/// Settles an attempt that was answered with this status, or not at all.
pub(super) fn settle(tenant: &mut Tenant, mut callout: Callout, answer: Result<u16, String>) {
    let at = tenant.now;
    callout.attempts += 1;
    let why = match answer {
        Ok(status @ 200..=299) => {
            callout.outcome = CalloutOutcome::Delivered { at, status };
            if callout.replay_of.is_none() {
                set_failures(tenant, &callout, 0);
            }
            return keep(tenant, callout);
        }
        Ok(status) => format!("The remote server answered with status {status}."),
        Err(why) => why,
    };
    let once = callout.action == DEACTIVATED || callout.replay_of.is_some();
    if !once && callout.attempts < CALLOUT_ATTEMPTS {
        callout.due = at.checked_add(SignedDuration::from_secs(CALLOUT_RETRY_SECONDS)).unwrap_or(at);
        callout.outcome = CalloutOutcome::Pending { last_error: Some(why) };
        return keep(tenant, callout);
    }
    callout.outcome = CalloutOutcome::Failed { at, why: why.clone() };
    keep(tenant, callout.clone());
    if !once {
        give_up(tenant, &callout, &why);
    }
}

/// The event goes to the error log, and counts against its webhook.
fn give_up(tenant: &mut Tenant, callout: &Callout, why: &str) {
    let Some(kind) = kind_of(callout) else { return };
    let webhooks = catalogue().known(kind.webhooks);
    let Some(webhook) = tenant.row(webhooks, callout.webhook_id).cloned() else { return };
    log_failure(tenant, kind, &webhook, callout, why);
    set_failures(tenant, callout, number(webhooks, &webhook, "_failures") + 1);
}

/// Counts events in a row that nobody took; with the last one that Autotask bears, the webhook is switched off.
fn set_failures(tenant: &mut Tenant, callout: &Callout, failures: i64) {
    let Some(kind) = kind_of(callout) else { return };
    let webhooks = catalogue().known(kind.webhooks);
    let Some(mut webhook) = tenant.row(webhooks, callout.webhook_id).cloned() else { return };
    if number(webhooks, &webhook, "_failures") == failures {
        return;
    }
    webhook.set(webhooks, "_failures", Cell::Decimal(Decimal::from(failures)));
    if failures >= CALLOUT_FAILURES_MAX {
        webhook.set(webhooks, "isActive", Cell::Bool(false));
    }
    tenant.put(webhooks, webhook);
}

/// Writes an event that nobody took into the error log.
pub(super) fn log_failure(tenant: &mut Tenant, kind: &WebhookKind, webhook: &Row, callout: &Callout, why: &str) {
    let (logs, webhooks) = (catalogue().known("WebhookEventErrorLogs"), catalogue().known(kind.webhooks));
    let mut row = Row::empty(logs);
    if let Some(column) = kind.log_column {
        row.set(logs, column, Cell::Int(callout.webhook_id));
    }
    let payload: String = callout.body.chars().take(tenant.switches.logged_payload_max).collect();
    row.set(logs, "payload", Cell::text(&payload));
    row.set(logs, "errorMessage", Cell::text(&why.chars().take(ERROR_MAX).collect::<String>()));
    row.set(logs, "sequenceNumber", callout.sequence_number.map_or(Cell::Null, Cell::Int));
    let owner = webhook.get(webhooks, "ownerResourceID").int().unwrap_or_default();
    row.set(logs, "_owner", Cell::Decimal(Decimal::from(owner)));
    stamp(tenant, logs, &mut row, logs.def.stamped);
    tenant.put(logs, row);
}
