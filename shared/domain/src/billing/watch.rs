//! Whether a run may go on writing: looked at before every POST.

use super::apply::Applied;
use crate::actor::Scope;
use crate::connections::settings::SettingsRecord;
use crate::connections::{Connection, ConnectionStatus};
use crate::ids::{ConnectionId, PartnerId, RunId};
use crate::ports::{Deadline, Ports, Read};
use crate::problem::Result;
use crate::records::{Key, Record};
use crate::runs::Run;
use crate::units::protocol::AFTER_POST;
use std::time::Duration;

/// What an invocation keeps an eye on.
pub(super) struct Watch<'a> {
    pub ports: &'a Ports,
    pub scope: &'a Scope,
    pub partner: &'a PartnerId,
    pub connection: &'a ConnectionId,
    pub run: &'a RunId,
    pub deadline: &'a dyn Deadline,
}

impl Watch<'_> {
    /// Whether there is time for one more POST, and nobody asked to stop.
    pub(super) async fn must_stop(&self, applied: &mut Applied) -> Result<bool> {
        let needed = self.ports.config.request_timeout.saturating_add(AFTER_POST);
        if self.deadline.remaining() < needed {
            applied.hand_on = Some(Duration::ZERO);
            return Ok(true);
        }
        let key = Key::Run(self.partner.clone(), self.connection.clone(), self.run.clone());
        applied.cancelled = self.seen::<Run>(&key).await?.is_none_or(|run| run.cancel_requested);
        Ok(applied.cancelled || self.was_switched_off(applied).await?)
    }

    /// Whether somebody has paused the connection or thrown its kill switch since the run began, or another worker has
    /// found its login refused. The next invocation says so.
    async fn was_switched_off(&self, applied: &mut Applied) -> Result<bool> {
        let of = || (self.partner.clone(), self.connection.clone());
        let settings = self.seen::<SettingsRecord>(&Key::Settings(of().0, of().1)).await?;
        let connection = self.seen::<Connection>(&Key::Connection(of().0, of().1)).await?;
        let status = connection.map_or(ConnectionStatus::Disconnected, |connection| connection.status);
        let killed = settings.is_some_and(|record| record.settings.kill_switch);
        applied.unauthorised |= status == ConnectionStatus::NeedsRelink;
        if killed || status != ConnectionStatus::Connected {
            applied.hand_on = (!applied.unauthorised).then_some(Duration::ZERO);
            return Ok(true);
        }
        Ok(false)
    }

    async fn seen<R: Record>(&self, key: &Key) -> Result<Option<R>> {
        let found = self.ports.storage.get(self.scope, key, Read::Eventual).await?;
        Ok(found.map(crate::records::Stored::decode::<R>).transpose()?.map(|found| found.value))
    }
}
