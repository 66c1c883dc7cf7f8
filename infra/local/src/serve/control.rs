//! `/_local/*`: the clock, schedules, events, the queues and the kill, in people's hands.

use super::state::World;
use crate::gateway::jwt::Grant;
use crate::host::clock::MoveError;
use crate::host::kill::Scope;
use crate::host::{DrainError, JOBS, Limits, Outcome, functions_known, real};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use domain::problem::chain;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(super) fn router(world: World) -> Router {
    Router::new()
        .route("/_local/token", post(token))
        .route("/_local/clock", get(clock).post(move_clock))
        .route("/_local/schedules/{job}", post(schedule))
        .route("/_local/events", get(events).post(event_in))
        .route("/_local/drain", post(drain))
        .route("/_local/kill", get(kill).post(arm))
        .route("/_local/queues", get(queues))
        .route("/_local/mail", get(mail))
        .route("/_local/{*rest}", axum::routing::any(async || Refused(StatusCode::NOT_FOUND, "no such path".into())))
        .with_state(world)
}

/// Why a request was not carried out.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

type Answer = Result<Json<Value>, Refused>;

fn bad(why: impl ToString) -> Refused {
    Refused(StatusCode::BAD_REQUEST, why.to_string())
}

fn failed(why: &(dyn std::error::Error + 'static)) -> Refused {
    Refused(StatusCode::INTERNAL_SERVER_ERROR, chain(why))
}

/// A JSON body whatever its content type; an empty one is `{}`.
fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Refused> {
    let text: &[u8] = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { bytes };
    serde_json::from_slice(text).map_err(bad)
}

/// Runs on when the client hangs up.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Refused> {
    real::spawn(work).await.map_err(|error| failed(&error))
}

async fn token(State(world): State<World>, bytes: Bytes) -> Answer {
    let grant: Grant = body(&bytes)?;
    Ok(Json(json!({"token": world.issuer.issue(&grant, real::now())})))
}

async fn clock(State(world): State<World>) -> Json<Value> {
    Json(json!({"now": world.bundle.host().clock.now()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    now: Option<Timestamp>,
    advance_seconds: Option<i64>,
}

async fn move_clock(State(world): State<World>, bytes: Bytes) -> Answer {
    let clock = &world.bundle.host().clock;
    let moved = match body(&bytes)? {
        Move { now: Some(now), advance_seconds: None } => clock.set(now),
        Move { now: None, advance_seconds: Some(seconds) } => clock.advance(SignedDuration::from_secs(seconds)),
        _ => return Err(bad("say either `now` or `advance_seconds`")),
    };
    moved.map_err(not_moved).map(|now| Json(json!({"now": now})))
}

fn not_moved(error: MoveError) -> Refused {
    match error {
        MoveError::Backwards { .. } => Refused(StatusCode::CONFLICT, error.to_string()),
        MoveError::OutOfRange => bad(error),
        MoveError::Disk(_) => failed(&error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slot {
    time: Option<Timestamp>,
}

async fn schedule(State(world): State<World>, Path(job): Path<String>, bytes: Bytes) -> Answer {
    if !JOBS.iter().any(|(known, _)| *known == job) {
        let known: Vec<&str> = JOBS.iter().map(|(known, _)| *known).collect();
        return Err(Refused(StatusCode::NOT_FOUND, format!("no schedule `{job}`; there are {}", known.join(", "))));
    }
    let clock = &world.bundle.host().clock;
    let time = body::<Slot>(&bytes)?.time.unwrap_or_else(|| clock.now());
    clock.at_least(time).map_err(not_moved)?;
    let bundle = world.bundle.clone();
    let outcome = to_the_end(async move { bundle.tick(&job, time).await }).await?;
    ended(&world, outcome)
}

async fn event_in(State(world): State<World>, bytes: Bytes) -> Answer {
    let event: Value = body(&bytes)?;
    let is_named = ["detail-type", "detail_type"].iter().any(|name| event[*name].is_string());
    if !is_named || !event["detail"].is_object() {
        return Err(bad("an event has a `detail-type` and a `detail`, which is an object"));
    }
    let bundle = world.bundle.clone();
    let outcome = to_the_end(async move { bundle.event(&event).await }).await?;
    ended(&world, outcome)
}

fn ended(world: &World, outcome: Outcome) -> Answer {
    let now = world.bundle.host().clock.now();
    match outcome {
        Outcome::Done => Ok(Json(json!({"outcome": "done", "now": now}))),
        Outcome::Killed => Ok(Json(json!({"outcome": "killed", "now": now}))),
        Outcome::Failed(why) => Err(Refused(StatusCode::INTERNAL_SERVER_ERROR, why)),
    }
}

#[derive(Deserialize)]
struct Since {
    since: Option<String>,
}

async fn events(State(world): State<World>, Query(query): Query<Since>) -> Answer {
    let log = &world.bundle.host().events;
    let found = match query.since.as_deref() {
        None | Some("") => log.all(),
        Some(text) => match (text.parse::<u64>(), text.replace(' ', "+").parse::<Timestamp>()) {
            (Ok(seq), _) => log.after(seq),
            (_, Ok(time)) => log.since(time),
            _ => return Err(bad("`since` is the number of an event or an instant (RFC 3339)")),
        },
    };
    Ok(Json(json!({"events": found})))
}

async fn drain(State(world): State<World>, bytes: Bytes) -> Answer {
    let limits: Limits = body(&bytes)?;
    let drained = to_the_end(async move { world.drain(limits).await }).await?;
    match drained {
        Ok(drained) => Ok(Json(json!(drained))),
        Err(error @ DrainError::Busy) => Err(Refused(StatusCode::CONFLICT, error.to_string())),
        Err(other) => Err(failed(&other)),
    }
}

async fn queues(State(world): State<World>) -> Json<Value> {
    let queue = &world.bundle.host().queue;
    Json(json!({"waiting": queue.waiting(), "dead": queue.dead()}))
}

async fn mail(State(world): State<World>) -> Json<Value> {
    let shown = |mail: &domain::mail::Mail| {
        let files: Vec<_> =
            mail.attachments.iter().map(|file| json!({"name": file.name(), "csv": file.content()})).collect();
        json!({"id": mail.id, "to": mail.to, "subject": mail.subject(), "text": mail.text(), "attachments": files})
    };
    let sent = world.bundle.host().mail.sent();
    Json(json!({"mails": sent.iter().map(shown).collect::<Vec<_>>()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arm {
    after_requests: u32,
    function: Option<String>,
}

async fn arm(State(world): State<World>, bytes: Bytes) -> Answer {
    let Arm { after_requests, function } = body(&bytes)?;
    if after_requests == 0 {
        return Err(bad("`after_requests` counts from 1"));
    }
    let scope = match function.as_deref() {
        None => Scope::Background,
        Some("api") => Scope::Everything,
        Some(name) if functions_known().contains(&name) => Scope::Function(name.to_owned()),
        Some(name) => return Err(bad(format!("no function `{name}`; there are {}", functions_known().join(", ")))),
    };
    world.bundle.host().kill.arm(after_requests, scope);
    Ok(kill(State(world)).await)
}

async fn kill(State(world): State<World>) -> Json<Value> {
    let (armed, fired) = world.bundle.host().kill.status();
    Json(json!({"armed": armed, "fired": fired}))
}
