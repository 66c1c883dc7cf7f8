//! One invoice on a person's word: why it is not here, and fetching it again.

use super::customers;
use super::invoices::by_id;
use super::place::Place;
use super::record::Progress;
use super::start::progress_of;
use super::theirs::Header;
use super::upsert::{self, How, Known};
use super::visit::Visit;
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::connections::{INVOICE_FETCH_JOB, Schedule};
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices::customer::Customer;
use crate::invoices::read::stopped;
use crate::invoices::record::{Invoice, NumberHolders};
use crate::ports::Ports;
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Key, Versioned, load};
use autotask::Filter;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Invoices of one number that are looked at: more say nothing new.
const OF_A_NUMBER_MAX: usize = 5;

/// Which invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// By `Invoices.id`.
    Id(i64),
    /// By `invoiceNumber`.
    Number(String),
}

/// Where an invoice is, or why it is not here.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is here.
    Here {
        /// Our copy.
        invoice: Box<Invoice>,
        /// Which filter keeps it from being updated, with its value.
        stopped: Option<(String, Value)>,
    },
    /// A filter keeps it out: its name in our API, and its value.
    Hidden(String, Value),
    /// Autotask has it, and the next fetch brings it.
    NotFetchedYet {
        /// When that is due.
        next_at: Option<Timestamp>,
    },
    /// Autotask has it, nothing keeps it out, and it should be here.
    Missed,
    /// Autotask has it without a customer, a date or a total.
    Unreadable,
    /// The API user does not see the invoice's customer.
    CustomerNotVisible,
    /// Autotask does not have it.
    NotInAutotask,
    /// Autotask does not show it, and the API user may not see all invoices.
    NotVisible,
}

/// What is known of an invoice that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// `Invoices.id`, where it is known.
    pub id: Option<i64>,
    /// `invoiceNumber`, where it is known.
    pub number: Option<String>,
    /// `Companies.id` of its customer.
    pub company: Option<i64>,
    /// The customer's name.
    pub company_name: Option<String>,
    /// Since when it is voided.
    pub voided_on: Option<jiff::civil::Date>,
    /// Where it is, or why it is not here.
    pub verdict: Verdict,
}

impl Explained {
    fn nowhere(asked: &Asked, verdict: Verdict) -> Self {
        let (id, number) = match asked {
            Asked::Id(id) => (Some(*id), None),
            Asked::Number(number) => (None, Some(number.clone())),
        };
        Self { id, number, company: None, company_name: None, voided_on: None, verdict }
    }
}

/// Says where an invoice is, or why it is not here: ours first, then Autotask, in three calls at most. Several, where
/// several carry the number.
///
/// # Errors
/// `not_found` for a connection; `feature_off`; those of a call to Autotask.
pub async fn explain(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    asked: &Asked,
) -> Result<Vec<Explained>> {
    crate::connections::load_connection(ports, scope, of.0, of.1).await?;
    let here = here(ports, scope, of, asked).await?;
    if !here.is_empty() {
        return Ok(here);
    }
    let progress = progress_of(ports, scope, of.0, of.1).await?.map(|found| found.value);
    let key = Key::Schedule(of.0.clone(), of.1.clone(), INVOICE_FETCH_JOB.to_owned());
    let next_at = load::<Schedule>(&*ports.storage, scope, &key).await?.map(|schedule| schedule.due_at);
    let visit = Visit::open(ports, scope, actor, of).await?;
    let found = there(&visit.place(), asked, progress.as_ref(), next_at).await;
    visit.end(found).await
}

