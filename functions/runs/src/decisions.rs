//! A person's word on lines: approve, adjust, dismiss; one, or many at once.

use crate::acts::{StartedRun, started};
use crate::views::RunView;
use crate::{BILLERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::problem::FieldError;
use domain::runs::{self, Chosen, Decide, Decided, DecisionKind, LineState, NO_SUCH_LINE};
use domain::{ConnectionId, Error, Problem, RunId};
use jiff::civil::Date;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, OptionalBody, PathParams, ProblemBody, etag};
use serde::Deserialize;
use utoipa::ToSchema;

/// Why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteBody {
    /// At most 500 characters; stands in the line and in the audit trail.
    #[schema(example = "They hired a whole department.")]
    note: Option<String>,
}

/// What a line becomes instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdjustBody {
    /// Units to write; those of the plan where it is left out.
    #[schema(example = 12)]
    units: Option<i64>,
    /// From when: between the first day of the month before and the last day of the next month, in the connection's
    /// time zone; the plan's date where it is left out.
    #[schema(value_type = Option<String>, format = Date, example = "2026-12-01")]
    effective_date: Option<Date>,
    /// At most 500 characters; stands in the line and in the audit trail.
    #[schema(example = "Two of them are test users.")]
    note: Option<String>,
}

/// Which lines, and what about them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkBody {
    /// Their numbers, at most 500; all that can be decided so where it is left out.
    #[schema(example = json!([3, 7]))]
    lines: Option<Vec<u32>>,
    /// Only lines in this state, such as `held`.
    #[schema(value_type = Option<String>, example = "held")]
    state: Option<LineState>,
    /// `approve`, `adjust` or `dismiss`.
    #[schema(value_type = String, example = "approve")]
    decision: DecisionKind,
    /// As for one line; with `adjust` alone.
    units: Option<i64>,
    /// As for one line; with `adjust` alone.
    #[schema(value_type = Option<String>, format = Date)]
    effective_date: Option<Date>,
    /// At most 500 characters; stands in each line and in the audit trail.
    note: Option<String>,
}

/// Whose lines.
type OfLine = (ConnectionId, RunId, u32);

