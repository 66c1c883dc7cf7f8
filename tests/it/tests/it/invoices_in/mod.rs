//! Invoices and customers, from the simulated Autotask into our copy, through schedules, queue and routes.

mod by_hand;
mod closed;
mod currencies;
mod customers;
mod explain;
mod filters;
mod hourly;
mod import;
mod killed;
mod notes;
mod open;
mod resync;
mod unread;
mod year;

use domain::Role;
use domain::invoices::Invoice;
use domain::records::Collection;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testkit::World;

/// A world whose connection fetches invoices.
pub(crate) async fn world() -> World {
    let world = testkit::world().await;
    on(&world).await;
    world
}

/// The same without PDFs, which have limits and tests of their own.
pub(crate) async fn world_without_pdfs() -> World {
    let world = world().await;
    world.api(Role::PartnerAdmin).patch("C/settings", json!({"pdf": false})).await.assert_status(200);
    world
}

/// Switches the feature on.
pub(crate) async fn on(world: &World) {
    let admin = world.api(Role::PartnerAdmin);
    admin.patch("C/settings", json!({"features": ["invoices"]})).await.assert_status(200);
    world.sim.clear_requests();
    world.events.clear();
}

/// A number that the environment gives, for more than the suite's few.
#[expect(clippy::disallowed_methods, reason = "it makes the test longer, and nothing else")]
pub(crate) fn given(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The time of the world.
pub(crate) fn now(world: &World) -> String {
    world.ports().clock.now().to_string()
}

/// Fires the schedule now and works everything off.
pub(crate) async fn tick(world: &World) {
    world.tick("invoice-fetch", &now(world)).await;
    world.drain().await;
}

/// The first import.
pub(crate) async fn imported(world: &World) {
    tick(world).await;
    let status = world.api(Role::PartnerViewer).get("C/sync-status").await.expect(200);
    assert_eq!(status["import"]["last_state"], "done", "{status}");
    world.sim.clear_requests();
    world.events.clear();
}

/// An hour later, the schedule fires.
pub(crate) async fn hour(world: &World) {
    world.advance(SignedDuration::from_hours(1));
    tick(world).await;
}

/// The next daily look: at 03:00 of the next day everything is due.
pub(crate) async fn day(world: &World) {
    let now = world.ports().clock.now();
    let morning = (now.to_zoned(jiff::tz::TimeZone::UTC).date().tomorrow().unwrap()).at(3, 0, 0, 0);
    let at: Timestamp = morning.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    world.advance(at.duration_since(now));
    for _ in 0..3 {
        // One fetch at a time: the second job is put off by minutes.
        tick(world).await;
        world.advance(SignedDuration::from_mins(10));
    }
}

pub(crate) async fn viewer(world: &World, path: &str) -> Value {
    world.api(Role::PartnerViewer).get(path).await.expect(200)
}

/// Our copies.
pub(crate) async fn kept(world: &World) -> Vec<Invoice> {
    world.load_all(&Collection::Invoices(world.partner.clone(), world.connection.clone())).await
}

/// Kinds of the events that are about invoices and customers, in order, with the invoice's or the company's id.
pub(crate) fn told(world: &World) -> Vec<(String, i64)> {
    let mut all = Vec::new();
    for kind in ["created", "updated", "paid", "reopened", "voided", "missing"] {
        for event in world.published(&format!("invoice.{kind}")) {
            let id = event.detail["data"]["autotask_invoice_id"].as_i64().unwrap();
            all.push((format!("invoice.{kind}"), id));
        }
    }
    for kind in ["created", "updated"] {
        for event in world.published(&format!("customer.{kind}")) {
            let id = event.detail["data"]["company_id"].as_i64().unwrap();
            all.push((format!("customer.{kind}"), id));
        }
    }
    all
}

/// Calls by path, without the zone's part.
pub(crate) fn calls(world: &World) -> Vec<String> {
    world.sim.requests().into_iter().map(|request| format!("{} {}", request.method, request.path)).collect()
}