async fn here(ports: &Ports, scope: &Scope, of: (&PartnerId, &ConnectionId), asked: &Asked) -> Result<Vec<Explained>> {
    let (partner, connection) = of;
    let ids = match asked {
        Asked::Id(id) => vec![*id],
        Asked::Number(number) => {
            let key = Key::InvoiceNumber(partner.clone(), connection.clone(), number.clone());
            let holders = load::<NumberHolders>(&*ports.storage, scope, &key).await?;
            holders.map(|holders| [holders.value.invoices, holders.value.missing].concat()).unwrap_or_default()
        }
    };
    let mut found = Vec::new();
    for id in ids.into_iter().take(OF_A_NUMBER_MAX) {
        let key = Key::Invoice(partner.clone(), connection.clone(), id);
        let Some(invoice) = load::<Invoice>(&*ports.storage, scope, &key).await? else { continue };
        let invoice = invoice.value;
        let key = Key::Customer(partner.clone(), connection.clone(), invoice.company);
        let customer = load::<Customer>(&*ports.storage, scope, &key).await?;
        let by = stopped(ports, scope, of, [&invoice]).await?.remove(&id);
        let stopped = match by {
            Some(name) => {
                let filters = crate::invoices::filtering::get_filters(ports, scope, partner, connection).await?;
                Some((name.clone(), filters.value_of(&name)))
            }
            None => None,
        };
        found.push(Explained {
            id: Some(id),
            number: Some(invoice.number.clone()),
            company: Some(invoice.company),
            company_name: customer.map(|customer| customer.value.name),
            voided_on: invoice.voided_on,
            verdict: Verdict::Here { invoice: Box::new(invoice), stopped },
        });
    }
    Ok(found)
}

async fn there(
    place: &Place<'_>,
    asked: &Asked,
    progress: Option<&Progress>,
    next_at: Option<Timestamp>,
) -> Result<Vec<Explained>> {
    let query = match asked {
        Asked::Id(id) => by_id(place, [*id]),
        Asked::Number(number) => place
            .client()
            .query::<autotask::Invoice>()
            .include(autotask::Invoice::READ_FIELDS)
            .filter(Filter::eq("invoiceNumber", number.clone())),
    };
    let rows = place.all("looking for an invoice", query).await?;
    if rows.is_empty() {
        let verdict = if place.sees_invoices().await? { Verdict::NotInAutotask } else { Verdict::NotVisible };
        return Ok(vec![Explained::nowhere(asked, verdict)]);
    }
    let rows: Vec<_> = rows.into_iter().take(OF_A_NUMBER_MAX).collect();
    let headers: Vec<Option<Header>> = rows.iter().map(|row| Header::of(row, place.zone)).collect();
    let companies = headers.iter().flatten().map(|header| header.company);
    let customers = customers::judged(place, companies.collect()).await?;
    let found = rows.iter().zip(&headers).map(|(row, header)| {
        let Some(header) = header else {
            let nowhere = Explained::nowhere(asked, Verdict::Unreadable);
            return Explained { id: Some(row.id.get()), number: row.invoice_number.clone(), ..nowhere };
        };
        let customer = customers.get(&header.company);
        Explained {
            id: Some(header.id),
            number: Some(header.number.clone()),
            company: Some(header.company),
            company_name: customer.map(|customer| customer.name.clone()),
            voided_on: header.voided_on,
            verdict: judge(place, header, customer, progress, next_at),
        }
    });
    Ok(found.collect())
}

fn judge(
    place: &Place<'_>,
    header: &Header,
    customer: Option<&Customer>,
    progress: Option<&Progress>,
    next_at: Option<Timestamp>,
) -> Verdict {
    let Some(customer) = customer else { return Verdict::CustomerNotVisible };
    let checkpoint = progress.and_then(|progress| progress.checkpoint);
    let history_until = match checkpoint {
        Some(_) => progress.and_then(|progress| progress.first_import_at),
        None => Some(place.ports.clock.now()),
    };
    let history = !header.is_open() && history_until.is_some_and(|until| header.created_at < until);
    if let Some(filter) = kept_out(place, header, customer, history) {
        let value = place.filters.value_of(&filter);
        return Verdict::Hidden(filter, value);
    }
    let comes = progress.is_none_or(|progress| {
        progress.import_wanted_at.is_some() || progress.checkpoint.is_none_or(|at| header.created_at >= at)
    });
    if comes { Verdict::NotFetchedYet { next_at } } else { Verdict::Missed }
}

