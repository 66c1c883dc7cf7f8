//! Tickets, configuration items and ticket notes as the vendor's core is told of them: a handful of fields, by our names.

use super::callout::WebhookEntity;
use crate::problem::{Error, Result};
use autotask::{Client, ConfigurationItem, DateValue, Entity, Filter, Id, Ticket, TicketNote};
use serde_json::{Value, json};

/// A row of a kind that is only told of, as Autotask has it now.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Row {
    /// It is there.
    There(Value),
    /// Autotask does not show it.
    NotThere,
}

/// Reads a row.
///
/// # Errors
/// A failed call.
pub(super) async fn row(client: &Client, entity: &WebhookEntity, id: i64) -> Result<Row> {
    let shown = match entity {
        WebhookEntity::Tickets => one::<Ticket>(client, id).await?.as_ref().map(ticket),
        WebhookEntity::ConfigurationItems => {
            one::<ConfigurationItem>(client, id).await?.as_ref().map(configuration_item)
        }
        WebhookEntity::TicketNotes => one::<TicketNote>(client, id).await?.as_ref().map(ticket_note),
        WebhookEntity::Companies | WebhookEntity::Contacts | WebhookEntity::Other(_) => None,
    };
    Ok(shown.map_or(Row::NotThere, Row::There))
}

async fn one<T: Entity>(client: &Client, id: i64) -> Result<Option<T>> {
    let rows = client.query::<T>().filter(Filter::eq("id", id)).all().await;
    Ok(rows.map_err(|source| Error::Autotask { doing: "reading the row of an event", source })?.into_iter().next())
}

fn number<T>(id: Option<Id<T>>) -> Option<i64> {
    id.map(Id::get)
}

fn instant(at: Option<DateValue>) -> Option<String> {
    at.map(|at| at.instant().to_string())
}

fn ticket(row: &Ticket) -> Value {
    json!({
        "id": row.id.get(),
        "number": row.ticket_number,
        "title": row.title,
        "company_id": number(row.company_id),
        "contact_id": number(row.contact_id),
        "configuration_item_id": number(row.configuration_item_id),
        "contract_id": number(row.contract_id),
        "status": row.status,
        "priority": row.priority,
        "queue_id": row.queue_id,
        "source": row.source,
        "external_id": row.external_id,
        "due_at": instant(row.due_date_time),
        "completed_at": instant(row.completed_date),
        "last_activity_at": instant(row.last_activity_date),
    })
}

fn configuration_item(row: &ConfigurationItem) -> Value {
    json!({
        "id": row.id.get(),
        "company_id": number(row.company_id),
        "contact_id": number(row.contact_id),
        "contract_id": number(row.contract_id),
        "contract_service_id": number(row.contract_service_id),
        "product_id": number(row.product_id),
        "active": row.is_active,
        "title": row.reference_title,
        "number": row.reference_number,
        "serial_number": row.serial_number,
        "changed_at": instant(row.last_modified_time),
    })
}

fn ticket_note(row: &TicketNote) -> Value {
    json!({
        "id": row.id.get(),
        "ticket_id": number(row.ticket_id),
        "title": row.title,
        "kind": row.note_type,
        "publish": row.publish,
        "changed_at": instant(row.last_activity_date),
    })
}
