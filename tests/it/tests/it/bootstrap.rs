//! The functions' binaries really start: as processes, against a Lambda Runtime API of the test's own, with
//! AWS answered by the in-process engine.

#![allow(
    clippy::disallowed_methods,
    reason = "servers beside the test, and the deadline that Lambda gives in real time"
)]

use crate::edge::support::Call;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

/// The binaries that are started here.
const BINARIES: &[&str] =
    &["connect", "invoice-pdf-worker", "seat-sync-dispatcher", "seat-sync-worker", "zone-discover"];
/// How long one invocation may take; a cold start is some milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const TABLE: &str = "bootstrap";
/// Lambda's id of every invocation here.
const INVOCATION: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

/// One function as a process, with its Runtime API.
struct Function {
    process: Child,
    api: Arc<RuntimeApi>,
    answers: mpsc::Receiver<(String, Value)>,
}

/// Lambda's side: `next`, `response`, `error`, `init/error`.
#[derive(Debug)]
struct RuntimeApi {
    waiting: Mutex<VecDeque<Value>>,
    more: Notify,
    answers: mpsc::Sender<(String, Value)>,
}

impl Function {
    async fn start(binary: &str, env: &BTreeMap<&str, String>) -> Self {
        let (sender, answers) = mpsc::channel(8);
        let api = Arc::new(RuntimeApi { waiting: Mutex::default(), more: Notify::new(), answers: sender });
        let at = serve(runtime_api(api.clone())).await;
        let process = process(binary, &at, env).spawn().unwrap();
        Self { process, api, answers }
    }

    /// Invokes it once and returns how it ended, `response` or `error`, and its answer.
    async fn invoke(&mut self, event: Value) -> (String, Value) {
        self.api.waiting.lock().unwrap().push_back(event);
        self.api.more.notify_one();
        match tokio::time::timeout(ANSWER_TIMEOUT, self.answers.recv()).await {
            Ok(answer) => answer.unwrap(),
            Err(_) => panic!("no answer; the function said:\n{}", self.end()),
        }
    }

    /// Ends it and returns what it wrote.
    fn end(&mut self) -> String {
        let _ = self.process.kill();
        let mut said = String::new();
        self.process.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        self.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        self.process.wait().unwrap();
        said
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn process(binary: &str, runtime_api: &str, env: &BTreeMap<&str, String>) -> Command {
    let mut command = Command::new(built().join(binary));
    command.env_clear().envs(env).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("AWS_LAMBDA_FUNCTION_NAME", binary)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", "canary-key-id")
        .env("AWS_SECRET_ACCESS_KEY", "canary-secret-key");
    command
}

/// Builds the binaries as the test was built, which is nothing to do where the workspace was built, and
/// returns where they are.
fn built() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(|deps| deps.parent()).unwrap().to_owned();
        let mut cargo = Command::new(env!("CARGO"));
        // The whole workspace, so that shared dependencies keep the features they were compiled with.
        cargo.args(["build", "--quiet", "--workspace"]).args(BINARIES.iter().flat_map(|name| ["--bin", name]));
        // Build scripts (ring's) look at these: with the test's own, cargo would compile the TLS stack again.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|start| text.starts_with(start)) {
                cargo.env_remove(&name);
            }
        }
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", profile.parent().unwrap());
        assert!(cargo.status().unwrap().success(), "the functions do not build");
        profile
    })
}

fn runtime_api(api: Arc<RuntimeApi>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/{outcome}", post(answered))
        .route(
            "/2018-06-01/runtime/init/error",
            post(|state, body| answered(state, Path((String::new(), "init".into())), body)),
        )
        .with_state(api)
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    loop {
        let event = api.waiting.lock().unwrap().pop_front();
        let Some(event) = event else {
            api.more.notified().await;
            continue;
        };
        let deadline = SystemTime::now() + Duration::from_secs(25);
        let millis = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis().to_string();
        let headers = [
            ("lambda-runtime-aws-request-id", INVOCATION),
            ("lambda-runtime-deadline-ms", &millis),
            ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:f"),
            ("content-type", "application/json"),
        ];
        return (headers, event.to_string()).into_response();
    }
}

