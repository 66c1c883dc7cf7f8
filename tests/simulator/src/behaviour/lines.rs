//! Contract services and bundles: only on recurring contracts, priced like their item.

use crate::adjust::{self, BUNDLES, Contract, Family, SERVICES};
use crate::cell::Cell;
use crate::refusal::Refusal;
use crate::schema::{Entity, catalogue};
use crate::state::Tenant;
use crate::switches::{Allow, CreatedLineUnits};
use crate::table::Row;
use crate::tables::RECURRING_SERVICE;
use crate::units;

pub(super) fn before_create(tenant: &Tenant, family: &Family, entity: &Entity, row: &mut Row) -> Result<(), Refusal> {
    let contract = row.get(entity, "contractID").int().unwrap_or_default();
    if Contract::read(tenant, contract)?.contract_type != RECURRING_SERVICE {
        return Err(Refusal::invalid("Services can only be added to contracts of the type Recurring Service."));
    }
    if tenant.switches.repeat_service == Allow::Refused && is_there(tenant, family, entity, contract, row) {
        return Err(Refusal::invalid(format!("{}: The contract has this {} already.", family.item_field, family.kind)));
    }
    adjust::price_new_line(tenant, family, row);
    Ok(())
}

fn is_there(tenant: &Tenant, family: &Family, lines: &Entity, contract: i64, new: &Row) -> bool {
    let item = new.get(lines, family.item_field);
    tenant
        .db
        .table(lines)
        .rows_by(lines.at("contractID"), contract)
        .any(|line| !item.is_null() && line.get(lines, family.item_field) == item)
}

/// A line holds no quantity. Whether it has units rows before its first adjustment is a switch.
pub(super) fn after_create(tenant: &mut Tenant, family: &Family, id: i64) -> Result<(), Refusal> {
    match tenant.switches.created_line_units {
        CreatedLineUnits::None => Ok(()),
        CreatedLineUnits::ZeroRows => units::fill_line(tenant, family, id, None, 0),
        CreatedLineUnits::One => units::fill_line(tenant, family, id, Some(tenant.today()), 1),
    }
}

/// A new unit cost or price counts for the rows that are not posted yet.
pub(super) fn after_update(tenant: &mut Tenant, entity: &Entity, id: i64, before: &Row) {
    let units = catalogue().known(SERVICES.units);
    let Some(line) = tenant.row(entity, id).cloned() else { return };
    for (field, kept) in [("unitCost", "_unitCost"), ("unitPrice", "_unitPrice")] {
        let cell = line.get(entity, field);
        if cell == before.get(entity, field) {
            continue;
        }
        let open: Vec<Row> = tenant
            .db
            .table(units)
            .rows_by(units.at(SERVICES.line_field), id)
            .filter(|row| row.get(units, "approveAndPostDate").is_null())
            .cloned()
            .collect();
        for mut row in open {
            row.set(units, kept, cell.clone());
            units::extend_prices(units, &mut row);
            tenant.put(units, row);
        }
    }
}

/// A bundle that a contract uses stays.
pub(super) fn before_delete_bundle(tenant: &Tenant, entity: &Entity, row: &Row) -> Result<(), Refusal> {
    let lines = catalogue().known(BUNDLES.lines);
    let id = row.id(entity);
    let used = tenant.db.table(lines).rows.values().any(|line| *line.get(lines, BUNDLES.item_field) == Cell::Int(id));
    if used {
        return Err(Refusal::invalid("The service bundle is used by a contract and cannot be deleted."));
    }
    Ok(())
}
