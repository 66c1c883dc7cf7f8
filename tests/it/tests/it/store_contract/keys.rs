//! No two records share an address, and no listing crosses into another's.

use domain::ids::{AccountId, ChangeId, ConnectionId, LineKind, LineRef, PackageId, PartnerId, PaymentId, RunId};
use domain::records::{Collection, Index, Key, SHARDS};
use proptest::prelude::*;
use std::collections::HashMap;
use store::keys::{Sort, address, index, range, shard_of};

/// Identifiers that try to look like parts of keys, one often the beginning of another.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("a1".to_owned()),
        Just("C".to_owned()),
        Just("conn".to_owned()),
        Just("map".to_owned()),
        Just("runs".to_owned()),
        Just("run".to_owned()),
        Just("svc-1".to_owned()),
        "[aC1]{1,3}",
        "[a-c0-9][a-c0-9._:@-]{0,5}",
    ]
}

/// Free text, with everything that could end a part of a key.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("#".to_owned()), "[a#%/2 3ü$]{0,4}", id()]
}

fn partner() -> impl Strategy<Value = PartnerId> {
    id().prop_map(|id| PartnerId::new(id).unwrap())
}
fn connection() -> impl Strategy<Value = ConnectionId> {
    id().prop_map(|id| ConnectionId::new(id).unwrap())
}
fn account() -> impl Strategy<Value = AccountId> {
    id().prop_map(|id| AccountId::new(id).unwrap())
}
fn package() -> impl Strategy<Value = PackageId> {
    id().prop_map(|id| PackageId::new(id).unwrap())
}
fn run() -> impl Strategy<Value = RunId> {
    id().prop_map(|id| RunId::new(id).unwrap())
}
fn change() -> impl Strategy<Value = ChangeId> {
    id().prop_map(|id| ChangeId::new(id).unwrap())
}
fn payment() -> impl Strategy<Value = PaymentId> {
    id().prop_map(|id| PaymentId::new(id).unwrap())
}
fn month() -> impl Strategy<Value = jiff::civil::Date> {
    (1..4_i8).prop_map(|month| jiff::civil::date(2026, month, 1))
}
fn line() -> impl Strategy<Value = LineRef> {
    (prop_oneof![Just(LineKind::Service), Just(LineKind::Bundle)], -1..3_i64)
        .prop_map(|(kind, id)| LineRef { kind, id })
}

fn of_vendor_or_partner() -> impl Strategy<Value = Key> {
    prop_oneof![
        Just(Key::VendorProfile),
        package().prop_map(Key::Package),
        partner().prop_map(Key::Partner),
        partner().prop_map(Key::PartnerPackages),
        (partner(), account()).prop_map(|(p, a)| Key::Account(p, a)),
        (partner(), account(), package()).prop_map(|(p, a, k)| Key::Usage(p, a, k)),
        (partner(), account(), package(), month()).prop_map(|(p, a, k, m)| Key::UsageMonth(p, a, k, m)),
        (partner(), change()).prop_map(|(p, c)| Key::PackageChange(p, c)),
        (partner(), change()).prop_map(|(p, c)| Key::PendingChange(p, c)),
        (partner(), account()).prop_map(|(p, a)| Key::AccountClaim(p, a)),
        (partner(), text()).prop_map(|(p, t)| Key::ConnectionOfPsa(p, t)),
        (partner(), text()).prop_map(|(p, t)| Key::Outbox(p, t)),
        (partner(), payment()).prop_map(|(p, payment)| Key::Payment(p, payment)),
        (proptest::option::of(partner()), text()).prop_map(|(p, t)| Key::Idempotency(p, t)),
        (partner(), proptest::option::of(connection()), text(), text()).prop_map(|(p, c, m, t)| Key::Audit(p, c, m, t)),
    ]
}

