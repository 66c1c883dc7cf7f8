//! Adjustments: how units change. Create-only, relative, from a calendar day on.

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::cell::Cell;
use crate::periods::periods;
use crate::persist::Record;
use crate::refusal::Refusal;
use crate::schema::{Entity, catalogue};
use crate::spans::{Span, adjusted, filled, units_on};
use crate::state::{AppliedAdjustment, Tenant};
use crate::switches::Allow;
use crate::table::Row;
use crate::tables::RECURRING_SERVICE;

/// Services and bundles behave alike; their fields are named differently.
#[derive(Debug)]
pub(crate) struct Family {
    /// `service` or `bundle`.
    pub(crate) kind: &'static str,
    pub(crate) lines: &'static str,
    pub(crate) units: &'static str,
    pub(crate) adjustments: &'static str,
    /// The catalogue entity that a line refers to.
    pub(crate) items: &'static str,
    pub(crate) item_field: &'static str,
    pub(crate) line_field: &'static str,
    repeat_field: &'static str,
}

pub(crate) const SERVICES: Family = Family {
    kind: "service",
    lines: "ContractServices",
    units: "ContractServiceUnits",
    adjustments: "ContractServiceAdjustments",
    items: "Services",
    item_field: "serviceID",
    line_field: "contractServiceID",
    repeat_field: "allowRepeatService",
};

pub(crate) const BUNDLES: Family = Family {
    kind: "bundle",
    lines: "ContractServiceBundles",
    units: "ContractServiceBundleUnits",
    adjustments: "ContractServiceBundleAdjustments",
    items: "ServiceBundles",
    item_field: "serviceBundleID",
    line_field: "contractServiceBundleID",
    repeat_field: "allowRepeatServiceBundle",
};

pub(crate) const FAMILIES: [&Family; 2] = [&SERVICES, &BUNDLES];

pub(crate) fn family_of_units(units: &Entity) -> &'static Family {
    if units.def.plural == BUNDLES.units { &BUNDLES } else { &SERVICES }
}

/// Carries out an adjustment that came as a row of its entity. Answers its `itemId`.
pub(crate) fn apply(tenant: &mut Tenant, family: &'static Family, asked: &Row) -> Result<i64, Refusal> {
    let order = Order::read(tenant, family, asked)?;
    let contract = Contract::read(tenant, order.contract_id)?;
    if contract.contract_type != RECURRING_SERVICE {
        return Err(Refusal::invalid("Services can only be adjusted on contracts of the type Recurring Service."));
    }
    if order.at < contract.start || order.at > contract.end {
        return Err(Refusal::invalid(
            "effectiveDate: The effective date must be within the start date and the end date of the contract.",
        ));
    }
    let before = order.line_id.map(|line| spans(tenant, family, line)).unwrap_or_default();
    let after = adjusted(&before, &contract.periods(tenant), order.at, order.change);
    let in_posted_period = order.line_id.is_some_and(|line| is_posted(tenant, family, line, order.at));
    check(tenant, &order, &after, in_posted_period)?;

    let line_id = order.line_id.unwrap_or_else(|| create_line(tenant, family, &order));
    remember(tenant, family, line_id);
    let prices = order.prices(tenant, family);
    reprice_line(tenant, family, line_id, prices);
    write_spans(tenant, family, line_id, &after, Some((order.at, prices)));
    Ok(report(tenant, family, Applied { order, line_id, before, after, prices, in_posted_period }))
}

/// What an adjustment asks for.
#[derive(Clone, Copy, Debug)]
struct Order {
    contract_id: i64,
    line_id: Option<i64>,
    item_id: i64,
    at: Date,
    change: i64,
    cost: Option<Decimal>,
    price: Option<Decimal>,
}

/// New unit cost and unit price.
type Prices = (Option<Decimal>, Option<Decimal>);

impl Order {
    fn read(tenant: &Tenant, family: &Family, asked: &Row) -> Result<Self, Refusal> {
        let entity = catalogue().known(family.adjustments);
        let number = |field: &str| asked.get(entity, field).int();
        let decimal = |field: &str| entity.field(field).and_then(|at| asked.cells[at].decimal());
        let at = asked.get(entity, "effectiveDate").date().ok_or_else(|| Refusal::missing_field("effectiveDate"))?;
        let (contract_id, line_id, item_id) = find_line(tenant, family, asked)?;
        Ok(Self {
            contract_id,
            line_id,
            item_id,
            at,
            change: number("unitChange").unwrap_or(0),
            cost: decimal("adjustedUnitCost"),
            price: decimal("adjustedUnitPrice"),
        })
    }

