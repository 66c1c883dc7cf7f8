//! Start, apply, cancel, retry.

use crate::views::RunView;
use crate::{BILLERS, RETRIERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::runs::{self, Run, RunKind, RunMode, StartRun, Trigger};
use domain::{AccountId, ConnectionId, Problem, RunId};
use http::{HeaderName, StatusCode, header};
use jiff::civil::Date;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, OptionalBody, PathParams, ProblemBody, etag};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;

/// What to run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartRunBody {
    /// `seat_sync`: counts become units. `initial`: every package of the accounts gets its line. `package_changes`:
    /// all package changes that are pending, also those told while automatic sync was off (*Sync now*).
    #[schema(value_type = String, example = "seat_sync")]
    kind: RunKind,
    /// `preview` plans and writes nothing; `apply` plans and writes.
    #[schema(value_type = String, example = "preview")]
    mode: RunMode,
    /// What to look at; everything where it is left out.
    scope: Option<RunScope>,
    /// From when units count: between the first day of the month before and the last day of the next month, in the
    /// connection's time zone. Where it is left out: the first of the present month for a seat sync, and each line's
    /// own day by the settings' `effective_date` for the other kinds.
    #[schema(value_type = Option<String>, format = Date, example = "2026-12-01")]
    effective_date: Option<Date>,
}

/// What a run looks at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunScope {
    /// Only these accounts; their mappings must be confirmed.
    #[schema(value_type = Option<Vec<String>>, example = json!(["acc_0007"]))]
    accounts: Option<Vec<AccountId>>,
}

/// Which plan is applied.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyRunBody {
    /// The `plan_hash` of the preview that a person has seen.
    #[schema(example = "9f2c7d0e5a1b4c3d8e6f7a9b0c1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5")]
    plan_hash: String,
}

/// Why lines are retried.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryRunBody {
    /// For the audit trail; vendor roles must give one.
    #[schema(example = "The partner corrected contract 881; ticket 4711.")]
    reason: Option<String>,
}

/// A run that is under way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StartedRun {
    /// Its id.
    #[schema(example = "0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012")]
    run_id: String,
    /// Where its state can be read.
    #[schema(
        example = "/v1/connections/con_0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e/runs/0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012"
    )]
    status_url: String,
}

impl From<&Run> for StartedRun {
    fn from(run: &Run) -> Self {
        Self { run_id: run.id.to_string(), status_url: run.status_url() }
    }
}

pub(crate) fn started(run: &Run) -> (StatusCode, [(HeaderName, String); 1], Json<StartedRun>) {
    (StatusCode::ACCEPTED, [(header::LOCATION, run.status_url())], Json(run.into()))
}

/// Starts a run, as a preview or to be applied at once
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/runs",
    tag = "runs",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = StartRunBody, example = json!({"kind": "seat_sync", "mode": "preview", "scope": {"accounts": ["acc_0007"]}, "effective_date": "2026-12-01"})),
    responses(
        (status = 202, description = "Started; a worker takes it up", body = StartedRun),
        (status = 400, description = "`invalid_input`, naming the fields", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`already_running` with `run_id` and `status_url`; `initial_sync_not_ready`, naming in `missing` what is to be mapped; `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn start_run(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    body: Body<StartRunBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(BILLERS)?;
    let body = body.read()?;
    let wanted = StartRun {
        accounts: body.scope.and_then(|scope| scope.accounts),
        effective_date: body.effective_date,
        ..StartRun::of_kind(body.kind, body.mode, Trigger::Manual)
    };
    let run = runs::start(&app.ports, &caller.scope()?, caller.actor(), caller.partner()?, &cid, wanted).await?;
    Ok(started(&run))
}

/// Applies a preview
///
/// Counts and Autotask are looked at once more: the plan must still fit, and be less than 24 hours old. Applying
/// twice is applying once.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/runs/{rid}/apply",
    tag = "runs",
    params(("cid" = String, Path), ("rid" = String, Path), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    request_body = ApplyRunBody,
    responses(
        (status = 202, description = "It is queued to be written", body = StartedRun),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`; `second_person_needed`: you started the run, or decided about its lines", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`plan_stale`, naming in `lines` what differs; `already_running`, `run_not_writable`, `run_stopped`, `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`, `throttled`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn apply_run(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, rid)): PathParams<(ConnectionId, RunId)>,
    IfMatch(if_match): IfMatch,
    body: Body<ApplyRunBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(BILLERS)?;
    let body = body.read()?;
    let of = (caller.partner()?, &cid, &rid);
    let run = runs::apply(&app.ports, &caller.scope()?, caller.actor(), of, &body.plan_hash, if_match).await?;
    let (status, location, view) = started(&run);
    Ok((status, etag(run.v), location, view))
}

/// Cancels a run
///
/// One that nobody has begun, or a preview that waits, at once. One that is under way sends nothing more, finishes
/// what is open and then ends: `cancel_requested`.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/runs/{rid}/cancel",
    tag = "runs",
    params(("cid" = String, Path), ("rid" = String, Path), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "Cancelled, or asked to stop", body = RunView, example = examples::cancelled),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`run_not_writable`: it has ended", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn cancel_run(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, rid)): PathParams<(ConnectionId, RunId)>,
    IfMatch(if_match): IfMatch,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(BILLERS)?;
    let of = (caller.partner()?, &cid, &rid);
    let run = runs::cancel(&app.ports, &caller.scope()?, caller.actor(), of, if_match).await?;
    Ok((etag(run.v), Json(RunView::from(&run.value))))
}

/// Starts a new run over the accounts whose lines failed, are held or unverified
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/runs/{rid}/retry-failed",
    tag = "runs",
    params(("cid" = String, Path), ("rid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<RetryRunBody>,
    responses(
        (status = 202, description = "A new run is started", body = StartedRun),
        (status = 400, description = "`invalid_input`: vendor roles must give a reason", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`run_not_writable`: there is nothing to retry, or it is under way; `already_running`, `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn retry_failed(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, rid)): PathParams<(ConnectionId, RunId)>,
    body: OptionalBody<RetryRunBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(RETRIERS)?;
    let body = body.read()?;
    let reason = reason_of(&caller, body.unwrap_or_default())?;
    let of = (caller.partner()?, &cid, &rid);
    let run = runs::retry_failed(&app.ports, &caller.scope()?, caller.actor(), of, reason).await?;
    Ok(started(&run))
}

fn reason_of(caller: &Caller, body: RetryRunBody) -> Result<Option<String>, ApiError> {
    let reason = body.reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX) {
        return Err(Problem::field("/reason", format!("must have at most {REASON_CHARS_MAX} characters")).into());
    }
    if reason.is_none() && !caller.role().is_partner() {
        return Err(
            Problem::field("/reason", "is required of your role: it stands in the partner's audit trail").into()
        );
    }
    Ok(reason)
}