async fn answered(
    State(api): State<Arc<RuntimeApi>>,
    Path((_, outcome)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    let answer = serde_json::from_slice(&body).unwrap_or(Value::Null);
    api.answers.send((outcome, answer)).await.unwrap();
    StatusCode::ACCEPTED
}

/// AWS in one place: DynamoDB by the engine, and the stack's secret.
async fn aws() -> String {
    let engine = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dynamodb = format!("http://{}", engine.local_addr().unwrap());
    let database = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(engine, database));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = store::Aws::new(&store::Settings::local(&dynamodb)).await.dynamodb();
    store::table::create_table(&client, TABLE).await.unwrap();
    let front = (reqwest::Client::new(), dynamodb);
    format!("http://{}", serve(Router::new().fallback(service).with_state(front)).await)
}

async fn service(
    State((client, dynamodb)): State<(reqwest::Client, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    if target == "secretsmanager.GetSecretValue" {
        let secret = json!({"ARN": "arn", "Name": "cursor-key", "SecretString": "canary-cursor-key-canary-cursor-key"});
        return ([("content-type", "application/x-amz-json-1.1")], secret.to_string()).into_response();
    }
    if !target.starts_with("DynamoDB_") {
        return StatusCode::NOT_IMPLEMENTED.into_response();
    }
    let mut headers = headers;
    headers.remove("host");
    let answer = client.post(&dynamodb).headers(headers).body(body).send().await.unwrap();
    (answer.status(), answer.headers().clone(), answer.bytes().await.unwrap()).into_response()
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    tokio::spawn(axum::serve(listener, router).into_future());
    at
}

async fn environment() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("AWS_ENDPOINT_URL", aws().await),
        ("TABLE_NAME", TABLE.to_owned()),
        ("CURSOR_KEY_SECRET", "cursor-key".to_owned()),
        ("SUPPORT_ADDRESS", "support@vendor.example".to_owned()),
        ("SECRET_PREFIX", "stack".to_owned()),
        ("EVENT_BUS_NAME", "bus".to_owned()),
        ("SEAT_SYNC_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/seat-sync".to_owned()),
        ("MAP_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/map".to_owned()),
        ("INVOICE_FETCH_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/invoice-fetch".to_owned()),
        ("INVOICE_PDF_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/invoice-pdf".to_owned()),
        ("PDF_BUCKET", "bucket-of-pdfs".to_owned()),
        ("PAYMENTS_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/payments".to_owned()),
        ("WEBHOOKS_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/webhooks".to_owned()),
        ("WEBHOOK_ADMIN_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/webhook-admin".to_owned()),
        ("REQUEST_TIMEOUT_MS", "60000".to_owned()),
    ])
}

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn zone_discover_starts_and_answers() {
    let mut function = Function::start("zone-discover", &environment().await).await;
    let (outcome, answer) = function.invoke(Call::get("/v1/nowhere").acme("partner_admin").event()).await;
    assert_eq!((outcome.as_str(), &answer["statusCode"]), ("response", &json!(404)), "{answer}");

    let call = Call::post("/v1/zones/discover", &json!({"username": ""})).acme("partner_admin");
    let call = call.header("idempotency-key", "once");
    let (_, first) = function.invoke(call.event()).await;
    assert_eq!((&first["statusCode"], &body(&first)["code"]), (&json!(400), &json!("invalid_input")), "{first}");
    let (_, again) = function.invoke(call.event()).await;
    assert_eq!(again["headers"]["idempotent-replayed"], "true", "the engine kept the answer: {again}");
    assert_eq!(again["body"], first["body"]);

    let said = function.end();
    assert!(!said.contains("canary"), "{said}");
    let lines: Vec<HashMap<String, Value>> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered = lines.iter().filter(|line| line["message"] == "answered").collect::<Vec<_>>();
    assert_eq!(answered.len(), 3, "one line per request: {said}");
    assert_eq!(answered[1]["code"], "invalid_input");
    assert_eq!(answered[1]["level"], "INFO");
    let spans = answered[1]["spans"].to_string();
    assert!(spans.contains(INVOCATION) && spans.contains("req_"), "both ids stand in each line: {spans}");
}

