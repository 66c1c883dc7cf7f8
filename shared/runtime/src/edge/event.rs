//! Real API Gateway events without API Gateway: what the local runner and tests send.

use axum::Router;
use lambda_http::aws_lambda_events::apigw::{
    ApiGatewayRequestAuthorizer, ApiGatewayRequestAuthorizerJwtDescription, ApiGatewayV2httpRequestContext,
};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, Context, LambdaEvent, Service};
use serde_json::Value;
use std::collections::BTreeMap;

/// Why an event was not handled at all.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// It is not the event that this function takes.
    #[error("the event is not one of this function's kind")]
    NotOurs(#[source] serde_json::Error),
    /// The answer cannot be written as JSON.
    #[error("writing the answer")]
    Answer(#[source] serde_json::Error),
    /// The domain says: try me again.
    #[error("handling the event")]
    Failed(#[source] domain::Error),
    /// The handler panicked.
    #[error("the handler panicked")]
    Panicked(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Handles one event of an HTTP API (payload format 2.0) with a [`super::service`], by the code that
/// runs on Lambda, and returns what API Gateway would get.
///
/// # Errors
/// [`EventError::NotOurs`] for any other event.
pub async fn handle_event(service: Router, event: Value) -> Result<Value, EventError> {
    let request: LambdaRequest = serde_json::from_str(&event.to_string()).map_err(EventError::NotOurs)?;
    // The adapter is gone before anything is awaited: it cannot be sent between threads, its call can.
    let call = Adapter::from(service).call(LambdaEvent::new(request, Context::default()));
    let Ok(response) = call.await;
    serde_json::to_value(response).map_err(EventError::Answer)
}

/// A request as it looks after a JWT authorizer has verified a token with these claims.
#[must_use]
pub fn with_claims<B>(mut request: http::Request<B>, claims: BTreeMap<String, String>) -> http::Request<B> {
    let mut jwt = ApiGatewayRequestAuthorizerJwtDescription::default();
    jwt.claims = claims.into_iter().collect();
    let mut authorizer = ApiGatewayRequestAuthorizer::default();
    authorizer.jwt = Some(jwt);
    let mut context = ApiGatewayV2httpRequestContext::default();
    context.authorizer = Some(authorizer);
    request.extensions_mut().insert(RequestContext::ApiGatewayV2(context));
    request
}
