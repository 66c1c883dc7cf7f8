//! Engines to test on, and a way to them that fails as told.

#![allow(
    clippy::disallowed_methods,
    reason = "the engine's server runs beside the test, which owns its ids and variables"
)]

use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use domain::actor::Scope;
use domain::ids::{ConnectionId, PartnerId};
use domain::ports::{Read, Storage, StorageError};
use domain::records::{Act, Expect, Index, Key, Stored, Write};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use store::{Dynamo, Settings};

/// The variable that names a second engine.
const ENDPOINT: &str = "STORE_TEST_ENDPOINT";

/// What happens to one request.
pub enum Fault {
    /// It is carried out and the answer is lost.
    LoseAnswer,
    /// It is carried out, the answer is lost, and then this happens before it is sent again.
    LoseAnswerThen(BoxFuture<'static, ()>),
    /// It does not arrive.
    NeverArrive,
    /// It does not arrive, and the engine seems to answer this: DynamoDB's error code and body.
    Answer(&'static str, Value),
}

/// The faults to come, one for each request, and how many requests there were.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<(VecDeque<Fault>, usize)>>);

impl Faults {
    pub fn set(&self, faults: impl IntoIterator<Item = Fault>) {
        *self.0.lock().unwrap() = (faults.into_iter().collect(), 0);
    }
    pub fn left(&self) -> usize {
        self.0.lock().unwrap().0.len()
    }
    pub fn requests(&self) -> usize {
        self.0.lock().unwrap().1
    }
    fn next(&self) -> Option<Fault> {
        let mut state = self.0.lock().unwrap();
        state.1 += 1;
        state.0.pop_front()
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}

/// An HTTP client with faults.
#[derive(Debug, Clone)]
struct Faulty {
    inner: SharedHttpClient,
    faults: Faults,
}

impl HttpClient for Faulty {
    fn http_connector(&self, settings: &HttpConnectorSettings, parts: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, parts);
        SharedHttpConnector::new(FaultyConnector { inner, faults: self.faults.clone() })
    }
}

#[derive(Debug)]
struct FaultyConnector {
    inner: SharedHttpConnector,
    faults: Faults,
}

impl HttpConnector for FaultyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, fault) = (self.inner.clone(), self.faults.next());
        HttpConnectorFuture::new(async move {
            match fault {
                None => inner.call(request).await,
                Some(Fault::NeverArrive) => Err(ConnectorError::io("lost on the way there".into())),
                Some(Fault::LoseAnswer) => {
                    inner.call(request).await?;
                    Err(ConnectorError::timeout("lost on the way back".into()))
                }
                Some(Fault::LoseAnswerThen(next)) => {
                    inner.call(request).await?;
                    next.await;
                    Err(ConnectorError::timeout("lost on the way back".into()))
                }
                Some(Fault::Answer(code, mut body)) => {
                    body["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{code}"));
                    Ok(HttpResponse::new(400_u16.try_into().unwrap(), SdkBody::from(body.to_string())))
                }
            }
        })
    }
}

/// One engine with a table of its own.
#[derive(Clone)]
pub struct Bench {
    /// The store over the faulty way.
    pub store: Dynamo,
    /// Its faults.
    pub faults: Faults,
    /// Somebody else, over a way of their own.
    pub other: Dynamo,
    client: aws_sdk_dynamodb::Client,
    table: String,
}

/// The engine in this process, and the one that the environment names.
pub async fn benches() -> Vec<Bench> {
    let mut endpoints = vec![in_process().await];
    endpoints.extend(second_engine());
    let mut benches = Vec::new();
    for endpoint in endpoints {
        benches.push(Bench::on(&endpoint).await);
    }
    benches
}

/// The endpoint of the second engine, where there is one.
pub fn second_engine() -> Option<String> {
    std::env::var(ENDPOINT).ok().filter(|endpoint| !endpoint.is_empty())
}

async fn in_process() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let db = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, db));
    endpoint
}

impl Bench {
    /// The engine in this process.
    pub async fn in_process() -> Self {
        Self::on(&in_process().await).await
    }

    async fn on(endpoint: &str) -> Self {
        let table = format!("it-{}", uuid::Uuid::new_v4());
        let settings = Settings::local(endpoint);
        let client = store::Aws::new(&settings).await.dynamodb();
        store::table::create_table(&client, &table).await.unwrap();
        let faults = Faults::default();
        let faulty = Faulty { inner: store::aws::http_client(&settings), faults: faults.clone() };
        let config = store::aws::sdk_config(&settings, SharedHttpClient::new(faulty)).await;
        let store = Dynamo::new(aws_sdk_dynamodb::Client::new(&config), &table);
        Self { store, faults, other: Dynamo::new(client.clone(), &table), client, table }
    }

    /// The item as the engine has it.
    pub async fn raw(&self, key: &Key) -> Option<HashMap<String, AttributeValue>> {
        let at = store::keys::address(key);
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.key("pk", AttributeValue::S(at.pk)).key("sk", AttributeValue::S(at.sk));
        request.send().await.unwrap().item
    }

    pub async fn write(&self, writes: impl IntoIterator<Item = Write>) -> Result<(), StorageError> {
        self.store.write(&system(), writes.into_iter().collect()).await
    }

    pub async fn get(&self, key: &Key) -> Option<Stored> {
        self.other.get(&system(), key, Read::Strong).await.unwrap()
    }
}

pub fn system() -> Scope {
    Scope::system("contract test")
}

pub fn partner(id: &str) -> PartnerId {
    PartnerId::new(id).unwrap()
}

pub fn connection(id: &str) -> ConnectionId {
    ConnectionId::new(id).unwrap()
}

/// An account of partner `acme`.
pub fn account(id: &str) -> Key {
    Key::Account(partner("acme"), domain::ids::AccountId::new(id).unwrap())
}

pub fn put(key: Key, expect: Expect, doc: Value) -> Write {
    Write { key, expect, act: Act::Put { entity: "test", doc, index: None, expires: None } }
}

pub fn put_in(key: Key, index: Index) -> Write {
    let doc = json!({ "key": format!("{key:?}") });
    Write { key, expect: Expect::Absent, act: Act::Put { entity: "test", doc, index: Some(index), expires: None } }
}

/// Asserts a conflict and hands its place and record out.
#[track_caller]
pub fn conflict(result: Result<(), StorageError>) -> (usize, Option<Stored>) {
    match result {
        Err(StorageError::Conflict { at, current }) => (at, current.map(|current| *current)),
        other => panic!("expected a conflict, got {other:?}"),
    }
}

#[track_caller]
pub fn out_of_scope<T: fmt::Debug>(result: Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::OutOfScope)), "{result:?}");
}

#[track_caller]
pub fn unavailable<T: fmt::Debug>(result: Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::Unavailable(_))), "{result:?}");
}

#[track_caller]
pub fn corrupt<T: fmt::Debug>(result: Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::Corrupt { .. })), "{result:?}");
}
