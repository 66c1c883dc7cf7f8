use super::*;
use domain::mappings::{Mapping, MappingStatus};
use domain::runs::{RunKind, RunMode, Trigger};

#[tokio::test]
async fn with_auto_sync_on_a_change_starts_a_run_over_its_account() {
    let world = world().await;
    auto_sync(&world, true).await;
    let told = tell(&world, change(&world, "c1", (None, Some("basic")), 5, &now(&world))).await.expect(202);
    let runs = runs(&world).await;
    assert_eq!(runs.len(), 1);
    let run = &runs[0];
    assert_eq!((run.kind, run.mode, &run.trigger), (RunKind::PackageChanges, RunMode::Apply, &Trigger::Event));
    assert_eq!((run.effective_date, run.period.unwrap().start.to_string().as_str()), (None, "2026-11-01"));
    assert_eq!(run.accounts.as_deref(), Some(&[AccountId::new(CLIENT).unwrap()][..]));
    assert_eq!(run.changes.as_deref(), Some(&[ChangeId::new("c1").unwrap()][..]));
    assert_eq!(told["run_id"], json!(run.id));
    assert_eq!(state(&world, "c1").await["run_id"], json!(run.id));
    world.leave_messages();
}

#[tokio::test]
async fn switching_on_pushes_nothing_of_what_was_told_before() {
    let world = world().await;
    tell(&world, change(&world, "before", (None, Some("basic")), 5, &now(&world))).await.assert_status(202);
    later(&world, 1);
    auto_sync(&world, true).await;
    assert!(runs(&world).await.is_empty());
    later(&world, 15);
    world.tick("package-changes", &now(&world)).await;
    assert!(runs(&world).await.is_empty());
    let row = &listed(&world).await[0];
    assert_eq!((&row["code"], &row["auto"]), (&json!("auto_sync_off"), &json!(false)));

    let after = change(&world, "after", (Some("basic"), Some("premium")), 5, &now(&world));
    tell(&world, after).await.assert_status(202);
    let started = runs(&world).await;
    assert_eq!(started[0].changes.as_deref(), Some(&[ChangeId::new("after").unwrap()][..]), "the backlog waits");
    later(&world, 1);
    auto_sync(&world, false).await;
    auto_sync(&world, true).await;
    assert!(listed(&world).await.iter().all(|row| row["auto"] == false), "what was told before waits again");
    world.leave_messages();
}

#[tokio::test]
async fn sync_now_takes_what_was_told_while_auto_sync_was_off() {
    let world = world().await;
    tell(&world, change(&world, "c1", (None, Some("basic")), 5, &now(&world))).await.assert_status(202);
    let billing = world.api(Role::PartnerBilling);
    let started = billing.post("C/runs", json!({"kind": "package_changes", "mode": "apply"})).await.expect(202);
    let run = &runs(&world).await[0];
    assert_eq!(json!(run.id), started["run_id"]);
    assert_eq!((run.kind, &run.trigger, &run.changes), (RunKind::PackageChanges, &Trigger::Manual, &None));
    billing.post("C/runs", json!({"kind": "seat_sync", "mode": "apply"})).await.assert_problem(409, "already_running");
    world.leave_messages();
}

#[tokio::test]
async fn without_the_feature_no_run_of_packages_starts() {
    let world = world().await;
    let features = json!({"features": ["seat_sync"]});
    world.api(Role::PartnerAdmin).patch("C/settings", features).await.assert_status(200);
    for kind in ["package_changes", "initial"] {
        let reply = world.api(Role::PartnerBilling).post("C/runs", json!({"kind": kind, "mode": "apply"})).await;
        assert_eq!(reply.assert_problem(400, "invalid_input")["errors"][0]["pointer"], "/kind", "{kind}");
    }
}

#[tokio::test]
async fn where_everything_is_approved_first_a_change_makes_one_preview_and_the_sweep_no_second() {
    let world = world().await;
    let patch = json!({"approval_mode": "approve_all"});
    world.api(Role::PartnerAdmin).patch("C/settings", patch).await.assert_status(200);
    auto_sync(&world, true).await;
    tell(&world, change(&world, "c1", (None, Some("basic")), 5, &now(&world))).await.assert_status(202);
    assert_eq!(runs(&world).await[0].mode, RunMode::Preview);
    for _ in 0..2 {
        later(&world, 15);
        world.tick("package-changes", &now(&world)).await;
    }
    assert_eq!(runs(&world).await.len(), 1);
    world.leave_messages();
}

