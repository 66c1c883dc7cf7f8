//! Filters: what is refused, what they let through, and what a change of them brings and stops.

use super::{calls, hour, imported, kept, told, viewer, world};
use domain::Role;
use domain::invoices::{Customer, Filters, FiltersRecord};
use domain::records::{Collection, Key};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{SECRET, USERNAME, World};

async fn put(world: &World, filters: Value) -> Value {
    world.api(Role::PartnerAdmin).put("C/filters", filters).await.expect(200)
}

async fn here(world: &World) -> BTreeSet<i64> {
    kept(world).await.into_iter().map(|invoice| invoice.id).collect()
}

async fn customers(world: &World) -> Vec<Customer> {
    world.load_all(&Collection::Customers(world.partner.clone(), world.connection.clone())).await
}

fn company(world: &World, name: &str, fields: Value) -> i64 {
    let id = world.company(name);
    world.sim.patch(world.ci, "Companies", id, &fields).unwrap();
    id
}

fn udf(name: &str, value: &str) -> Value {
    json!({"userDefinedFields": [{"name": name, "value": value}]})
}

/// Ticks until nothing is wanted any more: minutes, not an hour.
async fn soon(world: &World) {
    world.advance(SignedDuration::from_mins(5));
    super::tick(world).await;
}

#[tokio::test]
async fn without_filters_everything_is_wanted_and_says_so() {
    let world = world().await;
    let reply = world.api(Role::PartnerViewer).get("C/filters").await;
    assert_eq!(reply.header("etag"), Some("\"0\""));
    assert_eq!(reply.json["everything"], true);
    assert_eq!((&reply.json["changed_at"], &reply.json["filters"]["include_zero"]), (&json!(null), &json!(true)));
    let nothing = world.company("Northwind");
    let zero = world.invoice(nothing, &[("Seats", 0, "2.50")]);
    imported(&world).await;
    assert_eq!(here(&world).await, BTreeSet::from([zero.id]));
}

#[tokio::test]
async fn everything_that_is_wrong_is_refused_at_once_and_nothing_is_saved() {
    let world = world().await;
    let admin = world.api(Role::PartnerAdmin);
    let reply = admin
        .put(
            "C/filters",
            json!({
                "company_types": ["customer", "Frobnicator"], "classifications": ["Platinum"],
                "company_ids": {"in": [7], "not_in": [7]},
                "company_udf": {"name": "Vault Code", "equals": "x"},
                "contact_udf": {"name": "billing contact", "equals": "Perhaps"},
                "invoice_date_from": "1901-01-01",
            }),
        )
        .await;
    let problem = reply.assert_problem(400, "invalid_input");
    let mut pointers: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/classifications/0",
            "/company_ids/not_in/0",
            "/company_types/1",
            "/company_udf/name",
            "/contact_udf/equals",
            "/invoice_date_from"
        ]
    );
    assert_eq!(viewer(&world, "C/filters").await["everything"], true);
    admin.put("C/filters", json!({"company_typos": []})).await.assert_problem(400, "invalid_input");
    let multi = json!({"company_udf": {"name": "Interests", "equals": "Golf"}});
    let problem = admin.put("C/filters", multi).await.assert_problem(400, "invalid_input").clone();
    assert!(problem["detail"].as_str().unwrap().contains("several values"), "{problem}");
    let billing = world.api(Role::PartnerBilling);
    billing.put("C/filters", json!({})).await.assert_problem(403, "forbidden_role");
}

#[tokio::test]
async fn labels_and_fields_are_kept_as_autotask_spells_them_and_a_switched_off_label_is_warned_about() {
    let world = world().await;
    let saved = put(
        &world,
        json!({
            "company_types": ["customer", "Customer ", "dead"],
            "contact_udf": {"name": "billing contact", "equals": "yes"},
        }),
    )
    .await;
    assert_eq!(saved["filters"]["company_types"], json!(["Customer", "Dead"]));
    assert_eq!(saved["filters"]["contact_udf"]["name"], "Billing Contact");
    assert_eq!(saved["warnings"][0]["pointer"], "/company_types/2");
    let key = Key::InvoiceFilters(world.partner.clone(), world.connection.clone());
    let record: FiltersRecord = world.load(&key).await.unwrap().value;
    assert_eq!((record.company_type_ids, record.contact_udf_value.as_deref()), (vec![1, 4], Some("1")));
}

