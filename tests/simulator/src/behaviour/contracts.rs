//! Contracts: their dates rule their lines' units, and they are renewed.

use jiff::civil::Date;
use jiff::{RoundMode, ToSpan, Unit};

use crate::adjust::{self, Contract, FAMILIES};
use crate::cell::Cell;
use crate::refusal::Refusal;
use crate::schema::{Entity, catalogue};
use crate::spans::filled;
use crate::state::Tenant;
use crate::switches::RenewedPoints;
use crate::table::Row;
use crate::units;
use crate::write::stamp;

pub(super) fn check(entity: &Entity, row: &Row) -> Result<(), Refusal> {
    match (row.get(entity, "startDate").date(), row.get(entity, "endDate").date()) {
        (Some(start), Some(end)) if end < start => {
            Err(Refusal::invalid("endDate: The end date must not be before the start date."))
        }
        _ => Ok(()),
    }
}

pub(super) fn after_update(tenant: &mut Tenant, entity: &Entity, id: i64, before: &Row) -> Result<(), Refusal> {
    let moved = tenant.row(entity, id).is_some_and(|row| row.get(entity, "endDate") != before.get(entity, "endDate"));
    if moved { units::fit_to_contract(tenant, id) } else { Ok(()) }
}

/// Renews a contract as a person does in the user interface: the old one ends the day before
/// `start` at the latest (by default: as planned), a new one begins, to `end` or of the same length,
/// lines and units are copied, and one contract's `renewedContractID` names the other. Answers the
/// new one's id.
pub(crate) fn renew(tenant: &mut Tenant, id: i64, start: Option<Date>, end: Option<Date>) -> Result<i64, Refusal> {
    let entity = catalogue().known("Contracts");
    let mut old = tenant.row(entity, id).cloned().ok_or_else(Refusal::not_found)?;
    let was = Contract::read(tenant, id)?;
    if is_renewed(tenant, entity, &old, was.start) {
        return Err(Refusal::invalid("A contract can be renewed once."));
    }
    let start = start.unwrap_or(was.end.tomorrow().unwrap_or(was.end));
    let end = end.unwrap_or_else(|| end_of_renewal(was, start));
    let before = start.yesterday().unwrap_or(start).min(was.end);
    if start <= was.start || end < start {
        return Err(Refusal::invalid("A renewal begins after its contract and ends after its beginning."));
    }

    let points = tenant.switches.renewed_points;
    let mut new = old.clone();
    new.set(entity, "id", Cell::Null);
    new.set(entity, "startDate", Cell::Date(start));
    new.set(entity, "endDate", Cell::Date(end));
    let named = if points == RenewedPoints::NewToOld { Cell::Int(id) } else { Cell::Null };
    new.set(entity, "renewedContractID", named);
    stamp(tenant, entity, &mut new, entity.def.touched);
    let new_id = tenant.put(entity, new);
    let units: Vec<Vec<(Row, i64)>> = FAMILIES.iter().map(|family| lines_of(tenant, family, id, before)).collect();

    old.set(entity, "endDate", Cell::Date(before));
    if points == RenewedPoints::OldToNew {
        old.set(entity, "renewedContractID", Cell::Int(new_id));
    }
    stamp(tenant, entity, &mut old, entity.def.touched);
    tenant.put(entity, old);
    units::fit_to_contract(tenant, id)?;

    let periods = Contract::read(tenant, new_id)?.periods(tenant);
    for (family, lines) in FAMILIES.into_iter().zip(units) {
        let entity = catalogue().known(family.lines);
        for (mut line, count) in lines {
            line.set(entity, "id", Cell::Null);
            line.set(entity, "contractID", Cell::Int(new_id));
            let line_id = tenant.put(entity, line);
            units::write_spans(tenant, family, line_id, &filled(&periods, start, None, count, None), None);
        }
    }
    Ok(new_id)
}

/// Whether a later contract is named by this one or names it.
fn is_renewed(tenant: &Tenant, contracts: &Entity, old: &Row, start: Date) -> bool {
    let pointer = |row: &Row| row.get(contracts, "renewedContractID").int();
    let id = old.id(contracts);
    tenant.db.table(contracts).rows.values().any(|other| {
        let linked = pointer(other) == Some(id) || pointer(old) == Some(other.id(contracts));
        linked && other.get(contracts, "startDate").date().is_some_and(|began| began > start)
    })
}

/// Sets the end of a contract as a person does; its lines' units follow.
pub(crate) fn end(tenant: &mut Tenant, id: i64, last_day: Date) -> Result<(), Refusal> {
    let entity = catalogue().known("Contracts");
    let mut row = tenant.row(entity, id).cloned().ok_or_else(Refusal::not_found)?;
    row.set(entity, "endDate", Cell::Date(last_day));
    check(entity, &row)?;
    stamp(tenant, entity, &mut row, entity.def.touched);
    tenant.put(entity, row);
    units::fit_to_contract(tenant, id)
}

/// The lines of a contract with their units on a day.
fn lines_of(tenant: &Tenant, family: &adjust::Family, contract: i64, day: Date) -> Vec<(Row, i64)> {
    let lines = catalogue().known(family.lines);
    tenant
        .db
        .table(lines)
        .rows_by(lines.at("contractID"), contract)
        .map(|line| {
            let spans = units::spans(tenant, family, line.id(lines));
            (line.clone(), crate::spans::units_on(&spans, day))
        })
        .collect()
}

/// As many whole months as before, at least one.
fn end_of_renewal(was: Contract, start: Date) -> Date {
    let after = was.end.tomorrow().unwrap_or(was.end);
    let months = was
        .start
        .until((Unit::Month, after))
        .and_then(|span| {
            span.round(jiff::SpanRound::new().smallest(Unit::Month).mode(RoundMode::HalfExpand).relative(was.start))
        })
        .map_or(12, |span| i32::from(span.get_years()) * 12 + span.get_months())
        .max(1);
    start.checked_add(months.months()).and_then(|next| next.yesterday()).unwrap_or(start)
}
