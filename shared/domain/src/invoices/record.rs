//! What is kept of an invoice. Amounts are in the customer's currency, with Autotask's own decimals.

use super::ledger::LedgerSums;
use super::outstanding::{self, Outstanding};
use crate::connections::settings::InvoiceReference;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::StorageError;
use crate::records::{Expect, Index, Key, Record, Write};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Where an invoice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// Something is to be paid, as far as Autotask and we know.
    Open,
    /// Autotask has a date of payment, or our ledger covers it.
    Paid,
    /// Voided in Autotask.
    Voided,
    /// Autotask no longer returns it. Nothing is archived by that.
    Missing,
}

impl InvoiceStatus {
    /// The status as in our API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            InvoiceStatus::Open => "open",
            InvoiceStatus::Paid => "paid",
            InvoiceStatus::Voided => "voided",
            InvoiceStatus::Missing => "missing",
        }
    }
}

/// Which set of lines an invoice has at present. Chunks are written before the invoice that names them, so that
/// lines and invoice always fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinesRef {
    /// Digest of the lines: the same lines have the same name.
    pub set: String,
    /// How many lines.
    pub count: u32,
    /// In how many chunks.
    pub chunks: u32,
    /// Sum of the lines' amounts, without tax.
    pub amount: Decimal,
    /// Sum of the lines' tax.
    pub tax: Decimal,
}

impl LinesRef {
    /// No lines.
    #[must_use]
    pub fn none() -> Self {
        Self { set: String::new(), count: 0, chunks: 0, amount: Decimal::ZERO, tax: Decimal::ZERO }
    }
}

/// Whether lines and tax add up to the invoice's total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Check {
    /// They do, within the tolerance.
    Matches,
    /// They do not.
    Differs {
        /// What the lines and their tax come to.
        lines: Decimal,
        /// What the invoice says.
        total: Decimal,
    },
}

/// Our copy of an invoice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invoice {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// `Invoices.id`.
    pub id: i64,
    /// `invoiceNumber`; empty where Autotask has none.
    pub number: String,
    /// `companyID`: the customer.
    pub company: i64,
    /// Calendar day of `invoiceDateTime`, in the tenant's calendar.
    pub date: Date,
    /// `createDateTime`.
    pub created_at: Timestamp,
    /// `dueDate`.
    pub due: Option<Date>,
    /// First day of what it bills.
    pub from: Option<Date>,
    /// Last day of what it bills.
    pub to: Option<Date>,
    /// `invoiceTotal`.
    pub total: Decimal,
    /// `totalTaxValue`.
    pub tax: Decimal,
    /// The customer's currency, where Autotask tells one.
    #[serde(default)]
    pub currency: Option<String>,
    /// `orderNumber`.
    #[serde(default)]
    pub order_number: String,
    /// `comments`.
    #[serde(default)]
    pub comments: String,
    /// `paidDate`, whoever set it.
    pub paid_on: Option<Date>,
    /// Since when it is voided.
    pub voided_on: Option<Date>,
    /// Its lines.
    pub lines: LinesRef,
    /// Whether they add up.
    pub check: Check,
    /// What the ledger comes to.
    #[serde(default)]
    pub ledger: LedgerSums,
    /// Since when Autotask no longer returns it.
    #[serde(default)]
    pub missing_since: Option<Timestamp>,
    /// When a person archived it here.
    #[serde(default)]
    pub archived_at: Option<Timestamp>,
    /// Where it stands.
    pub status: InvoiceStatus,
    /// Digest of what Autotask said: the same words change nothing.
    pub digest: String,
    /// When we saw it first.
    pub first_seen_at: Timestamp,
    /// When our copy last changed.
    pub changed_at: Timestamp,
}

impl Invoice {
    /// What is still to be paid, and how we know.
    #[must_use]
    pub fn outstanding(&self) -> Outstanding {
        outstanding::of(self)
    }

    /// The identifier that it carries outside Autotask.
    #[must_use]
    pub fn reference(&self, setting: InvoiceReference) -> String {
        match setting {
            InvoiceReference::InvoiceNumber if !self.number.is_empty() => self.number.clone(),
            _ => self.id.to_string(),
        }
    }
}

impl Record for Invoice {
    const ENTITY: &'static str = "invoice";
    fn key(&self) -> Key {
        Key::Invoice(self.partner.clone(), self.connection.clone(), self.id)
    }
    fn index(&self) -> Option<Index> {
        Some(Index::InvoiceOfCompany { company: self.company, date: self.date })
    }
}

