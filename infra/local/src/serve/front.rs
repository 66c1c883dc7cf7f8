//! The API as clients see it: API Gateway's part, then the functions.

use super::state::World;
use crate::gateway::event::HttpRequest;
use crate::host::bundle::gateway_error;
use crate::host::real;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};

/// API Gateway's own limit for a request's body, in bytes.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Where Autotask calls, without a token: the template's routes there have no authorizer.
const OPEN: &str = "/hooks/";

pub(super) fn router(world: World) -> Router {
    Router::new().fallback(handle).with_state(world)
}

async fn handle(State(world): State<World>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let open = parts.uri.path().starts_with(OPEN);
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let claims = match world.issuer.authorize(authorization, real::now()) {
        _ if open => None,
        Ok(claims) => Some(claims),
        Err(_) => return gateway_error(StatusCode::UNAUTHORIZED).map(Body::from),
    };
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return gateway_error(StatusCode::PAYLOAD_TOO_LARGE).map(Body::from);
    };
    let request = HttpRequest {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &end_to_end(parts.headers),
        body: &body,
    };
    world.bundle.api(&request, claims.as_ref()).await.map(Body::from)
}

/// The headers that a function gets to see.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::TE, header::UPGRADE, header::TRAILER] {
        headers.remove(name);
    }
    headers
}
