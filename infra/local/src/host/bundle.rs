//! The functions in one process, started the way the platform starts them: by API Gateway's, SQS's and
//! EventBridge's own event JSON.

use super::invoke::{self, Work};
use super::kill::killable;
use super::queue::Message;
use super::real::{self, RealDeadline};
use super::routes::{Fit, fit};
use super::{Host, Published, functions};
use crate::gateway::event::{HttpRequest, Matched, of_request, to_response};
use bytes::Bytes;
use domain::ports::{Ids, QueueName};
use http::{Response, StatusCode};
use jiff::Timestamp;
use runtime::App;
use serde_json::{Map, Value, json};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Time-outs of the functions (design, section 4).
pub const API_TIMEOUT: Duration = Duration::from_secs(29);
/// See [`API_TIMEOUT`].
pub const DISPATCHER_TIMEOUT: Duration = Duration::from_secs(60);
/// See [`API_TIMEOUT`].
pub const WORKER_TIMEOUT: Duration = Duration::from_secs(300);

/// The whole bundle. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bundle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    app: App,
    host: Host,
    functions: Vec<functions::Function>,
    draining: tokio::sync::Mutex<()>,
    delivering: tokio::sync::Mutex<()>,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its work is done.
    Done,
    /// It failed, and said so.
    Failed(String),
    /// It was killed, or ran out of time.
    Killed,
}

impl Bundle {
    /// The bundle over an app that was made with this host's ports.
    #[must_use]
    pub fn new(app: App, host: Host) -> Self {
        let functions = functions::all(&app);
        Self(Arc::new(Inner {
            app,
            host,
            functions,
            draining: tokio::sync::Mutex::new(()),
            delivering: tokio::sync::Mutex::new(()),
        }))
    }

    /// The app.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.0.app
    }

    /// Queues, bus, secrets, clock, kill.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// Held by the one drain that may run.
    pub(crate) fn draining(&self) -> &tokio::sync::Mutex<()> {
        &self.0.draining
    }

    /// Answers an API request whose token was accepted (or that came without one, for tests). The invocation
    /// goes on to its end when the caller hangs up.
    pub async fn api(&self, request: &HttpRequest<'_>, claims: Option<&Map<String, Value>>) -> Response<Bytes> {
        let (at, matched) = self.route(request.method, request.path);
        let request_id = self.0.host.ids.uuid().to_string();
        let event = of_request(request, &matched, claims, &request_id, real::now());
        let bundle = self.clone();
        let invocation = real::spawn(async move {
            let function = &bundle.0.functions[at];
            let call = invoke::api(function.router.clone(), event);
            killable(function.name, true, tokio::time::timeout(API_TIMEOUT, call)).await
        });
        match invocation.await {
            Ok(Some(Ok(answer))) => {
                let response = answer.as_ref().and_then(to_response);
                response.unwrap_or_else(|| gateway_error(StatusCode::BAD_GATEWAY))
            }
            Ok(Some(Err(_too_long))) => gateway_error(StatusCode::SERVICE_UNAVAILABLE),
            Ok(None) | Err(_) => gateway_error(StatusCode::BAD_GATEWAY),
        }
    }

    /// The function that serves a request. What no route fits goes to a function that has the path, or to the
    /// first one, whose edge then says 405 or 404.
    fn route(&self, method: &str, path: &str) -> (usize, Matched) {
        let mut best: Option<((bool, usize), usize, Matched)> = None;
        for (at, function) in self.0.functions.iter().enumerate() {
            for route in &function.routes {
                let Some((fixed, fit)) = fit(route, method, path) else { continue };
                let (rank, matched) = match fit {
                    Fit::Route(matched) => ((true, fixed), matched),
                    Fit::Path(matched) => ((false, fixed), matched),
                };
                if best.as_ref().is_none_or(|(before, ..)| rank > *before) {
                    best = Some((rank, at, matched));
                }
            }
        }
        match best {
            Some((_, at, matched)) => (at, matched),
            None => (0, Matched { key: "$default".to_owned(), parameters: Vec::new() }),
        }
    }

    /// Receives one message that is visible and has its function work on it. `None`: there is none.
    ///
    /// # Errors
    /// The queue's file cannot be written.
    pub async fn work(&self, from: Option<QueueName>) -> io::Result<Option<Outcome>> {
        let Some(message) = self.0.host.queue.receive(from)? else { return Ok(None) };
        // Dropped with this call, the message would be worked on for ever.
        let held = Held { bundle: self, id: &message.id };
        let (function, handler): (_, Work) = functions::worker(message.queue);
        let deadline = RealDeadline::starting(WORKER_TIMEOUT);
        let call = invoke::queue(self.app(), sqs_event(function, &message), &deadline, handler);
        let outcome = match killable(function, false, tokio::time::timeout(WORKER_TIMEOUT, call)).await {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => Outcome::Killed,
        };
        if outcome == Outcome::Done {
            self.0.host.queue.done(&message.id)?;
        } else {
            tracing::warn!(message.id, ?outcome, "a message comes back after its visibility time");
        }
        drop(held);
        Ok(Some(outcome))
    }

    /// Fires a schedule.
    pub async fn tick(&self, job: &str, time: Timestamp) -> Outcome {
        let deadline = RealDeadline::starting(DISPATCHER_TIMEOUT);
        let (function, handler) = functions::dispatcher(job);
        let call = invoke::schedule(self.app(), schedule_event(job, time), &deadline, handler);
        ended(killable(function, false, tokio::time::timeout(DISPATCHER_TIMEOUT, call)).await)
    }

    /// Delivers an event from the vendor's core.
    pub async fn event(&self, event: &Value) -> Outcome {
        let deadline = RealDeadline::starting(DISPATCHER_TIMEOUT);
        let id = self.0.host.ids.uuid().to_string();
        let call = invoke::bus(self.app(), bus_event(event, &id, self.0.host.clock.now()), &deadline);
        ended(killable("intake", false, tokio::time::timeout(DISPATCHER_TIMEOUT, call)).await)
    }
}

