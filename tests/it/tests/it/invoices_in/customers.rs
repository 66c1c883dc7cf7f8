//! Customers as people see them.

use super::{day, hour, imported, told, viewer, world};
use domain::Role;
use serde_json::{Value, json};
use testkit::World;

async fn names(world: &World, query: &str) -> Vec<String> {
    let page = viewer(world, &format!("C/customers{query}")).await;
    page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

fn contact(world: &World, company: i64, email: &str, primary: bool) {
    let row = json!({"companyID": company, "firstName": "Ada", "lastName": "Byron", "isActive": 1,
        "emailAddress": email, "primaryContact": primary});
    world.sim.insert(world.ci, "Contacts", &[row]).unwrap();
}

#[tokio::test]
async fn customers_are_listed_searched_and_shown_with_their_contacts() {
    let world = world().await;
    let (north, south) = (world.company("Northwind"), world.company("Southwind"));
    contact(&world, north, "second@north.example", false);
    contact(&world, north, "first@north.example", true);
    imported(&world).await;
    assert_eq!(names(&world, "?q=wind").await, ["Northwind", "Southwind"]);
    assert_eq!(names(&world, "?q=SOUTH").await, ["Southwind"]);
    assert_eq!(names(&world, "?q=first@north").await, ["Northwind"]);
    assert_eq!(names(&world, "?q=nobody").await, [""; 0]);
    let shown = viewer(&world, &format!("C/customers/{north}")).await;
    let emails: Vec<&Value> = shown["contacts"].as_array().unwrap().iter().map(|contact| &contact["email"]).collect();
    assert_eq!(emails, ["first@north.example", "second@north.example"]);
    world.api(Role::PartnerViewer).get("C/customers/4711").await.assert_problem(404, "not_found");

    world
        .api(Role::PartnerAdmin)
        .put("C/filters", json!({"company_ids": {"not_in": [south]}}))
        .await
        .assert_status(200);
    hour(&world).await;
    assert_eq!(names(&world, "?q=wind").await, ["Northwind"]);
    assert_eq!(names(&world, "?q=wind&hidden=true").await, ["Southwind"]);
    let hidden = viewer(&world, &format!("C/customers/{south}")).await;
    assert_eq!(hidden["hidden_by"], "company_ids");
}

#[tokio::test]
async fn pages_go_on_where_they_stopped_and_keep_to_their_filters() {
    let world = world().await;
    world.many_invoices(7, 7, 1);
    imported(&world).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = viewer(&world, &format!("C/customers?q=customer&limit=3{cursor}")).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["company_id"].as_i64().unwrap()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        let other = world.api(Role::PartnerViewer).get(&format!("C/customers?limit=3&cursor={next}")).await;
        other.assert_problem(400, "invalid_input");
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 7);
    assert!(seen.is_sorted());
}

#[tokio::test]
async fn a_customer_is_archived_by_hand_only_and_stays_so_whatever_autotask_says() {
    let world = world().await;
    let company = world.company("Northwind");
    let gone = world.company("Gone");
    world.invoice(company, &[("Seats", 4, "2.50")]);
    imported(&world).await;
    world.sim.delete(world.ci, "Companies", gone).unwrap();
    day(&world).await;
    let shown = viewer(&world, &format!("C/customers/{gone}")).await;
    assert!(shown["missing_since"].is_string() && shown["archived_at"].is_null(), "{shown}");

    world.events.clear();
    let billing = world.api(Role::PartnerBilling);
    let done = billing.post(&format!("C/customers/{company}/archive"), json!({})).await.expect(200);
    assert!(done["archived_at"].is_string());
    assert_eq!(told(&world), [("customer.updated".to_owned(), company)]);
    assert_eq!(names(&world, "?q=north").await, [""; 0]);
    assert_eq!(names(&world, "?q=north&archived=true").await, ["Northwind"]);
    world.sim.patch(world.ci, "Companies", company, &json!({"companyName": "Northwind Traders"})).unwrap();
    hour(&world).await;
    let shown = viewer(&world, &format!("C/customers/{company}")).await;
    assert_eq!((&shown["name"], shown["archived_at"].is_string()), (&json!("Northwind Traders"), true));
    let invoices = viewer(&world, &format!("C/invoices?company={company}")).await;
    assert_eq!(invoices["items"].as_array().unwrap().len(), 1, "its invoices stay");
    let done = billing.post(&format!("C/customers/{company}/unarchive"), json!({})).await.expect(200);
    assert!(done["archived_at"].is_null());
    let viewer = world.api(Role::PartnerViewer);
    viewer.post(&format!("C/customers/{company}/archive"), json!({})).await.assert_problem(403, "forbidden_role");
    billing.post("C/customers/4711/archive", json!({})).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn no_route_edits_an_invoice_and_nothing_of_all_this_writes_to_autotask() {
    let world = world().await;
    let company = world.company("Northwind");
    let one = world.invoice(company, &[("Seats", 4, "2.50")]);
    let two = world.invoice(company, &[("Seats", 5, "2.50")]);
    super::tick(&world).await;
    let admin = world.api(Role::PartnerAdmin);
    let path = format!("C/invoices/{}", one.id);
    for reply in [
        admin.patch(&path, json!({"total": "1.00"})).await,
        admin.put(&path, json!({"due_date": "2027-01-01"})).await,
        admin.delete(&path).await,
    ] {
        assert!([404, 405, 409].contains(&reply.status), "{} {}", reply.status, reply.text);
    }
    for reply in [
        admin.post("C/invoices", json!({"company_id": company})).await,
        admin.post("C/customers", json!({"name": "New"})).await,
        admin.patch(&format!("C/customers/{company}"), json!({"name": "Other"})).await,
    ] {
        assert!([404, 405, 409].contains(&reply.status), "{} {}", reply.status, reply.text);
    }
    admin.post(&format!("{path}/resync"), json!({})).await.assert_status(200);
    admin.post(&format!("C/customers/{company}/archive"), json!({})).await.assert_status(200);
    admin.put("C/filters", json!({"company_types": ["Lead"]})).await.assert_status(200);
    admin.put("C/filters", json!({})).await.assert_status(200);
    world.void_invoice(two.id);
    for button in ["C/sync/fetch-new", "C/sync/fetch-unpaid"] {
        admin.post(button, json!({})).await.assert_status(202);
        world.drain().await;
    }
    hour(&world).await;
    day(&world).await;
    let writes = world.writes();
    assert!(writes.is_empty(), "{writes:#?}");
    assert!(world.sim.requests().len() > 10);
}
