//! Which webhooks a connection has in Autotask, as far as we know.

use super::callout::WebhookEntity;
use super::token::GENERATION_FIRST;
use crate::actor::Scope;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::Ports;
use crate::problem::{Code, Result};
use crate::records::{Key, Record, Versioned, load};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most webhooks that are gone and still named: one kind installed anew every hour for 30 days would be more.
const PAST_MAX: usize = 50;
/// What is polled again before the instant up to which nothing was missed: rows that Autotask shows late.
const POLL_OVERLAP: SignedDuration = SignedDuration::from_mins(15);

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
    /// A number below that one from which on deliveries may wait again: they were replayed, or came late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_from: Option<u64>,
    /// What is wrong with it.
    #[serde(default)]
    pub problem: Option<WebhookProblem>,
    /// Fields that it should have and that Autotask's metadata does not name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// When Autotask was last given its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyed_at: Option<Timestamp>,
    /// The API user who made it: Autotask switches it off when that user goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
}

/// A webhook that is gone, whose deliveries are still kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastWebhook {
    /// About what.
    pub entity: WebhookEntity,
    /// `webhookGUID`, in lower case.
    pub guid: String,
    /// Since when it is gone.
    pub since: Timestamp,
    /// The number from which on its deliveries may still wait for their turn; none: all have had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_from: Option<u64>,
}

/// A look at everything that has changed, because events were lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// What changed since then.
    pub since: Timestamp,
    /// When it was asked for: what changes later is told by events again, or by the next poll.
    pub asked_at: Timestamp,
    /// How far it has come.
    pub step: PollStep,
}

/// How far a poll has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PollStep {
    /// Companies with an id above this are to be looked at, then contacts.
    Companies(i64),
    /// Contacts with an id above this are to be looked at.
    Contacts(i64),
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
    /// Those that are gone and whose deliveries are still kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<PastWebhook>,
    /// The look at what has changed that is to be done, because events were lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<Poll>,
    /// Which invocation works on them, and until when at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<(String, Timestamp)>,
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
            past: Vec::new(),
            poll: None,
            worker: None,
        }
    }

    /// The webhook about this, if one is known.
    #[must_use]
    pub fn hook(&self, entity: &WebhookEntity) -> Option<&InstalledWebhook> {
        self.hooks.iter().find(|hook| hook.entity == *entity)
    }

    /// The same to be changed; made where it is not known yet.
    pub(super) fn hook_mut(&mut self, entity: &WebhookEntity) -> &mut InstalledWebhook {
        let at = self.hooks.iter().position(|hook| hook.entity == *entity).unwrap_or_else(|| {
            self.hooks.push(InstalledWebhook::none(entity));
            self.hooks.len() - 1
        });
        &mut self.hooks[at]
    }

    /// Forgets a webhook that is gone; its deliveries are still found.
    pub(super) fn bury(&mut self, entity: &WebhookEntity, now: Timestamp) {
        let hook = self.hook_mut(entity);
        let (guid, from) = (hook.guid.take(), hook.waits_from());
        (hook.id, hook.keyed_at, hook.made_by, hook.ready) = (None, None, None, false);
        (hook.complete_to, hook.look_from) = (None, None);
        if let Some(guid) = guid {
            self.bury_guid(entity, &guid, from, now);
        }
    }

    /// The same of one that may never have been among ours. `from`: from which number on its deliveries may wait.
    pub(super) fn bury_guid(&mut self, entity: &WebhookEntity, guid: &str, from: u64, now: Timestamp) {
        let known = self.past.iter().find(|past| past.guid == guid);
        let look_from = known.map_or(Some(from), |past| past.look_from);
        let kept = |past: &PastWebhook| past.guid != guid && now.duration_since(past.since) < super::DELIVERY_KEPT;
        self.past.retain(kept);
        self.past.push(PastWebhook { entity: entity.clone(), guid: guid.to_owned(), since: now, look_from });
        let surplus = self.past.len().saturating_sub(PAST_MAX);
        self.past.drain(..surplus);
    }

    /// Asks for a look at all that has changed since the instant up to which nothing was missed.
    pub(super) fn ask_poll(&mut self, now: Timestamp) {
        let since = match (&self.poll, self.complete_until) {
            (Some(poll), _) => poll.since,
            (None, Some(until)) => until.checked_sub(POLL_OVERLAP).unwrap_or(until),
            (None, None) => return,
        };
        self.poll = Some(Poll { since, asked_at: now, step: PollStep::Companies(0) });
    }

    /// Whether a webhook was made by an API user whom the connection no longer uses.
    pub(super) fn is_anothers(&self, entity: &WebhookEntity, id: i64, username: &str) -> bool {
        let known = self.hook(entity).filter(|hook| hook.id == Some(id));
        known.and_then(|hook| hook.made_by.as_deref()).is_some_and(|by| by != username)
    }

    /// Whether every webhook has the present generation of the key.
    #[must_use]
    pub fn is_of_one_generation(&self) -> bool {
        self.hooks.iter().filter(|hook| hook.id.is_some()).all(|hook| hook.generation == self.generation)
    }

    /// Whether a callout that a key of this generation signed is still taken.
    #[must_use]
    pub fn takes(&self, generation: u32) -> bool {
        generation.abs_diff(self.generation) <= 1
    }

    /// Every GUID that deliveries may stand under.
    #[must_use]
    pub fn guids(&self) -> BTreeSet<&str> {
        let past = self.past.iter().map(|past| past.guid.as_str());
        self.hooks.iter().filter_map(|hook| hook.guid.as_deref()).chain(past).collect()
    }
}

impl InstalledWebhook {
    /// The lowest number of a delivery that may wait for its turn.
    pub(super) fn waits_from(&self) -> u64 {
        let above = self.complete_to.map_or(0, |complete_to| complete_to.saturating_add(1));
        self.look_from.map_or(above, |from| from.min(above))
    }

    /// One that is not there yet.
    fn none(entity: &WebhookEntity) -> Self {
        Self {
            entity: entity.clone(),
            id: None,
            name: String::new(),
            guid: None,
            generation: GENERATION_FIRST,
            active: true,
            ready: false,
            complete_to: None,
            look_from: None,
            problem: None,
            skipped: Vec::new(),
            keyed_at: None,
            made_by: None,
        }
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
