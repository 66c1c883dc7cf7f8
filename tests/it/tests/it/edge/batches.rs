//! Queue batches, ticks and events: what fails comes back alone.

use super::support::world;
use domain::ports::{Deadline, NoDeadline};
use domain::{Code, Error};
use runtime::schedule::Tick;
use runtime::{App, queue};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn batch(bodies: &[&str]) -> Value {
    let record = |(at, body): (usize, &&str)| {
        json!({
            "messageId": format!("m{at}"), "receiptHandle": "r", "body": body, "md5OfBody": "x",
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1796083200000"}, "messageAttributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:seat-sync", "awsRegion": "eu-west-1",
        })
    };
    json!({ "Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>() })
}

type Seen = Arc<Mutex<Vec<String>>>;

async fn work(_: &App, body: &str, seen: Seen) -> domain::Result<()> {
    let message: Value =
        serde_json::from_str(body).map_err(|_| Error::problem(Code::InvalidInput, "the body is not JSON"))?;
    assert!(message["panic"].is_null(), "told to panic");
    seen.lock().unwrap().push(message["run"].to_string());
    Ok(())
}

#[tokio::test]
async fn ten_messages_with_two_poisoned_ones_lose_those_two() {
    let (app, seen) = (world().app, Seen::default());
    let bodies: Vec<String> = (0..10)
        .map(|run| match run {
            3 => "{not json".to_owned(),
            6 => json!({"panic": true}).to_string(),
            _ => json!({"run": run}).to_string(),
        })
        .collect();
    let event = batch(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    let answer =
        queue::handle_batch(&app, event, &NoDeadline, |app, body, _| Box::pin(work(app, body, seen.clone()))).await;
    let failed = json!([{"itemIdentifier": "m3"}, {"itemIdentifier": "m6"}]);
    assert_eq!(answer.unwrap(), json!({"batchItemFailures": failed}));
    assert_eq!(*seen.lock().unwrap(), ["0", "1", "2", "4", "5", "7", "8", "9"]);
}

#[tokio::test]
async fn a_handler_that_panics_before_its_first_wait_is_caught() {
    let (app, event) = (world().app, batch(&["a", "b"]));
    let answer = queue::handle_batch(&app, event, &NoDeadline, |_, body, _| {
        assert_ne!(body, "a", "told to panic");
        Box::pin(async { Ok(()) })
    });
    assert_eq!(answer.await.unwrap()["batchItemFailures"], json!([{"itemIdentifier": "m0"}]));
}

#[tokio::test]
async fn a_malformed_record_comes_back_alone() {
    let mut event = batch(&["{\"run\":1}", "{\"run\":2}"]);
    event["Records"][0]["attributes"] = json!(7);
    let (app, seen) = (world().app, Seen::default());
    let answer =
        queue::handle_batch(&app, event, &NoDeadline, |app, body, _| Box::pin(work(app, body, seen.clone()))).await;
    assert_eq!(answer.unwrap()["batchItemFailures"], json!([{"itemIdentifier": "m0"}]));
    assert_eq!(*seen.lock().unwrap(), ["2"]);
}

/// Each look at it takes ten seconds.
#[derive(Debug)]
struct Waning(Mutex<u64>);

impl Deadline for Waning {
    fn remaining(&self) -> Duration {
        let mut left = self.0.lock().unwrap();
        *left = left.saturating_sub(10);
        Duration::from_secs(*left)
    }
}

#[tokio::test]
async fn a_message_without_time_is_not_started_but_the_first_always_is() {
    let (app, seen) = (world().app, Seen::default());
    let bodies = ["{\"run\":0}", "{\"run\":1}", "{\"run\":2}", "{\"run\":3}"];
    let deadline = Waning(Mutex::new(40));
    let answer =
        queue::handle_batch(&app, batch(&bodies), &deadline, |app, body, _| Box::pin(work(app, body, seen.clone())));
    let failed = answer.await.unwrap()["batchItemFailures"].clone();
    assert_eq!(failed, json!([{"itemIdentifier": "m3"}]));
    let late = Waning(Mutex::new(0));
    let one =
        queue::handle_batch(&app, batch(&bodies[..1]), &late, |app, body, _| Box::pin(work(app, body, seen.clone())));
    assert_eq!(one.await.unwrap()["batchItemFailures"], json!([]));
}

#[tokio::test]
async fn what_is_no_batch_is_an_error_of_the_invocation() {
    let app = world().app;
    let answer = queue::handle_batch(&app, json!({"records": []}), &NoDeadline, |_, _, _| Box::pin(async { Ok(()) }));
    assert!(answer.await.is_err());
}

#[tokio::test]
async fn a_tick_is_read_from_a_schedule_and_from_a_rule() {
    let (app, seen) = (world().app, Seen::default());
    let due = "2026-12-01T00:15:00Z";
    for event in [
        json!({"job": "seat-sync", "time": due}),
        json!({"version": "0", "id": "e1", "detail-type": "Scheduled Event", "source": "aws.events", "account": "1",
               "time": due, "region": "eu-west-1", "resources": [], "detail": {"job": "seat-sync"}}),
        json!({"job": "seat-sync"}),
    ] {
        let done = runtime::schedule::handle(&app, event, &NoDeadline, |_, tick: Tick, _| {
            seen.lock().unwrap().push(format!("{} {}", tick.job, tick.time));
            Box::pin(async { Ok(()) })
        });
        done.await.unwrap();
    }
    let expected = [due, due, "2026-12-01T00:00:00Z"].map(|time| format!("seat-sync {time}"));
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_failed_or_panicking_job_is_tried_again_by_the_platform() {
    let app = world().app;
    let tick = json!({"job": "sweep", "time": "2026-12-01T00:15:00Z"});
    let failed = runtime::schedule::handle(&app, tick.clone(), &NoDeadline, |_, _, _| {
        Box::pin(async { Err(Error::problem(Code::Unavailable, "away")) })
    });
    assert!(failed.await.is_err());
    let panicked = runtime::schedule::handle(&app, tick, &NoDeadline, |_, _, _| Box::pin(async { panic!("told to") }));
    assert!(panicked.await.is_err());
    let no_tick = runtime::schedule::handle(&app, json!({}), &NoDeadline, |_, _, _| Box::pin(async { Ok(()) }));
    assert!(no_tick.await.is_err());
}

#[tokio::test]
async fn an_event_is_handed_on_by_its_kind() {
    let (app, seen) = (world().app, Seen::default());
    let event = json!({
        "version": "0", "id": "e1", "detail-type": "usage.reported", "source": "vendor.core", "account": "123456789012",
        "time": "2026-12-01T00:00:00Z", "region": "eu-west-1", "resources": [], "detail": {"partner_id": "acme"},
    });
    let done = runtime::bus::handle(&app, event, &NoDeadline, |_, kind, detail, _| {
        seen.lock().unwrap().push(format!("{kind} {detail}"));
        Box::pin(async { Ok(()) })
    });
    done.await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [r#"usage.reported {"partner_id":"acme"}"#]);
}
