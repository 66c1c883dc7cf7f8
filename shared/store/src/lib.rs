#![doc = include_str!("../README.md")]

pub mod aws;
pub mod bus;
pub mod dynamo;
pub mod files;
pub mod keys;
pub mod mail;
pub mod secrets;
pub mod sqs;
pub mod table;

pub use aws::{Aws, Settings};
pub use bus::Bus;
pub use dynamo::Dynamo;
pub use files::Files;
pub use mail::Ses;
pub use secrets::SecretsManager;
pub use sqs::Sqs;
