//! Routes that do nothing but show what the edge makes of a request.

use super::support::{Call, world};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use domain::ports::StorageError;
use domain::{Code, ConnectionId, Error, Role};
use http::StatusCode;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, CsvBody, IfMatch, OptionalBody, Paging, Params, PathParams, etag};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;
use utoipa_axum::router::OpenApiRouter;

/// How often the handlers with an effect ran, and a way to hold one.
#[derive(Debug, Default)]
pub struct Effects {
    pub count: AtomicU64,
    pub entered: Notify,
    pub go_on: Notify,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thing {
    name: String,
    #[serde(default)]
    lines: Vec<Line>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    units: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Position {
    after: u64,
}

const LIST: &str = "/v1/things";

pub fn routes(effects: &Arc<Effects>) -> OpenApiRouter<App> {
    let (create, hold, fail) = (effects.clone(), effects.clone(), effects.clone());
    OpenApiRouter::new()
        .route("/v1/who", get(who))
        .route("/v1/vendor", get(async |caller: Caller| caller.system_scope().map(|_| "all")))
        .route("/v1/partner", get(async |caller: Caller| caller.scope().map(|scope| format!("{scope:?}"))))
        .route(
            "/v1/admin",
            get(async |caller: Caller| -> Result<&str, ApiError> {
                caller.require(&[Role::PartnerAdmin])?;
                caller.require_main()?;
                Ok("in")
            }),
        )
        .route(LIST, get(list).post(async move |body: Body<Thing>| created(&create, body)))
        .route(
            "/v1/things/{id}",
            put(async |PathParams(_): PathParams<ConnectionId>, given: IfMatch| given.check(7).map(|()| etag(8))),
        )
        .route("/v1/maybe", post(async |body: OptionalBody<Thing>| body.read().map(|body| Json(body.is_some()))))
        .route("/v1/csv", post(async |file: CsvBody| file.read()))
        .route("/v1/held", post(async move |_: Caller| held(&hold).await))
        .route("/v1/fails", post(async move |_: Caller| fails(&fail)))
        .route("/v1/panics", get(async || -> &'static str { panic!("canary-panic") }))
        .route(
            "/v1/corrupt",
            get(async || -> Result<(), ApiError> {
                let source = "canary-cause".into();
                Err(StorageError::Corrupt { key: "canary-key".into(), source }.into())
            }),
        )
        .route("/v1/foreign", get(async || -> Result<(), ApiError> { Err(StorageError::OutOfScope.into()) }))
        .route(
            "/v1/raced",
            get(async || -> Result<(), ApiError> { Err(StorageError::Conflict { at: 0, current: None }.into()) }),
        )
}

async fn who(caller: Caller) -> Json<Value> {
    let partner = caller.partner_if_named();
    Json(json!({"actor": caller.actor(), "partner": partner, "main": caller.is_main()}))
}

async fn list(State(app): State<App>, caller: Caller, paging: Params<Paging>) -> Result<Json<Value>, ApiError> {
    let paging = paging.read()?;
    let limit = paging.limit()?;
    let after = match &paging.cursor {
        Some(cursor) => runtime::cursor::decode::<Position>(&app, &caller, LIST, cursor)?.after,
        None => 0,
    };
    let next = runtime::cursor::encode(&app, &caller, LIST, &Position { after: after + u64::from(limit) })?;
    Ok(Json(json!({"after": after, "limit": limit, "next_cursor": next})))
}

fn created(effects: &Effects, thing: Body<Thing>) -> Result<impl IntoResponse + use<>, ApiError> {
    let thing = thing.read()?;
    let n = effects.count.fetch_add(1, Ordering::SeqCst) + 1;
    let units: i64 = thing.lines.iter().map(|line| line.units).sum();
    Ok((StatusCode::CREATED, etag(1), Json(json!({"n": n, "name_chars": thing.name.len(), "units": units}))))
}

async fn held(effects: &Effects) -> String {
    effects.entered.notify_one();
    effects.go_on.notified().await;
    effects.count.fetch_add(1, Ordering::SeqCst).to_string()
}

fn fails(effects: &Effects) -> Result<&'static str, ApiError> {
    match effects.count.fetch_add(1, Ordering::SeqCst) {
        0 => Err(Error::problem(Code::AutotaskUnavailable, "away").into()),
        _ => Ok("done"),
    }
}

#[tokio::test]
async fn an_answer_names_its_request() {
    let (world, effects) = (world(), Arc::default());
    let call = Call::get("/v1/who").acme("partner_viewer");
    let own = call.clone().header("x-request-id", "portal-42").send(&world.app, routes(&effects)).await;
    assert_eq!(own.header("x-request-id"), Some("portal-42"));
    assert_eq!(own.json()["actor"]["request_id"], "portal-42");
    for harmful in ["", "a b", "x\"y", &"y".repeat(129)] {
        let given = call.clone().header("x-request-id", harmful).send(&world.app, routes(&effects)).await;
        assert!(given.header("x-request-id").unwrap().starts_with("req_0"), "{harmful:?} was taken");
    }
}

#[tokio::test]
async fn a_change_of_an_older_version_is_refused() {
    let (world, effects) = (world(), Arc::default());
    for (given, status) in
        [("\"7\"", 200), ("W/\"7\"", 200), ("*", 200), ("\"6\"", 412), ("\"abc\"", 412), ("7", 400), ("", 400)]
    {
        let call = Call::new("PUT", "/v1/things/con_1").header("if-match", given).acme("partner_admin");
        let answer = call.send(&world.app, routes(&effects)).await;
        assert_eq!(answer.status, status, "{given:?}");
        if status == 412 {
            assert_eq!(answer.code(), "precondition_failed");
        }
    }
    let answer = Call::new("PUT", "/v1/things/con_1").acme("partner_admin").send(&world.app, routes(&effects)).await;
    assert_eq!((answer.status, answer.header("etag")), (200, Some("\"8\"")));
}
