//! An App whose storage is a map, and calls as API Gateway makes them.

use async_trait::async_trait;
use domain::Scope;
use domain::ids::PartnerId;
use domain::ports::{
    Clock, Config, Events, EventsError, Ids, Listing, OutEvent, PageRequest, Ports, Queue, QueueError, QueueName, Read,
    SecretName, SecretVersion, Secrets, SecretsError, Storage, StorageError,
};
use domain::records::{Act, Collection, Expect, Key, Stored, Write};
use jiff::{SignedDuration, Timestamp};
use runtime::{App, EdgeConfig, MacKey};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

pub const SUPPORT: &str = "support@vendor.example";

/// An App, and the hands on what it stands on.
pub struct World {
    pub app: App,
    pub clock: Arc<TestClock>,
    pub storage: Arc<Memory>,
}

pub fn world() -> World {
    world_with(
        Arc::new(NoAutotask),
        Config {
            zone_entry: "https://webservices.autotask.net/".parse().unwrap(),
            hosts: autotask::HostPolicy::autotask(),
            request_timeout: Duration::from_secs(1),
            hooks: None,
        },
    )
}

pub fn world_with(transport: Arc<dyn autotask::Transport>, config: Config) -> World {
    let clock = Arc::new(TestClock(Mutex::new("2026-12-01T00:00:00Z".parse().unwrap())));
    let storage = Arc::new(Memory::default());
    let ports = Ports {
        storage: storage.clone(),
        secrets: Arc::new(Nothing),
        blobs: Arc::new(store::Files::memory()),
        queue: Arc::new(Nothing),
        events: Arc::new(Nothing),
        mail: Arc::new(domain::mail::NoMail),
        clock: clock.clone(),
        ids: Arc::new(Counted(AtomicU64::new(1))),
        transport,
        config: Arc::new(config),
    };
    let key = MacKey::new(SecretString::from("k".repeat(32))).unwrap();
    World { app: App::new(ports, EdgeConfig::new(key, SUPPORT)), clock, storage }
}

/// One call as API Gateway's HTTP API hands it to Lambda (payload format 2.0).
#[derive(Clone)]
pub struct Call {
    method: &'static str,
    path: String,
    headers: HashMap<String, String>,
    claims: Option<HashMap<String, String>>,
    body: Option<String>,
}

