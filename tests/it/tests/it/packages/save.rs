//! Saving what a package is billed as.

use super::*;
use domain::change::AuditRow;
use domain::packages::{QuantityRule, QuantitySource};
use jiff::SignedDuration;
use local::host::KillScope;
use simulator::{Fault, FaultKind, Match};

#[tokio::test]
async fn a_package_is_mapped_to_a_service_and_saving_it_again_writes_nothing() {
    let of = Catalogue::new().await;
    let first = of.save("p1", to(of.training)).await;
    first.assert_status(200);
    assert_eq!(first.header("etag"), Some("\"1\""));
    assert_eq!((&first.json["changed"], &first.json["warnings"]), (&json!(true), &json!([])));
    let mapping = &first.json["mapping"];
    assert_eq!(
        mapping["target"],
        json!({"kind": "service", "id": of.training, "name": "Training", "product_id": null})
    );
    assert_eq!(
        (&mapping["former"], &mapping["sum_into"], &mapping["excluded"]),
        (&json!([]), &json!(null), &json!(false))
    );
    assert_eq!(mapping["quantity_rule"], json!({"free": 0, "min": null, "max": null, "ratio": 1}));
    of.world.advance(SignedDuration::from_mins(1));
    let again = of.save("p1", to(of.training)).await;
    assert_eq!((again.header("etag"), &again.json["changed"]), (Some("\"1\""), &json!(false)));
    assert_eq!(again.json["mapping"], first.json["mapping"]);
    let events = of.world.published("package_mapping.changed");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].detail["data"]["target"]["id"], of.training);
    let rows: Vec<AuditRow> = of.world.load_all(&audit(&of)).await;
    let saved: Vec<_> = rows.iter().filter(|row| row.action == "package_mapping.saved").collect();
    assert_eq!((saved.len(), saved[0].subject.as_str(), &saved[0].before), (1, "package/p1", &Value::Null));
    assert_eq!(saved[0].after["target"]["id"], of.training);
    assert!(of.world.writes().is_empty(), "nothing is written to Autotask");
}

fn audit(of: &Catalogue) -> Collection {
    Collection::Audit(of.world.partner.clone(), Some(of.world.connection.clone()), "2026-11".to_owned())
}

#[tokio::test]
async fn what_was_saved_can_be_read_and_is_changed_by_its_version() {
    let of = Catalogue::new().await;
    let path = "C/package-mappings/p1";
    of.billing().get(path).await.assert_problem(404, "not_found");
    of.billing()
        .header("if-match", "\"1\"")
        .put(path, to(of.training))
        .await
        .assert_problem(412, "precondition_failed");
    let body = json!({
        "target": {"kind": "bundle", "id": of.bundle}, "overwrite_cost": false, "quantity_source": "package",
        "count_rule": "fixed", "quantity_rule": {"free": 2, "min": 1, "max": 50, "ratio": 5}
    });
    of.save("p1", body.clone()).await.assert_status(200);
    let read = of.world.api(Role::PartnerViewer).get(path).await;
    assert_eq!((read.status, read.header("etag")), (200, Some("\"1\"")));
    let mapping = &read.json["mapping"];
    assert_eq!((&mapping["target"]["kind"], &mapping["target"]["name"]), (&json!("bundle"), &json!("All of it")));
    assert_eq!((&mapping["overwrite_cost"], &mapping["quantity_source"]), (&json!(false), &json!("package")));
    assert_eq!((&mapping["count_rule"], &mapping["quantity_rule"]["ratio"]), (&json!("fixed"), &json!(5)));
    let stale = of.billing().header("if-match", "\"7\"");
    stale.put(path, to(of.training)).await.assert_problem(412, "precondition_failed");
    stale.delete(path).await.assert_problem(412, "precondition_failed");
    let fresh = of.billing().header("if-match", "\"1\"");
    assert_eq!(fresh.put(path, to(of.training)).await.header("etag"), Some("\"2\""));
    fresh.put(path, body).await.assert_problem(412, "precondition_failed");
    assert_eq!(of.mapping("p1").await.unwrap().quantity_rule, QuantityRule::default(), "a put is the whole of it");
}

