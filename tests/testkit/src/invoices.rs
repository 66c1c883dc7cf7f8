//! Invoices there, as people make and change them.

use crate::world::World;
use jiff::civil::Date;
use serde_json::{Value, json};

/// An invoice in the simulated Autotask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// `Invoices.id`.
    pub id: i64,
    /// `Companies.id`.
    pub company_id: i64,
    /// `invoiceNumber`.
    pub number: String,
    /// `BillingItems.id`, in the order of the lines.
    pub lines: Vec<i64>,
}

impl World {
    /// An invoice of today with these lines: name, quantity, and the price of one as a decimal. No tax.
    ///
    /// # Panics
    /// If there is no such company.
    pub fn invoice(&self, company: i64, lines: &[(&str, i64, &str)]) -> Invoice {
        let lines: Vec<Value> = lines.iter().map(|line| item(*line)).collect();
        self.invoice_with(company, json!({ "lines": lines }))
    }

    /// An invoice with these fields of `Invoices`, and `lines` with fields of `BillingItems`; see
    /// [`simulator::Simulator::make_invoices`] for what is filled in.
    ///
    /// # Panics
    /// If there is no such company, or a field is unknown.
    pub fn invoice_with(&self, company: i64, mut fields: Value) -> Invoice {
        fields["companyID"] = json!(company);
        let made = self.sim.make_invoices(self.ci, &[fields]).unwrap().remove(0);
        let number = self.row("Invoices", made.id)["invoiceNumber"].as_str().unwrap_or_default().to_owned();
        Invoice { id: made.id, company_id: company, number, lines: made.lines }
    }

    /// `invoices` invoices of `companies` new customers in turn, each with `lines_each` lines of 3 at 12.50. Answers
    /// the invoices' ids.
    ///
    /// # Panics
    /// If there are to be invoices and no companies.
    pub fn many_invoices(&self, companies: usize, invoices: usize, lines_each: usize) -> Vec<i64> {
        let names = (1..=companies).map(|number| format!("Customer {number:04}"));
        let rows: Vec<Value> =
            names.map(|name| json!({"companyName": name, "companyType": 1, "phone": "555-0100"})).collect();
        let companies = self.sim.insert(self.ci, "Companies", &rows).unwrap();
        let lines = vec![item(("Seats", 3, "12.50")); lines_each];
        let of = |nth: usize| json!({"companyID": companies[nth % companies.len()], "lines": lines});
        let drafts: Vec<Value> = (0..invoices).map(of).collect();
        self.sim.make_invoices(self.ci, &drafts).unwrap().into_iter().map(|made| made.id).collect()
    }

    /// A person voids an invoice: it stays, with its lines.
    ///
    /// # Panics
    /// If there is none, or it is void.
    pub fn void_invoice(&self, invoice: i64) {
        self.sim.void_invoice(self.ci, invoice).unwrap();
    }

    /// A person deletes an invoice: it vanishes, with its lines.
    ///
    /// # Panics
    /// If there is none.
    pub fn delete_invoice(&self, invoice: i64) {
        self.sim.delete_invoice(self.ci, invoice).unwrap();
    }

    /// A person marks an invoice as paid on a day.
    ///
    /// # Panics
    /// If there is none.
    pub fn pay_in_autotask(&self, invoice: i64, day: Date) {
        self.sim.pay_invoice(self.ci, invoice, Some(day)).unwrap();
    }

    /// A person takes that back.
    ///
    /// # Panics
    /// If there is none.
    pub fn unpay_in_autotask(&self, invoice: i64) {
        self.sim.pay_invoice(self.ci, invoice, None).unwrap();
    }

    /// A person gives an invoice another due date.
    ///
    /// # Panics
    /// If there is none.
    pub fn invoice_due_on(&self, invoice: i64, day: Date) {
        self.sim.change_due_date(self.ci, invoice, day).unwrap();
    }

    /// A person gives an invoice another number, which others may have, too.
    ///
    /// # Panics
    /// If there is none.
    pub fn renumber_invoice(&self, invoice: i64, number: &str) {
        self.sim.renumber_invoice(self.ci, invoice, number).unwrap();
    }

    /// A person adds a line to an invoice, whose totals follow. Answers the line's id.
    ///
    /// # Panics
    /// If there is none.
    pub fn add_invoice_line(&self, invoice: i64, line: (&str, i64, &str)) -> i64 {
        self.sim.add_invoice_line(self.ci, invoice, &item(line)).unwrap()
    }

    /// A person takes a line off its invoice, whose totals follow.
    ///
    /// # Panics
    /// If there is none.
    pub fn remove_invoice_line(&self, line: i64) {
        self.sim.remove_invoice_line(self.ci, line).unwrap();
    }

    /// `paidDate` as Autotask has it.
    ///
    /// # Panics
    /// If there is no such invoice.
    #[must_use]
    pub fn paid_there(&self, invoice: i64) -> Option<Date> {
        self.row("Invoices", invoice)["paidDate"].as_str().map(|text| text[..10].parse().unwrap())
    }
}

fn item((name, quantity, rate): (&str, i64, &str)) -> Value {
    json!({"itemName": name, "quantity": quantity, "rate": rate})
}