fn of_connection() -> impl Strategy<Value = Key> {
    let own = || (partner(), connection());
    prop_oneof![
        own().prop_map(|(p, c)| Key::Connection(p, c)),
        own().prop_map(|(p, c)| Key::Settings(p, c)),
        own().prop_map(|(p, c)| Key::ActiveRuns(p, c)),
        own().prop_map(|(p, c)| Key::RunLease(p, c)),
        (own(), text(), 0..3_i64)
            .prop_map(|((p, c), t, s)| { Key::SlotClaim(p, c, t, jiff::Timestamp::from_second(s).unwrap()) }),
        own().prop_map(|(p, c)| Key::Budget(p, c)),
        (own(), text()).prop_map(|((p, c), t)| Key::Schedule(p, c, t)),
        (own(), text()).prop_map(|((p, c), t)| Key::Slots(p, c, t)),
        (own(), account()).prop_map(|((p, c), a)| Key::Mapping(p, c, a)),
        (own(), -1..3_i64).prop_map(|((p, c), n)| Key::CompanyTaken(p, c, n)),
        (own(), line()).prop_map(|((p, c), l)| Key::LineTaken(p, c, l)),
        (own(), package()).prop_map(|((p, c), k)| Key::PackageMapping(p, c, k)),
        own().prop_map(|(p, c)| Key::PackageMappingTurn(p, c)),
        (own(), -1..3_i64, line(), account()).prop_map(|((p, c), n, l, a)| Key::LineCreation(p, c, n, l, a)),
        (own(), account(), package()).prop_map(|((p, c), a, k)| Key::Dismissal(p, c, a, k)),
        own().prop_map(|(p, c)| Key::HealthReport(p, c)),
        own().prop_map(|(p, c)| Key::TopologyUse(p, c)),
        (own(), line()).prop_map(|((p, c), l)| Key::UnitLine(p, c, l)),
        (own(), run()).prop_map(|((p, c), r)| Key::Run(p, c, r)),
        (own(), run(), 0..3_u32).prop_map(|((p, c), r, n)| Key::RunLine(p, c, r, n)),
        (own(), run(), 0..3_u32).prop_map(|((p, c), r, n)| Key::RunChunk(p, c, r, n)),
        (own(), run(), 0..3_u32).prop_map(|((p, c), r, n)| Key::RunInput(p, c, r, n)),
        (own(), text(), text()).prop_map(|((p, c), s, t)| Key::Issue(p, c, s, t)),
        own().prop_map(|(p, c)| Key::Notifications(p, c)),
        own().prop_map(|(p, c)| Key::NotifyState(p, c)),
        (own(), text()).prop_map(|((p, c), t)| Key::FailureTicket(p, c, t)),
    ]
}

fn of_invoices() -> impl Strategy<Value = Key> {
    let own = || (partner(), connection());
    let invoice = || 0..3_i64;
    prop_oneof![
        (own(), invoice()).prop_map(|((p, c), i)| Key::Invoice(p, c, i)),
        (own(), invoice(), text(), 0..3_u32).prop_map(|((p, c), i, t, n)| Key::InvoiceLines(p, c, i, t, n)),
        (own(), invoice()).prop_map(|((p, c), i)| Key::OpenInvoice(p, c, i)),
        (own(), text()).prop_map(|((p, c), t)| Key::InvoiceNumber(p, c, t)),
        (own(), invoice()).prop_map(|((p, c), i)| Key::InvoiceLedger(p, c, i)),
        (own(), invoice()).prop_map(|((p, c), i)| Key::Writeback(p, c, i)),
        (own(), invoice()).prop_map(|((p, c), i)| Key::InvoicePdf(p, c, i)),
        (own(), invoice()).prop_map(|((p, c), i)| Key::PdfDue(p, c, i)),
        (own(), invoice()).prop_map(|((p, c), i)| Key::Customer(p, c, i)),
        (own(), invoice()).prop_map(|((p, c), i)| Key::UnreadCustomer(p, c, i)),
        own().prop_map(|(p, c)| Key::InvoiceFilters(p, c)),
        own().prop_map(|(p, c)| Key::Currencies(p, c)),
        own().prop_map(|(p, c)| Key::FetchState(p, c)),
        own().prop_map(|(p, c)| Key::PdfWork(p, c)),
        (own(), run()).prop_map(|((p, c), r)| Key::Fetch(p, c, r)),
    ]
}

