//! Contacts: one primary contact per company.

use crate::cell::Cell;
use crate::refusal::Refusal;
use crate::schema::Entity;
use crate::state::Tenant;
use crate::table::Row;
use crate::write::stamp;

/// A new primary contact takes the place of the old one. (Not confirmed for the real API.)
pub(super) fn keep_one_primary(tenant: &mut Tenant, entity: &Entity, id: i64) {
    let Some(row) = tenant.row(entity, id) else { return };
    if *row.get(entity, "primaryContact") != Cell::Bool(true) {
        return;
    }
    let Some(company) = row.get(entity, "companyID").int() else { return };
    let others: Vec<Row> = tenant
        .db
        .table(entity)
        .rows_by(entity.at("companyID"), company)
        .filter(|row| row.id(entity) != id && *row.get(entity, "primaryContact") == Cell::Bool(true))
        .cloned()
        .collect();
    for mut other in others {
        other.set(entity, "primaryContact", Cell::Bool(false));
        stamp(tenant, entity, &mut other, entity.def.touched);
        tenant.put(entity, other);
    }
}

pub(super) fn before_delete(entity: &Entity, row: &Row) -> Result<(), Refusal> {
    if *row.get(entity, "primaryContact") == Cell::Bool(true) {
        return Err(Refusal::invalid("The primary contact of a company cannot be deleted."));
    }
    Ok(())
}
