//! Comparing a page of invoices with our copies, and writing what differs together with the event that tells of it.

use super::customers;
use super::lines::{self, Lines};
use super::place::{Place, load_each};
use super::record::Counts;
use super::theirs::Header;
use crate::change::Change;
use crate::invoices::customer::Customer;
use crate::invoices::lines::{LineSet, drop_set, set_of, store_sets};
use crate::invoices::outstanding::status_of;
use crate::invoices::payments::{Nudge, in_step};
use crate::invoices::record::{Check, Invoice, InvoiceStatus, LinesRef, OpenInvoice, PdfDue};
use crate::invoices::{integrity, numbers};
use crate::issues::{self, Subject};
use crate::ports::{Read, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, Expect, Key, Record, Versioned, WRITES_MAX, Write, load_all};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Records that an invoice takes without issues: itself, its marker, two numbers, its ledger's check, its PDF's due row,
/// its event.
const RECORDS_EACH: usize = 7;
/// Records that it takes at most: with its write-back and four issues, each with an event.
const RECORDS_MAX: usize = 20;
/// How often an invoice that somebody else changes meanwhile is compared and written again.
const TRIES: u32 = 5;

/// How a page is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::invoices) struct How {
    /// Between the first and the last id Autotask has no other invoices.
    pub(super) dense: bool,
    /// What was made before this was made before anything was fetched.
    pub(super) history_until: Option<Timestamp>,
    /// Lines are read also where the head says nothing new.
    pub(super) lines_anyway: bool,
}

/// What is known of customers, for as long as an invocation lasts.
#[derive(Debug, Default)]
pub(in crate::invoices) struct Known {
    customers: BTreeMap<i64, Option<Decision>>,
}

impl Known {
    /// Has these customers looked at again: what was decided about them is no longer so.
    pub(super) fn forget(&mut self, companies: &[i64]) {
        for company in companies {
            self.customers.remove(company);
        }
    }

    fn get(&self, company: i64) -> Option<&Decision> {
        self.customers.get(&company).and_then(Option::as_ref)
    }
}

/// What matters of a customer to its invoices.
#[derive(Debug, Clone)]
struct Decision {
    hidden: bool,
    currency: Option<String>,
}

impl From<&Customer> for Decision {
    fn from(customer: &Customer) -> Self {
        Self { hidden: customer.hidden_by.is_some(), currency: customer.currency.clone() }
    }
}

/// Takes a page of invoices over. Doing it twice writes nothing the second time.
pub(super) async fn take(place: &Place<'_>, known: &mut Known, page: Vec<Header>, how: How) -> Result<Counts> {
    let (mut counts, rows) = (Counts::default(), page.len());
    decide(place, known, page.iter().map(|header| header.company), &mut counts).await?;
    let of_wanted = |header: &Header| known.get(header.company).is_some_and(|customer| !customer.hidden);
    let mut wanted: Vec<Header> = page.into_iter().filter(of_wanted).collect();
    let before = match (how.dense, wanted.first(), wanted.last()) {
        (true, Some(first), Some(last)) => load_span(place, first.id, last.id).await?,
        _ => load_many(place, wanted.iter().map(|header| header.id)).await?,
    };
    wanted.retain(|header| {
        let history = !before.contains_key(&header.id) && is_history(header, how);
        place.filters.hides_invoice(header.date, header.total, history).is_none()
    });
    counts.invoices_hidden += u32::try_from(rows - wanted.len()).unwrap_or(u32::MAX);
    let differs: Vec<&Header> = wanted
        .iter()
        .filter(|header| how.lines_anyway || before.get(&header.id).is_none_or(|invoice| is_news(invoice, header)))
        .collect();
    let ask: BTreeSet<i64> = differs
        .iter()
        .filter(|header| {
            how.lines_anyway || before.get(&header.id).is_none_or(|invoice| is_other_money(invoice, header))
        })
        .map(|header| header.id)
        .collect();
    // A span pays where it holds little that is not wanted.
    let dense = how.dense && ask.len() * 2 >= rows;
    let mut lines = lines::read(place, &ask, dense).await?;
    for some in differs.chunks(WRITES_MAX / RECORDS_EACH) {
        counts.add(&write(place, known, some, &before, &mut lines).await?);
    }
    Ok(counts)
}

