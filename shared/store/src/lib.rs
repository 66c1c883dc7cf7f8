#![doc = include_str!("../README.md")]

pub mod aws;
pub mod dynamo;
pub mod keys;
pub mod table;

pub use aws::{Clients, Settings, clients};
pub use dynamo::Dynamo;
