//! The vendor's board, over several partners.

use super::*;
use domain::connections::Connection;
use domain::vendor::{Account, Partner};
use domain::{AccountId, PartnerId};
use std::collections::BTreeSet;

/// A copy of the world's connection for so many other partners, each with one client.
async fn others(world: &World, count: usize) {
    let key = Key::Connection(world.partner.clone(), world.connection.clone());
    let own = world.load::<Connection>(&key).await.unwrap().value;
    for at in 0..count {
        let partner = PartnerId::new(format!("partner-{at}")).unwrap();
        let id = domain::ConnectionId::new(format!("con_{at}")).unwrap();
        world.put(&Connection { partner: partner.clone(), id, ..own.clone() }).await;
        let name = format!("Partner {at}");
        world.put(&Partner { id: partner.clone(), name, time_zone: "UTC".to_owned(), active: true }).await;
        world
            .put(&Account {
                partner,
                id: AccountId::new("c1").unwrap(),
                name: format!("Umbrella of {at}"),
                contact_email: None,
                packages: Vec::new(),
                removed: Vec::new(),
                told: BTreeSet::new(),
                packages_at: None,
                active: true,
                updated_at: world.clock.now(),
            })
            .await;
    }
}

fn support(world: &World) -> testkit::Api<'_> {
    world.api(Role::VendorSupport).of_no_partner()
}

async fn all(world: &World, query: &str) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = support(world).get(&format!("/v1/vendor/board?limit=7&{query}{cursor}")).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 7);
        rows.extend(items.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

fn partners(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().map(|row| row["partner_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_connection_stands_on_the_board_once_whatever_the_page() {
    let world = testkit::world().await;
    others(&world, 30).await;
    let rows = all(&world, "").await;
    assert_eq!((rows.len(), partners(&rows).len()), (31, 31));
    let ours = rows.iter().find(|row| row["partner_id"] == "acme").unwrap();
    assert_eq!(
        (&ours["partner_name"], &ours["state"], &ours["connection_id"]),
        (&json!("Acme IT"), &json!("connected"), &json!(world.connection))
    );
    assert!(!ours.to_string().contains(testkit::SECRET) && ours.get("username").is_none());
}

#[tokio::test]
async fn a_row_says_how_the_last_runs_went_and_what_waits() {
    let (world, lines) = eve(3).await;
    world.usage(&lines[0], 0).await;
    world.usage(&lines[1], 12).await;
    let id = run(&world).await;
    let issues = world.api(BILLING).get("C").await.expect(200)["counters"]["issues"].clone();
    let row = all(&world, "").await.remove(0);
    assert_eq!((&row["issues"], &row["held"]), (&issues, &json!(1)));
    let last = &row["seat_sync"];
    assert_eq!((&last["run_id"], &last["state"], &last["kind"]), (&json!(id), &json!("partial"), &json!("seat_sync")));
    assert!(!row["last_ok_at"].is_null() && row["package_changes"].is_null() && row["invoices"].is_null());
    let shown = world.api(Role::VendorSupport).get(last["status_url"].as_str().unwrap()).await.expect(200);
    assert_eq!(shown["id"], json!(id));

    let features = json!({"features": ["seat_sync", "invoices"]});
    world.api(Role::PartnerAdmin).patch("C/settings", features).await.assert_status(200);
    world.tick("invoice-fetch", &world.clock.now().to_string()).await;
    world.drain().await;
    let row = all(&world, "").await.remove(0);
    assert_eq!((&row["invoices"]["state"], &row["invoices"]["kind"]), (&json!("done"), &json!("import")));
}

#[tokio::test]
async fn the_board_is_searched_by_state_by_client_and_by_day() {
    let (world, lines) = eve(2).await;
    others(&world, 12).await;
    world.api(Role::PartnerAdmin).post("C/pause", Value::Null).await.assert_status(200);
    assert_eq!(partners(&all(&world, "state=paused").await), BTreeSet::from(["acme".to_owned()]));
    assert_eq!(all(&world, "state=connected").await.len(), 12);
    assert_eq!(all(&world, "client=UMBRELLA").await.len(), 12);
    let found = all(&world, "client=umbrella%20of%207").await;
    assert_eq!(partners(&found), BTreeSet::from(["partner-7".to_owned()]));
    let client = &found[0]["clients"][0];
    assert_eq!((&client["account_id"], &client["mapping"]), (&json!("c1"), &json!("unmapped")));

    world.api(Role::PartnerAdmin).post("C/resume", Value::Null).await.assert_status(200);
    world.usage(&lines[0], 0).await;
    run(&world).await;
    let key = Key::Account(world.partner.clone(), lines[0].account.clone());
    let name = world.load::<Account>(&key).await.unwrap().value.name;
    let query = format!("client={}&date=2026-11-30", name.replace(' ', "%20"));
    let row = all(&world, &query).await.into_iter().find(|row| row["partner_id"] == "acme").unwrap();
    assert_eq!((&row["day"]["lines"], &row["day"]["troubled"]), (&json!(1), &json!(1)));
    let lines_of_day = world.api(Role::VendorSupport).get(row["day"]["url"].as_str().unwrap()).await.expect(200);
    assert_eq!(lines_of_day["items"][0]["account_id"], json!(lines[0].account));

    let narrowed = world.api(Role::VendorSupport).get("/v1/vendor/board").await.expect(200);
    assert_eq!(partners(narrowed["items"].as_array().unwrap()), BTreeSet::from(["acme".to_owned()]));
    for query in ["date=2026-11-30", "state=happy", "client=", "client=%20", "limit=201"] {
        support(&world).get(&format!("/v1/vendor/board?{query}")).await.assert_problem(400, "invalid_input");
    }
}

#[tokio::test]
async fn only_the_vendors_people_see_the_board() {
    let world = testkit::world().await;
    for role in [Role::PartnerAdmin, Role::PartnerBilling, Role::PartnerViewer, Role::Service] {
        world.api(role).get("/v1/vendor/board").await.assert_problem(403, "forbidden_role");
    }
    world.api(Role::VendorAdmin).of_no_partner().get("/v1/vendor/board").await.assert_status(200);
}
