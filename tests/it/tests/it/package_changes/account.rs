use super::*;
use domain::packages::ChangeSource;

/// What is pending: from, to and how many, in the order of their packages.
async fn moves(world: &World) -> Vec<(Option<String>, Option<String>, Option<i64>)> {
    let mut all: Vec<_> = pending(world)
        .await
        .into_iter()
        .map(|change| (change.from.map(|p| p.to_string()), change.to.map(|p| p.to_string()), change.quantity))
        .collect();
    all.sort();
    all
}

fn step(from: Option<&str>, to: Option<&str>, quantity: Option<i64>) -> (Option<String>, Option<String>, Option<i64>) {
    (from.map(str::to_owned), to.map(str::to_owned), quantity)
}

#[tokio::test]
async fn a_whole_account_makes_one_change_for_each_package_that_differs() {
    let world = world().await;
    let (api, path) = (world.api(Role::Service), account_path(&world));
    let first = account_body(json!([{"id": "basic", "quantity": 5}, {"id": "other", "quantity": 1}]));
    for outcome in ["updated", "unchanged"] {
        assert_eq!(api.put(&path, first.clone()).await.expect(200)["outcome"], outcome);
    }
    assert_eq!(moves(&world).await, [step(None, Some("basic"), Some(5)), step(None, Some("other"), Some(1))]);
    let second = account_body(json!([{"id": "basic", "quantity": 7}, {"id": "premium", "quantity": 2}]));
    api.put(&path, second).await.assert_status(200);
    assert_eq!(
        moves(&world).await,
        [
            step(None, Some("basic"), Some(5)),
            step(None, Some("other"), Some(1)),
            step(None, Some("premium"), Some(2)),
            step(Some("basic"), Some("basic"), Some(7)),
            step(Some("other"), None, None),
        ]
    );
    assert!(pending(&world).await.iter().all(|change| change.source == ChangeSource::Account));
    assert_eq!(has(&world).await, packages(&[("basic", 7), ("premium", 2)]));
}

#[tokio::test]
async fn an_account_told_without_packages_keeps_them_and_an_empty_list_takes_all() {
    let world = world().await;
    let (api, path) = (world.api(Role::Service), account_path(&world));
    api.put(&path, account_body(json!([{"id": "basic", "quantity": 5}]))).await.assert_status(200);
    api.put(&path, json!({"name": "Client One"})).await.assert_status(200);
    assert_eq!(has(&world).await, packages(&[("basic", 5)]));
    assert_eq!(pending(&world).await.len(), 1);
    api.put(&path, json!({"name": "Client One", "packages": []})).await.assert_status(200);
    assert!(has(&world).await.is_empty());
    assert_eq!(moves(&world).await, [step(None, Some("basic"), Some(5)), step(Some("basic"), None, None)]);
}

#[tokio::test]
async fn an_event_that_comes_late_changes_only_what_nothing_newer_was_said_of() {
    let world = world().await;
    let told = |list: Value| json!({"account_id": CLIENT, "name": "Client 0001", "packages": list});
    let newer = change(&world, "c1", (None, Some("basic")), 9, "2026-11-20T11:20:00Z");
    later(&world, 30);
    tell(&world, newer).await.assert_status(202);
    let late = told(json!([{"id": "basic", "quantity": 5}, {"id": "premium", "quantity": 2}]));
    for _ in 0..2 {
        world.event("account.updated", event(&world, "2026-11-20T11:10:00Z", late.clone())).await;
    }
    assert_eq!(has(&world).await, packages(&[("basic", 9), ("premium", 2)]));
    // A change from before the whole account was told, of a package that it did not have then.
    let old = change(&world, "c0", (None, Some("other")), 1, "2026-11-20T11:05:00Z");
    assert_eq!(tell(&world, old).await.expect(200)["code"], "superseded");
    assert_eq!(has(&world).await, packages(&[("basic", 9), ("premium", 2)]));
    assert_eq!(moves(&world).await, [step(None, Some("basic"), Some(9)), step(None, Some("premium"), Some(2))]);
}

#[tokio::test]
async fn a_deleted_account_leaves_every_package_and_takes_them_up_again_with_its_return() {
    let world = world().await;
    let (api, path) = (world.api(Role::Service), account_path(&world));
    api.put(&path, account_body(json!([{"id": "basic", "quantity": 5}]))).await.assert_status(200);
    let before = pending(&world).await.len();
    later(&world, 1);
    let gone = event(&world, &now(&world), json!({"account_id": CLIENT}));
    for _ in 0..2 {
        world.event("account.deleted", gone.clone()).await;
    }
    assert_eq!(moves(&world).await, [step(None, Some("basic"), Some(5)), step(Some("basic"), None, None)]);
    assert_eq!(pending(&world).await.len(), before + 1);
    later(&world, 1);
    api.put(&path, json!({"name": "Client 0001", "active": true})).await.assert_status(200);
    assert_eq!(
        moves(&world).await,
        [step(None, Some("basic"), Some(5)), step(None, Some("basic"), Some(5)), step(Some("basic"), None, None)]
    );
}

#[tokio::test]
async fn a_statement_with_more_changes_than_one_transaction_holds_is_recorded_whole() {
    let world = world().await;
    let list: Vec<Value> = (0..100).map(|no| json!({"id": format!("p{no:03}"), "quantity": no})).collect();
    let (api, path) = (world.api(Role::Service), account_path(&world));
    api.put(&path, account_body(json!(list))).await.assert_status(200);
    assert_eq!((pending(&world).await.len(), has(&world).await.len()), (100, 100));
    api.delete(&path).await.assert_status(204);
    let left = pending(&world).await.into_iter().filter(|change| change.to.is_none()).count();
    assert_eq!(left, 100);
    assert_eq!(world.published("billing.package_change_recorded").len(), 200);
}

#[tokio::test]
async fn the_changes_of_a_batch_start_one_run() {
    let world = world().await;
    auto_sync(&world, true).await;
    let item = |account: &str| json!({"partner": world.partner, "account_id": account, "name": account, "packages": [{"id": "basic", "quantity": 3}]});
    let items = json!({"items": [item("acc_0001"), item("acc_0002")]});
    let done = world.api(Role::Service).of_no_partner().post("/v1/accounts/batch", items).await.expect(200);
    assert_eq!(done["succeeded"], 2);
    let runs = runs(&world).await;
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].changes.as_ref().unwrap().len(), runs[0].accounts.as_ref().unwrap().len()), (2, 2));
    world.leave_messages();
}
