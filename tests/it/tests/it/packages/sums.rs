//! One service is billed by one package; others are summed into that one.

use super::*;
use async_trait::async_trait;
use domain::mappings::Context;
use domain::packages::{self, CatalogueKind, SavedWithWarnings, WantedPackage, WantedTarget};
use domain::ports::{Listing, PageRequest, Read, Storage, StorageError};
use domain::records::{Stored, Write};
use domain::{Actor, Code, Ports, Scope};
use simulator::DatabaseSpec;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::INTEGRATION_CODE;
use tokio::sync::Notify;

#[tokio::test]
async fn two_packages_of_one_service_are_refused_and_told_of_the_sum() {
    let of = Catalogue::new().await;
    of.map("p1", of.training).await;
    for _ in 0..2 {
        let reply = of.save("p2", to(of.training)).await;
        let problem = reply.assert_problem(422, "contract_service_shared");
        assert_eq!((&problem["package_id"], &problem["field"]), (&json!("p1"), &json!("target")));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("Basic (p1)") && detail.contains("sum_into"), "{detail}");
    }
    assert!(of.mapping("p2").await.is_none());
    of.save("p2", json!({"target": {"kind": "bundle", "id": of.bundle}})).await.assert_status(200);
    for changed in [true, false] {
        assert_eq!(of.save("p2", into("p1")).await.expect(200)["changed"], changed);
    }
    let summed = of.mapping("p2").await.unwrap();
    assert_eq!((summed.sum_into, summed.target), (Some(PackageId::new("p1").unwrap()), None));
    assert_eq!(summed.former.len(), 1, "the bundle's lines are swapped for the sum");
    of.save("p3", json!({"target": {"kind": "bundle", "id": of.bundle}})).await.assert_status(200);
}

#[tokio::test]
async fn a_sum_goes_one_step_into_a_package_that_is_billed() {
    let of = Catalogue::new().await;
    let refused = async |package: &str, body: Value, words: &str| {
        let reply = of.save(package, body).await;
        let problem = reply.assert_problem(400, "invalid_input");
        assert_eq!(pointers(problem), ["/sum_into"]);
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    };
    refused("p1", into("p1"), "another package").await;
    refused("p1", into("p2"), "Plus (p2) must be mapped").await;
    of.save("p2", excluded()).await.assert_status(200);
    refused("p1", into("p2"), "Plus (p2) must be mapped").await;
    of.map("p3", of.training).await;
    of.save("p2", into("p3")).await.assert_status(200);
    refused("p1", into("p2"), "summed into Premium (p3) itself").await;
    of.save("p1", into("p3")).await.assert_status(200);
    assert!(of.world.writes().is_empty());
}

#[tokio::test]
async fn a_package_that_others_are_summed_into_keeps_a_line() {
    let of = Catalogue::new().await;
    of.map("p1", of.training).await;
    of.map("p2", of.backup).await;
    of.save("p3", into("p1")).await.assert_status(200);
    let names = |reply: &Reply| {
        let problem = reply.assert_problem(409, "conflict");
        assert!(problem["detail"].as_str().unwrap().contains("Premium (p3)"), "{problem}");
        assert_eq!(problem["packages"], json!(["p3"]));
    };
    for _ in 0..2 {
        names(&of.save("p1", excluded()).await);
        names(&of.save("p1", into("p2")).await);
        names(&of.billing().delete("C/package-mappings/p1").await);
    }
    let third = of.world.service("Third", "1.00", "0.50");
    of.map("p1", third).await;
    of.billing().delete("C/package-mappings/p3").await.assert_status(204);
    of.billing().delete("C/package-mappings/p1").await.assert_status(204);
    assert_eq!(of.mappings().await.len(), 1);
}

#[tokio::test]
async fn of_saves_at_once_for_one_service_one_wins() {
    let of = Catalogue::new().await;
    let packages: Vec<String> = (0..6).map(|n| format!("q{n}")).collect();
    for package in &packages {
        of.world.package(package, package).await;
    }
    let replies = futures::future::join_all(packages.iter().map(|p| of.save(p, to(of.training)))).await;
    let won: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(won.len(), 1, "{:?}", replies.iter().map(|r| &r.text).collect::<Vec<_>>());
    for (package, lost) in packages.iter().zip(&replies).filter(|(_, reply)| reply.status != 200) {
        // Autotask takes few calls at once: who got no turn is told to come back, and then that it is too late.
        match lost.status {
            503 => of.save(package, to(of.training)).await.assert_problem(422, "contract_service_shared"),
            _ => lost.assert_problem(422, "contract_service_shared"),
        };
    }
    let holders = of.mappings().await;
    assert_eq!(holders.iter().filter(|m| m.target.as_ref().is_some_and(|t| t.id == of.training)).count(), 1);
}

