//! The end of what is kept of a connection's invoices: with the connection, or because its ids mean other invoices in
//! another database. For a connection that has stopped: nobody starts to fetch meanwhile.

use super::fetch::{Fetch, Progress, UnreadCustomer};
use super::ledger::{Ledger, Payment};
use super::pdf::{InvoicePdf, blob_problem};
use super::record::{Invoice, OpenInvoice, PdfDue};
use super::{Customer, Entry};
use crate::actor::Scope;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Order, PageRequest, Ports, Read, StorageError};
use crate::problem::{Code, Problem, Result};
use crate::records::{Collection, Key, Record, Versioned, Write, delete_all, load, load_page};
use futures::{StreamExt, TryStreamExt, stream};

/// Records of one page.
const PAGE: u32 = 500;
/// Pages of one call: some ten seconds of the 29 that API Gateway waits.
const PAGES_MAX: u32 = 10;
/// Invoices, or ledgers, that are removed at the same time.
const AT_ONCE: usize = 16;
/// When to ask again while a fetch ends: it looks after each page whether its connection still works. In seconds.
const FETCH_ENDS_SECONDS: u64 = 15;
/// When to ask again for the rest, in seconds.
const REST_SECONDS: u64 = 1;

/// Removes invoices with their lines, ledgers and files, customers, filters, and how far fetching has come. What the
/// vendor calls a payment is never taken again: that stays, as deleted. Repeating goes on where it stopped.
///
/// # Errors
/// `already_running` while a fetch still writes; `unavailable` with `Retry-After` while there is more than one call
/// removes; records, files.
pub(crate) async fn forget(ports: &Ports, scope: &Scope, partner: &PartnerId, connection: &ConnectionId) -> Result<()> {
    let mut desk = Desk { ports, scope, partner, connection, pages: PAGES_MAX };
    desk.refuse_while_fetching().await?;
    while let Some(ledgers) = desk.page::<Ledger>(Collection::InvoiceLedgers).await? {
        let each = stream::iter(ledgers).map(|ledger| desk.drop_ledger(ledger.value));
        each.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    }
    while let Some(invoices) = desk.page::<Invoice>(Collection::Invoices).await? {
        let each = stream::iter(invoices).map(|invoice| desk.drop_invoice(invoice.value));
        each.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    }
    desk.drop_all::<OpenInvoice>(Collection::OpenInvoices).await?;
    desk.drop_all::<PdfDue>(Collection::PdfsDue).await?;
    desk.drop_all::<Customer>(Collection::Customers).await?;
    desk.drop_all::<UnreadCustomer>(Collection::UnreadCustomers).await?;
    desk.drop_all::<Fetch>(Collection::Fetches).await?;
    let one = |make: fn(PartnerId, ConnectionId) -> Key| make(partner.clone(), connection.clone());
    let last = [Key::InvoiceFilters, Key::Currencies, Key::PdfWork, Key::FetchState].map(one);
    desk.delete(last.to_vec()).await
}

struct Desk<'a> {
    ports: &'a Ports,
    scope: &'a Scope,
    partner: &'a PartnerId,
    connection: &'a ConnectionId,
    /// Pages that this call may still take.
    pages: u32,
}

