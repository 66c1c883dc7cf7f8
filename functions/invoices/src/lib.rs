#![doc = include_str!("../README.md")]

mod customers;
mod examples;
mod explain;
mod filters;
mod invoices;
mod lines;
mod pdf;
mod sync;
mod views;

use domain::Role;
use runtime::App;
use runtime::edge::ApiError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of invoices and customers.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(invoices::list_invoices))
        .routes(routes!(invoices::get_invoice, invoices::edit_invoice))
        .routes(routes!(lines::list_lines))
        .routes(routes!(explain::explain_invoice))
        .routes(routes!(explain::resync_invoice))
        .routes(routes!(customers::list_customers))
        .routes(routes!(customers::get_customer))
        .routes(routes!(customers::archive_customer))
        .routes(routes!(customers::unarchive_customer))
        .routes(routes!(filters::get_filters, filters::put_filters))
        .routes(routes!(filters::preview_filters))
        .routes(routes!(pdf::get_pdf))
        .routes(routes!(sync::get_sync_status))
        .routes(routes!(sync::fetch_new))
        .routes(routes!(sync::fetch_unpaid))
}

/// Who may start fetches and change what is kept.
const BILLERS: &[Role] = &[Role::PartnerAdmin, Role::PartnerBilling];

/// A cursor that was given to another list, or to this one with other filters.
fn foreign_cursor() -> ApiError {
    domain::Problem::field("cursor", "was given to another list, or with other filters; start without one").into()
}
