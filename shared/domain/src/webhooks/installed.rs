//! Which webhooks a connection has in Autotask, as far as we know.

use super::callout::WebhookEntity;
use super::token::GENERATION_FIRST;
use crate::actor::Scope;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::Ports;
use crate::problem::{Code, Result};
use crate::records::{Key, Record, Versioned, load};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where a connection's webhooks stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum WebhooksState {
    /// None are wanted, and none are there.
    #[default]
    Absent,
    /// They are being installed or brought up to date.
    Installing,
    /// They are there.
    Installed,
    /// They are being removed.
    Uninstalling,
    /// The last attempt ended before its end; each webhook's problem says why.
    Failed,
}

/// What is wrong with one webhook, or with all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookProblem {
    /// Which: `webhook_permission_missing`, `webhook_not_ready`, …
    pub code: Code,
    /// In words, Autotask's own included.
    pub words: String,
    /// Since when.
    pub since: Timestamp,
}

/// One webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledWebhook {
    /// About what.
    pub entity: WebhookEntity,
    /// Its id in Autotask; none while it is not there.
    pub id: Option<i64>,
    /// `name`.
    pub name: String,
    /// `webhookGUID`, in lower case.
    pub guid: Option<String>,
    /// Which generation of the key it has.
    pub generation: u32,
    /// `isActive` when it was last looked at.
    pub active: bool,
    /// `isReady` when it was last looked at.
    pub ready: bool,
    /// Sequence number up to which every event is here, or was given up.
    #[serde(default)]
    pub complete_to: Option<u64>,
    /// What is wrong with it.
    #[serde(default)]
    pub problem: Option<WebhookProblem>,
}

/// A connection's webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhooks {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// About what a person wants them.
    pub wanted: Vec<WebhookEntity>,
    /// Where they stand.
    pub state: WebhooksState,
    /// The present generation of the key; the one before it is valid as well.
    pub generation: u32,
    /// Each of them.
    #[serde(default)]
    pub hooks: Vec<InstalledWebhook>,
    /// The API user's own resource id: what it does is our own echo.
    #[serde(default)]
    pub api_resource: Option<i64>,
    /// Up to which instant nothing was missed: what changed later is polled where events were lost.
    #[serde(default)]
    pub complete_until: Option<Timestamp>,
    /// When all this was last looked at in Autotask.
    #[serde(default)]
    pub looked_at: Option<Timestamp>,
    /// What is wrong with all of them: the right to make any, for example.
    #[serde(default)]
    pub problem: Option<WebhookProblem>,
}

impl Webhooks {
    /// A connection without any.
    #[must_use]
    pub fn none(partner: &PartnerId, connection: &ConnectionId) -> Self {
        Self {
            partner: partner.clone(),
            connection: connection.clone(),
            wanted: Vec::new(),
            state: WebhooksState::Absent,
            generation: GENERATION_FIRST,
            hooks: Vec::new(),
            api_resource: None,
            complete_until: None,
            looked_at: None,
            problem: None,
        }
    }

    /// Whether a callout that a key of this generation signed is still taken.
    #[must_use]
    pub fn takes(&self, generation: u32) -> bool {
        generation.abs_diff(self.generation) <= 1
    }

    /// Every GUID that deliveries may stand under.
    #[must_use]
    pub fn guids(&self) -> BTreeSet<&str> {
        self.hooks.iter().filter_map(|hook| hook.guid.as_deref()).collect()
    }
}

impl Record for Webhooks {
    const ENTITY: &'static str = "webhooks";
    fn key(&self) -> Key {
        Key::Webhooks(self.partner.clone(), self.connection.clone())
    }
}

/// A connection's webhooks; none stored: it has none.
///
/// # Errors
/// Those of the storage.
pub async fn load_webhooks(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<Option<Versioned<Webhooks>>> {
    let key = Key::Webhooks(partner.clone(), connection.clone());
    Ok(load::<Webhooks>(&*ports.storage, scope, &key).await?)
}
