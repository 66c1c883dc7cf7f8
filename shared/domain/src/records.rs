//! The vocabulary of stored records: which keys exist, what a conditional write is, and typed reads over
//! the [`Storage`] port. How a key becomes `pk` and `sk` is `store`'s business alone.

use crate::actor::Scope;
use crate::ids::{AccountId, ChangeId, ConnectionId, LineRef, PackageId, PartnerId, PaymentId, RunId};
use crate::ports::{Order, PageRequest, Read, Storage, StorageError};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Serialize, de::DeserializeOwned};

/// Most writes of one transaction (DynamoDB's own bound is 100).
pub const WRITES_MAX: usize = 100;
/// Records of one page when a whole collection is read.
pub const PAGE_RECORDS: u32 = 500;

/// The name of one record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// The vendor's profile.
    VendorProfile,
    /// A package of the vendor's catalogue.
    Package(PackageId),
    /// A partner.
    Partner(PartnerId),
    /// Which packages a partner may use.
    PartnerPackages(PartnerId),
    /// An account of a partner.
    Account(PartnerId, AccountId),
    /// The newest count of an account's package.
    Usage(PartnerId, AccountId, PackageId),
    /// The daily counts of an account's package in one month, named by its first day.
    UsageMonth(PartnerId, AccountId, PackageId, Date),
    /// A package change that was told us: what was said, and what came of it.
    PackageChange(PartnerId, ChangeId),
    /// A package change that is not done yet.
    PendingChange(PartnerId, ChangeId),
    /// An account claimed by another PSA's integration.
    AccountClaim(PartnerId, AccountId),
    /// The one connection of a partner to a PSA: uniqueness by existence.
    ConnectionOfPsa(PartnerId, String),
    /// A connection.
    Connection(PartnerId, ConnectionId),
    /// A connection's settings.
    Settings(PartnerId, ConnectionId),
    /// A connection's due time for one job.
    Schedule(PartnerId, ConnectionId, String),
    /// An account's mapping.
    Mapping(PartnerId, ConnectionId, AccountId),
    /// An Autotask company in use by a mapping: uniqueness by existence.
    CompanyTaken(PartnerId, ConnectionId, i64),
    /// A contract line in use by a mapping: uniqueness by existence.
    LineTaken(PartnerId, ConnectionId, LineRef),
    /// That a topology beyond one account, one company, one contract came into use, or that its settings changed.
    TopologyUse(PartnerId, ConnectionId),
    /// A package's mapping to a service or bundle.
    PackageMapping(PartnerId, ConnectionId, PackageId),
    /// Written with every change of a connection's package mappings, so that they change one after the other.
    PackageMappingTurn(PartnerId, ConnectionId),
    /// The adding of a service or bundle (named like a line, by the service's id) to a contract, for an account.
    LineCreation(PartnerId, ConnectionId, i64, LineRef, AccountId),
    /// That a person dismissed an account's package for a period.
    Dismissal(PartnerId, ConnectionId, AccountId, PackageId),
    /// The newest answer to "is everything ready for the next run?".
    HealthReport(PartnerId, ConnectionId),
    /// The exactly-once ledger of one contract line.
    UnitLine(PartnerId, ConnectionId, LineRef),
    /// A run.
    Run(PartnerId, ConnectionId, RunId),
    /// One line of a run's report that is worth its own record; by number, in the plan's order.
    RunLine(PartnerId, ConnectionId, RunId, u32),
    /// A deflated chunk of a run's lines.
    RunChunk(PartnerId, ConnectionId, RunId, u32),
    /// A part of what a run was given to work on: a CSV file, by number.
    RunInput(PartnerId, ConnectionId, RunId, u32),
    /// Which runs of a connection may write at present.
    ActiveRuns(PartnerId, ConnectionId),
    /// The seat-sync run of a connection that is under way: uniqueness by existence.
    RunLease(PartnerId, ConnectionId),
    /// The run of one due slot of a job: uniqueness by existence.
    SlotClaim(PartnerId, ConnectionId, String, Timestamp),
    /// The share of Autotask's hourly limit that a connection has used.
    Budget(PartnerId, ConnectionId),
    /// The slots of concurrent calls to one Autotask entity.
    Slots(PartnerId, ConnectionId, String),
    /// Our copy of an invoice, by `Invoices.id`.
    Invoice(PartnerId, ConnectionId, i64),
    /// A chunk of an invoice's lines: the invoice, the set of lines (named by its digest), the chunk's number.
    InvoiceLines(PartnerId, ConnectionId, i64, String, u32),
    /// That an invoice is open, and what Autotask said of it last: what the daily refresh compares.
    OpenInvoice(PartnerId, ConnectionId, i64),
    /// Which invoices carry a number.
    InvoiceNumber(PartnerId, ConnectionId, String),
    /// Payments and credits of an invoice.
    InvoiceLedger(PartnerId, ConnectionId, i64),
    /// What is still to be told Autotask of an invoice's payment.
    Writeback(PartnerId, ConnectionId, i64),
    /// A payment, as the vendor names it.
    Payment(PartnerId, PaymentId),
    /// An invoice's PDF: where it is kept, or why it is not.
    InvoicePdf(PartnerId, ConnectionId, i64),
    /// That an invoice's PDF is still to be fetched.
    PdfDue(PartnerId, ConnectionId, i64),
    /// Who fetches a connection's PDFs, and how many bytes came of late.
    PdfWork(PartnerId, ConnectionId),
    /// Our copy of a company that invoices go to, by `Companies.id`.
    Customer(PartnerId, ConnectionId, i64),
    /// That the older invoices of a customer, by `Companies.id`, are still to be read.
    UnreadCustomer(PartnerId, ConnectionId, i64),
    /// Which invoices and customers a partner wants.
    InvoiceFilters(PartnerId, ConnectionId),
    /// The currencies of a connection's Autotask.
    Currencies(PartnerId, ConnectionId),
    /// How far the fetching of invoices has come.
    FetchState(PartnerId, ConnectionId),
    /// One fetch of invoices.
    Fetch(PartnerId, ConnectionId, RunId),
    /// A connection's webhooks.
    Webhooks(PartnerId, ConnectionId),
    /// One event of a webhook: its GUID and number.
    Delivery(PartnerId, ConnectionId, String, u64),
    /// How many callouts a receiver refused in a minute; of nobody where their URL named nobody.
    RejectedCallouts(Option<(PartnerId, ConnectionId)>, String),
    /// An issue: subject and code.
    Issue(PartnerId, ConnectionId, String, String),
    /// One row of the audit trail: month `yyyy-mm` and id.
    Audit(PartnerId, Option<ConnectionId>, String, String),
    /// An event that is committed and not yet published.
    Outbox(PartnerId, String),
    /// Whom a connection's mails go to, and of what.
    Notifications(PartnerId, ConnectionId),
    /// What of a connection's runs fails and has a ticket in Autotask, by subject.
    FailureTicket(PartnerId, ConnectionId, String),
    /// What a connection's people are still to be told by mail.
    NotifyState(PartnerId, ConnectionId),
    /// An idempotency key of one caller.
    Idempotency(Option<PartnerId>, String),
}

