//! A person's look at Autotask: the same place as a fetch works at, for a single question.

use super::place::{Place, filters_of};
use super::start::settings_of;
use crate::actor::{Actor, Scope};
use crate::autotask_session::{self, Session};
use crate::budget::Mode;
use crate::connections::{Connection, Settings, load_connection};
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices::FEATURE;
use crate::invoices::filters::FiltersRecord;
use crate::ports::Ports;
use crate::problem::{Code, Error, Result};
use crate::records::Versioned;
use jiff::tz::TimeZone;

/// An open session with what is asked there. Close it.
pub(super) struct Visit<'a> {
    ports: &'a Ports,
    scope: &'a Scope,
    actor: &'a Actor,
    connection: Versioned<Connection>,
    settings: Settings,
    zone: TimeZone,
    filters: FiltersRecord,
    session: Session,
}

impl<'a> Visit<'a> {
    /// Opens a session.
    ///
    /// # Errors
    /// `not_found`, `feature_off`, `needs_relink`, `connection_paused`.
    pub(super) async fn open(
        ports: &'a Ports,
        scope: &'a Scope,
        actor: &'a Actor,
        (partner, id): (&PartnerId, &ConnectionId),
    ) -> Result<Visit<'a>> {
        let connection = load_connection(ports, scope, partner, id).await?;
        if !connection.has_feature(FEATURE) {
            return Err(Error::problem(Code::FeatureOff, "The feature `invoices` is off for this connection."));
        }
        let settings = settings_of(ports, scope, &connection).await?;
        let filters = filters_of(ports, scope, &connection).await?;
        let session = autotask_session::open_as(ports, scope, &connection, Mode::Interactive).await?;
        let zone = settings.zone();
        Ok(Visit { ports, scope, actor, connection, settings, zone, filters, session })
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place {
            ports: self.ports,
            scope: self.scope,
            actor: self.actor,
            connection: &self.connection,
            settings: &self.settings,
            zone: &self.zone,
            filters: &self.filters,
            session: &self.session,
            reads_all: false,
        }
    }

    /// Ends the visit; a failed call is told as a person is told it.
    pub(super) async fn end<T>(self, came_to: Result<T>) -> Result<T> {
        let Visit { ports, scope, actor, connection, session, .. } = self;
        session.close().await;
        match came_to {
            Err(Error::Autotask { doing, source }) => {
                tracing::warn!(connection.id = %connection.id, doing, error = %source, "Autotask did not do as asked");
                Err(autotask_session::settle(ports, scope, actor, &connection, source).await)
            }
            other => other,
        }
    }
}
