//! Things in Autotask that may have changed, read again: for one event, and for all that was missed.

use crate::actor::{Actor, Scope};
use crate::autotask_session::Session;
use crate::connections::Connection;
use crate::invoices::fetch::refresh_customers;
use crate::mappings::{Context, watch_companies};
use crate::ports::Ports;
use crate::problem::{Error, Result};
use autotask::{Contact, Filter};
use std::collections::BTreeSet;

/// Where things are read again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) ports: &'a Ports,
    pub(super) scope: &'a Scope,
    pub(super) actor: &'a Actor,
    pub(super) connection: &'a Connection,
    pub(super) session: &'a Session,
}

impl Around<'_> {
    fn context(&self) -> Context<'_> {
        Context {
            ports: self.ports,
            scope: self.scope,
            actor: self.actor,
            partner: &self.connection.partner,
            connection: &self.connection.id,
        }
    }
}

/// Reads a company again: our copy of the customer, and the mappings that point at it. Returns how much changed here.
///
/// # Errors
/// A failed call, as the client's; storage's own.
pub(super) async fn company_changed(around: &Around<'_>, id: i64) -> Result<u32> {
    companies_changed(around, &BTreeSet::from([id]), false).await
}

/// Reads companies again, with their contacts where `people`.
///
/// # Errors
/// A failed call, as the client's; storage's own.
pub(super) async fn companies_changed(around: &Around<'_>, ids: &BTreeSet<i64>, people: bool) -> Result<u32> {
    let Around { ports, scope, actor, connection, session } = *around;
    let customers = refresh_customers((ports, scope, actor), connection, session, ids, people).await?;
    let watched = watch_companies(around.context(), ids).await?;
    Ok(customers + watched.changed + watched.troubled + watched.remapped)
}

/// Reads a contact's company again. A contact that is gone is looked for where the event says that it was.
///
/// # Errors
/// A failed call, as the client's; storage's own.
pub(super) async fn contact_changed(around: &Around<'_>, id: i64, company: Option<i64>) -> Result<u32> {
    let query = around.session.client.query::<Contact>().include(&["id", "companyID"]).filter(Filter::eq("id", id));
    let rows = query.all().await.map_err(|source| Error::Autotask { doing: "reading a contact", source })?;
    let now = rows.first().and_then(|row| row.company_id).map(autotask::Id::get);
    let companies: BTreeSet<i64> = now.into_iter().chain(company).collect();
    let Around { ports, scope, actor, connection, session } = *around;
    refresh_customers((ports, scope, actor), connection, session, &companies, true).await
}
