//! What API Gateway does between a client and a function: the JWT authorizer and the event.

pub mod event;
pub mod jwt;
