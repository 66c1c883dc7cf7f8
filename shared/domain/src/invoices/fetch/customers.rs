//! Customers: all of them once a day and at the import, changed ones every hour.

use super::currencies;
use super::place::{Place, load_each};
use super::record::Counts;
use super::{theirs, unread};
use crate::change::Change;
use crate::invoices::customer::{CurrencyNames, Customer};
use crate::mappings::broken::sees_all;
use crate::ports::StorageError;
use crate::problem::{Error, Result};
use crate::records::{Key, Versioned, WRITES_MAX, Write};
use autotask::{Company, Contact, Filter, Query};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Companies of one page of ours: as many as their contacts can be asked for in one request.
pub(super) const PAGE: usize = 490;
/// Contacts of one page of ours.
pub(super) const CONTACTS_PAGE: usize = 500;
/// Customers written in one transaction: each is a record, an event and a mark.
const WRITTEN_AT_ONCE: usize = WRITES_MAX / 3;
/// How often a customer that somebody else changes meanwhile is written again.
const TRIES: u32 = 4;

/// All companies that the filters may let through, from an id on.
pub(super) fn all_companies(place: &Place<'_>, after: i64) -> Query<Company> {
    let filters = place.filters;
    let mut query = companies(place).filter(Filter::gt("id", after)).page_size(PAGE);
    if !filters.filters.company_types.is_empty() {
        query = query.filter(Filter::is_in("companyType", filters.company_type_ids.iter().copied()));
    }
    if !filters.filters.classifications.is_empty() {
        query = query.filter(Filter::is_in("classification", filters.classification_ids.iter().copied()));
    }
    query
}

/// Companies that have changed since.
pub(super) fn changed_companies(place: &Place<'_>, since: Timestamp, after: i64) -> Query<Company> {
    let changed = Filter::gte("lastTrackedModifiedDateTime", since);
    companies(place).filter(Filter::gt("id", after)).filter(changed).page_size(PAGE)
}

/// Contacts that have changed since.
pub(super) fn changed_contacts(place: &Place<'_>, since: Timestamp, after: i64) -> Query<Contact> {
    let changed = Filter::gte("lastModifiedDate", since);
    contacts(place).filter(Filter::gt("id", after)).filter(changed).page_size(CONTACTS_PAGE)
}

fn companies(place: &Place<'_>) -> Query<Company> {
    let fields = [Company::CUSTOMER_FIELDS, &place.filters.company_udfs()].concat();
    place.client().query::<Company>().include(&fields)
}

fn contacts(place: &Place<'_>) -> Query<Contact> {
    let fields = [Contact::CUSTOMER_FIELDS, &place.filters.contact_udfs()].concat();
    place.client().query::<Contact>().include(&fields)
}

/// Takes a page of companies over. `complete`: their contacts are read in any case, not only those of companies that
/// are new here.
pub(super) async fn take_companies(place: &Place<'_>, rows: &[Company], complete: bool) -> Result<Counts> {
    let now = place.ports.clock.now();
    let before = load_many(place, rows.iter().map(|row| row.id.get())).await?;
    let currencies = currencies::of(place, rows).await?;
    let fresh = |row: &Company, known: Option<&Versioned<Customer>>| {
        theirs::customer(row, known.map(|known| &known.value), place.filters, &currencies, now)
    };
    let mut ask: BTreeSet<i64> = BTreeSet::new();
    for row in rows {
        let known = before.get(&row.id.get());
        // Of a customer that was kept out no contacts are kept.
        let kept_whole = known.is_some_and(|known| known.hidden_by.is_none());
        let same = || {
            known.is_some_and(|known| theirs::decided(fresh(row, Some(known)), place.filters).digest == known.digest)
        };
        if complete || (!kept_whole && !same()) {
            ask.insert(row.id.get());
        }
    }
    let mut people = contacts_of(place, &ask).await?;
    let mut changed = Vec::new();
    for row in rows {
        let id = row.id.get();
        let mut customer = fresh(row, before.get(&id));
        if ask.contains(&id) {
            customer.contacts.clear();
            theirs::put_contacts(&mut customer, people.remove(&id).unwrap_or_default());
        }
        changed.push((before.get(&id).cloned(), theirs::decided(customer, place.filters)));
    }
    let mut took = write(place, changed).await?;
    took.customers_seen = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    Ok(took)
}

