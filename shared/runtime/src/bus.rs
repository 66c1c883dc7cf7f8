//! Events of the vendor's core, and our own, by EventBridge.

use crate::app::App;
use crate::edge::EventError;
use crate::guard::caught;
use aws_lambda_events::eventbridge::EventBridgeEvent;
use domain::ports::Deadline;
use domain::{Actor, Scope};
use futures::future::BoxFuture;
use serde_json::Value;
use tracing::Instrument;

/// The scope of an event from the vendor's core, which may be about any partner.
#[must_use]
#[allow(
    clippy::disallowed_methods,
    reason = "the vendor's core speaks for every partner; the bus's policy says who may put events"
)]
pub fn scope() -> Scope {
    Scope::system("an event of the vendor's core")
}

/// The scope of an event of our own, which names its partner: it narrows to that partner at once.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "an event of ours may be any partner's")]
pub fn own_scope() -> Scope {
    Scope::system("an event of our own")
}

/// Who acts for an event, for the audit trail.
#[must_use]
pub fn actor(detail_type: &str, event_id: &str) -> Actor {
    Actor::system(format!("event:{detail_type}"), event_id)
}

/// Handles one event in EventBridge's envelope: hands `detail-type` and `detail` on.
///
/// # Errors
/// [`EventError::NotOurs`] for anything else; otherwise what the handler says, so that EventBridge
/// delivers it again and at last to the dead-letter queue.
pub async fn handle<H>(app: &App, event: Value, deadline: &dyn Deadline, handler: H) -> Result<(), EventError>
where
    H: for<'a> Fn(&'a App, &'a str, Value, &'a dyn Deadline) -> BoxFuture<'a, domain::Result<()>> + Send + Sync,
{
    let event: EventBridgeEvent<Value> = serde_json::from_value(event).map_err(EventError::NotOurs)?;
    let id = event.id.as_deref().unwrap_or_default();
    let span = tracing::info_span!("event", event.id = id, event.kind = event.detail_type);
    let work = async { handler(app, &event.detail_type, event.detail.clone(), deadline).await };
    let done = caught(work.instrument(span)).await;
    done.map_err(|panicked| EventError::Panicked(panicked.into()))?.map_err(EventError::Failed)
}
