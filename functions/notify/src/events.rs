//! The Lambda function `notify-events`: the bundle's own events, from the bus.

use runtime::{Needs, StartError, serve_events};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    serve_events(Needs::worker().secrets().events().mail(), |app, kind, detail, deadline| {
        Box::pin(notify::on_event(app, kind, detail, deadline))
    })
    .await
}
