//! The two buttons.

use super::{imported, viewer, world};
use domain::Role;
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulator::{Fault, FaultKind, Match};

#[tokio::test]
async fn each_button_is_taken_once_in_its_time_and_a_refusal_says_when_the_next_press_is() {
    let world = world().await;
    world.many_invoices(1, 3, 1);
    imported(&world).await;
    let billing = world.api(Role::PartnerBilling);
    for (path, hours) in [("C/sync/fetch-new", 1), ("C/sync/fetch-unpaid", 12)] {
        billing.post(path, json!({})).await.assert_status(202);
        world.drain().await;
        let refused = billing.post(path, json!({})).await;
        let problem = refused.assert_problem(429, "rate_limited_manual").clone();
        let next = problem["next_allowed_at"].as_str().unwrap().to_owned();
        let key = if hours == 1 { "new" } else { "open" };
        assert_eq!(viewer(&world, "C/sync-status").await[key]["next_manual_at"], next.as_str());
        world.advance(SignedDuration::from_hours(hours));
        billing.post(path, json!({})).await.assert_status(202);
        world.drain().await;
    }
}

#[tokio::test]
async fn a_press_that_failed_before_its_first_page_does_not_count() {
    let world = world().await;
    world.many_invoices(1, 3, 1);
    imported(&world).await;
    let billing = world.api(Role::PartnerBilling);
    let refused = FaultKind::Status { status: 403, body: json!({"errors": ["no"]}) };
    world.sim.add_fault(Fault::new(Match::new("POST", "*Companies/query"), refused));
    billing.post("C/sync/fetch-new", json!({})).await.assert_status(202);
    world.drain().await;
    let status = viewer(&world, "C/sync-status").await;
    assert_eq!(
        (&status["new"]["last_state"], &status["new"]["next_manual_at"]),
        (&json!("failed"), &json!(null)),
        "{status}"
    );
}

#[tokio::test]
async fn a_press_while_a_fetch_is_under_way_names_it_and_a_secondary_has_no_buttons() {
    let world = world().await;
    world.many_invoices(1, 3, 1);
    imported(&world).await;
    let (admin, billing) = (world.api(Role::PartnerAdmin), world.api(Role::PartnerBilling));
    let started = billing.post("C/sync/fetch-new", json!({})).await.expect(202);
    let refused = billing.post("C/sync/fetch-unpaid", json!({})).await;
    assert_eq!(refused.assert_problem(409, "already_running")["run_id"], started["run_id"]);
    world.drain().await;
    admin.patch("C/settings", json!({"priority": "secondary"})).await.assert_status(200);
    for path in ["C/sync/fetch-new", "C/sync/fetch-unpaid"] {
        billing.post(path, json!({})).await.assert_problem(403, "secondary_no_manual");
    }
    world.api(Role::PartnerViewer).post("C/sync/fetch-new", json!({})).await.assert_problem(403, "forbidden_role");
    admin.patch("C/settings", json!({"features": []})).await.assert_status(200);
    billing.post("C/sync/fetch-new", json!({})).await.assert_problem(409, "feature_off");
}

#[tokio::test]
async fn the_vendor_caps_how_often_each_button_is_taken() {
    let world = world().await;
    world.many_invoices(1, 3, 1);
    imported(&world).await;
    let vendor = world.api(Role::VendorAdmin).of_no_partner();
    let profile = |limits: Value| json!({"integration_vendor": "Sentinel Awareness", "support_address": "help@vendor.example", "manual_limits": limits});
    for bad in [json!({"fetch_new_minutes": 4}), json!({"fetch_unpaid_minutes": 10_081})] {
        vendor.put("/v1/vendor/profile", profile(bad)).await.assert_problem(400, "invalid_input");
    }
    let limits = json!({"fetch_new_minutes": 10, "fetch_unpaid_minutes": 30});
    let put = vendor.put("/v1/vendor/profile", profile(limits.clone())).await.expect(200);
    assert_eq!(put["manual_limits"], limits);
    let billing = world.api(Role::PartnerBilling);
    for (path, minutes) in [("C/sync/fetch-new", 10), ("C/sync/fetch-unpaid", 30)] {
        billing.post(path, json!({})).await.assert_status(202);
        world.drain().await;
        world.advance(SignedDuration::from_mins(minutes) - SignedDuration::from_secs(1));
        billing.post(path, json!({})).await.assert_problem(429, "rate_limited_manual");
        world.advance(SignedDuration::from_secs(1));
        billing.post(path, json!({})).await.assert_status(202);
        world.drain().await;
    }
}
