//! Callouts: what webhooks report, in order, until somebody takes it or nobody has.

mod body;
mod deliver;
mod events;
mod http;
mod outcome;

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use deliver::{Delivery, Outbound};
pub use http::{HttpOutbound, Reach};

pub(crate) use events::{deactivated, reactivated, report, withdrawn};

/// Attempts to deliver one event.
pub const CALLOUT_ATTEMPTS: u32 = 5;
/// Seconds of clock from one attempt to the next.
pub const CALLOUT_RETRY_SECONDS: i64 = 30;
/// Events in a row that nobody took until the webhook is switched off.
pub const CALLOUT_FAILURES_MAX: i64 = 25;
/// Most characters of a payload that the error log keeps.
pub const LOGGED_PAYLOAD_MAX: usize = 8_000;

/// `Action` of the callout that says that a webhook was switched off or deleted.
const DEACTIVATED: &str = "Deactivated";

/// One callout: an event of one webhook, or the news that the webhook was switched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callout {
    /// Counts from 1 over all databases, and is never reused.
    pub number: u64,
    /// The database.
    pub ci: u64,
    /// The kind of webhooks by its entity: `CompanyWebhooks`.
    pub webhooks: String,
    /// The webhook.
    pub webhook_id: i64,
    /// `Create`, `Update`, `Delete` or `Deactivated`.
    pub action: String,
    /// `SequenceNumber`; none of the news that a webhook was switched off.
    pub sequence_number: Option<i64>,
    /// The body as it is sent, byte for byte.
    pub body: String,
    /// When it happened.
    pub raised_at: Timestamp,
    /// From when it may be sent, or sent again.
    pub due: Timestamp,
    /// How often it was sent.
    pub attempts: u32,
    /// Where it was sent to last; of a [`Callout::replay_of`] and of the news of a webhook that is gone, from the start.
    pub url: Option<String>,
    /// `X-Hook-Signature` as it was sent last; none of what is unsigned.
    pub signature: Option<String>,
    /// The callout that this one repeats.
    pub replay_of: Option<u64>,
    /// What became of it.
    pub outcome: CalloutOutcome,
}

/// What became of a callout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum CalloutOutcome {
    /// It waits to be sent, or to be sent again.
    Pending {
        /// Why the last attempt failed, if there was one.
        last_error: Option<String>,
    },
    /// It was answered with 2xx.
    Delivered {
        /// When.
        at: Timestamp,
        /// With which status.
        status: u16,
    },
    /// Nobody took it. An event is in the error log then.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        why: String,
    },
    /// It was never sent and is in no log.
    Lost {
        /// When.
        at: Timestamp,
    },
}

impl Callout {
    /// Whether it is still to be sent.
    pub fn is_pending(&self) -> bool {
        matches!(self.outcome, CalloutOutcome::Pending { .. })
    }

    /// What stands in one line with it. Events of one webhook and type go one after the other; what is repeated waits
    /// for nothing else.
    fn queue(&self) -> (u64, &str, i64, &str) {
        match self.replay_of {
            Some(_) => (0, "", 0, ""),
            None => (self.ci, &self.webhooks, self.webhook_id, &self.action),
        }
    }

    fn is_of(&self, ci: u64, webhooks: &str, webhook: i64) -> bool {
        self.ci == ci && self.webhooks == webhooks && self.webhook_id == webhook
    }
}

/// Every callout of a simulator.
#[derive(Debug, Default)]
pub(crate) struct Callouts {
    pending: BTreeMap<u64, Callout>,
    past: BTreeMap<u64, Callout>,
    last: u64,
    /// Being sent at this moment.
    flying: HashSet<u64>,
    /// Whether something was added since somebody asked.
    news: bool,
}

impl Callouts {
    /// Puts a callout where it belongs, new or changed.
    pub(crate) fn keep(&mut self, callout: Callout) {
        let (number, is_pending) = (callout.number, callout.is_pending());
        self.last = self.last.max(number);
        let (to, from) =
            if is_pending { (&mut self.pending, &mut self.past) } else { (&mut self.past, &mut self.pending) };
        from.remove(&number);
        to.insert(number, callout);
        self.news |= is_pending;
    }

    /// Forgets what is over. Numbers go on from `last`.
    pub(crate) fn forget(&mut self, last: u64) {
        self.past.clear();
        self.last = self.last.max(last);
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    pub(crate) fn next(&self) -> u64 {
        self.last + 1
    }

    /// Whether something was added since the last call.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// All of them, in the order of their numbers.
    pub(crate) fn all(&self) -> Vec<Callout> {
        let mut all: Vec<Callout> = self.past.values().chain(self.pending.values()).cloned().collect();
        all.sort_by_key(|callout| callout.number);
        all
    }

    fn pending_of(&self, ci: u64, webhooks: &str, webhook: i64) -> Vec<Callout> {
        self.pending.values().filter(|callout| callout.is_of(ci, webhooks, webhook)).cloned().collect()
    }

    /// The first of each line.
    fn heads(&self) -> impl Iterator<Item = &Callout> {
        let mut seen = HashSet::new();
        self.pending.values().filter(move |callout| seen.insert(callout.queue()))
    }
}
