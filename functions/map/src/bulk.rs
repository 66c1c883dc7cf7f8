//! `POST /v1/connections/{cid}/company-mappings/auto-map` and `…/bulk-confirm`.

use crate::views::RunStarted;
use crate::{Call, MAPPERS};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::mappings::{self, BULK_CONFIRM_MAX};
use domain::{AccountId, ConnectionId, Problem};
use http::{StatusCode, header};
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, OptionalBody, PathParams, ProblemBody, RefusedField};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How to auto-map.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AutomapBody {
    /// Look again at what is only suggested, too.
    #[serde(default)]
    rerun: bool,
}

/// Matches accounts to companies, as a run
///
/// Proposes for accounts without a mapping and confirms nothing. The run's `outcome` has the counts and the accounts
/// for which more than one company fits.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/company-mappings/auto-map",
    tag = "map",
    params(("cid" = String, Path, example = "con_1"), ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = AutomapBody, example = json!({"rerun": false})),
    responses(
        (status = 202, description = "The run has begun", body = RunStarted, example = json!({"run_id": "0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e", "status_url": "/v1/connections/con_1/runs/0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e"})),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn start_automap(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    body: OptionalBody<AutomapBody>,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, MAPPERS, cid)?;
    let body = body.read()?;
    let run = mappings::start_automap(call.context(), body.unwrap_or_default().rerun).await?;
    let started = RunStarted::from(&run);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, run.status_url())], Json(started)))
}

/// Which suggestions to confirm.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkConfirmBody {
    /// 1 to 200.
    #[schema(value_type = Vec<String>, example = json!(["a1", "a2"]))]
    account_ids: Vec<AccountId>,
}

/// How a confirmation ended.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConfirmOutcome {
    /// By this call.
    Confirmed,
    /// It was confirmed already.
    Unchanged,
    /// See `error`.
    Refused,
}

/// Why one was not confirmed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfirmError {
    #[schema(example = "company_already_mapped")]
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<RefusedField>,
}

/// What became of one of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfirmResult {
    #[schema(value_type = String, example = "a1")]
    account_id: AccountId,
    outcome: ConfirmOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ConfirmError>,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkConfirmView {
    /// Confirmed by this call.
    confirmed: usize,
    /// Not confirmed.
    refused: usize,
    /// One per account, in their order.
    results: Vec<ConfirmResult>,
}

/// Confirms up to 200 suggestions, each for itself
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/company-mappings/bulk-confirm",
    tag = "map",
    params(("cid" = String, Path, example = "con_1"), ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = BulkConfirmBody, example = json!({"account_ids": ["a1", "a2"]})),
    responses(
        (status = 200, description = "One result per account", body = BulkConfirmView, example = json!({"confirmed": 1, "refused": 1, "results": [
            {"account_id": "a1", "outcome": "confirmed"},
            {"account_id": "a2", "outcome": "refused", "error": {"code": "company_already_mapped", "detail": "Company 4101 is mapped to the account Blue Kite Ltd (a1)."}}
        ]})),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such connection", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn bulk_confirm(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    body: Body<BulkConfirmBody>,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, MAPPERS, cid)?;
    let body = body.read()?;
    let accounts = body.account_ids;
    if accounts.is_empty() || accounts.len() > BULK_CONFIRM_MAX {
        return Err(Problem::field("/account_ids", format!("must have 1 to {BULK_CONFIRM_MAX} entries")).into());
    }
    let done = mappings::bulk_confirm(call.context(), &accounts).await?;
    let results: Vec<ConfirmResult> = accounts
        .into_iter()
        .zip(done)
        .map(|(account_id, done)| match done {
            Ok(saved) if saved.changed => ConfirmResult { account_id, outcome: ConfirmOutcome::Confirmed, error: None },
            Ok(_) => ConfirmResult { account_id, outcome: ConfirmOutcome::Unchanged, error: None },
            Err(error) => refused(account_id, error),
        })
        .collect();
    let confirmed = results.iter().filter(|r| matches!(r.outcome, ConfirmOutcome::Confirmed)).count();
    let refused = results.iter().filter(|r| r.error.is_some()).count();
    Ok(Json(BulkConfirmView { confirmed, refused, results }))
}

fn refused(account_id: AccountId, error: domain::Error) -> ConfirmResult {
    let error = ApiError::from(error);
    let problem = error.problem();
    let detail = if problem.detail.is_empty() { problem.code.title().to_owned() } else { problem.detail.clone() };
    let field = |e: &domain::problem::FieldError| RefusedField { pointer: e.pointer.clone(), detail: e.detail.clone() };
    let errors = problem.errors.iter().map(field).collect();
    let error = ConfirmError { code: problem.code.as_str(), detail, errors };
    ConfirmResult { account_id, outcome: ConfirmOutcome::Refused, error: Some(error) }
}
