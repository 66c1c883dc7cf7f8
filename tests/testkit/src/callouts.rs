//! Callouts of the simulated Autotask, without sockets.

use crate::world::World;
use async_trait::async_trait;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use local::gateway::event::HttpRequest;
use local::host::{Bundle, Callouts, Drained, Limits};
use simulator::{Delivery, Outbound};
use std::convert::Infallible;
use tower::{Service, ServiceExt};

impl World {
    /// Sends the callouts that are due to the bundle's own functions, whatever host their URL names, as the gateway hands
    /// them on: without a token. Those that fail wait for their next attempt. Returns how many were sent.
    pub async fn deliver_callouts(&self) -> usize {
        self.sim.deliver_due(&ToBundle(&self.bundle)).await
    }

    /// Sends the callouts that are due to `receiver`: an axum router, or `tower::service_fn` of a closure. Returns how
    /// many were sent.
    pub async fn deliver_callouts_to<S>(&self, receiver: S) -> usize
    where
        S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + Sync,
        S::Future: Send,
    {
        self.sim.deliver_due(&To(receiver)).await
    }

    /// Works everything off as [`World::drain`] does, callouts to the bundle's own functions among it, to their last
    /// attempt.
    ///
    /// # Panics
    /// If it cannot.
    pub async fn drain_with_callouts(&self) -> Drained {
        let callouts = Callouts { simulator: &self.sim, outbound: &ToBundle(&self.bundle) };
        self.bundle.drain_beside(Limits::default(), &callouts).await.unwrap()
    }
}

fn headers(callout: &Delivery) -> HeaderMap {
    let read =
        |(name, value): &(String, String)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap());
    callout.headers.iter().map(read).collect()
}

struct ToBundle<'w>(&'w Bundle);

#[async_trait]
impl Outbound for ToBundle<'_> {
    async fn post(&self, callout: &Delivery) -> Result<u16, String> {
        let url: Uri = callout.url.parse().map_err(|error| format!("{error}"))?;
        let headers = headers(callout);
        let (path, query) = (url.path(), url.query().unwrap_or(""));
        let request = HttpRequest { method: "POST", path, query, headers: &headers, body: &callout.body };
        Ok(self.0.api(&request, None).await.status().as_u16())
    }
}

struct To<S>(S);

#[async_trait]
impl<S> Outbound for To<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + Sync,
    S::Future: Send,
{
    async fn post(&self, callout: &Delivery) -> Result<u16, String> {
        let mut request = Request::post(&callout.url).body(Body::from(callout.body.clone())).unwrap();
        *request.headers_mut() = headers(callout);
        let Ok(answer) = self.0.clone().oneshot(request).await;
        Ok(answer.status().as_u16())
    }
}
