//! The units rows of a line: read as spans, written back, priced, fitted to the contract.

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::adjust::{Contract, FAMILIES, Family, Prices};
use crate::cell::Cell;
use crate::refusal::Refusal;
use crate::schema::{Entity, catalogue};
use crate::spans::{Span, filled};
use crate::state::Tenant;
use crate::table::Row;

/// The units rows of a line in the order of their days.
pub(crate) fn spans(tenant: &Tenant, family: &Family, line: i64) -> Vec<Span> {
    let units = catalogue().known(family.units);
    let mut spans: Vec<Span> = tenant
        .db
        .table(units)
        .rows_by(units.at(family.line_field), line)
        .filter_map(|row| {
            Some(Span {
                id: Some(row.id(units)),
                like: None,
                start: row.get(units, "startDate").date()?,
                end: row.get(units, "endDate").date()?,
                units: row.get(units, "units").int().unwrap_or(0),
            })
        })
        .collect();
    spans.sort_by_key(|span| (span.start, span.id));
    spans
}

pub(crate) fn is_posted(tenant: &Tenant, family: &Family, line: i64, at: Date) -> bool {
    let units = catalogue().known(family.units);
    tenant.db.table(units).rows_by(units.at(family.line_field), line).any(|row| {
        let day = |field: &str| row.get(units, field).date();
        day("startDate").is_some_and(|start| start <= at)
            && day("endDate").is_some_and(|end| end >= at)
            && !row.get(units, "approveAndPostDate").is_null()
    })
}

/// Approves and posts the rows of a contract's lines that cover a day, those that are posted already
/// excepted. Answers how many.
pub(crate) fn post(tenant: &mut Tenant, contract_id: i64, at: Date) -> usize {
    let mut posted = 0;
    for family in FAMILIES {
        let units = catalogue().known(family.units);
        let covers = |row: &&Row| {
            let day = |field: &str| row.get(units, field).date();
            day("startDate").is_some_and(|start| start <= at)
                && day("endDate").is_some_and(|end| end >= at)
                && row.get(units, "approveAndPostDate").is_null()
        };
        let rows = tenant.db.table(units).rows_by(units.at("contractID"), contract_id).filter(covers);
        for mut row in rows.cloned().collect::<Vec<_>>() {
            row.set(units, "approveAndPostDate", Cell::instant(tenant.now));
            tenant.put(units, row);
            posted += 1;
        }
    }
    posted
}

/// Writes the spans that differ from what is there; rows from the given day on take new prices.
pub(crate) fn write_spans(
    tenant: &mut Tenant,
    family: &Family,
    line_id: i64,
    spans: &[Span],
    prices: Option<(Date, Prices)>,
) {
    let units = catalogue().known(family.units);
    let plain = new_units(tenant, family, line_id);
    for span in spans {
        let known = span.id.or(span.like).and_then(|id| tenant.row(units, id)).cloned();
        let mut row = known.clone().unwrap_or_else(|| plain.clone());
        if span.id.is_none() {
            row.set(units, "id", Cell::Null);
            row.set(units, "approveAndPostDate", Cell::Null);
        }
        row.set(units, "startDate", Cell::Date(span.start));
        row.set(units, "endDate", Cell::Date(span.end));
        row.set(units, "units", Cell::Int(span.units));
        if let Some((from, (cost, price))) = prices
            && span.start >= from
        {
            for (field, value) in [("_unitCost", cost), ("_unitPrice", price)] {
                if let Some(value) = value {
                    row.set(units, field, Cell::Decimal(value));
                }
            }
        }
        if span.id.is_none() || known.as_ref() != Some(&row) {
            extend_prices(units, &mut row);
            tenant.put(units, row);
        }
    }
}

/// `price` and `cost` of a units row are for all its units.
pub(crate) fn extend_prices(units: &Entity, row: &mut Row) {
    let count = Decimal::from(row.get(units, "units").int().unwrap_or(0));
    for (from, into) in [("_unitCost", "cost"), ("_unitPrice", "price"), ("_unitPrice", "internalCurrencyPrice")] {
        if let Some(each) = row.get(units, from).decimal()
            && let Some(all) = each.checked_mul(count)
        {
            row.set(units, into, Cell::Decimal(all));
        }
    }
}

