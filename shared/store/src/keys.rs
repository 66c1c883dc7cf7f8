//! Every key pattern of the table, and nothing else knows one.
//!
//! A part never contains [`SEPARATOR`]: identifiers are checked where they are made, free text is
//! percent-encoded here. A partition key either names a whole collection, so that a query is an equality,
//! or is shared by several kinds, whose sort keys then start with `kind#`; a prefix query always ends in
//! the separator, so `map#` finds no `mapx#…` and `P#a` no `P#a1`.

use domain::ids::{ConnectionId, LineRef, PartnerId};
use domain::records::{Collection, Index, Key, SHARDS};
use jiff::Timestamp;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Stands between the parts of a key and in none of them.
pub const SEPARATOR: char = '#';
/// What follows [`SEPARATOR`] in byte order: the exclusive end of everything that starts with `text#`.
const AFTER_SEPARATOR: char = '$';
/// Stands for an empty free text: the encoding never yields a lone percent sign.
const EMPTY: &str = "%";

/// Where a record stands: the table's two key attributes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

/// Which sort keys of a partition belong to a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sort {
    /// All of them.
    All,
    /// Those that start with this, which ends in the separator.
    Prefix(Cow<'static, str>),
    /// Those below this, exclusively.
    Below(String),
    /// Those from the first to the second, both included.
    Between(String, String),
}

/// Where a collection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// In the first index rather than in the table.
    pub indexed: bool,
    /// The partition key, of the table or of the index.
    pub pk: String,
    /// Which part of the partition.
    pub sort: Sort,
}

impl Range {
    /// Whether a sort key lies in the range.
    #[must_use]
    pub fn holds(&self, sk: &str) -> bool {
        match &self.sort {
            Sort::All => true,
            Sort::Prefix(prefix) => sk.starts_with(&**prefix),
            Sort::Below(end) => sk < end.as_str(),
            Sort::Between(from, to) => (from.as_str()..=to.as_str()).contains(&sk),
        }
    }
}