    /// Costs are silently ignored without the right to them; a bundle changes its quantity only.
    fn prices(&self, tenant: &Tenant, family: &Family) -> Prices {
        match family.kind {
            "bundle" => (None, None),
            _ => (self.cost.filter(|_| tenant.db.meta.costs_readable), self.price),
        }
    }
}

/// Contract, line (none: to be created) and item that an adjustment means.
fn find_line(tenant: &Tenant, family: &Family, asked: &Row) -> Result<(i64, Option<i64>, i64), Refusal> {
    let entity = catalogue().known(family.adjustments);
    let lines = catalogue().known(family.lines);
    // 0 is sent by clients for "not given".
    let number = |field: &str| asked.get(entity, field).int().filter(|id| *id != 0);
    if let Some(line_id) = number(family.line_field) {
        let line = tenant.row(lines, line_id).ok_or_else(|| Refusal::dangling(family.line_field, line_id))?;
        let held = |field: &str| line.get(lines, field).int().unwrap_or_default();
        for field in ["contractID", family.item_field] {
            if let Some(given) = number(field).filter(|given| *given != held(field)) {
                return Err(Refusal::dangling(field, given));
            }
        }
        return Ok((held("contractID"), Some(line_id), held(family.item_field)));
    }
    let contract_id = number("contractID").ok_or_else(|| Refusal::missing_field("contractID"))?;
    let item_id = number(family.item_field).ok_or_else(|| Refusal::missing_field(family.item_field))?;
    let items = catalogue().known(family.items);
    let active = |row: &Row| *row.get(items, "isActive") != Cell::Bool(false);
    if !tenant.row(items, item_id).is_some_and(active) {
        return Err(Refusal::dangling(family.item_field, item_id));
    }
    let repeat = *asked.get(entity, family.repeat_field) == Cell::Bool(true);
    let line_id = tenant
        .db
        .table(lines)
        .rows_by(lines.at("contractID"), contract_id)
        .find(|line| line.get(lines, family.item_field).int() == Some(item_id))
        .map(|line| line.id(lines))
        .filter(|_| !repeat);
    Ok((contract_id, line_id, item_id))
}

fn check(tenant: &Tenant, order: &Order, after: &[Span], in_posted_period: bool) -> Result<(), Refusal> {
    let changed = || after.iter().filter(|span| span.end >= order.at);
    if in_posted_period && tenant.switches.posted_period == Allow::Refused {
        return Err(Refusal::invalid(
            "effectiveDate: The period of the effective date has already been approved and posted.",
        ));
    }
    if changed().any(|span| span.units < 0) {
        return Err(Refusal::invalid("unitChange: The resulting number of units cannot be less than 0."));
    }
    if tenant.switches.zero_units == Allow::Refused && changed().any(|span| span.units == 0) {
        return Err(Refusal::invalid("unitChange: The resulting number of units cannot be 0."));
    }
    Ok(())
}

/// What a contract says about its lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contract {
    pub(crate) contract_type: i64,
    pub(crate) start: Date,
    pub(crate) end: Date,
    period_type: i64,
}

impl Contract {
    pub(crate) fn read(tenant: &Tenant, id: i64) -> Result<Self, Refusal> {
        let entity = catalogue().known("Contracts");
        let row = tenant.row(entity, id).ok_or_else(|| Refusal::dangling("contractID", id))?;
        let number = |field: &str| row.get(entity, field).int().unwrap_or_default();
        let date = |field: &str| row.get(entity, field).date();
        let (Some(start), Some(end)) = (date("startDate"), date("endDate")) else {
            return Err(Refusal::dangling("contractID", id));
        };
        Ok(Self { contract_type: number("contractType"), start, end, period_type: number("contractPeriodType") })
    }

    pub(crate) fn periods(&self, tenant: &Tenant) -> Vec<(Date, Date)> {
        periods(self.start, self.end, self.period_type, tenant.switches.period_start)
    }
}

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

fn is_posted(tenant: &Tenant, family: &Family, line: i64, at: Date) -> bool {
    let units = catalogue().known(family.units);
    tenant.db.table(units).rows_by(units.at(family.line_field), line).any(|row| {
        let day = |field: &str| row.get(units, field).date();
        day("startDate").is_some_and(|start| start <= at)
            && day("endDate").is_some_and(|end| end >= at)
            && !row.get(units, "approveAndPostDate").is_null()
    })
}

