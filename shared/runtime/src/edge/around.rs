//! What surrounds every request: id, body limit, idempotency, panic guard, problem, log line.

use super::caller::Caller;
use super::error::{ApiError, render};
use super::headers::{REQUEST_ID, RequestId};
use super::idempotency;
use crate::app::App;
use crate::guard::caught;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use domain::{Code, Error};
use http::HeaderValue;
use http_body_util::BodyExt;
use tracing::Instrument;

/// How much of a body over the limit is still read, in bytes, so that the caller sees the answer and not
/// a reset connection. Lambda's own limit is 6 MB.
const DRAINED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The middleware.
pub(super) async fn around(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers(), &app);
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", request_id = id.0);
    async move {
        let line = Line::of(&app, &request);
        let answered = read_and_answer(&app, &id, request, next).await;
        let (mut response, code) = render(answered, &id.0, &app.edge.support);
        if let Ok(value) = HeaderValue::from_str(&id.0) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let code = code.or_else(|| response.extensions().get::<Rendered>().map(|rendered| rendered.0));
        line.log(&app, &response, code);
        response
    }
    .instrument(span)
    .await
}

/// The code of a problem that an inner step has already written.
#[derive(Clone, Copy)]
struct Rendered(Code);

async fn read_and_answer(app: &App, id: &RequestId, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = match read(body, app.edge.body_bytes_max).await {
        Ok(bytes) => bytes,
        Err(error) => return error.into_response(),
    };
    let ticket = match idempotency::begin(app, &parts, &bytes).await {
        Ok(idempotency::Begun::Go(ticket)) => ticket,
        Ok(idempotency::Begun::Replay(response)) => return response,
        Err(error) => return error.into_response(),
    };
    let request = Request::from_parts(parts, bytes.into());
    let answered = match caught(next.run(request)).await {
        Ok(response) => response,
        Err(panicked) => ApiError::internal(panicked).into_response(),
    };
    let (mut response, code) = render(answered, &id.0, &app.edge.support);
    if let Some(code) = code {
        response.extensions_mut().insert(Rendered(code));
    }
    match ticket {
        Some(ticket) => ticket.finish(app, response).await,
        None => response,
    }
}

async fn read(mut body: axum::body::Body, limit: usize) -> Result<Bytes, ApiError> {
    let (mut kept, mut seen) = (BytesMut::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::problem(Code::InvalidInput, "The request's body broke off."))?;
        let Ok(data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen > DRAINED_BYTES_MAX {
            break;
        }
        if seen <= limit {
            kept.extend_from_slice(&data);
        }
    }
    if seen > limit {
        return Err(Error::problem(Code::PayloadTooLarge, format!("At most {limit} bytes are taken.")).into());
    }
    Ok(kept.freeze())
}

/// What the request's log line says. Neither query nor body nor header values: a search may hold a name.
struct Line {
    method: String,
    path: String,
    who: Option<Caller>,
    started: jiff::Timestamp,
}

impl Line {
    fn of(app: &App, request: &Request) -> Self {
        Self {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            who: Caller::of(&app.edge, request.headers(), request.extensions()).ok(),
            started: app.ports.clock.now(),
        }
    }

    fn log(&self, app: &App, response: &Response, code: Option<Code>) {
        let who = self.who.as_ref();
        tracing::info!(
            http.method = self.method,
            http.path = self.path,
            http.status = response.status().as_u16(),
            code = code.map(Code::as_str),
            role = who.map(|who| who.role().as_str()),
            partner = who.and_then(Caller::partner_if_named).map(|partner| partner.as_str()),
            millis = i64::try_from(app.ports.clock.now().duration_since(self.started).as_millis()).unwrap_or(i64::MAX),
            "answered"
        );
    }
}
