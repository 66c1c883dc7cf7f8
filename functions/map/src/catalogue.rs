//! `GET /v1/connections/{cid}/autotask/catalogue`.

use crate::packages_views::CatalogueKindView;
use crate::{Call, PICKERS};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::packages::{self, CatalogueItem, NamedService};
use domain::{ConnectionId, PackageId};
use runtime::App;
use runtime::edge::{ApiError, Caller, Params, PathParams, ProblemBody};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What to search Autotask's catalogue for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CatalogueParams {
    /// Services and bundles can be mapped as they are.
    kind: CatalogueKindView,
    /// Part of the name; of products also the whole SKU or vendor's number.
    #[serde(default)]
    q: String,
}

/// A service.
#[derive(Debug, Serialize, ToSchema)]
pub struct NamedServiceView {
    /// `Services.id`.
    #[schema(example = 55)]
    id: i64,
    #[schema(example = "Security Awareness Training")]
    name: String,
}

impl From<NamedService> for NamedServiceView {
    fn from(service: NamedService) -> Self {
        let NamedService { id, name } = service;
        Self { id, name }
    }
}

/// An active entry of Autotask's catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogueItemView {
    kind: CatalogueKindView,
    /// `Services.id`, `ServiceBundles.id` or `Products.id`.
    id: i64,
    name: String,
    /// Of products.
    sku: Option<String>,
    /// Of products.
    vendor_product_number: Option<String>,
    /// Price of one unit.
    #[schema(value_type = Option<String>, example = "3.50")]
    unit_price: Option<Decimal>,
    /// Cost of one unit, where readable.
    #[schema(value_type = Option<String>, example = "1.75")]
    unit_cost: Option<Decimal>,
    /// Label of its billing period.
    #[schema(example = "Monthly")]
    period_type: Option<String>,
    billing_code_id: Option<i64>,
    /// Whether that is the vendor's billing code.
    vendor_code: bool,
    /// Of products: the service that it would be billed as; null: it cannot be mapped.
    billable: Option<NamedServiceView>,
    /// The package that is mapped to it already.
    #[schema(value_type = Option<String>, example = "training")]
    mapped_to: Option<PackageId>,
}

impl From<CatalogueItem> for CatalogueItemView {
    fn from(item: CatalogueItem) -> Self {
        Self {
            kind: item.kind.into(),
            id: item.id,
            name: item.name,
            sku: item.sku,
            vendor_product_number: item.vendor_product_number,
            unit_price: item.unit_price,
            unit_cost: item.unit_cost,
            period_type: item.period_type,
            billing_code_id: item.billing_code_id,
            vendor_code: item.vendor_code,
            billable: item.billable.map(NamedServiceView::from),
            mapped_to: item.mapped_to,
        }
    }
}

/// What was found in Autotask's catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogueView {
    /// At most 50, those with the vendor's billing code first, then by name.
    items: Vec<CatalogueItemView>,
    /// Whether there are more: refine the search.
    more: bool,
}

/// Searches services, service bundles or products in Autotask
///
/// Active ones only.
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/autotask/catalogue",
    tag = "map",
    params(("cid" = String, Path, example = "con_1"), CatalogueParams),
    responses(
        (status = 200, description = "At most 50 entries", body = CatalogueView, example = json!({"items": [{
            "kind": "service", "id": 55, "name": "Security Awareness Training", "sku": null, "vendor_product_number": null,
            "unit_price": "3.50", "unit_cost": "1.75", "period_type": "Monthly", "billing_code_id": 29682901,
            "vendor_code": true, "billable": null, "mapped_to": "training"
        }], "more": false})),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn search_catalogue(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    params: Params<CatalogueParams>,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, PICKERS, cid)?;
    let CatalogueParams { kind, q } = params.read()?;
    let (found, more) = packages::search_catalogue(call.context(), kind.into(), &q).await?;
    Ok(Json(CatalogueView { items: found.into_iter().map(CatalogueItemView::from).collect(), more }))
}
