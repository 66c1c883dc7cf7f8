//! Ready for the 1st: `GET C/health`, `POST C/health/run`.

use crate::{BILLERS, READERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::ConnectionId;
use domain::health::{self, Finding, HealthReport, Severity};
use domain::issues::Fix;
use jiff::Timestamp;
use runtime::App;
use runtime::edge::{ApiError, Caller, PathParams, ProblemBody};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Whether everything is ready for the next run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadinessView {
    /// When it was looked at; null before the first time, and then all else is, too.
    #[schema(value_type = Option<String>, format = DateTime)]
    checked_at: Option<Timestamp>,
    /// When the run that it looks ahead to is due; null where none is due by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    slot: Option<Timestamp>,
    /// Share of billable lines that nothing blocks, 0 to 100, rounded down.
    #[schema(example = 96)]
    score: Option<u8>,
    counts: ReadinessCountsView,
    /// Blocking ones first; at most 500.
    findings: Vec<ReadinessFindingView>,
    /// Findings that are counted and not listed.
    findings_left_out: u32,
    /// Accounts whose mappings were not looked at in Autotask: a check that somebody waits for looks at 2,000.
    accounts_left_out: u32,
    /// Calls made to Autotask.
    autotask_calls: u32,
}

/// How much of what.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ReadinessCountsView {
    /// Lines that the run is to write.
    lines: u32,
    /// Lines that nothing blocks.
    ready: u32,
    /// Blocking findings.
    blocking: u32,
    /// Other findings.
    warnings: u32,
}

/// Something that stands in the way of the next run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadinessFindingView {
    #[schema(example = "contract_ending")]
    code: &'static str,
    subject: ReadinessSubjectView,
    /// What is wrong, in words.
    words: String,
    /// What it means for billing.
    effect: &'static str,
    /// What to do.
    action: &'static str,
    /// The call that puts it right, where one does.
    fix: Option<FixView>,
    /// `blocking`: a line, or the whole run, would not be written; or `warning`.
    #[schema(value_type = String, example = "blocking")]
    severity: Severity,
}

/// What a finding is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadinessSubjectView {
    /// `connection`, `permission`, `setting`, `account`, `line`, `package`, `package_change` or `run`.
    #[schema(example = "account")]
    kind: String,
    #[schema(example = "acc_0007")]
    id: String,
    #[schema(example = "Umbrella")]
    name: Option<String>,
}

/// A call of this API.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FixView {
    #[schema(example = "PUT")]
    method: String,
    #[schema(example = "/v1/connections/con_1/company-mappings/acc_0007")]
    path: String,
    /// Its body; null where it has none, or where only a person can say what goes into it.
    #[schema(value_type = Option<Object>)]
    body: Value,
    /// Before this day it would be too early.
    #[schema(value_type = Option<String>, format = Date)]
    not_before: Option<jiff::civil::Date>,
}

impl From<Fix> for FixView {
    fn from(fix: Fix) -> Self {
        let Fix { method, path, body, not_before } = fix;
        Self { method, path, body, not_before }
    }
}

impl From<Finding> for ReadinessFindingView {
    fn from(finding: Finding) -> Self {
        let Finding { code, about, words, severity, fix, subject: _ } = finding;
        Self {
            code: code.as_str(),
            subject: ReadinessSubjectView { kind: about.kind, id: about.id, name: about.name },
            words,
            effect: code.effect(),
            action: code.action(),
            fix: fix.map(Into::into),
            severity,
        }
    }
}

impl ReadinessView {
    fn of(report: Option<HealthReport>) -> Self {
        let Some(report) = report else {
            return Self {
                checked_at: None,
                slot: None,
                score: None,
                counts: ReadinessCountsView::default(),
                findings: Vec::new(),
                findings_left_out: 0,
                accounts_left_out: 0,
                autotask_calls: 0,
            };
        };
        let HealthReport { lines, ready, blocking, warnings, .. } = report;
        Self {
            checked_at: Some(report.checked_at),
            slot: report.slot,
            score: Some(report.score),
            counts: ReadinessCountsView { lines, ready, blocking, warnings },
            findings: report.findings.into_iter().map(Into::into).collect(),
            findings_left_out: report.findings_left_out,
            accounts_left_out: report.accounts_left_out,
            autotask_calls: report.autotask_calls,
        }
    }
}

/// Whether everything is ready for the next run: the newest check
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/health",
    tag = "runs",
    params(("cid" = String, Path)),
    responses(
        (status = 200, description = "The newest check; empty before the first", body = ReadinessView, example = examples::health),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_health(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let report = health::newest(&app.ports, &caller.scope()?, caller.partner()?, &cid).await?;
    Ok(Json(ReadinessView::of(report)))
}

/// Checks now whether everything is ready for the next run
///
/// Reads Autotask and writes nothing there.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/health/run",
    tag = "runs",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "Checked", body = ReadinessView, example = examples::health),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: other checks are under way", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`, `throttled`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn run_health(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(BILLERS)?;
    let report = health::check_now(&app.ports, &caller.scope()?, caller.actor(), caller.partner()?, &cid).await?;
    Ok(Json(ReadinessView::of(Some(report))))
}
