//! Taking back what a run wrote.

use super::*;
use simulator::{Allow, Switches};

#[tokio::test]
async fn an_undo_gives_every_line_its_units_back_and_a_second_one_has_nothing_to_do() {
    let (world, lines) = lenient(4).await;
    for (line, active) in lines.iter().zip([12, 7, 10, 60]) {
        world.usage(line, active).await;
    }
    let id = run(&world, "apply").await;
    assert_eq!(units(&world, &lines, NOVEMBER), [12, 7, 10, 10]);
    let back = undone(&world, &id, json!({"note": "Counts of the day before."})).await;
    assert_eq!(units(&world, &lines, NOVEMBER), [10, 10, 10, 10]);
    let told = shown(&world, &back).await;
    assert_eq!((&told["kind"], &told["undo_of"], &told["status"]), (&json!("undo"), &json!(id), &json!("done")));
    assert_eq!((&told["totals"]["lines"], &told["totals"]["changed"]), (&json!(2), &json!(2)));
    let line = line_of(&world, &back, &lines[0]).await;
    assert_eq!(
        (&line["units_now"], &line["units_sent"], &line["units_verified"]),
        (&json!(12), &json!(-2), &json!(10))
    );
    assert_eq!(world.published("billing.line_undone").len(), 1);
    assert_eq!(world.writes().len(), 4);

    let again = undone(&world, &id, Value::Null).await;
    let told = shown(&world, &again).await;
    assert_eq!((&told["status"], &told["totals"]["unchanged"]), (&json!("done"), &json!(2)));
    assert_eq!(line_of(&world, &again, &lines[0]).await["explanation"], "Already undone: 10 units.");
    assert_eq!(world.writes().len(), 4);

    // The counts of before do not bring it back; what is counted later does.
    run(&world, "apply").await;
    assert_eq!(units(&world, &lines, NOVEMBER), [10, 10, 10, 10]);
    world.advance(jiff::SignedDuration::from_hours(1));
    world.usage(&lines[0], 12).await;
    run(&world, "apply").await;
    assert_eq!(units(&world, &lines, NOVEMBER), [12, 10, 10, 10]);
}

#[tokio::test]
async fn an_undo_is_a_run_and_can_be_undone() {
    let (world, lines) = lenient(2).await;
    world.usage(&lines[0], 12).await;
    let id = run(&world, "apply").await;
    let back = undone(&world, &id, Value::Null).await;
    let forth = undone(&world, &back, Value::Null).await;
    assert_eq!(units(&world, &lines, NOVEMBER), [12, 10]);
    assert_eq!(shown(&world, &forth).await["undo_of"], json!(back));
}

#[tokio::test]
async fn lines_can_be_named_and_a_preview_shows_what_would_happen() {
    let (world, lines) = lenient(3).await;
    for line in &lines[..2] {
        world.usage(line, 12).await;
    }
    let id = run(&world, "apply").await;
    let bad = undo(&world, &id, json!({"lines": [1, 3, 9]})).await;
    let errors = bad.assert_problem(400, "invalid_input")["errors"].as_array().unwrap().clone();
    let told: Vec<&str> = errors.iter().map(|error| error["detail"].as_str().unwrap()).collect();
    assert_eq!(told, ["line 3 was not changed by this run", "line 9 is no line of this run"]);
    undo(&world, &id, json!({"lines": []})).await.assert_problem(400, "invalid_input");
    undo(&world, &id, json!({"note": "x".repeat(501)})).await.assert_problem(400, "invalid_input");

    let preview = undone(&world, &id, json!({"lines": [2], "mode": "preview"})).await;
    let told = shown(&world, &preview).await;
    assert_eq!((&told["status"], &told["totals"]["changed"]), (&json!("planned"), &json!(1)));
    assert_eq!(told["invoice_change"], "-8");
    assert_eq!(line_of(&world, &preview, &lines[1]).await["explanation"], "12 -> 10 units from 2026-11-01, as before.");
    assert_eq!(units(&world, &lines, NOVEMBER), [12, 12, 10]);
    decide(&world, &preview, 1, "adjust", json!({"units": 3})).await.assert_problem(400, "invalid_input");
    apply(&world, &preview).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [12, 10, 10]);
    assert_eq!(shown(&world, &preview).await["status"], "done");
}

#[tokio::test]
async fn a_line_that_moved_since_is_left_alone_and_says_how() {
    let (world, lines) = lenient(3).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    let id = run(&world, "apply").await;
    world.by_hand(lines[0].line, NOVEMBER, 1);
    world.advance(jiff::SignedDuration::from_hours(1));
    world.usage(&lines[1], 13).await;
    run(&world, "apply").await;
    assert_eq!(units(&world, &lines, NOVEMBER), [12, 13, 12], "the hand edit was overwritten by the count");
    world.by_hand(lines[1].line, NOVEMBER, -1);
    world.by_hand(lines[2].line, NOVEMBER, 3);
    let back = undone(&world, &id, Value::Null).await;
    assert_eq!(units(&world, &lines, NOVEMBER), [12, 12, 15]);
    for (line, words) in [
        (&lines[1], "It had 10 units, the run made it 12, and now it has 12: a later run wrote it since."),
        (&lines[2], "It had 10 units, the run made it 12, and now it has 15: somebody changed it since."),
    ] {
        let told = line_of(&world, &back, line).await;
        assert_eq!((&told["code"], &told["explanation"]), (&json!("line_moved"), &json!(words)));
    }
    assert_eq!(shown(&world, &back).await["status"], "partial");
}

