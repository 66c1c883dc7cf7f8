//! The function `connect`, through its routes.

mod create;
mod end;
mod operate;
mod relink;
mod secrets;
mod settings;
mod setup;
mod theirs;

pub(crate) use relink::other_database;

use domain::connections::Connection;
use domain::ports::SecretName;
use domain::records::{Collection, Key};
use domain::vendor::Partner;
use domain::{ConnectionId, Role};
use serde_json::{Value, json};
use simulator::{Fault, FaultKind, Match};
use testkit::{SECRET, USERNAME, World};

const CONNECTIONS: &str = "/v1/connections";

/// A world in which nobody has connected; the partner's zone is Auckland.
async fn unconnected() -> World {
    let world = World::builder().unconnected().build().await;
    world
        .put(&Partner {
            id: world.partner.clone(),
            name: "Acme IT".to_owned(),
            time_zone: "Pacific/Auckland".to_owned(),
            active: true,
        })
        .await;
    world
}

fn login() -> Value {
    json!({"username": USERNAME, "secret": SECRET})
}

/// The recurring-service billing code that the vendor's profile names.
fn add_billing_code(world: &World) -> i64 {
    let row = json!({"name": "Software as a Service", "useType": 5, "isActive": true});
    world.sim.insert(world.ci, "BillingCodes", &[row]).unwrap()[0]
}

fn answer(status: u16, body: Value) -> FaultKind {
    FaultKind::Status { status, body }
}

fn fault(world: &World, method: &str, path: &str, kind: FaultKind) {
    world.sim.add_fault(Fault::new(Match::new(method, path), kind));
}

async fn connections_of(world: &World) -> Vec<Connection> {
    world.load_all(&Collection::Connections(world.partner.clone())).await
}

fn connection_secrets(world: &World) -> Vec<SecretName> {
    let names = world.secrets.names().into_iter().map(|(name, _)| name);
    names.filter(|name| *name != SecretName::Vendor).collect()
}

/// No connection, no place taken, no secret, no event.
async fn nothing_is_saved(world: &World) {
    assert_eq!(connections_of(world).await, []);
    let guard = Key::ConnectionOfPsa(world.partner.clone(), "autotask".to_owned());
    assert!(world.load::<domain::connections::PsaGuard>(&guard).await.is_none());
    assert_eq!(connection_secrets(world), []);
    assert!(world.events.all().is_empty());
}

async fn connection(world: &World) -> Connection {
    let key = Key::Connection(world.partner.clone(), world.connection.clone());
    world.load::<Connection>(&key).await.unwrap().value
}

fn id_of(reply: &Value) -> ConnectionId {
    ConnectionId::new(reply["id"].as_str().unwrap()).unwrap()
}

fn admin(world: &World) -> testkit::Api<'_> {
    world.api(Role::PartnerAdmin)
}
