#![doc = include_str!("../README.md")]

mod app;
pub mod bus;
pub mod cursor;
mod deadline;
pub mod edge;
mod guard;
mod mac;
pub mod queue;
pub mod schedule;
mod system;

pub use app::{App, BODY_BYTES_MAX, ClaimNames, EdgeConfig};
pub use deadline::LambdaDeadline;
pub use mac::MacKey;
pub use system::{SystemClock, SystemIds};
