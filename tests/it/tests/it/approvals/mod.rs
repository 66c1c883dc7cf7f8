//! A person's word on what runs do: preview, approve, adjust, dismiss, undo, a second person, the guard of money.

mod ended;
mod money;
mod period;
mod preview;
mod second;
mod swap;
mod undo;
mod undo_faults;

use domain::Role;
use domain::connections::Settings;
use domain::connections::settings::SettingsRecord;
use domain::records::{Expect, Key, Write};
use jiff::civil::{Date, date};
use serde_json::{Value, json};
use testkit::{Line, Reply, World};

/// The month in which worlds begin.
const NOVEMBER: Date = date(2026, 11, 1);
const DECEMBER: Date = date(2026, 12, 1);

/// A world with lines of 10 units in which held lines never stop a whole run.
async fn lenient(lines: usize) -> (World, Vec<Line>) {
    with(lines, |_| ()).await
}

async fn with(lines: usize, change: impl FnOnce(&mut Settings) + Send + 'static) -> (World, Vec<Line>) {
    let lenient = |settings: &mut Settings| settings.guards.stop_run_percent = 100;
    let world = World::builder().settings(lenient).settings(change).build().await;
    let lines = world.lines(lines).await;
    (world, lines)
}

async fn edit_settings(world: &World, change: impl FnOnce(&mut Settings)) {
    let key = Key::Settings(world.partner.clone(), world.connection.clone());
    let mut record = world.load::<SettingsRecord>(&key).await.unwrap().value;
    change(&mut record.settings);
    world.put(&record).await;
}

/// Starts a seat sync as a person and works it off; its id.
async fn run(world: &World, mode: &str) -> String {
    run_from(world, mode, NOVEMBER).await
}

async fn run_from(world: &World, mode: &str, from: Date) -> String {
    let body = json!({"kind": "seat_sync", "mode": mode, "effective_date": from});
    let answer = world.api(Role::PartnerBilling).post("C/runs", body).await.expect(202);
    world.drain().await;
    answer["run_id"].as_str().unwrap().to_owned()
}

async fn shown(world: &World, id: &str) -> Value {
    world.api(Role::PartnerViewer).get(&format!("C/runs/{id}")).await.expect(200)
}

async fn lines_of(world: &World, id: &str) -> Vec<Value> {
    let page = world.api(Role::PartnerViewer).get(&format!("C/runs/{id}/lines?limit=200")).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

/// The line of an account in a run.
async fn line_of(world: &World, id: &str, line: &Line) -> Value {
    let lines = lines_of(world, id).await;
    lines.into_iter().find(|told| told["account_id"] == json!(line.account)).unwrap()
}

/// Decides about a line as the person with the billing role.
async fn decide(world: &World, run: &str, no: u64, act: &str, body: Value) -> Reply {
    world.api(Role::PartnerBilling).post(&format!("C/runs/{run}/lines/{no}/{act}"), body).await
}

async fn bulk(world: &World, run: &str, body: Value) -> Reply {
    world.api(Role::PartnerBilling).post(&format!("C/runs/{run}/lines/bulk"), body).await
}

/// Applies a preview with the hash that it has now.
async fn apply(world: &World, id: &str) -> Reply {
    let hash = shown(world, id).await["plan_hash"].clone();
    world.api(Role::PartnerBilling).post(&format!("C/runs/{id}/apply"), json!({"plan_hash": hash})).await
}

async fn undo(world: &World, id: &str, body: Value) -> Reply {
    world.api(Role::PartnerBilling).post(&format!("C/runs/{id}/undo"), body).await
}

/// Undoes a run and works that off; the id of the undo.
async fn undone(world: &World, id: &str, body: Value) -> String {
    let id = undo(world, id, body).await.expect(202)["run_id"].as_str().unwrap().to_owned();
    world.drain().await;
    id
}

/// The vendor has no count for a line's account.
async fn forget(world: &World, line: &Line) {
    let key = Key::Usage(world.partner.clone(), line.account.clone(), line.package.clone());
    let write = Write::delete(key, Expect::Any);
    world.ports().storage.write(&world.system_scope(), vec![write]).await.unwrap();
}

/// Units of lines from a day on.
fn units(world: &World, lines: &[Line], day: Date) -> Vec<i64> {
    world.units_on(lines, day).into_iter().map(Option::unwrap).collect()
}