#[tokio::test]
async fn connect_starts_and_answers() {
    let mut function = Function::start("connect", &environment().await).await;
    let (outcome, answer) = function.invoke(Call::get("/v1/setup-guide").acme("partner_viewer").event()).await;
    assert_eq!((outcome.as_str(), &answer["statusCode"]), ("response", &json!(200)), "{answer} {}", function.end());
    assert!(body(&answer)["steps"].is_array(), "{answer}");
    let (_, listed) = function.invoke(Call::get("/v1/connections").acme("partner_viewer").event()).await;
    assert_eq!(listed["statusCode"], 200, "{listed}");
    let (_, refused) = function.invoke(Call::get("/v1/connections").event()).await;
    assert_eq!((&refused["statusCode"], &body(&refused)["code"]), (&json!(403), &json!("forbidden_role")));
    let said = function.end();
    assert!(!said.contains("canary"), "{said}");
}

#[tokio::test]
async fn workers_start_and_give_a_poisoned_message_back() {
    for (binary, queue) in [("seat-sync-worker", "seat-sync"), ("invoice-pdf-worker", "invoice-pdf")] {
        let mut function = Function::start(binary, &environment().await).await;
        let record = json!({
            "messageId": "m1", "receiptHandle": "r", "body": "{canary-poison", "md5OfBody": "x",
            "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:eu-west-1:123456789012:{queue}"), "awsRegion": "eu-west-1",
        });
        for _ in 0..2 {
            let (outcome, answer) = function.invoke(json!({"Records": [record]})).await;
            assert_eq!(outcome, "response", "{binary}: {answer}");
            assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m1"}]}), "{binary}");
        }
        let (outcome, answer) = function.invoke(json!({"no": "batch"})).await;
        assert_eq!(outcome, "error", "{binary}: {answer}");
        let said = function.end();
        assert!(!said.contains("canary"), "{binary}: {said}");
    }
}

#[tokio::test]
async fn the_seat_sync_dispatcher_starts_and_takes_a_tick() {
    let mut function = Function::start("seat-sync-dispatcher", &environment().await).await;
    let tick = json!({"job": "seat-sync", "time": "2026-12-01T00:15:00Z"});
    let (outcome, answer) = function.invoke(tick).await;
    let said = function.end();
    assert_eq!(outcome, "response", "{answer} {said}");
    // The field that the template's alarm on missed ticks counts.
    assert!(
        said.lines().any(|line| serde_json::from_str::<Value>(line).unwrap()["tick_done"] == "seat-sync"),
        "{said}"
    );
}

#[tokio::test]
async fn a_function_without_its_environment_says_all_that_is_missing() {
    let env = BTreeMap::from([
        ("REQUEST_TIMEOUT_MS", "soon".to_owned()),
        ("AUTOTASK_EXTRA_ORIGIN", "https://evil.example".to_owned()),
        ("AUTOTASK_ZONE_ENTRY", "http://webservices.autotask.net/".to_owned()),
        ("TABLE_NAME", " ".to_owned()),
    ]);
    let done = process("zone-discover", "127.0.0.1:9", &env).output().unwrap();
    assert!(!done.status.success());
    let said = String::from_utf8(done.stdout).unwrap();
    for name in [
        "TABLE_NAME",
        "CURSOR_KEY_SECRET",
        "SUPPORT_ADDRESS",
        "REQUEST_TIMEOUT_MS",
        "AUTOTASK_EXTRA_ORIGIN",
        "AUTOTASK_ZONE_ENTRY",
    ] {
        assert!(said.contains(name), "{name} is not named: {said}");
    }
    for not_needed in ["SECRET_PREFIX", "MAP_QUEUE_URL", "EVENT_BUS_NAME"] {
        assert!(!said.contains(not_needed), "{not_needed} is not this function's: {said}");
    }
    assert_eq!(said.lines().count(), 1, "{said}");
}
