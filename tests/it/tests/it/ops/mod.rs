//! Operating, through the handlers of `ops` and real runs.

mod audit;
mod board;
mod deciding;
mod issues;
mod platform;
mod retry;

use domain::change::AuditRow;
use domain::records::{Collection, Expect, Key, Write};
use domain::{Code, Role};
use serde_json::{Value, json};
use testkit::{Line, World};

/// The day before the first of December, when counts are fresh.
const EVE: &str = "2026-11-30T12:00:00Z";
const BILLING: Role = Role::PartnerBilling;

/// A world with lines of 10 units, in which held lines never stop a whole run.
async fn eve(lines: usize) -> (World, Vec<Line>) {
    let lenient = |settings: &mut domain::connections::Settings| settings.guards.stop_run_percent = 100;
    let world = World::builder().at(EVE).settings(lenient).build().await;
    let lines = world.lines(lines).await;
    (world, lines)
}

/// A seat sync that writes, through its route, worked off. Answers its id.
async fn run(world: &World) -> String {
    let body = json!({"kind": "seat_sync", "mode": "apply"});
    let started = world.api(BILLING).post("C/runs", body).await.expect(202);
    world.drain().await;
    started["run_id"].as_str().unwrap().to_owned()
}

async fn forget_usage(world: &World, line: &Line) {
    let key = Key::Usage(world.partner.clone(), line.account.clone(), line.package.clone());
    let write = Write::delete(key, Expect::Any);
    world.ports().storage.write(&world.system_scope(), vec![write]).await.unwrap();
}

/// The issues of a list but for the connection's own: a world has no billing code until it has lines.
async fn listed(world: &World, query: &str) -> Vec<Value> {
    let page = world.api(Role::PartnerViewer).get(&format!("C/issues?limit=200&{query}")).await.expect(200);
    assert!(page["next_cursor"].is_null());
    let items = page["items"].as_array().unwrap().clone();
    items.into_iter().filter(|issue| issue["subject"] != "connection").collect()
}

async fn one(world: &World, query: &str) -> Value {
    let mut all = listed(world, query).await;
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

/// An issue as its own route shows it.
async fn again(world: &World, issue: &Value) -> Value {
    world.api(Role::PartnerViewer).get(&at(issue, "")).await.expect(200)
}

/// The path of something about an issue.
fn at(issue: &Value, act: &str) -> String {
    format!("C/issues/{}{act}", issue["id"].as_str().unwrap())
}

/// The connection's audit trail.
async fn trail(world: &World) -> Vec<AuditRow> {
    let mut rows = Vec::new();
    for month in ["2026-11", "2026-12"] {
        let of = Collection::Audit(world.partner.clone(), Some(world.connection.clone()), month.to_owned());
        rows.extend(world.load_all::<AuditRow>(&of).await);
    }
    rows
}

/// The row of the connection's audit trail of this action, the only one.
async fn audited(world: &World, action: &str) -> AuditRow {
    let mut rows = trail(world).await;
    rows.retain(|row| row.action == action);
    assert_eq!(rows.len(), 1, "{action}: {rows:#?}");
    rows.remove(0)
}

fn state(issue: &Value) -> (&str, u64) {
    (issue["state"].as_str().unwrap(), issue["count"].as_u64().unwrap())
}

fn code(code: Code) -> &'static str {
    code.as_str()
}
