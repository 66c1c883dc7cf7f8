//! Decisions about lines that a run left to a person.

use super::*;

/// The number of an account's line in a run.
async fn no(world: &World, id: &str, line: &Line) -> u64 {
    line_of(world, id, line).await["no"].as_u64().unwrap()
}

#[tokio::test]
async fn an_approved_line_of_a_run_that_has_ended_is_written_by_a_new_run() {
    let (world, lines) = lenient(3).await;
    world.usage(&lines[0], 60).await;
    world.usage(&lines[1], 70).await;
    world.usage(&lines[2], 12).await;
    let first = run(&world, "apply").await;
    assert_eq!(units(&world, &lines, NOVEMBER), [10, 10, 12]);
    let at = no(&world, &first, &lines[0]).await;
    let answer = decide(&world, &first, at, "approve", json!({"note": "A merger."})).await;
    assert!(answer.header("location").unwrap().ends_with(answer.json["run_id"].as_str().unwrap()));
    let next = answer.expect(202)["run_id"].as_str().unwrap().to_owned();
    let queued = lines_of(&world, &next).await;
    assert_eq!((queued.len(), &queued[0]["state"]), (1, &json!("unverified")), "nothing is changed before it is");
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [60, 10, 12]);
    let followed = shown(&world, &next).await;
    assert_eq!((&followed["status"], &followed["trigger"]), (&json!("done"), &json!("approval")));
    assert_eq!((&followed["approval_of"], &followed["totals"]["lines"]), (&json!(first), &json!(1)));
    let old = line_of(&world, &first, &lines[0]).await;
    assert_eq!((&old["state"], &old["decision"]["decision"]), (&json!("held"), &json!("approve")));

    // Once more: the line is right already.
    let again = decide(&world, &first, at, "approve", Value::Null).await.expect(202);
    world.drain().await;
    let again = shown(&world, again["run_id"].as_str().unwrap()).await;
    assert_eq!((&again["status"], &again["totals"]["changed"]), (&json!("done"), &json!(0)));
    assert_eq!(units(&world, &lines, NOVEMBER), [60, 10, 12]);
    assert_eq!(world.writes().len(), 2);
}

#[tokio::test]
async fn all_held_lines_in_bulk_are_one_run_and_the_same_key_starts_one() {
    let (world, lines) = lenient(4).await;
    for line in &lines[..3] {
        world.usage(line, 60).await;
    }
    let first = run(&world, "apply").await;
    let body = json!({"state": "held", "decision": "approve", "note": "Checked."});
    let api = world.api(Role::PartnerBilling).header("idempotency-key", "press-1");
    let path = format!("C/runs/{first}/lines/bulk");
    let one = api.post(&path, body.clone()).await.expect(202);
    assert_eq!(api.post(&path, body.clone()).await.expect(202), one);
    let other = bulk(&world, &first, body).await;
    assert_eq!(other.assert_problem(409, "already_running")["run_id"], one["run_id"]);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [60, 60, 60, 10]);
    assert_eq!(shown(&world, one["run_id"].as_str().unwrap()).await["totals"]["changed"], 3);
    assert_eq!(world.writes().len(), 3);
}

#[tokio::test]
async fn lines_of_a_run_that_the_guards_stopped_can_be_approved_too() {
    let world = World::builder().build().await;
    let lines = world.lines(3).await;
    for line in &lines {
        world.usage(line, 60).await;
    }
    let first = run(&world, "apply").await;
    assert_eq!(shown(&world, &first).await["status"], "stopped");
    let body = json!({"lines": [1, 2], "decision": "approve"});
    bulk(&world, &first, body).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [60, 60, 10]);
}

#[tokio::test]
async fn a_line_that_is_no_longer_as_it_was_decided_about_is_left_alone_and_can_be_decided_again() {
    let (world, lines) = lenient(2).await;
    world.usage(&lines[0], 60).await;
    world.usage(&lines[1], 60).await;
    let first = run(&world, "apply").await;
    world.advance(jiff::SignedDuration::from_mins(5));
    world.usage(&lines[0], 70).await;
    world.by_hand(lines[1].line, NOVEMBER, 1);
    let next = bulk(&world, &first, json!({"decision": "approve"})).await.expect(202)["run_id"].clone();
    let next = next.as_str().unwrap().to_owned();
    world.drain().await;
    assert!(world.writes().is_empty());
    for line in &lines {
        assert_eq!(line_of(&world, &next, line).await["code"], "plan_stale");
    }
    bulk(&world, &next, json!({"decision": "approve"})).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [70, 60]);
}

#[tokio::test]
async fn a_held_line_can_be_adjusted_and_only_held_ones_are_approved() {
    let (world, lines) = lenient(3).await;
    world.usage(&lines[0], 0).await;
    world.usage(&lines[1], 12).await;
    let first = run(&world, "apply").await;
    let bad = bulk(&world, &first, json!({"lines": [1, 2, 3], "decision": "approve"})).await;
    let errors = bad.assert_problem(400, "invalid_input")["errors"].as_array().unwrap().clone();
    assert_eq!(errors.len(), 2, "{errors:?}");
    decide(&world, &first, 1, "adjust", json!({"units": 4})).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [4, 12, 10]);
    let dismissed = decide(&world, &first, 2, "dismiss", Value::Null).await;
    dismissed.assert_problem(400, "invalid_input");
}

#[tokio::test]
async fn where_exceptions_are_approved_what_passes_is_written_and_the_rest_waits() {
    use domain::connections::settings::ApprovalMode;
    let (world, lines) = with(4, |settings| settings.approval_mode = ApprovalMode::ApproveExceptions).await;
    world.clock.at_least("2026-11-30T12:00:00Z".parse().unwrap()).unwrap();
    for (line, active) in lines.iter().zip([60, 12, 10, 10]) {
        world.usage(line, active).await;
    }
    world.tick("seat-sync", "2026-12-01T00:15:00Z").await;
    world.drain().await;
    assert_eq!(units(&world, &lines, DECEMBER), [10, 12, 10, 10]);
    let runs = world.api(Role::PartnerViewer).get("C/runs").await.expect(200);
    let first = runs["items"][0]["id"].as_str().unwrap().to_owned();
    bulk(&world, &first, json!({"state": "held", "decision": "approve"})).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, DECEMBER), [60, 12, 10, 10]);
}

#[tokio::test]
async fn an_adjusted_line_whose_worker_dies_anywhere_is_written_once() {
    for kill_after in 1..12 {
        let (world, lines) = lenient(2).await;
        for line in &lines {
            world.usage(line, 60).await;
        }
        let first = run(&world, "apply").await;
        let body = json!({"state": "held", "decision": "adjust", "units": 20});
        bulk(&world, &first, body).await.assert_status(202);
        world.kill.arm(kill_after, local::host::KillScope::Background);
        world.work_one().await;
        world.kill.arm(u32::MAX, local::host::KillScope::Background);
        world.drain().await;
        assert_eq!(units(&world, &lines, NOVEMBER), [20, 20], "killed after {kill_after} calls");
        assert_eq!(world.sim.adjustments().len(), 2, "killed after {kill_after} calls");
    }
}
