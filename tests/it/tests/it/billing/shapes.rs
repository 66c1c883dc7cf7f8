//! Several accounts on one company, several contracts of one account, accounts that end; counting rules in a run.

use super::{Desk, told};
use domain::{PackageId, Role};
use serde_json::{Value, json};

/// Puts the second client on the first one's company and contract.
async fn together(desk: &Desk, many: &str) {
    let on = json!({"topologies": {"many_accounts_per_company": many}});
    desk.world.api(Role::PartnerAdmin).patch("C/settings", on).await.assert_status(200);
    let (first, second) = (&desk.clients[0], &desk.clients[1]);
    let body = json!({"company_id": first.company_id, "contract_id": first.contract_id, "lines": []});
    let path = format!("C/company-mappings/{}", second.account);
    desk.world.api(Role::PartnerBilling).put(&path, body).await.assert_status(200);
}

#[tokio::test]
async fn accounts_that_are_summed_share_one_line() {
    let desk = Desk::new(2).await;
    together(&desk, "sum").await;
    desk.has(0, &[("basic", 5)]).await;
    desk.has(1, &[("basic", 7)]).await;
    let run = desk.run("initial").await;
    assert_eq!(run["status"], "done", "{run}");
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(12)]);
    let lines = desk.lines(&run).await;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["reckoning"]["parts"].as_array().unwrap().len(), 2);
    // A change of either of them is a change of the sum.
    desk.tell("chg-1", 1, (Some("basic"), Some("basic")), 9).await;
    let run = desk.run("package_changes").await;
    assert_eq!(run["status"], "done", "{run}");
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(14)]);
    assert!(desk.pending().await.is_empty());
    desk.tell("chg-2", 0, (Some("basic"), None), 0).await;
    desk.run("package_changes").await;
    assert_eq!(desk.units(0, desk.basic, "2026-12-01"), [Some(9)]);
    let written = desk.world.writes().len();
    desk.run("initial").await;
    assert_eq!(desk.world.writes().len(), written);
}

#[tokio::test]
async fn counts_of_accounts_that_are_summed_are_one_number_in_every_kind_of_run() {
    let desk = Desk::new(2).await;
    together(&desk, "sum").await;
    let target = json!({"kind": "service", "id": desk.basic});
    desk.put_mapping("basic", json!({"target": target, "quantity_source": "usage"})).await;
    let package = PackageId::new("basic").unwrap();
    for (client, active) in [(0, 4), (1, 3)] {
        desk.has(client, &[("basic", 1)]).await;
        desk.world.usage_of(&desk.clients[client].account, &package, active).await;
    }
    desk.run("initial").await;
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(7)]);
    let run = desk.run("seat_sync").await;
    assert_eq!(told(&desk.lines(&run).await), [("basic", "unchanged", None)]);
    desk.world.advance(jiff::SignedDuration::from_secs(60));
    desk.world.usage_of(&desk.clients[1].account, &package, 5).await;
    desk.run("seat_sync").await;
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(9)]);
}

#[tokio::test]
async fn separate_accounts_have_lines_of_their_own_on_one_contract() {
    let desk = Desk::new(2).await;
    together(&desk, "separate").await;
    desk.has(0, &[("basic", 5)]).await;
    desk.has(1, &[("basic", 7)]).await;
    let run = desk.run("initial").await;
    assert_eq!(run["status"], "done", "{run} {:?}", desk.lines(&run).await);
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(5), Some(7)]);
    desk.tell("chg-1", 1, (Some("basic"), Some("basic")), 9).await;
    desk.run("package_changes").await;
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(5), Some(9)]);
}

