#![doc = include_str!("../README.md")]

mod examples;
mod invoices;
mod lines;
mod views;

use runtime::App;
use runtime::edge::ApiError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of invoices and customers.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(invoices::list_invoices))
        .routes(routes!(invoices::get_invoice))
        .routes(routes!(lines::list_lines))
}

/// A cursor that was given to another list, or to this one with other filters.
fn foreign_cursor() -> ApiError {
    domain::Problem::field("cursor", "was given to another list, or with other filters; start without one").into()
}
