//! Calling the API: through API Gateway's event JSON and the functions' own routers.

use crate::world::World;
use domain::Role;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use local::gateway::event::HttpRequest;
use serde_json::{Map, Value, json};

/// A caller.
#[derive(Debug, Clone)]
pub struct Api<'a> {
    world: &'a World,
    claims: Option<Map<String, Value>>,
    headers: HeaderMap,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as JSON; null where it is not JSON.
    pub json: Value,
    /// Its body as text.
    pub text: String,
}

impl<'a> Api<'a> {
    pub(crate) fn new(world: &'a World, role: Role) -> Self {
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), json!(format!("user-{}", role.as_str())));
        claims.insert("role".to_owned(), json!(role.as_str()));
        let mut headers = HeaderMap::new();
        if role.is_partner() {
            claims.insert("partner_id".to_owned(), json!(world.partner));
            claims.insert("main_account".to_owned(), json!(role == Role::PartnerAdmin));
        } else {
            headers.insert("x-partner-id", world.partner.as_str().parse().unwrap());
        }
        Self { world, claims: Some(claims), headers }
    }

    /// The same caller of another partner.
    #[must_use]
    pub fn of_partner(mut self, partner: &str) -> Self {
        let claims = self.claims.get_or_insert_default();
        if claims.contains_key("partner_id") {
            claims.insert("partner_id".to_owned(), json!(partner));
            self
        } else {
            self.header("x-partner-id", partner)
        }
    }

    /// The same caller without `X-Partner-Id`.
    #[must_use]
    pub fn of_no_partner(mut self) -> Self {
        self.headers.remove("x-partner-id");
        self
    }

    /// The same caller with another claim; null takes it away.
    #[must_use]
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        let claims = self.claims.get_or_insert_default();
        match value {
            Value::Null => claims.remove(name),
            value => claims.insert(name.to_owned(), value),
        };
        self
    }

    /// The same caller with another header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        self
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, b"").await
    }

    /// `POST` of JSON; null sends no body.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.json("POST", path, &body).await
    }

    /// `PUT` of JSON.
    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.json("PUT", path, &body).await
    }

    /// `PATCH` of JSON.
    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.json("PATCH", path, &body).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, b"").await
    }

    async fn json(&self, method: &str, path: &str, body: &Value) -> Reply {
        if body.is_null() {
            return self.send(method, path, b"").await;
        }
        let caller = match self.headers.contains_key("content-type") {
            true => self.clone(),
            false => self.clone().header("content-type", "application/json"),
        };
        caller.send(method, path, body.to_string().as_bytes()).await
    }

    /// Any request, with the body as it is. A path that begins with `C` is below the connection.
    pub async fn send(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        let path = self.world.path(path);
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let request = HttpRequest { method, path, query, headers: &self.headers, body };
        let response = self.world.bundle.api(&request, self.claims.as_ref()).await;
        let (parts, body) = response.into_parts();
        let text = String::from_utf8_lossy(&body).into_owned();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Reply { status: parts.status.as_u16(), headers: parts.headers, json, text }
    }
}

impl Reply {
    /// The JSON, if the status is this one.
    ///
    /// # Panics
    /// With the whole answer, if it is not.
    #[track_caller]
    #[must_use = "use `assert_status` to look at the status alone"]
    pub fn expect(self, status: u16) -> Value {
        self.assert_status(status);
        self.json
    }

    /// Fails unless the status is this one.
    ///
    /// # Panics
    /// With the whole answer, if it is not.
    #[track_caller]
    pub fn assert_status(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text);
    }

    /// Fails unless it is a problem with this status and code. Returns the problem.
    ///
    /// # Panics
    /// With the whole answer, if it is not.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) -> &Value {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        &self.json
    }

    /// Whether it is a 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        StatusCode::from_u16(self.status).is_ok_and(|status| status.is_success())
    }

    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
