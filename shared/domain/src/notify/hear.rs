//! What the bundle's own events mean for people.

use super::preferences::{EventKind, notifications_of};
use super::state::{Notice, NotifyState, armed, load_state};
use crate::actor::Scope;
use crate::connections::{Connection, ConnectionStatus};
use crate::decoding::from_value;
use crate::ids::{ConnectionId, PartnerId, RunId};
use crate::mappings::told::OF_RUNS;
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Expect, Key, Write, load};
use crate::runs::{RunKind, Totals, Trigger};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// The kinds of our own events that are heard; the bus sends no others.
pub const HEARS: &[&str] = &[
    "billing.run_planned",
    "billing.run_completed",
    "billing.run_partial",
    "billing.run_failed",
    "billing.run_held",
    "connection.connected",
    "connection.needs_relink",
    "connection.disconnected",
    "payment.writeback_failed",
    "webhook.disabled",
];
/// Of `issue.opened` only these codes are, each as this kind: what people must do something about, and what failed, as
/// far as no event of its own tells it. A failure that goes on opens no issue again, so it is told once.
pub const HEARS_ISSUES: &[(Code, EventKind)] = &[
    (Code::PermissionMissing, EventKind::PermissionsLost),
    (Code::ContractEnding, EventKind::Renewal),
    (Code::ContractEnded, EventKind::Renewal),
    (Code::ContractRenewed, EventKind::Renewal),
    (Code::FetchFailed, EventKind::FetchFailed),
    (Code::RunMissed, EventKind::RunFailed),
    (Code::RunFailed, EventKind::RunFailed),
    (Code::RunPartial, EventKind::RunFailed),
    (Code::PaymentConflict, EventKind::PaymentFailed),
    (Code::PaymentNameReused, EventKind::PaymentFailed),
];
/// The kind of event that an issue opens with.
pub const ISSUE_OPENED: &str = "issue.opened";
/// How often a state is written anew over somebody else's change. A first of the month has a handful of events of one
/// connection at once.
pub(super) const TRIES: u32 = 8;

/// Our own envelope.
#[derive(Debug, Deserialize)]
struct Envelope {
    id: String,
    occurred_at: Timestamp,
    partner_id: PartnerId,
    #[serde(default)]
    connection_id: Option<ConnectionId>,
    #[serde(default)]
    data: Value,
}

/// What a run's event says of it.
#[derive(Debug, Deserialize)]
struct RunData {
    run_id: RunId,
    kind: RunKind,
    trigger: Trigger,
    totals: Totals,
}

/// Hears one of our own events: puts what it means for people into the connection's state, and mails it if it may go
/// out now. Heard twice, it is told once. What nobody is to be told is not kept.
///
/// # Errors
/// Records, so that the event is delivered again. Not the mail service: what it does not take stays in the state.
pub async fn hear(ports: &Ports, scope: &Scope, detail_type: &str, detail: Value) -> Result<()> {
    let is_heard = HEARS.contains(&detail_type) || detail_type == ISSUE_OPENED;
    let Some(envelope) = is_heard.then(|| from_value::<Envelope>(detail)).transpose().unwrap_or_else(|malformed| {
        tracing::error!(event.kind = detail_type, error = %malformed.detail, "an event of ours is malformed");
        None
    }) else {
        return Ok(());
    };
    let partner = envelope.partner_id.clone();
    let (Some(id), Some(scope)) = (envelope.connection_id.clone(), scope.narrow(&partner)) else { return Ok(()) };
    let key = Key::Connection(partner.clone(), id.clone());
    let Some(connection) = load::<Connection>(&*ports.storage, &scope, &key).await? else { return Ok(()) };
    let notice = notice_of(detail_type, &envelope, &connection.value);
    if let Some(notice) = notice
        && wanted(ports, &scope, &connection.value, notice.kind).await?
    {
        note(ports, &scope, &connection.value, Some(notice)).await?;
        super::send::flush(ports, &scope, &partner, &id).await?;
    } else if detail_type.starts_with("connection.") {
        note(ports, &scope, &connection.value, None).await?;
    }
    Ok(())
}

/// Whether anybody is told of this by mail.
async fn wanted(ports: &Ports, scope: &Scope, connection: &Connection, kind: EventKind) -> Result<bool> {
    if ports.mail.sender().is_none() {
        return Ok(false);
    }
    let notifications = notifications_of(ports, scope, &connection.partner, &connection.id).await?;
    Ok(notifications.wants(kind) && !notifications.recipients(connection).is_empty())
}

