//! What single entities do besides keeping their fields.

mod contacts;
mod contracts;
mod invoices;
mod lines;
mod tickets;
mod webhooks;

use serde_json::{Map, Value};

use crate::adjust::family_of_lines;
use crate::refusal::Refusal;
use crate::schema::{Entity, Role};
use crate::state::Tenant;
use crate::table::Row;

pub(crate) use contracts::{end as end_contract, renew};
pub(crate) use invoices::{follow_lines, pdf, price_line};

/// Completes a new row before it is checked.
pub(crate) fn before_create(tenant: &Tenant, entity: &Entity, row: &mut Row) -> Result<(), Refusal> {
    if let Role::Webhook(_) = entity.role {
        webhooks::before_create(tenant)?;
    }
    complete(tenant, entity, row);
    match family_of_lines(entity) {
        Some(family) => lines::before_create(tenant, family, entity, row),
        None => Ok(()),
    }
}

/// Fills in what Autotask gives a new row itself, where it is empty: made through the API or by hand.
pub(crate) fn complete(tenant: &Tenant, entity: &Entity, row: &mut Row) {
    match (entity.role, entity.def.plural) {
        (Role::Webhook(_), _) => webhooks::complete(tenant, entity, row),
        (_, "Tickets") => tickets::complete(tenant, entity, row),
        (_, "TicketNotes") => tickets::complete_note(tenant, entity, row),
        _ => {}
    }
}

/// Checks a row as a whole, new or changed.
pub(crate) fn check_row(tenant: &Tenant, entity: &Entity, row: &Row) -> Result<(), Refusal> {
    match (entity.role, entity.def.plural) {
        (Role::Webhook(_), _) => webhooks::check(tenant, entity, row),
        (_, "Contracts") => contracts::check(entity, row),
        (_, "Tickets") => tickets::check(entity, row),
        _ => Ok(()),
    }
}

/// What a new row brings with it.
pub(crate) fn after_create(tenant: &mut Tenant, entity: &Entity, id: i64) -> Result<(), Refusal> {
    if entity.def.plural == "Contacts" {
        contacts::keep_one_primary(tenant, entity, id);
    }
    match family_of_lines(entity) {
        Some(family) => lines::after_create(tenant, family, id),
        None => Ok(()),
    }
}

/// Checks what a body changes in a row; `whole` is a `PUT`.
pub(crate) fn before_update(
    tenant: &Tenant,
    entity: &Entity,
    rows: (&mut Row, &Row),
    body: &Map<String, Value>,
    whole: bool,
) -> Result<(), Refusal> {
    match entity.def.plural {
        "Invoices" | "BillingItems" => invoices::before_update(tenant, entity, rows, (body, whole)),
        "Tickets" => {
            tickets::follow_status(tenant, entity, rows);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What a changed row brings with it.
pub(crate) fn after_update(tenant: &mut Tenant, entity: &Entity, id: i64, before: &Row) -> Result<(), Refusal> {
    match entity.def.plural {
        "Contracts" => contracts::after_update(tenant, entity, id, before),
        "ContractServices" => {
            lines::after_update(tenant, entity, id, before);
            Ok(())
        }
        "Contacts" => {
            contacts::keep_one_primary(tenant, entity, id);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether a row may go.
pub(crate) fn before_delete(tenant: &Tenant, entity: &Entity, row: &Row) -> Result<(), Refusal> {
    match entity.def.plural {
        "Contacts" => contacts::before_delete(entity, row),
        "ServiceBundles" => lines::before_delete_bundle(tenant, entity, row),
        _ => Ok(()),
    }
}