impl Bundle {
    /// Delivers what the bundle itself published to the functions of it that hear it, as the bus's rules do. Returns
    /// how many were delivered, and how many failed.
    ///
    /// # Errors
    /// The bus's file cannot be written.
    pub async fn deliver(&self) -> io::Result<(u32, u32)> {
        let _alone = self.0.delivering.lock().await;
        let (mut delivered, mut failed) = (0, 0);
        while let Some(event) = self.0.host.events.undelivered() {
            if !functions::hears(&event.detail_type, &event.detail) {
                self.0.host.events.delivered(event.seq)?;
                continue;
            }
            match self.hear(&event).await {
                Outcome::Done => {
                    delivered += 1;
                    self.0.host.events.delivered(event.seq)?;
                }
                outcome => {
                    failed += 1;
                    let is_given_up = self.0.host.events.not_delivered(event.seq)?;
                    tracing::warn!(event.kind = event.detail_type, ?outcome, is_given_up, "an event was not heard");
                }
            }
        }
        Ok((delivered, failed))
    }

    /// Delivers one of the bundle's own events to the function that hears it.
    pub async fn hear(&self, event: &Published) -> Outcome {
        let deadline = RealDeadline::starting(DISPATCHER_TIMEOUT);
        let id = self.0.host.ids.uuid().to_string();
        let given = json!({
            "source": event.source, "detail-type": event.detail_type, "detail": event.detail, "time": event.time,
        });
        let call = invoke::own_bus(self.app(), bus_event(&given, &id, self.0.host.clock.now()), &deadline);
        ended(killable("notify", false, tokio::time::timeout(DISPATCHER_TIMEOUT, call)).await)
    }
}

struct Held<'a> {
    bundle: &'a Bundle,
    id: &'a str,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.bundle.0.host.queue.let_go(self.id);
    }
}

fn ended(invocation: Option<Result<Outcome, tokio::time::error::Elapsed>>) -> Outcome {
    match invocation {
        Some(Ok(outcome)) => outcome,
        Some(Err(_)) | None => Outcome::Killed,
    }
}

/// What API Gateway says where the function said nothing.
#[must_use]
pub fn gateway_error(status: StatusCode) -> Response<Bytes> {
    let message = match status {
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::SERVICE_UNAVAILABLE => "Service Unavailable",
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        _ => "Internal Server Error",
    };
    let mut response = Response::new(Bytes::from(json!({ "message": message }).to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

/// The event that SQS sends a function for one message.
#[must_use]
pub fn sqs_event(function: &str, message: &Message) -> Value {
    let sent = message.sent_at.as_millisecond().to_string();
    json!({"Records": [{
        "messageId": message.id,
        "receiptHandle": format!("{}#{}", message.id, message.receives),
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.receives.to_string(),
            "SentTimestamp": sent,
            "SenderId": "AIDALOCAL",
            "ApproximateFirstReceiveTimestamp": sent,
            "MessageGroupId": message.group,
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{function}"),
        "awsRegion": "us-east-1",
    }]})
}

/// The input that a schedule of ours gives its function.
#[must_use]
pub fn schedule_event(job: &str, time: Timestamp) -> Value {
    json!({"job": job, "time": time})
}

/// The event that EventBridge delivers: what is missing is filled in.
#[must_use]
pub fn bus_event(event: &Value, id: &str, now: Timestamp) -> Value {
    let mut whole = json!({
        "version": "0",
        "id": id,
        "source": "vendor.core",
        "account": "000000000000",
        "time": now,
        "region": "us-east-1",
        "resources": [],
    });
    if let (Some(whole), Some(given)) = (whole.as_object_mut(), event.as_object()) {
        for (name, value) in given {
            // Both spellings are seen in the wild; EventBridge's own is with a hyphen.
            let name = if name == "detail_type" { "detail-type" } else { name };
            whole.insert(name.to_owned(), value.clone());
        }
    }
    whole
}
