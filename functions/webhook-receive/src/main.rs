//! The Lambda function `webhook-receive`, behind API Gateway without an authorizer.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    runtime::serve_public(Needs::worker().queues().hooks(), webhook_receive::routes()).await
}
