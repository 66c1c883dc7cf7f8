use super::*;
use domain::runs::RunState;

async fn cancel(world: &World, id: &str) -> testkit::Reply {
    world.api(Role::PartnerBilling).post(&format!("C/runs/{id}/cancel"), json!(null)).await
}

async fn retry(world: &World, role: Role, id: &str, body: Value) -> testkit::Reply {
    world.api(role).post(&format!("C/runs/{id}/retry-failed"), body).await
}

#[tokio::test]
async fn a_run_that_nobody_has_begun_is_cancelled_at_once_and_twice_is_once() {
    let world = testkit::world().await;
    let made = world.lines(1).await;
    world.usage(&made[0], 12).await;
    let id = started(&world, sync("apply")).await;
    for _ in 0..2 {
        assert_eq!(cancel(&world, &id).await.expect(200)["status"], "cancelled");
    }
    assert!(lease(&world).await.is_none());
    world.drain().await;
    assert_eq!((shown(&world, &id).await["status"].clone(), world.writes().len()), (json!("cancelled"), 0));
}

#[tokio::test]
async fn a_preview_that_waits_is_cancelled() {
    let world = testkit::world().await;
    world.lines(1).await;
    let run = preview(&world).await;
    assert_eq!(cancel(&world, run["id"].as_str().unwrap()).await.expect(200)["status"], "cancelled");
}

#[tokio::test]
async fn a_run_that_has_ended_cannot_be_cancelled() {
    let world = testkit::world().await;
    world.lines(1).await;
    let id = started(&world, sync("apply")).await;
    world.drain().await;
    cancel(&world, &id).await.assert_problem(409, "run_not_writable");
}

#[tokio::test]
async fn a_run_that_is_under_way_is_asked_to_stop_and_asked_once() {
    let world = testkit::world().await;
    let made = world.lines(2).await;
    world.usage(&made[0], 12).await;
    let id = started(&world, sync("apply")).await;
    let mut run = all_runs(&world).await.remove(0);
    run.state = RunState::Applying;
    world.put(&run).await;
    let first = cancel(&world, &id).await;
    let version = first.header("etag").map(str::to_owned);
    assert_eq!(first.expect(200)["cancel_requested"], true);
    let second = cancel(&world, &id).await;
    assert_eq!(second.header("etag").map(str::to_owned), version);
    world.drain().await;
    assert_eq!(shown(&world, &id).await["status"], "cancelled");
    assert_eq!((world.writes().len(), world.units(&made[0])), (0, Some(10)));
}

#[tokio::test]
async fn what_was_held_is_retried_over_its_accounts_alone_and_what_is_right_is_not() {
    let world = testkit::world().await;
    let made = world.lines(5).await;
    world.usage(&made[1], 60).await;
    world.usage(&made[3], 11).await;
    let id = started(&world, sync("apply")).await;
    world.drain().await;
    assert_eq!(shown(&world, &id).await["totals"]["held"], 1);
    world.usage(&made[1], 14).await;
    let again = retry(&world, Role::PartnerBilling, &id, json!(null)).await.expect(202);
    world.drain().await;
    let run = shown(&world, again["run_id"].as_str().unwrap()).await;
    assert_eq!((&run["trigger"], &run["retry_of"]), (&json!("retry"), &json!(id)));
    assert_eq!(run["accounts"], json!([made[1].account]));
    assert_eq!((&run["status"], &run["totals"]["lines"]), (&json!("done"), &json!(1)));
    assert_eq!(world.units(&made[1]), Some(14));
    let nothing = retry(&world, Role::PartnerBilling, run["id"].as_str().unwrap(), json!({})).await;
    nothing.assert_problem(409, "run_not_writable");
}

#[tokio::test]
async fn support_retries_with_a_reason_that_the_audit_trail_keeps() {
    let world = testkit::world().await;
    let made = world.lines(5).await;
    world.usage(&made[1], 60).await;
    let id = started(&world, sync("apply")).await;
    retry(&world, Role::PartnerBilling, &id, json!(null)).await.assert_problem(409, "run_not_writable");
    world.drain().await;
    let silent = retry(&world, Role::VendorSupport, &id, json!({"reason": " "})).await;
    assert_eq!(silent.assert_problem(400, "invalid_input")["field"], "reason");
    retry(&world, Role::VendorSupport, &id, json!({"reason": "ticket 4711"})).await.assert_status(202);
    let of = Collection::Audit(world.partner.clone(), Some(world.connection.clone()), "2026-11".to_owned());
    let rows = world.load_all::<domain::change::AuditRow>(&of).await;
    let kept = rows.iter().filter(|row| row.after["reason"] == "ticket 4711").count();
    assert_eq!(kept, 1);
    world.drain().await;
}
