//! The guard of money, and what a run changes on the invoices.

use super::*;

#[tokio::test]
async fn a_change_that_moves_an_invoice_by_more_than_allowed_waits_for_a_person() {
    let (world, lines) = with(4, |settings| settings.guards.max_money = Some("20".parse().unwrap())).await;
    for (line, active) in lines.iter().zip([16, 15, 4, 10]) {
        world.usage(line, active).await;
    }
    let id = run(&world, "apply").await;
    assert_eq!(units(&world, &lines, NOVEMBER), [10, 15, 10, 10], "5 units of 4.00 are as much as allowed");
    let held = line_of(&world, &id, &lines[0]).await;
    assert_eq!((&held["state"], &held["code"]), (&json!("held"), &json!("held_large_change")));
    // 6 of 10 units are more than half; the other line goes down by as much.
    edit_settings(&world, |settings| settings.guards.max_percent = 100).await;
    let id = run(&world, "apply").await;
    for (line, words) in [
        (&lines[0], "10 -> 16: the monthly invoice changes by 24; more than 20 is held."),
        (&lines[2], "10 -> 4: the monthly invoice changes by -24; more than 20 is held."),
    ] {
        let held = line_of(&world, &id, line).await;
        assert_eq!((&held["code"], &held["explanation"]), (&json!("held_large_change"), &json!(words)));
    }
    bulk(&world, &id, json!({"decision": "approve"})).await.assert_status(202);
    world.drain().await;
    assert_eq!(units(&world, &lines, NOVEMBER), [16, 15, 4, 10]);
}

#[tokio::test]
async fn a_line_whose_price_cannot_be_read_is_not_held_by_money() {
    let (world, lines) = with(1, |settings| {
        settings.guards.max_money = Some("1".parse().unwrap());
    })
    .await;
    let line = lines[0].line.id;
    world.sim.patch(world.ci, "ContractServices", line, &json!({"unitPrice": null})).unwrap();
    world.usage(&lines[0], 12).await;
    let id = run(&world, "apply").await;
    assert_eq!(shown(&world, &id).await["invoice_change"], Value::Null);
    assert_eq!(units(&world, &lines, NOVEMBER), [12]);
}

#[tokio::test]
async fn a_run_and_the_list_say_what_changes_on_the_invoices() {
    let (world, lines) = lenient(3).await;
    for (line, active) in lines.iter().zip([12, 9, 60]) {
        world.usage(line, active).await;
    }
    let id = run(&world, "preview").await;
    assert_eq!(shown(&world, &id).await["invoice_change"], "4", "two more, one less; what is held counts for nothing");
    let listed = world.api(Role::PartnerViewer).get("C/runs").await.expect(200);
    assert_eq!(listed["items"][0]["invoice_change"], "4");
    apply(&world, &id).await.assert_status(202);
    world.drain().await;
    assert_eq!(shown(&world, &id).await["invoice_change"], "4");
    let back = undone(&world, &id, Value::Null).await;
    assert_eq!(shown(&world, &back).await["invoice_change"], "-4");
}