/// Our copies between two ids, both included.
async fn load_span(place: &Place<'_>, first: i64, last: i64) -> Result<BTreeMap<i64, Versioned<Invoice>>> {
    let (partner, id) = (place.partner().clone(), place.id().clone());
    let of = Collection::InvoicesBetween(partner, id, first.saturating_sub(1), last);
    let found = load_all::<Invoice>(&*place.ports.storage, place.scope, &of, Read::Strong).await?;
    Ok(found.into_iter().map(|invoice| (invoice.id, invoice)).collect())
}

/// Whether it was made, and paid or voided, before anything was fetched, as far as one can tell.
fn is_history(header: &Header, how: How) -> bool {
    !header.is_open() && how.history_until.is_some_and(|until| header.created_at < until)
}

/// Whether Autotask says anything that our copy does not, or may have shown only a part of it before.
fn is_news(invoice: &Invoice, header: &Header) -> bool {
    invoice.digest != header.digest() || invoice.missing_since.is_some() || may_lack_lines(invoice)
}

/// Whether its lines may be others.
fn is_other_money(invoice: &Invoice, header: &Header) -> bool {
    invoice.total != header.total || invoice.tax != header.tax || may_lack_lines(invoice)
}

/// Whether lines may not have been there yet, or not been shown to us, when they were read.
fn may_lack_lines(invoice: &Invoice) -> bool {
    matches!(invoice.check, Check::Differs { .. })
}

/// Learns what the filters make of these customers; those that are not here yet are read.
async fn decide(
    place: &Place<'_>,
    known: &mut Known,
    companies: impl Iterator<Item = i64>,
    counts: &mut Counts,
) -> Result<()> {
    let unknown: BTreeSet<i64> = companies.filter(|id| !known.customers.contains_key(id)).collect();
    let here = customers::load_many(place, unknown.iter().copied()).await?;
    let away: Vec<i64> = unknown.iter().copied().filter(|id| !here.contains_key(id)).collect();
    known.customers.extend(here.values().map(|customer| (customer.id, Some(Decision::from(&customer.value)))));
    if away.is_empty() {
        return Ok(());
    }
    let rows = customers::by_id(place, away.iter().copied()).await?;
    counts.add(&customers::take_companies(place, &rows, true).await?);
    let mut now_here = customers::load_many(place, away.iter().copied()).await?;
    for id in away {
        let decision = now_here.remove(&id).map(|customer| Decision::from(&customer.value));
        if decision.is_none() {
            tracing::warn!(connection.id = %place.id(), company.id = id, "an invoice's company cannot be seen");
        }
        known.customers.insert(id, decision);
    }
    Ok(())
}

/// Our copies, by id.
pub(super) async fn load_many(
    place: &Place<'_>,
    ids: impl IntoIterator<Item = i64>,
) -> Result<BTreeMap<i64, Versioned<Invoice>>> {
    let key = |id| Key::Invoice(place.partner().clone(), place.id().clone(), id);
    let found = load_each::<Invoice>(place, ids.into_iter().map(key).collect()).await?;
    Ok(found.into_iter().map(|invoice| (invoice.id, invoice)).collect())
}

/// One invoice as it was, and as it is to be.
struct Plan {
    before: Option<Versioned<Invoice>>,
    after: Invoice,
    lines: Option<LineSet>,
    /// A new one that goes with others is taken to have no ledger yet, and its number no other holder. Where that is
    /// wrong, the transaction is refused, and each goes alone, and looks.
    looks: bool,
}

