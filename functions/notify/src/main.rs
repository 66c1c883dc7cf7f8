//! The Lambda function `notify`, behind API Gateway.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    runtime::serve_http(Needs::http().mail(), notify::routes()).await
}
