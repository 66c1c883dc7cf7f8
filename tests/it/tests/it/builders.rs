//! The world's builders make what Autotask and the functions then serve.

use domain::{LineRef, Role};
use jiff::civil::date;
use serde_json::json;
use testkit::world;

#[tokio::test]
async fn accounts_are_mapped_to_contracts_that_have_no_lines_yet() {
    let world = world().await;
    let packages = [world.package("training", "Training").await, world.package("phishing", "Phishing").await];
    let clients = world.clients(2, &packages).await;
    let more = world.clients(1, &packages[..1]).await;
    world.usage_of(&more[0].account, &packages[0], 12).await;
    assert!(clients.iter().all(|client| world.lines_of(client.contract_id).is_empty()));

    let found = world.api(Role::PartnerBilling).get("C/accounts?status=confirmed").await.expect(200);
    let accounts: Vec<_> = found["items"].as_array().unwrap().iter().map(|row| row["account_id"].clone()).collect();
    assert_eq!(accounts, [json!("acc_0001"), json!("acc_0002"), json!("acc_0003")], "{found}");
    let path = format!("C/autotask/companies/{}/contracts", more[0].company_id);
    let found = world.api(Role::PartnerBilling).get(&path).await.expect(200);
    assert_eq!(found["items"][0]["id"], json!(more[0].contract_id), "{found}");
    assert_eq!(found["items"][0]["eligible"], json!(true), "{found}");
    // The first look at the accounts began an auto-map.
    world.drain().await;
}

#[tokio::test]
async fn lines_of_a_contract_are_told_with_their_units_and_what_they_hold() {
    let world = world().await;
    let (service, other) = (world.service("Training", "3.50", "1.75"), world.service("Backup", "9.00", "4.00"));
    let bundle = world.bundle("Essentials", "12.00", &[service, other]);
    let product = world.product("Training", "TR-1");
    let company = world.company("Blue Kite");
    let contract = world.contract(company, date(2026, 10, 1), date(2026, 12, 31));
    assert_eq!(world.lines_of(contract), []);

    let line = world.line_on(contract, service, 10);
    let bare = world.line_on(contract, other, None);
    let bundles = world.bundle_line_on(contract, bundle, 4);
    assert_eq!(world.lines_of(contract), [(line, service), (bare, other), (bundles, bundle)]);
    assert_eq!(bundles, LineRef::bundle(bundles.id));
    assert_eq!(world.by_hand(line, date(2026, 12, 1), -3), 7);
    assert_eq!(world.by_hand(bundles, date(2026, 11, 15), 1), 5);
    for (line, day, units) in [
        (line, date(2026, 10, 1), Some(10)),
        (line, date(2026, 11, 30), Some(10)),
        (line, date(2026, 12, 31), Some(7)),
        (line, date(2027, 1, 1), None),
        (bare, date(2026, 12, 1), None),
        (bundles, date(2026, 11, 14), Some(4)),
        (bundles, date(2026, 11, 15), Some(5)),
    ] {
        assert_eq!(world.units_at(line, day), units, "{line} {day}");
    }
    assert!(world.sim.adjustments().is_empty());

    assert_eq!(world.row("Services", service)["billingCodeID"], world.row("ServiceBundles", bundle)["billingCodeID"]);
    assert_eq!(world.rows("BillingCodes").len(), 2, "one for services, one for products");
    assert_eq!(world.rows("ServiceBundleServices").len(), 2);
    assert_eq!(world.row("Products", product)["sku"], json!("TR-1"));
}

#[tokio::test]
async fn invoices_are_made_and_changed_as_people_do_it() {
    let world = world().await;
    let company = world.company("Blue Kite");
    let first = world.invoice(company, &[("Seats", 3, "12.50"), ("Setup", 1, "100")]);
    let second = world.invoice_with(company, json!({"invoiceNumber": "A-2", "invoiceDateTime": "2026-10-01"}));
    assert_eq!((first.number.clone(), second.number.as_str()), (format!("INV-{}", first.id), "A-2"));
    let shown = |id: i64, field: &str| world.row("Invoices", id)[field].clone();
    assert_eq!([shown(first.id, "invoiceTotal"), shown(second.id, "invoiceTotal")], [json!(137.5), json!(0.0)]);
    assert_eq!(shown(second.id, "dueDate"), json!("2026-10-31T00:00:00Z"));

    let line = world.add_invoice_line(first.id, ("Travel", 2, "0.50"));
    world.remove_invoice_line(first.lines[1]);
    assert_eq!(shown(first.id, "invoiceTotal"), json!(38.5));
    assert_eq!(world.row("BillingItems", line)["invoiceID"], json!(first.id));
    world.pay_in_autotask(first.id, date(2026, 11, 19));
    assert_eq!(world.paid_there(first.id), Some(date(2026, 11, 19)));
    world.unpay_in_autotask(first.id);
    assert_eq!(world.paid_there(first.id), None);
    world.invoice_due_on(first.id, date(2026, 12, 24));
    world.renumber_invoice(first.id, "A-2");
    world.void_invoice(first.id);
    assert_eq!(shown(first.id, "dueDate"), json!("2026-12-24T00:00:00Z"));
    assert_eq!([shown(first.id, "invoiceNumber"), shown(first.id, "isVoided")], [json!("A-2"), json!(true)]);
    world.delete_invoice(second.id);
    assert_eq!(world.rows("Invoices").len(), 1);

    let many = world.many_invoices(3, 7, 2);
    assert_eq!((many.len(), world.rows("Invoices").len(), world.rows("BillingItems").len()), (7, 8, 2 + 14));
    let companies: std::collections::BTreeSet<_> = many.iter().map(|id| shown(*id, "companyID").to_string()).collect();
    assert_eq!(companies.len(), 3);
    assert!(world.sim.requests().is_empty(), "none of it went through the API");
}