/// Writes a notice into the state, and where the connection stands: from when on people are reminded of it.
async fn note(ports: &Ports, scope: &Scope, connection: &Connection, notice: Option<Notice>) -> Result<()> {
    let (partner, id, now) = (&connection.partner, &connection.id, ports.clock.now());
    for _ in 0..TRIES {
        let found = load_state(ports, scope, partner, id).await?;
        let mut state = match &found {
            Some(found) => found.value.clone(),
            None => armed(ports, scope, partner, id).await?,
        };
        if connection.status == ConnectionStatus::Connected {
            state.works_again();
        }
        if let Some(notice) = &notice
            && state.take(notice.clone(), now)
            && notice.kind == EventKind::Disconnected
        {
            (state.down_told_at, state.reminders) = (Some(now), 0);
        }
        if state.daily_at.is_none() {
            state.daily_at = super::state::next_morning(ports, scope, partner, id).await?;
        }
        if found.as_ref().is_some_and(|found| found.value == state) {
            return Ok(());
        }
        match store(ports, scope, &state, found.as_ref().map(|found| found.v)).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            other => return other,
        }
    }
    Err(StorageError::Conflict { at: 0, current: None }.into())
}

/// Writes a state over the version that was read.
pub(super) async fn store(ports: &Ports, scope: &Scope, state: &NotifyState, v: Option<u64>) -> Result<()> {
    let write = Write::put(state, v.map_or(Expect::Absent, Expect::Version))?;
    Ok(ports.storage.write(scope, vec![write]).await?)
}

/// What an event tells people; none where it tells them nothing.
fn notice_of(detail_type: &str, event: &Envelope, connection: &Connection) -> Option<Notice> {
    let text = |name: &str| event.data[name].as_str().unwrap_or_default();
    let notice = |kind, words: &str| Notice::new(event.id.as_str(), kind, event.occurred_at, words);
    match detail_type {
        "connection.needs_relink" => {
            let since = connection.needs_relink_since.filter(|_| connection.status == ConnectionStatus::NeedsRelink)?;
            let words = "Autotask refuses the credentials of this connection. Everything is paused, mappings are kept: \
                         enter new credentials.";
            // Resuming a paused connection tells it again; people were told already.
            Some(Notice { key: format!("down/{since}"), ..notice(EventKind::Disconnected, words) })
        }
        "connection.disconnected" => {
            let words = "The connection to Autotask was ended. Nothing is billed through it any more.";
            (connection.status == ConnectionStatus::Disconnected).then(|| notice(EventKind::Disconnected, words))
        }
        "webhook.disabled" => {
            let entity = ["entity", "kind", "name"].map(text).into_iter().find(|name| !name.is_empty());
            let of = entity.map(|name| format!(" for {name}")).unwrap_or_default();
            let words = format!(
                "Autotask switched the webhook{of} off, after too many calls that failed. Changes are looked for hourly \
                 until it works again; it is switched on again by itself."
            );
            Some(notice(EventKind::WebhookDisabled, &words))
        }
        "payment.writeback_failed" => {
            let invoice = event.data["autotask_invoice_id"].as_i64().or(event.data["invoice_id"].as_i64());
            let of = invoice.map(|id| format!(" of invoice {id}")).unwrap_or_default();
            let words = format!("The paid date{of} cannot be written into Autotask. {}", text("detail"));
            Some(notice(EventKind::PaymentFailed, &words))
        }
        ISSUE_OPENED => {
            let (code, kind) = HEARS_ISSUES.iter().find(|(code, _)| code.as_str() == text("code"))?;
            // A run of lines has told it by an event of its own.
            let is_told = matches!(code, Code::RunFailed | Code::RunPartial) && !text("subject").starts_with(OF_RUNS);
            if is_told {
                return None;
            }
            let words = format!("{}: {} {} {}", text("subject"), code.title(), text("detail"), code.action());
            Some(notice(*kind, &words))
        }
        run if run.starts_with("billing.run_") => run_notice(run, event),
        _ => None,
    }
}

/// A run's notice. All that is told of one run is one notice, whichever of its events comes first.
fn run_notice(detail_type: &str, event: &Envelope) -> Option<Notice> {
    let data: RunData = from_value(event.data.clone()).ok()?;
    let totals = data.totals;
    let kind = match detail_type {
        "billing.run_completed" => EventKind::RunFinished,
        "billing.run_failed" => EventKind::RunFailed,
        // Partial is also what only waits for a person.
        "billing.run_partial" if totals.failed == 0 && totals.unverified == 0 && totals.held > 0 => EventKind::Held,
        "billing.run_partial" => EventKind::RunFailed,
        "billing.run_held" => EventKind::Held,
        // A preview that a person asked for waits for that person, who knows.
        "billing.run_planned" if data.trigger == Trigger::Manual => return None,
        "billing.run_planned" => EventKind::Held,
        _ => return None,
    };
    let part = if detail_type == "billing.run_planned" { "/plan" } else { "" };
    let words = format!("The run {} of kind {}.", data.run_id, data.kind.as_str());
    let notice = Notice::new(format!("run/{}{part}", data.run_id), kind, event.occurred_at, &words);
    Some(Notice { run: Some(data.run_id), ..notice })
}
