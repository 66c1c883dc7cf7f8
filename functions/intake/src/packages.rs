//! `PUT /v1/packages/{package}` and `PUT /v1/partners/{partner}/packages`.

use crate::partners::{status_of, yes};
use crate::{BACK_END_AND_ADMIN, reach};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::decoding::decimal_text;
use domain::vendor::{self, PackageInput, PutOutcome};
use domain::{PackageId, PartnerId};
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, PathParams, ProblemBody, etag};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A package of the vendor's catalogue, whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageBody {
    /// Its name, at most 200 characters.
    #[schema(example = "Awareness Training")]
    pub(crate) name: String,
    /// What is counted.
    #[schema(example = "user")]
    pub(crate) metric: String,
    /// What the partner pays for one unit and month, as a decimal string with at most 4 decimals.
    #[schema(value_type = Option<String>, example = "1.2500")]
    #[serde(default, deserialize_with = "decimal_text")]
    pub(crate) unit_price_to_partner: Option<Decimal>,
    /// ISO 4217; required with a price.
    #[schema(example = "USD")]
    #[serde(default)]
    pub(crate) currency: Option<String>,
    /// Whether it is still sold.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub(crate) active: bool,
}

impl From<PackageBody> for PackageInput {
    fn from(body: PackageBody) -> Self {
        let PackageBody { name, metric, unit_price_to_partner, currency, active } = body;
        Self { name, metric, unit_price_to_partner, currency, active }
    }
}

/// A package as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackageView {
    #[schema(value_type = String, example = "training")]
    package_id: PackageId,
    name: String,
    metric: String,
    #[schema(value_type = Option<String>)]
    unit_price_to_partner: Option<Decimal>,
    currency: Option<String>,
    active: bool,
    /// How the put ended: `created`, `updated` or `unchanged`.
    #[schema(value_type = String)]
    outcome: PutOutcome,
}

/// Puts a package into the vendor's catalogue or changes it
#[utoipa::path(
    put,
    path = "/v1/packages/{package}",
    tag = "vendor",
    params(("package" = String, Path, example = "training"), ("If-Match" = Option<String>, Header)),
    request_body(content = PackageBody, example = json!({"name": "Awareness Training", "metric": "user", "unit_price_to_partner": "1.2500", "currency": "USD", "active": true})),
    responses(
        (status = 200, description = "Changed, or already so", body = PackageView, example = json!({"package_id": "training", "name": "Awareness Training", "metric": "user", "unit_price_to_partner": "1.2500", "currency": "USD", "active": true, "outcome": "updated"})),
        (status = 201, description = "New", body = PackageView, example = json!({"package_id": "training", "name": "Awareness Training", "metric": "user", "unit_price_to_partner": "1.2500", "currency": "USD", "active": true, "outcome": "created"})),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put_package(
    State(app): State<App>,
    caller: Caller,
    PathParams(package): PathParams<PackageId>,
    IfMatch(version): IfMatch,
    body: Body<PackageBody>,
) -> Result<impl IntoResponse, ApiError> {
    let scope = reach(&caller, BACK_END_AND_ADMIN, None)?;
    let body = body.read()?;
    let put = vendor::put_package(&app.ports, &scope, caller.actor(), &package, body.into(), version).await?;
    let found = put.record.value;
    let view = PackageView {
        package_id: found.id,
        name: found.name,
        metric: found.metric,
        unit_price_to_partner: found.unit_price_to_partner,
        currency: found.currency,
        active: found.active,
        outcome: put.outcome,
    };
    Ok((status_of(put.outcome), etag(put.record.v), Json(view)))
}

/// Which packages a partner may use: the whole list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartnerPackagesBody {
    /// In the vendor's order, at most 500, each in the catalogue.
    #[schema(value_type = Vec<String>, example = json!(["training", "phishing"]))]
    packages: Vec<PackageId>,
}

/// Which packages a partner may use now.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartnerPackagesView {
    #[schema(value_type = String, example = "acme")]
    partner_id: PartnerId,
    #[schema(value_type = Vec<String>)]
    packages: Vec<PackageId>,
    /// How the put ended: `created`, `updated` or `unchanged`.
    #[schema(value_type = String)]
    outcome: PutOutcome,
}

/// Says which packages a partner may use
#[utoipa::path(
    put,
    path = "/v1/partners/{partner}/packages",
    tag = "vendor",
    params(("partner" = String, Path, example = "acme"), ("If-Match" = Option<String>, Header)),
    request_body(content = PartnerPackagesBody, example = json!({"packages": ["training", "phishing"]})),
    responses(
        (status = 200, description = "Changed, or already so", body = PartnerPackagesView, example = json!({"partner_id": "acme", "packages": ["training", "phishing"], "outcome": "updated"})),
        (status = 201, description = "New", body = PartnerPackagesView, example = json!({"partner_id": "acme", "packages": ["training", "phishing"], "outcome": "created"})),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such partner", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put_partner_packages(
    State(app): State<App>,
    caller: Caller,
    PathParams(partner): PathParams<PartnerId>,
    IfMatch(version): IfMatch,
    body: Body<PartnerPackagesBody>,
) -> Result<impl IntoResponse, ApiError> {
    let scope = reach(&caller, BACK_END_AND_ADMIN, Some(&partner))?;
    let body = body.read()?;
    let actor = caller.actor();
    let put = vendor::put_partner_packages(&app.ports, &scope, actor, &partner, body.packages, version).await?;
    let found = put.record.value;
    let view = PartnerPackagesView { partner_id: found.partner, packages: found.packages, outcome: put.outcome };
    Ok((status_of(put.outcome), etag(put.record.v), Json(view)))
}
