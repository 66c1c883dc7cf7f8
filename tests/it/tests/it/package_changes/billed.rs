use super::*;
use domain::runs::RunState;

/// Units of the first client's lines today, by the name of their service.
fn units(world: &World) -> Vec<(String, Option<i64>)> {
    let services = world.rows("Services");
    let today = world.sim.today().to_string();
    let day = |row: &Value, field: &str| row[field].as_str().map(|text| text[..10].to_owned()).unwrap_or_default();
    let contract = world.rows("Contracts").into_values().map(|row| row["id"].as_i64().unwrap()).min().unwrap();
    let mut lines: Vec<_> = world.rows("ContractServices").into_values().collect();
    lines.retain(|line| line["contractID"].as_i64() == Some(contract));
    lines.sort_by_key(|line| line["id"].as_i64());
    let of = |line: &Value| {
        let now = world.rows("ContractServiceUnits").into_values().find(|row| {
            row["contractServiceID"] == line["id"] && day(row, "startDate") <= today && today <= day(row, "endDate")
        });
        let name = services[&line["serviceID"].as_i64().unwrap()]["name"].as_str().unwrap().to_owned();
        (name, now.and_then(|row| row["units"].as_i64()))
    };
    lines.iter().map(of).collect()
}

#[tokio::test]
async fn a_change_becomes_a_line_and_a_swap_takes_the_old_one_down() {
    let world = world().await;
    auto_sync(&world, true).await;
    tell(&world, change(&world, "c1", (None, Some("basic")), 5, &now(&world))).await.assert_status(202);
    world.drain().await;
    assert_eq!(state(&world, "c1").await["state"], "done");
    assert_eq!(units(&world), [("basic".to_owned(), Some(5))]);
    later(&world, 1);
    tell(&world, change(&world, "c2", (Some("basic"), Some("premium")), 6, &now(&world))).await.assert_status(202);
    world.drain().await;
    assert_eq!(state(&world, "c2").await["state"], "done");
    assert_eq!(units(&world), [("basic".to_owned(), Some(0)), ("premium".to_owned(), Some(6))]);
    assert!(pending(&world).await.is_empty());
    assert_eq!(world.published("billing.package_change_billed").len(), 2);
    assert!(runs(&world).await.iter().all(|run| run.state == RunState::Done));
    let writes = world.writes().len();
    later(&world, 15);
    world.tick("package-changes", &now(&world)).await;
    world.drain().await;
    assert_eq!(world.writes().len(), writes, "there is nothing left to push");
}

#[tokio::test]
async fn sync_now_bills_the_backlog() {
    let world = world().await;
    tell(&world, change(&world, "c1", (None, Some("basic")), 5, &now(&world))).await.assert_status(202);
    let body = json!({"kind": "package_changes", "mode": "apply"});
    world.api(Role::PartnerBilling).post("C/runs", body).await.assert_status(202);
    world.drain().await;
    assert_eq!(state(&world, "c1").await["state"], "done");
    assert_eq!(units(&world), [("basic".to_owned(), Some(5))]);
}
