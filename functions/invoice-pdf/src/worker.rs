//! The Lambda function `invoice-pdf-worker`: one message of its queue at a time.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let needs = Needs::worker().secrets().queues().events().blobs();
    runtime::serve_queue(needs, |app, body, deadline| Box::pin(invoice_pdf::work(app, body, deadline))).await
}
