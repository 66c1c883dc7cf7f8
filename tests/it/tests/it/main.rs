//! One integration binary, one file per function.
#![allow(clippy::unwrap_used)]

mod arrows;
mod autotask_facts;
mod edge;
mod openapi;
mod simulator;
mod one_machine;
mod store_contract;
mod template;
mod zone_discover;