impl Key {
    /// The partner that the record belongs to; none for the vendor's own.
    #[must_use]
    pub fn partner(&self) -> Option<&PartnerId> {
        match self {
            Key::VendorProfile | Key::Package(_) => None,
            Key::Idempotency(p, _) => p.as_ref(),
            Key::RejectedCallouts(of, _) => of.as_ref().map(|(p, _)| p),
            Key::Partner(p)
            | Key::PartnerPackages(p)
            | Key::Account(p, _)
            | Key::Usage(p, ..)
            | Key::UsageMonth(p, ..)
            | Key::PackageChange(p, _)
            | Key::PendingChange(p, _)
            | Key::AccountClaim(p, _)
            | Key::ConnectionOfPsa(p, _)
            | Key::Connection(p, _)
            | Key::Settings(p, _)
            | Key::Schedule(p, ..)
            | Key::Mapping(p, ..)
            | Key::CompanyTaken(p, ..)
            | Key::LineTaken(p, ..)
            | Key::TopologyUse(p, _)
            | Key::PackageMapping(p, ..)
            | Key::PackageMappingTurn(p, _)
            | Key::LineCreation(p, ..)
            | Key::Dismissal(p, ..)
            | Key::HealthReport(p, _)
            | Key::UnitLine(p, ..)
            | Key::Run(p, ..)
            | Key::RunLine(p, ..)
            | Key::RunChunk(p, ..)
            | Key::RunInput(p, ..)
            | Key::ActiveRuns(p, _)
            | Key::RunLease(p, _)
            | Key::SlotClaim(p, ..)
            | Key::Budget(p, _)
            | Key::Slots(p, ..)
            | Key::Invoice(p, ..)
            | Key::InvoiceLines(p, ..)
            | Key::OpenInvoice(p, ..)
            | Key::InvoiceNumber(p, ..)
            | Key::InvoiceLedger(p, ..)
            | Key::Writeback(p, ..)
            | Key::Payment(p, _)
            | Key::InvoicePdf(p, ..)
            | Key::PdfDue(p, ..)
            | Key::PdfWork(p, _)
            | Key::Customer(p, ..)
            | Key::UnreadCustomer(p, ..)
            | Key::InvoiceFilters(p, _)
            | Key::Currencies(p, _)
            | Key::FetchState(p, _)
            | Key::Fetch(p, ..)
            | Key::Webhooks(p, _)
            | Key::Delivery(p, ..)
            | Key::Issue(p, ..)
            | Key::Audit(p, ..)
            | Key::Outbox(p, _)
            | Key::Notifications(p, _)
            | Key::FailureTicket(p, ..)
            | Key::NotifyState(p, _) => Some(p),
        }
    }
}

