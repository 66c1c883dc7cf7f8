//! What is still to be paid of an invoice, and how we know.

use super::record::{Invoice, InvoiceStatus};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// How the outstanding amount was found. Autotask's API gives no amounts paid, so most of it rests on what we were
/// told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutstandingBasis {
    /// Nothing is known of payments: the invoice's total.
    Total,
    /// The total less payments and credits that we were told.
    Ledger,
    /// Autotask has a date of payment that is not ours.
    AutotaskPaidDate,
    /// Voided: nothing is to be paid.
    Voided,
}

/// What is still to be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outstanding {
    /// Never below 0, except for a credit note, whose total is below 0.
    pub amount: Decimal,
    /// What was paid or credited beyond the total.
    pub overpaid: Decimal,
    /// How we know.
    pub basis: OutstandingBasis,
}

pub(super) fn of(invoice: &Invoice) -> Outstanding {
    let nothing = |basis| Outstanding { amount: Decimal::ZERO, overpaid: Decimal::ZERO, basis };
    let sums = &invoice.ledger;
    if invoice.voided_on.is_some() {
        return nothing(OutstandingBasis::Voided);
    }
    // A date that we wrote says no more than our ledger does.
    if invoice.paid_on.is_some() && invoice.paid_on != sums.written_paid_on {
        return nothing(OutstandingBasis::AutotaskPaidDate);
    }
    if sums.entries == 0 {
        return Outstanding { amount: invoice.total, overpaid: Decimal::ZERO, basis: OutstandingBasis::Total };
    }
    let left = invoice.total - sums.paid - sums.credited;
    let basis = OutstandingBasis::Ledger;
    match left >= Decimal::ZERO || invoice.total < Decimal::ZERO {
        true => Outstanding { amount: left, overpaid: Decimal::ZERO, basis },
        false => Outstanding { amount: Decimal::ZERO, overpaid: -left, basis },
    }
}

/// Where an invoice stands by what it says itself.
#[must_use]
pub fn status_of(invoice: &Invoice) -> InvoiceStatus {
    let left = of(invoice);
    match (invoice.missing_since, invoice.voided_on, left.basis) {
        (Some(_), ..) => InvoiceStatus::Missing,
        (None, Some(_), _) => InvoiceStatus::Voided,
        (None, None, OutstandingBasis::AutotaskPaidDate) => InvoiceStatus::Paid,
        // Also an invoice over nothing: there is nothing to pay.
        (None, None, _) if left.amount.is_zero() => InvoiceStatus::Paid,
        _ => InvoiceStatus::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invoices::record::sample;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn outstanding_is_the_total_less_what_we_were_told_unless_autotask_knows_better() {
        let day = |day| Some(jiff::civil::date(2026, 11, day));
        // total, payments, credits, entries, ours, Autotask's paid date, voided: amount, overpaid, basis
        for (total, paid, credited, entries, ours, theirs, voided, wanted) in [
            (d("150"), d("0"), d("0"), 0, None, None, None, (d("150"), d("0"), OutstandingBasis::Total)),
            (d("150"), d("50"), d("0"), 1, None, None, None, (d("100"), d("0"), OutstandingBasis::Ledger)),
            (d("150"), d("50"), d("25.5"), 2, None, None, None, (d("74.5"), d("0"), OutstandingBasis::Ledger)),
            (d("150"), d("160"), d("0"), 1, None, None, None, (d("0"), d("10"), OutstandingBasis::Ledger)),
            (d("150"), d("0"), d("0"), 0, None, day(9), None, (d("0"), d("0"), OutstandingBasis::AutotaskPaidDate)),
            // Ours says no more than the ledger: the total has been raised since.
            (d("200"), d("150"), d("0"), 1, day(9), day(9), None, (d("50"), d("0"), OutstandingBasis::Ledger)),
            (
                d("200"),
                d("150"),
                d("0"),
                1,
                day(9),
                day(10),
                None,
                (d("0"), d("0"), OutstandingBasis::AutotaskPaidDate),
            ),
            (d("150"), d("50"), d("0"), 1, None, None, day(3), (d("0"), d("0"), OutstandingBasis::Voided)),
            (d("-20"), d("0"), d("0"), 0, None, None, None, (d("-20"), d("0"), OutstandingBasis::Total)),
        ] {
            let mut invoice = sample(1);
            (invoice.total, invoice.paid_on, invoice.voided_on) = (total, theirs, voided);
            invoice.ledger = super::super::LedgerSums { paid, credited, entries, written_paid_on: ours };
            let found = of(&invoice);
            assert_eq!((found.amount, found.overpaid, found.basis), wanted, "{total} {paid} {credited}");
        }
    }

    #[test]
    fn an_invoice_is_paid_when_nothing_is_left_and_missing_before_anything_else() {
        let mut invoice = sample(1);
        assert_eq!(status_of(&invoice), InvoiceStatus::Open);
        invoice.ledger.paid = invoice.total;
        invoice.ledger.entries = 1;
        assert_eq!(status_of(&invoice), InvoiceStatus::Paid);
        invoice.voided_on = Some(invoice.date);
        assert_eq!(status_of(&invoice), InvoiceStatus::Voided);
        invoice.missing_since = Some(invoice.created_at);
        assert_eq!(status_of(&invoice), InvoiceStatus::Missing);
    }
}
