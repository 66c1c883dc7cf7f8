//! `Idempotency-Key`: a POST that is repeated within 24 hours is answered again and not done again.
//!
//! One record per partner, caller, route and key. It is put before the handler runs (on condition that it
//! is not there, so that a repeat costs one refused write and no read), in progress until the invocation's
//! end, and completed with the answer. A try that broke off, answered 5xx, or asked to come back later
//! leaves no answer, so that the repeat may do the work.

use super::caller::Caller;
use super::error::ApiError;
use super::headers::{IDEMPOTENCY_KEY, TimeLeft};
use crate::app::App;
use axum::response::Response;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use domain::ports::{Deadline, StorageError};
use domain::problem::chain;
use domain::records::{Expect, Key, Record, Stored, Write, load};
use domain::{Code, Error, PartnerId, Problem, Scope};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Longest key that is taken, in characters.
const KEY_CHARS_MAX: usize = 255;
/// Largest answer that is kept, in bytes: a record holds 400 KB, and base64 takes a third more.
const ANSWER_BYTES_MAX: usize = 200 * 1024;
/// How long a request may be in progress where no platform ends it; API Gateway gives up after 30 s.
const IN_PROGRESS_MAX: Duration = Duration::from_secs(30);
/// When to ask again for the answer of a request in progress, in seconds.
const IN_PROGRESS_RETRY_SECONDS: u64 = 2;
/// Tells a repeated answer from a first one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// What is kept of an answer's headers.
const HEADERS_KEPT: &[HeaderName] = &[header::CONTENT_TYPE, header::ETAG, header::LOCATION, header::LINK];

/// The stored record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    partner: Option<PartnerId>,
    name: String,
    /// A MAC over the request: it tells another body without keeping anything of it.
    fingerprint: String,
    state: State,
    expires: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum State {
    InProgress { until: Timestamp },
    Completed { status: u16, headers: Vec<(String, String)>, body: Option<String> },
}

impl Record for Entry {
    const ENTITY: &'static str = "idempotency";
    fn key(&self) -> Key {
        Key::Idempotency(self.partner.clone(), self.name.clone())
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}

/// Whether the handler runs.
pub(super) enum Begun {
    /// It does; where there is a ticket, its answer is kept.
    Go(Option<Ticket>),
    /// It does not: this is its answer of last time.
    Replay(Response),
}

/// The right to do the work of one key.
pub(super) struct Ticket {
    entry: Entry,
    v: u64,
    scope: Scope,
}

/// Takes the key of a POST. Without a key, or without proper claims (the handler will refuse those), there
/// is nothing to take.
pub(super) async fn begin(app: &App, parts: &Parts, body: &Bytes) -> Result<Begun, ApiError> {
    let Some(given) = parts.headers.get(IDEMPOTENCY_KEY).filter(|_| parts.method == Method::POST) else {
        return Ok(Begun::Go(None));
    };
    let Ok(caller) = Caller::of(&app.edge, &parts.headers, &parts.extensions) else { return Ok(Begun::Go(None)) };
    let key = key_of(given)?;
    let (entry, scope) = entry_of(app, parts, body, &caller, key);
    take(app, entry, scope).await
}

async fn take(app: &App, entry: Entry, scope: Scope) -> Result<Begun, ApiError> {
    let storage = &*app.ports.storage;
    let there = match storage.write(&scope, vec![Write::create(&entry)?]).await {
        Ok(()) => return Ok(Begun::Go(Some(Ticket { entry, v: 1, scope }))),
        Err(StorageError::Conflict { current: Some(current), .. }) => Some(Stored::decode::<Entry>(*current)?),
        Err(StorageError::Conflict { current: None, .. }) => load::<Entry>(storage, &scope, &entry.key()).await?,
        Err(error) => return Err(error.into()),
    };
    let Some(there) = there else { return Err(in_progress()) };
    let now = app.ports.clock.now();
    let lapsed = there.expires <= now || matches!(there.state, State::InProgress { until } if until <= now);
    if there.fingerprint != entry.fingerprint && there.expires > now {
        return Err(Problem::new(Code::IdempotencyMismatch, "").into());
    }
    if lapsed {
        let v = there.v;
        return match storage.write(&scope, vec![Write::replace(&entry, v)?]).await {
            Ok(()) => Ok(Begun::Go(Some(Ticket { entry, v: v + 1, scope }))),
            Err(StorageError::Conflict { .. }) => Err(in_progress()),
            Err(error) => Err(error.into()),
        };
    }
    match there.value.state {
        State::InProgress { .. } => Err(in_progress()),
        State::Completed { status, headers, body } => replay(status, &headers, body.as_deref()).map(Begun::Replay),
    }
}

impl Ticket {
    /// Keeps the answer, or gives the key back. A store that is away costs the repeat, not this answer.
    pub(super) async fn finish(mut self, app: &App, response: Response) -> Response {
        let (parts, body) = response.into_parts();
        let bytes = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) => {
                tracing::error!(cause = chain(&error), "an answer broke off");
                Bytes::new()
            }
        };
        let kept = !parts.status.is_server_error() && !parts.headers.contains_key(header::RETRY_AFTER);
        let write = if kept {
            self.entry.state = completed(parts.status, &parts.headers, &bytes);
            Write::replace(&self.entry, self.v)
        } else {
            Ok(Write::delete(self.entry.key(), Expect::Version(self.v)))
        };
        let written = match write {
            Ok(write) => app.ports.storage.write(&self.scope, vec![write]).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::warn!(cause = chain(&error), "the answer of an idempotency key is not kept");
        }
        Response::from_parts(parts, bytes.into())
    }
}

