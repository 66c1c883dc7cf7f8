//! Changes of a connection's record of its webhooks: repeated over somebody else's, with what tells of them.

use super::changed::Around;
use super::installed::{Webhooks, load_webhooks};
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::ids::{ConnectionId, PartnerId};
use crate::issues::{self, Subject};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Expect, Versioned, Write};
use serde_json::Value;

/// How often a change is tried again over somebody else's.
const TRIES: u32 = 8;

/// What is committed together with a change.
#[derive(Debug, Clone)]
pub(super) enum Tell {
    /// An issue on a subject is met.
    Opens(String, Code, String),
    /// Its cause is gone.
    Resolves(String, Code),
    /// An event.
    Event(&'static str, Value),
    /// A row of the audit trail: action, before, after.
    Audit(&'static str, Value, Value),
    /// Another record.
    Also(Write),
}

/// Whose webhooks are changed, by whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) ports: &'a Ports,
    pub(super) scope: &'a Scope,
    pub(super) actor: &'a Actor,
    pub(super) partner: &'a PartnerId,
    pub(super) connection: &'a ConnectionId,
}

impl Desk<'_> {
    /// The record as it is; one without any where none is stored.
    pub(super) async fn webhooks(&self) -> Result<Webhooks> {
        let found = load_webhooks(self.ports, self.scope, self.partner, self.connection).await?;
        Ok(found.map_or_else(|| Webhooks::none(self.partner, self.connection), |found| found.value))
    }

    /// Changes the record, with what tells of it. `edit` may run several times; an error of it ends the attempt.
    ///
    /// # Errors
    /// Those of `edit` and the storage; `conflict` where others were always faster.
    pub(super) async fn amend(
        &self,
        mut edit: impl FnMut(&mut Webhooks) -> Result<Vec<Tell>>,
    ) -> Result<Versioned<Webhooks>> {
        for _ in 0..TRIES {
            let found = load_webhooks(self.ports, self.scope, self.partner, self.connection).await?;
            let (expect, v) = found.as_ref().map_or((Expect::Absent, 0), |found| (Expect::Version(found.v), found.v));
            let before = found.map(|found| found.value);
            let mut after = before.clone().unwrap_or_else(|| Webhooks::none(self.partner, self.connection));
            let tells = edit(&mut after)?;
            if tells.is_empty() && before.as_ref() == Some(&after) {
                return Ok(Versioned { v, value: after });
            }
            let mut change = Change::of_connection(self.ports, self.actor, self.partner, self.connection)
                .write(Write::put(&after, expect)?);
            for tell in tells {
                change = self.told(change, tell).await?;
            }
            match change.commit(self.scope).await {
                Ok(()) => return Ok(Versioned { v: v + 1, value: after }),
                Err(StorageError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::problem(Code::Conflict, "The webhooks are being changed by other requests."))
    }

    async fn told<'c>(&self, change: Change<'c>, tell: Tell) -> Result<Change<'c>> {
        let on = |subject| Subject { partner: self.partner, connection: self.connection, subject };
        match tell {
            Tell::Opens(subject, code, words) => {
                issues::open(change, self.ports, self.scope, on(&subject), code, &words).await
            }
            Tell::Resolves(subject, code) => issues::resolve(change, self.ports, self.scope, on(&subject), code).await,
            Tell::Event(detail_type, data) => change.event(detail_type, data),
            Tell::Audit(action, before, after) => change.audit(action, "webhooks", before, after),
            Tell::Also(write) => Ok(change.write(write)),
        }
    }
}

impl<'a> Around<'a> {
    /// The record's side of the same place.
    pub(super) fn desk(&self) -> Desk<'a> {
        let Around { ports, scope, actor, connection, .. } = *self;
        Desk { ports, scope, actor, partner: &connection.partner, connection: &connection.id }
    }
}
