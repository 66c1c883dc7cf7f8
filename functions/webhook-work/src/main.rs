//! The Lambda function `webhook-work`: deliveries of webhooks, ten messages at a time.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let needs = Needs::worker().secrets().queues().events();
    runtime::serve_queue(needs, |app, body, deadline| Box::pin(webhook_work::work(app, body, deadline))).await
}
