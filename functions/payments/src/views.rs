//! What is shown of payments.

use domain::Code;
use domain::ids::PaymentId;
use domain::invoices::payments::{Outcome, Recorded, Standing, State};
use domain::invoices::{Entry, Invoice, OutstandingBasis};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

/// What became of a payment or credit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordedView {
    /// The payment's or credit's name.
    #[schema(value_type = String)]
    id: PaymentId,
    /// `recorded`; `repeated` where it was so already; `deleted`.
    #[schema(value_type = String)]
    outcome: Outcome,
    /// How its invoice stands; null for a payment of which no invoice is known.
    invoice: Option<StandingView>,
}

impl RecordedView {
    pub(crate) fn of(id: PaymentId, done: Recorded) -> Self {
        Self { id, outcome: done.outcome, invoice: done.standing.as_ref().map(StandingView::of) }
    }
}

/// How an invoice stands. Amounts are decimal texts in its currency.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StandingView {
    /// Autotask's id of the invoice.
    autotask_id: i64,
    /// `open`, `paid`, `voided` or `missing`; null while the invoice is not here yet.
    status: Option<&'static str>,
    currency: Option<String>,
    /// Autotask's total.
    #[schema(value_type = Option<String>)]
    total: Option<Decimal>,
    /// Payments that stand.
    #[schema(value_type = String)]
    paid: Decimal,
    /// Credits that stand.
    #[schema(value_type = String)]
    credited: Decimal,
    /// What is still to be paid.
    #[schema(value_type = Option<String>)]
    outstanding: Option<Decimal>,
    /// How we know: `total`, `ledger`, `autotask_paid_date` or `voided`.
    #[schema(value_type = Option<String>)]
    outstanding_basis: Option<OutstandingBasis>,
    /// What was paid or credited beyond the total.
    #[schema(value_type = Option<String>)]
    overpaid: Option<Decimal>,
    /// What Autotask knows of it.
    writeback: WritebackView,
}

/// What Autotask knows of an invoice's payments.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WritebackView {
    /// `nothing` to tell; `partial`: paid in part, which it cannot be told; `waiting`; `off` by the setting; `failing`;
    /// `written`; `conflict`: it has a date of its own, or ours was taken out there.
    #[schema(value_type = String)]
    state: State,
    /// Why, where somebody should know: `payment_conflict`, `partial_not_visible`, `autotask_unavailable`, …
    #[schema(value_type = Option<String>)]
    code: Option<Code>,
    /// The same in words.
    words: Option<String>,
    /// What to do about it.
    action: Option<&'static str>,
    /// The paid date that is to be written; null where none is, or where it is to be cleared.
    #[schema(value_type = Option<String>, format = Date)]
    wanted_paid_date: Option<Date>,
    /// The paid date that Autotask has, as far as we know.
    #[schema(value_type = Option<String>, format = Date)]
    autotask_paid_date: Option<Date>,
    /// The paid date that is there and from here.
    #[schema(value_type = Option<String>, format = Date)]
    written_paid_date: Option<Date>,
    /// How often it was tried in vain.
    attempts: u32,
    /// Since when Autotask is to be told.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// When it is tried next.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Timestamp>,
}

impl StandingView {
    fn of(standing: &Standing) -> Self {
        let (invoice, writeback) = (standing.invoice.as_ref(), standing.writeback.as_ref());
        let (sums, left) = (standing.ledger.sums(), invoice.map(Invoice::outstanding));
        let (code, words) = match &standing.why {
            Some((code, words)) => (Some(*code), Some(words.clone())),
            None => (None, None),
        };
        Self {
            autotask_id: standing.ledger.invoice,
            status: invoice.map(|invoice| invoice.status.as_str()),
            currency: invoice.and_then(|invoice| invoice.currency.clone()),
            total: invoice.map(|invoice| invoice.total),
            paid: sums.paid,
            credited: sums.credited,
            outstanding: left.map(|left| left.amount),
            outstanding_basis: left.map(|left| left.basis),
            overpaid: left.map(|left| left.overpaid),
            writeback: WritebackView {
                state: standing.state,
                code,
                words,
                action: code.map(Code::action),
                wanted_paid_date: writeback.and_then(|writeback| writeback.desired),
                autotask_paid_date: invoice.and_then(|invoice| invoice.paid_on),
                written_paid_date: sums.written_paid_on,
                attempts: writeback.map_or(0, |writeback| writeback.attempts),
                since: writeback.map(|writeback| writeback.since),
                next_at: writeback.map(|writeback| writeback.next_at),
            },
        }
    }
}

/// A payment or a credit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryView {
    /// Its name.
    #[schema(value_type = String)]
    id: PaymentId,
    #[schema(value_type = String)]
    amount: Decimal,
    /// How much of it was given back.
    #[schema(value_type = String)]
    refunded: Decimal,
    /// What it counts for now.
    #[schema(value_type = String)]
    counts: Decimal,
    currency: Option<String>,
    /// When it was paid or credited.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Its day in the connection's zone.
    #[schema(value_type = String, format = Date)]
    day: Date,
    /// When it was told.
    #[schema(value_type = String, format = DateTime)]
    recorded_at: Timestamp,
    /// When it was deleted, or given back whole; null while it counts.
    #[schema(value_type = Option<String>, format = DateTime)]
    deleted_at: Option<Timestamp>,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            counts: entry.counts(),
            id: entry.id,
            amount: entry.amount,
            refunded: entry.refunded,
            currency: entry.currency,
            at: entry.at,
            day: entry.on,
            recorded_at: entry.recorded_at,
            deleted_at: entry.deleted_at,
        }
    }
}

/// An invoice's ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentsView {
    /// How the invoice stands.
    invoice: StandingView,
    /// Payments, deleted ones too, in the order in which they were told.
    payments: Vec<EntryView>,
    /// Credits, deleted ones too, in the order in which they were told.
    credits: Vec<EntryView>,
}

impl PaymentsView {
    pub(crate) fn of(standing: Standing) -> Self {
        let invoice = StandingView::of(&standing);
        let shown = |entries: Vec<Entry>| entries.into_iter().map(EntryView::from).collect();
        Self { invoice, payments: shown(standing.ledger.payments), credits: shown(standing.ledger.credits) }
    }
}

/// Whether an invoice is archived.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ArchivedView {
    /// Autotask's id of the invoice.
    autotask_id: i64,
    /// `open`, `paid`, `voided` or `missing`.
    status: &'static str,
    /// When it was archived; null where it is not.
    #[schema(value_type = Option<String>, format = DateTime)]
    archived_at: Option<Timestamp>,
}

impl ArchivedView {
    pub(crate) fn of(invoice: &Invoice) -> Self {
        Self { autotask_id: invoice.id, status: invoice.status.as_str(), archived_at: invoice.archived_at }
    }
}
