//! `Idempotency-Key`: done once, answered again.

use super::routes::{Effects, routes};
use super::support::{Call, world};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn create(key: &str, body: &Value) -> Call {
    Call::post("/v1/things", body).header("idempotency-key", key).acme("partner_admin")
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_costs_one_write() {
    let (world, effects) = (world(), Arc::<Effects>::default());
    let call = create("k1", &json!({"name": "a"}));
    let first = call.send(&world.app, routes(&effects)).await;
    assert_eq!(world.storage.writes.load(Ordering::SeqCst), 2, "taken and completed");
    let again = call.send(&world.app, routes(&effects)).await;
    assert_eq!((first.status, &first.text), (again.status, &again.text));
    assert_eq!((again.header("etag"), again.header("content-type")), (Some("\"1\""), Some("application/json")));
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), (None, Some("true")));
    assert_eq!(effects.count.load(Ordering::SeqCst), 1);
    assert_eq!((world.storage.writes.load(Ordering::SeqCst), world.storage.reads.load(Ordering::SeqCst)), (3, 0));
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused() {
    let (world, effects) = (world(), Arc::<Effects>::default());
    create("k1", &json!({"name": "a"})).send(&world.app, routes(&effects)).await;
    let other = create("k1", &json!({"name": "b"})).send(&world.app, routes(&effects)).await;
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency_mismatch"));
    assert_eq!(effects.count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_key_belongs_to_its_caller_partner_and_route() {
    let (world, effects) = (world(), Arc::<Effects>::default());
    let call = create("k1", &json!({"name": "a"}));
    let partner = call.clone().claim("partner_id", "umbrella");
    let person = call.clone().claim("sub", "sam");
    let vendor = Call::post("/v1/things", &json!({"name": "a"})).header("idempotency-key", "k1").vendor("service");
    let route = Call::post("/v1/maybe", &json!({"name": "a"})).header("idempotency-key", "k1").acme("partner_admin");
    for call in [call, partner, person, vendor] {
        assert_eq!(call.send(&world.app, routes(&effects)).await.status, 201);
    }
    assert_eq!(route.send(&world.app, routes(&effects)).await.status, 200);
    assert_eq!(effects.count.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_repeat_while_the_first_is_at_work_waits() {
    let (world, effects) = (world(), Arc::<Effects>::default());
    let call = Call::new("POST", "/v1/held").header("idempotency-key", "k1").acme("partner_admin");
    let first = call.send(&world.app, routes(&effects));
    let second = async {
        effects.entered.notified().await;
        let early = call.send(&world.app, routes(&effects)).await;
        assert_eq!((early.status, early.code().as_str()), (409, "idempotency_in_progress"));
        assert!(early.header("retry-after").is_some());
        effects.go_on.notify_one();
    };
    let (first, ()) = futures::join!(first, second);
    let again = call.send(&world.app, routes(&effects)).await;
    assert_eq!((first.status, first.text), (again.status, again.text));
    assert_eq!(effects.count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_try_that_broke_off_frees_its_key_after_its_time() {
    let (world, effects) = (world(), Arc::<Effects>::default());
    let call = Call::new("POST", "/v1/held").header("idempotency-key", "k1").acme("partner_admin");
    {
        let app = world.app.clone();
        let mut first = Box::pin(call.send(&app, routes(&effects)));
        futures::select_biased! {
            _ = futures::FutureExt::fuse(&mut first) => panic!("nobody let it go on"),
            () = futures::FutureExt::fuse(effects.entered.notified()) => {}
        }
        // Dropped here, as a killed invocation.
    }
    let early = call.send(&world.app, routes(&effects)).await;
    assert_eq!(early.code(), "idempotency_in_progress");
    world.clock.advance(SignedDuration::from_secs(31));
    effects.go_on.notify_one();
    assert_eq!(call.send(&world.app, routes(&effects)).await.status, 200);
    assert_eq!(effects.count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let (world, effects) = (world(), Arc::<Effects>::default());
    let call = Call::new("POST", "/v1/fails").header("idempotency-key", "k1").acme("partner_admin");
    assert_eq!(call.send(&world.app, routes(&effects)).await.status, 503);
    assert_eq!(world.storage.len(), 0);
    assert_eq!(call.send(&world.app, routes(&effects)).await.text, "done");
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day() {
    let (world, effects) = (world(), Arc::<Effects>::default());
    let call = create("k1", &json!({"name": "a"}));
    call.send(&world.app, routes(&effects)).await;
    world.clock.advance(SignedDuration::from_hours(23));
    call.send(&world.app, routes(&effects)).await;
    assert_eq!(effects.count.load(Ordering::SeqCst), 1);
    // The record may outlive its time: DynamoDB deletes when it gets to it.
    world.clock.advance(SignedDuration::from_hours(1));
    create("k1", &json!({"name": "b"})).send(&world.app, routes(&effects)).await;
    assert_eq!(effects.count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn nothing_of_the_request_is_kept() {
    let (world, effects) = (world(), Arc::<Effects>::default());
    create("canary-key", &json!({"name": "canary-name"})).send(&world.app, routes(&effects)).await;
    create("canary-two", &json!({"nmae": "canary-name"})).send(&world.app, routes(&effects)).await;
    assert_eq!(world.storage.len(), 2);
    assert!(!world.storage.dump().contains("canary"), "{}", world.storage.dump());
}

#[tokio::test]
async fn a_key_is_taken_only_where_it_can_be_one() {
    let (world, effects) = (world(), Arc::<Effects>::default());
    for bad in ["", "a b", &"x".repeat(256)] {
        let answer = create(bad, &json!({"name": "a"})).send(&world.app, routes(&effects)).await;
        assert_eq!((answer.status, answer.json()["field"].as_str()), (400, Some("Idempotency-Key")), "{bad:?}");
    }
    let get = Call::get("/v1/who").header("idempotency-key", "k1").acme("partner_admin");
    assert_eq!(get.send(&world.app, routes(&effects)).await.status, 200);
    assert_eq!((world.storage.len(), effects.count.load(Ordering::SeqCst)), (0, 0));
}
