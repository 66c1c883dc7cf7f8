#![doc = include_str!("../README.md")]

mod acts;
mod decisions;
mod examples;
mod health;
mod lines;
mod pending;
mod reconciliation;
mod reports;
mod undo;
mod usage_history;
mod vendor_lines;
mod views;

use domain::Role;
use runtime::App;
use runtime::edge::READERS;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of runs, of the reconciliation and of the counts behind them.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(acts::start_run, reports::list_runs))
        .routes(routes!(reports::get_run))
        .routes(routes!(acts::apply_run))
        .routes(routes!(acts::cancel_run))
        .routes(routes!(acts::retry_failed))
        .routes(routes!(pending::list_pending))
        .routes(routes!(undo::undo_run))
        .routes(routes!(decisions::approve_line))
        .routes(routes!(decisions::dismiss_line))
        .routes(routes!(decisions::adjust_line))
        .routes(routes!(decisions::decide_lines))
        .routes(routes!(lines::list_lines))
        .routes(routes!(lines::lines_csv))
        .routes(routes!(reconciliation::get_reconciliation))
        .routes(routes!(reconciliation::reconciliation_csv))
        .routes(routes!(usage_history::get_usage_history))
        .routes(routes!(health::get_health))
        .routes(routes!(health::run_health))
        .routes(routes!(vendor_lines::find_lines))
}

/// Who may start, apply, decide and cancel.
const BILLERS: &[Role] = &[Role::PartnerAdmin, Role::PartnerBilling];
/// Who may retry what failed.
const RETRIERS: &[Role] = &[Role::PartnerAdmin, Role::PartnerBilling, Role::VendorSupport, Role::VendorAdmin];
/// Who may search a partner's lines.
const SUPPORT: &[Role] = &[Role::VendorSupport, Role::VendorAdmin];