/// A set of records that is read in pages, in the order of its sort key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Collection {
    /// The vendor's packages, by id.
    Packages,
    /// A partner's accounts, by id.
    Accounts(PartnerId),
    /// A partner's counts, by account and package.
    Usage(PartnerId),
    /// A partner's daily counts of one month, by account and package.
    UsageMonth(PartnerId, Date),
    /// A partner's package changes that are not done yet.
    PendingChanges(PartnerId),
    /// A partner's accounts that another PSA has claimed.
    AccountClaims(PartnerId),
    /// A partner's connections.
    Connections(PartnerId),
    /// A connection's mappings, by account.
    Mappings(PartnerId, ConnectionId),
    /// A connection's package mappings, by package.
    PackageMappings(PartnerId, ConnectionId),
    /// The companies that a connection's mappings hold.
    CompaniesTaken(PartnerId, ConnectionId),
    /// The contract lines that a connection's mappings hold.
    LinesTaken(PartnerId, ConnectionId),
    /// The lines that a connection added to contracts.
    LineCreations(PartnerId, ConnectionId),
    /// A connection's dismissed lines, by account and package.
    Dismissals(PartnerId, ConnectionId),
    /// A connection's unit lines.
    UnitLines(PartnerId, ConnectionId),
    /// A connection's runs, oldest first (run ids sort by time).
    Runs(PartnerId, ConnectionId),
    /// A run's own line records.
    RunLines(PartnerId, ConnectionId, RunId),
    /// A run's deflated chunks.
    RunChunks(PartnerId, ConnectionId, RunId),
    /// A connection's invoices, by Autotask's id.
    Invoices(PartnerId, ConnectionId),
    /// Those whose id is above the first and not above the second.
    InvoicesBetween(PartnerId, ConnectionId, i64, i64),
    /// The invoices of a company, by date; eventual.
    InvoicesOfCompany(PartnerId, ConnectionId, i64),
    /// The chunks of one set of an invoice's lines.
    InvoiceLines(PartnerId, ConnectionId, i64, String),
    /// A connection's open invoices, by Autotask's id.
    OpenInvoices(PartnerId, ConnectionId),
    /// Those whose id is above the first and not above the second.
    OpenInvoicesBetween(PartnerId, ConnectionId, i64, i64),
    /// A connection's ledgers, by invoice, also of invoices that are not here.
    InvoiceLedgers(PartnerId, ConnectionId),
    /// A connection's PDFs that are still to be fetched, by invoice.
    PdfsDue(PartnerId, ConnectionId),
    /// A connection's customers, by Autotask's id.
    Customers(PartnerId, ConnectionId),
    /// Those whose id is above the first and not above the second.
    CustomersBetween(PartnerId, ConnectionId, i64, i64),
    /// A connection's customers whose older invoices are still to be read, by Autotask's id.
    UnreadCustomers(PartnerId, ConnectionId),
    /// A connection's fetches of invoices, oldest first.
    Fetches(PartnerId, ConnectionId),
    /// What is to be told Autotask of payments at or before a time, over all partners; eventual. One shard of
    /// [`SHARDS`].
    WritebacksDue {
        /// Which shard.
        shard: u8,
        /// Due at or before this.
        until: Timestamp,
    },
    /// The events of one webhook, by number.
    Deliveries(PartnerId, ConnectionId, String),
    /// Those whose number is above the first and not above the second.
    DeliveriesBetween(PartnerId, ConnectionId, String, u64, u64),
    /// Refused callouts, by time; of nobody where their URL named nobody.
    RejectedCallouts(Option<(PartnerId, ConnectionId)>),
    /// What of a connection's runs fails, or did, and has a ticket in Autotask.
    FailureTickets(PartnerId, ConnectionId),
    /// A connection's issues, by subject and code.
    Issues(PartnerId, ConnectionId),
    /// A month of the audit trail, by time.
    Audit(PartnerId, Option<ConnectionId>, String),
    /// A partner's unpublished events.
    Outbox(PartnerId),
    /// Schedules of a job that are due at or before a time, over all partners; eventual. One shard of [`SHARDS`].
    Due {
        /// The job.
        job: String,
        /// Which shard.
        shard: u8,
        /// Due at or before this.
        until: Timestamp,
    },
    /// Unpublished events over all partners, oldest first; eventual. One shard of [`SHARDS`].
    OutboxShard(u8),
    /// Runs that are not finished, over all partners, by start; eventual. One shard of [`SHARDS`].
    OpenRuns(u8),
    /// Connections over all partners; eventual. One shard of [`SHARDS`].
    Board(u8),
}

