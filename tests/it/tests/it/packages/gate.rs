//! Whether the initial sync may be started.

use super::*;
use domain::connections::settings::InitialSyncGate;
use domain::packages::{self, Gate};

async fn gate(of: &Catalogue) -> Gate {
    let world = &of.world;
    packages::gate(world.ports(), &world.scope(), &world.partner, &world.connection).await.unwrap()
}

async fn missing(of: &Catalogue) -> Vec<String> {
    let shown = of.billing().get("C/packages").await.expect(200)["initial_sync"].clone();
    let ids: Vec<String> = ids(&shown["missing"], "package_id").into_iter().map(str::to_owned).collect();
    assert_eq!(shown["ready"], json!(ids.is_empty()), "{shown}");
    assert_eq!(shown["action"].is_null(), ids.is_empty(), "{shown}");
    let own = gate(of).await;
    assert_eq!(own.missing.iter().map(|m| m.package_id.to_string()).collect::<Vec<_>>(), ids);
    ids
}

async fn step(of: &Catalogue) -> Option<Value> {
    let progress = of.billing().get("C/setup-progress").await.expect(200);
    progress["steps"].as_array().unwrap().iter().find(|step| step["id"] == "packages_mapped").cloned()
}

/// The connection bills packages.
async fn bills_packages(of: &Catalogue) {
    let mut connection = of.connection().await;
    connection.features.push("package_billing".to_owned());
    of.world.put(&connection).await;
}

fn package(id: &str) -> PackageId {
    PackageId::new(id).unwrap()
}

#[tokio::test]
async fn the_gate_opens_when_each_package_in_use_is_mapped_summed_or_excluded() {
    let of = Catalogue::new().await;
    assert_eq!(missing(&of).await, [""; 0]);
    let clients = of.world.clients(2, &[package("p1"), package("p2")]).await;
    of.world.clients(1, &[package("p3")]).await;
    assert_eq!(missing(&of).await, ["p1", "p2", "p3"]);
    let refused = gate(&of).await.pass().unwrap_err();
    let domain::Error::Problem(problem) = refused else { panic!("{refused}") };
    assert_eq!(problem.code, domain::Code::InitialSyncNotReady);
    assert_eq!(
        problem.extra["missing"][0],
        json!({"package_id": "p1", "name": "Basic", "accounts": 2, "available": true})
    );
    of.map("p1", of.training).await;
    of.save("p2", into("p1")).await.assert_status(200);
    assert_eq!(missing(&of).await, ["p3"]);
    of.save("p3", excluded()).await.assert_status(200);
    assert_eq!(missing(&of).await, [""; 0]);
    assert!(gate(&of).await.pass().is_ok());
    of.billing().delete("C/package-mappings/p2").await.assert_status(204);
    assert_eq!(missing(&of).await, ["p2"]);
    for client in &clients {
        of.billing().delete(&format!("C/company-mappings/{}", client.account)).await.assert_status(204);
    }
    assert_eq!(missing(&of).await, [""; 0], "nobody who is billed has it");
}

#[tokio::test]
async fn a_strict_gate_asks_for_every_package_that_is_sold_to_the_partner() {
    let world = World::builder().settings(|s| s.initial_sync_gate = InitialSyncGate::AllPackages).build().await;
    let of = Catalogue::of(world).await;
    of.unoffered("p9").await;
    assert_eq!(missing(&of).await, ["p1", "p2", "p3"]);
    of.map("p1", of.training).await;
    of.save("p2", excluded()).await.assert_status(200);
    assert_eq!(missing(&of).await, ["p3"]);
    let body = json!({"name": "Premium", "metric": "user", "active": false});
    of.world.api(Role::Service).put("/v1/packages/p3", body).await.assert_status(200);
    assert_eq!(missing(&of).await, [""; 0], "it is not sold any more and nobody has it");
    of.world.clients(1, &[package("p3")]).await;
    assert_eq!(missing(&of).await, ["p3"]);
}

#[tokio::test]
async fn a_change_of_the_vendors_catalogue_shows_at_once() {
    let world = World::builder().settings(|s| s.initial_sync_gate = InitialSyncGate::AllPackages).build().await;
    let of = Catalogue::of(world).await;
    for package in ["p1", "p2", "p3"] {
        of.save(package, excluded()).await.assert_status(200);
    }
    assert_eq!(missing(&of).await, [""; 0]);
    let service = of.world.api(Role::Service);
    service.put("/v1/packages/p4", json!({"name": "New", "metric": "user"})).await.assert_status(201);
    assert_eq!(missing(&of).await, [""; 0], "not offered to this partner");
    let offered = json!({"packages": ["p4", "p1"]});
    service.put("/v1/partners/acme/packages", offered).await.assert_status(200);
    assert_eq!(missing(&of).await, ["p4"]);
    let list = of.billing().get("C/packages").await.expect(200);
    assert_eq!(ids(&list["items"], "package_id"), ["p4", "p1"]);
    of.map("p4", of.training).await;
    assert_eq!(missing(&of).await, [""; 0]);
}

#[tokio::test]
async fn a_package_that_clients_have_and_the_partner_may_not_use_is_named_as_such() {
    let of = Catalogue::new().await;
    of.world.clients(1, &[package("p1")]).await;
    of.offer(&["p2"]).await;
    let shown = of.billing().get("C/packages").await.expect(200)["initial_sync"].clone();
    assert_eq!(shown["missing"], json!([{"package_id": "p1", "name": "Basic", "accounts": 1, "available": false}]));
    assert_eq!(missing(&of).await, ["p1"]);
}

#[tokio::test]
async fn the_setup_progress_of_a_connection_that_bills_packages_has_a_step_for_them() {
    let of = Catalogue::new().await;
    assert_eq!(step(&of).await, None, "a seat sync alone needs no package");
    bills_packages(&of).await;
    assert_eq!(step(&of).await.unwrap()["state"], "todo");
    of.world.clients(1, &[package("p1"), package("p2")]).await;
    let todo = step(&of).await.unwrap();
    assert_eq!(todo["state"], "todo");
    assert!(todo["detail"].as_str().unwrap().contains("Basic (p1), Plus (p2)"), "{todo}");
    of.map("p1", of.training).await;
    of.save("p2", into("p1")).await.assert_status(200);
    let done = step(&of).await.unwrap();
    assert_eq!(
        (&done["state"], &done["detail"]),
        (&json!("done"), &json!("2 packages are mapped, summed or excluded."))
    );
}