#[tokio::test]
async fn a_change_to_an_unmapped_package_says_so_and_is_pushed_once_it_is_mapped() {
    let world = world().await;
    auto_sync(&world, true).await;
    let told = tell(&world, change(&world, "c1", (None, Some("other")), 5, &now(&world))).await.expect(202);
    assert_eq!((&told["code"], &told["run_id"]), (&json!("package_unmapped"), &Value::Null));
    assert!(runs(&world).await.is_empty());
    let row = &listed(&world).await[0];
    assert_eq!((&row["code"], &row["auto"]), (&json!("package_unmapped"), &json!(false)));
    later(&world, 15);
    world.tick("package-changes", &now(&world)).await;
    assert!(runs(&world).await.is_empty());
    map(&world, "other").await;
    later(&world, 15);
    world.tick("package-changes", &now(&world)).await;
    assert_eq!(runs(&world).await.len(), 1);
    world.leave_messages();
}

#[tokio::test]
async fn what_keeps_a_change_from_being_pushed_is_told() {
    let world = world().await;
    auto_sync(&world, true).await;
    let admin = world.api(Role::PartnerAdmin);
    let key = Key::Mapping(world.partner.clone(), world.connection.clone(), AccountId::new(CLIENT).unwrap());
    let confirmed = world.load::<Mapping>(&key).await.unwrap().value;
    admin.patch("C/settings", json!({"kill_switch": true})).await.assert_status(200);
    tell(&world, change(&world, "c1", (None, Some("basic")), 5, &now(&world))).await.assert_status(202);
    for (patch, mapping, code, words) in [
        (json!({"kill_switch": true}), confirmed.clone(), Value::Null, "kill switch"),
        (
            json!({"kill_switch": false, "freeze": {"from": "2026-11-01", "to": "2026-11-30"}}),
            confirmed.clone(),
            Value::Null,
            "frozen",
        ),
        (json!({"freeze": null, "pilot_accounts": ["acc_0002"]}), confirmed.clone(), Value::Null, "pilot"),
        (json!({"pilot_accounts": []}), Mapping { paused: true, ..confirmed.clone() }, Value::Null, "paused"),
        (
            json!({}),
            Mapping { status: MappingStatus::Suggested, ..confirmed.clone() },
            json!("mapping_unconfirmed"),
            "yes",
        ),
    ] {
        admin.patch("C/settings", patch).await.assert_status(200);
        world.put(&mapping).await;
        later(&world, 15);
        world.tick("package-changes", &now(&world)).await;
        let row = &listed(&world).await[0];
        assert_eq!(row["code"], code, "{row}");
        assert!(row["words"].as_str().unwrap().contains(words), "{row}");
        assert!(runs(&world).await.is_empty(), "{words}");
    }
    world.put(&confirmed).await;
    later(&world, 15);
    world.tick("package-changes", &now(&world)).await;
    assert_eq!(runs(&world).await.len(), 1);
    world.leave_messages();
}

#[tokio::test]
async fn a_removal_of_an_account_that_was_never_mapped_is_done_without_a_run() {
    let world = world().await;
    auto_sync(&world, true).await;
    let partner = &world.partner;
    let path = format!("/v1/partners/{partner}/accounts/stranger");
    let body = json!({"name": "Stranger", "packages": [{"id": "basic", "quantity": 5}]});
    world.api(Role::Service).put(&path, body).await.assert_status(201);
    let row = listed(&world).await.remove(0);
    assert_eq!((&row["code"], &row["auto"]), (&json!("unmapped_account"), &json!(false)));
    later(&world, 1);
    world.api(Role::Service).put(&path, json!({"name": "Stranger", "packages": []})).await.assert_status(200);
    assert!(pending(&world).await.is_empty(), "nothing is billed and nothing is to be");
    assert_eq!(world.published("billing.package_change_billed").len(), 2);
    assert!(runs(&world).await.is_empty());
}
