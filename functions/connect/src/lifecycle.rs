//! Test, permissions, relink, pause and resume of a connection.

use crate::credentials::SecretText;
use crate::views::{ConnectionView, OverviewView, PermissionView, WarningView, permissions, warnings};
use crate::{ADMINS, READERS, TESTERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::ConnectionId;
use domain::connections::{self, NewCredentials, Tested};
use jiff::Timestamp;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, PathParams, ProblemBody, etag};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a test found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestedView {
    #[serde(flatten)]
    connection: ConnectionView,
    /// What works only in part.
    warnings: Vec<WarningView>,
    /// Calls to Autotask that the test made.
    #[schema(example = 11)]
    autotask_calls: u32,
}

/// What each feature can do, as of the last probe.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PermissionsView {
    permissions: Vec<PermissionView>,
    /// Whether costs can be read; null where nothing told.
    costs_readable: Option<bool>,
    /// Whether the SaaS billing code is there; null where it cannot be read.
    billing_code_present: Option<bool>,
    /// When it was probed.
    #[schema(value_type = Option<String>, format = DateTime)]
    probed_at: Option<Timestamp>,
}

/// New credentials.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RelinkBody {
    /// The API user's key.
    #[schema(example = "k3y7abc@MSP.EXAMPLE")]
    username: Option<String>,
    /// The API user's secret; never shown again.
    #[schema(value_type = Option<String>, format = Password, write_only)]
    secret: Option<SecretText>,
    /// Take another Autotask database, and drop what is kept of this one: mappings, invoices, issues.
    #[serde(default)]
    start_fresh: bool,
}

/// A connection with its new credentials.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RelinkedView {
    #[serde(flatten)]
    connection: ConnectionView,
    /// What works only in part.
    warnings: Vec<WarningView>,
    /// Whether what was kept of another database was dropped.
    started_fresh: bool,
}

fn tested(found: Tested) -> impl IntoResponse {
    let view = TestedView {
        connection: (&found.connection.value).into(),
        warnings: warnings(found.warnings),
        autotask_calls: found.calls,
    };
    (etag(found.connection.v), Json(view))
}

/// Tests the connection against Autotask
///
/// Working credentials end `needs_relink`; refused ones begin it.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/test",
    tag = "connections",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "Autotask takes the credentials", body = TestedView, example = examples::tested),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`: disconnected, no credentials are kept", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`credentials_invalid`, `account_locked_or_inactive`, `integration_vendor_mismatch`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn test_connection(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(TESTERS)?;
    let scope = caller.scope()?;
    let found = connections::test(&app.ports, &scope, caller.actor(), caller.partner()?, &cid).await?;
    Ok(tested(found))
}

/// What each feature can do with the API user's rights, as of the last probe
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/permissions",
    tag = "connections",
    params(("cid" = String, Path)),
    responses(
        (status = 200, description = "Feature by feature, with the rights it lacks", body = PermissionsView, example = json!({"permissions": [{"feature": "seat_sync", "state": "read_only", "missing": ["Contracts › Contract Services › Add"]}], "costs_readable": true, "billing_code_present": true, "probed_at": "2026-11-20T09:00:00Z"})),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_permissions(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let found = connections::load_connection(&app.ports, &caller.scope()?, caller.partner()?, &cid).await?;
    Ok(Json(PermissionsView {
        permissions: permissions(&found.permissions),
        costs_readable: found.costs_readable,
        billing_code_present: found.saas_billing_code_present,
        probed_at: found.probed_at,
    }))
}

/// Probes the API user's rights now, without writing
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/permissions/probe",
    tag = "connections",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "Probed", body = TestedView, example = examples::tested),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn probe_permissions(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(TESTERS)?;
    let scope = caller.scope()?;
    let found = connections::probe_permissions(&app.ports, &scope, caller.actor(), caller.partner()?, &cid).await?;
    Ok(tested(found))
}

/// Replaces the credentials; those of before stay in use until the new ones are proven
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/relink",
    tag = "connections",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header), ("If-Match" = Option<String>, Header)),
    request_body(content = RelinkBody, example = json!({"username": "k3y7abc@MSP.EXAMPLE", "secret": "…", "start_fresh": false})),
    responses(
        (status = 200, description = "The new credentials are in use", body = RelinkedView, example = examples::relinked),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`, `not_main_account`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`different_database` unless `start_fresh`; `already_running`; `already_connected`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`zone_not_found`, `credentials_invalid`, `account_locked_or_inactive`, `integration_vendor_mismatch`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`, `secret_store_unavailable`; `unavailable` while there is more of the old database to remove than one call removes: repeat", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn relink_connection(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    IfMatch(version): IfMatch,
    body: Body<RelinkBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ADMINS)?;
    caller.require_main()?;
    let body = body.read()?;
    let input = NewCredentials {
        username: body.username,
        secret: body.secret.map(|secret| secret.0),
        start_fresh: body.start_fresh,
    };
    let scope = caller.scope()?;
    let done = connections::relink(&app.ports, &scope, caller.actor(), caller.partner()?, &cid, version, input).await?;
    let view = RelinkedView {
        connection: (&done.connection.value).into(),
        warnings: warnings(done.warnings),
        started_fresh: done.started_fresh,
    };
    Ok((etag(done.connection.v), Json(view)))
}

/// Pauses: nothing is called or written until it is resumed
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/pause",
    tag = "connections",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header), ("If-Match" = Option<String>, Header)),
    responses(
        (status = 200, description = "Paused now, or already", body = OverviewView, example = examples::overview),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`; `needs_relink` where it is disconnected", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn pause_connection(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    IfMatch(version): IfMatch,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ADMINS)?;
    caller.require_main()?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    connections::pause(&app.ports, &scope, caller.actor(), partner, &cid, version).await?;
    let found = connections::overview(&app.ports, &scope, partner, &cid).await?;
    Ok((etag(found.connection.v), Json(OverviewView::from(&found))))
}

/// Ends a pause; a slot missed within 72 hours is made up for
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/resume",
    tag = "connections",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header), ("If-Match" = Option<String>, Header)),
    responses(
        (status = 200, description = "Resumed, or not paused at all", body = OverviewView, example = examples::overview),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`; `needs_relink` where it is disconnected", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn resume_connection(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    IfMatch(version): IfMatch,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ADMINS)?;
    caller.require_main()?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    connections::resume(&app.ports, &scope, caller.actor(), partner, &cid, version).await?;
    let found = connections::overview(&app.ports, &scope, partner, &cid).await?;
    Ok((etag(found.connection.v), Json(OverviewView::from(&found))))
}
