//! The seam below the client: a request as a value in, a response as a value out.
//!
//! [`HttpTransport`](crate::HttpTransport) is the one for real use. Tests, recorders and fault
//! injectors implement [`Transport`] themselves.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// How long one request may take by default. Autotask runs a call for up to 300 s; nobody should
/// wait for that, and a caller must reckon with a late effect anyhow.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// An HTTP method that Autotask knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Read.
    Get,
    /// Create, and query.
    Post,
    /// Replace.
    Put,
    /// Change some fields.
    Patch,
    /// Delete.
    Delete,
}

impl Method {
    /// The method as in the request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request header. Sensitive values do not print.
#[derive(Clone)]
pub struct Header {
    name: &'static str,
    value: Value,
}

#[derive(Clone)]
enum Value {
    Plain(String),
    Sensitive(SecretString),
}

impl Header {
    /// A header that may be printed.
    pub fn plain(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: Value::Plain(value.into()) }
    }

    /// A header that never prints.
    pub fn sensitive(name: &'static str, value: SecretString) -> Self {
        Self { name, value: Value::Sensitive(value) }
    }

    /// The name, e.g. `UserName`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The value, secret or not: only for putting it on the wire.
    pub fn expose(&self) -> &str {
        match &self.value {
            Value::Plain(value) => value,
            Value::Sensitive(value) => value.expose_secret(),
        }
    }

    /// Whether the value must not be printed.
    pub const fn is_sensitive(&self) -> bool {
        matches!(self.value, Value::Sensitive(_))
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Plain(value) => write!(f, "{}: {value}", self.name),
            Value::Sensitive(_) => write!(f, "{}: [redacted]", self.name),
        }
    }
}

/// One request, complete: what is sent is exactly this.
#[derive(Clone)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Absolute URL.
    pub url: Url,
    /// Headers, in order.
    pub headers: Vec<Header>,
    /// Body, JSON if there is one.
    pub body: Option<Bytes>,
    /// How long to wait for the whole answer.
    pub timeout: Duration,
}

// Neither the body nor the URL's query (a user name stands in the zone look-up's) is for logs.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .field("path", &self.url.path())
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.as_ref().map(Bytes::len))
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// One response, whole.
#[derive(Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers; names in any case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl Response {
    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A boxed cause.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why there is no response. What matters is whether the request may have taken effect.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Not a byte of the request left: refused connection, DNS, TLS.
    #[error("the request to Autotask was not sent")]
    NotSent {
        /// Cause.
        #[source]
        source: BoxError,
    },
    /// Anything after: the request may or may not have arrived, and may still take effect.
    #[error("no whole answer came from Autotask")]
    Unknown {
        /// Cause.
        #[source]
        source: BoxError,
    },
}

impl TransportError {
    /// Not sent, because of `source`.
    pub fn not_sent(source: impl Into<BoxError>) -> Self {
        Self::NotSent { source: source.into() }
    }

    /// Unknown, because of `source`.
    pub fn unknown(source: impl Into<BoxError>) -> Self {
        Self::Unknown { source: source.into() }
    }
}

/// Sends one request, once. An implementation never retries, never follows a redirect, and never
/// calls a request that may have left the machine "not sent".
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends the request and reads the whole answer, whatever its status.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for std::sync::Arc<T> {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        (**self).send(request).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_request_prints_neither_secret_nor_body_nor_query() {
        let request = Request {
            method: Method::Post,
            url: Url::parse("https://webservices1.autotask.net/x?user=me%40msp.example").unwrap(),
            headers: vec![
                Header::sensitive("Secret", "canary-secret".into()),
                Header::plain("Content-Type", "application/json"),
            ],
            body: Some(Bytes::from_static(b"canary-body")),
            timeout: REQUEST_TIMEOUT,
        };
        let printed = format!("{request:?} {request:#?}");
        for canary in ["canary", "msp.example"] {
            assert!(!printed.contains(canary), "{printed}");
        }
        assert!(printed.contains("application/json"), "{printed}");
    }
}
