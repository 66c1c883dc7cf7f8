//! Invoices as people make and change them.

use jiff::ToSpan;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};

use crate::behaviour::{follow_lines, price_line};
use crate::cell::Cell;
use crate::rows::{gone, merge};
use crate::schema::{Entity, catalogue};
use crate::sim::{Simulator, SimulatorError};
use crate::state::Tenant;
use crate::table::Row;
use crate::tables::{CHARGE_ITEM, DUE_DAYS, RECURRING_ITEM};
use crate::write::set_defaults;

/// An invoice that a person made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MadeInvoice {
    /// `Invoices.id`.
    pub id: i64,
    /// `BillingItems.id`, in the order of the lines.
    pub lines: Vec<i64>,
}

impl Simulator {
    /// Approves and posts items and makes invoices of them. Each of `invoices` holds fields of `Invoices`, at least
    /// `companyID`, and `lines`: fields of `BillingItems`, usually `itemName`, `quantity`, `rate`, `taxDollars`.
    ///
    /// What is left out: a number by the id, today's date, the month of that date, the day on which its
    /// payment term makes it due, and totals that follow the lines. Amounts that are given stay as given.
    ///
    /// # Errors
    /// If there is no such company, or a field is unknown; then nothing was made.
    pub fn make_invoices(&self, ci: u64, invoices: &[Value]) -> Result<Vec<MadeInvoice>, SimulatorError> {
        self.with_tenant(ci, "Invoices", |tenant, entity| {
            let drafts: Vec<Draft> =
                invoices.iter().map(|fields| Draft::read(tenant, entity, fields)).collect::<Result<_, _>>()?;
            Ok(drafts.into_iter().map(|draft| draft.make(tenant, entity)).collect())
        })
    }

    /// Voids an invoice: it stays, with its lines.
    ///
    /// # Errors
    /// If there is no such invoice, or it is void already.
    pub fn void_invoice(&self, ci: u64, invoice: i64) -> Result<(), SimulatorError> {
        self.on_invoice(ci, invoice, |tenant, entity, row| {
            if *row.get(entity, "isVoided") == Cell::Bool(true) {
                return Err(SimulatorError("the invoice is void already".to_owned()));
            }
            row.set(entity, "isVoided", Cell::Bool(true));
            row.set(entity, "voidedDate", Cell::instant(tenant.now));
            row.set(entity, "voidedByResourceID", somebody(tenant));
            Ok(())
        })
    }

    /// Deletes an invoice and its lines: nothing tells that they were there.
    ///
    /// # Errors
    /// If there is no such invoice.
    pub fn delete_invoice(&self, ci: u64, invoice: i64) -> Result<(), SimulatorError> {
        self.with_tenant(ci, "Invoices", |tenant, entity| {
            let items = catalogue().known("BillingItems");
            if !tenant.remove(entity, invoice) {
                return Err(gone(entity, invoice));
            }
            let lines: Vec<i64> = tenant.db.table(items).ids_by(items.at("invoiceID"), invoice).collect();
            for line in lines {
                tenant.remove(items, line);
            }
            Ok(())
        })
    }

    /// Marks an invoice as paid on a day; without one, as unpaid.
    ///
    /// # Errors
    /// If there is no such invoice.
    pub fn pay_invoice(&self, ci: u64, invoice: i64, day: Option<Date>) -> Result<(), SimulatorError> {
        self.on_invoice(ci, invoice, |_, entity, row| {
            row.set(entity, "paidDate", day.map_or(Cell::Null, Cell::Date));
            Ok(())
        })
    }

    /// Gives an invoice another day on which it is due.
    ///
    /// # Errors
    /// If there is no such invoice.
    pub fn change_due_date(&self, ci: u64, invoice: i64, day: Date) -> Result<(), SimulatorError> {
        self.on_invoice(ci, invoice, |_, entity, row| {
            row.set(entity, "dueDate", Cell::Date(day));
            Ok(())
        })
    }

    /// Gives an invoice another number, which others may have, too.
    ///
    /// # Errors
    /// If there is no such invoice.
    pub fn renumber_invoice(&self, ci: u64, invoice: i64, number: &str) -> Result<(), SimulatorError> {
        self.on_invoice(ci, invoice, |_, entity, row| {
            row.set(entity, "invoiceNumber", Cell::text(number));
            Ok(())
        })
    }

    /// Adds a line to an invoice, whose totals follow. Answers the line's id.
    ///
    /// # Errors
    /// If there is no such invoice, or a field is unknown.
    pub fn add_invoice_line(&self, ci: u64, invoice: i64, line: &Value) -> Result<i64, SimulatorError> {
        self.on_invoice(ci, invoice, |tenant, entity, row| {
            let line = read_line(tenant, line)?;
            let id = put_line(tenant, (entity, row), line);
            follow_lines(tenant, row);
            Ok(id)
        })
    }

    /// Takes a line off its invoice, whose totals follow: the line is gone.
    ///
    /// # Errors
    /// If there is no such line, or it is on no invoice.
    pub fn remove_invoice_line(&self, ci: u64, line: i64) -> Result<(), SimulatorError> {
        let items = catalogue().known("BillingItems");
        let invoice = self.with_tenant(ci, "BillingItems", |tenant, _| {
            let row = tenant.row(items, line).ok_or_else(|| gone(items, line))?;
            row.get(items, "invoiceID").int().ok_or_else(|| SimulatorError("the line is on no invoice".to_owned()))
        })?;
        self.on_invoice(ci, invoice, |tenant, _, row| {
            tenant.remove(items, line);
            follow_lines(tenant, row);
            Ok(())
        })
    }

