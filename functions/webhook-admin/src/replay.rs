//! Deliveries worked off once more.

use crate::views::DeliveryView;
use crate::{REPLAYERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::ConnectionId;
use domain::webhooks::{self, DeliveryId, DeliveryStatus, Only, ReplayRange};
use http::StatusCode;
use jiff::Timestamp;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, PathParams, ProblemBody};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which deliveries are worked off once more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayBody {
    /// Received at or after this.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Received before this; no end, if not given.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// `failed`, or `all`; `failed`, if not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    only: Option<Only>,
    /// Only count.
    #[serde(default)]
    dry_run: bool,
}

/// What a replay came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayedView {
    dry_run: bool,
    /// Deliveries that were found; with `next_until` there are more.
    matched: u32,
    /// Deliveries that are queued.
    queued: u32,
    /// Where to go on, newest first: `until` of the next request. Null: there are no more.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_until: Option<Timestamp>,
}

/// A delivery that waits again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgainView {
    /// What had become of it: one that was done is worked off once more all the same.
    #[schema(value_type = String)]
    was: DeliveryStatus,
    delivery: DeliveryView,
}

/// Works a delivery off once more
///
/// Also one that was done: what it is about is read from Autotask again. Events that tell of it have the id that they had.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/webhook-deliveries/{did}/replay",
    tag = "webhooks",
    params(("cid" = String, Path), ("did" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 202, description = "It is queued", body = AgainView, example = examples::again),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`, `conflict`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn replay_delivery(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, did)): PathParams<(ConnectionId, DeliveryId)>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(REPLAYERS)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let (was, delivery) = webhooks::replay_one(&app.ports, &scope, caller.actor(), of, &did).await?;
    Ok((StatusCode::ACCEPTED, Json(AgainView { was, delivery: DeliveryView::from(&delivery) })))
}

/// Works the deliveries of a time off once more, or counts them
///
/// The newest 500 of them; `next_until` says where to go on.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/webhook-deliveries/replay",
    tag = "webhooks",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = ReplayBody, example = examples::replay_body),
    responses(
        (status = 200, description = "A dry run", body = ReplayedView, example = examples::replayed),
        (status = 202, description = "They are queued", body = ReplayedView, example = examples::replayed),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`, `conflict`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn replay_deliveries(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    body: Body<ReplayBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(REPLAYERS)?;
    let ReplayBody { since, until, only, dry_run } = body.read()?;
    let range = ReplayRange { since, until, only: only.unwrap_or(Only::Failed), dry_run };
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let done = webhooks::replay(&app.ports, &scope, caller.actor(), of, range).await?;
    let status = if dry_run { StatusCode::OK } else { StatusCode::ACCEPTED };
    let view = ReplayedView { dry_run, matched: done.matched, queued: done.queued, next_until: done.next_until };
    Ok((status, Json(view)))
}
