//! What is paid or void is looked at, too: a page a day, all of it in a round.

use super::{calls, day, imported, kept, told, viewer, world, world_without_pdfs};
use domain::invoices::InvoiceStatus;
use jiff::SignedDuration;
use serde_json::json;
use simulator::{Access, Permissions};
use testkit::World;

async fn status(world: &World, invoice: i64) -> InvoiceStatus {
    world.our_invoice(invoice).await.status
}

/// Invoices that were paid in Autotask, and a time after which the hourly look no longer reads them.
async fn paid<const N: usize>() -> (World, [i64; N]) {
    let world = world().await;
    let company = world.company("Northwind");
    let invoices = [(); N].map(|()| world.invoice(company, &[("Seats", 4, "2.50")]).id);
    for invoice in invoices {
        world.pay_in_autotask(invoice, world.sim.today());
    }
    imported(&world).await;
    world.advance(SignedDuration::from_hours(24 * 20));
    day(&world).await;
    assert_eq!(told(&world), []);
    (world, invoices)
}

#[tokio::test]
async fn a_paid_invoice_that_is_edited_or_deleted_is_right_within_the_round() {
    let (world, [edited, deleted, left]) = paid().await;
    world.add_invoice_line(edited, ("Backup", 1, "40.00"));
    world.delete_invoice(deleted);
    day(&world).await;
    let shown = viewer(&world, &format!("C/invoices/{edited}")).await;
    assert_eq!((&shown["total"], &shown["line_count"], &shown["status"]), (&json!("50.00"), &json!(2), &json!("paid")));
    assert_eq!(
        (status(&world, deleted).await, status(&world, left).await),
        (InvoiceStatus::Missing, InvoiceStatus::Paid)
    );
    let mut events = told(&world);
    events.sort();
    assert_eq!(events, [("invoice.missing".to_owned(), deleted), ("invoice.updated".to_owned(), edited)]);
    world.events.clear();
    day(&world).await;
    assert_eq!(told(&world), []);
}

#[tokio::test]
async fn one_that_is_unpaid_and_deleted_between_two_looks_does_not_stay_paid() {
    let (world, [invoice]) = paid().await;
    world.unpay_in_autotask(invoice);
    world.delete_invoice(invoice);
    day(&world).await;
    assert_eq!(status(&world, invoice).await, InvoiceStatus::Missing);
}

#[tokio::test]
async fn a_day_takes_one_call_more_and_goes_on_where_the_day_before_stopped() {
    let world = world_without_pdfs().await;
    let invoices = world.many_invoices(3, 1_100, 1);
    for invoice in &invoices {
        world.pay_in_autotask(*invoice, world.sim.today());
    }
    imported(&world).await;
    world.advance(SignedDuration::from_hours(24 * 20));
    day(&world).await;
    day(&world).await;
    let looks = async || {
        world.sim.clear_requests();
        day(&world).await;
        calls(&world).iter().filter(|call| call.contains("Invoices/query")).count()
    };
    // The hourly look, the open ones, a page of the closed ones: three days are a round.
    let idle = looks().await;
    assert!(idle <= 4, "{:?}", calls(&world));
    for gone in [10, 600, 1_050] {
        world.delete_invoice(invoices[gone]);
    }
    for found in 1..=3 {
        assert_eq!(looks().await, idle + 1, "the one that vanished is asked for: {:?}", calls(&world));
        let missing = kept(&world).await.iter().filter(|invoice| invoice.status == InvoiceStatus::Missing).count();
        assert_eq!(missing, found, "after {found} days");
    }
    assert_eq!(looks().await, idle, "{:?}", calls(&world));
    // Without the right to see them, nobody asks for a thousand one by one.
    world.sim.set_permissions(world.ci, Permissions::default().with("Invoices", Access::NONE)).unwrap();
    assert!(looks().await <= idle, "{:?}", calls(&world));
    let missing = kept(&world).await.iter().filter(|invoice| invoice.status == InvoiceStatus::Missing).count();
    assert_eq!(missing, 3);
}

#[tokio::test]
async fn invoices_that_may_no_longer_be_seen_are_not_called_missing() {
    let (world, invoices) = paid::<3>().await;
    world.sim.set_permissions(world.ci, Permissions::default().with("Invoices", Access::NONE)).unwrap();
    day(&world).await;
    for invoice in invoices {
        assert_eq!(status(&world, invoice).await, InvoiceStatus::Paid);
    }
    assert_eq!(told(&world), []);
}
