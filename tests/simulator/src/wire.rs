//! A request and its outcome as values, so that the simulator can be used without sockets.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

/// One HTTP request, taken apart.
#[derive(Clone)]
pub struct WireRequest {
    /// The verb.
    pub method: Method,
    /// Path as sent, still percent-encoded: `/ATServicesRest/V1.0/Companies/query`.
    pub path: String,
    /// Query string without the `?`, still percent-encoded.
    pub query: Option<String>,
    /// Headers as sent; `UserName`, `Secret` and `ApiIntegrationCode` among them.
    pub headers: HeaderMap,
    /// The body, empty where none was sent.
    pub body: Bytes,
}

impl WireRequest {
    /// A request without headers and body.
    pub fn new(method: Method, path_and_query: &str) -> Self {
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
            None => (path_and_query.to_owned(), None),
        };
        Self { method, path, query, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// The same request with a JSON body.
    pub fn json(mut self, body: &Value) -> Self {
        self.body = Bytes::from(body.to_string());
        self
    }

    /// The same request with one more header; a name or value that HTTP forbids is left out.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), value.parse::<http::HeaderValue>()) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(crate) fn header_text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The decoded value of a query parameter, its name in any case.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_deref()?.as_bytes())
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.into_owned())
    }
}

impl std::fmt::Debug for WireRequest {
    /// Headers and body stay out: they may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Real milliseconds to wait before the answer goes out.
    pub delay_ms: u64,
    /// The answer, or none.
    pub answer: Answer,
}

/// An answer, or a connection that is closed without one.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A whole HTTP response.
    Respond(Response),
    /// The connection is closed without an answer; whether the request took effect stays open.
    Reset,
}

/// A whole HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header names (lower case) and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html";

impl Response {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![("content-type".to_owned(), content_type.to_owned())], body: body.into() }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, JSON, body.to_string())
    }

    /// `{"errors":[text]}`, the shape of Autotask's own refusals.
    pub(crate) fn error(status: u16, text: impl Into<String>) -> Self {
        Self::json(status, &json!({ "errors": [text.into()] }))
    }

    /// The web server's own page for a route that does not exist.
    pub(crate) fn not_found_page() -> Self {
        Self::new(
            404,
            HTML,
            "<!DOCTYPE html><html><head><title>404 - File or directory not found.</title></head>\
             <body><h1>Server Error</h1><h2>404 - File or directory not found.</h2></body></html>",
        )
    }

    pub(crate) fn html(status: u16, body: &'static str) -> Self {
        Self::new(status, HTML, body)
    }

    /// The framework's answer to a verb that a route does not have.
    pub(crate) fn wrong_verb(method: &Method) -> Self {
        Self::json(
            405,
            &json!({ "Message": format!("The requested resource does not support http method '{method}'.") }),
        )
    }

    /// The body as JSON; null where it is none.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl Outcome {
    pub(crate) fn respond(response: Response) -> Self {
        Self { delay_ms: 0, answer: Answer::Respond(response) }
    }

    pub(crate) fn reset() -> Self {
        Self { delay_ms: 0, answer: Answer::Reset }
    }

    /// The response, if there is one.
    pub fn response(&self) -> Option<&Response> {
        match &self.answer {
            Answer::Respond(response) => Some(response),
            Answer::Reset => None,
        }
    }
}
