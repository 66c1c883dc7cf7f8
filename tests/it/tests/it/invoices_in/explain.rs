//! "Why is this invoice not here?"

use super::{calls, hour, imported, on, viewer, world};
use domain::Role;
use domain::invoices::Invoice;
use domain::records::Key;
use serde_json::{Value, json};
use simulator::{Access, Permissions};
use testkit::World;

async fn ask(world: &World, what: &str) -> Value {
    world.sim.clear_requests();
    let answer = world.api(Role::PartnerBilling).get(&format!("C/invoices/explain?{what}")).await.expect(200);
    assert!(calls(world).len() <= 3, "{:?}", calls(world));
    assert_eq!(answer["findings"].as_array().unwrap().len(), 1, "{answer}");
    answer["findings"][0].clone()
}

async fn put(world: &World, filters: Value) {
    world.api(Role::PartnerAdmin).put("C/filters", filters).await.assert_status(200);
}

#[tokio::test]
async fn what_is_here_is_told_without_a_call_with_its_state() {
    let world = world().await;
    let company = world.company("Northwind");
    let one = world.invoice(company, &[("Seats", 4, "2.50")]);
    let two = world.invoice(company, &[("Seats", 5, "2.50")]);
    world.void_invoice(two.id);
    imported(&world).await;
    let found = ask(&world, &format!("number={}", one.number)).await;
    assert_eq!(
        (&found["verdict"], &found["status"], &found["autotask_id"], &found["company_name"]),
        (&json!("here"), &json!("open"), &json!(one.id), &json!("Northwind"))
    );
    assert!(found["since"].is_string() && found["code"].is_null(), "{found}");
    let found = ask(&world, &format!("autotask_id={}", two.id)).await;
    assert_eq!((&found["status"], &found["voided_date"]), (&json!("voided"), &json!("2026-11-20")));
    assert!(calls(&world).is_empty());
}

#[tokio::test]
async fn each_filter_that_hides_is_named_with_its_value_and_the_customer() {
    let world = world().await;
    let company = world.company("Northwind");
    let paid = world.invoice(company, &[("Seats", 4, "2.50")]);
    world.pay_in_autotask(paid.id, "2026-11-19".parse().unwrap());
    let zero = world.invoice(company, &[("Seats", 0, "2.50")]);
    let filters = json!({"unpaid_only": true, "include_zero": false});
    put(&world, filters).await;
    world.advance(jiff::SignedDuration::from_mins(1));
    imported(&world).await;
    for (invoice, filter, value) in [(&paid, "unpaid_only", json!(true)), (&zero, "include_zero", json!(false))] {
        let found = ask(&world, &format!("number={}", invoice.number)).await;
        assert_eq!((&found["verdict"], &found["code"]), (&json!("hidden"), &json!("customer_not_synced")), "{found}");
        assert_eq!(found["filter"], json!({"name": filter, "value": value}));
    }
    for (filters, name) in [
        (json!({"company_types": ["Lead"]}), "company_types"),
        (json!({"classifications": ["Gold"]}), "classifications"),
        (json!({"company_ids": {"not_in": [company]}}), "company_ids"),
        (json!({"company_udf": {"name": "Tier", "equals": "A"}}), "company_udf"),
        (json!({"contact_udf": {"name": "Billing Contact", "equals": "Yes"}}), "contact_udf"),
        (json!({"invoice_date_from": "2026-11-21"}), "invoice_date_from"),
    ] {
        put(&world, filters.clone()).await;
        let found = ask(&world, &format!("autotask_id={}", zero.id)).await;
        assert_eq!((&found["verdict"], &found["filter"]["name"]), (&json!("hidden"), &json!(name)), "{found}");
        assert!(!found["filter"]["value"].is_null());
        assert_eq!((&found["company_id"], &found["company_name"]), (&json!(company), &json!("Northwind")));
    }
}

#[tokio::test]
async fn what_is_new_names_the_fetch_that_brings_it_and_what_slipped_through_can_be_fetched_by_hand() {
    let world = world().await;
    let company = world.company("Northwind");
    let early = world.invoice(company, &[("Seats", 1, "2.50")]);
    let found = ask(&world, &format!("autotask_id={}", early.id)).await;
    assert_eq!(found["verdict"], "not_fetched_yet", "before the first import: {found}");
    world.advance(jiff::SignedDuration::from_mins(1));
    imported(&world).await;
    world.advance(jiff::SignedDuration::from_mins(1));
    let late = world.invoice(company, &[("Seats", 2, "2.50")]);
    let found = ask(&world, &format!("number={}", late.number)).await;
    assert_eq!(found["verdict"], "not_fetched_yet");
    assert_eq!(found["next_fetch_at"], viewer(&world, "C/sync-status").await["new"]["next_at"]);
    hour(&world).await;
    assert_eq!(ask(&world, &format!("number={}", late.number)).await["verdict"], "here");

    let key = Key::Invoice(world.partner.clone(), world.connection.clone(), early.id);
    assert!(world.load::<Invoice>(&key).await.is_some());
    world.remove(key).await;
    let found = ask(&world, &format!("autotask_id={}", early.id)).await;
    assert_eq!(found["verdict"], "missed", "{found}");
}

#[tokio::test]
async fn what_autotask_does_not_have_is_told_from_what_it_does_not_show() {
    let world = world().await;
    imported(&world).await;
    assert_eq!(ask(&world, "number=INV-4711").await["verdict"], "not_in_autotask");
    assert_eq!(ask(&world, "autotask_id=4711").await["verdict"], "not_in_autotask");
    world.sim.set_permissions(world.ci, Permissions::default().with("Invoices", Access::NONE)).unwrap();
    let found = world.api(Role::PartnerBilling).get("C/invoices/explain?autotask_id=4711").await;
    match found.status {
        200 => assert_eq!(found.json["findings"][0]["verdict"], "not_visible", "{}", found.text),
        _ => {
            found.assert_problem(403, "permission_missing");
        }
    }
}

#[tokio::test]
async fn exactly_one_of_number_and_id_is_asked_for_by_billing() {
    let world = world().await;
    let billing = world.api(Role::PartnerBilling);
    for bad in ["", "?number=%20", "?number=a&autotask_id=1"] {
        billing.get(&format!("C/invoices/explain{bad}")).await.assert_problem(400, "invalid_input");
    }
    let viewer = world.api(Role::PartnerViewer);
    viewer.get("C/invoices/explain?number=a").await.assert_problem(403, "forbidden_role");
    world.api(Role::PartnerAdmin).patch("C/settings", json!({"features": []})).await.assert_status(200);
    billing.get("C/invoices/explain?number=a").await.assert_problem(409, "feature_off");
    on(&world).await;
}