/// The address of a record.
#[must_use]
pub fn address(key: &Key) -> Address {
    let (pk, sk) = match key {
        Key::VendorProfile => ("V".to_owned(), "profile".to_owned()),
        Key::Package(id) => ("V#packages".to_owned(), id.to_string()),
        Key::Partner(p) => (of_partner(p), "partner".to_owned()),
        Key::PartnerPackages(p) => (of_partner(p), "packages".to_owned()),
        Key::ConnectionOfPsa(p, psa) => (of_partner(p), format!("psa#{}", encode(psa))),
        Key::Connection(p, c) => (of_partner(p), format!("conn#{c}")),
        Key::Account(p, a) => (under_partner(p, "accounts"), a.to_string()),
        Key::Usage(p, a, package) => (under_partner(p, "usage"), format!("{a}#{package}")),
        Key::UsageMonth(p, a, package, month) => {
            (under_partner(p, &format!("usage-month#{month}")), format!("{a}#{package}"))
        }
        Key::PackageChange(p, change) => (under_partner(p, "changes"), change.to_string()),
        Key::PendingChange(p, change) => (under_partner(p, "pending-changes"), change.to_string()),
        Key::AccountClaim(p, a) => (under_partner(p, "claims"), a.to_string()),
        Key::Settings(p, c) => (of_connection(p, c), "settings".to_owned()),
        Key::Schedule(p, c, job) => (of_connection(p, c), format!("job#{}", encode(job))),
        Key::Mapping(p, c, a) => (of_connection(p, c), format!("map#{a}")),
        Key::CompanyTaken(p, c, id) => (of_connection(p, c), format!("company#{id}")),
        Key::LineTaken(p, c, line) => (of_connection(p, c), format!("line#{}", line_part(*line))),
        Key::TopologyUse(p, c) => (of_connection(p, c), "topology-use".to_owned()),
        Key::PackageMapping(p, c, package) => (of_connection(p, c), format!("package#{package}")),
        Key::PackageMappingTurn(p, c) => (of_connection(p, c), "package-turn".to_owned()),
        Key::LineCreation(p, c, contract, service, account) => {
            (under_connection(p, c, "creations"), format!("{contract}#{}#{account}", line_part(*service)))
        }
        Key::Dismissal(p, c, account, package) => {
            (under_connection(p, c, "dismissals"), format!("{account}#{package}"))
        }
        Key::HealthReport(p, c) => (of_connection(p, c), "health".to_owned()),
        Key::RunLease(p, c) => (of_connection(p, c), "lease#runs".to_owned()),
        Key::SlotClaim(p, c, job, slot) => (of_connection(p, c), format!("slot#{}#{}", encode(job), instant(*slot))),
        Key::ActiveRuns(p, c) => (of_connection(p, c), "active-runs".to_owned()),
        Key::Budget(p, c) => (of_connection(p, c), "budget".to_owned()),
        Key::Slots(p, c, entity) => (of_connection(p, c), format!("slots#{}", encode(entity))),
        Key::UnitLine(p, c, line) => (under_connection(p, c, "lines"), line_part(*line)),
        Key::Run(p, c, run) => (under_connection(p, c, "runs"), run.to_string()),
        Key::RunLine(p, c, run, n) => (under_connection(p, c, &format!("run#{run}")), format!("line#{n:010}")),
        Key::RunChunk(p, c, run, n) => (under_connection(p, c, &format!("run#{run}")), format!("chunk#{n:010}")),
        Key::RunInput(p, c, run, n) => (under_connection(p, c, &format!("run#{run}")), format!("input#{n:010}")),
        Key::Invoice(p, c, id) => (under_connection(p, c, "invoices"), number(*id)),
        Key::InvoiceLines(p, c, id, set, n) => {
            (under_connection(p, c, &format!("invoice#{id}")), format!("lines#{}#{n:010}", encode(set)))
        }
        Key::InvoiceLedger(p, c, id) => (under_connection(p, c, "invoice-ledgers"), number(*id)),
        Key::Writeback(p, c, id) => (under_connection(p, c, &format!("invoice#{id}")), "writeback".to_owned()),
        Key::InvoicePdf(p, c, id) => (under_connection(p, c, &format!("invoice#{id}")), "pdf".to_owned()),
        Key::OpenInvoice(p, c, id) => (under_connection(p, c, "open-invoices"), number(*id)),
        Key::PdfDue(p, c, id) => (under_connection(p, c, "pdfs-due"), number(*id)),
        Key::PdfWork(p, c) => (of_connection(p, c), "pdf-work".to_owned()),
        Key::InvoiceNumber(p, c, text) => {
            (under_connection(p, c, &format!("invoice-number#{}", encode(text))), "number".to_owned())
        }
        Key::Payment(p, payment) => (under_partner(p, &format!("payment#{payment}")), "payment".to_owned()),
        Key::Customer(p, c, id) => (under_connection(p, c, "customers"), number(*id)),
        Key::UnreadCustomer(p, c, id) => (under_connection(p, c, "customers-unread"), number(*id)),
        Key::InvoiceFilters(p, c) => (of_connection(p, c), "invoice-filters".to_owned()),
        Key::Currencies(p, c) => (of_connection(p, c), "currencies".to_owned()),
        Key::FetchState(p, c) => (of_connection(p, c), "fetch-state".to_owned()),
        Key::Fetch(p, c, fetch) => (under_connection(p, c, "fetches"), fetch.to_string()),
        Key::Webhooks(p, c) => (of_connection(p, c), "webhooks".to_owned()),
        Key::Delivery(p, c, guid, sequence) => (deliveries(p, c, guid), counted(*sequence)),
        Key::RejectedCallouts(of, id) => (rejected(of.as_ref()), encode(id)),
        Key::Issue(p, c, subject, code) => {
            (under_connection(p, c, "issues"), format!("{}#{}", encode(subject), encode(code)))
        }
        Key::Audit(p, c, month, id) => (audit(p, c.as_ref(), month), encode(id)),
        Key::Outbox(p, id) => (under_partner(p, "outbox"), encode(id)),
        Key::Notifications(p, c) => (of_connection(p, c), "notifications".to_owned()),
        Key::NotifyState(p, c) => (of_connection(p, c), "notify-state".to_owned()),
        Key::FailureTicket(p, c, subject) => (under_connection(p, c, "failure-tickets"), encode(subject)),
        Key::Idempotency(None, text) => (format!("V#idem#{}", encode(text)), "idem".to_owned()),
        Key::Idempotency(Some(p), text) => (under_partner(p, &format!("idem#{}", encode(text))), "idem".to_owned()),
    };
    Address { pk, sk }
}

