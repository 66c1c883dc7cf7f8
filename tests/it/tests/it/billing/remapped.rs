use super::Desk;
use domain::Role;
use serde_json::json;

#[tokio::test]
async fn a_package_that_is_mapped_anew_is_swapped_on_every_account_that_has_it() {
    let desk = Desk::new(2).await;
    desk.has(0, &[("basic", 5)]).await;
    desk.has(1, &[("basic", 6)]).await;
    desk.run("initial").await;
    let newer = desk.world.service("Mail basic 2027", "11", "4");
    desk.map("basic", newer).await;
    let waiting = desk.pending().await;
    assert_eq!(waiting.len(), 2, "{waiting:?}");
    let run = desk.run("package_changes").await;
    assert_eq!(run["status"], "done", "{run}");
    for (client, units) in [(0, 5), (1, 6)] {
        assert_eq!(desk.units(client, newer, "2026-11-20"), [Some(units)]);
        assert_eq!(desk.units(client, desk.basic, "2026-11-20"), [Some(0)]);
    }
    assert!(desk.pending().await.is_empty());
    let written = desk.world.writes().len();
    desk.run("package_changes").await;
    desk.run("initial").await;
    assert_eq!(desk.world.writes().len(), written);
}

#[tokio::test]
async fn a_line_that_a_person_chose_for_an_account_stays_when_the_package_is_mapped_anew() {
    let desk = Desk::new(1).await;
    let client = &desk.clients[0];
    let special = desk.world.service("Special deal", "1", "1");
    let line = desk.world.line_on(client.contract_id, special, 2);
    let body = json!({
        "company_id": client.company_id, "contract_id": client.contract_id,
        "lines": [{"package_id": "basic", "contract_service_id": line.id}],
    });
    let path = format!("C/company-mappings/{}", client.account);
    desk.world.api(Role::PartnerBilling).put(&path, body).await.assert_status(200);
    desk.has(0, &[("basic", 5)]).await;
    desk.run("initial").await;
    assert_eq!(desk.units(0, special, "2026-11-20"), [Some(5)]);
    let newer = desk.world.service("Mail basic 2027", "11", "4");
    desk.map("basic", newer).await;
    desk.run("package_changes").await;
    desk.run("initial").await;
    assert_eq!(desk.units(0, special, "2026-11-20"), [Some(5)]);
    assert!(desk.lines_of(0, newer).is_empty());
}

#[tokio::test]
async fn the_seat_sync_follows_a_package_that_is_mapped_anew() {
    let desk = Desk::new(1).await;
    let to = |service: i64| json!({"target": {"kind": "service", "id": service}, "quantity_source": "usage"});
    desk.put_mapping("basic", to(desk.basic)).await;
    desk.has(0, &[("basic", 5)]).await;
    let package = domain::PackageId::new("basic").unwrap();
    desk.world.usage_of(&desk.clients[0].account, &package, 4).await;
    desk.run("initial").await;
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(4)]);
    let newer = desk.world.service("Mail basic 2027", "11", "4");
    desk.put_mapping("basic", to(newer)).await;
    let run = desk.run("seat_sync").await;
    assert_eq!(run["status"], "done", "{run}");
    assert_eq!(desk.units(0, newer, "2026-11-20"), [Some(4)]);
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(0)]);
}

#[tokio::test]
async fn sync_now_compares_the_lines_of_a_contract_that_renews_another() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5)]).await;
    desk.run("initial").await;
    let client = &desk.clients[0];
    let renewed = desk.world.sim.renew(desk.world.ci, client.contract_id, Some("2026-11-15".parse().unwrap())).unwrap();
    let line = desk.world.lines_of(renewed)[0].0;
    desk.world.by_hand(line, "2026-11-15".parse().unwrap(), 2);
    let path = format!("C/company-mappings/{}/remap", client.account);
    let body = json!({"to_contract_id": renewed, "reason": "renewal"});
    desk.world.api(Role::PartnerBilling).post(&path, body).await.assert_status(200);
    let run = desk.run("package_changes").await;
    assert_eq!(run["status"], "done", "{run} {:?}", desk.lines(&run).await);
    let lines = desk.lines(&run).await;
    // The new contract's periods begin on the 15th.
    assert_eq!(desk.world.units_at(line, "2026-12-15".parse().unwrap()), Some(5), "{lines:?}");
}
