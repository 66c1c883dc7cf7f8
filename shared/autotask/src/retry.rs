//! Whether and when to try again: a pure function, and the seam for waiting.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

pub use crate::answer::MethodKind;
use crate::error::Error;

/// How often a read is sent at most.
pub const ATTEMPTS_MAX: u32 = 4;

/// Wait before the second attempt; each further one waits twice as long.
pub const BACKOFF_BASE: Duration = Duration::from_millis(500);

/// Wait after the hourly limit when Autotask names none.
pub const RATE_LIMIT_WAIT: Duration = Duration::from_secs(5);

/// Longest wait within a call. What has to wait longer belongs into a queue.
pub const WAIT_MAX: Duration = Duration::from_secs(20);

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Give the error to the caller.
    Stop,
    /// Send the same request again after this long.
    After(Duration),
}

/// Decides after attempt number `attempt` (the first is 1) has failed.
///
/// A write is sent again only after an error that proves that nothing was done. The client itself
/// never sends a write again; this is for a caller that keeps its own record of attempts.
pub fn decide(attempt: u32, kind: MethodKind, error: &Error) -> Decision {
    if attempt >= ATTEMPTS_MAX || error.may_have_been_applied() {
        return Decision::Stop;
    }
    let backoff = BACKOFF_BASE * 2_u32.saturating_pow(attempt.saturating_sub(1));
    let wait = match error {
        Error::RateLimited { retry_after, .. } => retry_after.unwrap_or(RATE_LIMIT_WAIT),
        Error::ThreadLimit { retry_after, .. } => retry_after.unwrap_or(backoff * 2),
        Error::NotSent { .. } => backoff,
        // A 500 with words is more often a wrong request than a broken server.
        Error::Unavailable { status: Some(500), texts, .. } if !texts.is_empty() => return Decision::Stop,
        Error::Unavailable { .. } | Error::Malformed { .. } if kind == MethodKind::Read => backoff,
        Error::Unavailable { .. }
        | Error::Malformed { .. }
        | Error::Unauthorised { .. }
        | Error::Forbidden { .. }
        | Error::NotFound { .. }
        | Error::Rejected { .. }
        | Error::UnknownOutcome { .. }
        | Error::OutOfBounds { .. } => return Decision::Stop,
    };
    if wait > WAIT_MAX { Decision::Stop } else { Decision::After(wait) }
}

/// Waits between attempts: the seam for tests and for virtual time.
#[async_trait]
pub trait Pause: Send + Sync + Debug {
    /// Comes back after `wait`.
    async fn pause(&self, wait: Duration);
}

/// Waits by tokio's timer.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioPause;

#[async_trait]
impl Pause for TokioPause {
    async fn pause(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::OutcomeCause;
    use crate::transport::TransportError;

    fn rate(seconds: Option<u64>) -> Error {
        Error::RateLimited { retry_after: seconds.map(Duration::from_secs), texts: Vec::new() }
    }

    fn unavailable(status: u16, texts: &[&str]) -> Error {
        Error::Unavailable {
            status: Some(status),
            texts: texts.iter().map(ToString::to_string).collect(),
            source: None,
        }
    }

    fn after(millis: u64) -> Decision {
        Decision::After(Duration::from_millis(millis))
    }

    #[test]
    fn reads_are_tried_again_with_growing_waits_and_an_end() {
        use MethodKind::Read;
        assert_eq!(decide(1, Read, &unavailable(503, &[])), after(500));
        assert_eq!(decide(3, Read, &unavailable(503, &[])), after(2000));
        assert_eq!(decide(4, Read, &unavailable(503, &[])), Decision::Stop);
        assert_eq!(decide(1, Read, &unavailable(500, &[])), after(500));
        assert_eq!(decide(1, Read, &unavailable(500, &["unlisted words"])), Decision::Stop);
        assert_eq!(decide(1, Read, &rate(Some(3))), after(3000));
        assert_eq!(decide(1, Read, &rate(Some(3600))), Decision::Stop);
        assert_eq!(decide(1, Read, &rate(None)), after(5000));
        assert_eq!(decide(1, Read, &Error::malformed("cut off")), after(500));
        assert_eq!(decide(1, Read, &Error::out_of_bounds("loop")), Decision::Stop);
        assert_eq!(decide(1, Read, &Error::Unauthorised { texts: Vec::new() }), Decision::Stop);
        assert_eq!(decide(1, Read, &Error::Rejected { status: 500, texts: Vec::new() }), Decision::Stop);
    }

    #[test]
    fn a_write_is_tried_again_only_when_nothing_was_done() {
        use MethodKind::Write;
        let unknown = [
            OutcomeCause::Transport(TransportError::unknown("reset")),
            OutcomeCause::Status { status: 500, texts: Vec::new() },
            OutcomeCause::Answer { what: "no id".to_owned() },
        ];
        for source in unknown {
            assert_eq!(decide(1, Write, &Error::UnknownOutcome { source }), Decision::Stop);
        }
        assert_eq!(decide(1, Write, &unavailable(503, &[])), Decision::Stop);
        assert_eq!(decide(1, Write, &Error::malformed("cut off")), Decision::Stop);
        let not_sent = Error::NotSent { source: TransportError::not_sent("refused") };
        assert_eq!(decide(1, Write, &not_sent), after(500));
        assert_eq!(decide(1, Write, &rate(Some(1))), after(1000));
    }
}
