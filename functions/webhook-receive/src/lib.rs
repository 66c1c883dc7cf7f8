#![doc = include_str!("../README.md")]

use axum::Extension;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use bytes::Bytes;
use domain::ports::HookConfig;
use domain::webhooks::{Received, Refusal, Rejections, SIGNATURE_HEADER, deactivated, receive};
use domain::{Code, Error, Problem};
use http::{HeaderMap, StatusCode};
use runtime::App;
use runtime::edge::ApiError;
use std::sync::Arc;

/// Where Autotask calls.
pub const CALLOUT_PATH: &str = "/hooks/autotask/{hook_token}";
/// Where Autotask says that it has switched a webhook off.
pub const DEACTIVATED_PATH: &str = "/hooks/autotask/{hook_token}/deactivated";
/// Largest callout that is taken, in bytes: Autotask keeps 8,000 characters of one in its own log.
pub const CALLOUT_BYTES_MAX: usize = 64 * 1024;

/// The routes. Refused callouts are counted for as long as the process lives.
pub fn routes() -> Router<App> {
    Router::new()
        .route(CALLOUT_PATH, post(callout))
        .route(DEACTIVATED_PATH, post(switched_off))
        .layer(Extension(Arc::new(Rejections::default())))
}

type Counts = Extension<Arc<Rejections>>;

async fn callout(
    State(app): State<App>,
    Extension(rejections): Counts,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let (hooks, scope) = (hooks(&app)?, runtime::hooks::scope());
    if body.len() > CALLOUT_BYTES_MAX {
        rejections.count(app.ports.clock.now(), None, Refusal::TooLarge);
        return Err(refused(Refusal::TooLarge));
    }
    // Of two signatures nobody can say which one is meant.
    let mut signatures = headers.get_all(SIGNATURE_HEADER).iter();
    let signature = match (signatures.next(), signatures.next()) {
        (Some(one), None) => Some(one.as_bytes()),
        _ => None,
    };
    answer(receive(&app.ports, &scope, &hooks.master, &rejections, (&token, signature), &body).await?)
}

async fn switched_off(
    State(app): State<App>,
    Extension(rejections): Counts,
    Path(token): Path<String>,
) -> Result<StatusCode, ApiError> {
    let (hooks, scope) = (hooks(&app)?, runtime::hooks::scope());
    answer(deactivated(&app.ports, &scope, &hooks.master, &rejections, &token).await?)
}

fn hooks(app: &App) -> Result<&HookConfig, ApiError> {
    let hooks = app.ports.config.hooks.as_ref();
    hooks.ok_or_else(|| Error::problem(Code::Unavailable, "Webhooks are not set up in this deployment.").into())
}

fn answer(received: Received) -> Result<StatusCode, ApiError> {
    match received {
        Received::Kept | Received::Again => Ok(StatusCode::OK),
        Received::Refused(why) => Err(refused(why)),
    }
}

/// What a caller is told: a status, and nothing that it does not know.
fn refused(why: Refusal) -> ApiError {
    let code = match why {
        Refusal::UnknownUrl => Code::NotFound,
        Refusal::BadSignature => Code::SignatureInvalid,
        Refusal::Unreadable => Code::InvalidInput,
        Refusal::TooLarge => Code::PayloadTooLarge,
    };
    Problem::new(code, "").into()
}
