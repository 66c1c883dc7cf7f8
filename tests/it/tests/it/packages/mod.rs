//! Package mappings: what a package is billed as, the catalogue's picker, and the gate of the initial sync.

mod catalogue;
mod ends;
mod gate;
mod list;
mod products;
mod roles;
mod save;
mod sums;

use domain::connections::Connection;
use domain::packages::PackageMapping;
use domain::records::{Collection, Key};
use domain::vendor::{Package, PartnerPackages};
use domain::{PackageId, Role};
use serde_json::{Value, json};
use simulator::{Access, Level, Permissions};
use testkit::{Api, Reply, World};

/// A world whose partner sells these packages, and services of Autotask beside them.
struct Catalogue {
    world: World,
    /// Services "Training" and "Backup".
    training: i64,
    backup: i64,
    /// A bundle of both.
    bundle: i64,
}

impl Catalogue {
    async fn new() -> Self {
        Self::of(testkit::world().await).await
    }

    async fn of(world: World) -> Self {
        for (id, name) in [("p1", "Basic"), ("p2", "Plus"), ("p3", "Premium")] {
            world.package(id, name).await;
        }
        let training = world.service("Training", "4.00", "2.00");
        let backup = world.service("Backup", "9.00", "3.00");
        let bundle = world.bundle("All of it", "11.00", &[training, backup]);
        Self { world, training, backup, bundle }
    }

    fn billing(&self) -> Api<'_> {
        self.world.api(Role::PartnerBilling)
    }

    async fn save(&self, package: &str, body: Value) -> Reply {
        self.billing().put(&format!("C/package-mappings/{package}"), body).await
    }

    /// Maps a package to a service.
    async fn map(&self, package: &str, service: i64) -> Value {
        self.save(package, to(service)).await.expect(200)
    }

    async fn mapping(&self, package: &str) -> Option<PackageMapping> {
        let key = Key::PackageMapping(
            self.world.partner.clone(),
            self.world.connection.clone(),
            PackageId::new(package).unwrap(),
        );
        self.world.load::<PackageMapping>(&key).await.map(|found| found.value)
    }

    async fn mappings(&self) -> Vec<PackageMapping> {
        let of = Collection::PackageMappings(self.world.partner.clone(), self.world.connection.clone());
        self.world.load_all(&of).await
    }

    /// Exactly these packages may be used, in this order.
    async fn offer(&self, packages: &[&str]) {
        let packages = packages.iter().map(|id| PackageId::new(*id).unwrap()).collect();
        self.world.put(&PartnerPackages { partner: self.world.partner.clone(), packages }).await;
    }

    /// A package of the vendor's catalogue that is not offered to the partner.
    async fn unoffered(&self, id: &str) {
        let package = Package {
            id: PackageId::new(id).unwrap(),
            name: format!("Secret {id}"),
            metric: "user".to_owned(),
            unit_price_to_partner: None,
            currency: None,
            active: true,
        };
        self.world.put(&package).await;
    }

    async fn connection(&self) -> Connection {
        let key = Key::Connection(self.world.partner.clone(), self.world.connection.clone());
        self.world.load::<Connection>(&key).await.unwrap().value
    }

    fn deactivate(&self, entity: &str, id: i64) {
        self.world.sim.patch(self.world.ci, entity, id, &json!({"isActive": false})).unwrap();
    }

    fn hide(&self, entity: &str) {
        let rights = Permissions::default().with(entity, Access { view: Level::None, ..Access::ALL });
        self.world.sim.set_permissions(self.world.ci, rights).unwrap();
    }
}

/// A target that is a service.
fn to(service: i64) -> Value {
    json!({"target": {"kind": "service", "id": service}})
}

fn into(package: &str) -> Value {
    json!({"sum_into": package})
}

fn excluded() -> Value {
    json!({"excluded": true})
}

fn pointers(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect()
}

/// The ids in a list of objects.
fn ids<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|row| row[name].as_str().unwrap()).collect()
}
