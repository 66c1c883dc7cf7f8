//! The bus: a log of what the bundle published.

use super::clock::LocalClock;
use super::journal::{Access, Journal};
use async_trait::async_trait;
use domain::ports::{Events, EventsError, OutEvent};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The source that our events bear on the bus.
pub const SOURCE: &str = "integrations.autotask";

/// An event on the bus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Counts from 1.
    pub seq: u64,
    /// When it was published.
    pub time: Timestamp,
    /// Who published it: us.
    pub source: String,
    /// What happened.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// The envelope.
    pub detail: serde_json::Value,
}

/// One machine's EventBridge, outward side.
#[derive(Debug)]
pub struct LocalEvents {
    clock: Arc<LocalClock>,
    state: Mutex<State>,
    away: AtomicBool,
    published: Notify,
}

/// How often an event is delivered to one of our own functions that fails: Lambda's own number.
const DELIVERIES_MAX: u32 = 3;

#[derive(Debug, Default)]
struct State {
    log: Vec<Published>,
    journal: Journal,
    /// Up to which event our own functions have had what they hear.
    delivered: Delivered,
    delivered_journal: Journal,
    /// How often the next one was tried in vain.
    failures: u32,
}

/// Up to which event was delivered.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Delivered {
    seq: u64,
}

impl LocalEvents {
    /// Forgotten with the process.
    #[must_use]
    pub fn memory(clock: Arc<LocalClock>) -> Self {
        Self { clock, state: Mutex::default(), away: AtomicBool::new(false), published: Notify::new() }
    }

    /// Kept in `path`, and beside it how far it was delivered.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(clock: Arc<LocalClock>, path: &Path) -> io::Result<Self> {
        let (log, journal) = Journal::open(path, Access::Shared, |log: Vec<Published>| (log.clone(), log))?;
        let beside = path.with_extension("delivered.jsonl");
        let (delivered, delivered_journal) = Journal::open(&beside, Access::Shared, |all: Vec<Delivered>| {
            let last = all.last().copied().unwrap_or_default();
            (last, vec![last])
        })?;
        let state = State { log, journal, delivered, delivered_journal, failures: 0 };
        Ok(Self { clock, state: Mutex::new(state), away: AtomicBool::new(false), published: Notify::new() })
    }

    /// From now on (or no longer) nothing can be published, as when the bus is away.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// What was published, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Published> {
        self.lock().log.clone()
    }

    /// What was published after number `seq`.
    #[must_use]
    pub fn after(&self, seq: u64) -> Vec<Published> {
        self.lock().log.iter().filter(|event| event.seq > seq).cloned().collect()
    }

    /// What was published at or after a time.
    #[must_use]
    pub fn since(&self, time: Timestamp) -> Vec<Published> {
        self.lock().log.iter().filter(|event| event.time >= time).cloned().collect()
    }

    /// Forgets what was published, in memory only; numbers begin anew.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.log.clear();
        state.delivered = Delivered::default();
    }

    /// Ends when something is published after this was called.
    pub async fn published(&self) {
        self.published.notified().await;
    }

    /// The next event that was not delivered.
    #[must_use]
    pub(super) fn undelivered(&self) -> Option<Published> {
        let state = self.lock();
        state.log.iter().find(|event| event.seq > state.delivered.seq).cloned()
    }

    /// An event was delivered, or was for nobody.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn delivered(&self, seq: u64) -> io::Result<()> {
        let mut state = self.lock();
        if seq <= state.delivered.seq {
            return Ok(());
        }
        state.delivered_journal.append(&Delivered { seq })?;
        (state.delivered, state.failures) = (Delivered { seq }, 0);
        Ok(())
    }

    /// An event could not be delivered; true: it was tried often enough and is given up.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn not_delivered(&self, seq: u64) -> io::Result<bool> {
        let failures = {
            let mut state = self.lock();
            state.failures += 1;
            state.failures
        };
        if failures < DELIVERIES_MAX {
            return Ok(false);
        }
        self.delivered(seq).map(|()| true)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Events for LocalEvents {
    async fn publish(&self, events: &[OutEvent]) -> Result<(), EventsError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(EventsError("the bus is away".into()));
        }
        let time = self.clock.now();
        let mut state = self.lock();
        for event in events {
            let seq = state.log.len() as u64 + 1;
            let (detail_type, detail) = (event.detail_type.clone(), event.detail.clone());
            let published = Published { seq, time, source: SOURCE.to_owned(), detail_type, detail };
            state.journal.append(&published).map_err(|error| EventsError(Box::new(error)))?;
            state.log.push(published);
        }
        drop(state);
        self.published.notify_waiters();
        Ok(())
    }
}
