#![doc = include_str!("../README.md")]

use domain::Error;
use domain::invoices::pdf::{self, PdfMessage};
use domain::ports::{Deadline, QueueError};
use runtime::App;

/// The worker: one message.
///
/// # Errors
/// What brings the message back after the visibility time.
pub async fn work(app: &App, body: &str, deadline: &dyn Deadline) -> domain::Result<()> {
    let message: PdfMessage = serde_json::from_str(body).map_err(|error| Error::Queue(QueueError(Box::new(error))))?;
    pdf::work(&app.ports, &runtime::queue::scope(), deadline, &message).await
}
