//! Decisions about the lines of a preview, before it is applied.

use super::*;

#[tokio::test]
async fn a_held_line_that_is_approved_is_written_and_one_that_is_not_stays() {
    let (world, lines) = lenient(3).await;
    world.usage(&lines[0], 60).await;
    world.usage(&lines[1], 70).await;
    let id = run(&world, "preview").await;
    let before = shown(&world, &id).await;
    assert_eq!((&before["totals"]["held"], &before["invoice_change"]), (&json!(2), &Value::Null));
    for _ in 0..2 {
        let after = decide(&world, &id, 1, "approve", json!({"note": " A merger. "})).await.expect(200);
        assert_eq!((&after["totals"]["held"], &after["totals"]["changed"]), (&json!(1), &json!(1)));
        assert_eq!(after["invoice_change"], "200", "50 units of 4.00");
        assert_ne!(after["plan_hash"], before["plan_hash"]);
    }
    let line = line_of(&world, &id, &lines[0]).await;
    assert_eq!((&line["state"], &line["code"]), (&json!("changed"), &Value::Null));
    assert_eq!((&line["decision"]["decision"], &line["decision"]["note"]), (&json!("approve"), &json!("A merger.")));
    assert_eq!(line["decision"]["by"]["role"], "partner_billing");
    assert!(line["explanation"].as_str().unwrap().contains("more than 25 units"), "{line}");
    assert!(world.writes().is_empty());

    let path = format!("C/runs/{id}/apply");
    let old = world.api(Role::PartnerBilling).post(&path, json!({"plan_hash": before["plan_hash"]})).await;
    old.assert_problem(409, "plan_stale");
    apply(&world, &id).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [60, 10, 10]);
    let done = line_of(&world, &id, &lines[0]).await;
    assert_eq!((&done["state"], &done["decision"]["decision"]), (&json!("changed"), &json!("approve")));
    let held = line_of(&world, &id, &lines[1]).await;
    assert_eq!((&held["state"], &held["code"]), (&json!("held"), &json!("held_large_change")));
    assert_eq!(world.writes().len(), 1);
    assert_eq!(world.published("billing.lines_decided").len(), 2);
}

#[tokio::test]
async fn an_adjusted_line_gets_the_units_and_the_date_that_a_person_chose() {
    let (world, lines) = lenient(2).await;
    world.usage(&lines[0], 12).await;
    world.usage(&lines[1], 60).await;
    let id = run(&world, "preview").await;
    let after = decide(&world, &id, 1, "adjust", json!({"units": 11})).await.expect(200);
    assert_eq!(after["invoice_change"], "4");
    let later = json!({"units": 14, "effective_date": "2026-12-01"});
    decide(&world, &id, 2, "adjust", later).await.assert_status(200);
    let line = line_of(&world, &id, &lines[1]).await;
    assert_eq!((&line["units_wanted"], &line["units_now"]), (&json!(14), &Value::Null));
    assert_eq!((&line["effective_date"], &line["decision"]["units_planned"]), (&json!("2026-12-01"), &json!(60)));
    apply(&world, &id).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [11, 10]);
    assert_eq!(units(&world, &lines, DECEMBER), [11, 14]);
    assert_eq!(shown(&world, &id).await["status"], "done");

    // Counts that are older than the adjustment do not undo it; a newer one does.
    let again = run(&world, "apply").await;
    assert_eq!(line_of(&world, &again, &lines[0]).await["state"], "superseded");
    assert_eq!(units(&world, &lines[..1], NOVEMBER), [11]);
    world.advance(jiff::SignedDuration::from_hours(1));
    world.usage(&lines[0], 12).await;
    run(&world, "apply").await;
    assert_eq!(units(&world, &lines[..1], NOVEMBER), [12]);
}

#[tokio::test]
async fn a_word_can_be_changed_until_the_plan_is_applied() {
    let (world, lines) = lenient(1).await;
    world.usage(&lines[0], 60).await;
    let id = run(&world, "preview").await;
    let planned = shown(&world, &id).await["plan_hash"].clone();
    for (act, body, state, wanted) in [
        ("approve", Value::Null, "changed", 60),
        ("adjust", json!({"units": 20}), "changed", 20),
        ("dismiss", Value::Null, "skipped", 60),
        ("adjust", json!({"units": 10}), "unchanged", 10),
        ("approve", Value::Null, "changed", 60),
        ("adjust", json!({"units": 15}), "changed", 15),
    ] {
        let after = decide(&world, &id, 1, act, body).await.expect(200);
        assert_ne!(after["plan_hash"], planned);
        let line = line_of(&world, &id, &lines[0]).await;
        assert_eq!((&line["state"], &line["units_wanted"]), (&json!(state), &json!(wanted)), "{act}");
    }
    apply(&world, &id).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [15]);
    decide(&world, &id, 1, "approve", Value::Null).await.assert_problem(400, "invalid_input");
}