/// Where the records of a collection stand.
#[must_use]
pub fn range(of: &Collection) -> Range {
    let (pk, sort) = match of {
        Collection::Packages => ("V#packages".to_owned(), Sort::All),
        Collection::Accounts(p) => (under_partner(p, "accounts"), Sort::All),
        Collection::Usage(p) => (under_partner(p, "usage"), Sort::All),
        Collection::UsageMonth(p, month) => (under_partner(p, &format!("usage-month#{month}")), Sort::All),
        Collection::PendingChanges(p) => (under_partner(p, "pending-changes"), Sort::All),
        Collection::AccountClaims(p) => (under_partner(p, "claims"), Sort::All),
        Collection::Connections(p) => (of_partner(p), Sort::Prefix("conn#".into())),
        Collection::Mappings(p, c) => (of_connection(p, c), Sort::Prefix("map#".into())),
        Collection::PackageMappings(p, c) => (of_connection(p, c), Sort::Prefix("package#".into())),
        Collection::CompaniesTaken(p, c) => (of_connection(p, c), Sort::Prefix("company#".into())),
        Collection::LinesTaken(p, c) => (of_connection(p, c), Sort::Prefix("line#".into())),
        Collection::LineCreations(p, c) => (under_connection(p, c, "creations"), Sort::All),
        Collection::Dismissals(p, c) => (under_connection(p, c, "dismissals"), Sort::All),
        Collection::UnitLines(p, c) => (under_connection(p, c, "lines"), Sort::All),
        Collection::Runs(p, c) => (under_connection(p, c, "runs"), Sort::All),
        Collection::RunLines(p, c, run) => {
            (under_connection(p, c, &format!("run#{run}")), Sort::Prefix("line#".into()))
        }
        Collection::RunChunks(p, c, run) => {
            (under_connection(p, c, &format!("run#{run}")), Sort::Prefix("chunk#".into()))
        }
        Collection::Invoices(p, c) => (under_connection(p, c, "invoices"), Sort::All),
        Collection::InvoicesBetween(p, c, above, to) => (under_connection(p, c, "invoices"), between(*above, *to)),
        Collection::InvoicesOfCompany(p, c, company) => {
            return indexed(company_invoices(&under_connection(p, c, "invoices"), *company), Sort::All);
        }
        Collection::InvoiceLines(p, c, id, set) => {
            let prefix = format!("lines#{}#", encode(set));
            (under_connection(p, c, &format!("invoice#{id}")), Sort::Prefix(prefix.into()))
        }
        Collection::OpenInvoices(p, c) => (under_connection(p, c, "open-invoices"), Sort::All),
        Collection::OpenInvoicesBetween(p, c, above, to) => {
            (under_connection(p, c, "open-invoices"), between(*above, *to))
        }
        Collection::CustomersBetween(p, c, above, to) => (under_connection(p, c, "customers"), between(*above, *to)),
        Collection::UnreadCustomers(p, c) => (under_connection(p, c, "customers-unread"), Sort::All),
        Collection::InvoiceLedgers(p, c) => (under_connection(p, c, "invoice-ledgers"), Sort::All),
        Collection::PdfsDue(p, c) => (under_connection(p, c, "pdfs-due"), Sort::All),
        Collection::Customers(p, c) => (under_connection(p, c, "customers"), Sort::All),
        Collection::Fetches(p, c) => (under_connection(p, c, "fetches"), Sort::All),
        Collection::WritebacksDue { shard, until } => {
            return indexed(writebacks(*shard), Sort::Below(format!("{}{AFTER_SEPARATOR}", instant(*until))));
        }
        Collection::Deliveries(p, c, guid) => (deliveries(p, c, guid), Sort::All),
        Collection::DeliveriesBetween(p, c, guid, above, to) => {
            let from = above.saturating_add(1);
            (deliveries(p, c, guid), Sort::Between(counted(from), counted((*to).max(from))))
        }
        Collection::RejectedCallouts(of) => (rejected(of.as_ref()), Sort::All),
        Collection::FailureTickets(p, c) => (under_connection(p, c, "failure-tickets"), Sort::All),
        Collection::Issues(p, c) => (under_connection(p, c, "issues"), Sort::All),
        Collection::Audit(p, c, month) => (audit(p, c.as_ref(), month), Sort::All),
        Collection::Outbox(p) => (under_partner(p, "outbox"), Sort::All),
        Collection::Due { job, shard, until } => {
            return indexed(due(job, *shard), Sort::Below(format!("{}{AFTER_SEPARATOR}", instant(*until))));
        }
        Collection::OutboxShard(shard) => return indexed(outbox(*shard), Sort::All),
        Collection::OpenRuns(shard) => return indexed(open_runs(*shard), Sort::All),
        Collection::Board(shard) => return indexed(board(*shard), Sort::All),
    };
    Range { indexed: false, pk, sort }
}

