//! Adjustments: how units change. Create-only, relative, from a calendar day on.

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::cell::Cell;
use crate::periods::periods;
use crate::persist::Record;
use crate::refusal::Refusal;
use crate::schema::{Entity, catalogue};
use crate::spans::{Span, adjusted, units_on};
use crate::state::{AppliedAdjustment, Tenant};
use crate::switches::Allow;
use crate::table::Row;
use crate::tables::RECURRING_SERVICE;
use crate::units::{is_posted, remember, spans, write_spans};

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

/// The family of a line's entity.
pub(crate) fn family_of_lines(lines: &Entity) -> Option<&'static Family> {
    FAMILIES.into_iter().find(|family| family.lines == lines.def.plural)
}

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
    let outside = order.at < contract.start || order.at > contract.end;
    if outside && tenant.switches.outside_contract == Allow::Refused {
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

/// Changes the units of a line as a person does: within the contract's days, not below 0, and told
/// by no list of adjustments. What switches say of the API does not bind a person. Answers the units
/// on that day.
pub(crate) fn by_hand(
    tenant: &mut Tenant,
    family: &Family,
    line_id: i64,
    at: Date,
    change: i64,
) -> Result<i64, Refusal> {
    let lines = catalogue().known(family.lines);
    let line = tenant.row(lines, line_id).ok_or_else(Refusal::not_found)?;
    let contract = Contract::read(tenant, line.get(lines, "contractID").int().unwrap_or_default())?;
    if at < contract.start || at > contract.end {
        return Err(Refusal::invalid("The day must be within the start date and the end date of the contract."));
    }
    let after = adjusted(&spans(tenant, family, line_id), &contract.periods(tenant), at, change);
    if after.iter().any(|span| span.end >= at && span.units < 0) {
        return Err(Refusal::invalid("The resulting number of units cannot be less than 0."));
    }
    remember(tenant, family, line_id);
    write_spans(tenant, family, line_id, &after, None);
    Ok(units_on(&after, at))
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
pub(crate) type Prices = (Option<Decimal>, Option<Decimal>);

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

fn create_line(tenant: &mut Tenant, family: &Family, order: &Order) -> i64 {
    let lines = catalogue().known(family.lines);
    let mut row = Row::empty(lines);
    row.set(lines, "contractID", Cell::Int(order.contract_id));
    row.set(lines, family.item_field, Cell::Int(order.item_id));
    price_new_line(tenant, family, &mut row);
    tenant.put(lines, row)
}

/// A new line has its item's prices and text where it was given none. There is one currency.
pub(crate) fn price_new_line(tenant: &Tenant, family: &Family, line: &mut Row) {
    let (lines, items) = (catalogue().known(family.lines), catalogue().known(family.items));
    let item_id = line.get(lines, family.item_field).int().unwrap_or_default();
    let Some(item) = tenant.row(items, item_id) else { return };
    for field in ["unitPrice", "unitCost", "invoiceDescription"] {
        if let (Some(to), Some(from)) = (lines.field(field), items.field(field))
            && line.cells[to].is_null()
        {
            line.cells[to] = item.cells[from].clone();
        }
    }
    let price = line.get(lines, "unitPrice").clone();
    for field in ["adjustedPrice", "internalCurrencyUnitPrice", "internalCurrencyAdjustedPrice"] {
        if let Some(at) = lines.field(field).filter(|at| line.cells[*at].is_null()) {
            line.cells[at] = price.clone();
        }
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
