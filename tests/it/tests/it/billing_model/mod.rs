//! The whole of package billing against a small model of what Autotask should bill, and the same under faults and
//! kills. What is random comes from a seed; a test that fails prints its seed and every step.

mod check;
mod faults;
mod found;
mod model;
mod sequence;
mod steps;

use domain::Role;
use domain::records::Collection;
use domain::runs::{Run, RunLine, lines as run_lines};
use jiff::civil::Date;
use serde_json::{Value, json};
use testkit::{Api, Client, Reply, World};

/// What an Autotask catalogue has, as a package's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    bundle: bool,
    id: i64,
}

impl Item {
    fn target(self) -> Value {
        json!({"kind": if self.bundle { "bundle" } else { "service" }, "id": self.id})
    }
}

/// A world whose connection bills packages: clients with contracts and no lines, packages, a catalogue.
struct Town {
    world: World,
    clients: Vec<Client>,
    packages: Vec<String>,
    items: Vec<Item>,
}

impl Town {
    async fn build(world: World, clients: usize, packages: usize, services: usize, bundles: usize) -> Self {
        let patch = json!({"features": ["seat_sync", "package_billing"]});
        world.api(Role::PartnerAdmin).patch("C/settings", patch).await.assert_status(200);
        let mut names = Vec::new();
        for no in 1..=packages {
            names.push(world.package(&format!("p{no}"), &format!("Package {no}")).await.to_string());
        }
        let service = |no| Item { bundle: false, id: world.service(&format!("Service {no}"), "10", "4") };
        let mut items: Vec<Item> = (1..=services).map(service).collect();
        let parts: Vec<i64> = items.iter().take(2).map(|item| item.id).collect();
        let bundle = |no| Item { bundle: true, id: world.bundle(&format!("Bundle {no}"), "15", &parts) };
        items.extend((1..=bundles).map(bundle));
        let clients = world.clients(clients, &[]).await;
        Self { world, clients, packages: names, items }
    }

    fn billing(&self) -> Api<'_> {
        self.world.api(Role::PartnerBilling)
    }

    fn back_end(&self) -> Api<'_> {
        self.world.api(Role::Service)
    }

    async fn auto_sync(&self, on: bool) {
        let patch = json!({"billing_auto_sync": on});
        self.world.api(Role::PartnerAdmin).patch("C/settings", patch).await.assert_status(200);
    }

    async fn map(&self, package: &str, item: Item, source: &str, rule: Value) -> Reply {
        let count_rule = if source == "package" { "fixed" } else { "snapshot_on_run" };
        let body = json!({
            "target": item.target(), "quantity_source": source, "count_rule": count_rule, "quantity_rule": rule
        });
        self.billing().put(&format!("C/package-mappings/{package}"), body).await
    }

    async fn tell(&self, body: Value) -> Reply {
        self.back_end().post("/v1/package-changes", body).await
    }

    async fn start(&self, kind: &str) -> Reply {
        self.billing().post("C/runs", json!({"kind": kind, "mode": "apply"})).await
    }

    async fn runs(&self) -> Vec<Run> {
        self.world.load_all(&Collection::Runs(self.world.partner.clone(), self.world.connection.clone())).await
    }

    async fn report(&self, run: &Run) -> Vec<RunLine> {
        let (partner, connection) = (&self.world.partner, &self.world.connection);
        run_lines::load_lines(self.world.ports(), &self.world.scope(), partner, connection, &run.id).await.unwrap()
    }

    /// What is listed as pending.
    async fn pending(&self) -> Vec<Value> {
        let (mut items, mut path) = (Vec::new(), "C/pending-changes?limit=200".to_owned());
        loop {
            let page = self.world.api(Role::PartnerViewer).get(&path).await.expect(200);
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else { return items };
            path = format!("C/pending-changes?limit=200&cursor={cursor}");
        }
    }
}

/// How many seeds or steps are asked for: by a person who wants more than the suite has time for.
#[expect(clippy::disallowed_methods, reason = "it makes the test longer, and nothing else")]
pub(crate) fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The first day of the month after a day's.
fn next_first(day: Date) -> Date {
    day.last_of_month().tomorrow().unwrap()
}

/// Prints the seed and what was done when a test fails.
struct Trace {
    seed: u64,
    steps: Vec<String>,
}

impl Trace {
    fn new(seed: u64) -> Self {
        Self { seed, steps: Vec::new() }
    }

    fn add(&mut self, step: String) {
        self.steps.push(step);
    }
}

impl Drop for Trace {
    #[expect(clippy::print_stderr, reason = "a failure is of no use without what led to it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}, {} steps:", self.seed, self.steps.len());
            for (no, step) in self.steps.iter().enumerate() {
                eprintln!("{no:4} {step}");
            }
        }
    }
}
