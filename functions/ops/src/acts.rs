//! One issue: retry, acknowledge, dismiss, ignore.

use crate::reason::{ReasonBody, actor_for};
use crate::views::{IssueView, RetriedIssueView};
use crate::{DECIDERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::ConnectionId;
use domain::issues::{self, Action, Places, Tried};
use http::StatusCode;
use runtime::App;
use runtime::edge::{ApiError, Caller, OptionalBody, PathParams, ProblemBody};

/// Which issue.
type OfIssue = (ConnectionId, String);

/// Does what puts an issue right, where there is nothing to choose
///
/// The same as the route that the issue names in `fix`, with the same guards; what has no route of its own is done here:
/// a PDF is asked for, a paid date written, an account's lines are run once more.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/issues/{issue}/retry",
    tag = "ops",
    params(("cid" = String, Path), ("issue" = String, Path, description = "Its `id`"), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<ReasonBody>,
    responses(
        (status = 200, description = "It was done", body = RetriedIssueView, example = examples::retried),
        (status = 202, description = "A run was started, or a worker does it now", body = RetriedIssueView, example = examples::started),
        (status = 400, description = "`invalid_input`: vendor roles must give a reason", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`; else as the call's own route", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`issue_needs_choice`, naming the `calls` to choose from; `issue_not_retryable`; `already_running` and others, as the call's own route", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "As the call's own route", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`, `throttled`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn retry_issue(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, name)): PathParams<OfIssue>,
    body: OptionalBody<ReasonBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(DECIDERS)?;
    let actor = actor_for(&caller, body.read()?.unwrap_or_default().reason)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let retried = issues::retry(&app.ports, &scope, &actor, of, &name).await?;
    let place = Places::load(&app.ports, &scope, of, std::slice::from_ref(&retried.issue)).await?.of(&retried.issue);
    let status = if matches!(retried.tried, Tried::Done) { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(RetriedIssueView::of(retried, place))))
}

/// Says that an issue was seen; it stays open
///
/// Of one that was ignored or dismissed, it takes that back.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/issues/{issue}/acknowledge",
    tag = "ops",
    params(("cid" = String, Path), ("issue" = String, Path, description = "Its `id`"), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<ReasonBody>,
    responses(
        (status = 200, description = "As it is now; one whose cause is gone stays `resolved`", body = IssueView, example = examples::acknowledged),
        (status = 400, description = "`invalid_input`: vendor roles must give a reason", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: runs are meeting it right now", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn acknowledge_issue(
    State(app): State<App>,
    caller: Caller,
    path: PathParams<OfIssue>,
    body: OptionalBody<ReasonBody>,
) -> Result<impl IntoResponse, ApiError> {
    decide(app, caller, path, body, Action::Acknowledge).await
}

/// Closes an issue until it is met again
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/issues/{issue}/dismiss",
    tag = "ops",
    params(("cid" = String, Path), ("issue" = String, Path, description = "Its `id`"), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<ReasonBody>,
    responses(
        (status = 200, description = "As it is now; one whose cause is gone stays `resolved`", body = IssueView, example = examples::dismissed),
        (status = 400, description = "`invalid_input`: vendor roles must give a reason", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: runs are meeting it right now", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn dismiss_issue(
    State(app): State<App>,
    caller: Caller,
    path: PathParams<OfIssue>,
    body: OptionalBody<ReasonBody>,
) -> Result<impl IntoResponse, ApiError> {
    decide(app, caller, path, body, Action::Dismiss).await
}

/// Counts an issue from now on, and tells nobody of it again
///
/// Until somebody acknowledges or dismisses it. What it is about is as unbilled, or held, as before.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/issues/{issue}/ignore",
    tag = "ops",
    params(("cid" = String, Path), ("issue" = String, Path, description = "Its `id`"), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<ReasonBody>,
    responses(
        (status = 200, description = "As it is now", body = IssueView, example = examples::ignored),
        (status = 400, description = "`invalid_input`: vendor roles must give a reason", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: runs are meeting it right now", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn ignore_issue(
    State(app): State<App>,
    caller: Caller,
    path: PathParams<OfIssue>,
    body: OptionalBody<ReasonBody>,
) -> Result<impl IntoResponse, ApiError> {
    decide(app, caller, path, body, Action::Ignore).await
}

async fn decide(
    app: App,
    caller: Caller,
    PathParams((cid, name)): PathParams<OfIssue>,
    body: OptionalBody<ReasonBody>,
    action: Action,
) -> Result<Json<IssueView>, ApiError> {
    caller.require(DECIDERS)?;
    let actor = actor_for(&caller, body.read()?.unwrap_or_default().reason)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let acted = issues::act(&app.ports, &scope, &actor, of, &name, action).await?;
    let place = Places::load(&app.ports, &scope, of, std::slice::from_ref(&acted.issue)).await?.of(&acted.issue);
    Ok(Json(IssueView::of(acted.issue, place)))
}