impl Desk<'_> {
    /// A fetch that was at work when the connection stopped may be in the midst of a page.
    async fn refuse_while_fetching(&self) -> Result<()> {
        let key = Key::FetchState(self.partner.clone(), self.connection.clone());
        let progress = load::<Progress>(&*self.ports.storage, self.scope, &key).await?;
        let Some(active) = progress.and_then(|progress| progress.value.active) else { return Ok(()) };
        let key = Key::Fetch(self.partner.clone(), self.connection.clone(), active.id);
        let fetch = load::<Fetch>(&*self.ports.storage, self.scope, &key).await?;
        let now = self.ports.clock.now();
        match fetch.filter(|fetch| fetch.worker.as_ref().is_some_and(|(_, until)| *until > now)) {
            Some(fetch) => {
                Err(Problem::new(Code::AlreadyRunning, "A fetch of invoices is ending; ask again in a moment.")
                    .with("run_id", fetch.id.as_str())
                    .retry_after(FETCH_ENDS_SECONDS)
                    .into())
            }
            None => Ok(()),
        }
    }

    /// The first page of what is left; none where nothing is.
    async fn page<R: Record>(
        &mut self,
        make: fn(PartnerId, ConnectionId) -> Collection,
    ) -> Result<Option<Vec<Versioned<R>>>> {
        let of = make(self.partner.clone(), self.connection.clone());
        let page = PageRequest { limit: PAGE, after: None, order: Order::Ascending, read: Read::Strong };
        let (found, _) = load_page::<R>(&*self.ports.storage, self.scope, &of, page).await?;
        if found.is_empty() {
            return Ok(None);
        }
        let words = "What was kept of its invoices is being removed, and there is more of it.";
        let rest = || Problem::new(Code::Unavailable, words).retry_after(REST_SECONDS);
        self.pages = self.pages.checked_sub(1).ok_or_else(rest)?;
        Ok(Some(found))
    }

    async fn drop_all<R: Record>(&mut self, make: fn(PartnerId, ConnectionId) -> Collection) -> Result<()> {
        while let Some(found) = self.page::<R>(make).await? {
            self.delete(found.iter().map(|record| record.value.key()).collect()).await?;
        }
        Ok(())
    }

    async fn drop_ledger(&self, ledger: Ledger) -> Result<()> {
        for Entry { id, .. } in &ledger.payments {
            while !self.end_payment(Key::Payment(self.partner.clone(), id.clone())).await? {}
        }
        let writeback = Key::Writeback(self.partner.clone(), self.connection.clone(), ledger.invoice);
        self.delete(vec![writeback, ledger.key()]).await
    }

    /// Whether it is done, and nobody else has changed it at the same time.
    async fn end_payment(&self, key: Key) -> Result<bool> {
        let Some(found) = load::<Payment>(&*self.ports.storage, self.scope, &key).await? else { return Ok(true) };
        if found.deleted_at.is_some() || found.told.as_ref().is_none_or(|told| told.connection != *self.connection) {
            return Ok(true);
        }
        let after = Payment { deleted_at: Some(self.ports.clock.now()), ..found.value };
        match self.ports.storage.write(self.scope, vec![Write::replace(&after, found.v)?]).await {
            Ok(()) => Ok(true),
            Err(StorageError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The invoice goes last, so that what is left is found by it again.
    async fn drop_invoice(&self, invoice: Invoice) -> Result<()> {
        let of = || (self.partner.clone(), self.connection.clone());
        let named = |key: fn(PartnerId, ConnectionId, i64) -> Key| {
            let (partner, connection) = of();
            key(partner, connection, invoice.id)
        };
        let pdf = load::<InvoicePdf>(&*self.ports.storage, self.scope, &named(Key::InvoicePdf)).await?;
        if let Some(file) = pdf.and_then(|pdf| pdf.blob()) {
            self.ports.blobs.delete(self.scope, &file).await.map_err(blob_problem)?;
        }
        let ours = [Key::InvoicePdf, Key::PdfDue, Key::OpenInvoice, Key::Writeback, Key::InvoiceLedger].map(named);
        let (partner, connection) = of();
        let number = Key::InvoiceNumber(partner, connection, invoice.number.clone());
        let lines = (0..invoice.lines.chunks).map(|chunk| {
            let (partner, connection) = of();
            Key::InvoiceLines(partner, connection, invoice.id, invoice.lines.set.clone(), chunk)
        });
        self.delete(ours.into_iter().chain([number]).chain(lines).collect()).await?;
        self.delete(vec![invoice.key()]).await
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<()> {
        Ok(delete_all(&*self.ports.storage, self.scope, &keys).await?)
    }
}
