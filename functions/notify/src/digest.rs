//! The Lambda function `notify-digest`: the tick that sends what was gathered, and what mornings show.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let needs = Needs::worker().secrets().events().mail();
    runtime::serve_schedule(needs, |app, tick, deadline| Box::pin(notify::tick(app, tick, deadline))).await
}
