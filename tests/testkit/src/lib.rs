#![doc = include_str!("../README.md")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a world that cannot be made fails its test")]

mod api;
mod build;
mod callouts;
mod catalogue;
mod invoices;
mod lines;
mod logs;
mod synced;
mod transport;
mod world;

pub use api::{Api, Reply};
pub use build::{Builder, HOOKS_BASE, INTEGRATION_CODE, SECRET, SUPPORT, USERNAME};
pub use catalogue::Client;
pub use invoices::Invoice;
pub use lines::{Line, PACKAGE};
pub use logs::Logs;
pub use transport::SimulatorTransport;

/// The platform's events as JSON, for calling `runtime` itself.
pub mod events {
    pub use local::gateway::event::{HttpRequest, Matched, of_request as api};
    pub use local::host::bundle::{bus_event as bus, schedule_event as schedule, sqs_event as sqs};
}

pub use world::World;

/// A world with one connected partner.
pub async fn world() -> World {
    World::builder().build().await
}
