//! The Lambda function `webhook-admin`, behind API Gateway.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    runtime::serve_http(Needs::http().secrets().queues().events().hook_urls(), webhook_admin::routes()).await
}