async fn write(
    place: &Place<'_>,
    known: &Known,
    headers: &[&Header],
    before: &BTreeMap<i64, Versioned<Invoice>>,
    lines: &mut Lines,
) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut plans = Vec::new();
    let mut numbers: BTreeSet<&str> = BTreeSet::new();
    let mut later = Vec::new();
    for header in headers {
        let own = lines.remove(&header.id).map(set_of).transpose()?;
        counts.lines += own.as_ref().map_or(0, |set| set.of.count);
        // One transaction takes each number once.
        let was = before.get(&header.id).map_or("", |invoice| invoice.number.as_str());
        let free = [header.number.as_str(), was].iter().all(|number| number.is_empty() || !numbers.contains(number));
        if !free {
            later.push((*header, own));
            continue;
        }
        numbers.extend([header.number.as_str(), was]);
        let plan = plan(place, known, header, before.get(&header.id).cloned(), own, false);
        // Issues take room that one transaction may not have: such an invoice goes alone.
        if plan.has_issues() {
            later.push((*header, plan.lines));
        } else {
            plans.push(plan);
        }
    }
    match commit(place, &mut plans, &mut counts).await {
        Ok(()) => {}
        Err(Error::Storage(StorageError::Conflict { .. })) => {
            let by_id: BTreeMap<i64, &Header> = headers.iter().map(|header| (header.id, *header)).collect();
            later.extend(plans.into_iter().filter_map(|plan| Some((*by_id.get(&plan.after.id)?, plan.lines))));
        }
        Err(error) => return Err(error),
    }
    for (header, own) in later {
        counts.add(&alone(place, known, header, own).await?);
    }
    Ok(counts)
}

