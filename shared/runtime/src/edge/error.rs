//! Failures as callers see them: RFC 9457 problems.

use super::status::{retried_by_ourselves, status};
use axum::response::{IntoResponse, Response};
use domain::ports::{SecretsError, StorageError};
use domain::problem::chain;
use domain::{Code, Error, Problem};
use http::{HeaderValue, header};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// The media type of a problem.
const PROBLEM_JSON: &str = "application/problem+json";
/// When to come back after a store or queue was away, in seconds: longer than its own retries.
const STORE_RETRY_SECONDS: u64 = 2;
/// When to come back after Autotask was away, in seconds.
const AUTOTASK_RETRY_SECONDS: u64 = 30;
/// When to come back after too many calls at once, in seconds.
const THREADS_RETRY_SECONDS: u64 = 2;

/// Why a handler gives no result. Turns into a problem at the edge; what is ours to know (the cause)
/// goes to the log once and not to the caller.
#[derive(Debug)]
pub struct ApiError {
    problem: Problem,
    cause: Option<String>,
}

impl ApiError {
    /// Something that should not happen: logged with its causes, told without them.
    #[must_use]
    pub fn internal(error: impl std::error::Error) -> Self {
        Self { problem: Problem::new(Code::Internal, ""), cause: Some(chain(&error)) }
    }

    /// A problem whose cause is worth a log line.
    #[must_use]
    pub fn because(problem: Problem, cause: &dyn std::error::Error) -> Self {
        Self { problem, cause: Some(chain(cause)) }
    }

    /// The problem that the caller will be told.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self { problem, cause: None }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let cause = Some(chain(&error));
        let problem = match error {
            Error::Problem(problem) => return Self::from(*problem),
            Error::Storage(error) => of_storage(&error),
            Error::Secrets(SecretsError::Missing) => Problem::new(Code::Internal, ""),
            Error::Secrets(SecretsError::Unavailable(_)) => {
                Problem::new(Code::SecretStoreUnavailable, "").retry_after(STORE_RETRY_SECONDS)
            }
            Error::Queue(_) | Error::Events(_) => Problem::new(Code::Unavailable, "").retry_after(STORE_RETRY_SECONDS),
            Error::Autotask { doing, source } => of_autotask(doing, &source),
        };
        Self { problem, cause }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        Error::from(error).into()
    }
}

fn of_storage(error: &StorageError) -> Problem {
    match error {
        StorageError::Conflict { .. } => Problem::new(Code::Conflict, ""),
        StorageError::OutOfScope => Problem::new(Code::NotFound, ""),
        StorageError::Unavailable(_) => Problem::new(Code::Unavailable, "").retry_after(STORE_RETRY_SECONDS),
        StorageError::Corrupt { .. } => Problem::new(Code::Internal, ""),
    }
}

/// What no rule of the domain has given a meaning. `doing` and Autotask's own words (secrets taken out by
/// the client) are for the partner.
fn of_autotask(doing: &str, error: &autotask::Error) -> Problem {
    use autotask::Error as E;
    let seconds = |given: Option<Duration>| given.map_or(THREADS_RETRY_SECONDS, |time| time.as_secs().max(1));
    let detail = match error.texts() {
        [] => doing.to_owned(),
        texts => format!("{doing}: {}", texts.join("; ")),
    };
    let problem = |code| Problem::new(code, detail);
    match error {
        E::Unauthorised { .. } => problem(Code::NeedsRelink),
        E::Forbidden { .. } => problem(Code::PermissionMissing),
        E::NotFound { .. } => problem(Code::NotFound),
        E::Rejected { .. } => problem(Code::RejectedByAutotask),
        E::RateLimited { retry_after, .. } | E::ThreadLimit { retry_after, .. } => {
            problem(Code::Throttled).retry_after(seconds(*retry_after))
        }
        E::Unavailable { .. } | E::NotSent { .. } | E::Malformed { .. } => {
            problem(Code::AutotaskUnavailable).retry_after(AUTOTASK_RETRY_SECONDS)
        }
        E::UnknownOutcome { .. } => problem(Code::WriteUnverified),
        E::OutOfBounds { .. } => problem(Code::Internal),
    }
}

/// A problem on its way to the outer layer, which knows the request's id and the support address.
#[derive(Clone)]
struct Told(Arc<ApiError>);

