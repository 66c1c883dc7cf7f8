//! [`Queue`] on standard SQS queues.

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use domain::ids::PartnerId;
use domain::ports::{DELAY_MAX, Queue, QueueError, QueueName};
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// Work for later in SQS.
pub struct Sqs {
    client: Client,
    urls: HashMap<QueueName, String>,
}

impl fmt::Debug for Sqs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqs").field("urls", &self.urls).finish_non_exhaustive()
    }
}

impl Sqs {
    /// The queues with their URLs. A function has only those that it may send to.
    #[must_use]
    pub fn new(client: Client, urls: impl IntoIterator<Item = (QueueName, String)>) -> Self {
        Self { client, urls: urls.into_iter().collect() }
    }
}

#[async_trait]
impl Queue for Sqs {
    async fn send(&self, queue: QueueName, body: String, delay: Duration, group: &PartnerId) -> Result<(), QueueError> {
        let url = self.urls.get(&queue).ok_or_else(|| QueueError(format!("no URL for {queue:?}").into()))?;
        self.client
            .send_message()
            .queue_url(url)
            .message_body(body)
            .delay_seconds(delay_seconds(delay))
            // On a standard queue a group is for fairness between partners and promises no order.
            .message_group_id(group.as_str())
            .send()
            .await
            .map_err(|error| QueueError(Box::new(error)))?;
        Ok(())
    }
}

/// Whole seconds, not earlier than asked, at most [`DELAY_MAX`]: a message that should wait longer comes
/// early, and whoever gets it looks at the clock anyhow.
fn delay_seconds(delay: Duration) -> i32 {
    let delay = delay.min(DELAY_MAX);
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    i32::try_from(seconds).expect("DELAY_MAX in seconds fits")
}
