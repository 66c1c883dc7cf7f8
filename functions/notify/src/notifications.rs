//! `/v1/connections/{cid}/notifications`.

use crate::{ADMINS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::ConnectionId;
use domain::notify::{self, EventKind, NotificationsInput, Shown};
use jiff::Timestamp;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, PathParams, ProblemBody, READERS, etag};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whom to tell of what by mail.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotificationsBody {
    /// At most 20 addresses. Where there are none, mails go to the connection's `email`.
    #[schema(example = json!(["billing@msp.example"]))]
    emails: Option<Vec<String>>,
    /// `run_finished`, `run_failed`, `fetch_failed`, `held`, `disconnected`, `permissions_lost`, `webhook_disabled`,
    /// `renewal`, `account_unmapped`, `payment_failed`, `digest`; absent: `run_failed`, `fetch_failed`, `held`,
    /// `disconnected`, `webhook_disabled`, `renewal`.
    #[schema(example = json!(["run_finished", "run_failed", "held"]))]
    events: Option<Vec<String>>,
}

/// Whom to tell of what, and how that goes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotificationsView {
    /// The addresses that were entered.
    emails: Vec<String>,
    /// What they are told of.
    #[schema(value_type = Vec<String>)]
    events: Vec<EventKind>,
    /// Whom mails go to: `emails`, or the connection's `email` where there are none.
    recipients: Vec<String>,
    /// Whether this deployment sends mails. Events go out on the bus either way.
    sends_mail: bool,
    /// The address that mails come from; null where none are sent.
    sender: Option<String>,
    /// When the last mail of what happened went out.
    #[schema(value_type = Option<String>, format = DateTime)]
    mailed_at: Option<Timestamp>,
    /// How much waits for the next mail: at most one goes out in an hour.
    waiting: usize,
    /// When that may go out.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Timestamp>,
    /// Why the last mail did not go out; it is tried again for three days.
    trouble: Option<String>,
}

impl From<Shown> for NotificationsView {
    fn from(of: Shown) -> Self {
        let texts = |all: Vec<domain::mail::Address>| all.into_iter().map(String::from).collect();
        let (state, notifications) = (of.state, of.notifications.value);
        let waiting = state.as_ref().map_or(0, |state| state.pending.len() + state.beyond as usize);
        Self {
            emails: texts(notifications.emails),
            events: notifications.events,
            recipients: texts(of.recipients),
            sends_mail: of.sender.is_some(),
            sender: of.sender.map(String::from),
            mailed_at: state.as_ref().and_then(|state| state.mailed_at),
            waiting,
            next_at: state.as_ref().filter(|_| waiting > 0).and_then(|state| state.due_at),
            trouble: state.and_then(|state| state.trouble),
        }
    }
}

/// A test mail that was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestMailView {
    /// To whom.
    #[schema(example = json!(["billing@msp.example"]))]
    sent_to: Vec<String>,
}

/// Whom a connection's mails go to, and of what
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/notifications",
    tag = "notifications",
    params(("cid" = String, Path)),
    responses(
        (status = 200, description = "With `ETag`, `\"0\"` where none were ever saved", body = NotificationsView, example = examples::notifications),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_notifications(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let shown = notify::read_notifications(&app.ports, &caller.scope()?, caller.partner()?, &cid).await?;
    Ok((etag(shown.notifications.v), Json(NotificationsView::from(shown))))
}

/// Says whom mails go to, and of what
#[utoipa::path(
    put,
    path = "/v1/connections/{cid}/notifications",
    tag = "notifications",
    params(("cid" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body(content = NotificationsBody, example = examples::notifications_body),
    responses(
        (status = 200, description = "Saved, or already so; with `ETag`", body = NotificationsView, example = examples::notifications),
        (status = 400, description = "`invalid_input`, every wrong entry at once", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`, `not_main_account`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put_notifications(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    IfMatch(version): IfMatch,
    body: Body<NotificationsBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ADMINS)?;
    caller.require_main()?;
    let NotificationsBody { emails, events } = body.read()?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let input = NotificationsInput { emails, events };
    let shown = notify::put_notifications(&app.ports, &scope, caller.actor(), of, version, input).await?;
    Ok((etag(shown.notifications.v), Json(NotificationsView::from(shown))))
}

/// Sends one test mail now, to all recipients; at most one a minute
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/notifications/test",
    tag = "notifications",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "The mail service has it", body = TestMailView, example = examples::tested),
        (status = 403, description = "`forbidden_role`, `not_main_account`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`mail_off`, `no_recipients`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`mail_refused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`test_mail_limited`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`: the mail service is away", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn test_notifications(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ADMINS)?;
    caller.require_main()?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let to = notify::send_test(&app.ports, &scope, caller.actor(), of).await?;
    Ok(Json(TestMailView { sent_to: to.into_iter().map(String::from).collect() }))
}
