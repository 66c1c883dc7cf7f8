//! The Lambda function `seat-sync-dispatcher`: every schedule's tick.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let needs = Needs::worker().secrets().queues().events();
    runtime::serve_schedule(needs, |app, tick, deadline| Box::pin(seat_sync::tick(app, tick, deadline))).await
}
