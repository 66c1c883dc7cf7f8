#![doc = include_str!("../README.md")]

mod deliveries;
mod examples;
mod replay;
mod views;
mod webhooks;

use domain::Role;
use domain::ports::Deadline;
use runtime::App;
use runtime::schedule::Tick;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The schedule's only job.
pub const JOB: &str = "webhook-heal";

/// The routes of webhooks and their deliveries.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(webhooks::list_webhooks))
        .routes(routes!(webhooks::install_webhooks))
        .routes(routes!(webhooks::uninstall_webhooks))
        .routes(routes!(webhooks::rotate_webhook_keys))
        .routes(routes!(webhooks::clean_orphaned_webhooks))
        .routes(routes!(webhooks::reactivate_webhook))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::get_delivery))
        .routes(routes!(replay::replay_delivery))
        .routes(routes!(replay::replay_deliveries))
}

/// Who installs and removes webhooks.
const ADMINS: &[Role] = &[Role::PartnerAdmin];
/// Who replays deliveries.
const REPLAYERS: &[Role] = &[Role::PartnerAdmin, Role::PartnerBilling, Role::VendorSupport, Role::VendorAdmin];

/// The dispatcher: asks for a look at the webhooks of each connection whose hour has come.
///
/// # Errors
/// What Lambda should try again; it may be repeated.
pub async fn tick(app: &App, tick: Tick, _deadline: &dyn Deadline) -> domain::Result<()> {
    if tick.job != JOB {
        tracing::error!(job = tick.job, "there is no such job; check the schedule's input");
        return Ok(());
    }
    let asked = domain::webhooks::heal_tick(&app.ports, &runtime::schedule::scope(), app.ports.clock.now()).await?;
    if asked > 0 {
        tracing::info!(connections = asked, "asked for a look at webhooks");
    }
    Ok(())
}

/// The worker: one message.
///
/// # Errors
/// What brings the message back after the visibility time.
pub async fn work(app: &App, body: &str, deadline: &dyn Deadline) -> domain::Result<()> {
    domain::webhooks::look_after(&app.ports, &runtime::queue::scope(), deadline, body).await
}
