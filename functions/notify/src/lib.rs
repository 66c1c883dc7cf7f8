#![doc = include_str!("../README.md")]

mod examples;
mod notifications;

use domain::ports::Deadline;
use domain::{ConnectionId, PartnerId, Role, RunId, Scope, notify, tickets};
use runtime::App;
use runtime::schedule::Tick;
use serde::Deserialize;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Who may say whom mails go to.
const ADMINS: &[Role] = &[Role::PartnerAdmin];

/// Events that tell what became of a run.
const RUNS_ENDED: &[&str] = &["billing.run_completed", "billing.run_partial", "billing.run_failed"];

/// What matters of them.
#[derive(Debug, Deserialize)]
struct RunEnded {
    id: String,
    partner_id: PartnerId,
    connection_id: ConnectionId,
    data: RunRef,
}

#[derive(Debug, Deserialize)]
struct RunRef {
    run_id: RunId,
}

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
    let is_heard_issue = || notify::HEARS_ISSUES.iter().any(|(known, _)| Some(known.as_str()) == code);
    notify::HEARS.contains(&detail_type) || (detail_type == notify::ISSUE_OPENED && is_heard_issue())
}

/// One event of ours.
///
/// # Errors
/// What EventBridge should deliver again; it may be delivered twice.
pub async fn on_event(app: &App, detail_type: &str, detail: Value, deadline: &dyn Deadline) -> domain::Result<()> {
    let scope = runtime::bus::own_scope();
    // Mails first: they wait for nobody, and what is told is not told again when the event is delivered again.
    notify::hear(&app.ports, &scope, detail_type, detail.clone()).await?;
    if RUNS_ENDED.contains(&detail_type) {
        ticket(app, &scope, detail_type, &detail, deadline).await?;
    }
    Ok(())
}

/// What a run that ended means for tickets about failures.
async fn ticket(
    app: &App,
    scope: &Scope,
    detail_type: &str,
    detail: &Value,
    deadline: &dyn Deadline,
) -> domain::Result<()> {
    let Ok(event) = RunEnded::deserialize(detail) else {
        tracing::error!(event.kind = detail_type, "an event of ours is malformed");
        return Ok(());
    };
    let Some(scope) = scope.narrow(&event.partner_id) else { return Ok(()) };
    let actor = runtime::bus::actor(detail_type, &event.id);
    let of = (&event.partner_id, &event.connection_id);
    tickets::hear_run(&app.ports, &scope, &actor, of, &event.data.run_id, deadline).await
}

/// The tick: what was gathered, what mornings show, and tickets that are to be gone on with.
///
/// # Errors
/// What Lambda should try again; it may be repeated.
pub async fn tick(app: &App, tick: Tick, deadline: &dyn Deadline) -> domain::Result<()> {
    if tick.job != "notify" {
        tracing::error!(job = tick.job, "there is no such job; check the schedule's input");
        return Ok(());
    }
    let (scope, now) = (runtime::schedule::scope(), app.ports.clock.now());
    let went_on = tickets::tick(&app.ports, &scope, now, deadline).await;
    if let Ok(tickets @ 1..) = went_on {
        tracing::info!(tickets, "went on with tickets about failures");
    }
    let done = notify::tick(&app.ports, &scope, now, deadline).await?;
    if done.connections > 0 {
        tracing::info!(connections = done.connections, failed = done.failed, "looked after mails");
    }
    went_on.map(drop)
}
