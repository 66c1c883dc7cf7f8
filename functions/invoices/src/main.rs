//! The Lambda function `invoices`, behind API Gateway.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    runtime::serve_http(Needs::http().secrets().queues().events().blobs(), invoices::routes()).await
}
