//! The Lambda function `payments-worker`: one invoice's write-back at a time.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let needs = Needs::worker().secrets().queues().events();
    runtime::serve_queue(needs, |app, body, deadline| Box::pin(payments::work(app, body, deadline))).await
}