fn of_webhooks() -> impl Strategy<Value = Key> {
    let own = || (partner(), connection());
    prop_oneof![
        own().prop_map(|(p, c)| Key::Webhooks(p, c)),
        (own(), text(), 0..3_u64).prop_map(|((p, c), g, n)| Key::Delivery(p, c, g, n)),
        (proptest::option::of(own()), text()).prop_map(|(of, t)| Key::RejectedCallouts(of, t)),
    ]
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![of_vendor_or_partner(), of_connection(), of_invoices(), of_webhooks()]
}

/// The collection that a record is listed in. A full match: whoever adds a key decides here.
fn collection_of(key: &Key) -> Option<Collection> {
    Some(match key.clone() {
        Key::VendorProfile
        | Key::Partner(_)
        | Key::PartnerPackages(_)
        | Key::ConnectionOfPsa(..)
        | Key::Settings(..)
        | Key::Schedule(..)
        | Key::ActiveRuns(..)
        | Key::RunLease(..)
        | Key::SlotClaim(..)
        | Key::RunInput(..)
        | Key::PackageChange(..)
        | Key::PackageMappingTurn(..)
        | Key::HealthReport(..)
        | Key::TopologyUse(..)
        | Key::InvoiceNumber(..)
        | Key::Writeback(..)
        | Key::Payment(..)
        | Key::InvoicePdf(..)
        | Key::InvoiceFilters(..)
        | Key::Currencies(..)
        | Key::FetchState(..)
        | Key::PdfWork(..)
        | Key::Webhooks(..)
        | Key::Budget(..)
        | Key::Slots(..)
        | Key::Notifications(..)
        | Key::NotifyState(..)
        | Key::Idempotency(..) => return None,
        Key::Package(_) => Collection::Packages,
        Key::Account(p, _) => Collection::Accounts(p),
        Key::Usage(p, ..) => Collection::Usage(p),
        Key::UsageMonth(p, _, _, month) => Collection::UsageMonth(p, month),
        Key::PendingChange(p, _) => Collection::PendingChanges(p),
        Key::AccountClaim(p, _) => Collection::AccountClaims(p),
        Key::Connection(p, _) => Collection::Connections(p),
        Key::Mapping(p, c, _) => Collection::Mappings(p, c),
        Key::CompanyTaken(p, c, _) => Collection::CompaniesTaken(p, c),
        Key::LineTaken(p, c, _) => Collection::LinesTaken(p, c),
        Key::PackageMapping(p, c, _) => Collection::PackageMappings(p, c),
        Key::LineCreation(p, c, ..) => Collection::LineCreations(p, c),
        Key::Dismissal(p, c, ..) => Collection::Dismissals(p, c),
        Key::UnitLine(p, c, _) => Collection::UnitLines(p, c),
        Key::Run(p, c, _) => Collection::Runs(p, c),
        Key::RunLine(p, c, r, _) => Collection::RunLines(p, c, r),
        Key::RunChunk(p, c, r, _) => Collection::RunChunks(p, c, r),
        Key::Invoice(p, c, _) => Collection::Invoices(p, c),
        Key::InvoiceLines(p, c, id, set, _) => Collection::InvoiceLines(p, c, id, set),
        Key::OpenInvoice(p, c, _) => Collection::OpenInvoices(p, c),
        Key::InvoiceLedger(p, c, _) => Collection::InvoiceLedgers(p, c),
        Key::PdfDue(p, c, _) => Collection::PdfsDue(p, c),
        Key::Customer(p, c, _) => Collection::Customers(p, c),
        Key::UnreadCustomer(p, c, _) => Collection::UnreadCustomers(p, c),
        Key::Fetch(p, c, _) => Collection::Fetches(p, c),
        Key::Delivery(p, c, guid, _) => Collection::Deliveries(p, c, guid),
        Key::RejectedCallouts(of, _) => Collection::RejectedCallouts(of),
        Key::Issue(p, c, ..) => Collection::Issues(p, c),
        Key::FailureTicket(p, c, _) => Collection::FailureTickets(p, c),
        Key::Audit(p, c, month, _) => Collection::Audit(p, c, month),
        Key::Outbox(p, _) => Collection::Outbox(p),
    })
}

