//! What is new is here within the hour.

use super::{calls, day, hour, imported, told, viewer, world};
use domain::Role;
use serde_json::json;

#[tokio::test]
async fn a_new_invoice_a_payment_and_a_void_are_here_within_the_hour_each_with_one_event() {
    let world = world().await;
    let company = world.company("Northwind");
    let one = world.invoice(company, &[("Seats", 4, "2.50")]);
    let two = world.invoice(company, &[("Seats", 5, "2.50")]);
    imported(&world).await;

    let three = world.invoice(company, &[("Seats", 6, "2.50")]);
    world.pay_in_autotask(one.id, "2026-11-20".parse().unwrap());
    world.void_invoice(two.id);
    hour(&world).await;
    let mut events = told(&world);
    events.sort();
    assert_eq!(
        events,
        [
            ("invoice.created".to_owned(), three.id),
            ("invoice.paid".to_owned(), one.id),
            ("invoice.voided".to_owned(), two.id)
        ]
    );
    world.events.clear();
    hour(&world).await;
    assert_eq!(told(&world), []);
}

#[tokio::test]
async fn an_idle_hour_takes_three_calls() {
    let world = world().await;
    world.many_invoices(5, 20, 2);
    imported(&world).await;
    hour(&world).await;
    let paths = calls(&world);
    assert_eq!(paths.len(), 3, "{paths:?}");
    assert_eq!(told(&world), []);
}

#[tokio::test]
async fn a_renamed_company_and_a_changed_contact_are_told_once() {
    let world = world().await;
    let company = world.company("Northwind");
    world.invoice(company, &[("Seats", 4, "2.50")]);
    imported(&world).await;
    world.sim.patch(world.ci, "Companies", company, &json!({"companyName": "Northwind Traders"})).unwrap();
    hour(&world).await;
    assert_eq!(told(&world), [("customer.updated".to_owned(), company)]);
    let customer = world.published("customer.updated").remove(0).detail["data"]["name"].clone();
    assert_eq!(customer, "Northwind Traders");
    world.events.clear();
    hour(&world).await;
    assert_eq!(told(&world), []);
}

#[tokio::test]
async fn two_invoices_of_one_number_are_both_here_and_flagged_until_one_is_renumbered() {
    let world = world().await;
    let company = world.company("Northwind");
    let one = world.invoice(company, &[("Seats", 4, "2.50")]);
    let two = world.invoice(company, &[("Seats", 5, "2.50")]);
    world.renumber_invoice(two.id, &one.number);
    imported(&world).await;
    for id in [one.id, two.id] {
        let shown = viewer(&world, &format!("C/invoices/{id}")).await;
        assert_eq!((&shown["number_clash"], &shown["number"]), (&json!(true), &json!(one.number)));
    }
    world.renumber_invoice(two.id, "INV-NEW");
    hour(&world).await;
    for id in [one.id, two.id] {
        let shown = viewer(&world, &format!("C/invoices/{id}")).await;
        assert_eq!(shown["number_clash"], json!(false), "{id}");
    }
}

#[tokio::test]
async fn one_that_is_made_again_under_the_number_of_a_deleted_one_does_not_clash_with_it() {
    let world = world().await;
    let company = world.company("Northwind");
    let wrong = world.invoice(company, &[("Seats", 4, "2.50")]);
    imported(&world).await;
    world.delete_invoice(wrong.id);
    let right = world.invoice(company, &[("Seats", 5, "2.50")]);
    world.renumber_invoice(right.id, &wrong.number);
    hour(&world).await;
    let clashes = async |id| viewer(&world, &format!("C/invoices/{id}")).await["number_clash"] == json!(true);
    assert!(clashes(right.id).await, "until the daily look finds it gone");
    day(&world).await;
    assert!(!clashes(right.id).await && !clashes(wrong.id).await);
    let open = world.api(Role::PartnerViewer).get("C/issues?state=open").await.expect(200);
    let codes: Vec<_> = open["items"].as_array().unwrap().iter().map(|issue| issue["code"].clone()).collect();
    assert!(!codes.contains(&json!("invoice_number_clash")), "{codes:?}");
    let path = format!("C/invoices/explain?number={}", wrong.number);
    let found = world.api(Role::PartnerBilling).get(&path).await.expect(200);
    assert_eq!(found["findings"].as_array().map(Vec::len), Some(2), "both are still found by it: {found}");
}

#[tokio::test]
async fn a_date_of_payment_that_we_wrote_there_ourselves_is_no_news_when_it_is_read() {
    let world = world().await;
    let company = world.company("Northwind");
    let invoice = world.invoice(company, &[("Seats", 4, "2.50")]).id;
    imported(&world).await;
    let paid = json!({"connection": world.connection, "autotask_invoice_id": invoice, "amount": "10.00",
        "paid_at": "2026-11-20T10:00:00Z", "payment_id": "pay-1"});
    world.api(Role::Service).post("/v1/payments", paid).await.assert_status(201);
    world.drain().await;
    assert!(world.paid_there(invoice).is_some());
    assert_eq!(told(&world), [("invoice.paid".to_owned(), invoice)]);
    world.events.clear();
    hour(&world).await;
    assert_eq!(told(&world), []);
    assert_eq!(viewer(&world, &format!("C/invoices/{invoice}")).await["status"], "paid");
}
