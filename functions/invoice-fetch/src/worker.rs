//! The Lambda function `invoice-fetch-worker`: one message of its queue at a time.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let needs = Needs::worker().secrets().queues().events();
    runtime::serve_queue(needs, |app, body, deadline| Box::pin(invoice_fetch::work(app, body, deadline))).await
}
