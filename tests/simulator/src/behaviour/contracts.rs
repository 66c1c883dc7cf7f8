//! Contracts: their dates rule their lines' units, and they are renewed.

use jiff::civil::Date;
use jiff::{RoundMode, ToSpan, Unit};

use crate::adjust::{self, Contract, FAMILIES};
use crate::cell::Cell;
use crate::refusal::Refusal;
use crate::schema::{Entity, catalogue};
use crate::spans::filled;
use crate::state::Tenant;
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
/// `start` (by default: as planned), a new one of the same length begins, lines and units are
/// copied, and the old contract's `renewedContractID` names the new one. Answers its id.
pub(crate) fn renew(tenant: &mut Tenant, id: i64, start: Option<Date>) -> Result<i64, Refusal> {
    let entity = catalogue().known("Contracts");
    let mut old = tenant.row(entity, id).cloned().ok_or_else(Refusal::not_found)?;
    if !old.get(entity, "renewedContractID").is_null() {
        return Err(Refusal::invalid("A contract can be renewed once."));
    }
    let was = Contract::read(tenant, id)?;
    let start = start.unwrap_or(was.end.tomorrow().unwrap_or(was.end));
    let before = start.yesterday().unwrap_or(start);
    if start <= was.start {
        return Err(Refusal::invalid("A renewal begins after its contract."));
    }

    let mut new = old.clone();
    new.set(entity, "id", Cell::Null);
    new.set(entity, "startDate", Cell::Date(start));
    new.set(entity, "endDate", Cell::Date(end_of_renewal(was, start)));
    stamp(tenant, entity, &mut new, entity.def.touched);
    let new_id = tenant.put(entity, new);
    let units: Vec<Vec<(Row, i64)>> = FAMILIES.iter().map(|family| lines_of(tenant, family, id, before)).collect();

    old.set(entity, "endDate", Cell::Date(before));
    old.set(entity, "renewedContractID", Cell::Int(new_id));
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
