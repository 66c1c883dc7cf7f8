//! HTTP as the demo needs it: JSON in, JSON out, anything unexpected is an error with the whole answer.

use super::DemoError;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A client of the API, of `/_local` and of the simulator's own interface.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    api: String,
    autotask: String,
    tokens: BTreeMap<&'static str, String>,
}

/// Longest answer that an error repeats, in characters.
const SHOWN_CHARS_MAX: usize = 600;

impl Client {
    pub(super) fn new(api: String, autotask: String) -> Self {
        // The provider is there already: the bundle's own transport installed it.
        Self { http: reqwest::Client::new(), api, autotask, tokens: BTreeMap::new() }
    }

    /// Gets a token for a role, to be used from now on under that name.
    pub(super) async fn log_in(&mut self, role: &'static str, partner: Option<&str>) -> Result<(), DemoError> {
        let grant = json!({"role": role, "partner_id": partner, "main_account": partner.is_some()});
        let answer = self.local("POST", "/_local/token", Some(grant)).await?;
        let token = answer["token"].as_str().ok_or(DemoError::Shape("POST /_local/token"))?.to_owned();
        self.tokens.insert(role, token);
        Ok(())
    }

    /// A request to the API in a role.
    pub(super) async fn call(
        &self,
        role: &str,
        method: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, DemoError> {
        let token = self.tokens.get(role).map(String::as_str);
        self.send(method, &self.api, path, body, token).await
    }

    /// A request to the API that has to be refused: the problem of its answer.
    pub(super) async fn refused(
        &self,
        role: &str,
        method: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, DemoError> {
        let token = self.tokens.get(role).map(String::as_str);
        let (status, text) = self.answer(method, &self.api, path, body, token).await?;
        if !status.is_client_error() {
            return Err(unexpected(method, path, status, &text));
        }
        serde_json::from_str(&text).map_err(|source| failed(method, path, source))
    }

    /// All items of a listing in pages.
    pub(super) async fn all(&self, role: &str, path: &str) -> Result<Vec<Value>, DemoError> {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = match &cursor {
                Some(cursor) => format!("{path}{joint}limit=200&cursor={cursor}"),
                None => format!("{path}{joint}limit=200"),
            };
            let mut answer = self.call(role, "GET", &page, None).await?;
            match answer["items"].take() {
                Value::Array(more) => items.extend(more),
                _ => return Err(DemoError::Shape("a listing")),
            }
            match answer["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
    }

    /// A file of the API.
    pub(super) async fn file(&self, role: &str, path: &str) -> Result<Vec<u8>, DemoError> {
        let token = self.tokens.get(role).map(String::as_str).unwrap_or_default();
        let sent = self.http.get(format!("{}{path}", self.api)).bearer_auth(token).send().await;
        let answer = sent.map_err(|source| failed("GET", path, source))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|source| failed("GET", path, source))?;
        match status.is_success() {
            true => Ok(bytes.to_vec()),
            false => Err(unexpected("GET", path, status, &String::from_utf8_lossy(&bytes))),
        }
    }

    /// A request to `/_local`.
    pub(super) async fn local(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, DemoError> {
        self.send(method, &self.api, path, body, None).await
    }

    /// Rows of the simulated Autotask as they are.
    pub(super) async fn rows(&self, ci: u64, entity: &str) -> Result<Vec<Value>, DemoError> {
        match self.send("GET", &self.autotask, &format!("/_sim/databases/{ci}/{entity}"), None, None).await? {
            Value::Array(rows) => Ok(rows),
            _ => Err(DemoError::Shape("the simulator's rows")),
        }
    }

    /// Puts a row into the simulated Autotask, as a person there would.
    pub(super) async fn insert(&self, ci: u64, entity: &str, row: Value) -> Result<(), DemoError> {
        let path = format!("/_sim/databases/{ci}/{entity}");
        self.send("POST", &self.autotask, &path, Some(row), None).await.map(drop)
    }

    /// The simulator's log.
    pub(super) async fn requests(&self) -> Result<Vec<Value>, DemoError> {
        let text = self.text("GET", &self.autotask, "/_sim/requests", None, None).await?;
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_str(line).map_err(|_| DemoError::Shape("the simulator's log"))).collect()
    }

    async fn send(
        &self,
        method: &'static str,
        base: &str,
        path: &str,
        body: Option<Value>,
        token: Option<&str>,
    ) -> Result<Value, DemoError> {
        let text = self.text(method, base, path, body, token).await?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|source| failed(method, path, source))
    }

    async fn text(
        &self,
        method: &'static str,
        base: &str,
        path: &str,
        body: Option<Value>,
        token: Option<&str>,
    ) -> Result<String, DemoError> {
        let (status, text) = self.answer(method, base, path, body, token).await?;
        if status.is_success() { Ok(text) } else { Err(unexpected(method, path, status, &text)) }
    }

    async fn answer(
        &self,
        method: &'static str,
        base: &str,
        path: &str,
        body: Option<Value>,
        token: Option<&str>,
    ) -> Result<(StatusCode, String), DemoError> {
        let verb = method.parse::<reqwest::Method>().map_err(|source| failed(method, path, source))?;
        let mut request = self.http.request(verb, format!("{base}{path}"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|source| failed(method, path, source))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|source| failed(method, path, source))?;
        Ok((status, text))
    }
}

fn unexpected(method: &'static str, path: &str, status: StatusCode, text: &str) -> DemoError {
    let body = text.chars().take(SHOWN_CHARS_MAX).collect();
    DemoError::Answer { method, path: path.to_owned(), status: status.as_u16(), body }
}

fn failed(method: &'static str, path: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DemoError {
    DemoError::Request { method, path: path.to_owned(), source: source.into() }
}
