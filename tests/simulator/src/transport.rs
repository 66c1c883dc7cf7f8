//! The simulator behind the client's own seam, without sockets.

use std::sync::Arc;

use async_trait::async_trait;
use autotask::{Request, Response, Transport, TransportError};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::sim::Simulator;
use crate::wire::{Answer, WireRequest};

impl Simulator {
    /// A transport for the `autotask` client: every host leads here. A closed connection and an
    /// answer that comes after the request's time-out are [`TransportError::Unknown`].
    pub fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(InProcess(self.clone()))
    }
}

#[derive(Debug)]
struct InProcess(Simulator);

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let timeout = request.timeout;
        let request = wire_request(request)?;
        match tokio::time::timeout(timeout, self.0.answer(request)).await {
            Ok(Answer::Respond(answer)) => {
                Ok(Response { status: answer.status, headers: answer.headers, body: answer.body })
            }
            Ok(Answer::Reset) => Err(TransportError::unknown("the connection was closed without an answer")),
            Err(late) => Err(TransportError::unknown(late)),
        }
    }
}

fn wire_request(request: Request) -> Result<WireRequest, TransportError> {
    let mut headers = HeaderMap::new();
    for header in &request.headers {
        let name = HeaderName::try_from(header.name()).map_err(TransportError::not_sent)?;
        let value = HeaderValue::from_str(header.expose()).map_err(TransportError::not_sent)?;
        headers.insert(name, value);
    }
    if let Some(host) = request.url.host_str() {
        let authority = request.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        headers.insert(http::header::HOST, HeaderValue::from_str(&authority).map_err(TransportError::not_sent)?);
    }
    Ok(WireRequest {
        method: request.method.as_str().parse().map_err(TransportError::not_sent)?,
        path: request.url.path().to_owned(),
        query: request.url.query().map(str::to_owned),
        headers,
        body: request.body.unwrap_or_default(),
    })
}
