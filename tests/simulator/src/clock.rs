//! Time is given by the host. The simulator never reads a clock by itself.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

/// Where the simulator takes the time from.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present instant; must never go back.
    fn now(&self) -> Timestamp;

    /// Returns once the clock was moved otherwise than by time. A clock that nobody moves never returns.
    async fn moved(&self) {
        std::future::pending().await
    }
}

/// A clock that stands still until it is moved, and moves forward only.
#[derive(Debug)]
pub struct ManualClock {
    shown: Mutex<Timestamp>,
    moved: Notify,
}

impl ManualClock {
    /// A clock that shows `at`.
    pub fn new(at: Timestamp) -> Self {
        Self { shown: Mutex::new(at), moved: Notify::new() }
    }

    /// Moves to `at`; an earlier instant is ignored. Answers what the clock shows now.
    pub fn set(&self, at: Timestamp) -> Timestamp {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = at.max(*shown);
        self.moved.notify_waiters();
        *shown
    }

    /// Moves on by `by`; a negative duration is ignored. Answers what the clock shows now.
    pub fn advance(&self, by: SignedDuration) -> Timestamp {
        let now = self.now();
        self.set(now.checked_add(by).unwrap_or(now))
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn moved(&self) {
        self.moved.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_never_goes_back() {
        let later = Timestamp::from_second(2_000).expect("in range");
        let clock = ManualClock::new(later);
        clock.set(Timestamp::from_second(1_000).expect("in range"));
        clock.advance(SignedDuration::from_secs(-5));
        assert_eq!(clock.now(), later);
        clock.advance(SignedDuration::from_secs(5));
        assert_eq!(clock.now().as_second(), 2_005);
    }
}
