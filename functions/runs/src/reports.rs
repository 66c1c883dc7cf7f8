//! Runs: a list, and one.

use crate::views::RunView;
use crate::{READERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::runs::{self, LineFilter, RunFilter, RunKind, RunState};
use domain::{ConnectionId, RunId};
use runtime::edge::{ApiError, Caller, Paging, Params, PathParams, ProblemBody, etag};
use runtime::{App, cursor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Names the listing in its cursors.
const ROUTE: &str = "/v1/connections/{cid}/runs";

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunsQuery {
    /// Only `seat_sync`, `initial`, `package_changes`, `undo`, `auto_map` or `csv_import`.
    #[param(value_type = Option<String>)]
    kind: Option<RunKind>,
    /// Only in this state.
    #[param(value_type = Option<String>)]
    status: Option<RunState>,
    /// Rows of the page, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of runs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunsPage {
    items: Vec<RunView>,
    /// Where the next page begins; null on the last one. With a filter a page may be short, or empty, and not the
    /// last.
    next_cursor: Option<String>,
}

/// A run with what its lines come to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunDetailView {
    #[serde(flatten)]
    run: RunView,
    /// The settings it was planned with.
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
}

/// What a cursor of the list says: where, and of which list.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Position {
    connection: ConnectionId,
    kind: Option<RunKind>,
    status: Option<RunState>,
    after: String,
}

/// Runs of the connection, newest first
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/runs",
    tag = "runs",
    params(("cid" = String, Path), RunsQuery),
    responses(
        (status = 200, description = "A page", body = RunsPage, example = examples::runs),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_runs(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    query: Params<RunsQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let query = query.read()?;
    let limit = Paging::limit_of(query.limit)?;
    let at = |after| Position { connection: cid.clone(), kind: query.kind, status: query.status, after };
    let after = match &query.cursor {
        Some(text) => Some(position(&app, &caller, text, &at)?),
        None => None,
    };
    let filter = RunFilter { kind: query.kind, state: query.status };
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let (found, next) = runs::list_runs(&app.ports, &scope, partner, &cid, filter, limit, after).await?;
    let next_cursor = next.map(|after| cursor::encode(&app, &caller, ROUTE, &at(after))).transpose()?;
    let items = found.iter().map(|run| RunView::from(&run.value)).collect();
    Ok(Json(RunsPage { items, next_cursor }))
}

/// The position of a cursor that was given to this very list.
fn position(app: &App, caller: &Caller, text: &str, at: &impl Fn(String) -> Position) -> Result<String, ApiError> {
    let position: Position = cursor::decode(app, caller, ROUTE, text)?;
    if position == at(position.after.clone()) { Ok(position.after) } else { Err(crate::lines::foreign_cursor()) }
}

/// A run, with its settings, totals and money estimate
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/runs/{rid}",
    tag = "runs",
    params(("cid" = String, Path), ("rid" = String, Path)),
    responses(
        (status = 200, description = "The run; its version in `ETag`", body = RunDetailView, example = examples::run),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_run(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, rid)): PathParams<(ConnectionId, RunId)>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let run = runs::load_run(&app.ports, &scope, partner, &cid, &rid).await?;
    let lines = runs::run_lines(&app.ports, &scope, partner, &cid, &rid, &LineFilter::default()).await?.1;
    let settings = run.settings.as_ref().map(serde_json::to_value).transpose().map_err(ApiError::internal)?;
    let estimated = RunView::from(&run.value).estimated(runs::invoice_change(&lines));
    let view = RunDetailView { run: estimated, settings };
    Ok((etag(run.v), Json(view)))
}
