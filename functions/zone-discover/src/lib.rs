#![doc = include_str!("../README.md")]

use autotask::{ZoneError, zone};
use axum::Json;
use axum::extract::State;
use domain::{Code, Problem, Role};
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, ProblemBody};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// When to ask again after Autotask's look-up failed, in seconds.
const RETRY_SECONDS: u64 = 30;

/// What this function serves.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(discover))
}

/// Whose zone to find.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DiscoverRequest {
    /// The API user's generated key; not the login of a person.
    #[schema(example = "k4h5j6k7l8m9n0p@msp.example")]
    username: String,
}

/// Where Autotask keeps the user's database.
#[derive(Debug, Serialize, ToSchema)]
struct ZoneView {
    /// Base URL of the REST API.
    #[schema(example = "https://webservices15.autotask.net/ATServicesRest/")]
    url: String,
    /// Base URL of the user interface.
    #[schema(example = "https://ww15.autotask.net/")]
    web_url: String,
    /// The database's number.
    #[schema(example = 123456)]
    ci: i64,
}

/// Finds the Autotask zone of an API user. Nothing is logged in to and nothing is kept.
#[utoipa::path(
    post,
    path = "/v1/zones/discover",
    tag = "connect",
    request_body = DiscoverRequest,
    responses(
        (status = 200, description = "The zone", body = ZoneView),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`zone_not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn discover(
    State(app): State<App>,
    caller: Caller,
    request: Body<DiscoverRequest>,
) -> Result<Json<ZoneView>, ApiError> {
    caller.require(&[Role::PartnerAdmin, Role::VendorSupport, Role::VendorAdmin])?;
    let request = request.read()?;
    let username = request.username.trim();
    if username.is_empty() {
        return Err(Problem::field("/username", "must not be empty").into());
    }
    let (ports, config) = (&app.ports, &app.ports.config);
    let found = zone::discover(&*ports.transport, &config.hosts, &config.zone_entry, username).await;
    let zone = found.map_err(not_found_or_away)?;
    Ok(Json(ZoneView { url: zone.url.to_string(), web_url: zone.web_url, ci: zone.ci }))
}

fn not_found_or_away(error: ZoneError) -> ApiError {
    let detail = match &error {
        ZoneError::UnknownUser => {
            return Problem::new(Code::ZoneNotFound, "Autotask's zone look-up does not know this username.").into();
        }
        ZoneError::Refused { reason } => format!("Autotask named a zone that is not trusted: {reason}."),
        ZoneError::Unavailable { .. } => "Autotask's zone look-up does not answer.".to_owned(),
    };
    ApiError::because(Problem::new(Code::AutotaskUnavailable, detail).retry_after(RETRY_SECONDS), &error)
}
