//! One invoice, fetched again by hand.

use super::{calls, imported, kept, told, viewer, world};
use domain::Role;
use serde_json::json;
use simulator::{Access, Permissions};

#[tokio::test]
async fn an_edited_invoice_is_right_at_once_with_its_lines_and_told_once() {
    let world = world().await;
    let company = world.company("Northwind");
    let one = world.invoice(company, &[("Seats", 4, "2.50")]);
    imported(&world).await;
    world.add_invoice_line(one.id, ("Backup", 1, "40.00"));
    world.invoice_due_on(one.id, "2027-01-31".parse().unwrap());
    let billing = world.api(Role::PartnerBilling);
    let path = format!("C/invoices/{}/resync", one.id);
    let done = billing.post(&path, json!({})).await.expect(200);
    assert_eq!(
        (&done["total"], &done["due_date"], &done["line_count"], &done["lines_match"]),
        (&json!("50.00"), &json!("2027-01-31"), &json!(2), &json!(true))
    );
    assert!(calls(&world).len() <= 4, "{:?}", calls(&world));
    assert_eq!(told(&world), [("invoice.updated".to_owned(), one.id)]);
    world.events.clear();
    billing.post(&path, json!({})).await.assert_status(200);
    assert_eq!(told(&world), [], "the same again changes nothing");
    assert!(world.writes().is_empty());
    let lines = viewer(&world, &format!("C/invoices/{}/lines", one.id)).await;
    assert_eq!(lines["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn one_that_was_never_here_comes_and_one_of_an_unknown_customer_too() {
    let world = world().await;
    imported(&world).await;
    let company = world.company("Northwind");
    let one = world.invoice(company, &[("Seats", 4, "2.50")]);
    let made = world.api(Role::PartnerBilling).post(&format!("C/invoices/{}/resync", one.id), json!({})).await;
    assert_eq!((made.status, &made.json["total"]), (201, &json!("10.00")));
    assert_eq!(viewer(&world, &format!("C/customers/{company}")).await["name"], "Northwind");
    assert_eq!(kept(&world).await.len(), 1);
}

#[tokio::test]
async fn a_filter_that_keeps_it_out_is_named_and_nothing_is_changed() {
    let world = world().await;
    let company = world.company("Northwind");
    let one = world.invoice(company, &[("Seats", 4, "2.50")]);
    imported(&world).await;
    let admin = world.api(Role::PartnerAdmin);
    let billing = world.api(Role::PartnerBilling);
    let path = format!("C/invoices/{}/resync", one.id);
    let fresh = world.invoice(company, &[("Seats", 5, "2.50")]);
    for (filters, name) in [
        (json!({"company_ids": {"not_in": [company]}}), "company_ids"),
        (json!({"company_types": ["Lead"]}), "company_types"),
        (json!({"contact_udf": {"name": "Billing Contact", "equals": "Yes"}}), "contact_udf"),
        (json!({"invoice_date_from": "2026-11-21"}), "invoice_date_from"),
    ] {
        admin.put("C/filters", filters).await.assert_status(200);
        for path in [&path, &format!("C/invoices/{}/resync", fresh.id)] {
            let refused = billing.post(path, json!({})).await;
            let problem = refused.assert_problem(409, "customer_not_synced");
            assert_eq!((&problem["filter"]["name"], &problem["company_id"]), (&json!(name), &json!(company)));
        }
    }
    assert_eq!(kept(&world).await.len(), 1);
}

#[tokio::test]
async fn one_that_was_deleted_there_is_called_missing_unless_the_right_to_see_it_may_be() {
    let world = world().await;
    let company = world.company("Northwind");
    let one = world.invoice(company, &[("Seats", 4, "2.50")]);
    imported(&world).await;
    let billing = world.api(Role::PartnerBilling);
    let path = format!("C/invoices/{}/resync", one.id);
    world.sim.set_permissions(world.ci, Permissions::default().with("Invoices", Access::NONE)).unwrap();
    billing.post(&path, json!({})).await.assert_problem(403, "permission_missing");
    assert_eq!(viewer(&world, &format!("C/invoices/{}", one.id)).await["status"], "open");
    world.sim.set_permissions(world.ci, Permissions::default()).unwrap();
    world.delete_invoice(one.id);
    let done = billing.post(&path, json!({})).await.expect(200);
    assert_eq!((&done["status"], &done["archived_at"]), (&json!("missing"), &json!(null)));
    assert_eq!(told(&world), [("invoice.missing".to_owned(), one.id)]);
    billing.post("C/invoices/4711/resync", json!({})).await.assert_problem(404, "not_found");
    world.api(Role::PartnerViewer).post(&path, json!({})).await.assert_problem(403, "forbidden_role");
}
