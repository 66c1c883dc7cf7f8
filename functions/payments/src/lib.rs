#![doc = include_str!("../README.md")]

mod archive;
mod credits;
mod examples;
mod payments;
mod views;

use domain::invoices::payments as writing_back;
use domain::ports::Deadline;
use domain::{Actor, Role};
use runtime::App;
use runtime::schedule::Tick;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of payments and credits, and of archiving invoices.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(payments::post_payment))
        .routes(routes!(payments::delete_payment))
        .routes(routes!(payments::list_payments))
        .routes(routes!(credits::post_credit))
        .routes(routes!(credits::delete_credit))
        .routes(routes!(archive::archive))
        .routes(routes!(archive::unarchive))
}

/// Who may tell payments.
const BACK_END: &[Role] = &[Role::Service];
/// Who may give credits.
const CREDITORS: &[Role] = &[Role::PartnerAdmin, Role::PartnerBilling, Role::Service];
/// Who may archive.
const BILLERS: &[Role] = &[Role::PartnerAdmin, Role::PartnerBilling];

/// The dispatcher: asks for each write-back that is due.
///
/// # Errors
/// What Lambda should try again; it may be repeated.
pub async fn tick(app: &App, tick: Tick, _deadline: &dyn Deadline) -> domain::Result<()> {
    if tick.job != "payments" {
        tracing::error!(job = tick.job, "there is no such job; check the schedule's input");
        return Ok(());
    }
    let sent = writing_back::sweep(&app.ports, &runtime::schedule::scope(), app.ports.clock.now()).await?;
    if sent > 0 {
        tracing::info!(invoices = sent, "asked for write-backs that are due");
    }
    Ok(())
}

/// The worker: one message.
///
/// # Errors
/// What brings the message back after the visibility time.
pub async fn work(app: &App, body: &str, _deadline: &dyn Deadline) -> domain::Result<()> {
    let actor = Actor::system("queue:payments", app.ports.ids.uuid().to_string());
    writing_back::work(&app.ports, &runtime::queue::scope(), &actor, body).await
}
