//! Packages on contracts, through the routes: the initial sync, package changes, re-mapped packages, lines that must be
//! added.

mod calls;
mod changes;
mod dates;
mod initial;
mod lines;
mod remapped;
mod shapes;

use domain::{LineRef, Role};
use jiff::civil::Date;
use serde_json::{Value, json};
use testkit::{Client, World};

/// A world whose connection bills packages: `basic`, `plus` and `premium`, each mapped to a service of its own.
struct Desk {
    world: World,
    clients: Vec<Client>,
    /// `Services.id` of each package.
    basic: i64,
    plus: i64,
}

impl Desk {
    /// Clients that have none of the packages yet. It is the 20th of November.
    async fn new(clients: usize) -> Self {
        Self::of(World::builder().at("2026-11-20T10:00:00Z").build().await, clients).await
    }

    async fn of(world: World, clients: usize) -> Self {
        let features = json!({"features": ["seat_sync", "package_billing"]});
        world.api(Role::PartnerAdmin).patch("C/settings", features).await.assert_status(200);
        for (id, name) in [("basic", "Basic"), ("plus", "Plus"), ("premium", "Premium")] {
            world.package(id, name).await;
        }
        let clients = world.clients(clients, &[]).await;
        let basic = world.service("Mail basic", "10", "4");
        let plus = world.service("Mail plus", "20", "8");
        let premium = world.service("Mail premium", "30", "12");
        let desk = Self { world, clients, basic, plus };
        for (package, service) in [("basic", basic), ("plus", plus), ("premium", premium)] {
            desk.map(package, service).await;
        }
        desk
    }

    /// Maps a package to a service, billed by what accounts have.
    async fn map(&self, package: &str, service: i64) -> Value {
        let body = json!({"target": {"kind": "service", "id": service}, "quantity_source": "package"});
        self.put_mapping(package, body).await
    }

    async fn put_mapping(&self, package: &str, body: Value) -> Value {
        let path = format!("C/package-mappings/{package}");
        self.world.api(Role::PartnerBilling).put(&path, body).await.expect(200)
    }

    /// The vendor tells what an account has, as a whole.
    async fn has(&self, client: usize, packages: &[(&str, i64)]) {
        let account = &self.clients[client].account;
        let packages: Vec<Value> = packages.iter().map(|(id, n)| json!({"id": id, "quantity": n})).collect();
        let body = json!({"name": format!("Client {client}"), "packages": packages});
        let path = format!("/v1/partners/{}/accounts/{account}", self.world.partner);
        assert!(self.world.api(Role::Service).put(&path, body).await.is_success());
    }

    /// The vendor tells a change that happens now.
    async fn tell(&self, id: &str, client: usize, (from, to): (Option<&str>, Option<&str>), quantity: i64) -> Value {
        let now = self.world.advance(jiff::SignedDuration::from_secs(1));
        let body = json!({
            "partner": self.world.partner, "account_id": self.clients[client].account, "from": from, "to": to,
            "quantity": to.map(|_| quantity), "occurred_at": now, "change_id": id,
        });
        let reply = self.world.api(Role::Service).post("/v1/package-changes", body).await;
        assert!(reply.is_success(), "{reply:?}");
        reply.json
    }

    /// Starts a run and lets everything be worked off; the run as it ended.
    async fn run(&self, kind: &str) -> Value {
        self.run_with(json!({"kind": kind, "mode": "apply"})).await
    }

    async fn run_with(&self, body: Value) -> Value {
        let started = self.world.api(Role::PartnerBilling).post("C/runs", body).await.expect(202);
        self.world.drain().await;
        self.get(&format!("C/runs/{}", started["run_id"].as_str().unwrap())).await
    }

    async fn get(&self, path: &str) -> Value {
        self.world.api(Role::PartnerViewer).get(path).await.expect(200)
    }

    /// The lines of a run, each as (package, state, code, units wanted).
    async fn lines(&self, run: &Value) -> Vec<Value> {
        let page = self.get(&format!("C/runs/{}/lines?limit=200", run["id"].as_str().unwrap())).await;
        page["items"].as_array().unwrap().clone()
    }

    /// Units of the contract's lines of a service on a day, in the order of the lines.
    fn units(&self, client: usize, service: i64, day: &str) -> Vec<Option<i64>> {
        let day: Date = day.parse().unwrap();
        let lines = self.lines_of(client, service);
        lines.into_iter().map(|line| self.world.units_at(line, day)).collect()
    }

    fn lines_of(&self, client: usize, service: i64) -> Vec<LineRef> {
        let lines = self.world.lines_of(self.clients[client].contract_id);
        lines.into_iter().filter(|(_, holds)| *holds == service).map(|(line, _)| line).collect()
    }

    /// What is not done yet.
    async fn pending(&self) -> Vec<Value> {
        self.get("C/pending-changes?limit=200").await["items"].as_array().unwrap().clone()
    }

    fn adjustments(&self) -> usize {
        self.world.sim.adjustments().len()
    }
}

/// Of each line: package, state and code.
fn told(lines: &[Value]) -> Vec<(&str, &str, Option<&str>)> {
    lines
        .iter()
        .map(|line| (line["package_id"].as_str().unwrap(), line["state"].as_str().unwrap(), line["code"].as_str()))
        .collect()
}
