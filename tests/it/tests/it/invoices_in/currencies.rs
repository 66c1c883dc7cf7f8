//! Amounts say in which currency they are.

use super::{calls, hour, imported, viewer, world};
use serde_json::{Value, json};
use simulator::{Access, Permissions};
use testkit::World;

fn currency(world: &World, name: &str) -> i64 {
    world.sim.insert(world.ci, "Currencies", &[json!({"name": name})]).unwrap()[0]
}

async fn of(world: &World, company: i64, invoice: i64) -> (Value, Value) {
    let customer = viewer(world, &format!("C/customers/{company}")).await["currency"].clone();
    (customer, viewer(world, &format!("C/invoices/{invoice}")).await["currency"].clone())
}

fn asked(world: &World) -> usize {
    calls(world).iter().filter(|call| call.ends_with("Currencies/query")).count()
}

#[tokio::test]
async fn customers_and_invoices_carry_their_currency_and_who_has_none_the_tenants_own() {
    let world = world().await;
    let euro = currency(&world, "EUR");
    let (abroad, plain, none) = (world.company("Abroad"), world.company("Plain"), world.company("None"));
    world.sim.patch(world.ci, "Companies", abroad, &json!({"currencyID": euro})).unwrap();
    world.sim.patch(world.ci, "Companies", none, &json!({"currencyID": null})).unwrap();
    let invoices: Vec<i64> =
        [abroad, plain, none].iter().map(|company| world.invoice(*company, &[("Seats", 4, "2.50")]).id).collect();
    super::tick(&world).await;
    assert_eq!(asked(&world), 1);
    for ((company, invoice), name) in [abroad, plain, none].into_iter().zip(invoices).zip(["EUR", "USD", "USD"]) {
        assert_eq!(of(&world, company, invoice).await, (json!(name), json!(name)));
    }
}

#[tokio::test]
async fn a_currency_that_is_new_is_asked_for_once_a_day_and_an_idle_hour_asks_for_none() {
    let world = world().await;
    let company = world.company("Northwind");
    imported(&world).await;
    world.advance(jiff::SignedDuration::from_hours(24));
    hour(&world).await;
    assert_eq!(asked(&world), 0);
    let pound = currency(&world, "GBP");
    world.sim.patch(world.ci, "Companies", company, &json!({"currencyID": pound})).unwrap();
    let one = world.invoice(company, &[("Seats", 4, "2.50")]);
    hour(&world).await;
    assert_eq!(asked(&world), 1);
    assert_eq!(of(&world, company, one.id).await, (json!("GBP"), json!("GBP")));
    // A number that nobody knows does not make us ask again and again.
    world.sim.patch(world.ci, "Companies", company, &json!({"currencyID": 4711})).unwrap();
    world.sim.clear_requests();
    hour(&world).await;
    hour(&world).await;
    assert_eq!(asked(&world), 0);
    assert_eq!(viewer(&world, &format!("C/customers/{company}")).await["currency"], Value::Null);
}

#[tokio::test]
async fn who_cannot_read_currencies_gets_invoices_without() {
    let world = world().await;
    world.sim.set_permissions(world.ci, Permissions::default().with("Currencies", Access::NONE)).unwrap();
    let company = world.company("Northwind");
    let one = world.invoice(company, &[("Seats", 4, "2.50")]);
    imported(&world).await;
    assert_eq!(of(&world, company, one.id).await, (Value::Null, Value::Null));
    assert_eq!(viewer(&world, "C/sync-status").await["import"]["last_state"], "done");
}
