//! The transport for real use, on reqwest.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use crate::transport::{Method, Request, Response, Transport, TransportError};

/// Largest answer that is read, in bytes. A page of 500 rows with every field is some 2 MB.
pub const BODY_MAX: usize = 16 * 1024 * 1024;

/// How long connecting may take. Only what fails here is surely not sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends requests over the network: TLS by rustls with ring, HTTP/1.1, a fresh connection for each
/// request, no proxy, no redirect, no retry.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
}

impl HttpTransport {
    /// A transport with the usual bounds.
    ///
    /// # Errors
    /// [`TransportError::NotSent`] when the machine's root certificates cannot be read.
    pub fn new() -> Result<Self, TransportError> {
        // Fails only when the process has a provider already, which then is the one used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // A reused connection that the server has just closed makes clients send again by
            // themselves. With a fresh connection each there is nothing to guess.
            .pool_max_idle_per_host(0)
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(TransportError::not_sent)?;
        Ok(Self { client })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let mut builder = self.client.request(method(request.method), request.url).timeout(request.timeout);
        for header in &request.headers {
            let mut value =
                reqwest::header::HeaderValue::from_str(header.expose()).map_err(TransportError::not_sent)?;
            value.set_sensitive(header.is_sensitive());
            builder = builder.header(header.name(), value);
        }
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let response = builder.send().await.map_err(sending)?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let body = whole_body(response).await?;
        Ok(Response { status, headers, body })
    }
}

async fn whole_body(mut response: reqwest::Response) -> Result<Bytes, TransportError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| TransportError::unknown(error.without_url()))? {
        if body.len() + chunk.len() > BODY_MAX {
            return Err(TransportError::unknown(format!("the answer is larger than {BODY_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

// The URL's query can hold a user name, so it never travels with the error.
fn sending(error: reqwest::Error) -> TransportError {
    if error.is_connect() || error.is_builder() {
        TransportError::not_sent(error.without_url())
    } else {
        TransportError::unknown(error.without_url())
    }
}

const fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
