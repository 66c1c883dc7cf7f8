use super::*;
use jiff::SignedDuration;

#[tokio::test]
async fn a_preview_is_applied_once_however_often_it_is_pressed() {
    let world = testkit::world().await;
    let made = world.lines(3).await;
    world.usage(&made[0], 12).await;
    let run = preview(&world).await;
    assert_eq!((&run["status"], &run["totals"]["changed"]), (&json!("planned"), &json!(1)));
    assert_eq!(run["invoice_change"], "8");
    assert!(world.writes().is_empty());
    for _ in 0..2 {
        assert_eq!(apply(&world, &run).await.expect(202)["run_id"], run["id"]);
    }
    world.drain().await;
    assert_eq!(apply(&world, &run).await.expect(202)["run_id"], run["id"]);
    world.drain().await;
    let done = shown(&world, run["id"].as_str().unwrap()).await;
    assert_eq!((&done["status"], &done["mode"]), (&json!("done"), &json!("apply")));
    assert_eq!(done["applied_by"]["role"], "partner_billing");
    assert_eq!(done["invoice_change"], "8", "the estimate that was approved stays");
    assert_eq!((world.units(&made[0]), world.writes().len()), (Some(12), 1));
    assert!(lease(&world).await.is_none());
}

#[tokio::test]
async fn a_plan_that_no_longer_fits_names_the_lines_that_differ() {
    let world = testkit::world().await;
    let made = world.lines(3).await;
    world.usage(&made[0], 12).await;
    let run = preview(&world).await;
    world.usage(&made[2], 11).await;
    let answer = apply(&world, &run).await;
    let differing = answer.assert_problem(409, "plan_stale")["lines"].as_array().unwrap().clone();
    assert_eq!(differing.len(), 1);
    assert_eq!(differing[0]["account_id"], json!(made[2].account));
    assert_eq!((&differing[0]["was"]["units_wanted"], &differing[0]["is"]["units_wanted"]), (&json!(10), &json!(11)));
    assert!(world.writes().is_empty());
    assert!(lease(&world).await.is_none());
    let anew = preview(&world).await;
    apply(&world, &anew).await.assert_status(202);
    world.drain().await;
    assert_eq!((world.units(&made[0]), world.units(&made[2])), (Some(12), Some(11)));
}

#[tokio::test]
async fn a_plan_of_yesterday_or_another_plans_hash_is_stale() {
    let world = testkit::world().await;
    let made = world.lines(1).await;
    world.usage(&made[0], 12).await;
    let run = preview(&world).await;
    let mut other = run.clone();
    other["plan_hash"] = json!("0".repeat(64));
    apply(&world, &other).await.assert_problem(409, "plan_stale");
    world.advance(SignedDuration::from_hours(24) + SignedDuration::from_secs(1));
    apply(&world, &run).await.assert_problem(409, "plan_stale");
    assert!(world.writes().is_empty());
}

#[tokio::test]
async fn an_outdated_if_match_applies_and_cancels_nothing() {
    let world = testkit::world().await;
    world.lines(1).await;
    let run = preview(&world).await;
    let id = run["id"].as_str().unwrap();
    let version = world.api(Role::PartnerViewer).get(&format!("C/runs/{id}")).await.header("etag").unwrap().to_owned();
    let old = world.api(Role::PartnerBilling).header("if-match", "\"1\"");
    assert_ne!(version, "\"1\"");
    let hash = json!({"plan_hash": run["plan_hash"]});
    old.post(&format!("C/runs/{id}/apply"), hash.clone()).await.assert_problem(412, "precondition_failed");
    old.post(&format!("C/runs/{id}/cancel"), json!(null)).await.assert_problem(412, "precondition_failed");
    let present = world.api(Role::PartnerBilling).header("if-match", &version);
    present.post(&format!("C/runs/{id}/apply"), hash).await.assert_status(202);
    world.drain().await;
}

#[tokio::test]
async fn a_run_that_was_not_a_preview_or_was_cancelled_is_not_applied() {
    let world = testkit::world().await;
    world.lines(1).await;
    let id = started(&world, sync("apply")).await;
    world.drain().await;
    apply(&world, &shown(&world, &id).await).await.assert_problem(409, "run_not_writable");
    let run = preview(&world).await;
    let cancel = format!("C/runs/{}/cancel", run["id"].as_str().unwrap());
    world.api(Role::PartnerBilling).post(&cancel, json!(null)).await.assert_status(200);
    apply(&world, &run).await.assert_problem(409, "run_not_writable");
}

#[tokio::test]
async fn a_preview_waits_while_another_run_is_under_way() {
    let world = testkit::world().await;
    let made = world.lines(1).await;
    world.usage(&made[0], 12).await;
    let run = preview(&world).await;
    let other = started(&world, sync("apply")).await;
    let answer = apply(&world, &run).await;
    assert_eq!(answer.assert_problem(409, "already_running")["run_id"], json!(other));
    world.drain().await;
    apply(&world, &run).await.assert_problem(409, "plan_stale");
    assert_eq!(world.writes().len(), 1);
}

#[tokio::test]
async fn a_plan_that_the_guards_stopped_cannot_be_applied() {
    let world = testkit::world().await;
    let made = world.lines(2).await;
    for line in &made {
        world.usage(line, 90).await;
    }
    let run = preview(&world).await;
    assert_eq!(run["problem"]["code"], "run_stopped");
    apply(&world, &run).await.assert_problem(409, "run_stopped");
    assert!(world.writes().is_empty());
}
