//! Runs through their routes: start, preview, apply, cancel, retry, reports, reconciliation.

mod apply;
mod cancel;
mod paused;
mod reconciliation;
mod reports;
mod start;
mod told;

use domain::Role;
use domain::records::Collection;
use domain::runs::{Run, RunLease};
use serde_json::{Value, json};
use testkit::World;

const RUNS: &str = "C/runs";

fn sync(mode: &str) -> Value {
    json!({"kind": "seat_sync", "mode": mode})
}

/// Starts a run as a person with the billing role; its id.
async fn started(world: &World, body: Value) -> String {
    let answer = world.api(Role::PartnerBilling).post(RUNS, body).await.expect(202);
    answer["run_id"].as_str().unwrap().to_owned()
}

/// Makes a preview and waits for its plan; the run as its route shows it.
async fn preview(world: &World) -> Value {
    let id = started(world, sync("preview")).await;
    world.drain().await;
    shown(world, &id).await
}

async fn shown(world: &World, id: &str) -> Value {
    world.api(Role::PartnerViewer).get(&format!("C/runs/{id}")).await.expect(200)
}

async fn apply(world: &World, run: &Value) -> testkit::Reply {
    let path = format!("C/runs/{}/apply", run["id"].as_str().unwrap());
    world.api(Role::PartnerBilling).post(&path, json!({"plan_hash": run["plan_hash"]})).await
}

async fn lines(world: &World, id: &str) -> Vec<Value> {
    let page = world.api(Role::PartnerViewer).get(&format!("C/runs/{id}/lines?limit=200")).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

async fn all_runs(world: &World) -> Vec<Run> {
    world.load_all::<Run>(&Collection::Runs(world.partner.clone(), world.connection.clone())).await
}

async fn lease(world: &World) -> Option<RunLease> {
    let key = domain::records::Key::RunLease(world.partner.clone(), world.connection.clone());
    world.load::<RunLease>(&key).await.map(|lease| lease.value)
}