#[tokio::test]
async fn an_unmapped_package_is_as_if_it_had_never_been_mapped() {
    let of = Catalogue::new().await;
    of.map("p1", of.training).await;
    let path = "C/package-mappings/p1";
    of.billing().header("if-match", "\"1\"").delete(path).await.assert_status(204);
    of.billing().delete(path).await.assert_problem(404, "not_found");
    assert!(of.mappings().await.is_empty());
    let events = of.world.published("package_mapping.changed");
    assert_eq!(events.len(), 2);
    assert_eq!(events[1].detail["data"], json!({"package_id": "p1", "mapped": false}));
    let rows: Vec<AuditRow> = of.world.load_all(&audit(&of)).await;
    assert_eq!(rows.iter().filter(|row| row.action == "package_mapping.removed").count(), 1);
    of.map("p2", of.training).await;
    assert!(of.world.writes().is_empty());
}

#[tokio::test]
async fn a_package_that_the_partner_may_not_use_does_not_exist() {
    let of = Catalogue::new().await;
    of.unoffered("p9").await;
    for package in ["p9", "never"] {
        of.save(package, to(of.training)).await.assert_problem(404, "not_found");
        of.save(package, excluded()).await.assert_problem(404, "not_found");
        let path = format!("C/package-mappings/{package}");
        of.billing().get(&path).await.assert_problem(404, "not_found");
        of.billing().delete(&path).await.assert_problem(404, "not_found");
    }
    of.save("p1", into("p9")).await.assert_problem(400, "invalid_input");
    assert!(of.world.sim.requests().is_empty(), "Autotask was not asked");
    assert!(of.mappings().await.is_empty());
}

#[tokio::test]
async fn the_mapping_of_a_package_that_was_withdrawn_is_not_shown_and_can_still_be_removed() {
    let of = Catalogue::new().await;
    of.map("p1", of.training).await;
    of.offer(&["p2"]).await;
    of.billing().get("C/package-mappings/p1").await.assert_problem(404, "not_found");
    of.save("p1", to(of.backup)).await.assert_problem(404, "not_found");
    let shared = of.save("p2", to(of.training)).await;
    assert_eq!(shared.assert_problem(422, "contract_service_shared")["package_id"], "p1");
    of.billing().delete("C/package-mappings/p1").await.assert_status(204);
    of.map("p2", of.training).await;
}

#[tokio::test]
async fn everything_wrong_with_a_body_is_told_at_once_before_autotask_is_asked() {
    let of = Catalogue::new().await;
    let wrong = json!({
        "target": {"kind": "service", "id": 0}, "sum_into": "p1", "excluded": true,
        "quantity_source": "package", "count_rule": "high_water_mark",
        "quantity_rule": {"free": -1, "min": 9, "max": 8, "ratio": 0}
    });
    let reply = of.save("p1", wrong).await;
    let problem = reply.assert_problem(400, "invalid_input");
    let all = [
        "/target",
        "/sum_into",
        "/excluded",
        "/target/id",
        "/sum_into",
        "/quantity_rule",
        "/count_rule",
        "/quantity_rule/free",
        "/quantity_rule/ratio",
        "/quantity_rule/min",
    ];
    assert_eq!(pointers(problem), all);
    for (body, pointer) in [
        (json!({}), "/target"),
        (json!({"target": null, "sum_into": null, "excluded": false}), "/target"),
        (json!({"target": {"kind": "package", "id": 1}}), "/target/kind"),
        (json!({"target": {"kind": "service"}}), "/target/id"),
        (json!({"target": {"kind": "service", "id": 1}, "count_rule": "often"}), "/count_rule"),
        (json!({"target": {"kind": "service", "id": 1}, "quantity_rule": {"ratio": 0.5}}), "/quantity_rule/ratio"),
        (json!({"excluded": true, "overwrite_cost": true}), "/overwrite_cost"),
        (into("p1"), "/sum_into"),
        (json!({"targets": []}), "/targets"),
    ] {
        let reply = of.save("p1", body.clone()).await;
        assert!(pointers(reply.assert_problem(400, "invalid_input")).contains(&pointer), "{body}: {}", reply.text);
    }
    assert!(of.world.sim.requests().is_empty(), "Autotask was not asked");
    assert!(of.mappings().await.is_empty());
}

