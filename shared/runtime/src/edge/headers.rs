//! Headers with a meaning of ours.

use super::error::ApiError;
use crate::app::App;
use crate::deadline::LambdaDeadline;
use axum::extract::FromRequestParts;
use domain::ports::Deadline;
use domain::{Code, Problem};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use std::convert::Infallible;
use std::time::Duration;

/// Names a request over all systems it passes: echoed, logged, a problem's `reference`.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Makes a POST safe to repeat for 24 hours.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest request id that is taken from a caller, in characters.
const REQUEST_ID_CHARS_MAX: usize = 128;

/// The present request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// The caller's own, where it is harmless in a log; else a new one.
    pub(super) fn of(headers: &HeaderMap, app: &App) -> Self {
        let harmless = |text: &&str| {
            (1..=REQUEST_ID_CHARS_MAX).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
        };
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(harmless);
        Self(given.map_or_else(|| format!("req_{}", app.ports.ids.uuid().simple()), str::to_owned))
    }
}

impl FromRequestParts<App> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<RequestId>().cloned().unwrap_or_else(|| Self::of(&parts.headers, app)))
    }
}

/// The version that a change is based on; none where the caller does not mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<u64>);

impl IfMatch {
    /// Refuses a change that is based on another version than `current`.
    ///
    /// # Errors
    /// `precondition_failed`.
    pub fn check(self, current: u64) -> Result<(), ApiError> {
        match self.0 {
            Some(given) if given != current => Err(stale()),
            _ => Ok(()),
        }
    }
}

impl FromRequestParts<App> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        let quoted = text.strip_prefix("W/").unwrap_or(text);
        let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let inner =
            inner.ok_or_else(|| Problem::field("If-Match", "must be one ETag in double quotes, as it was given"))?;
        // An ETag that we never gave cannot be the present one.
        inner.parse().map(|v| Self(Some(v))).map_err(|_| stale())
    }
}

fn stale() -> ApiError {
    Problem::new(Code::PreconditionFailed, "").into()
}

/// The `ETag` header of a version: put it before the body in a handler's tuple.
#[must_use]
pub fn etag(v: u64) -> [(HeaderName, String); 1] {
    [(header::ETAG, format!("\"{v}\""))]
}

/// The time that is left for the present request; endless where no platform ends it.
#[derive(Debug, Clone, Copy)]
pub struct TimeLeft(pub LambdaDeadline);

impl TimeLeft {
    pub(super) fn of(extensions: &http::Extensions) -> Self {
        let context = extensions.get::<lambda_http::Context>();
        Self(context.map_or_else(LambdaDeadline::never, |context| LambdaDeadline::at_millis(context.deadline)))
    }
}

impl Deadline for TimeLeft {
    fn remaining(&self) -> Duration {
        self.0.remaining()
    }
}

impl FromRequestParts<App> for TimeLeft {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}