/// What API Gateway gets back.
#[derive(Debug)]
pub struct Answer {
    pub status: u64,
    pub headers: HashMap<String, String>,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or("none").to_owned()
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

impl Call {
    pub fn new(method: &'static str, path: &str) -> Self {
        Self { method, path: path.into(), headers: HashMap::new(), claims: None, body: None }
    }
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }
    pub fn post(path: &str, body: &Value) -> Self {
        Self::new("POST", path).raw(&body.to_string()).header("content-type", "application/json")
    }
    pub fn raw(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }
    pub fn claim(mut self, name: &str, value: &str) -> Self {
        self.claims.get_or_insert_default().insert(name.into(), value.into());
        self
    }
    /// A person of partner `acme`, with the main account.
    pub fn acme(self, role: &str) -> Self {
        self.claim("sub", "pat").claim("role", role).claim("partner_id", "acme").claim("main_account", "true")
    }
    /// Somebody of the vendor.
    pub fn vendor(self, role: &str) -> Self {
        self.claim("sub", "vera").claim("role", role)
    }
    pub fn event(&self) -> Value {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let mut context = json!({
            "accountId": "123456789012", "apiId": "api", "domainName": "api.vendor.example", "domainPrefix": "api",
            "http": {"method": self.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "t"},
            "requestId": "JKJaXmPLvHcESHA=", "routeKey": "$default", "stage": "$default",
            "time": "01/Dec/2026:00:00:00 +0000", "timeEpoch": 1_796_083_200_000_i64,
        });
        if let Some(claims) = &self.claims {
            context["authorizer"] = json!({"jwt": {"claims": claims, "scopes": null}});
        }
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
            "headers": self.headers, "requestContext": context, "body": self.body, "isBase64Encoded": false,
        })
    }
    pub async fn send(&self, app: &App, routes: OpenApiRouter<App>) -> Answer {
        let service = runtime::edge::service(app.clone(), routes);
        let answer = runtime::edge::handle_event(service, self.event()).await.unwrap();
        let mut headers: HashMap<String, String> = HashMap::new();
        for part in ["headers", "multiValueHeaders"] {
            for (name, value) in answer[part].as_object().into_iter().flatten() {
                let value = value.as_str().or_else(|| value[0].as_str()).unwrap_or_default();
                headers.insert(name.clone(), value.to_owned());
            }
        }
        Answer {
            status: answer["statusCode"].as_u64().unwrap(),
            headers,
            text: answer["body"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub fn advance(&self, time: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(time).unwrap();
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
    async fn pause(&self, _: Duration) {}
}

#[derive(Debug)]
struct Counted(AtomicU64);

impl Ids for Counted {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

/// Records in a map, with the conditions of a real store; counts its writes, refused ones too.
#[derive(Debug, Default)]
pub struct Memory {
    records: Mutex<HashMap<Key, Stored>>,
    pub writes: AtomicU64,
    pub reads: AtomicU64,
}

impl Memory {
    pub fn dump(&self) -> String {
        format!("{:?}", self.records.lock().unwrap())
    }
    pub fn len(&self) -> usize {
        self.records.lock().unwrap().len()
    }
}

#[async_trait]
impl Storage for Memory {
    async fn get(&self, scope: &Scope, key: &Key, _: Read) -> Result<Option<Stored>, StorageError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if !scope.admits(key.partner()) {
            return Err(StorageError::OutOfScope);
        }
        Ok(self.records.lock().unwrap().get(key).cloned())
    }
    async fn list(&self, _: &Scope, _: &Collection, _: PageRequest) -> Result<Listing, StorageError> {
        Ok(Listing { items: Vec::new(), next: None })
    }
    async fn write(&self, scope: &Scope, writes: Vec<Write>) -> Result<(), StorageError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let mut records = self.records.lock().unwrap();
        for (at, write) in writes.iter().enumerate() {
            if !scope.admits(write.key.partner()) {
                return Err(StorageError::OutOfScope);
            }
            let there = records.get(&write.key);
            let good = match write.expect {
                Expect::Absent => there.is_none(),
                Expect::Version(v) => there.is_some_and(|record| record.v == v),
                Expect::Any => true,
            };
            if !good {
                return Err(StorageError::Conflict { at, current: there.cloned().map(Box::new) });
            }
        }
        for write in writes {
            let v = records.get(&write.key).map_or(0, |record| record.v) + 1;
            match write.act {
                Act::Put { doc, .. } => drop(records.insert(write.key, Stored { v, doc })),
                Act::Delete => drop(records.remove(&write.key)),
                Act::Check => {}
            }
        }
        Ok(())
    }
}

/// Neither secrets nor queues nor a bus.
#[derive(Debug)]
struct Nothing;

#[async_trait]
impl Secrets for Nothing {
    async fn put(&self, _: &SecretName, _: SecretString) -> Result<SecretVersion, SecretsError> {
        Err(SecretsError::Missing)
    }
    async fn get(&self, _: &SecretName, _: &SecretVersion) -> Result<SecretString, SecretsError> {
        Err(SecretsError::Missing)
    }
    async fn delete(&self, _: &SecretName) -> Result<(), SecretsError> {
        Err(SecretsError::Missing)
    }
    async fn list(&self) -> Result<Vec<(SecretName, Timestamp)>, SecretsError> {
        Err(SecretsError::Missing)
    }
}

#[async_trait]
impl Queue for Nothing {
    async fn send(&self, _: QueueName, _: String, _: Duration, _: &PartnerId) -> Result<(), QueueError> {
        Err(QueueError("no queue".into()))
    }
}

#[async_trait]
impl Events for Nothing {
    async fn publish(&self, _: &[OutEvent]) -> Result<(), EventsError> {
        Err(EventsError("no bus".into()))
    }
}

/// An Autotask that is not reached.
#[derive(Debug)]
struct NoAutotask;

#[async_trait]
impl autotask::Transport for NoAutotask {
    async fn send(&self, _: autotask::Request) -> Result<autotask::Response, autotask::TransportError> {
        Err(autotask::TransportError::not_sent("no network"))
    }
}
