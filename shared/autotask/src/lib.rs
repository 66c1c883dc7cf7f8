#![doc = include_str!("../README.md")]

mod answer;
mod client;
mod credentials;
mod date;
pub mod entities;
mod entity;
mod error;
mod field;
mod filter;
mod http;
mod id;
pub mod metadata;
mod page;
mod query;
pub mod retry;
pub mod transport;
mod udf;
mod webhooks;
pub mod wire;
pub mod zone;

pub use answer::retry_after;
pub use client::{Client, ClientBuilder, PAGES_MAX};
pub use credentials::Credentials;
pub use date::DateValue;
pub use entities::*;
pub use entity::{Child, Create, Entity, Patch, Replace};
pub use error::{Error, JsonFault, OutcomeCause, Result};
pub use field::Field;
pub use filter::{Filter, FilterValue, OR_CONDITIONS_MAX, Op};
pub use http::{BODY_MAX, HttpTransport};
pub use id::Id;
pub use page::PAGE_SIZE_MAX;
pub use query::{OR_IDS_MAX, Query};
pub use transport::{Header, Method, REQUEST_TIMEOUT, Request, Response, Transport, TransportError};
pub use udf::{UserDefinedField, UserDefinedFields};
pub use webhooks::{FieldUse, WebhookFieldIds, Webhooks};
pub use zone::{HostPolicy, Zone, ZoneError, ZoneUrl};

#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod invoice_tests;
#[cfg(test)]
mod webhook_tests;
