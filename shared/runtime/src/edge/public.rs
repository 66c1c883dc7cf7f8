//! What surrounds routes that anybody may call: a request id, a panic guard, problems, one log line that names no path
//! (it is a secret). No token, no idempotency key, and no call to anything before the handler's own.

use super::error::{ApiError, render};
use super::headers::{REQUEST_ID, RequestId};
use crate::app::App;
use crate::guard::caught;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::{Code, Error};
use http::HeaderValue;
use tracing::Instrument;

/// Routes as a service that anybody may call. Bodies are as large as the platform lets them be; the handler has a bound
/// of its own.
pub fn public_service(app: App, routes: Router<App>) -> Router {
    routes
        .fallback(async || ApiError::from(Error::not_found("path")))
        .method_not_allowed_fallback(async || ApiError::from(Error::problem(Code::MethodNotAllowed, "")))
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn_with_state(app.clone(), around))
        .with_state(app)
}

async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers(), &app);
    let span = tracing::info_span!("callout", request_id = id.0);
    async move {
        let answered = match caught(next.run(request)).await {
            Ok(response) => response,
            Err(panicked) => ApiError::internal(panicked).into_response(),
        };
        let (mut response, code) = render(answered, &id.0, &app.edge.support);
        if let Ok(value) = HeaderValue::from_str(&id.0) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        tracing::info!(http.status = response.status().as_u16(), code = code.map(Code::as_str), "answered");
        response
    }
    .instrument(span)
    .await
}
