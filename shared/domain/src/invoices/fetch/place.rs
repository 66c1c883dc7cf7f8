//! Where a fetch works: a connection, its settings and filters, and the way to Autotask.

use crate::actor::{Actor, Scope};
use crate::autotask_session::Session;
use crate::connections::{Connection, Settings};
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices::filters::FiltersRecord;
use crate::mappings::broken::sees_all;
use crate::ports::Ports;
use crate::problem::{Error, Result};
use crate::records::{Key, Record, Versioned, load};
use autotask::{Client, Entity, Query};
use futures::StreamExt;
use jiff::tz::TimeZone;
use std::pin::Pin;

/// Records that are read at the same time.
const AT_ONCE: usize = 16;

#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) ports: &'a Ports,
    pub(super) scope: &'a Scope,
    pub(super) actor: &'a Actor,
    pub(super) connection: &'a Connection,
    pub(super) settings: &'a Settings,
    pub(super) zone: &'a TimeZone,
    pub(super) filters: &'a FiltersRecord,
    pub(super) session: &'a Session,
    /// Whether all invoices are read anyway: customers that are wanted only now need no mark.
    pub(super) reads_all: bool,
}

impl Place<'_> {
    pub(super) fn partner(&self) -> &PartnerId {
        &self.connection.partner
    }

    pub(super) fn id(&self) -> &ConnectionId {
        &self.connection.id
    }

    pub(super) fn client(&self) -> &Client {
        &self.session.client
    }

    /// Whether the API user may see all invoices: restricted rights show as empty lists.
    pub(super) async fn sees_invoices(&self) -> Result<bool> {
        let doing = "asking what the API user may see";
        sees_all::<autotask::Invoice>(self.client()).await.map_err(|source| Error::Autotask { doing, source })
    }

    pub(super) async fn all<T: Entity>(&self, doing: &'static str, query: Query<T>) -> Result<Vec<T>> {
        query.all().await.map_err(|source| Error::Autotask { doing, source })
    }
}

/// Our copies by key, a few reads at a time.
pub(super) async fn load_each<R: Record>(place: &Place<'_>, keys: Vec<Key>) -> Result<Vec<Versioned<R>>> {
    let mut found = Vec::with_capacity(keys.len());
    for some in keys.chunks(AT_ONCE) {
        let reads = some.iter().map(|key| load::<R>(&*place.ports.storage, place.scope, key));
        found.extend(futures::future::try_join_all(reads).await?.into_iter().flatten());
    }
    Ok(found)
}

/// The filters of a connection; none stored: all is wanted.
pub(super) async fn filters_of(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<FiltersRecord> {
    let (partner, id) = (&connection.partner, &connection.id);
    let key = Key::InvoiceFilters(partner.clone(), id.clone());
    let found = load::<FiltersRecord>(&*ports.storage, scope, &key).await?;
    Ok(found.map_or_else(|| FiltersRecord::none(partner, id), |found| found.value))
}

/// Rows of one query, a page of ours at a time: it goes on where it stopped, without asking for a page twice.
pub(super) struct Rows<T> {
    stream: Pin<Box<dyn futures::Stream<Item = autotask::Result<T>> + Send>>,
    doing: &'static str,
}

impl<T: Entity + 'static> Rows<T> {
    pub(super) fn of(query: Query<T>, doing: &'static str) -> Self {
        Self { stream: Box::pin(query.stream()), doing }
    }

    /// The next rows, at most so many; fewer only at the end.
    pub(super) async fn next(&mut self, most: usize) -> Result<Vec<T>> {
        let mut rows = Vec::new();
        while rows.len() < most {
            match self.stream.next().await {
                Some(Ok(row)) => rows.push(row),
                Some(Err(source)) => return Err(Error::Autotask { doing: self.doing, source }),
                None => break,
            }
        }
        Ok(rows)
    }
}
