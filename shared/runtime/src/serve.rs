//! What a function's `main` calls: starts the app and serves Lambda until it ends the process.

use crate::app::App;
use crate::deadline::LambdaDeadline;
use crate::edge::{self, EventError};
use crate::env::StartError;
use crate::needs::Needs;
use crate::schedule::Tick;
use crate::{bus, queue, schedule};
use domain::ports::Deadline;
use domain::problem::chain;
use futures::future::BoxFuture;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;

/// Serves routes behind API Gateway.
///
/// # Errors
/// [`StartError`].
pub async fn serve_http(needs: Needs, routes: OpenApiRouter<App>) -> Result<(), StartError> {
    let app = start(needs).await?;
    lambda_http::run(edge::service(app, routes)).await.map_err(StartError::Lambda)
}

/// Serves routes that anybody may call, behind API Gateway without its authorizer.
///
/// # Errors
/// [`StartError`].
pub async fn serve_public(needs: Needs, routes: axum::Router<App>) -> Result<(), StartError> {
    let app = start(needs).await?;
    lambda_http::run(edge::public_service(app, routes)).await.map_err(StartError::Lambda)
}

/// Serves an SQS queue: `|app, body, deadline| Box::pin(work(app, body, deadline))`.
///
/// # Errors
/// [`StartError`].
pub async fn serve_queue<H>(needs: Needs, handler: H) -> Result<(), StartError>
where
    H: for<'a> Fn(&'a App, &'a str, &'a dyn Deadline) -> BoxFuture<'a, domain::Result<()>> + Send + Sync,
{
    let app = start(needs).await?;
    let serve = async |event: LambdaEvent<Value>| {
        let deadline = LambdaDeadline::at_millis(event.context.deadline);
        queue::handle_batch(&app, event.payload, &deadline, &handler).await.map_err(logged)
    };
    lambda_runtime::run(service_fn(serve)).await.map_err(StartError::Lambda)
}

/// Serves schedules: `|app, tick, deadline| Box::pin(on_tick(app, tick, deadline))`.
///
/// # Errors
/// [`StartError`].
pub async fn serve_schedule<H>(needs: Needs, handler: H) -> Result<(), StartError>
where
    H: for<'a> Fn(&'a App, Tick, &'a dyn Deadline) -> BoxFuture<'a, domain::Result<()>> + Send + Sync,
{
    let app = start(needs).await?;
    let serve = async |event: LambdaEvent<Value>| {
        let deadline = LambdaDeadline::at_millis(event.context.deadline);
        schedule::handle(&app, event.payload, &deadline, &handler).await.map_err(logged)
    };
    lambda_runtime::run(service_fn(serve)).await.map_err(StartError::Lambda)
}

/// Serves events of the bus: `|app, kind, detail, deadline| Box::pin(on_event(app, kind, detail, deadline))`.
///
/// # Errors
/// [`StartError`].
pub async fn serve_events<H>(needs: Needs, handler: H) -> Result<(), StartError>
where
    H: for<'a> Fn(&'a App, &'a str, Value, &'a dyn Deadline) -> BoxFuture<'a, domain::Result<()>> + Send + Sync,
{
    let app = start(needs).await?;
    let serve = async |event: LambdaEvent<Value>| {
        let deadline = LambdaDeadline::at_millis(event.context.deadline);
        bus::handle(&app, event.payload, &deadline, &handler).await.map_err(logged)
    };
    lambda_runtime::run(service_fn(serve)).await.map_err(StartError::Lambda)
}

async fn start(needs: Needs) -> Result<App, StartError> {
    let started = App::from_env(needs).await;
    started.inspect_err(|error| tracing::error!(cause = chain(error), "the function does not start"))
}

/// Lambda is told the kind of failure; the causes stand in the log.
fn logged(error: EventError) -> lambda_runtime::Error {
    tracing::error!(cause = chain(&error), "an event failed; Lambda tries it again");
    error.to_string().into()
}
