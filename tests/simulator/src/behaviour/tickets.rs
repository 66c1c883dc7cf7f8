//! Tickets: their numbers, who works on them, and when they were done.

use crate::cell::Cell;
use crate::refusal::Refusal;
use crate::schema::Entity;
use crate::state::Tenant;
use crate::table::Row;
use crate::tables::COMPLETE;

/// Gives a new ticket its number, `T20261120.0003`, and its maker.
pub(super) fn complete(tenant: &Tenant, entity: &Entity, row: &mut Row) {
    if row.get(entity, "ticketNumber").is_null() {
        let day = tenant.today().strftime("T%Y%m%d.").to_string();
        let of_today =
            |row: &&Row| matches!(row.get(entity, "ticketNumber"), Cell::Text(text) if text.starts_with(&day));
        let count = tenant.db.table(entity).rows.values().filter(of_today).count() + 1;
        row.set(entity, "ticketNumber", Cell::text(&format!("{day}{count:04}")));
    }
    if row.get(entity, "creatorResourceID").is_null() {
        row.set(entity, "creatorResourceID", Cell::Int(tenant.actor));
    }
    follow_status(tenant, entity, (row, &Row::empty(entity)));
}

pub(super) fn complete_note(tenant: &Tenant, entity: &Entity, row: &mut Row) {
    if row.get(entity, "creatorResourceID").is_null() {
        row.set(entity, "creatorResourceID", Cell::Int(tenant.actor));
    }
}

/// A ticket that becomes complete says when and by whom; one that is opened again says neither.
pub(super) fn follow_status(tenant: &Tenant, entity: &Entity, (row, before): (&mut Row, &Row)) {
    let is_complete = |row: &Row| row.get(entity, "status").int() == Some(COMPLETE);
    row.set(entity, "lastActivityResourceID", Cell::Int(tenant.actor));
    match (is_complete(before), is_complete(row)) {
        (false, true) => {
            row.set(entity, "completedDate", Cell::instant(tenant.now));
            row.set(entity, "completedByResourceID", Cell::Int(tenant.actor));
        }
        (true, false) => {
            row.set(entity, "completedDate", Cell::Null);
            row.set(entity, "completedByResourceID", Cell::Null);
        }
        (true, true) | (false, false) => {}
    }
}

/// A ticket lies in a queue or with somebody, who then has a role.
pub(super) fn check(entity: &Entity, row: &Row) -> Result<(), Refusal> {
    let empty = |field: &str| row.get(entity, field).is_null();
    if empty("assignedResourceID") != empty("assignedResourceRoleID") {
        return Err(Refusal::invalid("assignedResourceID and assignedResourceRoleID must both be set, or neither."));
    }
    if empty("queueID") && empty("assignedResourceID") {
        return Err(Refusal::missing_field("queueID"));
    }
    Ok(())
}
