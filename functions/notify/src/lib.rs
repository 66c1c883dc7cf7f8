#![doc = include_str!("../README.md")]

mod examples;
mod notifications;

use domain::ports::Deadline;
use domain::{Role, notify};
use runtime::App;
use runtime::schedule::Tick;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Who may say whom mails go to.
const ADMINS: &[Role] = &[Role::PartnerAdmin];

/// The routes of notifications.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(notifications::get_notifications, notifications::put_notifications))
        .routes(routes!(notifications::test_notifications))
}

/// Whether an event of ours is heard: what the template's rule lets through, too.
#[must_use]
pub fn hears(detail_type: &str, detail: &Value) -> bool {
    let code = detail["data"]["code"].as_str();
    let is_heard_issue = || notify::HEARS_ISSUES.iter().any(|known| Some(known.as_str()) == code);
    notify::HEARS.contains(&detail_type) || (detail_type == notify::ISSUE_OPENED && is_heard_issue())
}

/// One event of ours.
///
/// # Errors
/// What EventBridge should deliver again; it may be delivered twice.
pub async fn on_event(app: &App, detail_type: &str, detail: Value, _deadline: &dyn Deadline) -> domain::Result<()> {
    notify::hear(&app.ports, &runtime::bus::own_scope(), detail_type, detail).await
}

/// The tick: what was gathered, and what mornings show.
///
/// # Errors
/// What Lambda should try again; it may be repeated.
pub async fn tick(app: &App, tick: Tick, deadline: &dyn Deadline) -> domain::Result<()> {
    if tick.job != "notify" {
        tracing::error!(job = tick.job, "there is no such job; check the schedule's input");
        return Ok(());
    }
    let done = notify::tick(&app.ports, &runtime::schedule::scope(), app.ports.clock.now(), deadline).await?;
    if done.connections > 0 {
        tracing::info!(connections = done.connections, failed = done.failed, "looked after mails");
    }
    Ok(())
}
