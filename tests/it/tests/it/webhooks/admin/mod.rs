//! Webhooks installed, removed, healed, reported and replayed, through routes, queue and schedule.

mod heal;
mod install;
mod orphans;
mod relink;
mod replay;
mod report;
mod rotate;
mod uninstall;

use domain::issues::{Issue, IssueState};
use domain::records::{Collection, Key};
use domain::webhooks::{Delivery, Hook, HookMaster, Webhooks, sign};
use domain::{PartnerId, Role};
use http::{HeaderMap, HeaderValue};
use jiff::SignedDuration;
use local::gateway::event::HttpRequest;
use local::host::KillScope;
use serde_json::{Value, json};
use testkit::World;

/// Asks for webhooks of these kinds and has it done.
async fn install(world: &World, entities: &[&str]) {
    let admin = world.api(Role::PartnerAdmin);
    admin.post("C/webhooks/install", json!({"entities": entities})).await.assert_status(202);
    world.drain().await;
}

/// A world with webhooks of companies and contacts; the simulator's log is empty.
async fn world() -> World {
    let world = testkit::world().await;
    install(&world, &["companies", "contacts"]).await;
    assert_eq!(record(&world).await.state.to_json(), "installed");
    world.sim.clear_requests();
    world.events.clear();
    world
}

trait ToJson {
    fn to_json(&self) -> Value;
}

impl<T: serde::Serialize> ToJson for T {
    fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap()
    }
}

async fn record(world: &World) -> Webhooks {
    let key = Key::Webhooks(world.partner.clone(), world.connection.clone());
    world.load::<Webhooks>(&key).await.expect("webhooks were asked for").value
}

/// What the simulated Autotask has of an entity.
fn rows(world: &World, entity: &str) -> Vec<Value> {
    world.sim.rows(world.ci, entity).unwrap()
}

/// The only webhook of a kind.
fn only(world: &World, entity: &str) -> Value {
    let mut rows = rows(world, entity);
    assert_eq!(rows.len(), 1, "{entity}: {rows:#?}");
    rows.remove(0)
}

async fn table(world: &World) -> Value {
    world.api(Role::PartnerViewer).get("C/webhooks").await.expect(200)
}

/// Kind, status and problem of each row of the table.
async fn shown(world: &World) -> Vec<(String, String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let table = table(world).await;
    let row =
        |row: &Value| (text(&row["entity"]).unwrap(), text(&row["status"]).unwrap(), text(&row["problem"]["code"]));
    table["items"].as_array().unwrap().iter().map(row).collect()
}

fn row(entity: &str, status: &str, problem: Option<&str>) -> (String, String, Option<String>) {
    (entity.to_owned(), status.to_owned(), problem.map(str::to_owned))
}

/// All issues that have to do with webhooks.
async fn all_issues(world: &World) -> Vec<Issue> {
    let of = Collection::Issues(world.partner.clone(), world.connection.clone());
    let all: Vec<Issue> = world.load_all(&of).await;
    all.into_iter().filter(|issue| issue.subject.starts_with("webhook")).collect()
}

/// Subjects and codes of those that are open.
async fn issues(world: &World) -> Vec<(String, String)> {
    let open = all_issues(world).await.into_iter().filter(|issue| issue.state == IssueState::Open);
    open.map(|issue| (issue.subject, issue.code.as_str().to_owned())).collect()
}

/// How many rows the audit trail has of an action.
async fn audited(world: &World, action: &str) -> usize {
    let month = world.clock_month();
    let of = Collection::Audit(world.partner.clone(), Some(world.connection.clone()), month);
    let all: Vec<domain::change::AuditRow> = world.load_all(&of).await;
    all.iter().filter(|row| row.action == action).count()
}

/// Nobody is killed from now on.
fn disarm(world: &World) {
    world.kill.arm(u32::MAX, KillScope::Background);
}

trait ClockMonth {
    fn clock_month(&self) -> String;
}

impl ClockMonth for World {
    fn clock_month(&self) -> String {
        self.ports().clock.now().to_string()[..7].to_owned()
    }
}

fn master(world: &World) -> HookMaster {
    world.ports().config.hooks.as_ref().unwrap().master.clone()
}

fn hook(world: &World, generation: u32) -> Hook {
    Hook { partner: world.partner.clone(), connection: world.connection.clone(), generation }
}

fn url(world: &World, hook: &Hook) -> String {
    format!("{}hooks/autotask/{}", testkit::HOOKS_BASE, master(world).token(hook))
}

/// Autotask calls, at the URL of one generation with the key of another.
async fn call(world: &World, url: u32, key: u32, body: &Value) -> u16 {
    let body = body.to_string().into_bytes();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let signature = sign(&master(world).key(&hook(world, key)), &body);
    headers.insert("x-hook-signature", signature.parse().unwrap());
    let path = format!("/hooks/autotask/{}", master(world).token(&hook(world, url)));
    send(world, &path, &headers, &body).await
}

async fn send(world: &World, path: &str, headers: &HeaderMap, body: &[u8]) -> u16 {
    let request = HttpRequest { method: "POST", path, query: "", headers, body };
    world.bundle.api(&request, None).await.status().as_u16()
}

/// What a callout of a webhook says.
fn callout(guid: &str, entity: &str, id: i64, sequence: u64) -> Value {
    json!({
        "Action": "Update", "Guid": guid, "EntityType": entity, "Id": id, "SequenceNumber": sequence, "PersonID": 4,
        "EventTime": "2026-11-20T10:00:00Z", "Fields": {"companyName": "North & Süd", "isActive": true},
    })
}

async fn guid(world: &World, entity: &str) -> String {
    let record = record(world).await;
    let of = record.hooks.iter().find(|hook| hook.entity.as_str() == entity).unwrap();
    of.guid.clone().unwrap()
}

async fn deliveries(world: &World, guid: &str) -> Vec<Delivery> {
    let of = Collection::Deliveries(world.partner.clone(), world.connection.clone(), guid.to_owned());
    world.load_all(&of).await
}

/// An hour later everything is looked at.
async fn heal(world: &World) {
    world.advance(SignedDuration::from_hours(1));
    let now = world.ports().clock.now().to_string();
    world.tick("webhook-heal", &now).await;
    world.drain().await;
}

fn another_partner() -> PartnerId {
    PartnerId::new("other").unwrap()
}
