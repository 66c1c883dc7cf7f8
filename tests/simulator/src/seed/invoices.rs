//! What the demo's MSP invoiced: each recurring contract once a month, in advance.

use std::collections::{BTreeMap, HashMap};

use jiff::ToSpan;
use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;
use serde_json::{Value, json};

use crate::sim::{Simulator, SimulatorError};

/// The demo's invoices that are not like the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DemoInvoices {
    /// All of them, by id.
    pub all: Vec<i64>,
    /// Those that are neither paid nor void.
    pub open: Vec<i64>,
    /// The one that was voided.
    pub voided: i64,
    /// The one over nothing.
    pub zero: i64,
    /// Two of different companies with one number.
    pub same_number: (i64, i64),
}

/// Months that are invoiced, this one included.
const MONTHS: i32 = 3;
/// Of this month's invoices every so-manieth is paid already, of the month before every so-manieth is not.
const PAID_EARLY: usize = 4;
const PAID_LATE: usize = 6;
/// Places among this month's invoices.
const VOIDED: usize = 11;
const SAME_NUMBER: (usize, usize) = (3, 20);
/// Days after an invoice's date on which it is paid.
const PAID_AFTER: i32 = 12;
/// What the customers' country takes, in percent.
const TAX_PERCENT: i64 = 20;

/// Fills in terms, taxes, a template, and the invoices of the contracts that are there.
pub(super) fn seed(
    simulator: &Simulator,
    ci: u64,
    today: Date,
    hourly_client: i64,
) -> Result<DemoInvoices, SimulatorError> {
    furnish(simulator, ci)?;
    let books = Books::read(simulator, ci)?;
    let first = |back: i32| today.first_of_month().saturating_sub(back.months());
    let drafts: Vec<(Date, Value)> = (0..MONTHS).rev().flat_map(|back| books.month(first(back))).collect();
    let invoices: Vec<Value> = drafts.iter().map(|(_, invoice)| invoice.clone()).collect();
    let made = simulator.make_invoices(ci, &invoices)?;
    let ids: Vec<i64> = made.iter().map(|invoice| invoice.id).collect();
    let of_month = |first: Date| -> Vec<i64> {
        drafts.iter().zip(&ids).filter(|((month, _), _)| *month == first).map(|(_, id)| *id).collect()
    };
    let now = of_month(first(0));
    let before = of_month(first(1));
    let is_paid = |id: &i64| match (now.iter().position(|one| one == id), before.iter().position(|one| one == id)) {
        (Some(nth), _) => nth % PAID_EARLY == 1,
        (_, Some(nth)) => nth % PAID_LATE != 0,
        _ => true,
    };
    let same_number = (now[SAME_NUMBER.0], now[SAME_NUMBER.1]);
    let voided = now[VOIDED];
    for ((month, _), id) in drafts.iter().zip(&ids).filter(|(_, id)| is_paid(id) && **id != voided) {
        let day = month.saturating_add(PAID_AFTER.days()).min(today);
        simulator.pay_invoice(ci, *id, Some(day))?;
    }
    simulator.void_invoice(ci, voided)?;
    simulator.renumber_invoice(ci, same_number.1, &number(first(0), SAME_NUMBER.0))?;
    let zero = zero(simulator, ci, (first(0), hourly_client))?;
    let mut open: Vec<i64> = ids.iter().filter(|id| !is_paid(id) && **id != voided).copied().collect();
    open.push(zero);
    Ok(DemoInvoices { all: [ids, vec![zero]].concat(), open, voided, zero, same_number })
}

fn furnish(simulator: &Simulator, ci: u64) -> Result<(), SimulatorError> {
    let term = |name: &str, days: i32| json!({ "name": name, "paymentDueInDays": days });
    simulator.insert(
        ci,
        "PaymentTerms",
        &[term("Due on receipt", 0), term("Net 15 days", 15), term("Net 30 days", 30), term("Net 60 days", 60)],
    )?;
    let region = simulator.insert(ci, "TaxRegions", &[json!({ "name": "United Kingdom" })])?[0];
    let category = simulator.insert(ci, "TaxCategories", &[json!({ "name": "Standard rate" })])?[0];
    let rate = Decimal::new(TAX_PERCENT, 2).to_string();
    let tax = json!({ "taxRegionID": region, "taxCategoryID": category, "taxName": "VAT", "taxRate": rate });
    simulator.insert(ci, "Taxes", &[tax])?;
    simulator.insert(ci, "InvoiceTemplates", &[json!({ "name": "Standard invoice", "paymentTerms": 3 })]).map(drop)
}