/// A units row of a line, without days and units.
pub(crate) fn new_units(tenant: &Tenant, family: &Family, line_id: i64) -> Row {
    let (lines, units) = (catalogue().known(family.lines), catalogue().known(family.units));
    let items = catalogue().known(family.items);
    let mut row = Row::empty(units);
    row.set(units, family.line_field, Cell::Int(line_id));
    let Some(line) = tenant.row(lines, line_id) else { return row };
    row.set(units, "contractID", line.get(lines, "contractID").clone());
    row.set(units, family.item_field, line.get(lines, family.item_field).clone());
    let item = line.get(lines, family.item_field).int().and_then(|id| tenant.row(items, id));
    let of_item =
        |field: &str| item.and_then(|item| items.field(field).map(|at| item.cells[at].clone())).unwrap_or(Cell::Null);
    let of_line = |field: &str| {
        let own = lines.field(field).map(|at| line.cells[at].clone()).filter(|cell| !cell.is_null());
        own.unwrap_or_else(|| of_item(field))
    };
    row.set(units, "_unitCost", of_line("unitCost"));
    row.set(units, "_unitPrice", of_line("unitPrice"));
    if units.field("vendorCompanyID").is_some() {
        row.set(units, "vendorCompanyID", of_item("vendorCompanyID"));
    }
    row
}

/// Rows with the same units for a line's periods, from a day on or from the contract's start.
pub(crate) fn fill_line(
    tenant: &mut Tenant,
    family: &Family,
    line_id: i64,
    from: Option<Date>,
    count: i64,
) -> Result<(), Refusal> {
    let lines = catalogue().known(family.lines);
    let contract_id = tenant
        .row(lines, line_id)
        .and_then(|line| line.get(lines, "contractID").int())
        .ok_or_else(|| Refusal::dangling(family.line_field, line_id))?;
    let contract = Contract::read(tenant, contract_id)?;
    let spans = filled(&contract.periods(tenant), from.unwrap_or(contract.start), None, count, None);
    write_spans(tenant, family, line_id, &spans, None);
    Ok(())
}

/// Fits the units rows of a contract's lines to its dates: an earlier end removes what lies after
/// it, a later one adds periods with the last row's units.
pub(crate) fn fit_to_contract(tenant: &mut Tenant, contract_id: i64) -> Result<(), Refusal> {
    let contract = Contract::read(tenant, contract_id)?;
    let periods = contract.periods(tenant);
    for family in FAMILIES {
        let (lines, units) = (catalogue().known(family.lines), catalogue().known(family.units));
        let ids: Vec<i64> = tenant.db.table(lines).ids_by(lines.at("contractID"), contract_id).collect();
        for line in ids {
            let held = spans(tenant, family, line);
            for gone in held.iter().filter(|span| span.start > contract.end) {
                tenant.remove(units, gone.id.unwrap_or_default());
            }
            let mut kept: Vec<Span> = held
                .into_iter()
                .filter(|span| span.start <= contract.end)
                .map(|span| Span { end: span.end.min(contract.end), ..span })
                .collect();
            if let Some(last) = kept.last().copied()
                && let Ok(next) = last.end.tomorrow()
            {
                kept.extend(filled(&periods, next, None, last.units, last.id));
            }
            write_spans(tenant, family, line, &kept, None);
        }
    }
    Ok(())
}

/// Keeps the rows of a line as they are, for readers that lag behind.
pub(crate) fn remember(tenant: &mut Tenant, family: &Family, line: i64) {
    let lag = i64::try_from(tenant.switches.units_lag_seconds).unwrap_or(i64::MAX);
    let now = tenant.now;
    tenant.db.before.retain(|_, snapshots| {
        snapshots.retain(|(at, _)| now.as_second() - at.as_second() < lag);
        !snapshots.is_empty()
    });
    if lag > 0 {
        let units = catalogue().known(family.units);
        let rows = tenant.db.table(units).rows_by(units.at(family.line_field), line).cloned().collect();
        tenant.db.before.entry((units.id, line)).or_default().push((now, rows));
    }
}