#[tokio::test]
async fn an_approval_is_of_these_units_and_of_no_others() {
    let (world, lines) = lenient(2).await;
    for line in &lines {
        world.usage(line, 60).await;
    }
    let id = run(&world, "preview").await;
    bulk(&world, &id, json!({"decision": "approve"})).await.assert_status(200);
    world.advance(jiff::SignedDuration::from_mins(5));
    world.usage(&lines[0], 90).await;
    let refused = apply(&world, &id).await;
    let differing = refused.assert_problem(409, "plan_stale")["lines"].as_array().unwrap().clone();
    assert_eq!(differing.len(), 1);
    assert_eq!((&differing[0]["was"]["units_wanted"], &differing[0]["is"]["units_wanted"]), (&json!(60), &json!(90)));

    // Between the press and the worker a person adds a unit in Autotask.
    world.usage(&lines[0], 60).await;
    apply(&world, &id).await.assert_status(202);
    world.by_hand(lines[1].line, NOVEMBER, 1);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [60, 11]);
    let line = line_of(&world, &id, &lines[1]).await;
    assert_eq!((&line["state"], &line["code"]), (&json!("held"), &json!("plan_stale")));
}

#[tokio::test]
async fn in_bulk_lines_are_chosen_by_number_or_state_and_every_wrong_number_is_named() {
    let (world, lines) = lenient(4).await;
    world.usage(&lines[0], 60).await;
    world.usage(&lines[1], 60).await;
    world.usage(&lines[2], 12).await;
    super::forget(&world, &lines[3]).await;
    let id = run(&world, "preview").await;
    let before = shown(&world, &id).await;
    let bad = bulk(&world, &id, json!({"lines": [1, 4, 9, 1], "decision": "approve", "units": 3})).await;
    let places: Vec<String> = bad.assert_problem(400, "invalid_input")["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(places, ["/units", "/lines/1", "/lines/2", "/lines/3"]);
    assert_eq!(shown(&world, &id).await["plan_hash"], before["plan_hash"], "nothing was decided");
    let after = bulk(&world, &id, json!({"state": "held", "decision": "adjust", "units": 13})).await.expect(200);
    assert_eq!((&after["totals"]["held"], &after["totals"]["changed"]), (&json!(0), &json!(3)));
    bulk(&world, &id, json!({"state": "held", "decision": "approve"})).await.assert_problem(409, "run_not_writable");
    let page = world.api(Role::PartnerViewer).get(&format!("C/runs/{id}/lines?state=skipped")).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    apply(&world, &id).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [13, 13, 12, 10]);
}

#[tokio::test]
async fn values_that_cannot_be_are_all_named_at_once_and_change_nothing() {
    let (world, lines) = lenient(1).await;
    world.usage(&lines[0], 60).await;
    let id = run(&world, "preview").await;
    let before = shown(&world, &id).await;
    let body = json!({"units": -1, "effective_date": "2027-01-01", "note": "x".repeat(501)});
    let bad = decide(&world, &id, 1, "adjust", body).await;
    let errors = bad.assert_problem(400, "invalid_input")["errors"].as_array().unwrap().clone();
    let places: Vec<&str> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(places, ["/note", "/units", "/effective_date"]);
    for (act, body, place) in [
        ("adjust", json!({}), "/units"),
        ("adjust", json!({"units": 10_000_001}), "/units"),
        ("adjust", json!({"units": 1.5}), "/units"),
        ("adjust", json!({"effective_date": "2026-09-30"}), "/effective_date"),
        ("adjust", json!({"units": 3, "speed": 1}), "/speed"),
        ("approve", json!({"units": 3}), "/units"),
    ] {
        let refused = decide(&world, &id, 1, act, body.clone()).await;
        assert_eq!(refused.assert_problem(400, "invalid_input")["errors"][0]["pointer"], place, "{body}");
    }
    decide(&world, &id, 2, "approve", Value::Null).await.assert_problem(404, "not_found");
    bulk(&world, &id, json!({"lines": [], "decision": "approve"})).await.assert_problem(400, "invalid_input");
    assert_eq!(shown(&world, &id).await["plan_hash"], before["plan_hash"]);
}

