//! What is shown of an invoice.

use domain::connections::settings::InvoiceReference;
use domain::invoices::{self, Check, Invoice, InvoiceLine, InvoiceStatus, OutstandingBasis};
use domain::{Code, ConnectionId, PartnerId, Scope};
use jiff::Timestamp;
use jiff::civil::Date;
use runtime::App;
use runtime::edge::ApiError;
use rust_decimal::Decimal;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// An invoice. Amounts are decimal texts in the customer's currency.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvoiceView {
    /// Autotask's id: the name of the invoice in this API.
    autotask_id: i64,
    /// The identifier that it carries outside Autotask, by the setting `invoice_reference`.
    reference: String,
    /// Autotask's number; empty where it has none.
    number: String,
    /// Whether another invoice carries the same number.
    number_clash: bool,
    /// `open`, `paid`, `voided` or `missing`.
    status: &'static str,
    /// `Companies.id` of the customer.
    company_id: i64,
    /// The invoice's day.
    #[schema(value_type = String, format = Date)]
    date: Date,
    /// When it is due.
    #[schema(value_type = Option<String>, format = Date)]
    due_date: Option<Date>,
    /// First day of what it bills.
    #[schema(value_type = Option<String>, format = Date)]
    from: Option<Date>,
    /// Last day of what it bills.
    #[schema(value_type = Option<String>, format = Date)]
    to: Option<Date>,
    /// The customer's currency, where Autotask tells one.
    currency: Option<String>,
    /// Autotask's total.
    #[schema(value_type = String)]
    total: Decimal,
    /// Autotask's tax.
    #[schema(value_type = String)]
    tax: Decimal,
    /// What is still to be paid.
    #[schema(value_type = String)]
    outstanding: Decimal,
    /// How we know: `total` (nothing is known of payments), `ledger` (total less what we were told),
    /// `autotask_paid_date`, `voided`. Autotask's API shows no partial amounts.
    #[schema(value_type = String)]
    outstanding_basis: OutstandingBasis,
    /// What was paid or credited beyond the total.
    #[schema(value_type = String)]
    overpaid: Decimal,
    /// Payments that we were told.
    #[schema(value_type = String)]
    paid: Decimal,
    /// Credits that we were told.
    #[schema(value_type = String)]
    credited: Decimal,
    /// Autotask's date of payment, whoever set it.
    #[schema(value_type = Option<String>, format = Date)]
    paid_date: Option<Date>,
    /// Since when it is voided.
    #[schema(value_type = Option<String>, format = Date)]
    voided_date: Option<Date>,
    /// Since when Autotask no longer returns it. It is not archived by that.
    #[schema(value_type = Option<String>, format = DateTime)]
    missing_since: Option<Timestamp>,
    /// Which filter keeps it from being updated (`company_types`, …), as it let it through once; null: none.
    stopped_by: Option<String>,
    /// When a person archived it here.
    #[schema(value_type = Option<String>, format = DateTime)]
    archived_at: Option<Timestamp>,
    /// `orderNumber`.
    order_number: String,
    /// How many lines it has.
    line_count: u32,
    /// Whether lines and tax come to the total.
    lines_match: bool,
    /// What lines and tax come to, where that is not the total.
    #[schema(value_type = Option<String>)]
    lines_total: Option<Decimal>,
    /// What to know of it.
    notes: Vec<Note>,
    /// When our copy last changed.
    #[schema(value_type = String, format = DateTime)]
    changed_at: Timestamp,
}

/// What is said of invoices beside themselves.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    clashing: BTreeSet<i64>,
    stopped: BTreeMap<i64, String>,
}

impl Flags {
    pub(crate) async fn of<'a>(
        app: &App,
        scope: &Scope,
        of: (&PartnerId, &ConnectionId),
        found: impl Iterator<Item = &'a Invoice> + Clone,
    ) -> Result<Self, ApiError> {
        let clashing = invoices::clashing(&app.ports, scope, found.clone()).await?;
        Ok(Self { clashing, stopped: invoices::stopped(&app.ports, scope, of, found).await? })
    }
}

