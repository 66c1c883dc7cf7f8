//! `/v1/connections` and `/v1/connections/{cid}`.

use crate::credentials::SecretText;
use crate::settings::SettingsView;
use crate::views::{ConnectionView, OverviewView, WarningView, warnings};
use crate::{ADMINS, READERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::connections::{self, Keep, NewConnection, PatchedSettings, SettingsHead, WebhookSettings};
use domain::notify::Notifications;
use domain::{ConnectionId, Problem};
use http::{StatusCode, header};
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, Params, PathParams, ProblemBody, etag};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// What a person enters to connect. Username and secret are required, nothing else.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectBody {
    /// Only `autotask`.
    #[schema(example = "autotask")]
    psa: Option<String>,
    /// The API user's key.
    #[schema(example = "k3y7abc@MSP.EXAMPLE")]
    username: Option<String>,
    /// The API user's secret; never shown again.
    #[schema(value_type = Option<String>, format = Password, write_only)]
    secret: Option<SecretText>,
    /// Notification contact.
    email: Option<String>,
    /// `primary` (default) or `secondary`.
    priority: Option<String>,
    /// `invoice_number` (default) or `autotask_id`.
    invoice_reference: Option<String>,
    /// Filters of the invoice import, as in `PUT /v1/connections/{cid}/filters`; left out or null: all is fetched.
    #[schema(value_type = Option<Object>, example = json!({"company_types": ["Customer"]}))]
    filters: Option<Value>,
    /// Jobs to switch on; the profile's if left out.
    features: Option<Vec<String>>,
    /// `seat_count` (default), `package_billing` or `invoices`: defaults in one choice.
    profile: Option<String>,
}

/// A connection that has just been made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedView {
    #[serde(flatten)]
    connection: ConnectionView,
    /// What works only in part.
    warnings: Vec<WarningView>,
    /// The settings it starts with.
    settings: SettingsView,
}

/// All connections of a partner: at most one per PSA, and ended ones whose mappings are kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionsView {
    items: Vec<OverviewView>,
}

/// What stays of an ended connection.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteParams {
    /// `mappings` keeps them for a later relink; left out, nothing but history stays.
    keep: Option<String>,
}

/// Saves and connects: finds the zone, proves the login, probes the rights, keeps the secret
///
/// For the main account's `partner_admin`. After any error nothing is saved.
#[utoipa::path(
    post,
    path = "/v1/connections",
    tag = "connections",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body(content = ConnectBody, example = json!({"psa": "autotask", "username": "k3y7abc@MSP.EXAMPLE", "secret": "…", "features": ["seat_sync"]})),
    responses(
        (status = 201, description = "Connected; `Location` and `ETag` name it", body = CreatedView, example = examples::created),
        (status = 400, description = "`invalid_input`, every wrong field at once", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`, `not_main_account`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`already_connected`, with `connection_id`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`zone_not_found`, `credentials_invalid`, `account_locked_or_inactive`, `integration_vendor_mismatch`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`, `secret_store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create_connection(
    State(app): State<App>,
    caller: Caller,
    body: Body<ConnectBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ADMINS)?;
    caller.require_main()?;
    let body = body.read()?;
    let input = NewConnection {
        psa: body.psa,
        username: body.username,
        secret: body.secret.map(|secret| secret.0),
        email: body.email,
        priority: body.priority,
        invoice_reference: body.invoice_reference,
        filters: body.filters,
        features: body.features,
        profile: body.profile,
    };
    let scope = caller.scope()?;
    let made = connections::connect(&app.ports, &scope, caller.actor(), caller.partner()?, input).await?;
    let location = format!("/v1/connections/{}", made.connection.id);
    let head = SettingsHead {
        priority: made.connection.priority,
        features: made.connection.features.clone(),
        email: made.connection.email.clone(),
    };
    let view = CreatedView {
        connection: (&made.connection).into(),
        warnings: warnings(made.warnings),
        settings: PatchedSettings {
            v: 1,
            head,
            settings: made.settings,
            notifications: Notifications::default(),
            webhooks: WebhookSettings::default(),
        }
        .into(),
    };
    Ok((StatusCode::CREATED, etag(1), [(header::LOCATION, location)], Json(view)))
}

/// Lists the partner's connections
#[utoipa::path(
    get,
    path = "/v1/connections",
    tag = "connections",
    responses(
        (status = 200, description = "At most one per PSA, and ended ones with kept mappings", body = ConnectionsView, example = json!({"items": []})),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_connections(State(app): State<App>, caller: Caller) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let found = connections::list(&app.ports, &caller.scope()?, caller.partner()?).await?;
    Ok(Json(ConnectionsView { items: found.iter().map(OverviewView::from).collect() }))
}

/// A connection: where it stands and what waits for a person
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}",
    tag = "connections",
    params(("cid" = String, Path, example = "con_0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e")),
    responses(
        (status = 200, description = "With `ETag`; never the secret", body = OverviewView, example = examples::overview),
        (status = 404, description = "`not_found`, another partner's too", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_connection(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let found = connections::overview(&app.ports, &caller.scope()?, caller.partner()?, &cid).await?;
    Ok((etag(found.connection.v), Json(OverviewView::from(&found))))
}

/// Disconnects: deletes the secret, the schedule and, as far as Autotask answers, its webhooks; nothing else there is touched
#[utoipa::path(
    delete,
    path = "/v1/connections/{cid}",
    tag = "connections",
    params(
        ("cid" = String, Path, example = "con_0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e"),
        ("If-Match" = Option<String>, Header),
        DeleteParams,
    ),
    responses(
        (status = 204, description = "Ended"),
        (status = 400, description = "`invalid_input`: `keep` is something else than `mappings`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`already_running`, with `run_id`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`: it has ended, and there is more to remove than one call removes: repeat", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete_connection(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    IfMatch(version): IfMatch,
    params: Params<DeleteParams>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ADMINS)?;
    caller.require_main()?;
    let params = params.read()?;
    let keep = match params.keep.as_deref() {
        None => Keep::Nothing,
        Some("mappings") => Keep::Mappings,
        Some(_) => return Err(Problem::field("keep", "must be `mappings` or left out").into()),
    };
    let scope = caller.scope()?;
    connections::disconnect(&app.ports, &scope, caller.actor(), caller.partner()?, &cid, version, keep).await?;
    Ok(StatusCode::NO_CONTENT)
}