impl IntoResponse for ApiError {
    /// The status alone; [`super::service`] writes the body, the reference and the log line.
    fn into_response(self) -> Response {
        let mut response = status(self.problem.code).into_response();
        response.extensions_mut().insert(Told(Arc::new(self)));
        response
    }
}

/// The body of every answer that is not a success (RFC 9457). Members beyond these depend on the code:
/// `connection_id` with `already_connected`, `account_id` with `company_already_mapped`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemBody {
    /// `urn:problem:` and the code.
    #[schema(example = "urn:problem:zone_not_found")]
    pub r#type: String,
    /// What happened, in one plain sentence.
    #[schema(example = "Autotask does not know this username.")]
    pub title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    pub status: u16,
    /// This occurrence; Autotask's own words stand here.
    pub detail: String,
    /// Stable, for programs.
    #[schema(example = "zone_not_found")]
    pub code: &'static str,
    /// What it means for billing.
    pub effect: &'static str,
    /// What to do.
    pub action: &'static str,
    /// Whether and when it is tried again.
    pub retry: Retry,
    /// The first refused field, as a path without its leading slash.
    pub field: Option<String>,
    /// Every refused field.
    pub errors: Vec<RefusedField>,
    /// Names this occurrence in our logs; the answer's `X-Request-Id`.
    #[schema(example = "req_0199a7c0b1f07c3e9d3f1f0a2b4c6d8e")]
    pub reference: String,
    /// Where to get help.
    #[schema(example = "support@vendor.example")]
    pub support: String,
    /// Members that depend on the code.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub extra: Map<String, Value>,
}

/// Whether and when something is tried again.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Retry {
    /// We do it by ourselves.
    pub automatic: bool,
    /// Seconds after which the caller may; also in `Retry-After`.
    pub after: Option<u64>,
}

/// One refused field.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RefusedField {
    /// JSON Pointer into the body, or the name of a parameter or header.
    #[schema(example = "/username")]
    pub pointer: String,
    /// The rule it breaks.
    #[schema(example = "must not be empty")]
    pub detail: String,
}

/// Writes the problem that a response stands for, if it stands for one, and logs its cause once.
/// Returns the problem's code with the response.
pub(super) fn render(mut response: Response, reference: &str, support: &str) -> (Response, Option<Code>) {
    let Some(Told(error)) = response.extensions_mut().remove::<Told>() else { return (response, None) };
    log(&error);
    let problem = &error.problem;
    let body = body_of(problem, reference, support);
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    parts.headers.remove(header::CONTENT_LENGTH);
    if let Some(seconds) = problem.retry_after {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let bytes = serde_json::to_vec(&body).unwrap_or_default();
    (Response::from_parts(parts, bytes.into()), Some(problem.code))
}

fn body_of(problem: &Problem, reference: &str, support: &str) -> ProblemBody {
    let code = problem.code;
    let detail = if problem.detail.is_empty() { code.title().to_owned() } else { problem.detail.clone() };
    let errors: Vec<RefusedField> = problem
        .errors
        .iter()
        .map(|error| RefusedField { pointer: error.pointer.clone(), detail: error.detail.clone() })
        .collect();
    ProblemBody {
        r#type: format!("urn:problem:{}", code.as_str()),
        title: code.title(),
        status: status(code).as_u16(),
        detail,
        code: code.as_str(),
        effect: code.effect(),
        action: code.action(),
        retry: Retry { automatic: retried_by_ourselves(code), after: problem.retry_after },
        field: errors.first().map(|error| error.pointer.trim_start_matches('/').to_owned()),
        errors,
        reference: reference.to_owned(),
        support: support.to_owned(),
        extra: extra_of(problem),
    }
}

/// Members that would stand twice are dropped: the ones above win.
fn extra_of(problem: &Problem) -> Map<String, Value> {
    const OWN: &[&str] = &[
        "type",
        "title",
        "status",
        "detail",
        "code",
        "effect",
        "action",
        "retry",
        "field",
        "errors",
        "reference",
        "support",
    ];
    problem.extra.clone().into_iter().filter(|(name, _)| !OWN.contains(&name.as_str())).collect()
}

/// Problems without a cause are the caller's business and stand in the request's own line.
fn log(error: &ApiError) {
    let Some(cause) = &error.cause else { return };
    let code = error.problem.code.as_str();
    match error.problem.code {
        Code::Internal => tracing::error!(code, cause, "a request failed"),
        Code::Conflict | Code::NotFound => tracing::info!(code, cause, "a request was refused"),
        _ => tracing::warn!(code, cause, "a request failed"),
    }
}