/// What is there to be invoiced.
struct Books {
    contracts: HashMap<i64, Value>,
    /// Units rows, the field that names their item, and the items.
    units: Vec<(Vec<Value>, &'static str, HashMap<i64, Value>)>,
}

impl Books {
    fn read(simulator: &Simulator, ci: u64) -> Result<Self, SimulatorError> {
        let by_id = |entity: &str| -> Result<HashMap<i64, Value>, SimulatorError> {
            let rows = simulator.rows(ci, entity)?;
            Ok(rows.into_iter().filter_map(|row| Some((row["id"].as_i64()?, row))).collect())
        };
        let units = |entity: &str, line: &str| -> Result<Vec<Value>, SimulatorError> {
            let mut rows = simulator.rows(ci, entity)?;
            rows.sort_by_key(|row| row[line].as_i64());
            Ok(rows)
        };
        Ok(Self {
            contracts: by_id("Contracts")?,
            units: vec![
                (units("ContractServiceUnits", "contractServiceID")?, "serviceID", by_id("Services")?),
                (
                    units("ContractServiceBundleUnits", "contractServiceBundleID")?,
                    "serviceBundleID",
                    by_id("ServiceBundles")?,
                ),
            ],
        })
    }

    /// One invoice for each recurring contract that has units in the month that begins on `first`.
    fn month(&self, first: Date) -> Vec<(Date, Value)> {
        let mut lines: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
        for (rows, item, items) in &self.units {
            for row in rows.iter().filter(|row| holds(row, first)) {
                let (Some(contract), Some(sold)) = (row["contractID"].as_i64(), row[*item].as_i64()) else { continue };
                lines.entry(contract).or_default().push(billed(row, item, &items[&sold]));
            }
        }
        let invoices = lines.into_iter().enumerate().map(|(nth, (contract, lines))| {
            let invoice = json!({
                "companyID": self.contracts[&contract]["companyID"], "invoiceNumber": number(first, nth),
                "invoiceDateTime": first, "createDateTime": format!("{first}T06:30:00Z"),
                "taxRegionName": "United Kingdom", "lines": lines,
            });
            (first, invoice)
        });
        invoices.collect()
    }
}

fn number(first: Date, nth: usize) -> String {
    format!("{}{:02}-{:03}", first.year(), first.month(), nth + 1)
}

fn holds(row: &Value, day: Date) -> bool {
    let date = |field: &str| row[field].as_str().and_then(|text| text.get(..10)?.parse::<Date>().ok());
    date("startDate").is_some_and(|start| start <= day) && date("endDate").is_some_and(|end| day <= end)
}

/// A units row as a line of an invoice.
fn billed(units: &Value, item: &str, sold: &Value) -> Value {
    let decimal = |value: &Value| value.to_string().parse::<Decimal>().unwrap_or_default();
    let (quantity, rate) = (decimal(&units["units"]), decimal(&sold["unitPrice"]));
    let tax = quantity.checked_mul(rate).unwrap_or_default() * Decimal::new(TAX_PERCENT, 2);
    let tax = tax.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    json!({
        "itemName": sold["name"], "description": sold["invoiceDescription"], "quantity": units["units"],
        "rate": sold["unitPrice"], "taxDollars": tax.to_string(), "ourCost": units["cost"],
        "contractID": units["contractID"], item: units[item],
    })
}

/// A courtesy: billed and free of charge.
fn zero(simulator: &Simulator, ci: u64, (first, company): (Date, i64)) -> Result<i64, SimulatorError> {
    let line = json!({ "itemName": "Security review", "quantity": 1, "rate": 0 });
    let invoice = json!({
        "companyID": company, "invoiceNumber": format!("{}{:02}-C01", first.year(), first.month()),
        "invoiceDateTime": first, "createDateTime": format!("{first}T06:45:00Z"), "comments": "With our compliments",
        "lines": [line],
    });
    Ok(simulator.make_invoices(ci, &[invoice])?[0].id)
}
