//! The Lambda function `payments`, behind API Gateway.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    runtime::serve_http(Needs::http().queues().events(), payments::routes()).await
}
