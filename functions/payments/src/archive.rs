//! Archiving an invoice by hand.

use crate::views::ArchivedView;
use crate::{BILLERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::{ConnectionId, invoices};
use runtime::App;
use runtime::edge::{ApiError, Caller, PathParams, ProblemBody, etag};

/// Takes an invoice out of the lists
///
/// What was deleted in Autotask is not archived here by itself: delete it there, then archive it here. Autotask is not
/// told. Payments of an archived invoice are taken and written back as ever.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/invoices/{iid}/archive",
    tag = "invoices",
    params(("cid" = String, Path), ("iid" = i64, Path, description = "`Invoices.id`"), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "Archived, or archived already; the invoice's version in `ETag`", body = ArchivedView, example = examples::archived),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn archive(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, iid)): PathParams<(ConnectionId, i64)>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(BILLERS)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let found = invoices::archive(&app.ports, &scope, caller.actor(), (partner, &cid), iid).await?;
    Ok((etag(found.v), Json(ArchivedView::of(&found))))
}

/// Brings an archived invoice back
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/invoices/{iid}/unarchive",
    tag = "invoices",
    params(("cid" = String, Path), ("iid" = i64, Path, description = "`Invoices.id`"), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "Back, or never gone; the invoice's version in `ETag`", body = ArchivedView, example = examples::unarchived),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn unarchive(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, iid)): PathParams<(ConnectionId, i64)>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(BILLERS)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let found = invoices::unarchive(&app.ports, &scope, caller.actor(), (partner, &cid), iid).await?;
    Ok((etag(found.v), Json(ArchivedView::of(&found))))
}
