//! The Lambda function `webhook-admin-worker`: one message of its queue at a time.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let needs = Needs::worker().secrets().queues().events().hook_urls();
    runtime::serve_queue(needs, |app, body, deadline| Box::pin(webhook_admin::work(app, body, deadline))).await
}
