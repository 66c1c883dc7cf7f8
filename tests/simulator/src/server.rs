//! The simulator on a socket: HTTP/1, one task per connection, so that a reset really closes it.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::sim::Simulator;
use crate::wire::{Answer, Response, WireRequest};

impl Simulator {
    /// Serves until the listener fails; dropping the future closes every connection.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    match accepted {
                        Ok((stream, _)) => drop(connections.spawn(serve_connection(self.clone(), stream))),
                        // The client left before it was let in.
                        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                        Err(error) => return Err(error),
                    }
                }
                // Finished connections are collected, so that the set does not grow.
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn serve_connection(simulator: Simulator, stream: TcpStream) {
    // The answer to a request is one small write; waiting for more only costs time.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| respond(simulator.clone(), request));
    // A connection ends with an error when the client leaves or a fault closes it: both are fine.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Bytes of a request's body: Autotask takes attachments of 7 MB, which base64 makes 10 MB.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// Why a connection is closed without an answer.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed without an answer")
    }
}

impl std::error::Error for Closed {}

impl From<Infallible> for Closed {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

async fn respond(
    simulator: Simulator,
    request: http::Request<Incoming>,
) -> Result<http::Response<Full<Bytes>>, Closed> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_MAX).collect().await.map_err(|_| Closed)?.to_bytes();
    let request = WireRequest {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        body,
    };
    match simulator.answer(request).await {
        Answer::Respond(response) => Ok(to_http(response)),
        Answer::Reset => Err(Closed),
    }
}

impl Simulator {
    /// Handles a request and waits out its delay, counting it as in flight meanwhile.
    pub(crate) async fn answer(&self, request: WireRequest) -> Answer {
        let slot = self.enter(&request);
        let outcome = self.handle_in(&request, &slot);
        if outcome.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(outcome.delay_ms)).await;
        }
        drop(slot);
        outcome.answer
    }
}

fn to_http(response: Response) -> http::Response<Full<Bytes>> {
    let mut built = http::Response::new(Full::new(response.body));
    *built.status_mut() =
        http::StatusCode::from_u16(response.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), value.parse::<http::HeaderValue>()) {
            built.headers_mut().insert(name, value);
        }
    }
    built
}