#[tokio::test]
async fn one_account_is_billed_over_several_contracts() {
    let desk = Desk::new(1).await;
    let on = json!({"topologies": {"contract_per_package": true}});
    desk.world.api(Role::PartnerAdmin).patch("C/settings", on).await.assert_status(200);
    let client = &desk.clients[0];
    let other = desk.world.contract(client.company_id, "2026-01-01".parse().unwrap(), "2027-12-31".parse().unwrap());
    let body = json!({
        "company_id": client.company_id, "contract_id": client.contract_id,
        "lines": [{"package_id": "plus", "contract_id": other, "contract_service_id": null}],
    });
    let path = format!("C/company-mappings/{}", client.account);
    desk.world.api(Role::PartnerBilling).put(&path, body).await.assert_status(200);
    desk.has(0, &[("basic", 5), ("plus", 2)]).await;
    let run = desk.run("initial").await;
    assert_eq!(run["status"], "done", "{run} {:?}", desk.lines(&run).await);
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(5)]);
    assert!(desk.lines_of(0, desk.plus).is_empty());
    let lines = desk.world.lines_of(other);
    assert_eq!(lines.len(), 1);
    assert_eq!(desk.world.units_at(lines[0].0, "2026-11-20".parse().unwrap()), Some(2));
}

#[tokio::test]
async fn an_account_that_is_no_longer_a_client_is_billed_no_more() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5), ("plus", 1)]).await;
    desk.run("initial").await;
    desk.world.advance(jiff::SignedDuration::from_secs(60));
    let path = format!("/v1/partners/{}/accounts/{}", desk.world.partner, desk.clients[0].account);
    desk.world.api(Role::Service).delete(&path).await.assert_status(204);
    assert_eq!(desk.pending().await.len(), 2);
    let run = desk.run("package_changes").await;
    assert_eq!(run["status"], "done", "{run} {:?}", desk.lines(&run).await);
    assert_eq!(desk.units(0, desk.basic, "2026-12-01"), [Some(0)]);
    assert_eq!(desk.units(0, desk.plus, "2026-12-01"), [Some(0)]);
    assert_eq!(desk.units(0, desk.plus, "2026-11-30"), [Some(1)]);
    assert!(desk.pending().await.is_empty());
}

#[tokio::test]
async fn autotask_may_refuse_to_let_a_line_fall_to_nothing() {
    use simulator::Allow;
    let world = testkit::World::builder()
        .at("2026-11-20T10:00:00Z")
        .switches(|switches| switches.zero_units = Allow::Refused)
        .build()
        .await;
    let desk = Desk::of(world, 1).await;
    desk.has(0, &[("basic", 5)]).await;
    desk.run("initial").await;
    desk.tell("chg-1", 0, (Some("basic"), None), 0).await;
    let run = desk.run("package_changes").await;
    let lines = desk.lines(&run).await;
    assert_eq!(told(&lines), [("basic", "failed", Some("zero_units_refused"))], "{run}");
    assert_eq!(desk.units(0, desk.basic, "2026-12-01"), [Some(5)]);
    assert_eq!(desk.pending().await[0]["code"], "zero_units_refused");
}

#[tokio::test]
async fn the_seat_sync_bills_the_highest_day_of_the_month_where_the_package_says_so() {
    let desk = Desk::new(1).await;
    let rule = |rule: &str| -> Value {
        let target = json!({"kind": "service", "id": desk.basic});
        json!({"target": target, "quantity_source": "usage", "count_rule": rule})
    };
    desk.put_mapping("basic", rule("snapshot_on_run")).await;
    let package = PackageId::new("basic").unwrap();
    desk.has(0, &[("basic", 1)]).await;
    let line = desk.world.line_on(desk.clients[0].contract_id, desk.basic, 6);
    for active in [9, 6] {
        desk.world.advance(jiff::SignedDuration::from_hours(24));
        let as_of = desk.world.clock.now();
        let body = json!({"active": active, "as_of": as_of});
        let path = format!("/v1/usage/{}/{}/{package}", desk.world.partner, desk.clients[0].account);
        assert!(desk.world.api(Role::Service).put(&path, body).await.is_success());
    }
    desk.run("initial").await;
    let today = "2026-11-22".parse().unwrap();
    assert_eq!(desk.world.units_at(line, today), Some(6));
    desk.put_mapping("basic", rule("high_water_mark")).await;
    let run = desk.run("seat_sync").await;
    let lines = desk.lines(&run).await;
    assert_eq!(desk.world.units_at(line, today), Some(9), "{lines:?}");
    let how = lines[0]["reckoning"]["parts"][0]["how"].as_str().unwrap();
    assert!(how.contains("largest"), "{how}");
    desk.put_mapping("basic", rule("average_rounded_up")).await;
    desk.run("seat_sync").await;
    assert_eq!(desk.world.units_at(line, today), Some(8));
}
