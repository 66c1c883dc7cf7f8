//! `/v1/connections/{cid}/budget` and `/v1/healthz`.

use crate::READERS;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::{ConnectionId, budget, vendor};
use jiff::Timestamp;
use runtime::App;
use runtime::edge::{ApiError, Caller, PathParams, ProblemBody};
use serde::Serialize;
use utoipa::ToSchema;

/// What Autotask last said of a database's hourly limit, over all integrations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DatabaseUseView {
    /// Calls that it allows in a period.
    #[schema(example = 10_000)]
    limit: i64,
    /// The period, in minutes.
    #[schema(example = 60)]
    period_minutes: i64,
    /// Calls made in the last one, by everybody.
    #[schema(example = 812)]
    used: i64,
    /// When it said so.
    #[schema(value_type = String, format = DateTime)]
    seen_at: Timestamp,
}

/// How much of Autotask's limit there is for the connection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BudgetView {
    /// The setting `api_share_percent`.
    #[schema(example = 25)]
    share_percent: i64,
    /// Calls that we make in a period, at most.
    #[schema(example = 2_500)]
    share: i64,
    /// Calls that are left of it now.
    #[schema(example = 2_310)]
    available_now: u32,
    /// Seconds until the next call, where none may be made now.
    retry_after_seconds: Option<u64>,
    /// Whether calls come slower because the database is busy, with whatever.
    slowed: bool,
    /// What Autotask last said; null before the first run.
    database: Option<DatabaseUseView>,
}

/// How much of Autotask's hourly limit there is for the connection
///
/// From our own record: Autotask is not asked.
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/budget",
    tag = "connections",
    params(("cid" = String, Path, example = "con_0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e")),
    responses(
        (status = 200, description = "The gauge", body = BudgetView, example = json!({"share_percent": 25, "share": 2500, "available_now": 2310, "retry_after_seconds": null, "slowed": false, "database": {"limit": 10000, "period_minutes": 60, "used": 812, "seen_at": "2026-12-01T00:15:02Z"}})),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_budget(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let gauge = budget::gauge(&app.ports, &caller.scope()?, caller.partner()?, &cid).await?;
    let database = gauge.database.map(|seen| DatabaseUseView {
        limit: seen.limit,
        period_minutes: seen.period_minutes,
        used: seen.used,
        seen_at: seen.at,
    });
    Ok(Json(BudgetView {
        share_percent: gauge.share_percent,
        share: gauge.share,
        available_now: gauge.available,
        // Rounded up: a call a moment too early is refused.
        retry_after_seconds: gauge.retry_after.map(|wait| wait.as_secs() + 1),
        slowed: gauge.slowed,
        database,
    }))
}

/// That the API works.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthView {
    /// Always `ok`: what does not work is a 503.
    #[schema(example = "ok")]
    status: &'static str,
    /// The bundle's version.
    #[schema(example = "0.1.0")]
    version: &'static str,
}

/// Whether the API can answer: with a token that it takes, and a read of its table
#[utoipa::path(
    get,
    path = "/v1/healthz",
    tag = "operate",
    responses(
        (status = 200, description = "It can", body = HealthView),
        (status = 503, description = "`unavailable`: the table cannot be read", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_health(State(app): State<App>, caller: Caller) -> Result<impl IntoResponse, ApiError> {
    vendor::get_profile(&app.ports, &crate::reading_scope(&caller)?).await?;
    Ok(Json(HealthView { status: "ok", version: env!("CARGO_PKG_VERSION") }))
}