#[tokio::test]
async fn a_target_must_be_there_and_active_and_seen() {
    let of = Catalogue::new().await;
    for kind in ["service", "bundle", "product"] {
        for _ in 0..2 {
            let reply = of.save("p1", json!({"target": {"kind": kind, "id": 999_999}})).await;
            assert_eq!(pointers(reply.assert_problem(400, "invalid_input")), ["/target/id"], "{kind}");
        }
    }
    of.deactivate("Services", of.training);
    of.deactivate("ServiceBundles", of.bundle);
    of.save("p1", to(of.training)).await.assert_problem(422, "service_inactive");
    let bundle = json!({"target": {"kind": "bundle", "id": of.bundle}});
    assert_eq!(of.save("p1", bundle).await.assert_problem(422, "service_inactive")["field"], "target/id");
    of.hide("Services");
    of.save("p1", to(of.backup)).await.assert_problem(403, "permission_missing");
    assert!(of.mappings().await.is_empty());
}

#[tokio::test]
async fn a_period_that_is_not_a_month_is_a_warning() {
    let of = Catalogue::new().await;
    of.world.sim.patch(of.world.ci, "Services", of.training, &json!({"periodType": 4})).unwrap();
    for changed in [true, false] {
        let saved = of.map("p1", of.training).await;
        assert_eq!(
            (&saved["changed"], &saved["warnings"][0]["code"]),
            (&json!(changed), &json!("contract_not_monthly"))
        );
        assert!(saved["warnings"][0]["detail"].as_str().unwrap().contains("Yearly"), "{saved}");
    }
}

#[tokio::test]
async fn the_cost_of_a_bundle_or_one_that_cannot_be_read_is_not_overwritten() {
    let of = Catalogue::new().await;
    let with_cost = |kind: &str, id: i64| json!({"target": {"kind": kind, "id": id}, "overwrite_cost": true});
    let reply = of.save("p1", with_cost("bundle", of.bundle)).await;
    assert_eq!(reply.assert_problem(422, "bundle_cost_unsupported")["field"], "overwrite_cost");
    of.save("p1", with_cost("service", of.training)).await.assert_status(200);
    assert_eq!(of.mapping("p1").await.unwrap().overwrite_cost, Some(true));

    let mut connection = of.connection().await;
    connection.costs_readable = Some(false);
    of.world.put(&connection).await;
    of.save("p2", with_cost("service", of.backup)).await.assert_problem(422, "cost_not_readable");
    assert!(of.mapping("p2").await.is_none());
    of.map("p2", of.backup).await;
}

#[tokio::test]
async fn the_probe_decides_whether_costs_can_be_overwritten() {
    let of = Catalogue::new().await;
    of.world.sim.set_costs_readable(of.world.ci, false).unwrap();
    of.world.api(Role::PartnerAdmin).post("C/permissions/probe", Value::Null).await.assert_status(200);
    let body = json!({"target": {"kind": "service", "id": of.training}, "overwrite_cost": true});
    of.save("p1", body).await.assert_problem(422, "cost_not_readable");
}