#[tokio::test]
async fn a_sum_and_the_end_of_its_line_at_once_do_not_both_happen() {
    for seed in 1..=6 {
        let of = Catalogue::of(World::builder().seed(seed).build().await).await;
        of.map("p1", of.training).await;
        of.map("p2", of.backup).await;
        let saves = [
            of.save("p3", into("p1")),
            of.save("p1", excluded()),
            of.save("p2", into("p1")),
            of.save("p1", into("p2")),
        ];
        futures::future::join_all(saves).await;
        let all = of.mappings().await;
        for summed in all.iter().filter(|m| m.sum_into.is_some()) {
            let holder = all.iter().find(|m| Some(&m.package) == summed.sum_into.as_ref());
            assert!(holder.is_some_and(|m| m.target.is_some()), "seed {seed}: {all:#?}");
        }
    }
}

/// Storage whose first write of a package's mapping waits until somebody says so.
#[derive(Debug)]
struct Held {
    inner: Arc<dyn Storage>,
    reached: Notify,
    go_on: Notify,
    waits: AtomicBool,
}

#[async_trait]
impl Storage for Held {
    async fn get(&self, scope: &Scope, key: &Key, read: Read) -> Result<Option<Stored>, StorageError> {
        self.inner.get(scope, key, read).await
    }

    async fn list(&self, scope: &Scope, of: &Collection, page: PageRequest) -> Result<Listing, StorageError> {
        self.inner.list(scope, of, page).await
    }

    async fn write(&self, scope: &Scope, writes: Vec<Write>) -> Result<(), StorageError> {
        let maps = writes.iter().any(|write| matches!(write.key, Key::PackageMapping(..)));
        if maps && self.waits.swap(false, Ordering::SeqCst) {
            self.reached.notify_one();
            self.go_on.notified().await;
        }
        self.inner.write(scope, writes).await
    }
}

/// Maps p1 to "Training", while something else happens just before it is written.
async fn overtaken_by(of: &Catalogue, between: impl Future<Output = ()>) -> domain::Result<SavedWithWarnings> {
    let (inner, waits) = (of.world.ports().storage.clone(), AtomicBool::new(true));
    let held = Arc::new(Held { inner, reached: Notify::new(), go_on: Notify::new(), waits });
    let ports = Ports { storage: held.clone(), ..of.world.ports().clone() };
    let (scope, actor) = (of.world.scope(), Actor::system("test", "req_test"));
    let (partner, connection) = (&of.world.partner, &of.world.connection);
    let context = Context { ports: &ports, scope: &scope, actor: &actor, partner, connection };
    let target = Some(WantedTarget { kind: CatalogueKind::Service, id: of.training });
    let wanted = WantedPackage { target, ..WantedPackage::default() };
    let p1 = PackageId::new("p1").unwrap();
    let meanwhile = async {
        held.reached.notified().await;
        between.await;
        held.go_on.notify_one();
    };
    futures::future::join(packages::save_package(context, &p1, wanted, None), meanwhile).await.0
}

#[tokio::test]
async fn a_save_that_another_one_overtakes_looks_again() {
    let of = Catalogue::new().await;
    let late = overtaken_by(&of, async { drop(of.map("p2", of.training).await) }).await;
    assert_eq!(late.unwrap_err().code(), Some(Code::ContractServiceShared));
    assert_eq!(of.mappings().await.len(), 1);
    assert!(of.mapping("p2").await.is_some());
    let other = Catalogue::new().await;
    let late = overtaken_by(&other, async { drop(other.map("p2", other.backup).await) }).await;
    assert!(late.unwrap().saved.changed);
    assert_eq!(other.mappings().await.len(), 2);
}

#[tokio::test]
async fn a_save_is_not_carried_over_into_another_database() {
    let of = Catalogue::new().await;
    let spec = DatabaseSpec::new("other@msp.example", "other-secret", INTEGRATION_CODE);
    of.world.sim.add_database(spec).unwrap();
    let login = json!({"username": "other@msp.example", "secret": "other-secret", "start_fresh": true});
    let relink = async { of.world.api(Role::PartnerAdmin).post("C/relink", login).await.assert_status(200) };
    let late = overtaken_by(&of, relink).await;
    assert_eq!(late.unwrap_err().code(), Some(Code::Conflict));
    assert!(of.mappings().await.is_empty());
}
