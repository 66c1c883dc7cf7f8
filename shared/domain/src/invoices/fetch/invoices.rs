//! Which invoices a step asks Autotask for.

use super::place::Place;
use super::record::{Counts, Fetch, FetchKind};
use super::theirs::Header;
use crate::calendar::day_of;
use autotask::{Filter, Invoice, Query};
use jiff::Timestamp;

/// Invoices of one page of ours: two of Autotask's. Their lines are asked for together, and each such request ends in
/// a page that is not full.
pub(super) const PAGE: usize = 1_000;

/// The invoices of an import, or those that are new, from an id on.
pub(super) fn wanted(place: &Place<'_>, fetch: &Fetch, after: i64) -> Query<Invoice> {
    let query = from(place, after);
    match (fetch.kind, fetch.since) {
        (FetchKind::New, Some(since)) => query.filter(touched_since(place, since)),
        _ => by_filters(place, query, fetch),
    }
}

/// Whether between the first and the last row of a page Autotask has no other invoices.
pub(super) fn is_dense(place: &Place<'_>, fetch: &Fetch) -> bool {
    let filters = &place.filters.filters;
    let narrowed = filters.invoice_date_from.is_some() || !filters.company_ids.only.is_empty() || filters.unpaid_only;
    fetch.kind == FetchKind::Import && !narrowed
}

/// The invoices of customers that are wanted only now.
pub(super) fn of_customers(place: &Place<'_>, fetch: &Fetch, customers: &[i64], after: i64) -> Query<Invoice> {
    let query = from(place, after).filter(Filter::is_in("companyID", customers.iter().copied()));
    by_filters(place, query, fetch)
}

/// What nobody in Autotask has said to be paid or void.
pub(super) fn open(place: &Place<'_>, after: i64) -> Query<Invoice> {
    from(place, after).filter(Filter::not_exist("paidDate")).filter(Filter::eq("isVoided", false))
}

/// All invoices, from an id on.
pub(super) fn every(place: &Place<'_>, after: i64) -> Query<Invoice> {
    from(place, after)
}

/// Invoices by id.
pub(super) fn by_id(place: &Place<'_>, ids: impl IntoIterator<Item = i64>) -> Query<Invoice> {
    place.client().query::<Invoice>().include(Invoice::READ_FIELDS).any_of("id", ids)
}

fn from(place: &Place<'_>, after: i64) -> Query<Invoice> {
    place.client().query::<Invoice>().include(Invoice::READ_FIELDS).filter(Filter::gt("id", after))
}

fn by_filters(place: &Place<'_>, mut query: Query<Invoice>, fetch: &Fetch) -> Query<Invoice> {
    let filters = &place.filters.filters;
    if let Some(from) = filters.invoice_date_from {
        // A day early: a date may be told as an instant of the day before.
        query = query.filter(Filter::gte("invoiceDateTime", from.yesterday().unwrap_or(from)));
    }
    if !filters.company_ids.only.is_empty() {
        query = query.filter(Filter::is_in("companyID", filters.company_ids.only.iter().copied()));
    }
    if let Some(until) = fetch.history_until.filter(|_| filters.unpaid_only) {
        // What is not open is not history where it was made, or is here and was paid or voided, since then.
        let open = Filter::all([Filter::not_exist("paidDate"), Filter::eq("isVoided", false)]);
        query = query.filter(if fetch.first_import { open } else { open.or(touched_since(place, until)) });
    }
    query
}

/// Made, paid or voided since. Autotask keeps no time of other changes; `paidDate` is a date without one.
fn touched_since(place: &Place<'_>, since: Timestamp) -> Filter {
    let day = day_of(since, place.zone);
    Filter::any([
        Filter::gte("createDateTime", since),
        Filter::gte("paidDate", day.yesterday().unwrap_or(day)),
        Filter::gte("voidedDate", since),
    ])
}

/// The readable ones of a page.
pub(super) fn headers(place: &Place<'_>, rows: &[Invoice], counts: &mut Counts) -> Vec<Header> {
    counts.invoices_seen += u32::try_from(rows.len()).unwrap_or(u32::MAX);
    rows.iter()
        .filter_map(|row| {
            let header = Header::of(row, place.zone);
            if header.is_none() {
                counts.unreadable += 1;
                tracing::warn!(connection.id = %place.id(), invoice.id = %row.id, "an invoice lacks its customer, date or total");
            }
            header
        })
        .collect()
}
