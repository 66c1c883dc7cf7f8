//! Customers that are wanted only now bring their older invoices along, whatever happens on the way.

use super::{hour, imported, kept, world};
use domain::Role;
use jiff::SignedDuration;
use serde_json::json;
use simulator::{Fault, FaultKind, Match};
use std::collections::BTreeSet;
use testkit::World;

async fn here(world: &World) -> BTreeSet<i64> {
    kept(world).await.into_iter().map(|invoice| invoice.id).collect()
}

/// A lead with two invoices that were paid long before the import, which wants customers only.
async fn lead_with_two_paid(world: &World) -> (i64, [i64; 2]) {
    let company = world.company("Northwind");
    world.sim.patch(world.ci, "Companies", company, &json!({"companyType": 2})).unwrap();
    let filters = json!({"company_types": ["Customer"]});
    world.api(Role::PartnerAdmin).put("C/filters", filters).await.assert_status(200);
    let invoices = [4, 5].map(|quantity| world.invoice(company, &[("Seats", quantity, "2.50")]).id);
    for invoice in invoices {
        world.pay_in_autotask(invoice, world.sim.today());
    }
    world.advance(SignedDuration::from_hours(24 * 30));
    imported(world).await;
    assert_eq!(here(world).await, BTreeSet::new());
    world.advance(SignedDuration::from_hours(1));
    (company, invoices)
}

fn becomes_a_customer(world: &World, company: i64) {
    world.sim.patch(world.ci, "Companies", company, &json!({"companyType": 1})).unwrap();
}

#[tokio::test]
async fn a_fetch_that_fails_after_the_customers_leaves_their_invoices_to_the_next() {
    let world = world().await;
    let (company, invoices) = lead_with_two_paid(&world).await;
    becomes_a_customer(&world, company);
    let words = json!({"errors": ["Unable to find companyID in the Invoice Entity."]});
    let fault = Fault::new(Match::new("POST", "*Invoices/query"), FaultKind::Status { status: 500, body: words });
    world.sim.add_fault(fault.times(2));
    hour(&world).await;
    assert_eq!(world.api(Role::PartnerViewer).get("C/sync-status").await.json["new"]["last_state"], "failed");
    assert_eq!(here(&world).await, BTreeSet::new());
    world.sim.clear_faults();
    hour(&world).await;
    assert_eq!(here(&world).await, BTreeSet::from(invoices));
    world.sim.clear_requests();
    hour(&world).await;
    assert_eq!(super::calls(&world).len(), 3, "read once: {:?}", super::calls(&world));
}

#[tokio::test]
async fn one_that_came_with_an_invoice_fetched_by_hand_brings_the_others_at_the_next_hour() {
    let world = world().await;
    let (company, invoices) = lead_with_two_paid(&world).await;
    becomes_a_customer(&world, company);
    let path = format!("C/invoices/{}/resync", invoices[1]);
    world.api(Role::PartnerBilling).post(&path, json!({})).await.assert_status(201);
    assert_eq!(here(&world).await, BTreeSet::from([invoices[1]]));
    hour(&world).await;
    assert_eq!(here(&world).await, BTreeSet::from(invoices));
}

#[tokio::test]
async fn one_that_is_let_in_by_hand_while_a_fetch_still_takes_it_for_kept_out_is_read_whole_all_the_same() {
    let world = world().await;
    let (company, invoices) = lead_with_two_paid(&world).await;
    let other = world.company("Tailspin");
    world.invoice(other, &[("Seats", 1, "2.50")]);
    let fresh = world.invoice(company, &[("Seats", 6, "2.50")]).id;
    world.advance(SignedDuration::from_hours(1));
    world.tick("invoice-fetch", &super::now(&world)).await;
    // The fetch has decided about both customers, and waits for the lines.
    let lines = Match::new("POST", "*BillingItems/query");
    world.sim.add_fault(Fault::new(lines, FaultKind::Delay { ms: 500 }).times(1));
    let by_hand = async {
        while !super::calls(&world).iter().any(|call| call.ends_with("BillingItems/query")) {
            tokio::task::yield_now().await;
        }
        becomes_a_customer(&world, company);
        let path = format!("C/invoices/{}/resync", invoices[1]);
        world.api(Role::PartnerBilling).post(&path, json!({})).await.assert_status(201);
    };
    futures::join!(world.work_one(), by_hand);
    world.drain().await;
    hour(&world).await;
    let mine: BTreeSet<i64> =
        here(&world).await.into_iter().filter(|id| invoices.contains(id) || *id == fresh).collect();
    assert_eq!(mine, BTreeSet::from([invoices[0], invoices[1], fresh]));
}