#[tokio::test]
async fn each_filter_lets_through_what_it_says() {
    let world = world().await;
    let gold = company(&world, "Gold", json!({"classification": 1}));
    let lead = company(&world, "Lead", json!({"companyType": 2}));
    let tier = company(&world, "Tier", udf("Tier", "A"));
    let plan = company(&world, "Plan", udf("Billing Plan", "2"));
    let payer = world.company("Payer");
    let contact = json!({"companyID": payer, "firstName": "A", "lastName": "B", "isActive": 1});
    let contact = world.sim.insert(world.ci, "Contacts", &[contact]).unwrap()[0];
    world.sim.patch(world.ci, "Contacts", contact, &udf("Billing Contact", "1")).unwrap();
    let all: Vec<i64> = [gold, lead, tier, plan, payer]
        .iter()
        .map(|company| world.invoice(*company, &[("Seats", 1, "2.50")]).id)
        .collect();
    imported(&world).await;
    assert_eq!(here(&world).await.len(), 5);
    for (filters, wanted) in [
        (json!({"classifications": ["Gold"]}), vec![0]),
        (json!({"company_types": ["Lead"]}), vec![1]),
        (json!({"company_udf": {"name": "Tier", "equals": "a"}}), vec![2]),
        (json!({"company_udf": {"name": "Billing Plan", "equals": "Yearly"}}), vec![3]),
        (json!({"contact_udf": {"name": "Billing Contact", "equals": "Yes"}}), vec![4]),
        (json!({"company_ids": {"in": [gold, tier]}}), vec![0, 2]),
        (json!({"company_ids": {"not_in": [gold, tier]}}), vec![1, 3, 4]),
        (json!({"invoice_date_from": "2026-11-21"}), vec![]),
        (json!({}), vec![0, 1, 2, 3, 4]),
    ] {
        let saved = put(&world, filters.clone()).await;
        let invoices = &saved["effect"]["invoices"];
        assert_eq!(
            (&invoices["matching"], &saved["effect"]["exact"]),
            (&json!(wanted.len()), &json!(true)),
            "{filters}: {saved}"
        );
        soon(&world).await;
        let open: BTreeSet<i64> = viewer(&world, "C/invoices").await["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["stopped_by"].is_null())
            .map(|item| item["autotask_id"].as_i64().unwrap())
            .collect();
        let expected: BTreeSet<i64> = wanted.iter().map(|at: &usize| all[*at]).collect();
        assert_eq!(open, expected, "{filters}");
        assert_eq!(here(&world).await.len(), 5, "nothing is deleted");
    }
}

#[tokio::test]
async fn narrowing_stops_updates_at_the_next_tick_and_deletes_nothing() {
    let world = world().await;
    let (stays, goes) = (world.company("Stays"), world.company("Goes"));
    let one = world.invoice(stays, &[("Seats", 4, "2.50")]);
    let two = world.invoice(goes, &[("Seats", 5, "2.50")]);
    imported(&world).await;
    let saved = put(&world, json!({"company_ids": {"not_in": [goes]}})).await;
    assert_eq!((&saved["import"], &saved["changed"]), (&json!(false), &json!(true)));
    assert_eq!(saved["effect"]["invoices"]["stops_updating"], 1, "{saved}");
    assert_eq!(saved["effect"]["invoices"]["appears"], 0);
    soon(&world).await;
    let hidden = |customers: Vec<Customer>| {
        customers.into_iter().find(|customer| customer.id == goes).unwrap().hidden_by.unwrap_or_default()
    };
    assert_eq!(hidden(customers(&world).await), "company_ids");
    for id in [one.id, two.id] {
        world.pay_in_autotask(id, "2026-11-20".parse().unwrap());
    }
    world.events.clear();
    hour(&world).await;
    assert_eq!(told(&world), [("invoice.paid".to_owned(), one.id)]);
    let shown = viewer(&world, &format!("C/invoices/{}", two.id)).await;
    assert_eq!((&shown["status"], &shown["stopped_by"]), (&json!("open"), &json!("company_ids")));
    let status = viewer(&world, "C/sync-status").await;
    assert_eq!(status["new"]["last_state"], "done", "no import was needed: {status}");

    // Saving the same again changes nothing.
    let again = put(&world, json!({"company_ids": {"not_in": [goes]}})).await;
    assert_eq!(again["changed"], false);
    world.sim.clear_requests();
    hour(&world).await;
    assert_eq!(calls(&world).len(), 3, "{:?}", calls(&world));
}

#[tokio::test]
async fn widening_brings_what_was_kept_out_at_the_next_tick_without_connecting_again() {
    let world = world().await;
    let (first, second) = (world.company("First"), world.company("Second"));
    put(&world, json!({"company_ids": {"in": [first]}, "include_zero": false})).await;
    let one = world.invoice(first, &[("Seats", 4, "2.50")]);
    let zero = world.invoice(first, &[("Seats", 0, "2.50")]);
    let two = world.invoice(second, &[("Seats", 5, "2.50")]);
    imported(&world).await;
    assert_eq!(here(&world).await, BTreeSet::from([one.id]));
    world.advance(SignedDuration::from_hours(24 * 30));
    let preview = world.api(Role::PartnerBilling).post("C/filters/preview", json!({})).await.expect(200);
    assert_eq!((&preview["import"], &preview["effect"]["invoices"]["appears"]), (&json!(true), &json!(2)));
    assert_eq!(here(&world).await, BTreeSet::from([one.id]));
    let saved = put(&world, json!({})).await;
    assert_eq!(saved["import"], true);
    soon(&world).await;
    assert_eq!(here(&world).await, BTreeSet::from([one.id, zero.id, two.id]));
    let status = viewer(&world, "C/sync-status").await;
    assert_eq!(status["import"]["last_counts"]["invoices_created"], 2, "{status}");
    world.sim.clear_requests();
    hour(&world).await;
    assert_eq!(calls(&world).len(), 3, "the import was done once");
}

#[tokio::test]
async fn filters_that_change_while_an_import_runs_ask_for_another() {
    let world = world().await;
    let (first, second) = (world.company("First"), world.company("Second"));
    put(&world, json!({"company_ids": {"in": [first]}})).await;
    let one = world.invoice(first, &[("Seats", 4, "2.50")]);
    let two = world.invoice(second, &[("Seats", 5, "2.50")]);
    world.tick("invoice-fetch", &world.clock.now().to_string()).await;
    // Claimed and not worked on yet; the clock does not even move.
    put(&world, json!({"company_ids": {"in": [first, second]}})).await;
    world.drain().await;
    world.advance(SignedDuration::from_mins(15));
    super::tick(&world).await;
    assert_eq!(here(&world).await, BTreeSet::from([one.id, two.id]));
    let all: Vec<domain::invoices::fetch::Fetch> =
        world.load_all(&Collection::Fetches(world.partner.clone(), world.connection.clone())).await;
    assert_eq!(all.iter().filter(|fetch| fetch.kind == domain::invoices::fetch::FetchKind::Import).count(), 2);
}

#[tokio::test]
async fn unpaid_only_leaves_out_what_was_closed_before_the_first_import_for_good() {
    let world = world().await;
    let (company, later) = (world.company("Northwind"), world.company("Later"));
    let closed = world.invoice(company, &[("Seats", 1, "2.50")]);
    let of_later = world.invoice(later, &[("Seats", 1, "2.50")]);
    let open = world.invoice(company, &[("Seats", 2, "2.50")]);
    for id in [closed.id, of_later.id] {
        world.pay_in_autotask(id, "2026-11-19".parse().unwrap());
    }
    let saved = put(&world, json!({"unpaid_only": true, "company_ids": {"in": [company]}})).await;
    assert_eq!(saved["effect"]["invoices"]["matching"], 1, "{saved}");
    world.advance(SignedDuration::from_mins(1));
    imported(&world).await;
    assert_eq!(here(&world).await, BTreeSet::from([open.id]));
    // The hourly look goes back by days, and sees the closed one again.
    hour(&world).await;
    assert_eq!(here(&world).await, BTreeSet::from([open.id]));
    let fresh = world.invoice(company, &[("Seats", 3, "2.50")]);
    for id in [fresh.id, open.id] {
        world.pay_in_autotask(id, "2026-11-20".parse().unwrap());
    }
    hour(&world).await;
    assert_eq!(here(&world).await, BTreeSet::from([open.id, fresh.id]));
    assert!(kept(&world).await.iter().all(|invoice| invoice.paid_on.is_some()));
    // Others' history stays away as well when they are let through later.
    put(&world, json!({"unpaid_only": true})).await;
    soon(&world).await;
    assert_eq!(here(&world).await, BTreeSet::from([open.id, fresh.id]));
    put(&world, json!({})).await;
    soon(&world).await;
    assert_eq!(here(&world).await, BTreeSet::from([closed.id, of_later.id, open.id, fresh.id]));
}

#[tokio::test]
async fn a_save_needs_the_version_that_was_read_and_leaves_one_row_of_the_audit_trail() {
    let world = world().await;
    let admin = world.api(Role::PartnerAdmin);
    let first = admin.header("if-match", "\"0\"").put("C/filters", json!({"unpaid_only": true})).await;
    assert_eq!((first.status, first.header("etag")), (200, Some("\"1\"")));
    let stale = world.api(Role::PartnerAdmin).header("if-match", "\"0\"").put("C/filters", json!({})).await;
    stale.assert_problem(412, "precondition_failed");
    assert_eq!(viewer(&world, "C/filters").await["filters"]["unpaid_only"], true);
}

#[tokio::test]
async fn filters_can_be_saved_while_autotask_cannot_be_asked_if_they_name_nothing_of_it() {
    let world = world().await;
    world.api(Role::PartnerAdmin).post("C/pause", json!({})).await.assert_status(200);
    let saved = put(&world, json!({"unpaid_only": true})).await;
    assert_eq!((&saved["changed"], &saved["effect"]), (&json!(true), &json!(null)));
    let reply = world.api(Role::PartnerAdmin).put("C/filters", json!({"company_types": ["Customer"]})).await;
    reply.assert_problem(409, "connection_paused");
}

#[tokio::test]
async fn a_preview_of_many_companies_says_that_it_estimates() {
    let world = world().await;
    world.many_invoices(600, 1_200, 1);
    let one = world.company("Lead");
    world.sim.patch(world.ci, "Companies", one, &json!({"companyType": 2})).unwrap();
    world.invoice(one, &[("Seats", 1, "2.50")]);
    world.sim.clear_requests();
    let billing = world.api(Role::PartnerBilling);
    let preview = billing.post("C/filters/preview", json!({"company_types": ["Customer"]})).await.expect(200);
    let effect = &preview["effect"];
    assert_eq!(effect["exact"], false, "{preview}");
    let companies = effect["companies"]["matching"].as_u64().unwrap();
    assert!(companies >= 600 && companies < effect["companies"]["total"].as_u64().unwrap(), "{preview}");
    assert!(calls(&world).len() <= 12, "{:?}", calls(&world));
    world.sim.clear_requests();
    let preview = billing.post("C/filters/preview", json!({"company_types": ["Lead"]})).await.expect(200);
    assert_eq!((&preview["effect"]["exact"], &preview["effect"]["invoices"]["matching"]), (&json!(true), &json!(1)));
    assert_eq!(preview["effect"]["invoices"]["stops_updating"], 1_200);
    assert!(calls(&world).len() <= 12, "{:?}", calls(&world));
}

#[tokio::test]
async fn filters_may_be_entered_when_connecting_and_what_autotask_does_not_know_keeps_everything_unsaved() {
    let world = World::builder().unconnected().build().await;
    let admin = world.api(Role::PartnerAdmin);
    let body =
        |filters: Value| json!({"username": USERNAME, "secret": SECRET, "profile": "invoices", "filters": filters});
    let reply = admin.post("/v1/connections", body(json!({"company_types": ["Nobody"], "unpaid_only": 5}))).await;
    reply.assert_problem(400, "invalid_input");
    let reply = admin.post("/v1/connections", body(json!({"company_types": ["Nobody"]}))).await;
    let problem = reply.assert_problem(400, "invalid_input");
    assert_eq!(problem["errors"][0]["pointer"], "/filters/company_types/0");
    assert_eq!(admin.get("/v1/connections").await.expect(200)["items"], json!([]));
    let made = admin.post("/v1/connections", body(json!({"company_types": ["dead", "customer"]}))).await.expect(201);
    let warned: Vec<_> = made["warnings"].as_array().unwrap().iter().map(|warning| &warning["code"]).collect();
    assert!(warned.contains(&&json!("filter_label_inactive")), "{made}");
    let path = format!("/v1/connections/{}/filters", made["id"].as_str().unwrap());
    let shown = admin.get(&path).await;
    assert_eq!(shown.header("etag"), Some("\"1\""));
    let stored: Filters = serde_json::from_value(shown.json["filters"].clone()).unwrap();
    assert_eq!(stored.company_types, ["Dead", "Customer"]);
}