impl InvoiceView {
    pub(crate) fn of(invoice: &Invoice, reference: InvoiceReference, flags: &Flags) -> Self {
        let outstanding = invoice.outstanding();
        Self {
            autotask_id: invoice.id,
            reference: invoice.reference(reference),
            number: invoice.number.clone(),
            number_clash: flags.clashing.contains(&invoice.id),
            stopped_by: flags.stopped.get(&invoice.id).cloned(),
            status: invoice.status.as_str(),
            company_id: invoice.company,
            date: invoice.date,
            due_date: invoice.due,
            from: invoice.from,
            to: invoice.to,
            currency: invoice.currency.clone(),
            total: money(invoice.total),
            tax: money(invoice.tax),
            outstanding: money(outstanding.amount),
            outstanding_basis: outstanding.basis,
            overpaid: money(outstanding.overpaid),
            paid: money(invoice.ledger.paid),
            credited: money(invoice.ledger.credited),
            paid_date: invoice.paid_on,
            voided_date: invoice.voided_on,
            missing_since: invoice.missing_since,
            archived_at: invoice.archived_at,
            order_number: invoice.order_number.clone(),
            line_count: invoice.lines.count,
            lines_match: invoice.check == Check::Matches,
            lines_total: match invoice.check {
                Check::Matches => None,
                Check::Differs { lines, .. } => Some(money(lines)),
            },
            notes: notes(invoice, flags.clashing.contains(&invoice.id)),
            changed_at: invoice.changed_at,
        }
    }
}

/// Something to know of an invoice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Note {
    /// `invoice_voided`, `invoice_missing_upstream`, `invoice_total_mismatch`, `invoice_number_clash`,
    /// `partial_not_visible`.
    #[schema(example = "partial_not_visible")]
    code: &'static str,
    /// What happened.
    #[schema(example = "Part of the invoice is paid, as far as we were told.")]
    title: &'static str,
    /// What it means.
    #[schema(example = "What is outstanding rests on our ledger.")]
    effect: &'static str,
    /// What to do.
    #[schema(example = "Record by hand, as a credit, what was paid in part in Autotask.")]
    action: &'static str,
}

fn notes(invoice: &Invoice, number_clash: bool) -> Vec<Note> {
    let part_paid = invoice.status == InvoiceStatus::Open && invoice.ledger.entries > 0;
    let all = [
        (Code::InvoiceVoided, invoice.status == InvoiceStatus::Voided),
        (Code::InvoiceMissingUpstream, invoice.status == InvoiceStatus::Missing),
        (Code::InvoiceTotalMismatch, invoice.check != Check::Matches),
        (Code::InvoiceNumberClash, number_clash),
        (Code::PartialNotVisible, part_paid),
    ];
    let note =
        |code: Code| Note { code: code.as_str(), title: code.title(), effect: code.effect(), action: code.action() };
    all.into_iter().filter(|(_, holds)| *holds).map(|(code, _)| note(code)).collect()
}

/// An amount with at least two decimals; more where Autotask has more.
pub(crate) fn money(mut amount: Decimal) -> Decimal {
    amount.rescale(amount.scale().max(MONEY_PLACES));
    amount
}

/// Decimals of an amount: cents.
const MONEY_PLACES: u32 = 2;

/// A line of an invoice. Amounts are decimal texts in the invoice's currency.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineView {
    /// `BillingItems.id`.
    autotask_id: i64,
    name: String,
    description: String,
    #[schema(value_type = Option<String>)]
    quantity: Option<Decimal>,
    /// Price of one.
    #[schema(value_type = Option<String>)]
    rate: Option<Decimal>,
    /// What the line comes to, without tax.
    #[schema(value_type = String)]
    amount: Decimal,
    #[schema(value_type = String)]
    tax: Decimal,
    #[schema(value_type = Option<String>, format = Date)]
    date: Option<Date>,
    /// `billingItemType`, Autotask's number.
    kind: Option<i64>,
    contract_id: Option<i64>,
    service_id: Option<i64>,
    service_bundle_id: Option<i64>,
}

impl From<InvoiceLine> for LineView {
    fn from(line: InvoiceLine) -> Self {
        Self {
            autotask_id: line.id,
            name: line.name,
            description: line.description,
            quantity: line.quantity,
            rate: line.rate,
            amount: money(line.amount),
            tax: money(line.tax),
            date: line.date,
            kind: line.kind,
            contract_id: line.contract,
            service_id: line.service,
            service_bundle_id: line.bundle,
        }
    }
}
