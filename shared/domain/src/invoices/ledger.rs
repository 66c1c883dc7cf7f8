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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The vendor's name of it.
    pub id: PaymentId,
    /// More than 0.
    pub amount: Decimal,
    /// When it was paid or credited.
    pub at: Timestamp,
    /// When we were told.
    pub recorded_at: Timestamp,
    /// When it was deleted or refunded; absent: it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

impl Entry {
    /// Whether it counts.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.deleted_at.is_none()
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
}

impl Record for Ledger {
    const ENTITY: &'static str = "invoice_ledger";
    fn key(&self) -> Key {
        Key::InvoiceLedger(self.partner.clone(), self.connection.clone(), self.invoice)
    }
}

impl Ledger {
    /// What it comes to.
    #[must_use]
    pub fn sums(&self) -> LedgerSums {
        let sum = |entries: &[Entry]| entries.iter().filter(|entry| entry.stands()).map(|entry| entry.amount).sum();
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Whose.
    pub partner: PartnerId,
    /// The vendor's name of it.
    pub id: PaymentId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Of which invoice.
    pub invoice: i64,
    /// Its amount: the same name with another amount is another payment, and refused.
    pub amount: Decimal,
    /// When it was paid.
    pub paid_at: Timestamp,
}

impl Record for Payment {
    const ENTITY: &'static str = "payment";
    fn key(&self) -> Key {
        Key::Payment(self.partner.clone(), self.id.clone())
    }
}
