//! What is wrong with a connection as such and no run says: credentials that cannot be read, a limit that is near.

use super::*;
use domain::budget::rate::BudgetRow;
use jiff::SignedDuration;
use simulator::{Fault, FaultKind, Match};

/// The connection's issue of this code; none where it never was.
async fn of_connection(world: &World, code: &str) -> Option<Value> {
    let page = world.api(BILLING).get(&format!("C/issues?subject=connection&code={code}")).await.expect(200);
    page["items"].get(0).cloned()
}

async fn is(world: &World, code: &str, wanted: Option<(&str, u64)>) {
    let issue = of_connection(world, code).await;
    assert_eq!(issue.as_ref().map(state), wanted, "{issue:?}");
}

async fn probe(world: &World) -> testkit::Reply {
    world.api(BILLING).post("C/permissions/probe", Value::Null).await
}

async fn budget(world: &World) -> (u64, BudgetRow) {
    let found = world.load::<BudgetRow>(&Key::Budget(world.partner.clone(), world.connection.clone())).await.unwrap();
    (found.v, found.value)
}

const UNREAD: &str = "secret_store_unavailable";
const NEAR: &str = "threshold_near";

#[tokio::test]
async fn credentials_that_cannot_be_read_are_one_issue_that_counts_hours_and_closes_with_the_next_session() {
    let (world, lines) = eve(1).await;
    world.usage(&lines[0], 12).await;
    run(&world).await;
    is(&world, UNREAD, None).await;

    world.secrets.set_away(true);
    for _ in 0..3 {
        probe(&world).await.assert_problem(503, UNREAD);
    }
    is(&world, UNREAD, Some(("open", 1))).await;
    world.advance(SignedDuration::from_hours(1));
    world.usage(&lines[0], 13).await;
    let body = json!({"kind": "seat_sync", "mode": "apply"});
    world.api(BILLING).post("C/runs", body).await.assert_status(202);
    world.work_one().await;
    is(&world, UNREAD, Some(("open", 2))).await;
    let issue = of_connection(&world, UNREAD).await.unwrap();
    assert_eq!((&issue["retryable"], &issue["run_id"]), (&json!(true), &Value::Null), "{issue}");
    world.api(BILLING).post(&at(&issue, "/retry"), Value::Null).await.assert_problem(503, UNREAD);

    world.secrets.set_away(false);
    // The run that waited goes on by itself, and its session closes the issue.
    world.drain().await;
    is(&world, UNREAD, Some(("resolved", 2))).await;
    assert_eq!(world.units_on(&lines, jiff::civil::date(2026, 11, 30)), [Some(13)]);
    let opened = world.published("issue.opened");
    assert_eq!(opened.iter().filter(|event| event.detail["data"]["code"] == UNREAD).count(), 1);
}

/// Autotask says that so many of its 10,000 calls were made by everybody.
fn says(world: &World, used: i64) -> u64 {
    let body = json!({
        "externalRequestThreshold": 10_000, "requestThresholdTimeframe": 60, "currentTimeframeRequestCount": used,
    });
    let answer = FaultKind::Status { status: 200, body };
    world.sim.add_fault(Fault::new(Match::new("GET", "*ThresholdInformation"), answer))
}

#[tokio::test]
async fn a_limit_that_all_integrations_come_near_to_is_one_issue_with_numbers_until_there_is_room() {
    let (world, lines) = eve(1).await;
    world.usage(&lines[0], 12).await;
    let said = says(&world, 7_999);
    run(&world).await;
    is(&world, NEAR, None).await;
    world.sim.remove_fault(said);

    let said = says(&world, 9_000);
    world.sim.clear_requests();
    let first = run(&world).await;
    let calls = world.sim.requests().len();
    is(&world, NEAR, Some(("open", 1))).await;
    let issue = of_connection(&world, NEAR).await.unwrap();
    let numbers = (&issue["data"]["used"], &issue["data"]["share"], &issue["data"]["share_now"]);
    assert_eq!(numbers, (&json!(9_000), &json!(2_500), &json!(500)), "{issue}");
    assert!(issue["detail"].as_str().unwrap().contains("9000 of the 10000 calls"), "{issue}");
    assert_ne!(run(&world).await, first);
    is(&world, NEAR, Some(("open", 2))).await;
    // Calls that say nothing of the limit count nothing.
    probe(&world).await.assert_status(200);
    is(&world, NEAR, Some(("open", 2))).await;

    world.sim.remove_fault(said);
    let said = says(&world, 100);
    world.sim.clear_requests();
    run(&world).await;
    assert_eq!(world.sim.requests().len(), calls, "it costs no call");
    is(&world, NEAR, Some(("resolved", 2))).await;
    world.sim.remove_fault(said);

    // What the database said is good for an hour; then nobody knows, and calls are as ever.
    says(&world, 9_500);
    run(&world).await;
    is(&world, NEAR, Some(("open", 1))).await;
    world.advance(SignedDuration::from_mins(61));
    probe(&world).await.assert_status(200);
    is(&world, NEAR, Some(("resolved", 1))).await;
    assert!(!budget(&world).await.1.told);
}

#[tokio::test]
async fn a_call_that_autotask_refuses_for_its_limit_is_an_issue_until_calls_are_made_again() {
    let (world, _) = eve(1).await;
    let text = json!({"errors": ["The request threshold of 10000 requests per hour has been exceeded."]});
    let full = FaultKind::Status { status: 429, body: text };
    let fault = world.sim.add_fault(Fault::new(Match { path: Some("*".into()), ..Match::default() }, full));
    let refused = probe(&world).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    is(&world, NEAR, Some(("open", 1))).await;
    let issue = of_connection(&world, NEAR).await.unwrap();
    assert!(issue["detail"].as_str().unwrap().contains("we make none before"), "{issue}");
    let (v, _) = budget(&world).await;
    probe(&world).await.assert_problem(503, "throttled");
    assert_eq!((budget(&world).await.0, of_connection(&world, NEAR).await.unwrap()), (v, issue), "nothing has changed");
    world.sim.remove_fault(fault);
    world.advance(SignedDuration::from_mins(61));
    probe(&world).await.assert_status(200);
    is(&world, NEAR, Some(("resolved", 1))).await;
    assert!(!budget(&world).await.1.told);
}