impl Scope {
    /// Whether a record may be read: one's own, and what the vendor tells all its partners (its profile, its
    /// packages). The vendor's profile holds no secret, only the version of one.
    #[must_use]
    pub fn may_read(&self, key: &Key) -> bool {
        matches!(key, Key::VendorProfile | Key::Package(_)) || self.admits(key.partner())
    }

    /// Whether a collection may be read: one's own, and the vendor's packages.
    #[must_use]
    pub fn may_list(&self, of: &Collection) -> bool {
        matches!(of, Collection::Packages) || self.admits(of.partner())
    }

    /// Whether a record may be written, or a transaction depend on it: one's own only.
    #[must_use]
    pub fn may_write(&self, key: &Key) -> bool {
        self.admits(key.partner())
    }
}

/// Shards of an index that spans partners; keeps any one index partition under DynamoDB's 1,000 writes a second.
pub const SHARDS: u8 = 8;

impl Collection {
    /// The partner whose records these are; none where they span partners.
    #[must_use]
    pub fn partner(&self) -> Option<&PartnerId> {
        match self {
            Collection::Accounts(p)
            | Collection::Usage(p)
            | Collection::UsageMonth(p, _)
            | Collection::PendingChanges(p)
            | Collection::AccountClaims(p)
            | Collection::Connections(p)
            | Collection::Mappings(p, _)
            | Collection::PackageMappings(p, _)
            | Collection::CompaniesTaken(p, _)
            | Collection::LinesTaken(p, _)
            | Collection::LineCreations(p, _)
            | Collection::Dismissals(p, _)
            | Collection::UnitLines(p, _)
            | Collection::Runs(p, _)
            | Collection::RunLines(p, ..)
            | Collection::RunChunks(p, ..)
            | Collection::Invoices(p, _)
            | Collection::InvoicesBetween(p, ..)
            | Collection::InvoicesOfCompany(p, ..)
            | Collection::InvoiceLines(p, ..)
            | Collection::OpenInvoices(p, _)
            | Collection::OpenInvoicesBetween(p, ..)
            | Collection::InvoiceLedgers(p, _)
            | Collection::PdfsDue(p, _)
            | Collection::Customers(p, _)
            | Collection::CustomersBetween(p, ..)
            | Collection::UnreadCustomers(p, _)
            | Collection::Fetches(p, _)
            | Collection::Deliveries(p, ..)
            | Collection::DeliveriesBetween(p, ..)
            | Collection::Issues(p, _)
            | Collection::FailureTickets(p, _)
            | Collection::Audit(p, ..)
            | Collection::Outbox(p) => Some(p),
            Collection::RejectedCallouts(of) => of.as_ref().map(|(p, _)| p),
            Collection::Packages
            | Collection::WritebacksDue { .. }
            | Collection::Due { .. }
            | Collection::OutboxShard(_)
            | Collection::OpenRuns(_)
            | Collection::Board(_) => None,
        }
    }
}

