//! stub
use async_trait::async_trait;
#[derive(Debug, thiserror::Error)] #[error("x")] pub struct Error;
#[async_trait] pub trait Transport: Send + Sync + std::fmt::Debug { async fn send(&self) -> Result<(), Error>; }
pub mod zone { #[derive(Debug, Clone)] pub struct HostPolicy; }