fn create_line(tenant: &mut Tenant, family: &Family, order: &Order) -> i64 {
    let lines = catalogue().known(family.lines);
    let mut row = Row::empty(lines);
    row.set(lines, "contractID", Cell::Int(order.contract_id));
    row.set(lines, family.item_field, Cell::Int(order.item_id));
    price_new_line(tenant, family, &mut row);
    tenant.put(lines, row)
}

/// A new line has its item's prices and text where it was given none.
pub(crate) fn price_new_line(tenant: &Tenant, family: &Family, line: &mut Row) {
    let (lines, items) = (catalogue().known(family.lines), catalogue().known(family.items));
    let item_id = line.get(lines, family.item_field).int().unwrap_or_default();
    let Some(item) = tenant.row(items, item_id) else { return };
    for (to, from) in [
        ("unitPrice", "unitPrice"),
        ("unitCost", "unitCost"),
        ("adjustedPrice", "unitPrice"),
        ("internalCurrencyUnitPrice", "unitPrice"),
        ("internalCurrencyAdjustedPrice", "unitPrice"),
        ("invoiceDescription", "invoiceDescription"),
    ] {
        if let (Some(to), Some(from)) = (lines.field(to), items.field(from))
            && line.cells[to].is_null()
        {
            line.cells[to] = item.cells[from].clone();
        }
    }
}

/// Keeps the rows of a line as they are, for readers that lag behind.
fn remember(tenant: &mut Tenant, family: &Family, line: i64) {
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

fn reprice_line(tenant: &mut Tenant, family: &Family, line_id: i64, (cost, price): Prices) {
    let lines = catalogue().known(family.lines);
    let Some(mut line) = tenant.row(lines, line_id).cloned() else { return };
    for (fields, value) in [
        (&["unitCost"][..], cost),
        (&["unitPrice", "internalCurrencyAdjustedPrice", "internalCurrencyUnitPrice"][..], price),
    ] {
        for at in fields.iter().filter_map(|field| lines.field(field)) {
            if let Some(value) = value {
                line.cells[at] = Cell::Decimal(value);
            }
        }
    }
    if (cost, price) != (None, None) {
        tenant.put(lines, line);
    }
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
    for span in spans {
        let known = span.id.or(span.like).and_then(|id| tenant.row(units, id)).cloned();
        let mut row = known.clone().unwrap_or_else(|| new_units(tenant, family, line_id));
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

/// Rows for all of a line's periods with the same units: a line as the user interface adds it.
pub(crate) fn fill_line(tenant: &mut Tenant, family: &Family, line_id: i64, count: i64) -> Result<(), Refusal> {
    let lines = catalogue().known(family.lines);
    let contract_id = tenant
        .row(lines, line_id)
        .and_then(|line| line.get(lines, "contractID").int())
        .ok_or_else(|| Refusal::dangling(family.line_field, line_id))?;
    let contract = Contract::read(tenant, contract_id)?;
    let spans = filled(&contract.periods(tenant), contract.start, None, count, None);
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

struct Applied {
    order: Order,
    line_id: i64,
    before: Vec<Span>,
    after: Vec<Span>,
    prices: Prices,
    in_posted_period: bool,
}

fn report(tenant: &mut Tenant, family: &Family, applied: Applied) -> i64 {
    let item_id = tenant.db.tables[catalogue().known(family.adjustments).id].take_id();
    let adjustment = AppliedAdjustment {
        seq: tenant.adjustments.last().map_or(1, |last| last.seq + 1),
        at: tenant.now,
        ci: tenant.ci(),
        item_id,
        kind: family.kind.to_owned(),
        contract_id: applied.order.contract_id,
        line_id: applied.line_id,
        unit_change: applied.order.change,
        effective_date: applied.order.at,
        units_before: units_on(&applied.before, applied.order.at),
        units_after: units_on(&applied.after, applied.order.at),
        adjusted_unit_cost: applied.prices.0,
        adjusted_unit_price: applied.prices.1,
        created_line: applied.order.line_id.is_none(),
        in_posted_period: applied.in_posted_period,
    };
    tenant.journal.record(|| Record::Adjustment(Box::new(adjustment.clone())));
    tenant.adjustments.push(adjustment);
    item_id
}
