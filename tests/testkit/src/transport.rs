//! The way to the simulator without sockets, which notes where requests went.

use async_trait::async_trait;
use autotask::{Request, Response, Transport, TransportError};
use simulator::Simulator;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Hands requests to a simulator and notes which hosts they were for.
#[derive(Debug)]
pub struct SimulatorTransport {
    inner: Arc<dyn Transport>,
    hosts: Mutex<BTreeMap<String, u32>>,
}

impl SimulatorTransport {
    /// The way to this simulator, whatever the host.
    #[must_use]
    pub fn new(simulator: &Simulator) -> Self {
        Self { inner: simulator.transport(), hosts: Mutex::default() }
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
        self.inner.send(request).await
    }
}
