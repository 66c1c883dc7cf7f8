//! What people do in Autotask meanwhile: it is theirs, and is told, not overwritten.

use super::*;
use domain::invoices::InvoiceStatus;
use jiff::civil::date;

#[tokio::test]
async fn an_invoice_that_somebody_marked_as_paid_keeps_that_date_and_the_payment_is_told() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    world.pay_in_autotask(invoice, date(2026, 11, 3));
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.drain().await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 3)));
    assert!(world.writes().is_empty());
    assert_eq!(issues(&world).await, issue("payment_conflict", format!("invoice/{invoice}")));
    let stands = shown(&world, invoice).await;
    assert_eq!(stands["invoice"]["writeback"]["state"], "conflict");
    assert_eq!(stands["invoice"]["writeback"]["autotask_paid_date"], "2026-11-03");
    assert_eq!((stands["payments"].as_array().unwrap().len(), writeback(&world, invoice).await), (1, None));

    // The payment is given back: theirs stays, and nothing is left to say.
    unpay(&world, "pay-1").await.assert_status(200);
    world.drain().await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 3)));
    assert!(world.writes().is_empty());
    world.unpay_in_autotask(invoice);
    world.sync_invoice(invoice).await;
    assert_eq!(issues(&world).await, BTreeSet::new());
}

#[tokio::test]
async fn a_date_that_somebody_changed_since_is_not_cleared() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.drain().await;
    world.pay_in_autotask(invoice, date(2026, 11, 5));
    unpay(&world, "pay-1").await.assert_status(200);
    world.drain().await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 5)));
    assert_eq!(invoice_writes(&world), ["PATCH"], "only ours was ever written");
    assert_eq!(issues(&world).await, issue("payment_conflict", format!("invoice/{invoice}")));
    let ours = world.our_invoice(invoice).await;
    assert_eq!((ours.status, ours.ledger.written_paid_on), (InvoiceStatus::Paid, None));
    assert_eq!(told(&world), ["invoice.paid", "payment.written_back", "invoice.reopened", "invoice.paid"]);
    assert!(marked_open(&world).await.is_empty());
}

#[tokio::test]
async fn the_same_day_entered_by_hand_is_no_conflict_and_not_ours_to_clear() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    world.pay_in_autotask(invoice, date(2026, 11, 19));
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.drain().await;
    assert!(world.writes().is_empty());
    assert_eq!(issues(&world).await, BTreeSet::new());
    assert_eq!(world.published("payment.written_back")[0].detail["data"]["already"], true);
    unpay(&world, "pay-1").await.assert_status(200);
    world.drain().await;
    assert_eq!((world.paid_there(invoice), world.writes().len()), (Some(date(2026, 11, 19)), 0));
}

#[tokio::test]
async fn a_date_of_ours_that_somebody_took_out_is_told_and_not_written_again() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.drain().await;
    world.unpay_in_autotask(invoice);
    world.sync_invoice(invoice).await;
    world.drain().await;
    assert_eq!((world.paid_there(invoice), invoice_writes(&world).len()), (None, 1));
    assert_eq!(issues(&world).await, issue("payment_conflict", format!("invoice/{invoice}")));
    // Whatever is fetched or told next, theirs stands.
    world.sync_invoice(invoice).await;
    pay(&world, invoice, "pay-2", "5.00").await.assert_status(201);
    world.drain().await;
    assert_eq!((world.paid_there(invoice), invoice_writes(&world).len()), (None, 1));
    assert_eq!(shown(&world, invoice).await["invoice"]["writeback"]["state"], "conflict");
    // New payments are a new story.
    unpay(&world, "pay-1").await.assert_status(200);
    unpay(&world, "pay-2").await.assert_status(200);
    world.drain().await;
    assert_eq!(issues(&world).await, BTreeSet::new());
    pay(&world, invoice, "pay-3", "150.00").await.assert_status(201);
    world.drain().await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
}

#[tokio::test]
async fn a_total_that_rises_makes_what_was_written_unpaid_again() {
    let world = testkit::world().await;
    let company = world.company("Grows");
    let id = world.invoice(company, &[("Seats", 10, "10.00")]).id;
    world.sync_invoice(id).await;
    pay(&world, id, "pay-1", "100.00").await.assert_status(201);
    world.drain().await;
    assert_eq!(world.paid_there(id), Some(date(2026, 11, 19)));
    world.add_invoice_line(id, ("Travel", 1, "20.00"));
    world.sync_invoice(id).await;
    world.drain().await;
    assert_eq!(world.paid_there(id), None);
    assert_eq!(world.our_invoice(id).await.status, InvoiceStatus::Open);
    assert_eq!(world.published("payment.writeback_deleted").len(), 1);
    pay(&world, id, "pay-2", "20.00").await.assert_status(201);
    world.drain().await;
    assert_eq!(world.paid_there(id), Some(date(2026, 11, 19)));
    assert_eq!(world.published("payment.written_back").len(), 2);
}

#[tokio::test]
async fn an_invoice_that_grew_in_autotask_since_it_was_fetched_is_not_written_as_paid() {
    let world = testkit::world().await;
    let company = world.company("Grew");
    let id = world.invoice(company, &[("Seats", 10, "10.00")]).id;
    world.sync_invoice(id).await;
    world.add_invoice_line(id, ("Travel", 1, "20.00"));
    pay(&world, id, "pay-1", "100.00").await.assert_status(201);
    world.drain().await;
    assert_eq!((world.paid_there(id), world.writes().len()), (None, 0));
    world.sync_invoice(id).await;
    assert_eq!((writeback(&world, id).await, world.our_invoice(id).await.status), (None, InvoiceStatus::Open));
    world.drain().await;
    assert!(world.writes().is_empty());
}

#[tokio::test]
async fn an_invoice_voided_in_autotask_since_it_was_fetched_is_not_written_to() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    world.void_invoice(invoice);
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.drain().await;
    assert!(world.writes().is_empty());
    assert_eq!(writeback(&world, invoice).await, None);
}
