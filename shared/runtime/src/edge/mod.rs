//! The HTTP edge: one axum router per function, the same under Lambda, on a TCP port and in tests.

mod around;
mod body;
mod caller;
mod error;
mod event;
mod headers;
mod idempotency;
mod paging;
mod public;
mod status;

pub use body::{Body, CsvBody, OptionalBody, Params, PathParams};
pub use caller::{Caller, PARTNER_HEADER, READERS};
pub use error::{ApiError, ProblemBody, RefusedField, Retry};
pub use event::{EventError, handle_event, with_claims};
pub use headers::{IDEMPOTENCY_KEY, IfMatch, REQUEST_ID, RequestId, TimeLeft, etag};
pub use paging::{PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX, Paging};
pub use public::public_service;
pub use status::status;

use crate::app::App;
use domain::{Code, Error};
use utoipa_axum::router::OpenApiRouter;

/// A function's routes as a service: with request ids, the body limit, problems for everything that goes
/// wrong (unknown paths and methods and panics included), idempotency keys, and one log line per request.
pub fn service(app: App, routes: OpenApiRouter<App>) -> axum::Router {
    let (router, _) = routes.split_for_parts();
    router
        .fallback(async || ApiError::from(Error::not_found("path")))
        .method_not_allowed_fallback(async || {
            ApiError::from(Error::problem(Code::MethodNotAllowed, "The path exists; its methods stand in `Allow`."))
        })
        .layer(axum::middleware::from_fn_with_state(app.clone(), around::around))
        .with_state(app)
}
