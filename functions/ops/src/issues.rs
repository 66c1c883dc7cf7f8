//! Issues: a list, and one.

use crate::views::IssueView;
use crate::{examples, foreign_cursor};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::issues::{self, After, IssueFilter, IssueState, Places};
use domain::{Code, ConnectionId, Problem};
use runtime::edge::{ApiError, Caller, Paging, Params, PathParams, ProblemBody, READERS};
use runtime::{App, cursor};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Names the listing in its cursors.
const ROUTE: &str = "/v1/connections/{cid}/issues";
/// Longest subject that is looked for, in characters.
const SUBJECT_CHARS_MAX: usize = 300;

/// Which issues.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct IssuesQuery {
    /// Only in these states, with commas between: `open`, `acknowledged`, `ignored`, `dismissed`, `resolved`.
    #[param(example = "open,acknowledged")]
    state: Option<String>,
    /// Only of this code.
    #[param(value_type = Option<String>, example = "held_zero")]
    code: Option<Code>,
    /// Only on this subject and what is below it.
    #[param(example = "account/acc_0007")]
    subject: Option<String>,
    /// Rows of the page, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of issues, those that were opened last first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssuesPage {
    items: Vec<IssueView>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// What a cursor of the list says: where, and of which list.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Position {
    connection: ConnectionId,
    filter: IssueFilter,
    after: After,
}

/// What is wrong: each thing once, with its effect on billing, its fix and where it lies
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/issues",
    tag = "ops",
    params(("cid" = String, Path), IssuesQuery),
    responses(
        (status = 200, description = "A page", body = IssuesPage, example = examples::issues),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_issues(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    query: Params<IssuesQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let query = query.read()?;
    let limit = usize::try_from(Paging::limit_of(query.limit)?).unwrap_or(usize::MAX);
    let filter = filter_of(&query)?;
    let after = match &query.cursor {
        Some(text) => {
            let position: Position = cursor::decode(&app, &caller, ROUTE, text)?;
            if position.connection != cid || position.filter != filter {
                return Err(foreign_cursor());
            }
            Some(position.after)
        }
        None => None,
    };
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let listed = issues::list(&app.ports, &scope, of, &filter, limit, after.as_ref()).await?;
    let places = Places::load(&app.ports, &scope, of, &listed.issues).await?;
    let at = |after| Position { connection: cid.clone(), filter: filter.clone(), after };
    let next_cursor = listed.next.map(|after| cursor::encode(&app, &caller, ROUTE, &at(after))).transpose()?;
    let view = |issue| {
        let place = places.of(&issue);
        IssueView::of(issue, place)
    };
    Ok(Json(IssuesPage { items: listed.issues.into_iter().map(view).collect(), next_cursor }))
}

fn filter_of(query: &IssuesQuery) -> Result<IssueFilter, ApiError> {
    let mut states = Vec::new();
    for text in query.state.iter().flat_map(|states| states.split(',')) {
        let found = IssueState::ALL.into_iter().find(|state| state.as_str() == text.trim());
        let known = IssueState::ALL.map(IssueState::as_str).join("`, `");
        states.push(found.ok_or_else(|| Problem::field("state", format!("must be some of `{known}`")))?);
    }
    if query.subject.as_ref().is_some_and(|subject| subject.chars().count() > SUBJECT_CHARS_MAX) {
        return Err(Problem::field("subject", format!("must have at most {SUBJECT_CHARS_MAX} characters")).into());
    }
    Ok(IssueFilter { states, code: query.code, subject: query.subject.clone().filter(|subject| !subject.is_empty()) })
}

/// One issue
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/issues/{issue}",
    tag = "ops",
    params(("cid" = String, Path), ("issue" = String, Path, description = "Its `id`")),
    responses(
        (status = 200, description = "The issue", body = IssueView, example = examples::issue),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_issue(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, name)): PathParams<(ConnectionId, String)>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let issue = issues::get(&app.ports, &scope, of, &name).await?;
    let place = Places::load(&app.ports, &scope, of, std::slice::from_ref(&issue)).await?.of(&issue);
    Ok(Json(IssueView::of(issue, place)))
}
