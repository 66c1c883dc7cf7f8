//! `GET /v1/connections/{cid}/packages`, `GET|PUT|DELETE …/package-mappings/{package}`.

use crate::packages_views::{
    InitialSyncView, MappedPackageView, PackageMappingBody, PackageMappingView, PackageRowView, SavedPackageView,
};
use crate::views::NoteView;
use crate::{Call, MAPPERS, READERS};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::packages::{self, SavedPackage, SavedWithWarnings};
use domain::{ConnectionId, PackageId};
use http::StatusCode;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, PathParams, ProblemBody, etag};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A partner's packages.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackagesView {
    /// At most 500, in the vendor's order.
    items: Vec<PackageRowView>,
    initial_sync: InitialSyncView,
}

fn mapping() -> Value {
    json!({
        "target": {"kind": "service", "id": 55, "name": "Security Awareness Training", "product_id": null},
        "former": [], "sum_into": null, "excluded": false, "overwrite_cost": null, "quantity_source": "usage",
        "count_rule": "snapshot_on_run", "quantity_rule": {"free": 0, "min": null, "max": null, "ratio": 1},
        "updated_at": "2026-11-20T09:00:00Z", "version": 1
    })
}

fn listed() -> Value {
    json!({
        "items": [{
            "package_id": "training", "name": "Security Awareness Training", "metric": "user",
            "unit_price_to_partner": "1.75", "currency": "USD", "active": true,
            "in_use": {"accounts": 12, "confirmed_accounts": 10, "seats": 480}, "mapping": mapping(),
            "lines": {"count": 10}
        }],
        "initial_sync": {
            "ready": false,
            "missing": [{"package_id": "phishing", "name": "Phishing Simulation", "accounts": 4, "available": true}],
            "action": "Map or exclude the named packages, then start the initial sync."
        }
    })
}

fn one() -> Value {
    json!({"package_id": "training", "mapping": mapping()})
}

fn saved() -> Value {
    json!({"package_id": "training", "mapping": mapping(), "changed": true, "warnings": []})
}

fn body() -> Value {
    json!({
        "target": {"kind": "service", "id": 55}, "sum_into": null, "excluded": false, "overwrite_cost": null,
        "quantity_source": "usage", "count_rule": "snapshot_on_run",
        "quantity_rule": {"free": 0, "min": null, "max": null, "ratio": 1}
    })
}

/// Lists every package that the vendor has made available to the partner, and no other
///
/// With who has it, what it is billed as, and whether the initial sync may be started: computed with each call.
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/packages",
    tag = "map",
    params(("cid" = String, Path, example = "con_1")),
    responses(
        (status = 200, description = "The packages, in the vendor's order", body = PackagesView, example = listed),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_packages(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, READERS, cid)?;
    let list = packages::list_packages(call.context()).await?;
    let items = list.rows.into_iter().map(PackageRowView::from).collect();
    Ok(Json(PackagesView { items, initial_sync: list.gate.into() }))
}

/// Shows what a package is billed as
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/package-mappings/{package}",
    tag = "map",
    params(("cid" = String, Path, example = "con_1"), ("package" = String, Path, example = "training")),
    responses(
        (status = 200, description = "Its mapping", body = MappedPackageView, example = one),
        (status = 404, description = "`not_found`: not a package of the partner's, or not mapped", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_package_mapping(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, package_id)): PathParams<(ConnectionId, PackageId)>,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, READERS, cid)?;
    let found = packages::package_mapping(call.context(), &package_id).await?;
    Ok((etag(found.v), Json(MappedPackageView { package_id, mapping: PackageMappingView::from(found) })))
}

/// Maps a package to a service or service bundle, sums it into another package, or excludes it
///
/// The target is read from Autotask now. A product is taken where exactly one active service has its name, or else its
/// SKU as a name, and that service is stored. One service is billed by one package. Nothing in Autotask is changed:
/// lines of what it was billed as before are swapped at the next sync.
#[utoipa::path(
    put,
    path = "/v1/connections/{cid}/package-mappings/{package}",
    tag = "map",
    params(
        ("cid" = String, Path, example = "con_1"),
        ("package" = String, Path, example = "training"),
        ("If-Match" = Option<String>, Header),
    ),
    request_body(content = PackageMappingBody, example = body),
    responses(
        (status = 200, description = "Saved", body = SavedPackageView, example = saved),
        (status = 400, description = "`invalid_input`: with every refused field; at `/target/id` what Autotask does not have", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: not a package of the partner's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: with `packages` that are summed into this one, or overtaken; `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`product_not_billable_as_service` with `near`: up to 10 services `{id, name}`; `contract_service_shared` with the other `package_id`; `service_inactive`, `bundle_cost_unsupported`, `cost_not_readable`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put_package_mapping(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, package_id)): PathParams<(ConnectionId, PackageId)>,
    IfMatch(version): IfMatch,
    body: Body<PackageMappingBody>,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, MAPPERS, cid)?;
    let body = body.read()?;
    let SavedWithWarnings { saved, warnings } =
        packages::save_package(call.context(), &package_id, body.into(), version).await?;
    let SavedPackage { mapping, changed } = saved;
    let v = mapping.v;
    let warnings = warnings.into_iter().map(NoteView::from).collect();
    Ok((etag(v), Json(SavedPackageView { package_id, mapping: mapping.into(), changed, warnings })))
}

/// Removes a package's mapping: it is billed as nothing any more
///
/// Autotask stays as it is, units included.
#[utoipa::path(
    delete,
    path = "/v1/connections/{cid}/package-mappings/{package}",
    tag = "map",
    params(
        ("cid" = String, Path, example = "con_1"),
        ("package" = String, Path, example = "training"),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "`not_found`: it has no mapping", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: with `packages` that are summed into this one, or overtaken", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete_package_mapping(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, package)): PathParams<(ConnectionId, PackageId)>,
    IfMatch(version): IfMatch,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, MAPPERS, cid)?;
    packages::unmap_package(call.context(), &package, version).await?;
    Ok(StatusCode::NO_CONTENT)
}
