//! SQS batches: every record in its own guard, only what failed comes back.

use crate::app::App;
use crate::edge::EventError;
use crate::guard::caught;
use aws_lambda_events::sqs::SqsMessage;
use domain::Scope;
use domain::ports::Deadline;
use domain::problem::chain;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tracing::Instrument;

/// A record is not started with less time than this: parsing, one read and a hand-on as a new message fit in.
/// Unstarted records come back as failures.
pub const RECORD_TIME_MIN: Duration = Duration::from_secs(20);

/// The scope a worker starts with; it narrows to the partner of its message at once.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "a message may be any partner's")]
pub fn scope() -> Scope {
    Scope::system("a queue worker")
}

/// Works through a batch, one record after the other, and answers as `ReportBatchItemFailures` wants it:
/// `{"batchItemFailures":[{"itemIdentifier":"…"}]}`. The handler gets one message's body; its `Err` brings
/// the message back after the visibility time, "not now" is a new delayed message and `Ok`.
///
/// # Errors
/// [`EventError::NotOurs`] for anything but an SQS event.
pub async fn handle_batch<H>(app: &App, event: Value, deadline: &dyn Deadline, handler: H) -> Result<Value, EventError>
where
    H: for<'a> Fn(&'a App, &'a str, &'a dyn Deadline) -> BoxFuture<'a, domain::Result<()>> + Send + Sync,
{
    let batch: Batch = serde_json::from_value(event).map_err(EventError::NotOurs)?;
    let mut failures = Vec::new();
    for (at, record) in batch.records.into_iter().enumerate() {
        let id = record.get("messageId").and_then(Value::as_str).unwrap_or_default().to_owned();
        let late = at > 0 && deadline.remaining() < RECORD_TIME_MIN;
        if late {
            tracing::warn!(message.id = id, "no time is left for this message; it comes back");
        }
        if late || !work(app, &id, record, deadline, &handler).await {
            failures.push(json!({ "itemIdentifier": id }));
        }
    }
    Ok(json!({ "batchItemFailures": failures }))
}

/// The batch with its records unread: one that is malformed must not cost the others.
#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Value>,
}

async fn work<H>(app: &App, id: &str, record: Value, deadline: &dyn Deadline, handler: &H) -> bool
where
    H: for<'a> Fn(&'a App, &'a str, &'a dyn Deadline) -> BoxFuture<'a, domain::Result<()>> + Send + Sync,
{
    let message: SqsMessage = match serde_json::from_value(record) {
        Ok(message) => message,
        Err(error) => {
            tracing::error!(message.id = id, cause = chain(&error), "a record is not an SQS message");
            return false;
        }
    };
    let receives = message.attributes.get("ApproximateReceiveCount").map_or("?", String::as_str);
    let span = tracing::info_span!("message", message.id = id, message.receives = receives);
    let body = message.body.as_deref().unwrap_or_default();
    async {
        match caught(async { handler(app, body, deadline).await }).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => tracing::error!(cause = chain(&error), "a message failed; it comes back"),
            Err(panicked) => tracing::error!(cause = chain(&panicked), "a message failed; it comes back"),
        }
        false
    }
    .instrument(span)
    .await
}
