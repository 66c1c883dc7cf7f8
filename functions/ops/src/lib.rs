#![doc = include_str!("../README.md")]

mod acts;
mod audit;
mod board;
mod bulk;
mod examples;
mod issues;
mod reason;
mod views;

use domain::Problem;
use domain::Role;
use runtime::App;
use runtime::edge::ApiError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of operating.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(issues::list_issues))
        .routes(routes!(issues::get_issue))
        .routes(routes!(acts::retry_issue))
        .routes(routes!(acts::acknowledge_issue))
        .routes(routes!(acts::dismiss_issue))
        .routes(routes!(acts::ignore_issue))
        .routes(routes!(bulk::decide_issues))
        .routes(routes!(audit::list_audit))
        .routes(routes!(audit::audit_csv))
        .routes(routes!(audit::list_partner_audit))
        .routes(routes!(board::vendor_board))
}

/// Who may decide about issues and press *Retry*; vendor roles with a reason.
const DECIDERS: &[Role] = &[Role::PartnerAdmin, Role::PartnerBilling, Role::VendorSupport, Role::VendorAdmin];

/// Who sees the board.
const SUPPORT: &[Role] = &[Role::VendorSupport, Role::VendorAdmin];

/// A cursor that was given to another list, or to this one with other filters.
fn foreign_cursor() -> ApiError {
    Problem::field("cursor", "was given to another list, or with other filters; start without one").into()
}
