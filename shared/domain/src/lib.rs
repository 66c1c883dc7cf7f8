#![doc = include_str!("../README.md")]

pub mod actor;
pub mod audit;
pub mod autotask_session;
pub mod billing;
pub mod blobs;
pub mod board;
pub mod budget;
pub mod calendar;
pub mod change;
pub mod connections;
pub mod decoding;
pub mod health;
pub mod ids;
pub mod invoices;
pub mod issues;
pub mod links;
pub mod mac;
pub mod mail;
pub mod mappings;
pub mod notify;
pub mod packages;
pub mod ports;
pub mod problem;
pub mod records;
pub mod runs;
pub mod tickets;
pub mod units;
pub mod vendor;
pub mod webhooks;

pub use actor::{Actor, Role, Scope};
pub use change::Change;
pub use ids::{AccountId, ConnectionId, LineKind, LineRef, PackageId, PartnerId, PaymentId, RunId};
pub use ports::Ports;
pub use problem::{Code, Error, Problem, Result};
