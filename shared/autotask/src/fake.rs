//! Transports for the crate's own tests.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::retry::Pause;
use crate::transport::{Request, Response, Transport, TransportError};
use crate::zone::HostPolicy;
use crate::{Client, Credentials};

pub(crate) const ZONE: &str = "https://webservices99.autotask.net/ATServicesRest/";

type Answer = dyn Fn(usize, &Request) -> Result<Response, TransportError> + Send + Sync;

/// Answers by a function of the request and its number, and remembers what was sent.
pub(crate) struct Fake {
    answer: Box<Answer>,
    sent: Mutex<Vec<Request>>,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    pub(crate) fn new(
        answer: impl Fn(usize, &Request) -> Result<Response, TransportError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), sent: Mutex::new(Vec::new()) })
    }

    /// Answers each request with the next of `answers`, the last one for ever.
    pub(crate) fn script(answers: Vec<(u16, String)>) -> Arc<Self> {
        Self::new(move |n, _| {
            let (status, body) = &answers[n.min(answers.len() - 1)];
            Ok(response(*status, body))
        })
    }

    /// A table of rows that pages by id, as Autotask does: `…/query`, `…/query/next`, `…/query/count`.
    pub(crate) fn table(rows: Vec<Value>) -> Arc<Self> {
        Self::new(move |_, request| {
            let body = body(request);
            let rows: Vec<&Value> = rows.iter().filter(|row| passes(row, &body["filter"])).collect();
            if request.url.path().ends_with("/count") {
                return Ok(response(200, &json!({"queryCount": rows.len()}).to_string()));
            }
            let size = body["maxRecords"].as_u64().unwrap() as usize;
            let start: usize =
                request.url.query().map_or(0, |query| query.trim_start_matches("from=").parse().unwrap());
            let page: Vec<&&Value> = rows.iter().skip(start).take(size).collect();
            let more = start + size < rows.len();
            let entity = request.url.path().split('/').nth(3).unwrap().to_owned();
            let next = more.then(|| format!("{ZONE}V1.0/{entity}/query/next?from={}", start + size));
            Ok(response(
                200,
                &json!({"items": page, "pageDetails": {"count": page.len(), "requestCount": size, "prevPageUrl": null, "nextPageUrl": next}}).to_string(),
            ))
        })
    }

    pub(crate) fn sent(&self) -> Vec<Request> {
        self.sent.lock().unwrap().clone()
    }

    pub(crate) fn client(self: &Arc<Self>) -> Client {
        self.client_with_waits().0
    }

    pub(crate) fn client_with_waits(self: &Arc<Self>) -> (Client, Arc<Waits>) {
        let waits = Arc::new(Waits::default());
        let zone = HostPolicy::autotask().check(ZONE).unwrap();
        let credentials = Credentials::new("canary-user", "canary-secret".into(), Some("canary-code".into()));
        let client = Client::builder(self.clone(), zone, credentials).pause(waits.clone()).pages_max(50).build();
        (client, waits)
    }
}

#[async_trait]
impl Transport for Fake {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let n = {
            let mut sent = self.sent.lock().unwrap();
            sent.push(request.clone());
            sent.len() - 1
        };
        (self.answer)(n, &request)
    }
}

/// Does not wait, but remembers for how long it should have.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<Vec<Duration>>);

impl Waits {
    pub(crate) fn millis(&self) -> Vec<u128> {
        self.0.lock().unwrap().iter().map(Duration::as_millis).collect()
    }
}

#[async_trait]
impl Pause for Waits {
    async fn pause(&self, wait: Duration) {
        self.0.lock().unwrap().push(wait);
    }
}

pub(crate) fn response(status: u16, body: &str) -> Response {
    Response { status, headers: Vec::new(), body: Bytes::copy_from_slice(body.as_bytes()) }
}

pub(crate) fn body(request: &Request) -> Value {
    serde_json::from_slice(request.body.as_ref().unwrap()).unwrap()
}

pub(crate) fn page(items: Value, next: Option<&str>) -> String {
    let count = items.as_array().unwrap().len();
    json!({"items": items, "pageDetails": {"count": count, "requestCount": 500, "prevPageUrl": null, "nextPageUrl": next}}).to_string()
}

fn passes(row: &Value, filters: &Value) -> bool {
    filters.as_array().unwrap().iter().all(|filter| {
        let value = &row[filter["field"].as_str().unwrap()];
        match filter["op"].as_str().unwrap() {
            "in" => filter["value"].as_array().unwrap().contains(value),
            "eq" => *value == filter["value"],
            "gte" => value.as_i64().unwrap() >= filter["value"].as_i64().unwrap(),
            other => panic!("the fake does not know {other}"),
        }
    })
}

/// `{z}` is one of Autotask's hosts, `{e}` is not.
const TRICKS: &[&str] = &[
    "http://{z}/",
    "https://{z}@{e}/",
    "https://{z}:443@{e}/",
    "https://{e}/{z}/",
    "https://{e}?{z}/",
    "https://{e}#{z}/",
    "https://{e}\\.{z}/",
    "https://{e}%2f.{z}/",
    "https://{e}.{z}/",
    "https://{z}.{e}/",
    "https://{z}{e}/",
    "https://{z}\\{e}/",
    "https:\\\\{e}\\{z}",
    "https://{e}@{z}/",
    "https://{e}:pw@{z}/",
    "https://{z}:8443/{e}",
    "https://{z}./{e}",
    "https://{z}\u{3002}{e}/",
    "https://{z}\u{ff0f}{e}/",
    "https://{e}\u{ff0f}{z}/",
    "https://{z}%00.{e}/",
    "https://{z}\t.{e}/",
    "https://{z}/?to={e}",
    "https://{z}/#{e}",
    "//{z}/{e}",
    "{z}/{e}",
    "wss://{z}/{e}",
    "https://{e}.x-{z}/",
    "javascript://{z}/%0a{e}",
];

/// URLs that look like Autotask's and lead elsewhere, or are no zone's for another reason.
pub(crate) fn hostile_urls() -> Vec<String> {
    const ZONES: &[&str] = &[
        "webservices.autotask.net",
        "webservices1.autotask.net",
        "WebServices15.Autotask.NET",
        "prde.autotask.net",
        "a.autotask.net",
        "ww9.autotask.net",
    ];
    const ELSEWHERE: &[&str] = &[
        "evil.example",
        "127.0.0.1",
        "[::1]",
        "2130706433",
        "autotask.net.evil.example",
        "localhost",
        "169.254.169.254",
    ];
    let pairs = ZONES.iter().flat_map(|zone| ELSEWHERE.iter().map(move |elsewhere| (zone, elsewhere)));
    pairs
        .flat_map(|(zone, elsewhere)| {
            TRICKS.iter().map(move |trick| trick.replace("{z}", zone).replace("{e}", elsewhere))
        })
        .collect()
}
