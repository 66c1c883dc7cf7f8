//! The way to the simulator without sockets.

use async_trait::async_trait;
use autotask::{Request, Response, Transport, TransportError};
use simulator::{Answer, Simulator, WireRequest};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Hands requests to a simulator and notes which hosts they were for.
#[derive(Debug)]
pub struct SimulatorTransport {
    simulator: Simulator,
    hosts: Mutex<BTreeMap<String, u32>>,
}

impl SimulatorTransport {
    /// The way to this simulator, whatever the host.
    #[must_use]
    pub fn new(simulator: Simulator) -> Self {
        Self { simulator, hosts: Mutex::default() }
    }

    /// The origins that requests were sent to, and how many.
    #[must_use]
    pub fn hosts(&self) -> BTreeMap<String, u32> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Transport for SimulatorTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let origin = request.url.origin().ascii_serialization();
        *self.hosts.lock().unwrap_or_else(PoisonError::into_inner).entry(origin).or_default() += 1;
        let method = request.method.as_str().parse().map_err(TransportError::not_sent)?;
        let mut wire = WireRequest::new(method, request.url.path());
        wire.query = request.url.query().map(str::to_owned);
        for header in &request.headers {
            wire = wire.header(header.name(), header.expose());
        }
        wire.body = request.body.unwrap_or_default();
        let outcome = self.simulator.handle(wire);
        if outcome.delay_ms > 0 {
            let delay = Duration::from_millis(outcome.delay_ms);
            if delay >= request.timeout {
                tokio::time::sleep(request.timeout).await;
                return Err(TransportError::unknown("the answer took too long"));
            }
            tokio::time::sleep(delay).await;
        }
        match outcome.answer {
            Answer::Respond(response) => {
                Ok(Response { status: response.status, headers: response.headers, body: response.body })
            }
            Answer::Reset => Err(TransportError::unknown("the connection was closed without an answer")),
        }
    }
}
