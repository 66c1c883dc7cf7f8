//! What an outsider tries who wishes us no good: every answer is the right one, in words that are the caller's.

use domain::Role;
use serde_json::{Value, json};
use testkit::{Reply, World};

const ALL: [Role; 6] = [
    Role::PartnerAdmin,
    Role::PartnerBilling,
    Role::PartnerViewer,
    Role::VendorSupport,
    Role::VendorAdmin,
    Role::Service,
];

/// Every field that was refused, with its rule.
fn rules(reply: &Reply) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = reply.json["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|e| (text(&e["pointer"]), text(&e["detail"]))).collect()
}

#[tokio::test]
async fn who_may_not_do_a_thing_is_told_that_whatever_the_request_holds() {
    let world = World::builder().build().await;
    let (admin, billing) = (Role::PartnerAdmin, Role::PartnerBilling);
    let (support, vendor, service) = (Role::VendorSupport, Role::VendorAdmin, Role::Service);
    let routes: [(&str, &str, &[Role]); 15] = [
        ("POST", "/v1/connections", &[admin]),
        ("POST", "C/relink", &[admin]),
        ("PATCH", "C/settings", &[admin, billing]),
        ("POST", "/v1/zones/discover", &[admin, support, vendor]),
        ("PUT", "/v1/vendor/profile", &[vendor]),
        ("GET", "/v1/vendor/lines?date=never", &[support, vendor]),
        ("PUT", "C/company-mappings/acc_1", &[admin, billing]),
        ("POST", "C/company-mappings/acc_1/remap", &[admin, billing]),
        ("POST", "C/company-mappings/bulk-confirm", &[admin, billing]),
        ("POST", "C/runs", &[admin, billing]),
        ("POST", "C/runs/0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012/apply", &[admin, billing]),
        ("POST", "/v1/accounts/batch", &[service]),
        ("PUT", "/v1/partners/acme/accounts/acc_1", &[service]),
        ("PUT", "/v1/packages/training", &[service, vendor]),
        ("POST", "/v1/usage/batch", &[service]),
    ];
    for (method, path, may) in routes {
        for role in ALL {
            let reply = world.api(role).send(method, path, br#"["no such request"]"#).await;
            if may.contains(&role) {
                reply.assert_problem(400, "invalid_input");
            } else {
                reply.assert_problem(403, "forbidden_role");
            }
        }
    }
}

#[tokio::test]
async fn a_sub_accounts_administrator_changes_neither_settings_nor_pauses() {
    let world = World::builder().build().await;
    let sub = world.api(Role::PartnerAdmin).claim("main_account", json!(false));
    sub.patch("C/settings", json!({"schedule": {"day": 2}})).await.assert_problem(403, "not_main_account");
    sub.post("C/pause", json!({})).await.assert_problem(403, "not_main_account");
    sub.post("C/resume", json!({})).await.assert_problem(403, "not_main_account");
    let found = world.api(Role::PartnerViewer).get("C").await;
    assert_eq!(found.json["status"], "connected");
}

#[tokio::test]
async fn refusals_repeat_no_value_and_no_words_of_the_code() {
    let world = World::builder().build().await;
    let admin = world.api(Role::PartnerAdmin);
    let patch = json!({
        "kill_switch": "canary", "drift": "canary", "freeze": "canary", "guards": {"max_units": 1.5},
        "approval_mode": 7,
    });
    let refused = admin.patch("C/settings", patch).await;
    refused.assert_problem(400, "invalid_input");
    let mut told = rules(&refused);
    told.sort();
    let rule = |at: &str, rule: &str| (at.to_owned(), rule.to_owned());
    assert_eq!(
        told,
        [
            rule("/approval_mode", "must be text"),
            rule("/drift", "must be one of `overwrite`, `hold`, `respect_until_next_month`"),
            rule("/freeze", "must be an object"),
            rule("/guards/max_units", "must be a whole number"),
            rule("/kill_switch", "must be `true` or `false`"),
        ]
    );
    let service = world.api(Role::Service);
    let batch = service.post("/v1/usage/batch", json!({"items": ["canary", {"partner": 5}]})).await;
    let price =
        service.put("/v1/packages/p1", json!({"name": "P", "metric": "user", "unit_price_to_partner": 1.25})).await;
    price.assert_problem(400, "invalid_input");
    assert_eq!(rules(&price), [rule("/unit_price_to_partner", "must be text")], "no floats for money");
    let run = json!({"kind": "seat_sync", "mode": "preview", "effective_date": "2026-02-30"});
    let day = admin.post("C/runs", run).await;
    let limits = [
        (admin.get("C/accounts?limit=-1").await, rule("limit", "must be a whole number")),
        (admin.get("C/accounts?limit=1&limit=2").await, rule("limit", "stands twice")),
        (admin.get("C/accounts?live=canary").await, rule("live", "must be `true` or `false`")),
    ];
    for (reply, expected) in &limits {
        reply.assert_problem(400, "invalid_input");
        assert_eq!(rules(reply), std::slice::from_ref(expected));
    }
    for reply in [refused, batch, price, day].iter().chain(limits.iter().map(|(reply, _)| reply)) {
        for word in ["canary", "struct", "i64", "jiff", "UsageItemBody", "Decimal", "digit", "2026-02"] {
            assert!(!reply.text.contains(word), "{word}: {}", reply.text);
        }
    }
}
