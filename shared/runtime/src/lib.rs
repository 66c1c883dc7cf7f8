#![doc = include_str!("../README.md")]

mod absent;
mod app;
pub mod bus;
pub mod cursor;
mod deadline;
pub mod edge;
mod env;
mod guard;
pub mod hooks;
mod needs;
pub mod queue;
pub mod schedule;
mod serve;
mod system;
mod telemetry;

pub use app::{App, BODY_BYTES_MAX, ClaimNames, EdgeConfig};
pub use deadline::LambdaDeadline;
pub use domain::mac::MacKey;
pub use env::StartError;
pub use needs::Needs;
pub use serve::{serve_events, serve_http, serve_public, serve_queue, serve_schedule};
pub use system::{SystemClock, SystemIds};
