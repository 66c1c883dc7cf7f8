//! The settings of package billing, as partners read and change them.

use super::admin;
use domain::Role;
use domain::change::AuditRow;
use domain::records::Collection;
use serde_json::{Value, json};
use testkit::World;

async fn changes(world: &World) -> usize {
    let of = Collection::Audit(world.partner.clone(), Some(world.connection.clone()), "2026-11".to_owned());
    world.load_all::<AuditRow>(&of).await.into_iter().filter(|row| row.action == "settings.changed").count()
}

#[tokio::test]
async fn a_new_connection_shows_every_setting_with_its_default() {
    let world = testkit::world().await;
    let shown = world.api(Role::PartnerViewer).get("C/settings").await.expect(200);
    for (key, default) in [
        (
            "schedule",
            json!({"kind": "monthly", "day": 1, "weekday": "monday", "hour": 0, "minute": 15, "enabled": true}),
        ),
        (
            "effective_date",
            json!({
                "increase": "period_start", "decrease": "period_start",
                "package_change_increase": "actual_date", "package_change_decrease": "next_period",
            }),
        ),
        ("create_missing_lines", json!(true)),
        ("initial_sync_gate", json!("in_use")),
        ("second_approver", json!(false)),
        ("renewal", json!("propose")),
        ("renewal_notice_days", json!(30)),
        ("lookback_days", json!(7)),
        ("pdf", json!(true)),
        ("payment_writeback", json!(true)),
        (
            "failure_ticket",
            json!({"enabled": false, "queue": null, "priority": null, "source": null, "company_id": 0, "per": "run"}),
        ),
        ("topologies", json!({"many_accounts_per_company": "off", "contract_per_package": false})),
    ] {
        assert_eq!(shown[key], default, "{key}");
    }
    assert_eq!(shown["guards"]["max_money"], Value::Null);
    // A setting that is stored is shown: nothing can be set that nobody sees.
    let stored = serde_json::to_value(domain::connections::Settings::default()).unwrap();
    for (key, value) in stored.as_object().unwrap() {
        assert!(shown.get(key).is_some(), "{key} is not shown");
        for leaf in value.as_object().into_iter().flat_map(|leaves| leaves.keys()) {
            assert!(shown[key].get(leaf).is_some(), "{key}.{leaf} is not shown");
        }
    }
}

#[tokio::test]
async fn each_setting_is_changed_once_and_brought_back_by_null() {
    let world = testkit::world().await;
    let before = admin(&world).get("C/settings").await.expect(200);
    let patch = json!({
        "schedule": {"kind": "weekly", "weekday": "friday"},
        "guards": {"max_money": "250.50"},
        "approval_mode": "approve_exceptions",
        "effective_date": {"increase": "next_period", "package_change_decrease": "actual_date"},
        "create_missing_lines": false, "initial_sync_gate": "all_packages", "second_approver": true,
        "renewal": "auto_remap", "renewal_notice_days": 60, "pdf": false,
        "topologies": {"many_accounts_per_company": "separate", "contract_per_package": true},
    });
    for _ in 0..2 {
        let done = admin(&world).patch("C/settings", patch.clone()).await.expect(200);
        for (key, wanted) in patch.as_object().unwrap() {
            for (leaf, wanted) in wanted.as_object().into_iter().flatten() {
                assert_eq!(done[key][leaf], *wanted, "{key}.{leaf}");
            }
            assert!(wanted.is_object() || done[key] == *wanted, "{key}");
        }
        assert_eq!(done["effective_date"]["decrease"], "period_start", "what was not named stays");
        assert_eq!(changes(&world).await, 1);
        // What was read can be sent back as it is.
        assert_eq!(admin(&world).patch("C/settings", done.clone()).await.expect(200), done);
        assert_eq!(changes(&world).await, 1);
    }
    let nulls: Value = patch.as_object().unwrap().keys().map(|key| (key.clone(), Value::Null)).collect();
    assert_eq!(admin(&world).patch("C/settings", nulls).await.expect(200), before);
    assert_eq!(changes(&world).await, 2);
}

#[tokio::test]
async fn a_wrong_setting_is_told_with_every_other_and_none_is_taken() {
    let world = testkit::world().await;
    let patch = json!({
        "schedule": {"kind": "hourly"}, "guards": {"max_money": 250.5}, "renewal_notice_days": 181,
        "effective_date": {"increase": "tomorrow"}, "topologies": {"everything": true}, "create_missing_lines": false,
    });
    let reply = admin(&world).patch("C/settings", patch).await;
    let problem = reply.assert_problem(400, "invalid_input");
    let mut told: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap().to_owned()).collect();
    told.sort_unstable();
    let wanted = [
        "/effective_date/increase",
        "/guards/max_money",
        "/renewal_notice_days",
        "/schedule/kind",
        "/topologies/everything",
    ];
    assert_eq!(told, wanted);
    assert_eq!(admin(&world).get("C/settings").await.expect(200)["create_missing_lines"], true);
}

#[tokio::test]
async fn billing_decides_when_changes_count_and_not_who_must_agree() {
    let world = testkit::world().await;
    let billing = world.api(Role::PartnerBilling);
    let own = json!({
        "effective_date": {"decrease": "next_period"}, "create_missing_lines": false, "renewal": "auto_remap",
        "payment_writeback": false, "renewal_notice_days": 45, "initial_sync_gate": "all_packages", "guards": {"max_money": "10"},
    });
    assert_eq!(billing.patch("C/settings", own).await.expect(200)["renewal_notice_days"], 45);
    for beyond in [
        json!({"second_approver": true}),
        json!({"topologies": {"contract_per_package": true}}),
        json!({"schedule": {"kind": "daily"}}),
        json!({"pdf": false}),
    ] {
        billing.patch("C/settings", beyond.clone()).await.assert_problem(403, "forbidden_role");
        admin(&world).patch("C/settings", beyond).await.assert_status(200);
    }
}