/// Writes one invoice that somebody else changed meanwhile, over what it is now.
async fn alone(place: &Place<'_>, known: &Known, header: &Header, lines: Option<LineSet>) -> Result<Counts> {
    for _ in 0..TRIES {
        let before = load_many(place, [header.id]).await?.remove(&header.id);
        let mut own = lines.clone();
        if own.is_none() && before.as_ref().is_none_or(|invoice| is_other_money(invoice, header)) {
            let read = lines::read(place, &BTreeSet::from([header.id]), false).await?.remove(&header.id);
            own = Some(set_of(read.unwrap_or_default())?);
        }
        let mut plan = [plan(place, known, header, before, own, true)];
        let mut counts = Counts::default();
        match commit(place, &mut plan, &mut counts).await {
            Ok(()) => return Ok(counts),
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StorageError::Conflict { at: 0, current: None }.into())
}

fn done(plan: &Plan) -> Counts {
    let new = plan.before.is_none();
    Counts { invoices_created: u32::from(new), invoices_changed: u32::from(!new), ..Counts::default() }
}

fn plan(
    place: &Place<'_>,
    known: &Known,
    header: &Header,
    before: Option<Versioned<Invoice>>,
    lines: Option<LineSet>,
    looks: bool,
) -> Plan {
    let of = match (&lines, &before) {
        (Some(set), _) => set.of.clone(),
        (None, Some(before)) => before.lines.clone(),
        (None, None) => LinesRef::none(),
    };
    let sums = before.as_ref().map(|before| before.ledger).unwrap_or_default();
    let now = place.ports.clock.now();
    let customer = known.get(header.company);
    let mut after = Invoice {
        partner: place.partner().clone(),
        connection: place.id().clone(),
        id: header.id,
        number: header.number.clone(),
        company: header.company,
        date: header.date,
        created_at: header.created_at,
        due: header.due,
        from: header.from,
        to: header.to,
        total: header.total,
        tax: header.tax,
        currency: customer.and_then(|customer| customer.currency.clone()),
        order_number: header.order_number.clone(),
        comments: header.comments.clone(),
        paid_on: header.paid_on,
        voided_on: header.voided_on,
        check: integrity::check(&of, header.total),
        lines: of,
        ledger: sums,
        missing_since: None,
        archived_at: before.as_ref().and_then(|before| before.archived_at),
        status: InvoiceStatus::Open,
        digest: header.digest(),
        first_seen_at: before.as_ref().map_or(now, |before| before.first_seen_at),
        changed_at: now,
    };
    after.status = status_of(&after);
    Plan { before, after, lines, looks }
}

impl Plan {
    /// Whether issues are opened or resolved with it.
    fn has_issues(&self) -> bool {
        let differs = |check: &Check| matches!(check, Check::Differs { .. });
        let before = self.before.as_ref();
        let was_missing = before.is_some_and(|before| before.missing_since.is_some());
        was_missing || differs(&self.after.check) || before.is_some_and(|before| differs(&before.check))
    }

    /// Whether anything differs but the time, and the words for what is here already: a date of payment that we wrote
    /// there ourselves is no news when it is read.
    fn changes(&self) -> bool {
        self.before.as_ref().is_none_or(|before| {
            let (changed_at, digest) = (before.changed_at, before.digest.clone());
            let same = Invoice { changed_at, digest, ..self.after.clone() };
            same != before.value
        })
    }
}

/// Lines first, then, in one transaction, everything that rests on them; in several where one has no room. Adds what was
/// done to the counts.
async fn commit(place: &Place<'_>, plans: &mut [Plan], counts: &mut Counts) -> Result<()> {
    let mut plans: Vec<&mut Plan> = plans.iter_mut().filter(|plan| plan.changes()).collect();
    let (partner, id) = (place.partner(), place.id());
    let fresh = plans.iter().filter_map(|plan| {
        let set = plan.lines.as_ref()?;
        let same = plan.before.as_ref().is_some_and(|before| before.lines.set == set.of.set);
        (!same).then_some((plan.after.id, set))
    });
    store_sets(place.ports, place.scope, (partner, id), fresh).await?;
    let empty = || Change::of_connection(place.ports, place.actor, partner, id);
    let (mut change, mut nudges, mut begun) = (empty(), Vec::new(), Counts::default());
    for plan in &mut plans {
        if change.len() + RECORDS_MAX > WRITES_MAX {
            std::mem::replace(&mut change, empty()).commit(place.scope).await?;
            counts.add(&std::mem::take(&mut begun));
        }
        let (longer, nudge) = add(place, change, plan).await?;
        change = longer;
        nudges.extend(nudge);
        begun.add(&done(plan));
    }
    change.commit(place.scope).await?;
    counts.add(&begun);
    for nudge in nudges {
        nudge.send(place.ports).await;
    }
    for plan in &plans {
        drop_old_lines(place, plan).await;
    }
    Ok(())
}

/// What stays behind is never read.
async fn drop_old_lines(place: &Place<'_>, plan: &Plan) {
    let Some(before) = plan.before.as_ref().filter(|before| before.lines.set != plan.after.lines.set) else { return };
    let of = (place.partner(), place.id(), before.id);
    if let Err(error) = drop_set(place.ports, place.scope, of, &before.lines).await {
        tracing::warn!(invoice.id = before.id, error = %error, "lines that no invoice names any more stay behind");
    }
}

async fn add<'a>(place: &Place<'a>, mut change: Change<'a>, plan: &mut Plan) -> Result<(Change<'a>, Option<Nudge>)> {
    let mut nudge = None;
    if plan.before.is_some() || plan.looks {
        let (longer, sent) = in_step(change, place.ports, place.scope, &mut plan.after).await?;
        (change, nudge) = (longer, Some(sent));
    } else {
        let ledger = Key::InvoiceLedger(place.partner().clone(), place.id().clone(), plan.after.id);
        // A payment that is told at this very moment must not be missed.
        change = change.write(Write::check(ledger, Expect::Absent));
    }
    let (after, plan) = (&plan.after, &*plan);
    change = match &plan.before {
        Some(before) => change.replace(after, before.v)?,
        None => change.create(after)?,
    };
    let was = plan.before.as_ref().map(|before| before.status);
    if was != Some(after.status) && (was.is_some() || after.status == InvoiceStatus::Open) {
        change = change.write(OpenInvoice::fit(after)?);
    }
    change = match (&plan.before, plan.looks) {
        (None, false) => numbers::first(change, after)?,
        (before, _) => {
            let before = before.as_ref().map(|before| &before.value);
            numbers::move_over(place.ports, place.scope, change, before, after).await?
        }
    };
    if place.settings.pdf && asks_for_pdf(plan) {
        let now = place.ports.clock.now();
        let due = PdfDue {
            partner: after.partner.clone(),
            connection: after.connection.clone(),
            id: after.id,
            at: now,
            attempts: 0,
        };
        change = change.write(Write::put(&due, Expect::Any)?);
    }
    change = issues_of(place, change, plan).await?;
    let (kind, data) = event(plan, place);
    Ok((change.event(kind, data)?, nudge))
}

