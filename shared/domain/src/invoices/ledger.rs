//! What was paid of an invoice, as far as we were told: Autotask's API knows no amounts paid.

use crate::ids::{ConnectionId, PartnerId, PaymentId};
use crate::records::{Key, Record};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What a ledger comes to; stands in the invoice, written with every change of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LedgerSums {
    /// Sum of the payments that stand.
    pub paid: Decimal,
    /// Sum of the credits that stand.
    pub credited: Decimal,
    /// How many entries stand; none: only Autotask's word counts.
    pub entries: u32,
    /// The `paidDate` that we set in Autotask and saw there; absent: whatever it has is not ours.
    #[serde(default)]
    pub written_paid_on: Option<Date>,
}

/// One entry: a payment, or a credit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The vendor's name of it.
    pub id: PaymentId,
    /// More than 0; 0 for a credit that was deleted before we were told of it.
    pub amount: Decimal,
    /// How much of it was given back.
    #[serde(default, skip_serializing_if = "Decimal::is_zero")]
    pub refunded: Decimal,
    /// In which currency, where that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// When it was paid or credited.
    pub at: Timestamp,
    /// The calendar day of `at` in the connection's zone, as that was when we were told: a zone that is changed later
    /// does not move what was written.
    pub on: Date,
    /// When we were told.
    pub recorded_at: Timestamp,
    /// When it was deleted, or given back whole; absent: it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

impl Entry {
    /// Whether it counts.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.deleted_at.is_none()
    }

    /// What it counts for.
    #[must_use]
    pub fn counts(&self) -> Decimal {
        if self.stands() { self.amount - self.refunded } else { Decimal::ZERO }
    }
}

/// Payments and credits of one invoice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Of which invoice.
    pub invoice: i64,
    /// Payments, in the order in which they were told.
    pub payments: Vec<Entry>,
    /// Credits, in the order in which they were told.
    pub credits: Vec<Entry>,
    /// The `paidDate` that we set in Autotask and saw there.
    #[serde(default)]
    pub written_paid_on: Option<Date>,
    /// A `paidDate` of ours that somebody took out again in Autotask: the same is not written once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disputed: Option<Date>,
}

impl Record for Ledger {
    const ENTITY: &'static str = "invoice_ledger";
    fn key(&self) -> Key {
        Key::InvoiceLedger(self.partner.clone(), self.connection.clone(), self.invoice)
    }
}

impl Ledger {
    /// The ledger of an invoice that nothing was told of.
    #[must_use]
    pub fn empty(partner: &PartnerId, connection: &ConnectionId, invoice: i64) -> Self {
        let (payments, credits) = (Vec::new(), Vec::new());
        let (partner, connection) = (partner.clone(), connection.clone());
        Self { partner, connection, invoice, payments, credits, written_paid_on: None, disputed: None }
    }

    /// What it comes to.
    #[must_use]
    pub fn sums(&self) -> LedgerSums {
        let sum = |entries: &[Entry]| entries.iter().map(Entry::counts).sum();
        let standing = self.payments.iter().chain(&self.credits).filter(|entry| entry.stands()).count();
        LedgerSums {
            paid: sum(&self.payments),
            credited: sum(&self.credits),
            entries: u32::try_from(standing).unwrap_or(u32::MAX),
            written_paid_on: self.written_paid_on,
        }
    }
}

/// A payment by the vendor's name: to which invoice it belongs. Kept for good, so that it is not taken twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    /// Whose.
    pub partner: PartnerId,
    /// The vendor's name of it.
    pub id: PaymentId,
    /// What was told of it; absent: we know only that it was deleted or given back.
    pub told: Option<ToldPayment>,
    /// How much of it was given back, by the largest that was told.
    #[serde(default, skip_serializing_if = "Decimal::is_zero")]
    pub refunded: Decimal,
    /// When it was deleted, or given back whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

/// What a payment is: the same name with anything else is another payment, and refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToldPayment {
    /// Of which connection.
    pub connection: ConnectionId,
    /// Of which invoice.
    pub invoice: i64,
    /// Its amount.
    pub amount: Decimal,
    /// Its currency, where that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// When it was paid.
    pub paid_at: Timestamp,
}

impl Record for Payment {
    const ENTITY: &'static str = "payment";
    fn key(&self) -> Key {
        Key::Payment(self.partner.clone(), self.id.clone())
    }
}