#[tokio::test]
async fn a_plan_that_was_stopped_for_its_held_lines_goes_on_once_they_are_decided() {
    let world = World::builder().build().await;
    let lines = world.lines(4).await;
    for (line, active) in lines.iter().zip([60, 60, 12, 10]) {
        world.usage(line, active).await;
    }
    let id = run(&world, "preview").await;
    let stopped = shown(&world, &id).await;
    assert_eq!((&stopped["problem"]["code"], &stopped["totals"]["held"]), (&json!("run_stopped"), &json!(3)));
    apply(&world, &id).await.assert_problem(409, "run_stopped");
    let after = decide(&world, &id, 1, "approve", Value::Null).await.expect(200);
    assert_eq!((&after["problem"], &after["totals"]["held"]), (&Value::Null, &json!(1)), "one of four may be held");
    decide(&world, &id, 2, "dismiss", Value::Null).await.assert_status(200);
    apply(&world, &id).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [60, 10, 12, 10]);
}

#[tokio::test]
async fn only_billing_roles_decide_and_another_partners_run_does_not_exist() {
    let (world, lines) = lenient(1).await;
    world.usage(&lines[0], 60).await;
    let id = run(&world, "preview").await;
    for (path, body) in [
        ("lines/1/approve", Value::Null),
        ("lines/1/dismiss", Value::Null),
        ("lines/1/adjust", json!({"units": 11})),
        ("lines/bulk", json!({"decision": "approve"})),
        ("undo", Value::Null),
    ] {
        let path = format!("C/runs/{id}/{path}");
        for role in [Role::PartnerViewer, Role::VendorSupport, Role::VendorAdmin, Role::Service] {
            world.api(role).post(&path, body.clone()).await.assert_problem(403, "forbidden_role");
        }
        let foreign = world.api(Role::PartnerAdmin).of_partner("other");
        foreign.post(&path, body.clone()).await.assert_problem(404, "not_found");
        let nobody = path.replace(&id, "0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012");
        world.api(Role::PartnerAdmin).post(&nobody, body).await.assert_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_word_on_an_outdated_version_changes_nothing() {
    let (world, lines) = lenient(1).await;
    world.usage(&lines[0], 60).await;
    let id = run(&world, "preview").await;
    let path = format!("C/runs/{id}");
    let version = world.api(Role::PartnerViewer).get(&path).await.header("etag").unwrap().to_owned();
    let api = |version: &str| world.api(Role::PartnerBilling).header("if-match", version);
    let approve = format!("{path}/lines/1/approve");
    api("\"77\"").post(&approve, Value::Null).await.assert_problem(412, "precondition_failed");
    let first = api(&version).post(&approve, Value::Null).await;
    first.assert_status(200);
    api(&version).post(&approve, Value::Null).await.assert_problem(412, "precondition_failed");
    let next = first.header("etag").unwrap().to_owned();
    api(&next).post(&format!("{path}/lines/1/dismiss"), Value::Null).await.assert_status(200);
}

#[tokio::test]
async fn the_report_as_csv_says_who_decided_what() {
    let (world, lines) = lenient(1).await;
    world.usage(&lines[0], 60).await;
    let id = run(&world, "preview").await;
    decide(&world, &id, 1, "adjust", json!({"units": 14, "note": "=1+1"})).await.assert_status(200);
    let csv = world.api(Role::PartnerViewer).get(&format!("C/runs/{id}/lines.csv")).await.text;
    let (columns, row) = csv.split_once("\r\n").unwrap();
    assert!(columns.contains("explanation,decision,decided_by,decided_at,decision_note,units_sent"), "{columns}");
    assert!(row.contains(",adjust,user-partner_billing,2026-11-20T11:00:00Z,'=1+1,"), "{row}");
    assert!(columns.contains("service_name,service_id,leaving,created,units_now"), "{columns}");
    assert!(row.contains(&format!(",{},false,false,10,60,", lines[0].service_id)), "{row}");
    assert!(row.contains(&format!(",{}/training 60,14,4,", lines[0].account)), "{row}");
}