/// Takes a page of changed contacts over, into the customers that we have.
pub(super) async fn take_contacts(place: &Place<'_>, rows: &[Contact]) -> Result<Counts> {
    let mut by_company: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    for (company, contact) in rows.iter().filter_map(|row| theirs::contact(row, place.filters)) {
        by_company.entry(company).or_default().push(contact);
    }
    let before = load_many(place, by_company.keys().copied()).await?;
    let mut changed = Vec::new();
    let mut unseen = BTreeSet::new();
    for (company, contacts) in by_company {
        // A company that is not here is new, or kept out by a filter of its own: its turn comes with itself.
        let Some(known) = before.get(&company) else { continue };
        let mut customer = known.value.clone();
        theirs::put_contacts(&mut customer, contacts);
        let decided = theirs::decided(customer, place.filters);
        if known.hidden_by.is_some() && decided.hidden_by.is_none() {
            unseen.insert(company);
            continue;
        }
        changed.push((Some(known.clone()), decided));
    }
    let mut took = write(place, changed).await?;
    if !unseen.is_empty() {
        // Kept out until now, so that little is kept of them.
        let rows = by_id(place, unseen).await?;
        let more = take_companies(place, &rows, true).await?;
        took.customers_changed += more.customers_changed;
    }
    Ok(took)
}

/// Reads companies by id, with what a copy needs.
pub(super) async fn by_id(place: &Place<'_>, ids: impl IntoIterator<Item = i64>) -> Result<Vec<Company>> {
    place.all("reading companies by id", companies(place).any_of("id", ids)).await
}

/// What the filters make of companies as they are in Autotask now. Nothing is written.
pub(super) async fn judged(place: &Place<'_>, ids: BTreeSet<i64>) -> Result<BTreeMap<i64, Customer>> {
    let rows = by_id(place, ids.iter().copied()).await?;
    let ask = if place.filters.filters.contact_udf.is_some() { ids } else { BTreeSet::new() };
    let mut people = contacts_of(place, &ask).await?;
    let now = place.ports.clock.now();
    let judge = |row: &Company| {
        let mut customer = theirs::customer(row, None, place.filters, &CurrencyNames::default(), now);
        theirs::put_contacts(&mut customer, people.remove(&row.id.get()).unwrap_or_default());
        (row.id.get(), theirs::decided(customer, place.filters))
    };
    Ok(rows.iter().map(judge).collect())
}

/// Takes over what Autotask says of customers that we have and that it did not return among those that the filters let
/// through: they are kept out now, or gone. `complete`: as for [`take_companies`].
pub(super) async fn take_others(place: &Place<'_>, ids: &[i64], complete: bool) -> Result<Counts> {
    if ids.is_empty() {
        return Ok(Counts::default());
    }
    let rows = by_id(place, ids.iter().copied()).await?;
    let mut took = take_companies(place, &rows, complete).await?;
    let there: BTreeSet<i64> = rows.iter().map(|row| row.id.get()).collect();
    let gone: Vec<i64> = ids.iter().copied().filter(|id| !there.contains(id)).collect();
    // Restricted rights show as empty lists: only who may see all can say that something is gone.
    if gone.is_empty() || !sees_all::<Company>(place.client()).await.unwrap_or(false) {
        return Ok(took);
    }
    let now = place.ports.clock.now();
    let before = load_many(place, gone).await?;
    let missing = before.into_values().filter(|known| known.missing_since.is_none());
    let changed = missing.map(|known| {
        let customer = Customer { missing_since: Some(now), ..known.value.clone() };
        (Some(known), customer)
    });
    took.add(&write(place, changed.collect()).await?);
    Ok(took)
}

