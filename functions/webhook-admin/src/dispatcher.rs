//! The Lambda function `webhook-admin-dispatcher`: the hourly tick that has webhooks looked at.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let needs = Needs::worker().queues();
    runtime::serve_schedule(needs, |app, tick, deadline| Box::pin(webhook_admin::tick(app, tick, deadline))).await
}
