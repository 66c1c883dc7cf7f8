//! Rows behind the API's back: inserted, read, changed and removed as a person in Autotask would.

use serde_json::{Map, Value};

use crate::adjust;
use crate::behaviour;
use crate::cell::{Cell, parse_decimal};
use crate::schema::{Entity, catalogue};
use crate::sim::{Simulator, SimulatorError};
use crate::state::Tenant;
use crate::table::Row;
use crate::units;
use crate::write::{set_defaults, stamp};

impl Simulator {
    /// Inserts rows behind the API's back, missing ids and defaults filled in. Answers the ids.
    ///
    /// A contract line may carry `units`: it then gets units rows for all periods of its contract.
    pub fn insert(&self, ci: u64, entity: &str, rows: &[Value]) -> Result<Vec<i64>, SimulatorError> {
        self.with_tenant(ci, entity, |tenant, entity| rows.iter().map(|row| insert(tenant, entity, row)).collect())
    }

    /// All rows of an entity as they are, whatever a reader would see.
    pub fn rows(&self, ci: u64, entity: &str) -> Result<Vec<Value>, SimulatorError> {
        self.with_tenant(ci, entity, |tenant, entity| {
            Ok(tenant.db.table(entity).rows.values().map(|row| raw(entity, row)).collect())
        })
    }

    /// Changes fields of a row behind the API's back; nothing else moves with them.
    pub fn patch(&self, ci: u64, entity: &str, id: i64, fields: &Value) -> Result<Value, SimulatorError> {
        self.with_tenant(ci, entity, |tenant, entity| {
            let mut row = tenant.row(entity, id).cloned().ok_or_else(|| gone(entity, id))?;
            stamp(tenant, entity, &mut row, entity.def.touched);
            merge(entity, &mut row, fields)?;
            row.set(entity, "id", Cell::Int(id));
            let shown = raw(entity, &row);
            tenant.put(entity, row);
            Ok(shown)
        })
    }

    /// Removes a row behind the API's back.
    pub fn delete(&self, ci: u64, entity: &str, id: i64) -> Result<(), SimulatorError> {
        self.with_tenant(ci, entity, |tenant, entity| match tenant.remove(entity, id) {
            true => Ok(()),
            false => Err(gone(entity, id)),
        })
    }
}

pub(crate) fn gone(entity: &Entity, id: i64) -> SimulatorError {
    SimulatorError(format!("there is no {} {id}", entity.def.name))
}

pub(crate) fn merge(entity: &Entity, row: &mut Row, fields: &Value) -> Result<(), SimulatorError> {
    let fields = fields.as_object().ok_or_else(|| SimulatorError("a row is a JSON object".to_owned()))?;
    for name in fields.keys() {
        let known = entity.field(name).is_some() || name.eq_ignore_ascii_case("userDefinedFields");
        if !known {
            return Err(SimulatorError(format!("{} has no field {name}", entity.def.name)));
        }
    }
    row.merge(entity, fields).map_err(|misfit| SimulatorError(misfit.0))
}

pub(crate) fn insert(tenant: &mut Tenant, entity: &Entity, fields: &Value) -> Result<i64, SimulatorError> {
    let mut fields = fields.clone();
    let family = adjust::family_of_lines(entity);
    let units = family.and_then(|_| fields.as_object_mut().and_then(|row| row.remove("units")));
    let mut row = Row::empty(entity);
    merge(entity, &mut row, &fields)?;
    set_defaults(tenant, entity, &mut row);
    // Stamps are defaults here: what was given stays.
    merge(entity, &mut row, &fields)?;
    complete(tenant, entity, &mut row);
    behaviour::complete(tenant, entity, &mut row);
    let id = tenant.put(entity, row);
    if let (Some(family), Some(units)) = (family, units) {
        let count = units.as_i64().ok_or_else(|| SimulatorError("units is a whole number".to_owned()))?;
        units::fill_line(tenant, family, id, None, count)
            .map_err(|_| SimulatorError("a line with units needs a contract with dates".to_owned()))?;
    }
    Ok(id)
}

/// Companies get an owner, lines the prices of their item, units rows what follows from their line.
fn complete(tenant: &Tenant, entity: &Entity, row: &mut Row) {
    if entity.def.plural == "Companies" && row.get(entity, "ownerResourceID").is_null() {
        let owner = tenant.db.table(catalogue().known("Resources")).rows.keys().next();
        row.set(entity, "ownerResourceID", owner.map_or(Cell::Null, |id| Cell::Int(*id)));
    }
    for family in adjust::FAMILIES {
        if entity.def.plural == family.lines {
            adjust::price_new_line(tenant, family, row);
        }
        if entity.def.plural == family.units {
            let line = row.get(entity, family.line_field).int().unwrap_or_default();
            let like = units::new_units(tenant, family, line);
            for (cell, default) in row.cells.iter_mut().zip(&like.cells) {
                if cell.is_null() {
                    cell.clone_from(default);
                }
            }
            keep_given_prices(entity, row);
        }
    }
}

/// A units row that was given its total has its price per unit from that.
fn keep_given_prices(entity: &Entity, row: &mut Row) {
    let units = row.get(entity, "units").int().and_then(|units| parse_decimal(&units.to_string()));
    for (total, each) in [("cost", "_unitCost"), ("price", "_unitPrice")] {
        if let (Some(total), Some(units)) = (row.get(entity, total).decimal(), units)
            && let Some(per_unit) = total.checked_div(units)
        {
            row.set(entity, each, Cell::Decimal(per_unit.round_dp(4)));
        }
    }
    let given = ["cost", "price", "internalCurrencyPrice"].map(|field| row.get(entity, field).clone());
    units::extend_prices(entity, row);
    for (field, cell) in ["cost", "price", "internalCurrencyPrice"].into_iter().zip(given) {
        if !cell.is_null() {
            row.set(entity, field, cell);
        }
    }
}

fn raw(entity: &Entity, row: &Row) -> Value {
    let object: Map<String, Value> = row.to_json(entity, &jiff::tz::TimeZone::UTC, false);
    Value::Object(object)
}
