use super::*;
use domain::packages::ChangeState;

const AT: &str = "2026-11-20T10:30:00Z";

#[tokio::test]
async fn while_auto_sync_is_off_a_change_is_recorded_listed_and_makes_no_call() {
    let world = world().await;
    world.sim.clear_requests();
    let body = change(&world, "c1", (None, Some("basic")), 5, AT);
    let told = tell(&world, body.clone()).await.expect(202);
    assert_eq!(
        (&told["outcome"], &told["state"], &told["code"], &told["run_id"]),
        (&json!("recorded"), &json!("pending"), &json!("auto_sync_off"), &Value::Null)
    );
    let again = tell(&world, body).await.expect(200);
    assert_eq!(
        (&again["outcome"], &again["state"], &again["code"]),
        (&json!("repeated"), &json!("pending"), &json!("auto_sync_off"))
    );
    assert_eq!(has(&world).await, packages(&[("basic", 5)]));
    let list = listed(&world).await;
    assert_eq!(list.len(), 1);
    let row = &list[0];
    assert_eq!((&row["change_id"], &row["code"], &row["auto"]), (&json!("c1"), &json!("auto_sync_off"), &json!(false)));
    assert_eq!(row["account"], json!({"id": CLIENT, "name": "Client 0001"}));
    assert!(row["action"].as_str().unwrap().contains("Sync now"));
    assert!(runs(&world).await.is_empty() && world.sim.requests().is_empty());
    assert_eq!(world.published("billing.package_change_recorded").len(), 1);
    assert_eq!(state(&world, "c1").await["state"], "pending");
}

#[tokio::test]
async fn late_and_repeated_changes_in_any_order_end_in_the_same_packages() {
    let ids = [
        ("c1", (None, Some("basic")), 5, "2026-11-20T10:01:00Z"),
        ("c2", (Some("basic"), Some("premium")), 6, "2026-11-20T10:02:00Z"),
        ("c3", (Some("premium"), Some("premium")), 9, "2026-11-20T10:03:00Z"),
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let world = world().await;
        for no in order.into_iter().chain(order) {
            let (id, packages, quantity, at) = ids[no];
            assert!(tell(&world, change(&world, id, packages, quantity, at)).await.is_success());
        }
        assert_eq!(has(&world).await, packages(&[("premium", 9)]), "{order:?}");
        for (id, ..) in ids {
            assert!(own_record(&world, id).await.is_some(), "{id} is forgotten");
        }
    }
}

#[tokio::test]
async fn a_change_that_something_newer_overtook_is_noted_and_leaves_nothing_pending() {
    let world = world().await;
    tell(&world, change(&world, "new", (None, Some("basic")), 9, "2026-11-20T10:03:00Z")).await.assert_status(202);
    let late = change(&world, "late", (None, Some("basic")), 5, "2026-11-20T10:01:00Z");
    let told = tell(&world, late).await.expect(200);
    assert_eq!((&told["state"], &told["code"]), (&json!("noted"), &json!("superseded")));
    assert_eq!(has(&world).await, packages(&[("basic", 9)]));
    let ids: Vec<String> = pending(&world).await.into_iter().map(|change| change.id.to_string()).collect();
    assert_eq!(ids, ["new"]);
}

#[tokio::test]
async fn another_change_under_a_known_id_is_refused_and_changes_nothing() {
    let world = world().await;
    tell(&world, change(&world, "c1", (None, Some("basic")), 5, AT)).await.assert_status(202);
    for other in [
        change(&world, "c1", (None, Some("basic")), 6, AT),
        change(&world, "c1", (None, Some("premium")), 5, AT),
        change(&world, "c1", (None, Some("basic")), 5, "2026-11-20T10:31:00Z"),
    ] {
        tell(&world, other).await.assert_problem(422, "idempotency_mismatch");
    }
    assert_eq!(has(&world).await, packages(&[("basic", 5)]));
    assert_eq!(pending(&world).await.len(), 1);
}

