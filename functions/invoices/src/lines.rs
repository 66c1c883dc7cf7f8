//! An invoice's lines.

use crate::views::LineView;
use crate::{examples, foreign_cursor};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::ConnectionId;
use domain::invoices;
use runtime::edge::{ApiError, Caller, Paging, Params, PathParams, ProblemBody, READERS};
use runtime::{App, cursor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Names the listing in its cursors.
const ROUTE: &str = "/v1/connections/{cid}/invoices/{iid}/lines";

/// A page of lines, in Autotask's order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinesPage {
    items: Vec<LineView>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// What a cursor of the lines says: where, and of which set of lines.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Position {
    connection: ConnectionId,
    invoice: i64,
    set: String,
    from: usize,
}

/// Lines of an invoice
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/invoices/{iid}/lines",
    tag = "invoices",
    params(("cid" = String, Path), ("iid" = i64, Path, description = "`Invoices.id`"), Paging),
    responses(
        (status = 200, description = "A page", body = LinesPage, example = examples::lines),
        (status = 400, description = "`invalid_input`; also for a cursor of lines that have changed since", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_lines(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, iid)): PathParams<(ConnectionId, i64)>,
    query: Params<Paging>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let query = query.read()?;
    let limit = usize::try_from(query.limit()?).unwrap_or(usize::MAX);
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let invoice = invoices::load_invoice(&app.ports, &scope, partner, &cid, iid).await?;
    let at = |from| Position { connection: cid.clone(), invoice: iid, set: invoice.lines.set.clone(), from };
    let from = match &query.cursor {
        Some(text) => {
            let position: Position = cursor::decode(&app, &caller, ROUTE, text)?;
            if position != at(position.from) {
                return Err(foreign_cursor());
            }
            position.from
        }
        None => 0,
    };
    let lines = invoices::load_lines(&app.ports, &scope, &invoice, from, limit).await?;
    let next = from + lines.len();
    let more = !lines.is_empty() && u32::try_from(next).is_ok_and(|next| next < invoice.lines.count);
    let next_cursor = if more { Some(cursor::encode(&app, &caller, ROUTE, &at(next))?) } else { None };
    Ok(Json(LinesPage { items: lines.into_iter().map(LineView::from).collect(), next_cursor }))
}
