//! A product is billed as the service of its name or SKU, or not at all.

use super::*;

fn product(id: i64) -> Value {
    json!({"target": {"kind": "product", "id": id}})
}

#[tokio::test]
async fn a_product_is_stored_as_the_one_active_service_of_its_name() {
    let of = Catalogue::new().await;
    let id = of.world.product(" TRAINING ", None);
    for changed in [true, false] {
        let saved = of.save("p1", product(id)).await.expect(200);
        let target = &saved["mapping"]["target"];
        assert_eq!(saved["changed"], changed);
        assert_eq!(*target, json!({"kind": "service", "id": of.training, "name": "Training", "product_id": id}));
    }
    let shared = of.save("p2", to(of.training)).await;
    assert_eq!(shared.assert_problem(422, "contract_service_shared")["package_id"], "p1");
    of.save("p2", product(id)).await.assert_problem(422, "contract_service_shared");
}

#[tokio::test]
async fn a_product_without_a_namesake_is_billed_as_the_service_that_is_called_like_its_sku() {
    let of = Catalogue::new().await;
    let service = of.world.service("SAT-USER", "4.00", "2.00");
    let id = of.world.product("Security training per user", "sat-user");
    let saved = of.save("p1", product(id)).await.expect(200);
    assert_eq!(
        (&saved["mapping"]["target"]["id"], &saved["mapping"]["target"]["product_id"]),
        (&json!(service), &json!(id))
    );
    let both = of.world.product("Backup", "SAT-USER");
    let saved = of.save("p2", product(both)).await.expect(200);
    assert_eq!(saved["mapping"]["target"]["id"], of.backup, "the name goes first");
}

#[tokio::test]
async fn a_product_that_no_service_is_called_like_is_refused_with_near_names() {
    let of = Catalogue::new().await;
    let near = of.world.service("Training (per user)", "4.00", "2.00");
    let gone = of.world.service("User training advanced", "4.00", "2.00");
    of.deactivate("Services", gone);
    for n in 0..12 {
        of.world.service(&format!("Training room {n:02}"), "1.00", "0.50");
    }
    let id = of.world.product("User Training", None);
    for _ in 0..2 {
        let reply = of.save("p1", product(id)).await;
        let problem = reply.assert_problem(422, "product_not_billable_as_service");
        let named = problem["near"].as_array().unwrap();
        assert_eq!(named.len(), 10);
        assert_eq!(named[0], json!({"id": near, "name": "Training (per user)"}), "it shares most words");
        assert!(named.iter().all(|s| s["id"] != gone), "{problem}");
    }
    let strange = of.world.product("X-1", None);
    let reply = of.save("p1", product(strange)).await;
    assert_eq!(reply.assert_problem(422, "product_not_billable_as_service")["near"], json!([]));
    assert!(of.mappings().await.is_empty());
}

#[tokio::test]
async fn a_product_with_two_services_of_its_name_is_no_guess() {
    let of = Catalogue::new().await;
    let twin = of.world.service("TRAINING", "5.00", "2.00");
    let id = of.world.product("Training", None);
    let reply = of.save("p1", product(id)).await;
    let problem = reply.assert_problem(422, "product_not_billable_as_service");
    let mut named: Vec<_> = problem["near"].as_array().unwrap().iter().map(|s| s["id"].as_i64().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, [of.training, twin]);
    of.deactivate("Services", twin);
    assert_eq!(of.save("p1", product(id)).await.expect(200)["mapping"]["target"]["id"], of.training);
    of.deactivate("Services", of.training);
    of.save("p2", product(id)).await.assert_problem(422, "product_not_billable_as_service");
    of.deactivate("Products", id);
    of.save("p2", product(id)).await.assert_problem(422, "service_inactive");
}

#[tokio::test]
async fn the_cost_of_a_products_service_is_that_services() {
    let of = Catalogue::new().await;
    let id = of.world.product("Training", None);
    let mut body = product(id);
    body["overwrite_cost"] = json!(true);
    of.save("p1", body).await.assert_status(200);
    assert_eq!(of.mapping("p1").await.unwrap().overwrite_cost, Some(true));
}

#[tokio::test]
async fn saving_a_product_takes_few_calls_whatever_the_catalogue_holds() {
    let of = Catalogue::new().await;
    for n in 0..200 {
        of.world.service(&format!("Training {n}"), "1.00", "0.50");
        of.world.product(&format!("Training {n}"), None);
    }
    let id = of.world.product("Training Deluxe", None);
    of.world.sim.clear_requests();
    of.save("p1", product(id)).await.assert_problem(422, "product_not_billable_as_service");
    assert!(of.world.sim.requests().len() <= 5, "{} calls", of.world.sim.requests().len());
}
