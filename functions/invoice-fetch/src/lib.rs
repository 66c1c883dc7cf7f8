#![doc = include_str!("../README.md")]

use domain::invoices::fetch::{self, FetchMessage};
use domain::ports::{Deadline, QueueError};
use domain::{Actor, Error};
use runtime::App;
use runtime::schedule::Tick;

/// The schedule's only job.
pub const JOB: &str = "invoice-fetch";

/// The dispatcher: starts the fetches of connections whose time has come.
///
/// # Errors
/// What Lambda should try again; it may be repeated.
pub async fn tick(app: &App, tick: Tick, _deadline: &dyn Deadline) -> domain::Result<()> {
    if tick.job != JOB {
        tracing::error!(job = tick.job, "there is no such job; check the schedule's input");
        return Ok(());
    }
    let scope = runtime::schedule::scope();
    let actor = Actor::system(format!("schedule:{JOB}"), tick.time.to_string());
    let ticked = fetch::tick(&app.ports, &scope, &actor, tick.time).await?;
    if ticked != fetch::Ticked::default() {
        tracing::info!(
            started = ticked.started,
            resumed = ticked.resumed,
            waiting = ticked.waiting,
            "looked for invoices to fetch"
        );
    }
    Ok(())
}

/// The worker: one message, with up to fifty fetches.
///
/// # Errors
/// What brings the message back after the visibility time.
pub async fn work(app: &App, body: &str, deadline: &dyn Deadline) -> domain::Result<()> {
    let message: FetchMessage =
        serde_json::from_str(body).map_err(|error| Error::Queue(QueueError(Box::new(error))))?;
    fetch::work(&app.ports, &runtime::queue::scope(), deadline, &message).await
}
