//! The only places where one machine reads real time, takes randomness and starts tasks.

use jiff::{SignedDuration, Timestamp};
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Real time, UTC: for tokens and as the base of the movable clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "one machine's clock and token expiry start from real time, here alone")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A seed that differs in every process. Not for keys.
#[must_use]
pub fn seed() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_i128(now().as_nanosecond());
    hasher.finish()
}

/// Starts what plays a part of the platform: a Lambda invocation lives on when its caller hangs up,
/// and a request on the wire arrives although its sender was killed.
#[expect(clippy::disallowed_methods, reason = "the platform's own tasks; handlers spawn none")]
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}

/// What is left of an invocation's time; real, whatever the clock says.
#[derive(Debug, Clone, Copy)]
pub struct RealDeadline {
    started: Instant,
    total: Duration,
}

impl RealDeadline {
    /// An invocation that begins now and may take `total`.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "an invocation's time is real time")]
    pub fn starting(total: Duration) -> Self {
        Self { started: Instant::now(), total }
    }
}

impl domain::ports::Deadline for RealDeadline {
    fn remaining(&self) -> Duration {
        self.total.saturating_sub(self.started.elapsed())
    }
}

/// A duration as jiff's, at most some 292 years.
pub(crate) fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}
