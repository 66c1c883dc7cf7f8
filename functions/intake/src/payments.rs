//! Payments and credits, as events tell them.

use domain::decoding::decimal_text;
use domain::ids::{ConnectionId, PaymentId};
use domain::invoices::payments::{CreditInput, PaymentInput, Refund};
use domain::{Error, Problem, Result};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;

/// `payment.succeeded`, `payment.partially_paid`.
#[derive(Debug, Deserialize)]
pub(crate) struct PaymentData {
    /// Where the envelope does not say it.
    #[serde(default)]
    connection: Option<ConnectionId>,
    autotask_invoice_id: i64,
    #[serde(default, deserialize_with = "decimal_text")]
    amount: Option<Decimal>,
    paid_at: Timestamp,
    payment_id: PaymentId,
    #[serde(default)]
    currency: Option<String>,
}

/// `payment.deleted`, `payment.refunded`.
#[derive(Debug, Deserialize)]
pub(crate) struct PaymentRef {
    pub(crate) payment_id: PaymentId,
    /// Of a refund: all that was given back of the payment so far; absent: the whole payment.
    #[serde(default, deserialize_with = "decimal_text")]
    refunded: Option<Decimal>,
}

/// `credit.recorded`, `credit.deleted`.
#[derive(Debug, Deserialize)]
pub(crate) struct CreditData {
    #[serde(default)]
    connection: Option<ConnectionId>,
    pub(crate) autotask_invoice_id: i64,
    pub(crate) credit_id: PaymentId,
    #[serde(default, deserialize_with = "decimal_text")]
    amount: Option<Decimal>,
    #[serde(default)]
    credited_at: Option<Timestamp>,
    #[serde(default)]
    currency: Option<String>,
}

fn required<T>(value: Option<T>, pointer: &str) -> Result<T> {
    value.ok_or_else(|| Error::from(Problem::field(pointer, "is required")))
}

impl PaymentData {
    pub(crate) fn input(self, connection: Option<&ConnectionId>) -> Result<PaymentInput> {
        Ok(PaymentInput {
            connection: required(self.connection.or_else(|| connection.cloned()), "/connection")?,
            id: self.payment_id,
            invoice: self.autotask_invoice_id,
            amount: required(self.amount, "/amount")?,
            paid_at: self.paid_at,
            currency: self.currency,
        })
    }
}

impl PaymentRef {
    pub(crate) fn refund(&self) -> Refund {
        self.refunded.map_or(Refund::Whole, Refund::SoFar)
    }
}

impl CreditData {
    pub(crate) fn connection(&self, connection: Option<&ConnectionId>) -> Result<ConnectionId> {
        required(self.connection.clone().or_else(|| connection.cloned()), "/connection")
    }

    /// A credit without a time is of the event's.
    pub(crate) fn input(self, at: Timestamp) -> Result<CreditInput> {
        let amount = required(self.amount, "/amount")?;
        let at = Some(self.credited_at.unwrap_or(at));
        Ok(CreditInput { id: self.credit_id, amount, at, currency: self.currency })
    }
}
