//! The list of packages: those of the partner and no others, as they are now.

use super::*;
use domain::vendor::{Account, AccountPackage, Usage};
use domain::{AccountId, LineRef};

fn account(world: &World, id: &str, packages: &[(&str, Option<i64>)]) -> Account {
    let package = |(id, quantity): &(&str, Option<i64>)| AccountPackage::new(PackageId::new(*id).unwrap(), *quantity);
    Account {
        partner: world.partner.clone(),
        id: AccountId::new(id).unwrap(),
        name: id.to_owned(),
        contact_email: None,
        packages: packages.iter().map(package).collect(),
        removed: Vec::new(),
        told: std::collections::BTreeSet::new(),
        packages_at: None,
        active: true,
        updated_at: world.clock.now(),
    }
}

async fn counted(world: &World, account: &AccountId, package: &PackageId, active: i64) {
    let now = world.clock.now();
    world
        .put(&Usage {
            partner: world.partner.clone(),
            account: account.clone(),
            package: package.clone(),
            active,
            as_of: now,
            source_id: None,
            received_at: now,
        })
        .await;
}

fn row<'a>(list: &'a Value, package: &str) -> &'a Value {
    list["items"].as_array().unwrap().iter().find(|row| row["package_id"] == package).unwrap()
}

#[tokio::test]
async fn every_package_of_the_partner_is_listed_in_the_vendors_order_and_no_other() {
    let of = Catalogue::new().await;
    of.unoffered("p9").await;
    of.offer(&["p3", "p1"]).await;
    of.map("p1", of.training).await;
    let list = of.world.api(Role::PartnerViewer).get("C/packages").await.expect(200);
    assert_eq!(ids(&list["items"], "package_id"), ["p3", "p1"]);
    let (first, second) = (&list["items"][0], &list["items"][1]);
    assert_eq!((&first["name"], &first["metric"], &first["active"]), (&json!("Premium"), &json!("user"), &json!(true)));
    assert_eq!((&first["mapping"], &first["lines"]), (&json!(null), &json!({"count": 0})));
    assert_eq!(first["in_use"], json!({"accounts": 0, "confirmed_accounts": 0, "seats": null}));
    assert_eq!((&second["mapping"]["target"]["name"], &second["mapping"]["version"]), (&json!("Training"), &json!(1)));
    of.billing().header("if-match", "\"1\"").put("C/package-mappings/p1", to(of.backup)).await.assert_status(200);
    of.world.sim.clear_requests();
    let list = of.billing().get("C/packages").await.expect(200);
    assert_eq!(row(&list, "p1")["mapping"]["version"], 2);
    assert!(of.world.sim.requests().is_empty(), "Autotask was not asked");
}

#[tokio::test]
async fn a_price_comes_as_text_and_a_package_that_is_no_longer_sold_says_so() {
    let of = Catalogue::new().await;
    let body = json!({"name": "Basic", "metric": "domain", "unit_price_to_partner": "1.7500", "currency": "EUR", "active": false});
    of.world.api(Role::Service).put("/v1/packages/p1", body).await.assert_status(200);
    let list = of.billing().get("C/packages").await.expect(200);
    let first = row(&list, "p1");
    assert_eq!(
        (&first["metric"], &first["currency"], &first["active"]),
        (&json!("domain"), &json!("EUR"), &json!(false))
    );
    assert!(first["unit_price_to_partner"].as_str().is_some_and(|price| price.starts_with("1.75")), "{first}");
}

#[tokio::test]
async fn who_has_a_package_is_counted_from_accounts_mappings_and_counts() {
    let of = Catalogue::new().await;
    let (p1, p2) = (PackageId::new("p1").unwrap(), PackageId::new("p2").unwrap());
    let clients = of.world.clients(2, &[p1.clone(), p2.clone()]).await;
    of.world.put(&account(&of.world, "unmapped", &[("p1", Some(5)), ("p3", None)])).await;
    let gone = Account { active: false, ..account(&of.world, "gone", &[("p1", Some(100))]) };
    of.world.put(&gone).await;
    counted(&of.world, &clients[0].account, &p1, 7).await;
    counted(&of.world, &clients[1].account, &p1, 4).await;
    counted(&of.world, &gone.id, &p1, 900).await;
    counted(&of.world, &AccountId::new("unmapped").unwrap(), &p2, 800).await;
    for _ in 0..2 {
        let list = of.billing().get("C/packages").await.expect(200);
        assert_eq!(row(&list, "p1")["in_use"], json!({"accounts": 3, "confirmed_accounts": 2, "seats": 16}));
        assert_eq!(row(&list, "p2")["in_use"], json!({"accounts": 2, "confirmed_accounts": 2, "seats": null}));
        assert_eq!(row(&list, "p3")["in_use"], json!({"accounts": 1, "confirmed_accounts": 0, "seats": null}));
    }
    counted(&of.world, &AccountId::new("unmapped").unwrap(), &p1, 6).await;
    let list = of.billing().get("C/packages").await.expect(200);
    assert_eq!(row(&list, "p1")["in_use"]["seats"], 17, "a count goes before a quantity");
    let by_quantity = json!({"excluded": true, "quantity_source": "package"});
    of.save("p1", by_quantity).await.assert_status(200);
    let list = of.billing().get("C/packages").await.expect(200);
    assert_eq!(row(&list, "p1")["in_use"]["seats"], 16, "and after it where the mapping counts so");
}

#[tokio::test]
async fn lines_are_those_that_accounts_are_mapped_to() {
    let of = Catalogue::new().await;
    let lines = of.world.lines(3).await;
    let list = of.billing().get("C/packages").await.expect(200);
    assert_eq!(row(&list, testkit::PACKAGE)["lines"]["count"], 3);
    assert_eq!(lines[0].line, LineRef::service(lines[0].line.id));
    of.billing().delete(&format!("C/company-mappings/{}", lines[0].account)).await.assert_status(204);
    let list = of.billing().get("C/packages").await.expect(200);
    assert_eq!(row(&list, testkit::PACKAGE)["lines"]["count"], 2);
}
