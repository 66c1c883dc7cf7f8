//! Customers that are wanted only now: their older invoices are still to be read.
//!
//! The mark is written with the customer, by whoever writes it, and taken off by the fetch that has read their invoices:
//! neither a kill nor a fetch that fails loses them. An import reads all invoices, and marks nobody.

use super::customers;
use super::place::{Place, load_each};
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Order, PageRequest, Read, StorageError};
use crate::problem::Result;
use crate::records::{Collection, Expect, Key, Record, WRITES_MAX, Write, load_page};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A customer whose older invoices are still to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnreadCustomer {
    pub(crate) partner: PartnerId,
    pub(crate) connection: ConnectionId,
    /// `Companies.id`.
    pub(crate) company: i64,
}

impl Record for UnreadCustomer {
    const ENTITY: &'static str = "customer_unread";
    fn key(&self) -> Key {
        Key::UnreadCustomer(self.partner.clone(), self.connection.clone(), self.company)
    }
}

/// A marked customer, with the version of its mark: one that is marked again meanwhile is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// `Companies.id`.
    pub company: i64,
    /// Of the mark.
    pub v: u64,
}

/// What marks these customers.
pub(super) async fn marks(place: &Place<'_>, companies: &[i64]) -> Result<Vec<Write>> {
    if place.reads_all || companies.is_empty() {
        return Ok(Vec::new());
    }
    let record = |company| UnreadCustomer { partner: place.partner().clone(), connection: place.id().clone(), company };
    let keys = companies.iter().map(|id| record(*id).key()).collect();
    let there = load_each::<UnreadCustomer>(place, keys).await?;
    let there: BTreeMap<i64, u64> = there.into_iter().map(|mark| (mark.company, mark.v)).collect();
    let mark = |id: &i64| match there.get(id) {
        Some(v) => Write::replace(&record(*id), *v),
        None => Write::create(&record(*id)),
    };
    Ok(companies.iter().map(mark).collect::<Result<_, _>>()?)
}

/// Some that are marked, as many as one request can ask for.
pub(super) async fn some(place: &Place<'_>) -> Result<Vec<Unread>> {
    let of = Collection::UnreadCustomers(place.partner().clone(), place.id().clone());
    let limit = u32::try_from(customers::PAGE).unwrap_or(u32::MAX);
    let page = PageRequest { limit, after: None, order: Order::Ascending, read: Read::Strong };
    let (found, _) = load_page::<UnreadCustomer>(&*place.ports.storage, place.scope, &of, page).await?;
    Ok(found.into_iter().map(|mark| Unread { company: mark.company, v: mark.v }).collect())
}

/// Takes their marks off, but those that were set again meanwhile.
pub(super) async fn done(place: &Place<'_>, read: &[Unread]) -> Result<()> {
    let off = |mark: &Unread| {
        let key = Key::UnreadCustomer(place.partner().clone(), place.id().clone(), mark.company);
        Write::delete(key, Expect::Version(mark.v))
    };
    for some in read.chunks(WRITES_MAX) {
        match place.ports.storage.write(place.scope, some.iter().map(off).collect()).await {
            Err(StorageError::Conflict { .. }) => {
                for mark in some {
                    match place.ports.storage.write(place.scope, vec![off(mark)]).await {
                        Ok(()) | Err(StorageError::Conflict { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            other => other?,
        }
    }
    Ok(())
}