async fn contacts_of(
    place: &Place<'_>,
    companies: &BTreeSet<i64>,
) -> Result<BTreeMap<i64, Vec<crate::invoices::Contact>>> {
    let mut found: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    if companies.is_empty() {
        return Ok(found);
    }
    let query = contacts(place).any_of("companyID", companies.iter().copied());
    let rows = place.all("reading contacts of companies", query).await?;
    for (company, contact) in rows.iter().filter_map(|row| theirs::contact(row, place.filters)) {
        found.entry(company).or_default().push(contact);
    }
    Ok(found)
}

/// Our copies, by id.
pub(super) async fn load_many(
    place: &Place<'_>,
    ids: impl IntoIterator<Item = i64>,
) -> Result<BTreeMap<i64, Versioned<Customer>>> {
    let key = |id| Key::Customer(place.partner().clone(), place.id().clone(), id);
    let found = load_each::<Customer>(place, ids.into_iter().map(key).collect()).await?;
    Ok(found.into_iter().map(|customer| (customer.id, customer)).collect())
}

type Changed = (Option<Versioned<Customer>>, Customer);

async fn write(place: &Place<'_>, customers: Vec<Changed>) -> Result<Counts> {
    let mut took = Counts::default();
    let differ = |(before, after): &Changed| match before {
        Some(before) => before.digest != after.digest || before.missing_since != after.missing_since,
        None => true,
    };
    let customers: Vec<Changed> = customers.into_iter().filter(differ).collect();
    for some in customers.chunks(WRITTEN_AT_ONCE) {
        match commit(place, some).await {
            Ok(()) => {}
            Err(Error::Storage(StorageError::Conflict { .. })) => {
                for one in some {
                    alone(place, one).await?;
                }
            }
            Err(error) => return Err(error),
        }
        took.customers_changed += u32::try_from(some.len()).unwrap_or(u32::MAX);
    }
    Ok(took)
}

/// Writes one customer that somebody else changed meanwhile: what a person did to our copy stays.
async fn alone(place: &Place<'_>, (_, after): &Changed) -> Result<()> {
    for _ in 0..TRIES {
        let before = load_many(place, [after.id]).await?.remove(&after.id);
        let archived_at = before.as_ref().and_then(|before| before.archived_at);
        let one = (before, Customer { archived_at, ..after.clone() });
        match commit(place, std::slice::from_ref(&one)).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            other => return other,
        }
    }
    Err(StorageError::Conflict { at: 0, current: None }.into())
}

async fn commit(place: &Place<'_>, customers: &[Changed]) -> Result<()> {
    let now = place.ports.clock.now();
    let mut change = Change::of_connection(place.ports, place.actor, place.partner(), place.id());
    let newly_wanted = |(before, after): &&Changed| after.hidden_by.is_none() && !is_wanted(before.as_ref());
    let unread: Vec<i64> = customers.iter().filter(newly_wanted).map(|(_, after)| after.id).collect();
    for mark in unread::marks(place, &unread).await? {
        change = change.write(mark);
    }
    for (before, after) in customers {
        let record = Customer { changed_at: now, ..after.clone() };
        change = match before {
            Some(before) => change.replace(&record, before.v)?,
            None => change.write(Write::create(&record)?),
        };
        let was_wanted = is_wanted(before.as_ref());
        // Of one that is kept out nobody is told, unless it was wanted before.
        if record.hidden_by.is_none() || was_wanted {
            let kind = if was_wanted { "customer.updated" } else { "customer.created" };
            change = change.event(kind, told(&record))?;
        }
    }
    Ok(change.commit(place.scope).await?)
}

fn is_wanted(customer: Option<&Versioned<Customer>>) -> bool {
    customer.is_some_and(|customer| customer.hidden_by.is_none())
}

/// What the vendor's core is told of a customer.
pub(in crate::invoices) fn told(customer: &Customer) -> Value {
    json!({
        "company_id": customer.id,
        "name": customer.name,
        "number": customer.number,
        "active": customer.active,
        "hidden_by": customer.hidden_by,
        "missing_since": customer.missing_since,
        "archived_at": customer.archived_at,
        "contacts": customer.contacts.iter().map(|contact| json!({
            "id": contact.id, "first_name": contact.first_name, "last_name": contact.last_name,
            "email": contact.email, "primary": contact.primary,
        })).collect::<Vec<_>>(),
    })
}