/// Lets a held line be written
///
/// Of a preview that waits: the line will be written although the guards held it, as long as its units and the units
/// wanted stay as they are; `plan_hash` changes with the plan, so that the hash of before no longer applies it. Of a
/// run that has ended: a new run writes the line at once.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/runs/{rid}/lines/{no}/approve",
    tag = "runs",
    params(("cid" = String, Path), ("rid" = String, Path), ("no" = u32, Path, example = 3), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<NoteBody>,
    responses(
        (status = 200, description = "It stands in the preview", body = RunView, example = examples::planned),
        (status = 202, description = "A new run writes the line", body = StartedRun),
        (status = 400, description = "`invalid_input`: the line cannot be decided so", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`, `second_person_needed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`run_not_writable`; `already_running`, `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn approve_line(
    State(app): State<App>,
    caller: Caller,
    path: PathParams<OfLine>,
    if_match: IfMatch,
    body: OptionalBody<NoteBody>,
) -> Result<Response, ApiError> {
    caller.require(BILLERS)?;
    let note = body.read()?.unwrap_or_default().note;
    one(&app, &caller, path, if_match, decision(DecisionKind::Approve, note)).await
}

/// Leaves a line alone for the period
///
/// No run of this period writes it, whoever starts it; in the next period it comes up again. An approval or an
/// adjustment takes that back.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/runs/{rid}/lines/{no}/dismiss",
    tag = "runs",
    params(("cid" = String, Path), ("rid" = String, Path), ("no" = u32, Path, example = 3), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<NoteBody>,
    responses(
        (status = 200, description = "It stands in the run's line", body = RunView, example = examples::planned),
        (status = 400, description = "`invalid_input`: the line cannot be decided so", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`run_not_writable`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn dismiss_line(
    State(app): State<App>,
    caller: Caller,
    path: PathParams<OfLine>,
    if_match: IfMatch,
    body: OptionalBody<NoteBody>,
) -> Result<Response, ApiError> {
    caller.require(BILLERS)?;
    let note = body.read()?.unwrap_or_default().note;
    one(&app, &caller, path, if_match, decision(DecisionKind::Dismiss, note)).await
}

/// Writes other units, or from another date, than planned
///
/// As an approval; a count that is newer than the adjustment goes before it in later runs.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/runs/{rid}/lines/{no}/adjust",
    tag = "runs",
    params(("cid" = String, Path), ("rid" = String, Path), ("no" = u32, Path, example = 3), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    request_body = AdjustBody,
    responses(
        (status = 200, description = "It stands in the preview", body = RunView, example = examples::planned),
        (status = 202, description = "A new run writes the line", body = StartedRun),
        (status = 400, description = "`invalid_input`, naming every wrong field", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`, `second_person_needed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`run_not_writable`; `already_running`, `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn adjust_line(
    State(app): State<App>,
    caller: Caller,
    path: PathParams<OfLine>,
    if_match: IfMatch,
    body: Body<AdjustBody>,
) -> Result<Response, ApiError> {
    caller.require(BILLERS)?;
    let body = body.read()?;
    let wanted =
        Decide { units: body.units, effective_date: body.effective_date, ..decision(DecisionKind::Adjust, body.note) };
    one(&app, &caller, path, if_match, wanted).await
}

/// Decides about many lines at once
///
/// All of them or none: every number that cannot be decided so is named. Lines of a run that has ended are written by
/// one new run.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/runs/{rid}/lines/bulk",
    tag = "runs",
    params(("cid" = String, Path), ("rid" = String, Path), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = BulkBody, example = json!({"lines": [3, 7], "decision": "approve", "note": "Checked with the client."})),
    responses(
        (status = 200, description = "It stands in the run's lines", body = RunView, example = examples::planned),
        (status = 202, description = "A new run writes the lines", body = StartedRun),
        (status = 400, description = "`invalid_input`, naming every wrong field and number", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`, `second_person_needed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`run_not_writable`; `already_running`, `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn decide_lines(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, rid)): PathParams<(ConnectionId, RunId)>,
    IfMatch(if_match): IfMatch,
    body: Body<BulkBody>,
) -> Result<Response, ApiError> {
    caller.require(BILLERS)?;
    let body = body.read()?;
    let wanted = Decide {
        lines: Chosen { numbers: body.lines, state: body.state },
        units: body.units,
        effective_date: body.effective_date,
        ..decision(body.decision, body.note)
    };
    let of = (caller.partner()?, &cid, &rid);
    Ok(answer(runs::decide(&app.ports, &caller.scope()?, caller.actor(), of, &wanted, if_match).await?))
}

fn decision(kind: DecisionKind, note: Option<String>) -> Decide {
    let note = note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
    Decide { lines: Chosen::default(), kind, units: None, effective_date: None, note }
}

async fn one(
    app: &App,
    caller: &Caller,
    PathParams((cid, rid, no)): PathParams<OfLine>,
    IfMatch(if_match): IfMatch,
    wanted: Decide,
) -> Result<Response, ApiError> {
    let wanted = Decide { lines: Chosen { numbers: Some(vec![no]), state: None }, ..wanted };
    let of = (caller.partner()?, &cid, &rid);
    let said = runs::decide(&app.ports, &caller.scope()?, caller.actor(), of, &wanted, if_match).await;
    Ok(answer(said.map_err(of_one)?))
}

fn answer(said: Decided) -> Response {
    match said {
        Decided::Here(run) => (etag(run.v), Json(RunView::from(&run.value))).into_response(),
        Decided::Queued(run) => started(&run).into_response(),
    }
}

/// A refusal of a line that stands in the path, not in a list.
fn of_one(error: Error) -> Error {
    let Error::Problem(problem) = &error else { return error };
    if problem.errors.iter().any(|wrong| wrong.pointer == "/lines/0" && wrong.detail.ends_with(NO_SUCH_LINE)) {
        return Error::not_found("line");
    }
    let place = |wrong: &FieldError| match wrong.pointer.as_str() {
        "/lines/0" => FieldError { pointer: String::new(), ..wrong.clone() },
        _ => wrong.clone(),
    };
    Problem::fields(problem.errors.iter().map(place).collect()).map_or(error, Into::into)
}