/// Where a record stands in the first index, as `(gsi1pk, gsi1sk)`.
#[must_use]
pub fn index(at: &Address, index: &Index) -> Address {
    let shard = shard_of(&at.pk);
    let own = format!("{}#{}", at.pk, at.sk);
    match index {
        Index::Due { job, at } => Address { pk: due(job, shard), sk: format!("{}#{own}", instant(*at)) },
        Index::Outbox { at } => Address { pk: outbox(shard), sk: format!("{}#{own}", instant(*at)) },
        Index::OpenRun { at } => Address { pk: open_runs(shard), sk: format!("{}#{own}", instant(*at)) },
        Index::Writeback { at } => Address { pk: writebacks(shard), sk: format!("{}#{own}", instant(*at)) },
        // The partition that the record itself stands in names partner and connection.
        Index::InvoiceOfCompany { company, date } => {
            Address { pk: company_invoices(&at.pk, *company), sk: format!("{date}#{}", at.sk) }
        }
        Index::Board => Address { pk: board(shard), sk: own },
    }
}

/// The shard of a partition (one of a partner's or of a connection's): stable over builds and machines (FNV-1a).
#[must_use]
pub fn shard_of(pk: &str) -> u8 {
    let hash =
        pk.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    // The low bits of FNV-1a mix worst; fold the high half in.
    u8::try_from((hash ^ (hash >> 32)) % u64::from(SHARDS)).expect("a remainder of SHARDS fits its own type")
}

fn of_partner(p: &PartnerId) -> String {
    format!("P#{p}")
}

fn under_partner(p: &PartnerId, what: &str) -> String {
    format!("P#{p}#{what}")
}

fn of_connection(p: &PartnerId, c: &ConnectionId) -> String {
    format!("P#{p}#C#{c}")
}

fn under_connection(p: &PartnerId, c: &ConnectionId, what: &str) -> String {
    format!("P#{p}#C#{c}#{what}")
}

fn audit(p: &PartnerId, c: Option<&ConnectionId>, month: &str) -> String {
    let what = format!("audit#{}", encode(month));
    match c {
        Some(c) => under_connection(p, c, &what),
        None => under_partner(p, &what),
    }
}

fn deliveries(p: &PartnerId, c: &ConnectionId, guid: &str) -> String {
    under_connection(p, c, &format!("hook#{}", encode(guid)))
}

fn rejected(of: Option<&(PartnerId, ConnectionId)>) -> String {
    match of {
        Some((p, c)) => under_connection(p, c, "rejected-callouts"),
        None => "V#rejected-callouts".to_owned(),
    }
}

/// A webhook's number of an event in a fixed width: as many digits as the largest has.
fn counted(sequence: u64) -> String {
    format!("{sequence:020}")
}

fn line_part(line: LineRef) -> String {
    line.to_string()
}

fn indexed(pk: String, sort: Sort) -> Range {
    Range { indexed: true, pk, sort }
}

fn due(job: &str, shard: u8) -> String {
    format!("due#{}#{shard}", encode(job))
}

fn outbox(shard: u8) -> String {
    format!("outbox#{shard}")
}

fn open_runs(shard: u8) -> String {
    format!("open-runs#{shard}")
}

fn writebacks(shard: u8) -> String {
    format!("writebacks#{shard}")
}

fn company_invoices(invoices: &str, company: i64) -> String {
    format!("{invoices}#company#{company}")
}

/// One of Autotask's ids in a fixed width, so that text order is the order of numbers. They are never negative.
fn number(id: i64) -> String {
    format!("{id:020}")
}

/// Ids above the first and not above the second; DynamoDB takes no range that ends before it begins.
fn between(above: i64, to: i64) -> Sort {
    debug_assert!(above < to, "a range of ids that holds none");
    let from = above.saturating_add(1);
    Sort::Between(number(from), number(to.max(from)))
}

fn board(shard: u8) -> String {
    format!("board#{shard}")
}

/// An instant in a fixed width, so that text order is time order: `2026-12-01T06:00:00.000000000Z`.
fn instant(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// Free text as a part of a key: everything but `A-Z a-z 0-9 . _ : @ / -` becomes `%XX`.
fn encode(text: &str) -> String {
    if text.is_empty() {
        return EMPTY.to_owned();
    }
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"._:@/-".contains(&byte) {
            part.push(char::from(byte));
        } else {
            write!(part, "%{byte:02X}").expect("a String takes every write");
        }
    }
    part
}
