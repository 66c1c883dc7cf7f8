//! Customers that somebody says have changed: read again at once, without waiting for the hour.

use super::customers;
use super::place::{Place, filters_of};
use super::start::settings_of;
use crate::actor::{Actor, Scope};
use crate::autotask_session::Session;
use crate::connections::Connection;
use crate::invoices::FEATURE;
use crate::ports::Ports;
use crate::problem::Result;
use std::collections::BTreeSet;

/// Takes over what Autotask says of these companies, as far as they are customers here; of all others the hour's fetch
/// takes care, which reads their invoices as well. `people`: with their contacts. Returns how many changed here.
///
/// # Errors
/// A failed call, as the client's; storage's own.
pub(crate) async fn refresh_customers(
    (ports, scope, actor): (&Ports, &Scope, &Actor),
    connection: &Connection,
    session: &Session,
    ids: &BTreeSet<i64>,
    people: bool,
) -> Result<u32> {
    if !connection.has_feature(FEATURE) {
        return Ok(0);
    }
    let settings = settings_of(ports, scope, connection).await?;
    let filters = filters_of(ports, scope, connection).await?;
    let zone = settings.zone();
    let (settings, filters) = (&settings, &filters);
    let place = Place { ports, scope, actor, connection, settings, zone: &zone, filters, session, reads_all: false };
    let known = customers::load_many(&place, ids.iter().copied()).await?;
    let wanted: Vec<i64> =
        known.values().filter(|customer| customer.hidden_by.is_none()).map(|customer| customer.id).collect();
    Ok(customers::take_others(&place, &wanted, people).await?.customers_changed)
}
