//! Telling people by mail, through the handlers: what the bundle publishes goes over the bus to `notify-events`.

mod failing;
mod failures;
mod mails;
mod reminders;
mod routes;
mod tickets;

use domain::Role;
use domain::mail::Mail;
use serde_json::{Value, json};
use simulator::{Fault, FaultKind, Match};
use testkit::World;

/// Who gets the mails.
const TEAM: &str = "billing@msp.example";

/// Has the team told of these.
async fn told_of(world: &World, events: &[&str]) {
    let body = json!({"emails": [TEAM], "events": events});
    world.api(Role::PartnerAdmin).put("C/notifications", body).await.assert_status(200);
}

/// Autotask refuses every change of units, for good.
fn refuse_changes(world: &World) {
    let adjustments =
        Match { method: Some("POST".into()), path: Some("*ContractServiceAdjustments".into()), database: None };
    let kind = FaultKind::Status { status: 400, body: json!({"errors": ["This contract is locked."]}) };
    world.sim.add_fault(Fault::new(adjustments, kind));
}

/// A seat sync of everything, now.
async fn sync(world: &World) {
    let body = json!({"kind": "seat_sync", "mode": "apply"});
    world.api(Role::PartnerBilling).post("C/runs", body).await.assert_status(202);
    world.drain().await;
}

/// Publishes an event of ours and has it heard.
async fn happens(world: &World, id: &str, detail_type: &str, data: Value) {
    publish(world, id, detail_type, data).await;
    assert_eq!(world.bundle.deliver().await.unwrap().1, 0, "{detail_type} was not heard");
}

async fn publish(world: &World, id: &str, detail_type: &str, data: Value) {
    let detail = json!({
        "version": 1, "id": id, "occurred_at": world.clock.now(), "partner_id": world.partner,
        "connection_id": world.connection, "data": data,
    });
    let event = domain::ports::OutEvent { detail_type: detail_type.to_owned(), detail };
    world.ports().events.publish(&[event]).await.unwrap();
}

/// Fires the tick at what the clock shows.
async fn tick(world: &World) {
    let now = world.clock.now().to_string();
    world.tick("notify", &now).await;
}

/// The subjects of all mails.
fn subjects(mails: &[Mail]) -> Vec<&str> {
    mails.iter().map(Mail::subject).collect()
}
