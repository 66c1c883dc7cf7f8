//! The picker of the catalogue: live, active entries only, few calls.

use super::*;

fn names(found: &Value) -> Vec<&str> {
    ids(&found["items"], "name")
}

#[tokio::test]
async fn services_are_found_by_a_part_of_their_name_those_of_the_vendor_first() {
    let of = Catalogue::new().await;
    let plain = json!({"name": "Managed", "useType": 5, "isActive": true});
    let code = of.world.sim.insert(of.world.ci, "BillingCodes", &[plain]).unwrap()[0];
    let row = json!({"name": "A training room", "billingCodeID": code, "periodType": 4, "unitPrice": "30.00"});
    let room = of.world.sim.insert(of.world.ci, "Services", &[row]).unwrap()[0];
    let gone = of.world.service("Old training", "1.00", "0.50");
    of.deactivate("Services", gone);
    of.map("p1", of.training).await;
    of.world.sim.clear_requests();
    let found = of.billing().get("C/autotask/catalogue?kind=service&q=tRAIN").await.expect(200);
    assert!(of.world.sim.requests().len() <= 3);
    assert_eq!((names(&found), &found["more"]), (vec!["Training", "A training room"], &json!(false)));
    let (first, second) = (&found["items"][0], &found["items"][1]);
    assert_eq!((&first["unit_price"], &first["unit_cost"]), (&json!("4"), &json!("2")));
    assert_eq!((&first["vendor_code"], &first["period_type"]), (&json!(true), &json!("Monthly")));
    assert_eq!((&first["mapped_to"], &first["billable"]), (&json!("p1"), &json!(null)));
    assert_eq!((&second["id"], &second["billing_code_id"]), (&json!(room), &json!(code)));
    assert_eq!((&second["vendor_code"], &second["period_type"]), (&json!(false), &json!("Yearly")));
    let bundles = of.billing().get("C/autotask/catalogue?kind=bundle").await.expect(200);
    assert_eq!((names(&bundles), &bundles["items"][0]["kind"]), (vec!["All of it"], &json!("bundle")));
}

#[tokio::test]
async fn products_say_as_which_service_they_would_be_billed() {
    let of = Catalogue::new().await;
    let billable = of.world.product("Training", "TRN");
    let coded = of.world.product("Nightly copy", "Backup");
    let none = of.world.product("Firewall", "FW-40");
    let number = json!({"vendorProductNumber": "V-7"});
    of.world.sim.patch(of.world.ci, "Products", none, &number).unwrap();
    of.world.sim.clear_requests();
    let found = of.billing().get("C/autotask/catalogue?kind=product").await.expect(200);
    assert!(of.world.sim.requests().len() <= 4);
    let row = |id: i64| found["items"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap();
    assert_eq!(row(billable)["billable"], json!({"id": of.training, "name": "Training"}));
    assert_eq!(row(coded)["billable"], json!({"id": of.backup, "name": "Backup"}));
    assert_eq!((&row(none)["billable"], &row(none)["sku"]), (&json!(null), &json!("FW-40")));
    for (q, id) in [("trn", billable), ("FW-40", none), ("v-7", none), ("nightly", coded)] {
        let found = of.billing().get(&format!("C/autotask/catalogue?kind=product&q={q}")).await.expect(200);
        assert_eq!((found["items"].as_array().unwrap().len(), &found["items"][0]["id"]), (1, &json!(id)), "{q}");
    }
    let part = of.billing().get("C/autotask/catalogue?kind=product&q=FW-4").await.expect(200);
    assert_eq!(part["items"], json!([]), "a SKU is found whole");
    let twin = of.world.service("training", "1.00", "0.50");
    let found = of.billing().get("C/autotask/catalogue?kind=product&q=Training").await.expect(200);
    assert_eq!(found["items"][0]["billable"], json!(null), "two services of one name are no guess");
    of.deactivate("Services", twin);
    of.save("p1", json!({"target": {"kind": "product", "id": billable}})).await.assert_status(200);
    let found = of.billing().get("C/autotask/catalogue?kind=product&q=Training").await.expect(200);
    assert_eq!(found["items"][0]["mapped_to"], "p1");
}

#[tokio::test]
async fn at_most_fifty_are_shown_and_more_are_told() {
    let of = Catalogue::new().await;
    for n in 0..60 {
        of.world.service(&format!("Many {n:02}"), "1.00", "0.50");
        of.world.product(&format!("Many {n:02}"), None);
    }
    for kind in ["service", "product"] {
        let found = of.billing().get(&format!("C/autotask/catalogue?kind={kind}&q=many")).await.expect(200);
        assert_eq!((found["items"].as_array().unwrap().len(), &found["more"]), (50, &json!(true)));
    }
    let found = of.billing().get("C/autotask/catalogue?kind=product&q=many%2017").await.expect(200);
    assert_eq!(found["items"][0]["billable"]["name"], "Many 17");
}

#[tokio::test]
async fn a_search_that_makes_no_sense_is_refused_and_hidden_costs_are_left_out() {
    let of = Catalogue::new().await;
    let long = "x".repeat(151);
    for query in ["", "?kind=package", "?q=a", &format!("?kind=service&q={long}")] {
        let reply = of.billing().get(&format!("C/autotask/catalogue{query}")).await;
        reply.assert_problem(400, "invalid_input");
    }
    assert!(of.world.sim.requests().is_empty());
    of.world.sim.set_costs_readable(of.world.ci, false).unwrap();
    let found = of.billing().get("C/autotask/catalogue?kind=service&q=backup").await.expect(200);
    assert_eq!((&found["items"][0]["unit_cost"], &found["items"][0]["unit_price"]), (&json!(null), &json!("9")));
}