#[tokio::test]
async fn earlier_targets_are_remembered_so_that_their_lines_can_be_swapped() {
    let of = Catalogue::new().await;
    let former = |saved: &Value| -> Vec<i64> {
        saved["mapping"]["former"].as_array().unwrap().iter().map(|t| t["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(former(&of.map("p1", of.training).await), [0; 0]);
    for _ in 0..2 {
        assert_eq!(former(&of.map("p1", of.backup).await), [of.training]);
    }
    let third = of.world.service("Third", "1.00", "0.50");
    assert_eq!(former(&of.map("p1", third).await), [of.training, of.backup]);
    assert_eq!(former(&of.map("p1", of.training).await), [of.backup, third], "the present one is not former");
    let out = of.save("p1", excluded()).await.expect(200);
    assert_eq!((former(&out), &out["mapping"]["target"]), (vec![of.backup, third, of.training], &Value::Null));
    assert_eq!(former(&of.map("p1", of.backup).await), [third, of.training]);
}

#[tokio::test]
async fn units_come_from_counts_where_counts_are_known_and_stay_with_what_was_chosen() {
    let of = Catalogue::new().await;
    let source = async |package: &str, body: Value| {
        of.save(package, body).await.assert_status(200);
        of.mapping(package).await.unwrap().quantity_source
    };
    assert_eq!(source("p1", to(of.training)).await, QuantitySource::Package);
    let ruled = json!({"target": {"kind": "service", "id": of.backup}, "count_rule": "high_water_mark"});
    assert_eq!(source("p2", ruled).await, QuantitySource::Usage);
    let count = json!({"active": 7, "as_of": "2026-11-20T10:00:00Z"});
    for package in ["p1", "p3"] {
        let account = json!({"name": "Blue Kite", "packages": [{"id": "p1"}, {"id": "p3"}]});
        let service = of.world.api(Role::Service);
        assert!(service.put("/v1/partners/acme/accounts/a1", account).await.is_success());
        assert!(service.put(&format!("/v1/usage/acme/a1/{package}"), count.clone()).await.is_success());
    }
    assert_eq!(source("p3", excluded()).await, QuantitySource::Usage, "counts are known");
    assert_eq!(source("p1", to(of.training)).await, QuantitySource::Package, "counts that came later change nothing");
    let chosen = json!({"target": {"kind": "service", "id": of.training}, "quantity_source": "usage"});
    assert_eq!(source("p1", chosen).await, QuantitySource::Usage);
    assert_eq!(source("p1", to(of.training)).await, QuantitySource::Usage);
}

#[tokio::test]
async fn nothing_is_read_or_saved_where_the_connection_cannot_be_used() {
    let of = Catalogue::new().await;
    let admin = of.world.api(Role::PartnerAdmin);
    admin.post("C/pause", Value::Null).await.assert_status(200);
    of.save("p1", to(of.training)).await.assert_problem(409, "connection_paused");
    of.billing().get("C/autotask/catalogue?kind=service").await.assert_problem(409, "connection_paused");
    assert!(of.mappings().await.is_empty());
    of.save("p1", excluded()).await.assert_status(200);
    of.billing().get("C/packages").await.assert_status(200);
    admin.post("C/resume", Value::Null).await.assert_status(200);
    of.world.sim.set_secret(of.world.ci, "another").unwrap();
    of.save("p1", to(of.training)).await.assert_problem(422, "credentials_invalid");
    assert!(of.mapping("p1").await.unwrap().excluded, "as it was");
}

#[tokio::test]
async fn a_save_that_autotask_does_not_answer_or_that_is_killed_saves_nothing_and_can_be_repeated() {
    let of = Catalogue::new().await;
    let away = FaultKind::Status { status: 503, body: json!({}) };
    of.world.sim.add_fault(Fault::new(Match::new("POST", "*Services/query"), away));
    for _ in 0..2 {
        of.save("p1", to(of.training)).await.assert_problem(503, "autotask_unavailable");
        of.billing().get("C/autotask/catalogue?kind=service").await.assert_problem(503, "autotask_unavailable");
    }
    of.world.sim.clear_faults();
    for request in 1..=2 {
        of.world.kill.arm(request, KillScope::Everything);
        assert_eq!(of.save("p1", to(of.training)).await.status, 502, "killed at request {request}");
        // What it held of Autotask's few threads is free again by itself.
        of.world.advance(SignedDuration::from_mins(10));
    }
    assert!(of.mappings().await.is_empty());
    assert!(of.world.published("package_mapping.changed").is_empty());
    assert_eq!(of.map("p1", of.training).await["changed"], true);
    assert_eq!(of.map("p1", of.training).await["changed"], false);
}
