//! The Lambda function `seat-sync-worker`: one message of the seat sync's queue at a time.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let needs = Needs::worker().secrets().queues().events();
    runtime::serve_queue(needs, |app, body, deadline| Box::pin(seat_sync::work(app, body, deadline))).await
}