/// Which filter keeps an invoice out.
fn kept_out(place: &Place<'_>, header: &Header, customer: &Customer, history: bool) -> Option<String> {
    let own = || place.filters.hides_invoice(header.date, header.total, history).map(str::to_owned);
    customer.hidden_by.clone().or_else(own)
}

/// An invoice that was fetched again.
#[derive(Debug, Clone)]
pub struct Resynced {
    /// Our copy as it is now.
    pub invoice: Versioned<Invoice>,
    /// Whether it is here only now.
    pub created: bool,
}

/// Reads one invoice and its lines from Autotask now and takes them over. One that Autotask no longer returns is
/// marked so.
///
/// # Errors
/// `not_found` where it is neither here nor there; `permission_missing` where that cannot be told; `customer_not_synced`
/// with the filter that keeps it out; `feature_off`; those of a call to Autotask.
pub async fn resync(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    id: i64,
) -> Result<Resynced> {
    let visit = Visit::open(ports, scope, actor, of).await?;
    let taken = again(&visit.place(), id).await;
    let done = visit.end(taken).await?;
    let what = json!({"status": done.invoice.status, "created": done.created, "missing": done.invoice.missing_since});
    Change::of_connection(ports, actor, of.0, of.1)
        .audit("invoice.resynced", format!("invoice/{id}"), json!(null), what)?
        .commit(scope)
        .await?;
    Ok(done)
}

async fn again(place: &Place<'_>, id: i64) -> Result<Resynced> {
    let rows = place.all("reading an invoice again", by_id(place, [id])).await?;
    let before = upsert::load_many(place, [id]).await?.remove(&id);
    let Some(row) = rows.first() else {
        return gone(place, id, before).await;
    };
    let Some(header) = Header::of(row, place.zone) else {
        let words = format!("Autotask returns invoice {id} without a customer, a date or a total.");
        return Err(Error::problem(Code::AutotaskUnavailable, words));
    };
    let companies = customers::by_id(place, [header.company]).await?;
    customers::take_companies(place, &companies, true).await?;
    let customer = customers::load_many(place, [header.company]).await?.remove(&header.company);
    let Some(customer) = customer.filter(|_| !companies.is_empty()) else {
        let words = format!("The API user does not see the company {} of invoice {id}.", header.company);
        return Err(Error::problem(Code::PermissionMissing, words));
    };
    // Asked for by name, it is taken whenever it was made.
    if let Some(filter) = kept_out(place, &header, &customer, false) {
        return Err(not_synced(place, &filter, &customer));
    }
    let how = How { dense: false, history_until: None, lines_anyway: true };
    upsert::take(place, &mut Known::default(), vec![header], how).await?;
    match upsert::load_many(place, [id]).await?.remove(&id) {
        Some(invoice) => Ok(Resynced { invoice, created: before.is_none() }),
        None => Err(Error::not_found("invoice")),
    }
}

async fn gone(place: &Place<'_>, id: i64, before: Option<Versioned<Invoice>>) -> Result<Resynced> {
    if !place.sees_invoices().await? {
        let words = format!("Autotask does not return invoice {id}, and the API user may not see all invoices.");
        return Err(Error::problem(Code::PermissionMissing, words));
    }
    if before.is_none() {
        return Err(Error::problem(Code::NotFound, format!("Autotask has no invoice {id}.")));
    }
    upsert::take_missing(place, &[id]).await?;
    let invoice = upsert::load_many(place, [id]).await?.remove(&id);
    Ok(Resynced { invoice: invoice.ok_or_else(|| Error::not_found("invoice"))?, created: false })
}

fn not_synced(place: &Place<'_>, filter: &str, customer: &Customer) -> Error {
    let words = format!("The filter `{filter}` keeps out this invoice of {} ({}).", customer.name, customer.id);
    Problem::new(Code::CustomerNotSynced, words)
        .with("filter", json!({"name": filter, "value": place.filters.value_of(filter)}))
        .with("company_id", customer.id)
        .into()
}
