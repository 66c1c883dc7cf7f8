use super::{Desk, told};
use domain::Role;
use serde_json::json;

#[tokio::test]
async fn the_initial_sync_adds_what_is_missing_takes_over_what_is_there_and_the_second_one_writes_nothing() {
    let desk = Desk::new(2).await;
    desk.has(0, &[("basic", 5), ("plus", 2)]).await;
    desk.has(1, &[("basic", 7)]).await;
    let there = desk.world.line_on(desk.clients[1].contract_id, desk.basic, 3);
    let preview = desk.run_with(json!({"kind": "initial", "mode": "preview"})).await;
    assert_eq!(preview["status"], "planned", "{preview}");
    let planned = desk.lines(&preview).await;
    assert_eq!(told(&planned), [("basic", "changed", None), ("plus", "changed", None), ("basic", "changed", None)]);
    assert_eq!(planned[0]["contract_service_id"], json!(null));
    assert_eq!((&planned[0]["units_now"], &planned[0]["units_wanted"]), (&json!(0), &json!(5)));
    assert_eq!((&planned[2]["units_now"], &planned[2]["units_wanted"]), (&json!(3), &json!(7)));
    assert!(desk.world.writes().is_empty(), "a preview writes nothing");
    let run = desk.run("initial").await;
    assert_eq!(run["status"], "done", "{run}");
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(5)]);
    assert_eq!(desk.units(0, desk.plus, "2026-11-01"), [Some(2)]);
    assert_eq!(desk.lines_of(1, desk.basic), [there]);
    assert_eq!(desk.units(1, desk.basic, "2026-11-01"), [Some(7)]);
    let lines = desk.lines(&run).await;
    assert_eq!(lines.iter().map(|line| line["created"].as_bool().unwrap()).collect::<Vec<_>>(), [true, true, false]);
    assert!(desk.pending().await.is_empty(), "what the accounts had is billed");
    let written = desk.world.writes().len();
    let again = desk.run("initial").await;
    assert_eq!((&again["status"], &again["totals"]["unchanged"]), (&json!("done"), &json!(3)));
    assert_eq!(desk.world.writes().len(), written, "a second sync writes nothing");
}

#[tokio::test]
async fn an_applied_preview_writes_what_it_showed() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5)]).await;
    let preview = desk.run_with(json!({"kind": "initial", "mode": "preview"})).await;
    let path = format!("C/runs/{}/apply", preview["id"].as_str().unwrap());
    let body = json!({"plan_hash": preview["plan_hash"]});
    desk.world.api(Role::PartnerBilling).post(&path, body).await.assert_status(202);
    desk.world.drain().await;
    let run = desk.get(&format!("C/runs/{}", preview["id"].as_str().unwrap())).await;
    assert_eq!(run["status"], "done", "{run}");
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(5)]);
}

#[tokio::test]
async fn the_initial_sync_opens_when_every_package_in_use_is_mapped() {
    let desk = Desk::new(1).await;
    desk.world.package("other", "Other").await;
    desk.has(0, &[("basic", 5), ("other", 1)]).await;
    let body = json!({"kind": "initial", "mode": "apply"});
    let refused = desk.world.api(Role::PartnerBilling).post("C/runs", body).await;
    let problem = refused.assert_problem(409, "initial_sync_not_ready").clone();
    assert_eq!(problem["missing"][0]["package_id"], "other", "{problem}");
    desk.put_mapping("other", json!({"excluded": true})).await;
    assert_eq!(desk.run("initial").await["status"], "done");
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(5)]);
}

#[tokio::test]
async fn two_lines_of_one_service_are_never_guessed_between() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5)]).await;
    for _ in 0..2 {
        desk.world.line_on(desk.clients[0].contract_id, desk.basic, 1);
    }
    let run = desk.run("initial").await;
    assert_eq!(told(&desk.lines(&run).await), [("basic", "failed", Some("duplicate_line"))]);
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(1), Some(1)]);
    assert!(desk.world.writes().is_empty());
}

#[tokio::test]
async fn a_quantity_that_nobody_told_is_never_taken_for_nothing_and_the_others_go_on() {
    let desk = Desk::new(2).await;
    desk.has(0, &[("basic", 5)]).await;
    let body = json!({"name": "Client 1", "packages": [{"id": "basic"}]});
    let path = format!("/v1/partners/{}/accounts/{}", desk.world.partner, desk.clients[1].account);
    assert!(desk.world.api(Role::Service).put(&path, body).await.is_success());
    let there = desk.world.line_on(desk.clients[1].contract_id, desk.basic, 3);
    desk.world.line_on(desk.clients[0].contract_id, desk.basic, 1);
    desk.world.line_on(desk.clients[0].contract_id, desk.basic, 1);
    let run = desk.run("initial").await;
    let lines = desk.lines(&run).await;
    let codes = [("basic", "failed", Some("duplicate_line")), ("basic", "skipped", Some("quantity_missing"))];
    assert_eq!(told(&lines), codes);
    assert_eq!(desk.world.units_at(there, "2026-11-20".parse().unwrap()), Some(3));
    assert_eq!((&run["status"], &run["problem"]["code"]), (&json!("partial"), &json!("run_partial")), "{run}");
    for name in ["title", "effect", "action"] {
        assert!(run["problem"][name].as_str().is_some_and(|words| words.ends_with('.')), "{name}");
    }
}

