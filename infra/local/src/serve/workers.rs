//! Work goes on by itself: what Lambda's event source mappings do.

use crate::host::Bundle;
use domain::ports::QueueName;
use std::time::Duration;
use tokio::task::JoinSet;

/// Messages of one queue that are worked on at once; the template's `MaximumConcurrency` is at least 2.
const CONCURRENCY: usize = 2;
/// How often a queue is looked at when nothing says that it changed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Pause after a failure of the queue itself, such as a full disk.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

pub(super) fn start(tasks: &mut JoinSet<()>, bundle: &Bundle) {
    tasks.spawn(deliver(bundle.clone()));
    let fetched = [QueueName::InvoiceFetch, QueueName::InvoicePdf];
    let webhooks = [QueueName::Webhooks, QueueName::WebhookAdmin];
    let all = [QueueName::SeatSync, QueueName::Map, QueueName::Payments].into_iter().chain(fetched).chain(webhooks);
    for queue in all {
        for _ in 0..CONCURRENCY {
            tasks.spawn(work(bundle.clone(), queue));
        }
    }
}

/// What the bundle publishes reaches those of its functions that hear it.
async fn deliver(bundle: Bundle) {
    loop {
        if let Err(error) = bundle.deliver().await {
            tracing::error!(error = %error, "the bus cannot be written");
            tokio::time::sleep(AFTER_FAILURE).await;
        }
        // Either something was published or it is time to look; both lead on.
        let _ = tokio::time::timeout(LOOK_EVERY, bundle.host().events.published()).await;
    }
}

async fn work(bundle: Bundle, queue: QueueName) {
    loop {
        match bundle.work(Some(queue)).await {
            Ok(Some(_)) => {}
            Ok(None) => {
                let host = bundle.host();
                let look = async {
                    tokio::select! {
                        () = host.queue.changed() => {}
                        () = host.clock.moved() => {}
                    }
                };
                // Either something changed or it is time to look; both lead on.
                let _ = tokio::time::timeout(LOOK_EVERY, look).await;
            }
            Err(error) => {
                tracing::error!(error = %error, "a queue cannot be read");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}
