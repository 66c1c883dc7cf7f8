//! The vendor's back end, behind API Gateway.

use runtime::{Needs, StartError, serve_http};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    serve_http(Needs::http().queues().events(), intake::routes()).await
}
