//! The whole way: installed, changed in the simulated Autotask, called out over its own queue, taken, applied.

use crate::invoices_in;
use domain::Role;
use domain::records::Collection;
use domain::webhooks::Delivery;
use jiff::SignedDuration;
use serde_json::{Value, json};
use testkit::World;

/// Customers, with webhooks of companies and contacts.
async fn world(count: usize) -> (World, Vec<i64>) {
    let world = invoices_in::world_without_pdfs().await;
    let companies: Vec<i64> = (0..count).map(|at| world.company(&format!("Customer {at}"))).collect();
    for company in &companies {
        world.invoice(*company, &[("Service", 1, "10.00")]);
    }
    invoices_in::imported(&world).await;
    let wanted = json!({"entities": ["companies", "contacts"]});
    world.api(Role::PartnerAdmin).post("C/webhooks/install", wanted).await.assert_status(202);
    world.drain().await;
    world.sim.forget_callouts();
    world.events.clear();
    (world, companies)
}

fn rename(world: &World, company: i64, name: &str) {
    world.sim.patch(world.ci, "Companies", company, &json!({"companyName": name})).unwrap();
}

async fn name_here(world: &World, company: i64) -> Value {
    world.api(Role::PartnerViewer).get(&format!("C/customers/{company}")).await.expect(200)["name"].clone()
}

async fn deliveries(world: &World) -> Vec<Delivery> {
    let table = world.api(Role::PartnerViewer).get("C/webhook-deliveries?limit=200").await.expect(200);
    let mut found = Vec::new();
    for item in table["items"].as_array().unwrap() {
        let (guid, sequence) = item["id"].as_str().unwrap().rsplit_once('.').unwrap();
        let of = Collection::Deliveries(world.partner.clone(), world.connection.clone(), guid.to_owned());
        let all: Vec<Delivery> = world.load_all(&of).await;
        found.extend(all.into_iter().filter(|delivery| delivery.sequence.to_string() == sequence));
    }
    found
}

#[tokio::test]
async fn a_company_renamed_there_is_renamed_here_with_the_next_callout() {
    let (world, companies) = world(1).await;
    rename(&world, companies[0], "Søren & Søns <\"Café\">");
    assert_eq!(world.deliver_callouts().await, 1);
    world.drain().await;
    assert_eq!(name_here(&world, companies[0]).await, "Søren & Søns <\"Café\">");
    let number = world.sim.callouts()[0].number;
    world.sim.replay_callouts(&[number, number]).unwrap();
    world.deliver_callouts().await;
    world.drain().await;
    assert_eq!(world.published("customer.updated").len(), 1, "told once");
}

#[tokio::test]
async fn with_the_receiver_down_for_an_hour_thirty_dropped_events_arrive_by_the_healer_each_once() {
    let (world, companies) = world(30).await;
    let down = axum::Router::new().fallback(|| async { http::StatusCode::SERVICE_UNAVAILABLE });
    for (at, company) in companies.iter().enumerate() {
        rename(&world, *company, &format!("Renamed {at}"));
    }
    // Five attempts for each, half a minute apart; the webhook is switched off on the way.
    for _ in 0..120 {
        world.deliver_callouts_to(down.clone()).await;
        world.advance(SignedDuration::from_secs(30));
    }
    assert!(deliveries(&world).await.is_empty());
    for (at, company) in companies.iter().enumerate() {
        assert_eq!(name_here(&world, *company).await, format!("Customer {at}"));
    }
    for _ in 0..2 {
        world.advance(SignedDuration::from_hours(1));
        world.tick("webhook-heal", &world.ports().clock.now().to_string()).await;
        world.drain_with_callouts().await;
    }
    for (at, company) in companies.iter().enumerate() {
        assert_eq!(name_here(&world, *company).await, format!("Renamed {at}"));
    }
    assert_eq!(world.published("customer.updated").len(), 30, "each applied once");
    assert_eq!(world.sim.rows(world.ci, "WebhookEventErrorLogs").unwrap(), [] as [Value; 0]);
    let table = world.api(Role::PartnerViewer).get("C/webhooks").await.expect(200);
    for row in table["items"].as_array().unwrap() {
        assert_eq!(row["status"], "active", "{row}");
    }
    // And it goes on as before.
    rename(&world, companies[0], "At once");
    world.deliver_callouts().await;
    world.drain().await;
    assert_eq!(name_here(&world, companies[0]).await, "At once");
}
