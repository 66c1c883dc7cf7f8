//! The functions' entry points, behind the same `runtime` code that Lambda runs.

use super::bundle::Outcome;
use axum::Router;
use domain::ports::Deadline;
use futures::future::BoxFuture;
use runtime::App;
use runtime::edge::EventError;
use runtime::schedule::Tick;
use serde_json::Value;

/// What a worker does with one message.
pub(super) type Work = for<'a> fn(&'a App, &'a str, &'a dyn Deadline) -> BoxFuture<'a, domain::Result<()>>;

/// The seat sync's worker.
pub(super) fn seat_sync<'a>(
    app: &'a App,
    body: &'a str,
    deadline: &'a dyn Deadline,
) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(seat_sync::work(app, body, deadline))
}

/// The mapper's worker.
pub(super) fn map<'a>(app: &'a App, body: &'a str, deadline: &'a dyn Deadline) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(map::work(app, body, deadline))
}

/// The worker of invoice fetches.
pub(super) fn invoice_fetch<'a>(
    app: &'a App,
    body: &'a str,
    deadline: &'a dyn Deadline,
) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(invoice_fetch::work(app, body, deadline))
}

/// The worker that fetches PDFs.
pub(super) fn invoice_pdf<'a>(
    app: &'a App,
    body: &'a str,
    deadline: &'a dyn Deadline,
) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(invoice_pdf::work(app, body, deadline))
}

/// The payments' worker.
pub(super) fn payments<'a>(
    app: &'a App,
    body: &'a str,
    deadline: &'a dyn Deadline,
) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(payments::work(app, body, deadline))
}

/// The worker of webhooks' deliveries.
pub(super) fn webhooks<'a>(
    app: &'a App,
    body: &'a str,
    deadline: &'a dyn Deadline,
) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(webhook_work::work(app, body, deadline))
}

/// The worker that looks after webhooks in Autotask.
pub(super) fn webhook_admin<'a>(
    app: &'a App,
    body: &'a str,
    deadline: &'a dyn Deadline,
) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(webhook_admin::work(app, body, deadline))
}

/// What a dispatcher does with one tick.
pub(super) type Tock = for<'a> fn(&'a App, Tick, &'a dyn Deadline) -> BoxFuture<'a, domain::Result<()>>;

/// The seat sync's dispatcher, which most schedules start.
pub(super) fn seat_sync_tick<'a>(
    app: &'a App,
    tick: Tick,
    deadline: &'a dyn Deadline,
) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(seat_sync::tick(app, tick, deadline))
}

/// The dispatcher of invoice fetches.
pub(super) fn invoice_fetch_tick<'a>(
    app: &'a App,
    tick: Tick,
    deadline: &'a dyn Deadline,
) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(invoice_fetch::tick(app, tick, deadline))
}

/// The payments' dispatcher.
pub(super) fn payments_tick<'a>(
    app: &'a App,
    tick: Tick,
    deadline: &'a dyn Deadline,
) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(payments::tick(app, tick, deadline))
}

/// The digests' and reminders'.
pub(super) fn notify_tick<'a>(
    app: &'a App,
    tick: Tick,
    deadline: &'a dyn Deadline,
) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(notify::tick(app, tick, deadline))
}

/// The dispatcher of looks at webhooks.
pub(super) fn webhook_admin_tick<'a>(
    app: &'a App,
    tick: Tick,
    deadline: &'a dyn Deadline,
) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(webhook_admin::tick(app, tick, deadline))
}

/// One API request.
pub(super) async fn api(service: Router, event: Value) -> Option<Value> {
    match runtime::edge::handle_event(service, event).await {
        Ok(answer) => Some(answer),
        Err(error) => {
            tracing::error!(error = describe(&error), "a function did not answer");
            None
        }
    }
}

/// One SQS event.
pub(super) async fn queue(app: &App, event: Value, deadline: &dyn Deadline, work: Work) -> Outcome {
    match runtime::queue::handle_batch(app, event, deadline, work).await {
        Ok(answer) => match answer["batchItemFailures"].as_array() {
            Some(failures) if failures.is_empty() => Outcome::Done,
            _ => Outcome::Failed("the message failed; the log says why".to_owned()),
        },
        Err(error) => Outcome::Failed(describe(&error)),
    }
}

/// One tick.
pub(super) async fn schedule(app: &App, event: Value, deadline: &dyn Deadline, tick: Tock) -> Outcome {
    ended(runtime::schedule::handle(app, event, deadline, tick).await)
}

/// One event from the vendor's core.
pub(super) async fn bus(app: &App, event: Value, deadline: &dyn Deadline) -> Outcome {
    ended(runtime::bus::handle(app, event, deadline, on_event).await)
}

/// One event of our own.
pub(super) async fn own_bus(app: &App, event: Value, deadline: &dyn Deadline) -> Outcome {
    ended(runtime::bus::handle(app, event, deadline, on_own_event).await)
}

fn on_own_event<'a>(
    app: &'a App,
    detail_type: &'a str,
    detail: Value,
    deadline: &'a dyn Deadline,
) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(notify::on_event(app, detail_type, detail, deadline))
}

fn on_event<'a>(
    app: &'a App,
    detail_type: &'a str,
    detail: Value,
    deadline: &'a dyn Deadline,
) -> BoxFuture<'a, domain::Result<()>> {
    Box::pin(intake::on_event(app, detail_type, detail, deadline))
}

fn ended(result: Result<(), EventError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Failed(describe(&error)),
    }
}

/// An error with all its causes.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
