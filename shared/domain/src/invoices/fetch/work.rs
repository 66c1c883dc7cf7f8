//! The message that makes a worker take fetches up.

use crate::ids::{ConnectionId, PartnerId, RunId};
use crate::ports::{Ports, QueueError, QueueName};
use crate::problem::Result;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most fetches that share an invocation: an idle one takes three calls.
pub const SHARED_MAX: usize = 50;

/// Which fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchRef {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Which.
    pub fetch: RunId,
}

/// A message of the queue [`QueueName::InvoiceFetch`]: fetches to be taken up, one after the other. What to do stands
/// in their records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchMessage {
    /// At most [`SHARED_MAX`].
    pub fetches: Vec<FetchRef>,
}

impl FetchMessage {
    /// Of one fetch.
    #[must_use]
    pub fn of(fetch: FetchRef) -> Self {
        Self { fetches: vec![fetch] }
    }

    /// Sends it. The first one's partner stands for fairness.
    ///
    /// # Errors
    /// The queue.
    pub async fn send(&self, ports: &Ports, delay: Duration) -> Result<()> {
        let Some(first) = self.fetches.first() else { return Ok(()) };
        let body = serde_json::to_string(self).map_err(|error| QueueError(Box::new(error)))?;
        Ok(ports.queue.send(QueueName::InvoiceFetch, body, delay, &first.partner).await?)
    }
}