fn key_of(value: &HeaderValue) -> Result<&str, ApiError> {
    let good = |key: &&str| (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    let rule = || Problem::field("Idempotency-Key", format!("must be 1 to {KEY_CHARS_MAX} visible ASCII characters"));
    value.to_str().ok().filter(good).ok_or_else(|| rule().into())
}

fn entry_of(app: &App, parts: &Parts, body: &Bytes, caller: &Caller, key: &str) -> (Entry, Scope) {
    let mac = &app.edge.mac_key;
    let partner = caller.partner_if_named().cloned();
    let path = parts.uri.path().as_bytes();
    let name = mac.code("idempotency/name", &[caller.actor().who.as_bytes(), path, key.as_bytes()]);
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let fingerprint = mac.code("idempotency/request", &[path, query, body]);
    let now = app.ports.clock.now();
    let left = TimeLeft::of(&parts.extensions).remaining().min(IN_PROGRESS_MAX);
    let until = now.saturating_add(SignedDuration::try_from(left).unwrap_or(SignedDuration::ZERO)).unwrap_or(now);
    let entry = Entry {
        partner: partner.clone(),
        name: BASE64_URL_SAFE_NO_PAD.encode(name),
        fingerprint: BASE64_URL_SAFE_NO_PAD.encode(fingerprint),
        state: State::InProgress { until },
        expires: now.saturating_add(KEPT).unwrap_or(now),
    };
    (entry, scope_of(partner))
}

#[allow(clippy::disallowed_methods, reason = "a vendor role that names no partner has its keys among the vendor's own")]
fn scope_of(partner: Option<PartnerId>) -> Scope {
    partner.map_or_else(|| Scope::system("idempotency keys of a vendor role"), Scope::Partner)
}

fn completed(status: StatusCode, headers: &http::HeaderMap, bytes: &Bytes) -> State {
    let kept = HEADERS_KEPT.iter().filter_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    let body = (bytes.len() <= ANSWER_BYTES_MAX).then(|| BASE64_STANDARD.encode(bytes));
    State::Completed { status: status.as_u16(), headers: kept.collect(), body }
}

fn replay(status: u16, headers: &[(String, String)], body: Option<&str>) -> Result<Response, ApiError> {
    let too_large = || Error::problem(Code::Conflict, "It was carried out; its answer was too large to keep.");
    let bytes = BASE64_STANDARD.decode(body.ok_or_else(too_large)?).map_err(ApiError::internal)?;
    let mut builder = http::Response::builder().status(status).header(REPLAYED, "true");
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    builder.body(bytes.into()).map_err(ApiError::internal)
}

fn in_progress() -> ApiError {
    Problem::new(Code::IdempotencyInProgress, "").retry_after(IN_PROGRESS_RETRY_SECONDS).into()
}
