//! Take back what a run wrote.

use crate::BILLERS;
use crate::acts::{StartedRun, started};
use axum::extract::State;
use axum::response::IntoResponse;
use domain::runs::{self, RunMode, Undo};
use domain::{ConnectionId, RunId};
use runtime::App;
use runtime::edge::{ApiError, Caller, OptionalBody, PathParams, ProblemBody};
use serde::Deserialize;
use utoipa::ToSchema;

/// What to take back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UndoBody {
    /// The numbers of the lines; everything that the run wrote where it is left out.
    #[schema(example = json!([1, 2]))]
    lines: Option<Vec<u32>>,
    /// `apply` writes at once, `preview` waits to be applied; `apply` where it is left out.
    #[schema(value_type = Option<String>, example = "apply")]
    mode: Option<RunMode>,
    /// At most 500 characters; stands in the audit trail.
    #[schema(example = "Counts of the day before.")]
    note: Option<String>,
}

/// Takes back what a run wrote, as a run of its own
///
/// Each line gets the units that it had before the run, from the same date, by an opposite change; where the run wrote
/// a unit cost, the old one. A line that has moved since is left alone (`line_moved`), and so is one whose period is
/// posted by now (`period_already_billed`). Undoing twice is undoing once.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/runs/{rid}/undo",
    tag = "runs",
    params(("cid" = String, Path), ("rid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<UndoBody>,
    responses(
        (status = 202, description = "A new run is started", body = StartedRun),
        (status = 400, description = "`invalid_input`, naming every number of a line that the run did not change", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`, `second_person_needed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`run_not_writable`: a preview, under way, or there is nothing to undo; `already_running`, `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn undo_run(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, rid)): PathParams<(ConnectionId, RunId)>,
    body: OptionalBody<UndoBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(BILLERS)?;
    let body = body.read()?.unwrap_or_default();
    let note = body.note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
    let wanted = Undo { lines: body.lines, mode: body.mode.unwrap_or(RunMode::Apply), note };
    let of = (caller.partner()?, &cid, &rid);
    let run = runs::undo(&app.ports, &caller.scope()?, caller.actor(), of, &wanted).await?;
    Ok(started(&run))
}
