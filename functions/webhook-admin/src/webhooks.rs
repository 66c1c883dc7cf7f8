//! The table of webhooks, and what a person does with them.

use crate::views::{TableView, WebhooksView};
use crate::{ADMINS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::ConnectionId;
use domain::webhooks::{self, ENTITIES_DEFAULT, WebhookId};
use http::StatusCode;
use runtime::App;
use runtime::edge::{ApiError, Caller, OptionalBody, PathParams, ProblemBody, READERS, etag};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// About what webhooks are wanted.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstallBody {
    /// Of `companies`, `contacts`, `configuration_items`, `tickets`, `ticket_notes`. Without a body: companies and
    /// contacts.
    #[serde(default)]
    entities: Option<Vec<String>>,
}

/// How many were removed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CleanedView {
    removed: u32,
}

/// The connection's webhooks, as Autotask has them now
///
/// Where Autotask cannot be asked it is what was seen last, and `stale` says why.
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/webhooks",
    tag = "webhooks",
    params(("cid" = String, Path)),
    responses(
        (status = 200, description = "Each with its status, and those that point here and are nobody's", body = TableView, example = examples::table),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_webhooks(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let table = webhooks::table(&app.ports, &scope, caller.actor(), of).await?;
    Ok((etag(table.v), Json(TableView::from(&table))))
}

/// Installs webhooks, or brings them up to date
///
/// Afterwards there is one webhook of each named kind and none of any other, however often this is called. It is done
/// in the background: the table says how far it is, and what is wrong with a webhook that could not be had.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/webhooks/install",
    tag = "webhooks",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = InstallBody, example = examples::install_body),
    responses(
        (status = 202, description = "It is being done", body = WebhooksView, example = examples::installing),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`, `conflict`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`: the deployment has no webhooks", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn install_webhooks(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    body: OptionalBody<InstallBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ADMINS)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let usual = || ENTITIES_DEFAULT.iter().map(ToString::to_string).collect();
    let entities: Vec<String> = body.read()?.unwrap_or_default().entities.unwrap_or_else(usual);
    let asked = webhooks::install(&app.ports, &scope, caller.actor(), of, &entities).await?;
    Ok((StatusCode::ACCEPTED, etag(asked.v), Json(WebhooksView::from(&asked.value))))
}

/// Removes the connection's webhooks from Autotask
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/webhooks/uninstall",
    tag = "webhooks",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 202, description = "It is being done", body = WebhooksView, example = examples::uninstalling),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`, `conflict`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn uninstall_webhooks(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ADMINS)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let asked = webhooks::uninstall(&app.ports, &scope, caller.actor(), of).await?;
    Ok((StatusCode::ACCEPTED, etag(asked.v), Json(WebhooksView::from(&asked.value))))
}

/// Gives the connection's webhooks new URLs and keys
///
/// While Autotask is being given them, callouts with those of before are taken as well. The next rotation is possible
/// when every webhook has the present ones.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/webhooks/rotate-keys",
    tag = "webhooks",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 202, description = "It is being done", body = WebhooksView, example = examples::installing),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: there are none, or the rotation before is not through; `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn rotate_webhook_keys(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ADMINS)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let asked = webhooks::rotate_keys(&app.ports, &scope, caller.actor(), of).await?;
    Ok((StatusCode::ACCEPTED, etag(asked.v), Json(WebhooksView::from(&asked.value))))
}

/// Switches a webhook on again
///
/// Autotask switches one off after 25 events in a row that nobody took. What was missed meanwhile is looked for.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/webhooks/{wid}/reactivate",
    tag = "webhooks",
    params(("cid" = String, Path), ("wid" = String, Path, example = "companies-12"), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "The table", body = TableView, example = examples::table),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn reactivate_webhook(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, wid)): PathParams<(ConnectionId, WebhookId)>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ADMINS)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let table = webhooks::reactivate(&app.ports, &scope, caller.actor(), of, &wid).await?;
    Ok((etag(table.v), Json(TableView::from(&table))))
}

/// Removes webhooks that point here and are nobody's
///
/// Their URL is none that was made here, or belongs to a connection of this partner that has ended. Webhooks of others
/// are never touched.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/webhooks/clean-orphans",
    tag = "webhooks",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "How many were removed", body = CleanedView, example = examples::cleaned),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn clean_orphaned_webhooks(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ADMINS)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let removed = webhooks::clean_orphans(&app.ports, &scope, caller.actor(), of).await?;
    Ok(Json(CleanedView { removed }))
}
