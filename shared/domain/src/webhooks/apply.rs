//! What an event means: the row it names is read from Autotask as it is now. Its order and its content are hints only.

use super::callout::{Action, WebhookEntity};
use super::changed::{Around, company_changed, contact_changed};
use super::delivery::{Delivery, DeliveryStatus};
use super::rows::{self, Row};
use crate::actor::{Actor, Scope};
use crate::autotask_session::Session;
use crate::connections::Connection;
use crate::ports::Ports;
use crate::problem::Result;
use serde_json::{Value, json};

/// What became of an event.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) status: DeliveryStatus,
    pub(super) words: String,
    /// What the vendor's core is told, where no flow of ours does so already.
    pub(super) event: Option<(String, Value)>,
}

impl Applied {
    pub(super) fn dropped(words: &str) -> Self {
        Self { status: DeliveryStatus::Dropped, words: words.to_owned(), event: None }
    }

    pub(super) fn echo() -> Self {
        Self { status: DeliveryStatus::Echo, words: "Our own API user did it.".to_owned(), event: None }
    }

    fn unchanged(words: &str) -> Self {
        Self { status: DeliveryStatus::Unchanged, words: words.to_owned(), event: None }
    }

    fn changed(things: u32) -> Self {
        let status = if things > 0 { DeliveryStatus::Applied } else { DeliveryStatus::Unchanged };
        Self { status, words: String::new(), event: None }
    }
}

/// Applies an event. Doing it twice is doing it once.
///
/// # Errors
/// A failed call, as the client's; storage's own.
pub(super) async fn apply(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    connection: &Connection,
    session: &Session,
    delivery: &Delivery,
) -> Result<Applied> {
    let around = Around { ports, scope, actor, connection, session };
    Ok(match &delivery.entity {
        WebhookEntity::Companies => Applied::changed(company_changed(&around, delivery.id).await?),
        WebhookEntity::Contacts => {
            Applied::changed(contact_changed(&around, delivery.id, company_hint(delivery)).await?)
        }
        WebhookEntity::ConfigurationItems | WebhookEntity::Tickets | WebhookEntity::TicketNotes => {
            told(&around, delivery).await?
        }
        WebhookEntity::Other(name) => Applied::dropped(&format!("Nothing here is about `{name}`.")),
    })
}

/// The company that a callout names, whatever the case in which it writes its fields.
fn company_hint(delivery: &Delivery) -> Option<i64> {
    let fields = delivery.shown_payload()?;
    let mut named = fields.as_object()?.iter().filter(|(name, _)| name.eq_ignore_ascii_case("companyID"));
    named.next().and_then(|(_, id)| id.as_i64())
}

/// Tells the vendor's core, with the row as it is now: that counts, not what is said to have happened to it.
async fn told(around: &Around<'_>, delivery: &Delivery) -> Result<Applied> {
    let what = match delivery.entity {
        WebhookEntity::ConfigurationItems => "configuration_item",
        WebhookEntity::TicketNotes => "ticket_note",
        _ => "ticket",
    };
    let row = rows::row(&around.session.client, &delivery.entity, delivery.id).await?;
    let (happened, now) = match (row, &delivery.action) {
        (Row::There(row), Action::Create) => ("created", row),
        (Row::There(row), _) => ("updated", row),
        (Row::NotThere, Action::Delete) => ("deleted", Value::Null),
        // Restricted rights show as absence; and where it was deleted since, that has an event of its own.
        (Row::NotThere, _) => return Ok(Applied::unchanged("Autotask does not show it any more.")),
    };
    let data = json!({
        "id": delivery.id,
        "action": delivery.action,
        "at": delivery.at,
        "person_id": delivery.person,
        "now": now,
    });
    Ok(Applied {
        status: DeliveryStatus::Applied,
        words: String::new(),
        event: Some((format!("{what}.{happened}"), data)),
    })
}
