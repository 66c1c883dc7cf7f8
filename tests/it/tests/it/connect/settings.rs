use super::*;
use domain::change::AuditRow;
use domain::connections::{SEAT_SYNC_JOB, Schedule};

async fn due_at(world: &World) -> Option<String> {
    let key = Key::Schedule(world.partner.clone(), world.connection.clone(), SEAT_SYNC_JOB.to_owned());
    world.load::<Schedule>(&key).await.map(|found| found.due_at.to_string())
}

async fn changes(world: &World) -> Vec<AuditRow> {
    let of = Collection::Audit(world.partner.clone(), Some(world.connection.clone()), "2026-11".to_owned());
    let rows: Vec<AuditRow> = world.load_all(&of).await;
    rows.into_iter().filter(|row| row.action == "settings.changed").collect()
}

#[tokio::test]
async fn a_patch_changes_what_it_names_once_and_moves_the_schedule_with_it() {
    let world = testkit::world().await;
    let read = world.api(Role::PartnerViewer).get("C/settings").await;
    assert_eq!((read.header("etag"), &read.json["schedule"]["day"]), (Some("\"1\""), &json!(1)));
    let patch = json!({"schedule": {"kind": "monthly", "day": 2, "hour": 3}, "time_zone": "Asia/Kolkata", "overwrite_cost": true});
    for _ in 0..2 {
        let done = admin(&world).header("if-match", "\"1\"").patch("C/settings", patch.clone()).await;
        if done.status == 200 {
            assert_eq!((done.header("etag"), &done.json["schedule"]["minute"]), (Some("\"2\""), &json!(15)));
        } else {
            done.assert_problem(412, "precondition_failed");
        }
    }
    // The same again changes nothing, so that it leaves no trace.
    let again = admin(&world).patch("C/settings", patch).await;
    assert_eq!((again.status, again.header("etag")), (200, Some("\"2\"")));
    assert_eq!(due_at(&world).await.as_deref(), Some("2026-12-01T21:45:00Z"));
    let rows = changes(&world).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0].before["schedule"]["day"], &rows[0].after["schedule"]["day"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn what_was_read_can_be_sent_back() {
    let world = testkit::world().await;
    let read = admin(&world).get("C/settings").await.expect(200);
    let sent = admin(&world).patch("C/settings", read.clone()).await;
    assert_eq!((sent.status, sent.header("etag")), (200, Some("\"1\"")), "{}", sent.text);
    assert_eq!(sent.json, read);
}

#[tokio::test]
async fn every_wrong_value_is_told_and_none_is_taken() {
    let world = testkit::world().await;
    let patch = json!({
        "time_zone": "Mars/Olympus", "schedule": {"day": 29, "hour": 24}, "guards": {"stop_run_percent": 101, "max_units": -1},
        "api_share_percent": 101, "drift": "shrug", "kill_switch": true, "secret": "s",
    });
    let reply = admin(&world).patch("C/settings", patch).await;
    let problem = reply.assert_problem(400, "invalid_input");
    let mut told: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
    told.sort_by_key(ToString::to_string);
    let wanted = [
        "/api_share_percent",
        "/drift",
        "/guards/max_units",
        "/guards/stop_run_percent",
        "/schedule/day",
        "/schedule/hour",
        "/secret",
        "/time_zone",
    ];
    assert_eq!(told, wanted.map(Value::from));
    assert_eq!(admin(&world).get("C/settings").await.expect(200)["kill_switch"], false);
    for body in [&b"[1]"[..], b"{", b"7", b""] {
        admin(&world).send("PATCH", "C/settings", body).await.assert_problem(400, "invalid_input");
    }
}

#[tokio::test]
async fn billing_changes_how_money_is_written_and_nothing_else() {
    let world = testkit::world().await;
    let billing = world.api(Role::PartnerBilling);
    let done = billing.patch("C/settings", json!({"guards": {"max_units": 60}, "billing_auto_sync": true})).await;
    assert_eq!(done.expect(200)["guards"]["max_units"], 60);
    let beyond = billing.patch("C/settings", json!({"guards": {"max_units": 70}, "api_share_percent": 90})).await;
    beyond.assert_problem(403, "forbidden_role");
    assert_eq!(billing.get("C/settings").await.expect(200)["guards"]["max_units"], 60);
    for role in [Role::PartnerViewer, Role::VendorSupport, Role::Service] {
        world.api(role).patch("C/settings", json!({"drift": "hold"})).await.assert_problem(403, "forbidden_role");
    }
}

#[tokio::test]
async fn switching_the_seat_sync_off_takes_it_off_the_schedule_and_on_again_back() {
    let world = testkit::world().await;
    let first = due_at(&world).await;
    assert!(first.is_some());
    admin(&world).patch("C/settings", json!({"schedule": {"enabled": false}})).await.assert_status(200);
    assert_eq!(due_at(&world).await, None);
    assert_eq!(admin(&world).get("C").await.expect(200)["next_run_at"], Value::Null);
    admin(&world).patch("C/settings", json!({"schedule": {"enabled": true}})).await.assert_status(200);
    assert_eq!(due_at(&world).await, first);
    let off = admin(&world).patch("C/settings", json!({"features": [], "email": "ops@msp.example"})).await.expect(200);
    assert_eq!((&off["features"], &off["email"]), (&json!([]), &json!("ops@msp.example")));
    assert_eq!(due_at(&world).await, None);
    assert_eq!(admin(&world).get("C").await.expect(200)["email"], "ops@msp.example");
}
