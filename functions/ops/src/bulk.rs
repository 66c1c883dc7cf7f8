//! Many issues at once.

use crate::reason::actor_for;
use crate::views::outcome;
use crate::{DECIDERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::issues::{self, Acted, Action, BULK_MAX, Chosen, Retried};
use domain::{Code, ConnectionId, Problem};
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, PathParams, ProblemBody};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Which issues, and what about them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecideIssuesBody {
    /// Their ids, at most 49.
    #[schema(example = json!(["iss_aGVsZF96ZXJvL2FjY291bnQvYWNjXzAwMDcvdHJhaW5pbmc"]))]
    ids: Option<Vec<String>>,
    /// Instead: those of a code that are open or acknowledged, at most 49 at once, those that were opened first first.
    all_of: Option<AllOfBody>,
    action: IssueAction,
    /// At most 500 characters; stands in the audit trail. Vendor roles must give one.
    reason: Option<String>,
}

/// What the issues have in common.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllOfBody {
    #[schema(value_type = String, example = "usage_missing")]
    code: Code,
}

/// What is done about issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IssueAction {
    /// What they have in common is done once, in at most ten calls.
    Retry,
    /// Seen.
    Acknowledge,
    /// Closed until they are met again.
    Dismiss,
    /// Counted, and never told again.
    Ignore,
}

/// What became of the issues.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecidedIssuesView {
    /// One for each issue.
    results: Vec<DecidedIssueView>,
    /// Issues that are meant by `all_of` and left for another request.
    left: usize,
}

/// What became of one of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecidedIssueView {
    id: String,
    /// `changed`, `unchanged`, `refused` (see `error`); of a retry `done`, `queued`, `started`.
    #[schema(example = "started")]
    outcome: &'static str,
    /// As it is now; null where there is none.
    #[schema(example = "open")]
    state: Option<&'static str>,
    /// The run that was started.
    run_id: Option<String>,
    /// Where its state can be read.
    status_url: Option<String>,
    error: Option<DecidedIssueError>,
}

/// Why nothing was done about one of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecidedIssueError {
    #[schema(example = "issue_needs_choice")]
    code: &'static str,
    detail: String,
    /// Further members, as in the problem: `calls`, `run_id`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    extra: Map<String, Value>,
}

/// Decides about many issues, or does what puts them right
///
/// A decision is made about all of them at once, and stands as one row in the audit trail. A retry is as many changes
/// as it makes calls.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/issues/bulk",
    tag = "ops",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = DecideIssuesBody, example = json!({"all_of": {"code": "usage_missing"}, "action": "retry"})),
    responses(
        (status = 200, description = "What became of each", body = DecidedIssuesView, example = examples::bulk),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: runs are meeting them right now", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn decide_issues(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    body: Body<DecideIssuesBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(DECIDERS)?;
    let body = body.read()?;
    let actor = actor_for(&caller, body.reason)?;
    let chosen = chosen(body.ids, body.all_of)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let action = match body.action {
        IssueAction::Retry => {
            let (done, left) = issues::retry_many(&app.ports, &scope, &actor, of, &chosen).await?;
            let results = done.into_iter().map(|(id, item)| retried(id, item)).collect();
            return Ok(Json(DecidedIssuesView { results, left }));
        }
        IssueAction::Acknowledge => Action::Acknowledge,
        IssueAction::Dismiss => Action::Dismiss,
        IssueAction::Ignore => Action::Ignore,
    };
    let (done, left) = issues::act_on_many(&app.ports, &scope, &actor, of, &chosen, action).await?;
    let results = done.into_iter().map(|(id, item)| acted(id, item)).collect();
    Ok(Json(DecidedIssuesView { results, left }))
}

fn chosen(ids: Option<Vec<String>>, all_of: Option<AllOfBody>) -> Result<Chosen, ApiError> {
    match (ids, all_of) {
        (Some(ids), None) if (1..=BULK_MAX).contains(&ids.len()) => Ok(Chosen::Names(ids)),
        (Some(_), None) => Err(Problem::field("/ids", format!("must have 1 to {BULK_MAX} entries")).into()),
        (None, Some(AllOfBody { code })) => Ok(Chosen::AllOf(code)),
        (None, None) | (Some(_), Some(_)) => {
            Err(Problem::field("/ids", "either this or `all_of` must be given").into())
        }
    }
}

fn acted(id: String, item: domain::Result<Acted>) -> DecidedIssueView {
    match item {
        Ok(Acted { issue, changed }) => DecidedIssueView {
            id,
            outcome: if changed { "changed" } else { "unchanged" },
            state: Some(issue.state.as_str()),
            run_id: None,
            status_url: None,
            error: None,
        },
        Err(error) => refused(id, error),
    }
}

fn retried(id: String, item: domain::Result<Retried>) -> DecidedIssueView {
    match item {
        Ok(Retried { issue, tried }) => {
            let (outcome, run_id, status_url) = outcome(&tried);
            DecidedIssueView { id, outcome, state: Some(issue.state.as_str()), run_id, status_url, error: None }
        }
        Err(error) => refused(id, error),
    }
}

fn refused(id: String, error: domain::Error) -> DecidedIssueView {
    let error = ApiError::from(error);
    let problem = error.problem();
    let detail = if problem.detail.is_empty() { problem.code.title().to_owned() } else { problem.detail.clone() };
    let error = DecidedIssueError { code: problem.code.as_str(), detail, extra: problem.extra.clone() };
    DecidedIssueView { id, outcome: "refused", state: None, run_id: None, status_url: None, error: Some(error) }
}
