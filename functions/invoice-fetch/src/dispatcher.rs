//! The Lambda function `invoice-fetch-dispatcher`: a tick every five minutes.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let needs = Needs::worker().queues().events();
    runtime::serve_schedule(needs, |app, tick, deadline| Box::pin(invoice_fetch::tick(app, tick, deadline))).await
}
