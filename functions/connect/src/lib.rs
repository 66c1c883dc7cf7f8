#![doc = include_str!("../README.md")]

mod connections;
mod credentials;
mod examples;
mod lifecycle;
mod operate;
mod settings;
mod setup;
mod vendor_profile;
mod views;

use domain::{Role, Scope};
use runtime::App;
use runtime::edge::{ApiError, Caller, READERS};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of connections, their settings and set-up, and the vendor's profile.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(connections::create_connection, connections::list_connections))
        .routes(routes!(connections::get_connection, connections::delete_connection))
        .routes(routes!(lifecycle::test_connection))
        .routes(routes!(lifecycle::get_permissions))
        .routes(routes!(lifecycle::probe_permissions))
        .routes(routes!(lifecycle::relink_connection))
        .routes(routes!(lifecycle::pause_connection))
        .routes(routes!(lifecycle::resume_connection))
        .routes(routes!(settings::get_settings, settings::patch_settings))
        .routes(routes!(setup::get_setup_progress))
        .routes(routes!(setup::get_setup_guide))
        .routes(routes!(setup::ensure_billing_code))
        .routes(routes!(operate::get_budget))
        .routes(routes!(operate::get_health))
        .routes(routes!(vendor_profile::get_vendor_profile, vendor_profile::put_vendor_profile))
}

/// Who may test and probe.
const TESTERS: &[Role] = &[Role::PartnerAdmin, Role::PartnerBilling, Role::VendorSupport, Role::VendorAdmin];
/// Who may change where a connection stands.
const ADMINS: &[Role] = &[Role::PartnerAdmin];
/// Who may change settings: which ones, the domain decides by role.
const SETTERS: &[Role] = &[Role::PartnerAdmin, Role::PartnerBilling];

/// The caller's scope for what the vendor tells everybody.
fn reading_scope(caller: &Caller) -> Result<Scope, ApiError> {
    caller.require(READERS)?;
    if caller.partner_if_named().is_some() { caller.scope() } else { caller.system_scope() }
}
