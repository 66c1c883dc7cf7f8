//! The Lambda function `runs`.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    runtime::serve_http(Needs::http().secrets().queues().events(), runs::routes()).await
}
