#![doc = include_str!("../README.md")]

use domain::ports::Deadline;
use domain::webhooks;
use runtime::App;

/// The worker: one message.
///
/// # Errors
/// What brings the message back after the visibility time.
pub async fn work(app: &App, body: &str, _deadline: &dyn Deadline) -> domain::Result<()> {
    webhooks::work(&app.ports, &runtime::queue::scope(), body).await
}