/// A PDF shows number, dates, lines and total. While an invoice was missing, nobody asked for its PDF.
fn asks_for_pdf(plan: &Plan) -> bool {
    let after = &plan.after;
    let shown = |invoice: &Invoice| {
        let Invoice { number, date, due, total, tax, .. } = invoice;
        (number.clone(), *date, *due, *total, *tax, invoice.lines.set.clone())
    };
    let same = |before: &Invoice| before.missing_since.is_none() && shown(before) == shown(after);
    after.voided_on.is_none() && plan.before.as_ref().is_none_or(|before| !same(before))
}

async fn issues_of<'a>(place: &Place<'a>, mut change: Change<'a>, plan: &Plan) -> Result<Change<'a>> {
    let (after, (ports, scope)) = (&plan.after, (place.ports, place.scope));
    let subject = format!("invoice/{}", after.id);
    let on = Subject { partner: &after.partner, connection: &after.connection, subject: &subject };
    let was = plan.before.as_ref().map(|before| &before.check);
    match &after.check {
        Check::Differs { lines, total } if was != Some(&after.check) => {
            let words = format!("Lines and tax come to {lines}, the invoice says {total}.");
            change = issues::open(change, ports, scope, on, Code::InvoiceTotalMismatch, &words).await?;
        }
        Check::Matches if matches!(was, Some(Check::Differs { .. })) => {
            change = issues::resolve(change, ports, scope, on, Code::InvoiceTotalMismatch).await?;
        }
        Check::Differs { .. } | Check::Matches => {}
    }
    if plan.before.as_ref().is_some_and(|before| before.missing_since.is_some()) {
        change = issues::resolve(change, ports, scope, on, Code::InvoiceMissingUpstream).await?;
    }
    Ok(change)
}

/// The one event of a change: the weightiest of what happened. What else differs is in `changed`.
fn event(plan: &Plan, place: &Place<'_>) -> (&'static str, Value) {
    let after = &plan.after;
    let kind = match plan.before.as_ref().map(|before| before.status) {
        None => "invoice.created",
        Some(was) if was != after.status => match (was, after.status) {
            (_, InvoiceStatus::Voided) => "invoice.voided",
            (_, InvoiceStatus::Missing) => "invoice.missing",
            (_, InvoiceStatus::Paid) => "invoice.paid",
            (_, InvoiceStatus::Open) => "invoice.reopened",
        },
        Some(_) => "invoice.updated",
    };
    (kind, told(after, plan.before.as_ref().map(|before| &before.value), place.settings.invoice_reference))
}

