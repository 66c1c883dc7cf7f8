//! Package changes: told by call or event, recorded, listed while they wait, pushed by themselves or by a person.

mod account;
mod billed;
mod faults;
mod push;
mod sweep;
mod tell;

use domain::Role;
use domain::ids::{AccountId, ChangeId, LineKind, PackageId};
use domain::packages::{
    CountRule, PackageChange, PackageMapping, PendingChange, QuantityRule, QuantitySource, ServiceTarget,
};
use domain::records::{Collection, Key};
use domain::runs::Run;
use domain::vendor::Account;
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::World;

const CHANGES: &str = "/v1/package-changes";

/// A world whose connection bills packages: `basic` and `premium`, each mapped to a service; `other` to none. Two
/// clients are mapped, without a line and without a package, since an hour.
async fn world() -> World {
    let world = World::builder().at("2026-11-20T10:00:00Z").build().await;
    let features = json!({"features": ["seat_sync", "package_billing"]});
    world.api(Role::PartnerAdmin).patch("C/settings", features).await.assert_status(200);
    for (id, name) in [("basic", "Basic"), ("premium", "Premium"), ("other", "Other")] {
        world.package(id, name).await;
    }
    world.clients(2, &[]).await;
    map(&world, "basic").await;
    map(&world, "premium").await;
    later(&world, 60);
    world
}

/// Maps a package to a service of its name, billed by what the account has.
async fn map(world: &World, package: &str) {
    let service = world.service(package, "10", "4");
    let target = ServiceTarget { kind: LineKind::Service, id: service, name: package.to_owned(), product_id: None };
    mapped(world, package, Some(target)).await;
}

async fn mapped(world: &World, package: &str, target: Option<ServiceTarget>) {
    let mapping = PackageMapping {
        partner: world.partner.clone(),
        connection: world.connection.clone(),
        package: PackageId::new(package).unwrap(),
        excluded: target.is_none(),
        target,
        former: Vec::new(),
        sum_into: None,
        overwrite_cost: None,
        quantity_source: QuantitySource::Package,
        count_rule: CountRule::Fixed,
        quantity_rule: QuantityRule::default(),
        updated_at: world.clock.now(),
    };
    world.put(&mapping).await;
}

/// The world's first client.
const CLIENT: &str = "acc_0001";

async fn auto_sync(world: &World, on: bool) {
    let patch = json!({"billing_auto_sync": on});
    world.api(Role::PartnerAdmin).patch("C/settings", patch).await.assert_status(200);
}

/// A change of the first client: `id`, from, to, quantity, when.
fn change(world: &World, id: &str, (from, to): (Option<&str>, Option<&str>), quantity: i64, at: &str) -> Value {
    let quantity = to.map(|_| quantity);
    json!({"partner": world.partner, "account_id": CLIENT, "from": from, "to": to, "quantity": quantity,
        "occurred_at": at, "change_id": id})
}

async fn tell(world: &World, body: Value) -> testkit::Reply {
    world.api(Role::Service).post(CHANGES, body).await
}

/// What the first client has, with quantities.
async fn has(world: &World) -> Vec<(String, Option<i64>)> {
    let key = Key::Account(world.partner.clone(), AccountId::new(CLIENT).unwrap());
    let account = world.load::<Account>(&key).await.unwrap().value;
    account.packages.into_iter().map(|own| (own.id.to_string(), own.quantity)).collect()
}

fn packages(list: &[(&str, i64)]) -> Vec<(String, Option<i64>)> {
    list.iter().map(|(id, quantity)| ((*id).to_owned(), Some(*quantity))).collect()
}

async fn pending(world: &World) -> Vec<PackageChange> {
    let of = Collection::PendingChanges(world.partner.clone());
    world.load_all::<PendingChange>(&of).await.into_iter().map(|pending| pending.0).collect()
}

async fn listed(world: &World) -> Vec<Value> {
    let page = world.api(Role::PartnerViewer).get("C/pending-changes?limit=200").await.expect(200);
    page["items"].as_array().unwrap().clone()
}

async fn state(world: &World, id: &str) -> Value {
    let path = format!("{CHANGES}/{id}?partner={}", world.partner);
    world.api(Role::Service).get(&path).await.expect(200)
}

async fn own_record(world: &World, id: &str) -> Option<PackageChange> {
    let key = Key::PackageChange(world.partner.clone(), ChangeId::new(id).unwrap());
    world.load::<PackageChange>(&key).await.map(|found| found.value)
}

async fn runs(world: &World) -> Vec<Run> {
    world.load_all::<Run>(&Collection::Runs(world.partner.clone(), world.connection.clone())).await
}

fn now(world: &World) -> String {
    world.clock.now().to_string()
}

fn event(world: &World, at: &str, data: Value) -> Value {
    json!({"version": 1, "id": "evt_1", "occurred_at": at, "partner_id": world.partner, "connection_id": null, "data": data})
}

fn account_path(world: &World) -> String {
    format!("/v1/partners/{}/accounts/{CLIENT}", world.partner)
}

fn account_body(list: Value) -> Value {
    json!({"name": "Client 0001", "contact_email": "owner@client-0001.example", "packages": list})
}

fn later(world: &World, minutes: i64) -> Timestamp {
    world.advance(jiff::SignedDuration::from_mins(minutes))
}
