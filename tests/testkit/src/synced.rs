//! Our copies of invoices, written as whoever fetches them writes them: with `in_step`.

use crate::world::World;
use domain::Actor;
use domain::change::Change;
use domain::invoices::payments::in_step;
use domain::invoices::{Check, Invoice, InvoiceStatus, LedgerSums, LinesRef, OpenInvoice};
use domain::records::Key;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::{Value, json};

impl World {
    /// An open invoice of today over this total, without lines, there and here. Answers its id.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn synced_invoice(&self, total: &str) -> i64 {
        let company = self.company(&format!("Customer over {total}"));
        let id = self.invoice_with(company, json!({"invoiceTotal": total, "totalTaxValue": "0"})).id;
        self.sync_invoice(id).await;
        id
    }

    /// Brings our copy of an invoice to what Autotask has now, as a fetch does; what it would tell is left out.
    ///
    /// # Panics
    /// If it cannot be written.
    pub async fn sync_invoice(&self, id: i64) {
        let key = Key::Invoice(self.partner.clone(), self.connection.clone(), id);
        let (ports, scope) = (self.ports(), self.scope());
        let found = self.load::<Invoice>(&key).await;
        let row = self.rows("Invoices").remove(&id);
        let mut after = match (&found, &row) {
            (found, Some(row)) => self.copy_of(id, row, found.as_ref().map(|found| &found.value)),
            (Some(found), None) => Invoice { missing_since: Some(ports.clock.now()), ..found.value.clone() },
            (None, None) => panic!("no invoice {id} there or here"),
        };
        let actor = Actor::system("test:fetch", "sync");
        let change = Change::of_connection(ports, &actor, &self.partner, &self.connection);
        let (mut change, nudge) = in_step(change, ports, &scope, &mut after).await.unwrap();
        change = match &found {
            Some(found) => change.replace(&after, found.v).unwrap(),
            None => change.create(&after).unwrap(),
        };
        change = change.write(OpenInvoice::fit(&after).unwrap());
        change.commit(&scope).await.unwrap();
        nudge.send(ports).await;
    }

    fn copy_of(&self, id: i64, row: &Value, before: Option<&Invoice>) -> Invoice {
        let now = self.ports().clock.now();
        let day = |field: &str| row[field].as_str().map(|text| text[..10].parse::<Date>().unwrap());
        let amount = |field: &str| row[field].to_string().trim_matches('"').parse::<Decimal>().unwrap();
        let (total, tax) = (amount("invoiceTotal"), amount("totalTaxValue"));
        Invoice {
            partner: self.partner.clone(),
            connection: self.connection.clone(),
            id,
            number: row["invoiceNumber"].as_str().unwrap_or_default().to_owned(),
            company: row["companyID"].as_i64().unwrap(),
            date: day("invoiceDateTime").unwrap(),
            created_at: now,
            due: day("dueDate"),
            from: day("fromDate"),
            to: day("toDate"),
            total,
            tax,
            currency: before.and_then(|before| before.currency.clone()),
            order_number: String::new(),
            comments: String::new(),
            paid_on: day("paidDate"),
            voided_on: day("voidedDate"),
            lines: LinesRef { set: "none".to_owned(), count: 0, chunks: 0, amount: total - tax, tax },
            check: Check::Matches,
            ledger: LedgerSums::default(),
            missing_since: None,
            archived_at: before.and_then(|before| before.archived_at),
            status: InvoiceStatus::Open,
            digest: format!("{total} {:?} {:?}", row["paidDate"], row["voidedDate"]),
            first_seen_at: before.map_or(now, |before| before.first_seen_at),
            changed_at: now,
        }
    }

    /// Our copy of an invoice.
    ///
    /// # Panics
    /// If there is none.
    pub async fn our_invoice(&self, id: i64) -> Invoice {
        let key = Key::Invoice(self.partner.clone(), self.connection.clone(), id);
        self.load::<Invoice>(&key).await.unwrap_or_else(|| panic!("no copy of invoice {id}")).value
    }
}
