//! The HTTP edge and the workers' guards, from event JSON, on routes of the test's own.

#![allow(clippy::unwrap_used)]

mod batches;
mod idempotency;
mod problems;
mod routes;
pub mod support;
mod tokens;
