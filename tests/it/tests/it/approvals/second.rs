//! A second person.

use super::*;

fn ann(world: &World) -> testkit::Api<'_> {
    world.api(Role::PartnerBilling).claim("sub", json!("ann"))
}

fn bob(world: &World) -> testkit::Api<'_> {
    world.api(Role::PartnerBilling).claim("sub", json!("bob"))
}

async fn of_ann(world: &World) -> String {
    let body = json!({"kind": "seat_sync", "mode": "preview", "effective_date": NOVEMBER});
    let id = ann(world).post("C/runs", body).await.expect(202)["run_id"].as_str().unwrap().to_owned();
    world.drain().await;
    id
}

#[tokio::test]
async fn whoever_started_a_preview_or_decided_its_lines_does_not_apply_it() {
    let (world, lines) = with(2, |settings| settings.second_approver = true).await;
    world.usage(&lines[0], 60).await;
    let id = of_ann(&world).await;
    let path = format!("C/runs/{id}/apply");
    let hash = |run: Value| json!({"plan_hash": run["plan_hash"]});
    let body = hash(shown(&world, &id).await);
    ann(&world).post(&path, body).await.assert_problem(403, "second_person_needed");
    bob(&world).post(&format!("C/runs/{id}/lines/1/approve"), Value::Null).await.assert_status(200);
    let body = hash(shown(&world, &id).await);
    for api in [ann(&world), bob(&world)] {
        api.post(&path, body.clone()).await.assert_problem(403, "second_person_needed");
    }
    assert!(world.writes().is_empty());
    let carol = world.api(Role::PartnerAdmin).claim("sub", json!("carol"));
    carol.post(&path, body).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [60, 10]);
}

#[tokio::test]
async fn nobody_writes_alone() {
    let (world, lines) = with(2, |settings| settings.second_approver = true).await;
    world.usage(&lines[0], 12).await;
    let body = json!({"kind": "seat_sync", "mode": "apply"});
    ann(&world).post("C/runs", body).await.assert_problem(403, "second_person_needed");
    let id = of_ann(&world).await;
    let plan = json!({"plan_hash": shown(&world, &id).await["plan_hash"]});
    bob(&world).post(&format!("C/runs/{id}/apply"), plan).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [12, 10]);
    let undo = format!("C/runs/{id}/undo");
    bob(&world).post(&undo, Value::Null).await.assert_problem(403, "second_person_needed");
    let back = bob(&world).post(&undo, json!({"mode": "preview"})).await.expect(202)["run_id"].clone();
    world.drain().await;
    let path = format!("C/runs/{}/apply", back.as_str().unwrap());
    let plan = json!({"plan_hash": shown(&world, back.as_str().unwrap()).await["plan_hash"]});
    bob(&world).post(&path, plan.clone()).await.assert_problem(403, "second_person_needed");
    ann(&world).post(&path, plan).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [10, 10]);
}

#[tokio::test]
async fn held_lines_are_approved_by_somebody_else_than_who_started_the_run_and_a_schedule_is_nobody() {
    let (world, lines) = lenient(2).await;
    world.usage(&lines[0], 60).await;
    let body = json!({"kind": "seat_sync", "mode": "apply", "effective_date": NOVEMBER});
    let id = ann(&world).post("C/runs", body).await.expect(202)["run_id"].as_str().unwrap().to_owned();
    world.drain().await;
    edit_settings(&world, |settings| settings.second_approver = true).await;
    let path = format!("C/runs/{id}/lines/1/approve");
    ann(&world).post(&path, Value::Null).await.assert_problem(403, "second_person_needed");
    bob(&world).post(&path, Value::Null).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [60, 10]);

    world.clock.at_least("2026-11-30T12:00:00Z".parse().unwrap()).unwrap();
    world.usage(&lines[0], 60).await;
    world.usage(&lines[1], 90).await;
    world.tick("seat-sync", "2026-12-01T00:15:00Z").await;
    world.drain().await;
    let runs = world.api(Role::PartnerViewer).get("C/runs").await.expect(200);
    let id = runs["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(runs["items"][0]["totals"]["held"], 1);
    let body = json!({"decision": "approve"});
    ann(&world).post(&format!("C/runs/{id}/lines/bulk"), body).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, DECEMBER), [60, 90]);
}