/// Whether the store would list the record of `key` in `of`.
fn listed(of: &Collection, key: &Key) -> bool {
    let (at, range) = (address(key), range(of));
    !range.indexed && range.pk == at.pk && range.holds(&at.sk)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_two_records_share_an_address(keys in proptest::collection::vec(key(), 60)) {
        let mut seen: HashMap<_, Key> = HashMap::new();
        for key in keys {
            if let Some(other) = seen.insert(address(&key), key.clone()) {
                prop_assert_eq!(other, key);
            }
        }
    }

    #[test]
    fn a_collection_lists_its_own_records_and_no_others(keys in proptest::collection::vec(key(), 40)) {
        for of in keys.iter().filter_map(collection_of) {
            for key in &keys {
                prop_assert_eq!(listed(&of, key), collection_of(key).as_ref() == Some(&of), "{:?} in {:?}", key, of);
            }
        }
    }

    #[test]
    fn a_partners_addresses_name_the_partner(key in key()) {
        let at = address(&key);
        match key.partner() {
            Some(p) => prop_assert!(at.pk == format!("P#{p}") || at.pk.starts_with(&format!("P#{p}#")), "{:?}", at),
            None => prop_assert!(at.pk == "V" || at.pk.starts_with("V#"), "{:?}", at),
        }
        prop_assert!(!at.sk.is_empty());
        if let Some(Collection::Connections(_) | Collection::Mappings(..)) = collection_of(&key) {
            let Sort::Prefix(prefix) = range(&collection_of(&key).unwrap()).sort else { panic!("shared partitions need a prefix") };
            prop_assert!(prefix.ends_with('#'));
        }
    }

    #[test]
    fn what_is_due_by_a_time_is_what_is_not_after_it(key in key(), at in 0..3_i64, until in 0..3_i64, job in text(), other in text()) {
        let time = |n: i64| jiff::Timestamp::new(1_800_000_000 + n / 2, i32::try_from(n % 2).unwrap()).unwrap();
        let entry = index(&address(&key), &Index::Due { job: job.clone(), at: time(at) });
        let shard = shard_of(&address(&key).pk);
        prop_assert!(shard < SHARDS);
        let of = range(&Collection::Due { job: other.clone(), shard, until: time(until) });
        prop_assert_eq!(of.pk == entry.pk && of.holds(&entry.sk), job == other && at <= until);
    }
}

#[test]
fn a_companys_invoices_are_listed_by_date_and_with_no_other_companys() {
    let (p, c) = (PartnerId::new("acme").unwrap(), ConnectionId::new("con_1").unwrap());
    let entry = |invoice: i64, company: i64, date: &str| {
        let at = address(&Key::Invoice(p.clone(), c.clone(), invoice));
        index(&at, &Index::InvoiceOfCompany { company, date: date.parse().unwrap() })
    };
    let of = range(&Collection::InvoicesOfCompany(p.clone(), c.clone(), 7));
    assert!(of.indexed && of.pk == entry(90, 7, "2026-11-02").pk);
    assert!(of.pk != entry(90, 70, "2026-11-02").pk);
    assert!(entry(90, 7, "2026-10-02").sk < entry(9, 7, "2026-11-02").sk);
    assert!(entry(9, 7, "2026-11-02").sk < entry(90, 7, "2026-11-02").sk);
}

#[test]
fn shards_are_used_evenly_and_stay_what_they_are() {
    let mut counts = [0_u32; SHARDS as usize];
    for n in 0..8_000 {
        counts[usize::from(shard_of(&format!("P#partner-{n}#C#con_1")))] += 1;
    }
    assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    // Stored in the index of every deployment: another function would lose what is due.
    assert_eq!(["P#acme", "P#acme#C#con_1", "P#acme#outbox"].map(shard_of), SHARDS_OF_OLD);
}

const SHARDS_OF_OLD: [u8; 3] = [5, 0, 7];
