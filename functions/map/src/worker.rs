//! The Lambda function `map-worker`, on the queue `map`.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let needs = Needs::worker().secrets().queues().events();
    runtime::serve_queue(needs, |app, body, deadline| Box::pin(map::work(app, body, deadline))).await
}
