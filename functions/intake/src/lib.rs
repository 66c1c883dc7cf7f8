#![doc = include_str!("../README.md")]

mod accounts;
mod batch;
mod changes;
mod on_event;
mod packages;
mod partners;
mod payments;
mod usage;

pub use on_event::on_event;

use domain::{Error, PartnerId, Role, Scope};
use runtime::App;
use runtime::edge::{ApiError, Caller};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of the vendor's back end.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(partners::put_partner))
        .routes(routes!(packages::put_partner_packages))
        .routes(routes!(packages::put_package))
        .routes(routes!(accounts::put_account, accounts::delete_account))
        .routes(routes!(accounts::post_accounts))
        .routes(routes!(changes::post_change))
        .routes(routes!(changes::get_change))
        .routes(routes!(usage::put_usage))
        .routes(routes!(usage::post_usage))
}

/// Who may tell what the vendor's core knows.
const BACK_END: &[Role] = &[Role::Service];
/// Who may also do it by hand.
const BACK_END_AND_ADMIN: &[Role] = &[Role::Service, Role::VendorAdmin];

/// The scope of a call by one of `roles`. Where the caller also names a partner by header, the path must agree.
fn reach(caller: &Caller, roles: &[Role], partner: Option<&PartnerId>) -> Result<Scope, ApiError> {
    caller.require(roles)?;
    let other = caller.partner_if_named().filter(|named| partner.is_some_and(|p| p != *named));
    if other.is_some() {
        return Err(Error::not_found("partner").into());
    }
    caller.system_scope()
}
