//! The Lambda function `zone-discover`.

use runtime::{Needs, StartError};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    runtime::serve_http(Needs::http().autotask(), zone_discover::routes()).await
}
