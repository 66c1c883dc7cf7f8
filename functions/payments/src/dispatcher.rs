//! The Lambda function `payments-dispatcher`: the tick that looks for write-backs that are due.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let needs = Needs::worker().queues();
    runtime::serve_schedule(needs, |app, tick, deadline| Box::pin(payments::tick(app, tick, deadline))).await
}