#[tokio::test]
async fn lines_are_not_added_where_that_is_switched_off() {
    let desk = Desk::new(1).await;
    let off = json!({"create_missing_lines": false});
    desk.world.api(Role::PartnerAdmin).patch("C/settings", off).await.assert_status(200);
    desk.has(0, &[("basic", 5)]).await;
    let run = desk.run("initial").await;
    assert_eq!(told(&desk.lines(&run).await), [("basic", "failed", Some("contract_service_removed"))]);
    assert!(desk.world.writes().is_empty());
}

#[tokio::test]
async fn packages_that_are_counted_together_share_a_line_and_its_rule() {
    let desk = Desk::new(1).await;
    desk.put_mapping("plus", json!({"sum_into": "basic", "quantity_source": "package"})).await;
    let rule = json!({"free": 2, "ratio": 5, "min": null, "max": 10});
    let target = json!({"kind": "service", "id": desk.basic});
    desk.put_mapping("basic", json!({"target": target, "quantity_source": "package", "quantity_rule": rule})).await;
    desk.has(0, &[("basic", 7), ("plus", 8)]).await;
    let run = desk.run("initial").await;
    // (7 + 8 - 2) / 5, rounded up.
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(3)], "{run}");
    assert!(desk.lines_of(0, desk.plus).is_empty());
    let lines = desk.lines(&run).await;
    let parts = lines[0]["reckoning"]["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 2, "{}", lines[0]);
    desk.has(0, &[("plus", 8)]).await;
    desk.world.advance(jiff::SignedDuration::from_secs(60));
    desk.run("package_changes").await;
    // (8 - 2) / 5, from the next period on: fewer.
    assert_eq!(desk.units(0, desk.basic, "2026-12-01"), [Some(2)]);
}

#[tokio::test]
async fn the_reconciliation_compares_quantities_too() {
    let desk = Desk::new(3).await;
    for (client, units) in [(0, 5), (1, 4)] {
        desk.has(client, &[("basic", units)]).await;
    }
    desk.run("initial").await;
    let line = desk.lines_of(1, desk.basic)[0];
    desk.world.by_hand(line, "2026-11-01".parse().unwrap(), 2);
    // A reduction that is written for the next period is no difference.
    desk.tell("chg-1", 0, (Some("basic"), Some("basic")), 3).await;
    desk.run("package_changes").await;
    let path = format!("C/company-mappings/{}", desk.clients[2].account);
    desk.world.api(Role::PartnerBilling).delete(&path).await.assert_status(204);
    desk.has(2, &[("basic", 9)]).await;
    let report = desk.get("C/reconciliation").await;
    let found = report["items"].as_array().or_else(|| report["findings"].as_array()).unwrap().clone();
    let mut buckets: Vec<(&str, &str)> = found
        .iter()
        .map(|found| (found["account_id"].as_str().unwrap_or("-"), found["bucket"].as_str().unwrap()))
        .collect();
    buckets.sort_unstable();
    assert_eq!(
        buckets,
        [("acc_0001", "match"), ("acc_0002", "over_billed"), ("acc_0003", "unmapped_account")],
        "{report}"
    );
}

#[tokio::test]
async fn a_preview_estimates_lines_that_are_to_be_added_and_a_change_keeps_its_own_date() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5)]).await;
    let preview = desk.run_with(json!({"kind": "initial", "mode": "preview"})).await;
    assert_eq!(desk.lines(&preview).await[0]["invoice_change"], "50");
    assert_eq!(preview["invoice_change"], "50");
    desk.run("initial").await;
    desk.tell("chg-1", 0, (Some("basic"), Some("plus")), 8).await;
    let run = desk.run("initial").await;
    assert_eq!(run["status"], "done", "{run}");
    for (day, old, new) in [("2026-11-19", Some(5), None), ("2026-11-20", Some(0), Some(8))] {
        assert_eq!(desk.units(0, desk.basic, day), [old], "{day}");
        assert_eq!(desk.units(0, desk.plus, day), [new], "{day}");
    }
}