#[tokio::test]
async fn every_wrong_field_is_named_and_nothing_is_kept() {
    let world = world().await;
    let packages = json!({"packages": ["basic", "premium"]});
    world
        .api(Role::Service)
        .put(&format!("/v1/partners/{}/packages", world.partner), packages)
        .await
        .assert_status(200);
    let base = change(&world, "c1", (None, Some("basic")), 5, AT);
    let with = |more: Value| {
        let mut body = base.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (body, fields) in [
        (with(json!({"to": null, "quantity": null})), vec!["/to"]),
        (with(json!({"quantity": null, "occurred_at": "2026-11-20T11:06:00Z"})), vec!["/quantity", "/occurred_at"]),
        (with(json!({"quantity": -1})), vec!["/quantity"]),
        (with(json!({"quantity": 10_000_001})), vec!["/quantity"]),
        (with(json!({"from": "nothing", "to": "other"})), vec!["/from", "/to"]),
        (with(json!({"partner": null})), vec!["/partner"]),
    ] {
        let reply = tell(&world, body.clone()).await;
        let problem = reply.assert_problem(400, "invalid_input");
        let named: Vec<&str> =
            problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(named, fields, "{body}");
    }
    tell(&world, with(json!({"account_id": "nobody"}))).await.assert_problem(404, "not_found");
    let foreign = world.api(Role::Service).of_no_partner().post(CHANGES, with(json!({"partner": "somebody"}))).await;
    foreign.assert_problem(404, "not_found");
    for role in [Role::PartnerAdmin, Role::VendorSupport] {
        world.api(role).post(CHANGES, base.clone()).await.assert_problem(403, "forbidden_role");
    }
    assert!(has(&world).await.is_empty() && pending(&world).await.is_empty());
    assert!(own_record(&world, "c1").await.is_none());
    let path = format!("{CHANGES}/c1?partner={}", world.partner);
    world.api(Role::Service).get(&path).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn where_nothing_bills_packages_a_change_is_noted() {
    let world = world().await;
    let features = json!({"features": ["seat_sync"]});
    world.api(Role::PartnerAdmin).patch("C/settings", features).await.assert_status(200);
    let told = tell(&world, change(&world, "c1", (None, Some("basic")), 5, AT)).await.expect(200);
    assert_eq!((&told["outcome"], &told["state"]), (&json!("recorded"), &json!("noted")));
    assert_eq!(has(&world).await, packages(&[("basic", 5)]));
    assert!(pending(&world).await.is_empty());
    assert_eq!(own_record(&world, "c1").await.unwrap().state, ChangeState::Noted);
}

#[tokio::test]
async fn the_event_ends_in_the_same_call_and_one_that_cannot_be_right_is_dropped() {
    let world = world().await;
    let mut data = change(&world, "c1", (None, Some("basic")), 5, AT);
    data.as_object_mut().unwrap().remove("partner");
    for _ in 0..2 {
        world.event("account.package_changed", event(&world, AT, data.clone())).await;
    }
    assert_eq!((has(&world).await, pending(&world).await.len()), (packages(&[("basic", 5)]), 1));
    data["quantity"] = json!(6);
    world.event("account.package_changed", event(&world, AT, data.clone())).await;
    data["change_id"] = json!("c2");
    data["quantity"] = json!(-6);
    world.event("account.package_changed", event(&world, AT, data)).await;
    assert_eq!((has(&world).await, pending(&world).await.len()), (packages(&[("basic", 5)]), 1));
}

#[tokio::test]
async fn pending_changes_come_in_pages_with_those_of_mapped_anew_lines() {
    let world = world().await;
    for (no, minute) in [(1, 3), (2, 1), (3, 2)] {
        let at = format!("2026-11-20T10:0{minute}:00Z");
        tell(&world, change(&world, &format!("c{no}"), (None, Some("basic")), minute, &at)).await;
        // An older one of the same package changes nothing; another package keeps each of them pending.
        tell(&world, change(&world, &format!("d{no}"), (None, Some("premium")), 10 - minute, &at)).await;
    }
    let viewer = world.api(Role::PartnerViewer);
    let (mut seen, mut path) = (Vec::new(), "C/pending-changes?limit=1".to_owned());
    loop {
        let page = viewer.get(&path).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["change_id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("C/pending-changes?limit=1&cursor={cursor}");
    }
    assert_eq!(seen, ["c1", "d1"]);
    world.api(Role::PartnerAdmin).of_partner("other").get("C/pending-changes").await.assert_problem(404, "not_found");
}
