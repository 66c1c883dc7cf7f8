//! `PUT /v1/usage/{partner}/{account}/{package}` and `POST /v1/usage/batch`.

use crate::batch::{Batch, BatchView, in_place};
use crate::{BACK_END, reach};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::vendor::{self, Usage, UsageInput, UsageItem, UsageOutcome};
use domain::{AccountId, PackageId, PartnerId};
use jiff::Timestamp;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, PathParams, ProblemBody};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A count.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageBody {
    /// Active users (or whatever the package counts), 0 to 10,000,000.
    #[schema(example = 47)]
    active: i64,
    /// When it was counted; at most 24 h ahead. Together with account and package it names the count.
    #[schema(value_type = String, format = DateTime, example = "2026-11-30T22:00:00Z")]
    as_of: Timestamp,
    /// The vendor's own name of the count, at most 128 characters.
    #[serde(default)]
    source_id: Option<String>,
}

impl From<UsageBody> for UsageInput {
    fn from(body: UsageBody) -> Self {
        Self { active: body.active, as_of: body.as_of, source_id: body.source_id }
    }
}

/// A count of a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageItemBody {
    #[schema(value_type = String, example = "acme")]
    partner: PartnerId,
    #[schema(value_type = String, example = "a1")]
    account_id: AccountId,
    #[schema(value_type = String, example = "training")]
    package_id: PackageId,
    #[schema(example = 47)]
    active: i64,
    #[schema(value_type = String, format = DateTime, example = "2026-11-30T22:00:00Z")]
    as_of: Timestamp,
    #[serde(default)]
    source_id: Option<String>,
}

impl UsageItemBody {
    pub(crate) fn item(self) -> UsageItem {
        let Self { partner, account_id, package_id, active, as_of, source_id } = self;
        UsageItem { partner, account: account_id, package: package_id, input: UsageInput { active, as_of, source_id } }
    }
}

/// Many counts.
#[derive(Debug, Deserialize, ToSchema)]
#[allow(dead_code, reason = "describes the body, whose items are read one by one")]
pub struct UsagesBody {
    /// 1 to 500.
    items: Vec<UsageItemBody>,
}

/// What became of a count, and the newest one that is known.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageView {
    /// `recorded`, `repeated` or `older_ignored`.
    #[schema(value_type = String, example = "recorded")]
    outcome: UsageOutcome,
    #[schema(value_type = String, example = "a1")]
    account_id: AccountId,
    #[schema(value_type = String, example = "training")]
    package_id: PackageId,
    /// The newest count.
    #[schema(example = 47)]
    active: i64,
    /// When it was counted.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    source_id: Option<String>,
}

fn view((outcome, usage): (UsageOutcome, Usage)) -> UsageView {
    let Usage { account, package, active, as_of, source_id, .. } = usage;
    UsageView { outcome, account_id: account, package_id: package, active, as_of, source_id }
}

/// Records a count
#[utoipa::path(
    put,
    path = "/v1/usage/{partner}/{account}/{package}",
    tag = "vendor",
    params(
        ("partner" = String, Path, example = "acme"),
        ("account" = String, Path, example = "a1"),
        ("package" = String, Path, example = "training"),
    ),
    request_body(content = UsageBody, example = json!({"active": 47, "as_of": "2026-11-30T22:00:00Z", "source_id": "count-881"})),
    responses(
        (status = 200, description = "What became of it, with the newest count", body = UsageView, example = json!({"outcome": "recorded", "account_id": "a1", "package_id": "training", "active": 47, "as_of": "2026-11-30T22:00:00Z", "source_id": "count-881"})),
        (status = 400, description = "`invalid_input`; also another number under the same `as_of`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such account or package", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put_usage(
    State(app): State<App>,
    caller: Caller,
    PathParams((partner, account, package)): PathParams<(PartnerId, AccountId, PackageId)>,
    body: Body<UsageBody>,
) -> Result<impl IntoResponse, ApiError> {
    let scope = reach(&caller, BACK_END, Some(&partner))?;
    let body = body.read()?;
    let item = UsageItem { partner, account, package, input: body.into() };
    let done = vendor::record_usage(&app.ports, &scope, caller.actor(), item).await?;
    Ok(Json(view(done)))
}

/// Records up to 500 counts, each for itself
#[utoipa::path(
    post,
    path = "/v1/usage/batch",
    tag = "vendor",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body(content = UsagesBody, example = json!({"items": [{"partner": "acme", "account_id": "a1", "package_id": "training", "active": 47, "as_of": "2026-11-30T22:00:00Z", "source_id": "count-881"}]})),
    responses(
        (status = 200, description = "One result per item", body = BatchView, example = json!({"succeeded": 1, "failed": 0, "results": [{"index": 0, "outcome": "recorded"}]})),
        (status = 400, description = "`invalid_input`: no items, or too many", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_usage(
    State(app): State<App>,
    caller: Caller,
    batch: Body<Batch>,
) -> Result<impl IntoResponse, ApiError> {
    let scope = reach(&caller, BACK_END, None)?;
    let batch = batch.read()?;
    let mut wanted = Vec::new();
    let read: Vec<Result<(), domain::Error>> =
        batch.read::<UsageItemBody>()?.into_iter().map(|item| item.map(|item| wanted.push(item.item()))).collect();
    let done = vendor::record_usages(&app.ports, &scope, caller.actor(), wanted).await;
    Ok(Json(BatchView::of(in_place(read, done), |(outcome, _)| json!(outcome))))
}
