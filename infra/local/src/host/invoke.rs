//! The functions' entry points, behind the same `runtime` code that Lambda runs.

use super::bundle::Outcome;
use axum::Router;
use domain::ports::Deadline;
use domain::problem::chain;
use futures::future::BoxFuture;
use runtime::App;
use runtime::edge::EventError;
use runtime::schedule::Tick;
use serde_json::Value;

/// What a worker does with one message.
pub(super) type Work = for<'a> fn(&'a App, &'a str, &'a dyn Deadline) -> BoxFuture<'a, domain::Result<()>>;

/// What a dispatcher does with one tick.
pub(super) type Tock = for<'a> fn(&'a App, Tick, &'a dyn Deadline) -> BoxFuture<'a, domain::Result<()>>;

/// One API request.
pub(super) async fn api(service: Router, event: Value) -> Option<Value> {
    match runtime::edge::handle_event(service, event).await {
        Ok(answer) => Some(answer),
        Err(error) => {
            tracing::error!(error = chain(&error), "a function did not answer");
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
        Err(error) => Outcome::Failed(chain(&error)),
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
        Err(error) => Outcome::Failed(chain(&error)),
    }
}
