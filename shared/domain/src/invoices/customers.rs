//! Customers, for people: lists, one, and archiving by hand.

use super::customer::Customer;
use super::fetch::told_of_customer;
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::connections::load_connection;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Order, PageRequest, Ports, Read};
use crate::problem::{Error, Result};
use crate::records::{Collection, Key, Versioned, load, load_page};
use crate::vendor::check::unless_overtaken;
use serde_json::json;

/// Pages of storage that one filtered page may read: a filter that fits rarely gives a short page and a cursor rather
/// than a slow answer.
const PAGES_MAX: u32 = 20;

/// Which customers are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerFilter {
    /// Those that a filter keeps out, instead of those that it lets through.
    pub hidden: bool,
    /// Only with this in the name, the number or a contact's e-mail address, in any case.
    pub text: Option<String>,
    /// Also those that were archived here.
    pub archived: bool,
}

impl CustomerFilter {
    fn admits(&self, customer: &Customer) -> bool {
        customer.hidden_by.is_some() == self.hidden
            && (self.archived || customer.archived_at.is_none())
            && self.text.as_deref().is_none_or(|text| has(customer, text))
    }
}

fn has(customer: &Customer, text: &str) -> bool {
    let text = text.trim().to_lowercase();
    let emails = customer.contacts.iter().filter_map(|contact| contact.email.as_deref());
    [customer.name.as_str(), customer.number.as_str()]
        .into_iter()
        .chain(emails)
        .any(|own| own.to_lowercase().contains(&text))
}

/// Reads a page of customers by Autotask's id, with where the next one begins.
///
/// # Errors
/// `not_found` for a connection that is not there.
pub async fn list_customers(
    ports: &Ports,
    scope: &Scope,
    (partner, connection): (&PartnerId, &ConnectionId),
    filter: &CustomerFilter,
    limit: u32,
    mut after: Option<String>,
) -> Result<(Vec<Versioned<Customer>>, Option<String>)> {
    load_connection(ports, scope, partner, connection).await?;
    let of = Collection::Customers(partner.clone(), connection.clone());
    let mut found = Vec::new();
    for _ in 0..PAGES_MAX {
        let left = limit - u32::try_from(found.len()).unwrap_or(limit).min(limit);
        if left == 0 {
            break;
        }
        let page = PageRequest { limit: left, after, order: Order::Ascending, read: Read::Strong };
        let (customers, next) = load_page::<Customer>(&*ports.storage, scope, &of, page).await?;
        found.extend(customers.into_iter().filter(|customer| filter.admits(customer)));
        after = next;
        if after.is_none() {
            break;
        }
    }
    Ok((found, after))
}

/// Reads a customer; one of another partner or connection does not exist.
///
/// # Errors
/// `not_found`.
pub async fn load_customer(
    ports: &Ports,
    scope: &Scope,
    (partner, connection): (&PartnerId, &ConnectionId),
    id: i64,
) -> Result<Versioned<Customer>> {
    let key = Key::Customer(partner.clone(), connection.clone(), id);
    load::<Customer>(&*ports.storage, scope, &key).await?.ok_or_else(|| Error::not_found("customer"))
}

/// Takes a customer out of the lists, or brings it back. Autotask is not told, and its invoices stay as they are. One
/// that is so already stays as it is.
///
/// # Errors
/// `not_found`, `conflict`.
pub async fn set_customer_archived(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    id: i64,
    archived: bool,
) -> Result<Versioned<Customer>> {
    unless_overtaken!(None, set(ports, scope, actor, of, id, archived).await)
}

async fn set(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    id: i64,
    archived: bool,
) -> Result<Versioned<Customer>> {
    let (partner, connection) = of;
    load_connection(ports, scope, partner, connection).await?;
    let found = load_customer(ports, scope, of, id).await?;
    if found.archived_at.is_some() == archived {
        return Ok(found);
    }
    let now = ports.clock.now();
    let after = Customer { archived_at: archived.then_some(now), changed_at: now, ..found.value.clone() };
    let action = if archived { "customer.archived" } else { "customer.unarchived" };
    let shown = |of: &Customer| json!({"archived_at": of.archived_at});
    Change::of_connection(ports, actor, partner, connection)
        .replace(&after, found.v)?
        .audit(action, format!("customer/{id}"), shown(&found), shown(&after))?
        .event("customer.updated", told_of_customer(&after))?
        .commit(scope)
        .await?;
    Ok(Versioned { v: found.v + 1, value: after })
}
