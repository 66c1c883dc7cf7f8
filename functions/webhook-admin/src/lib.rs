#![doc = include_str!("../README.md")]

use domain::ports::{Deadline, QueueError};
use domain::webhooks::AdminMessage;
use runtime::App;

/// The worker: one message.
///
/// # Errors
/// What brings the message back after the visibility time.
pub async fn work(_app: &App, body: &str, _deadline: &dyn Deadline) -> domain::Result<()> {
    let _message: AdminMessage =
        serde_json::from_str(body).map_err(|error| domain::Error::Queue(QueueError(Box::new(error))))?;
    Ok(())
}
