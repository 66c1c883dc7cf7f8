//! The events of the vendor's core, from the bus.

use runtime::{Needs, StartError, serve_events};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    serve_events(Needs::worker().queues().events(), |app, kind, detail, deadline| {
        Box::pin(intake::on_event(app, kind, detail, deadline))
    })
    .await
}
