//! `GET /v1/connections/{cid}/mappings.csv` and `POST /v1/connections/{cid}/mappings/import`.

use crate::views::RunStarted;
use crate::{Call, MAPPERS, PICKERS};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::ConnectionId;
use domain::mappings::{self, ImportOutcome, ImportRow};
use http::{HeaderName, HeaderValue, StatusCode, header};
use runtime::App;
use runtime::edge::{ApiError, Caller, CsvBody, Params, PathParams, ProblemBody};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Headers of a file that is saved and never shown as a page.
const FILE_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
    (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"mappings.csv\"")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// All accounts with their mappings, as CSV
///
/// One row per package with a line or a contract of its own (`line_contract_id`), one for an account without. A cell that a spreadsheet would take for a formula begins
/// with an apostrophe; an import takes it away again.
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/mappings.csv",
    tag = "map",
    params(("cid" = String, Path, example = "con_1")),
    responses(
        (status = 200, description = "The file", body = String, content_type = "text/csv", example = "account_id,account_name,status,company_id,company_name,contract_id,contract_name,package_id,line_kind,contract_service_id,service_name,overwrite_cost,source,line_contract_id\na1,Blue Kite Ltd,confirmed,4101,Blue Kite Ltd,3300,Managed services 2026,training,service,789,Security Awareness Training,,manual,\n"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn export_mappings(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, PICKERS, cid)?;
    Ok((FILE_HEADERS, mappings::export(call.context()).await?))
}

/// Whether to try only.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportParams {
    /// Say what would happen, and do nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Why an account's rows are refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportError {
    #[schema(example = "contract_not_recurring")]
    code: &'static str,
    detail: String,
}

/// What an import would do for one account.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportRowView {
    /// As it stands in the file.
    #[schema(example = "a1")]
    account_id: String,
    /// Line numbers of its rows; the header is line 1.
    #[schema(example = json!([2]))]
    lines: Vec<u64>,
    /// `saved`, `excluded`, `unchanged`, `skipped` or `refused`.
    #[schema(value_type = String, example = "saved")]
    outcome: ImportOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ImportError>,
}

impl From<ImportRow> for ImportRowView {
    fn from(row: ImportRow) -> Self {
        let error = row.error.map(|(code, detail)| ImportError { code: code.as_str(), detail });
        Self { account_id: row.account, lines: row.at, outcome: row.outcome, error }
    }
}

/// What an import would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunView {
    /// Accounts whose rows are refused.
    refused: usize,
    /// One per account, in the file's order.
    results: Vec<ImportRowView>,
}

/// Saves mappings from a CSV file, as a run
///
/// `text/csv` as `mappings.csv` gives it, at most 1 MiB and 5,000 rows; `account_id` and `company_id` are required, names
/// are not read. All rows of an account are taken together or not at all, and what is taken is confirmed. Rows that say
/// `unmapped`, `suggested` or `broken` are left alone. With `dry_run=true` it answers 200 and does nothing.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/mappings/import",
    tag = "map",
    params(("cid" = String, Path, example = "con_1"), ImportParams, ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = String, content_type = "text/csv", example = "account_id,company_id,contract_id,package_id,contract_service_id\na1,4101,3300,training,789\n"),
    responses(
        (status = 200, description = "What would happen (`dry_run=true`)", body = DryRunView, example = json!({"refused": 1, "results": [
            {"account_id": "a1", "lines": [2], "outcome": "saved"},
            {"account_id": "a2", "lines": [3], "outcome": "refused", "error": {"code": "contract_not_recurring", "detail": "The contract's type is Fixed Price."}}
        ]})),
        (status = 202, description = "The run has begun; its `outcome` has the counts and the refused rows", body = RunStarted, example = json!({"run_id": "0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e", "status_url": "/v1/connections/con_1/runs/0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e"})),
        (status = 400, description = "`invalid_input`: the file cannot be read", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`payload_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn import_mappings(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    params: Params<ImportParams>,
    text: CsvBody,
) -> Result<Response, ApiError> {
    let call = Call::new(app, &caller, MAPPERS, cid)?;
    let params = params.read()?;
    let text = text.read()?;
    if params.dry_run {
        let rows = mappings::dry_run(call.context(), &text).await?;
        let results: Vec<ImportRowView> = rows.into_iter().map(ImportRowView::from).collect();
        let refused = results.iter().filter(|r| r.error.is_some()).count();
        return Ok(Json(DryRunView { refused, results }).into_response());
    }
    let run = mappings::start_import(call.context(), &text).await?;
    let started = RunStarted::from(&run);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, run.status_url())], Json(started)).into_response())
}
