//! The contract of `store::Dynamo`, and of `store::Files`: on the engine in this process always, and on the endpoint that
//! `STORE_TEST_ENDPOINT` names, in a table of its own, where it is set.

pub mod bench;
mod conditions;
mod files;
mod keys;
mod lists;
mod lost;
mod services;