    fn on_invoice<T>(
        &self,
        ci: u64,
        invoice: i64,
        change: impl FnOnce(&mut Tenant, &Entity, &mut Row) -> Result<T, SimulatorError>,
    ) -> Result<T, SimulatorError> {
        self.with_tenant(ci, "Invoices", |tenant, entity| {
            let mut row = tenant.row(entity, invoice).cloned().ok_or_else(|| gone(entity, invoice))?;
            let done = change(tenant, entity, &mut row)?;
            tenant.put(entity, row);
            Ok(done)
        })
    }
}

/// An invoice that can be made: nothing of it can fail any more.
struct Draft {
    row: Row,
    lines: Vec<Row>,
    /// Amounts that were given, and do not follow the lines.
    given: [Cell; 2],
}

const TOTALS: [&str; 2] = ["invoiceTotal", "totalTaxValue"];

impl Draft {
    fn read(tenant: &Tenant, entity: &Entity, fields: &Value) -> Result<Self, SimulatorError> {
        let mut fields = fields.clone();
        let lines = fields.as_object_mut().and_then(|row| row.remove("lines")).unwrap_or_else(|| json!([]));
        let lines = lines.as_array().ok_or_else(|| SimulatorError("lines is a list".to_owned()))?;
        let lines = lines.iter().map(|line| read_line(tenant, line)).collect::<Result<_, _>>()?;
        let mut row = Row::empty(entity);
        merge(entity, &mut row, &fields)?;
        let given = TOTALS.map(|field| row.get(entity, field).clone());
        let companies = catalogue().known("Companies");
        let company = row.get(entity, "companyID").int();
        if company.is_none_or(|id| tenant.row(companies, id).is_none()) {
            return Err(gone(companies, company.unwrap_or_default()));
        }
        set_defaults(tenant, entity, &mut row);
        // Stamps are defaults here: what was given stays.
        merge(entity, &mut row, &fields)?;
        complete(tenant, entity, &mut row);
        Ok(Self { row, lines, given })
    }

    fn make(mut self, tenant: &mut Tenant, entity: &Entity) -> MadeInvoice {
        let id = tenant.put(entity, self.row.clone());
        self.row.set(entity, "id", Cell::Int(id));
        if self.row.get(entity, "invoiceNumber").is_null() {
            self.row.set(entity, "invoiceNumber", Cell::text(&format!("INV-{id}")));
        }
        let lines = self.lines.into_iter().map(|line| put_line(tenant, (entity, &self.row), line)).collect();
        follow_lines(tenant, &mut self.row);
        for (field, given) in TOTALS.into_iter().zip(self.given) {
            if !given.is_null() {
                self.row.set(entity, field, given);
            }
        }
        tenant.put(entity, self.row);
        MadeInvoice { id, lines }
    }
}

fn complete(tenant: &Tenant, entity: &Entity, row: &mut Row) {
    let or = |row: &mut Row, field: &str, cell: Cell| {
        if row.get(entity, field).is_null() {
            row.set(entity, field, cell);
        }
    };
    or(row, "invoiceDateTime", Cell::Date(tenant.today()));
    let day = row.get(entity, "invoiceDateTime").date().unwrap_or_else(|| tenant.today());
    let term = row.get(entity, "paymentTerm").int();
    let days = DUE_DAYS.iter().find(|(known, _)| Some(*known) == term).map_or(0, |(_, days)| *days);
    or(row, "dueDate", Cell::Date(day.saturating_add(days.days())));
    or(row, "fromDate", Cell::Date(day.first_of_month()));
    or(row, "toDate", Cell::Date(day.last_of_month()));
    or(row, "creatorResourceID", somebody(tenant));
    or(row, "batchID", Cell::Int(tenant.db.table(entity).next_id));
    let template = tenant.db.table(catalogue().known("InvoiceTemplates")).rows.keys().next();
    or(row, "invoiceEditorTemplateID", template.map_or(Cell::Null, |id| Cell::Int(*id)));
}

fn somebody(tenant: &Tenant) -> Cell {
    let resource = tenant.db.table(catalogue().known("Resources")).rows.keys().next();
    resource.map_or(Cell::Null, |id| Cell::Int(*id))
}

fn read_line(tenant: &Tenant, fields: &Value) -> Result<Row, SimulatorError> {
    let items = catalogue().known("BillingItems");
    let mut line = Row::empty(items);
    merge(items, &mut line, fields)?;
    set_defaults(tenant, items, &mut line);
    let recurring = ["serviceID", "serviceBundleID"].iter().any(|field| !line.get(items, field).is_null());
    if line.get(items, "billingItemType").is_null() {
        line.set(items, "billingItemType", Cell::Int(if recurring { RECURRING_ITEM } else { CHARGE_ITEM }));
    }
    price_line(items, &mut line);
    Ok(line)
}

/// Posts a line onto an invoice. Answers its id.
fn put_line(tenant: &mut Tenant, (invoices, invoice): (&Entity, &Row), mut line: Row) -> i64 {
    let items = catalogue().known("BillingItems");
    let now = tenant.now;
    line.set(items, "invoiceID", Cell::Int(invoice.id(invoices)));
    line.set(items, "companyID", invoice.get(invoices, "companyID").clone());
    for (field, cell) in [
        ("itemDate", invoice.get(invoices, "fromDate").clone()),
        ("postedDate", invoice.get(invoices, "invoiceDateTime").clone()),
        ("postedOnTime", Cell::instant(now)),
        ("lineItemID", Cell::Int(tenant.db.table(items).next_id)),
    ] {
        if line.get(items, field).is_null() {
            line.set(items, field, cell);
        }
    }
    tenant.put(items, line)
}
