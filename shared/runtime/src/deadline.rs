//! How long the platform lets the present invocation run.

use domain::ports::Deadline;
use std::time::{Duration, SystemTime};

/// The end of a Lambda invocation, in real time: a moved clock does not move the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LambdaDeadline {
    at: Option<SystemTime>,
}

impl LambdaDeadline {
    /// Ends at this many milliseconds since the Unix epoch, as `Lambda-Runtime-Deadline-Ms` says;
    /// 0 stands for an invocation without an end.
    #[must_use]
    pub fn at_millis(millis: u64) -> Self {
        Self { at: (millis > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_millis(millis)) }
    }

    /// Never ends: an in-process call.
    #[must_use]
    pub fn never() -> Self {
        Self { at: None }
    }
}

impl Deadline for LambdaDeadline {
    #[allow(
        clippy::disallowed_methods,
        reason = "the platform's deadline is real time, whatever the bundle's clock says"
    )]
    fn remaining(&self) -> Duration {
        match self.at {
            Some(at) => at.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO),
            None => Duration::MAX,
        }
    }
}
