//! `PUT /v1/partners/{partner}`.

use crate::{BACK_END_AND_ADMIN, reach};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::PartnerId;
use domain::vendor::{self, PartnerInput, PutOutcome};
use http::StatusCode;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, PathParams, ProblemBody, etag};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A partner, whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartnerBody {
    /// Its name, at most 200 characters.
    #[schema(example = "Acme IT Services")]
    name: String,
    /// IANA name of its time zone.
    #[schema(example = "Europe/London")]
    time_zone: String,
    /// Whether it still is a customer; false pauses its connections.
    #[serde(default = "yes")]
    #[schema(default = true)]
    active: bool,
}

pub(crate) fn yes() -> bool {
    true
}

/// A partner as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartnerView {
    #[schema(value_type = String, example = "acme")]
    partner_id: PartnerId,
    name: String,
    time_zone: String,
    active: bool,
    /// How the put ended: `created`, `updated` or `unchanged`.
    #[schema(value_type = String, example = "created")]
    outcome: PutOutcome,
}

/// The status of a put: 201 for what is new.
pub(crate) fn status_of(outcome: PutOutcome) -> StatusCode {
    if outcome == PutOutcome::Created { StatusCode::CREATED } else { StatusCode::OK }
}

/// Makes a partner known or changes it
#[utoipa::path(
    put,
    path = "/v1/partners/{partner}",
    tag = "vendor",
    params(("partner" = String, Path, example = "acme"), ("If-Match" = Option<String>, Header)),
    request_body(content = PartnerBody, example = json!({"name": "Acme IT Services", "time_zone": "Europe/London", "active": true})),
    responses(
        (status = 200, description = "Changed, or already so", body = PartnerView, example = json!({"partner_id": "acme", "name": "Acme IT Services", "time_zone": "Europe/London", "active": true, "outcome": "unchanged"})),
        (status = 201, description = "New", body = PartnerView, example = json!({"partner_id": "acme", "name": "Acme IT Services", "time_zone": "Europe/London", "active": true, "outcome": "created"})),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put_partner(
    State(app): State<App>,
    caller: Caller,
    PathParams(partner): PathParams<PartnerId>,
    IfMatch(version): IfMatch,
    body: Body<PartnerBody>,
) -> Result<impl IntoResponse, ApiError> {
    let scope = reach(&caller, BACK_END_AND_ADMIN, Some(&partner))?;
    let body = body.read()?;
    let PartnerBody { name, time_zone, active } = body;
    let input = PartnerInput { name, time_zone, active };
    let put = vendor::put_partner(&app.ports, &scope, caller.actor(), &partner, input, version).await?;
    let found = put.record.value;
    let view = PartnerView {
        partner_id: found.id,
        name: found.name,
        time_zone: found.time_zone,
        active: found.active,
        outcome: put.outcome,
    };
    Ok((status_of(put.outcome), etag(put.record.v), Json(view)))
}