/// One line of an invoice: a `BillingItems` row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvoiceLine {
    /// `BillingItems.id`.
    pub id: i64,
    /// `itemName`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `description`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// `quantity`.
    pub quantity: Option<Decimal>,
    /// `rate`: price of one.
    pub rate: Option<Decimal>,
    /// `extendedPrice`: what the line comes to, without tax.
    pub amount: Decimal,
    /// `taxDollars`.
    pub tax: Decimal,
    /// `itemDate`.
    pub date: Option<Date>,
    /// `billingItemType`, Autotask's number.
    pub kind: Option<i64>,
    /// `contractID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<i64>,
    /// `serviceID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<i64>,
    /// `serviceBundleID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<i64>,
    /// `sortOrderID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<i64>,
}

/// A deflated chunk of an invoice's lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinesChunk {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Of which invoice.
    pub invoice: i64,
    /// Of which set of lines.
    pub set: String,
    /// Which chunk.
    pub number: u32,
    /// The lines: deflated JSON in base64.
    pub lines: String,
}

impl Record for LinesChunk {
    const ENTITY: &'static str = "invoice_lines";
    fn key(&self) -> Key {
        let (partner, connection) = (self.partner.clone(), self.connection.clone());
        Key::InvoiceLines(partner, connection, self.invoice, self.set.clone(), self.number)
    }
}

/// That an invoice is open. Written and deleted with the invoice; small, as the daily refresh reads all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenInvoice {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// `Invoices.id`.
    pub id: i64,
}

impl OpenInvoice {
    /// The write that makes the marker fit the invoice.
    ///
    /// # Errors
    /// None that a well-formed record has.
    pub fn fit(invoice: &Invoice) -> Result<Write, StorageError> {
        let (partner, connection) = (invoice.partner.clone(), invoice.connection.clone());
        let marker = Self { partner, connection, id: invoice.id };
        match invoice.status {
            InvoiceStatus::Open => Write::put(&marker, Expect::Any),
            InvoiceStatus::Paid | InvoiceStatus::Voided | InvoiceStatus::Missing => {
                Ok(Write::delete(marker.key(), Expect::Any))
            }
        }
    }
}

impl Record for OpenInvoice {
    const ENTITY: &'static str = "open_invoice";
    fn key(&self) -> Key {
        Key::OpenInvoice(self.partner.clone(), self.connection.clone(), self.id)
    }
}

/// Which invoices carry a number. More than one that is there is a clash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberHolders {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// The number.
    pub number: String,
    /// `Invoices.id` of each, ascending.
    pub invoices: Vec<i64>,
    /// The same of those that carried it when Autotask last returned them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<i64>,
}

impl Record for NumberHolders {
    const ENTITY: &'static str = "invoice_number";
    fn key(&self) -> Key {
        Key::InvoiceNumber(self.partner.clone(), self.connection.clone(), self.number.clone())
    }
}

/// That an invoice's PDF is still to be fetched. Written with the invoice, so that none is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PdfDue {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// `Invoices.id`.
    pub id: i64,
    /// Not before this.
    pub at: Timestamp,
    /// How often it was tried in vain.
    pub attempts: u32,
}

impl Record for PdfDue {
    const ENTITY: &'static str = "pdf_due";
    fn key(&self) -> Key {
        Key::PdfDue(self.partner.clone(), self.connection.clone(), self.id)
    }
}

/// An open invoice over 150 of 2 November 2026, for tests of pure rules.
#[cfg(test)]
pub(crate) fn sample(id: i64) -> Invoice {
    let at: Timestamp = jiff::civil::date(2026, 11, 2).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    Invoice {
        partner: PartnerId::new("acme").unwrap(),
        connection: ConnectionId::new("con_1").unwrap(),
        id,
        number: format!("INV-{id}"),
        company: 7,
        date: jiff::civil::date(2026, 11, 2),
        created_at: at,
        due: Some(jiff::civil::date(2026, 12, 2)),
        from: None,
        to: None,
        total: Decimal::from(150),
        tax: Decimal::from(25),
        currency: None,
        order_number: String::new(),
        comments: String::new(),
        paid_on: None,
        voided_on: None,
        lines: LinesRef {
            set: "s".to_owned(),
            count: 0,
            chunks: 0,
            amount: Decimal::from(125),
            tax: Decimal::from(25),
        },
        check: Check::Matches,
        ledger: LedgerSums::default(),
        missing_since: None,
        archived_at: None,
        status: InvoiceStatus::Open,
        digest: "d".to_owned(),
        first_seen_at: at,
        changed_at: at,
    }
}
