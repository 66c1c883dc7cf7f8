//! A client's lines of a day, for support.

use crate::views::RunLineView;
use crate::{SUPPORT, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::Problem;
use domain::runs::{self, FOUND_MAX, FoundLine, RunMode, RunState, Trigger};
use jiff::Timestamp;
use jiff::civil::Date;
use runtime::App;
use runtime::edge::{ApiError, Caller, Params, ProblemBody};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Longest part of a name, in characters.
const CLIENT_CHARS_MAX: usize = 100;

/// Whose lines of which day.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FindLinesQuery {
    /// A part of the account's or the company's name, whatever its case.
    #[param(example = "umbrella")]
    client: String,
    /// The day on which a run was started or due, or from which its units count, in the connection's time zone.
    #[param(value_type = String, format = Date, example = "2026-12-01")]
    date: Date,
}

/// Lines that were found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundLinesView {
    /// Those of the newest run first.
    items: Vec<FoundLineView>,
    /// Whether there were more than 200 lines or 100 runs.
    truncated: bool,
}

/// A line with its run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundLineView {
    /// The connection.
    connection_id: String,
    /// The run.
    run_id: String,
    /// `preview` or `apply`.
    #[schema(value_type = String)]
    run_mode: RunMode,
    /// Where the run stands.
    #[schema(value_type = String)]
    run_status: RunState,
    /// Why the run was started.
    #[schema(value_type = String)]
    run_trigger: Trigger,
    /// When the run was started.
    #[schema(value_type = String, format = DateTime)]
    run_created_at: Timestamp,
    /// Where the run can be read.
    status_url: String,
    #[serde(flatten)]
    line: RunLineView,
}

impl From<&FoundLine> for FoundLineView {
    fn from(found: &FoundLine) -> Self {
        let run = &found.run;
        Self {
            connection_id: run.connection.to_string(),
            run_id: run.id.to_string(),
            run_mode: run.mode,
            run_status: run.state,
            run_trigger: run.trigger.clone(),
            run_created_at: run.created_at,
            status_url: run.status_url(),
            line: (&found.line).into(),
        }
    }
}

/// Lines of a client in the runs of a day
///
/// The partner is named by `X-Partner-Id`.
#[utoipa::path(
    get,
    path = "/v1/vendor/lines",
    tag = "runs",
    params(("X-Partner-Id" = String, Header), FindLinesQuery),
    responses(
        (status = 200, description = "What was found", body = FoundLinesView, example = examples::found_lines),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn find_lines(
    State(app): State<App>,
    caller: Caller,
    query: Params<FindLinesQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(SUPPORT)?;
    let query = query.read()?;
    let client = query.client.trim();
    if client.is_empty() || client.chars().count() > CLIENT_CHARS_MAX {
        return Err(Problem::field("client", format!("must have 1 to {CLIENT_CHARS_MAX} characters")).into());
    }
    let found = runs::search_lines(&app.ports, &caller.scope()?, caller.partner()?, client, query.date).await?;
    debug_assert!(found.lines.len() <= FOUND_MAX);
    Ok(Json(FoundLinesView { items: found.lines.iter().map(Into::into).collect(), truncated: found.truncated }))
}