/// Which listing of the index a record also stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Index {
    /// A job's due time.
    Due {
        /// The job.
        job: String,
        /// When.
        at: Timestamp,
    },
    /// The vendor's board.
    Board,
    /// The outbox's sweep, by time.
    Outbox {
        /// When the event was committed.
        at: Timestamp,
    },
    /// Unfinished runs, by time.
    OpenRun {
        /// When the run was claimed.
        at: Timestamp,
    },
    /// The invoices of one company, by date. The only listing of a single connection's.
    InvoiceOfCompany {
        /// `Companies.id`.
        company: i64,
        /// The invoice's date.
        date: Date,
    },
    /// What is to be told Autotask of a payment, by when it is tried next.
    Writeback {
        /// When.
        at: Timestamp,
    },
}

/// A record as the store has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its version: 1 when created, one more with each write. 0 where writes are unconditional.
    pub v: u64,
    /// Its content.
    pub doc: serde_json::Value,
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// There is no such record.
    Absent,
    /// The record has this version.
    Version(u64),
    /// Whatever is there.
    Any,
}

/// What a write does.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Puts the whole record.
    Put {
        /// The entity's name, for people who read the table.
        entity: &'static str,
        /// Its content.
        doc: serde_json::Value,
        /// The index over all partners it stands in.
        index: Option<Index>,
        /// When the record may be dropped by itself.
        expires: Option<Timestamp>,
    },
    /// Deletes it.
    Delete,
    /// Only checks the condition.
    Check,
}

/// One conditional write.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Which record.
    pub key: Key,
    /// On what condition.
    pub expect: Expect,
    /// What.
    pub act: Act,
}

/// A type that is stored as one record.
pub trait Record: Serialize + DeserializeOwned + Send + Sync {
    /// Its name in the table.
    const ENTITY: &'static str;
    /// Its key.
    fn key(&self) -> Key;
    /// The listing of the index it stands in.
    fn index(&self) -> Option<Index> {
        None
    }
    /// When it may be dropped by itself.
    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

/// A record together with the version that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    /// The version.
    pub v: u64,
    /// The record.
    pub value: T,
}

impl<T> std::ops::Deref for Versioned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl Write {
    /// Puts a record that must not exist yet.
    pub fn create<R: Record>(record: &R) -> Result<Self, StorageError> {
        Self::put(record, Expect::Absent)
    }

