//! A run's lines, as JSON in pages and as CSV in one piece.

use crate::views::RunLineView;
use crate::{READERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::runs::{self, LineFilter, LineState};
use domain::{AccountId, ConnectionId, Problem, RunId};
use http::{HeaderName, header};
use runtime::edge::{ApiError, Caller, Paging, Params, PathParams, ProblemBody};
use runtime::{App, cursor};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Names the listing in its cursors.
const ROUTE: &str = "/v1/connections/{cid}/runs/{rid}/lines";
/// The media type of CSV, header line included (RFC 4180).
const CSV: &str = "text/csv; charset=utf-8; header=present";

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LinesQuery {
    /// Only in this state: `changed`, `unchanged`, `held`, `failed`, `skipped`, `superseded`, `unverified`.
    #[param(value_type = Option<String>)]
    state: Option<LineState>,
    /// Only of this account.
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
    /// Rows of the page, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which lines go into the file.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LinesCsvQuery {
    /// Only in this state.
    #[param(value_type = Option<String>)]
    state: Option<LineState>,
    /// Only of this account.
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
}

/// A page of lines, in the plan's order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunLinesPage {
    items: Vec<RunLineView>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// What a cursor of the lines says: where, and of which list.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Position {
    connection: ConnectionId,
    run: RunId,
    state: Option<LineState>,
    account: Option<AccountId>,
    after: u32,
}

/// Lines of a run: what was, what is wanted, what was sent and seen, or why not
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/runs/{rid}/lines",
    tag = "runs",
    params(("cid" = String, Path), ("rid" = String, Path), LinesQuery),
    responses(
        (status = 200, description = "A page", body = RunLinesPage, example = examples::lines),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_lines(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, rid)): PathParams<(ConnectionId, RunId)>,
    query: Params<LinesQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let query = query.read()?;
    let limit = usize::try_from(Paging::limit_of(query.limit)?).unwrap_or(usize::MAX);
    let at = |after| Position {
        connection: cid.clone(),
        run: rid.clone(),
        state: query.state,
        account: query.account.clone(),
        after,
    };
    let after = match &query.cursor {
        Some(text) => position(&app, &caller, text, &at)?,
        None => 0,
    };
    let filter = LineFilter { state: query.state, account: query.account.clone() };
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let (_, lines) = runs::run_lines(&app.ports, &scope, partner, &cid, &rid, &filter).await?;
    let mut rest = lines.iter().filter(|line| line.no > after).peekable();
    let items: Vec<RunLineView> = rest.by_ref().take(limit).map(Into::into).collect();
    let more = rest.peek().is_some();
    let last = items.last().filter(|_| more).map(RunLineView::no);
    let next_cursor = last.map(|no| cursor::encode(&app, &caller, ROUTE, &at(no))).transpose()?;
    Ok(Json(RunLinesPage { items, next_cursor }))
}

fn position(app: &App, caller: &Caller, text: &str, at: &impl Fn(u32) -> Position) -> Result<u32, ApiError> {
    let position: Position = cursor::decode(app, caller, ROUTE, text)?;
    if position == at(position.after) { Ok(position.after) } else { Err(foreign_cursor()) }
}

/// A cursor that was given to another list, or to this one with other filters.
pub(crate) fn foreign_cursor() -> ApiError {
    Problem::field("cursor", "was given to another list, or with other filters; start without one").into()
}

/// Lines of a run as CSV, all of them in one file
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/runs/{rid}/lines.csv",
    tag = "runs",
    params(("cid" = String, Path), ("rid" = String, Path), LinesCsvQuery),
    responses(
        (status = 200, description = "RFC 4180, with a header line", body = String, content_type = "text/csv", example = examples::lines_csv),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn lines_csv(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, rid)): PathParams<(ConnectionId, RunId)>,
    query: Params<LinesCsvQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let query = query.read()?;
    let filter = LineFilter { state: query.state, account: query.account };
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let (run, lines) = runs::run_lines(&app.ports, &scope, partner, &cid, &rid, &filter).await?;
    Ok((file(&format!("run-{}.csv", run.id)), runs::lines_csv(&run, &lines)))
}

/// The headers of a CSV file that a browser saves under this name.
pub(crate) fn file(name: &str) -> [(HeaderName, String); 2] {
    [(header::CONTENT_TYPE, CSV.to_owned()), (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))]
}
