//! The Lambda function `connect`.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    runtime::serve_http(Needs::http().secrets().events().blobs(), connect::routes()).await
}