    /// Puts a record over the version that was read.
    pub fn replace<R: Record>(record: &R, v: u64) -> Result<Self, StorageError> {
        Self::put(record, Expect::Version(v))
    }

    /// Puts a record on a condition.
    pub fn put<R: Record>(record: &R, expect: Expect) -> Result<Self, StorageError> {
        let key = record.key();
        let doc = serde_json::to_value(record)
            .map_err(|source| StorageError::Corrupt { key: format!("{key:?}"), source: Box::new(source) })?;
        let act = Act::Put { entity: R::ENTITY, doc, index: record.index(), expires: record.expires() };
        Ok(Self { key, expect, act })
    }

    /// Deletes a record on a condition.
    #[must_use]
    pub fn delete(key: Key, expect: Expect) -> Self {
        Self { key, expect, act: Act::Delete }
    }

    /// Lets a transaction depend on a record it does not write.
    #[must_use]
    pub fn check(key: Key, expect: Expect) -> Self {
        Self { key, expect, act: Act::Check }
    }
}

impl Stored {
    /// The record as its type.
    pub fn decode<R: Record>(self) -> Result<Versioned<R>, StorageError> {
        let v = self.v;
        serde_path_to_error::deserialize(self.doc)
            .map(|value| Versioned { v, value })
            .map_err(|source| StorageError::Corrupt { key: R::ENTITY.to_owned(), source: Box::new(source) })
    }
}

/// Reads one record, strongly consistent.
pub async fn load<R: Record>(
    storage: &dyn Storage,
    scope: &Scope,
    key: &Key,
) -> Result<Option<Versioned<R>>, StorageError> {
    storage.get(scope, key, Read::Strong).await?.map(Stored::decode).transpose()
}

/// Reads one page of a collection as its type, with the token of the next page.
pub async fn load_page<R: Record>(
    storage: &dyn Storage,
    scope: &Scope,
    of: &Collection,
    page: PageRequest,
) -> Result<(Vec<Versioned<R>>, Option<String>), StorageError> {
    let listing = storage.list(scope, of, page).await?;
    let items = listing.items.into_iter().map(Stored::decode).collect::<Result<_, _>>()?;
    Ok((items, listing.next))
}

/// Deletes records whatever they hold, in as many transactions as it takes.
pub async fn delete_all(storage: &dyn Storage, scope: &Scope, keys: &[Key]) -> Result<(), StorageError> {
    for some in keys.chunks(WRITES_MAX) {
        storage.write(scope, some.iter().map(|key| Write::delete(key.clone(), Expect::Any)).collect()).await?;
    }
    Ok(())
}

/// Reads a whole collection, page by page.
pub async fn load_all<R: Record>(
    storage: &dyn Storage,
    scope: &Scope,
    of: &Collection,
    read: Read,
) -> Result<Vec<Versioned<R>>, StorageError> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = PageRequest { limit: PAGE_RECORDS, after, order: Order::Ascending, read };
        let (items, next) = load_page(storage, scope, of, page).await?;
        all.extend(items);
        match next {
            Some(token) => after = Some(token),
            None => return Ok(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partner_reads_the_vendors_profile_and_packages_and_writes_neither() {
        let own = PartnerId::new("acme").unwrap();
        let other = PartnerId::new("other").unwrap();
        let scope = Scope::Partner(own.clone());
        let package = Key::Package(PackageId::new("p1").unwrap());
        for shared in [Key::VendorProfile, package] {
            assert!(scope.may_read(&shared) && !scope.may_write(&shared), "{shared:?}");
        }
        assert!(scope.may_read(&Key::Partner(own.clone())) && scope.may_write(&Key::Partner(own)));
        assert!(!scope.may_read(&Key::Partner(other.clone())) && !scope.may_write(&Key::Partner(other.clone())));
        assert!(!scope.may_read(&Key::Idempotency(None, "k".to_owned())));
        assert!(scope.may_list(&Collection::Packages) && !scope.may_list(&Collection::Board(0)));
        assert!(!scope.may_list(&Collection::Accounts(other)));
    }
}
