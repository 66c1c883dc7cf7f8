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
}

#[derive(Debug, Default)]
struct State {
    log: Vec<Published>,
    journal: Journal,
}

impl LocalEvents {
    /// Forgotten with the process.
    #[must_use]
    pub fn memory(clock: Arc<LocalClock>) -> Self {
        Self { clock, state: Mutex::default(), away: AtomicBool::new(false) }
    }

    /// Kept in `path`.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(clock: Arc<LocalClock>, path: &Path) -> io::Result<Self> {
        let (log, journal) = Journal::open(path, Access::Shared, |log: Vec<Published>| (log.clone(), log))?;
        Ok(Self { clock, state: Mutex::new(State { log, journal }), away: AtomicBool::new(false) })
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
        self.lock().log.clear();
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
        Ok(())
    }
}