/// What the vendor's core is told of an invoice.
#[must_use]
pub(crate) fn told(
    after: &Invoice,
    before: Option<&Invoice>,
    reference: crate::connections::settings::InvoiceReference,
) -> Value {
    let outstanding = after.outstanding();
    let mut data = json!({
        "autotask_invoice_id": after.id,
        "reference": after.reference(reference),
        "number": after.number,
        "company_id": after.company,
        "status": after.status,
        "date": after.date,
        "due_date": after.due,
        "currency": after.currency,
        "total": after.total,
        "tax": after.tax,
        "outstanding": outstanding.amount,
        "outstanding_basis": outstanding.basis,
        "overpaid": outstanding.overpaid,
        "paid": after.ledger.paid,
        "credited": after.ledger.credited,
        "paid_date": after.paid_on,
        "lines_match": after.check == Check::Matches,
    });
    if let Some(before) = before {
        data["changed"] = json!(changed(before, after));
    }
    data
}

/// Names of what differs, as in our API.
fn changed(before: &Invoice, after: &Invoice) -> Vec<&'static str> {
    let differ = [
        ("number", before.number != after.number),
        ("company_id", before.company != after.company),
        ("date", before.date != after.date),
        ("due_date", before.due != after.due),
        ("from", before.from != after.from),
        ("to", before.to != after.to),
        ("total", before.total != after.total),
        ("tax", before.tax != after.tax),
        ("currency", before.currency != after.currency),
        ("order_number", before.order_number != after.order_number),
        ("comments", before.comments != after.comments),
        ("paid_date", before.paid_on != after.paid_on),
        ("voided_date", before.voided_on != after.voided_on),
        ("lines", before.lines.set != after.lines.set),
        ("paid", before.ledger.paid != after.ledger.paid),
        ("credited", before.ledger.credited != after.ledger.credited),
        ("outstanding", before.outstanding().amount != after.outstanding().amount),
        ("overpaid", before.outstanding().overpaid != after.outstanding().overpaid),
        ("archived_at", before.archived_at != after.archived_at),
        ("status", before.status != after.status),
    ];
    differ.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

/// Marks invoices that Autotask no longer returns; each with its event and its issue.
pub(super) async fn take_missing(place: &Place<'_>, ids: &[i64]) -> Result<u32> {
    let mut missing = 0;
    for id in ids {
        missing += u32::from(mark_missing(place, *id).await?);
    }
    Ok(missing)
}

async fn mark_missing(place: &Place<'_>, id: i64) -> Result<bool> {
    let now: Timestamp = place.ports.clock.now();
    for _ in 0..TRIES {
        let Some(before) = load_many(place, [id]).await?.remove(&id) else { return Ok(false) };
        if before.missing_since.is_some() {
            return Ok(false);
        }
        let mut after = Invoice { missing_since: Some(now), changed_at: now, ..before.value.clone() };
        after.status = status_of(&after);
        let subject = format!("invoice/{id}");
        let on = Subject { partner: place.partner(), connection: place.id(), subject: &subject };
        let words = format!("Autotask returned invoice {} ({}) before and does not any more.", id, before.number);
        let marker = OpenInvoice { partner: after.partner.clone(), connection: after.connection.clone(), id };
        let data = told(&after, Some(&before.value), place.settings.invoice_reference);
        let change = Change::of_connection(place.ports, place.actor, place.partner(), place.id());
        let (change, nudge) = in_step(change, place.ports, place.scope, &mut after).await?;
        let change = numbers::move_over(place.ports, place.scope, change, Some(&before.value), &after).await?;
        let change = change
            .replace(&after, before.v)?
            .write(Write::delete(marker.key(), Expect::Any))
            .event("invoice.missing", data)?;
        let code = Code::InvoiceMissingUpstream;
        let change = issues::open(change, place.ports, place.scope, on, code, &words).await?;
        match change.commit(place.scope).await {
            Ok(()) => {
                nudge.send(place.ports).await;
                return Ok(true);
            }
            Err(StorageError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StorageError::Conflict { at: 0, current: None }.into())
}
