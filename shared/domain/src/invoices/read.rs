//! Reading what is kept.

use super::customer::Customer;
use super::filters::FiltersRecord;
use super::record::{Invoice, InvoiceStatus, NumberHolders, OpenInvoice};
use crate::actor::Scope;
use crate::connections::load_connection;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Order, PageRequest, Ports, Read};
use crate::problem::{Error, Result};
use crate::records::{Collection, Key, Versioned, load, load_page};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// Pages of storage that one filtered page may read: a filter that fits rarely gives a short page and a cursor rather
/// than a slow answer.
const PAGES_MAX: u32 = 20;

/// Which invoices are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvoiceFilter {
    /// Only in this state.
    pub status: Option<InvoiceStatus>,
    /// Only of this customer.
    pub company: Option<i64>,
    /// Only of this day or later.
    pub since: Option<Date>,
    /// Also those that were archived here.
    pub archived: bool,
}

impl InvoiceFilter {
    fn admits(&self, invoice: &Invoice) -> bool {
        self.status.is_none_or(|status| invoice.status == status)
            && self.company.is_none_or(|company| invoice.company == company)
            && self.since.is_none_or(|since| invoice.date >= since)
            && (self.archived || invoice.archived_at.is_none())
    }

    /// The shortest listing that holds all of them.
    fn listing(&self, partner: &PartnerId, connection: &ConnectionId) -> Collection {
        let (partner, connection) = (partner.clone(), connection.clone());
        match (self.company, self.status) {
            (Some(company), _) => Collection::InvoicesOfCompany(partner, connection, company),
            (None, Some(InvoiceStatus::Open)) => Collection::OpenInvoices(partner, connection),
            _ => Collection::Invoices(partner, connection),
        }
    }
}

/// Reads an invoice; one of another partner or connection does not exist.
///
/// # Errors
/// `not_found`.
pub async fn load_invoice(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    id: i64,
) -> Result<Versioned<Invoice>> {
    let key = Key::Invoice(partner.clone(), connection.clone(), id);
    load::<Invoice>(&*ports.storage, scope, &key).await?.ok_or_else(|| Error::not_found("invoice"))
}

/// Reads a page of invoices with where the next one begins: of one customer by date, otherwise by Autotask's id;
/// newest first.
///
/// # Errors
/// `not_found` for a connection that is not there.
pub async fn list_invoices(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId),
    filter: &InvoiceFilter,
    limit: u32,
    mut after: Option<String>,
) -> Result<(Vec<Versioned<Invoice>>, Option<String>)> {
    let (partner, connection) = of;
    load_connection(ports, scope, partner, connection).await?;
    let listing = filter.listing(partner, connection);
    let mut found = Vec::new();
    for _ in 0..PAGES_MAX {
        let left = limit - u32::try_from(found.len()).unwrap_or(limit).min(limit);
        if left == 0 {
            break;
        }
        let page = PageRequest { limit: left, after, order: Order::Descending, read: Read::Strong };
        let (invoices, next) = match &listing {
            Collection::OpenInvoices(..) => open_page(ports, scope, &listing, page).await?,
            _ => load_page::<Invoice>(&*ports.storage, scope, &listing, page).await?,
        };
        found.extend(invoices.into_iter().filter(|invoice| filter.admits(invoice)));
        after = next;
        if after.is_none() {
            break;
        }
    }
    Ok((found, after))
}

/// The invoices behind a page of markers.
async fn open_page(
    ports: &Ports,
    scope: &Scope,
    listing: &Collection,
    page: PageRequest,
) -> Result<(Vec<Versioned<Invoice>>, Option<String>), crate::ports::StorageError> {
    let (open, next) = load_page::<OpenInvoice>(&*ports.storage, scope, listing, page).await?;
    let keys = open.iter().map(|open| Key::Invoice(open.partner.clone(), open.connection.clone(), open.id));
    let reads = keys.map(|key| async move { load::<Invoice>(&*ports.storage, scope, &key).await });
    let found = futures::future::try_join_all(reads).await?;
    Ok((found.into_iter().flatten().collect(), next))
}

/// Which of these invoices carry a number that another one carries as well.
///
/// # Errors
/// Storage.
pub async fn clashing<'a>(
    ports: &Ports,
    scope: &Scope,
    invoices: impl IntoIterator<Item = &'a Invoice>,
) -> Result<BTreeSet<i64>> {
    let reads = invoices.into_iter().filter(|invoice| !invoice.number.is_empty()).map(|invoice| async move {
        let key = Key::InvoiceNumber(invoice.partner.clone(), invoice.connection.clone(), invoice.number.clone());
        let holders = load::<NumberHolders>(&*ports.storage, scope, &key).await?;
        let clash = holders.is_some_and(|holders| holders.invoices.len() > 1 && !holders.missing.contains(&invoice.id));
        Ok::<_, crate::ports::StorageError>(clash.then_some(invoice.id))
    });
    let found = futures::future::try_join_all(reads).await?;
    Ok(found.into_iter().flatten().collect())
}

/// Which filter keeps each of these invoices from being updated, by its name in our API. What no filter stops is not in
/// the answer.
///
/// # Errors
/// Storage.
pub async fn stopped<'a>(
    ports: &Ports,
    scope: &Scope,
    (partner, connection): (&PartnerId, &ConnectionId),
    invoices: impl IntoIterator<Item = &'a Invoice>,
) -> Result<BTreeMap<i64, String>> {
    let key = Key::InvoiceFilters(partner.clone(), connection.clone());
    let Some(filters) = load::<FiltersRecord>(&*ports.storage, scope, &key).await? else { return Ok(BTreeMap::new()) };
    let invoices: Vec<&Invoice> = invoices.into_iter().collect();
    let companies: BTreeSet<i64> = invoices.iter().map(|invoice| invoice.company).collect();
    let reads = companies.into_iter().map(|id| async move {
        let key = Key::Customer(partner.clone(), connection.clone(), id);
        load::<Customer>(&*ports.storage, scope, &key).await
    });
    let customers = futures::future::try_join_all(reads).await?;
    let hidden: BTreeMap<i64, String> =
        customers.into_iter().flatten().filter_map(|customer| Some((customer.id, customer.value.hidden_by?))).collect();
    let by = |invoice: &Invoice| {
        let own = || filters.hides_invoice(invoice.date, invoice.total, false).map(str::to_owned);
        hidden.get(&invoice.company).cloned().or_else(own)
    };
    Ok(invoices.into_iter().filter_map(|invoice| Some((invoice.id, by(invoice)?))).collect())
}
