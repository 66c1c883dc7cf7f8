//! One clock for the bundle and its simulator: real until it is moved, forward only.

use super::journal::{Access, Journal};
use super::real;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// A clock that can be moved. It goes on with real time, or stands still where it was made [`frozen`](Self::frozen).
pub struct LocalClock {
    state: Mutex<State>,
    moved: Notify,
}

struct State {
    time: Time,
    journal: Journal,
}

#[derive(Debug, Clone, Copy)]
enum Time {
    /// Real time and how far it was moved on.
    Running(SignedDuration),
    /// Stands until moved.
    Frozen(Timestamp),
}

/// How far the clock was moved on in all, in seconds and nanoseconds.
#[derive(Serialize, Deserialize)]
struct Offset(i64, i32);

/// Why the clock did not move.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// It only goes forward.
    #[error("the clock shows {now} and does not go back to {wanted}")]
    Backwards {
        /// What it shows.
        now: Timestamp,
        /// What was asked for.
        wanted: Timestamp,
    },
    /// There is no such time.
    #[error("that is further than a clock goes")]
    OutOfRange,
    /// It could not be written down.
    #[error("the clock's file cannot be written")]
    Disk(#[from] io::Error),
}

impl LocalClock {
    /// Real time, until moved; forgotten with the process.
    #[must_use]
    pub fn running() -> Self {
        Self::new(Time::Running(SignedDuration::ZERO), Journal::none())
    }

    /// Stands at `at` until moved; a pause moves it, without waiting.
    #[must_use]
    pub fn frozen(at: Timestamp) -> Self {
        Self::new(Time::Frozen(at), Journal::none())
    }

    /// Real time and what it was moved on before, as kept in `path`.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (offset, journal) = Journal::open(path, Access::Shared, |mut kept: Vec<Offset>| {
            let last = kept.pop().unwrap_or(Offset(0, 0));
            (SignedDuration::new(last.0, last.1), vec![last])
        })?;
        Ok(Self::new(Time::Running(offset), journal))
    }

    fn new(time: Time, journal: Journal) -> Self {
        Self { state: Mutex::new(State { time, journal }), moved: Notify::new() }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.lock().now()
    }

    /// Moves to `wanted`.
    ///
    /// # Errors
    /// It would go back, or cannot be written down.
    pub fn set(&self, wanted: Timestamp) -> Result<Timestamp, MoveError> {
        let mut state = self.lock();
        let now = state.now();
        if wanted < now {
            return Err(MoveError::Backwards { now, wanted });
        }
        state.forward(wanted.duration_since(now))?;
        drop(state);
        self.moved.notify_waiters();
        Ok(wanted)
    }

    /// Moves to `wanted` if that is later than now.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn at_least(&self, wanted: Timestamp) -> Result<Timestamp, MoveError> {
        match self.set(wanted) {
            Err(MoveError::Backwards { now, .. }) => Ok(now),
            other => other,
        }
    }

    /// Moves on by `by`.
    ///
    /// # Errors
    /// `by` is negative or leads nowhere, or the move cannot be written down.
    pub fn advance(&self, by: SignedDuration) -> Result<Timestamp, MoveError> {
        let wanted = self.now().checked_add(by).map_err(|_| MoveError::OutOfRange)?;
        self.set(wanted)
    }

    /// Returns once the clock was moved.
    pub async fn moved(&self) {
        self.moved.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now(&self) -> Timestamp {
        match self.time {
            Time::Running(offset) => real::now().checked_add(offset).unwrap_or(Timestamp::MAX),
            Time::Frozen(at) => at,
        }
    }

    fn forward(&mut self, by: SignedDuration) -> Result<(), MoveError> {
        let time = match self.time {
            Time::Running(offset) => Time::Running(offset.checked_add(by).ok_or(MoveError::OutOfRange)?),
            Time::Frozen(at) => Time::Frozen(at.checked_add(by).map_err(|_| MoveError::OutOfRange)?),
        };
        if let Time::Running(offset) = time {
            self.journal.append(&Offset(offset.as_secs(), offset.subsec_nanos()))?;
        }
        self.time = time;
        Ok(())
    }
}

#[async_trait]
impl domain::ports::Clock for LocalClock {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    async fn pause(&self, time: Duration) {
        let frozen = matches!(self.lock().time, Time::Frozen(_));
        if frozen {
            // The end of time is no reason to wait.
            let _ = self.advance(real::signed(time));
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(time).await;
        }
    }
}

#[async_trait]
impl simulator::Clock for LocalClock {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    async fn moved(&self) {
        Self::moved(self).await;
    }
}

impl fmt::Debug for LocalClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalClock({})", self.now())
    }
}