#[tokio::test]
async fn what_is_posted_by_now_stays_with_words_on_what_to_do() {
    let (world, lines) = lenient(2).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    let id = run(&world, "apply").await;
    world.sim.post_period(world.ci, lines[0].contract_id, NOVEMBER).unwrap();
    let back = undone(&world, &id, Value::Null).await;
    assert_eq!(units(&world, &lines, NOVEMBER), [12, 10]);
    let told = line_of(&world, &back, &lines[0]).await;
    assert_eq!((&told["state"], &told["code"]), (&json!("skipped"), &json!("period_already_billed")));
    let words = "The period 2026-11-01 to 2026-11-30 is already posted: 12 units stay. Enter -2 units by hand in \
                 Autotask to take it back in this period, or from 2026-12-01 on.";
    assert_eq!(told["explanation"], words);
}

#[tokio::test]
async fn only_a_run_that_wrote_and_has_ended_can_be_undone() {
    let (world, lines) = lenient(1).await;
    let nothing = run(&world, "apply").await;
    undo(&world, &nothing, Value::Null).await.assert_problem(409, "run_not_writable");
    world.usage(&lines[0], 12).await;
    let preview = run(&world, "preview").await;
    undo(&world, &preview, Value::Null).await.assert_problem(409, "run_not_writable");
    let body = json!({"kind": "seat_sync", "mode": "apply", "effective_date": NOVEMBER});
    let under_way = world.api(Role::PartnerBilling).post("C/runs", body).await.expect(202)["run_id"].clone();
    let under_way = under_way.as_str().unwrap();
    undo(&world, under_way, Value::Null).await.assert_problem(409, "run_not_writable");
    world.drain().await;
    let automap = world.api(Role::PartnerBilling).post("C/company-mappings/auto-map", json!({})).await.expect(202);
    world.drain().await;
    undo(&world, automap["run_id"].as_str().unwrap(), Value::Null).await.assert_problem(409, "run_not_writable");
    let first = undo(&world, under_way, Value::Null).await.expect(202)["run_id"].clone();
    let second = undo(&world, under_way, Value::Null).await;
    assert_eq!(second.assert_problem(409, "already_running")["run_id"], first);
    world.drain().await;
    let path = format!("C/runs/{}/retry-failed", first.as_str().unwrap());
    world.api(Role::PartnerBilling).post(&path, Value::Null).await.assert_problem(409, "run_not_writable");
    assert_eq!(units(&world, &lines, NOVEMBER), [10]);
}

#[tokio::test]
async fn a_cost_that_the_run_wrote_goes_back_with_the_units() {
    let (world, lines) = with(2, |settings| settings.overwrite_cost = true).await;
    let cost = |line: &Line| world.row("ContractServices", line.line.id)["unitCost"].clone();
    let before = [cost(&lines[0]), cost(&lines[1])];
    world.usage(&lines[0], 12).await;
    let id = run(&world, "apply").await;
    assert_ne!(cost(&lines[0]), before[0]);
    assert_ne!(cost(&lines[1]), before[1], "a cost alone was written");
    let back = undone(&world, &id, Value::Null).await;
    assert_eq!([cost(&lines[0]), cost(&lines[1])], before);
    assert_eq!(units(&world, &lines, NOVEMBER), [10, 10]);
    let told = shown(&world, &back).await;
    assert_eq!((&told["status"], &told["totals"]["changed"]), (&json!("done"), &json!(2)));
    let again = undone(&world, &id, Value::Null).await;
    assert_eq!(shown(&world, &again).await["totals"]["unchanged"], 2);
}

#[tokio::test]
async fn a_line_that_autotask_does_not_let_fall_to_nothing_says_so() {
    let refuses = |switches: &mut Switches| switches.zero_units = Allow::Refused;
    let world = World::builder().switches(refuses).build().await;
    let lines = world.lines_with(1, 0, 0).await;
    world.usage(&lines[0], 5).await;
    let id = run(&world, "apply").await;
    assert_eq!(units(&world, &lines, NOVEMBER), [5]);
    let back = undone(&world, &id, Value::Null).await;
    let told = line_of(&world, &back, &lines[0]).await;
    assert_eq!((&told["state"], &told["code"]), (&json!("failed"), &json!("zero_units_refused")));
    assert_eq!(units(&world, &lines, NOVEMBER), [5]);
}

#[tokio::test]
async fn lines_of_an_account_that_is_no_longer_mapped_are_taken_back_too() {
    let (world, lines) = lenient(2).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    let id = run(&world, "apply").await;
    let path = format!("C/company-mappings/{}", lines[0].account);
    world.api(Role::PartnerBilling).delete(&path).await.assert_status(204);
    undone(&world, &id, Value::Null).await;
    assert_eq!(units(&world, &lines, NOVEMBER), [10, 10]);
}

#[tokio::test]
async fn our_own_later_change_stays_when_an_earlier_one_is_taken_back() {
    let (world, lines) = lenient(1).await;
    world.usage(&lines[0], 12).await;
    let november = run(&world, "apply").await;
    world.advance(jiff::SignedDuration::from_hours(1));
    world.usage(&lines[0], 15).await;
    run_from(&world, "apply", DECEMBER).await;
    assert_eq!((units(&world, &lines, NOVEMBER), units(&world, &lines, DECEMBER)), (vec![12], vec![15]));
    let back = undone(&world, &november, Value::Null).await;
    assert_eq!(shown(&world, &back).await["status"], "done");
    assert_eq!((units(&world, &lines, NOVEMBER), units(&world, &lines, DECEMBER)), (vec![10], vec![15]));
}
