//! Lost answers, late effects, kills, two workers, and hours without Autotask: the paid date ends as it should, and is
//! told once.

use super::*;
use jiff::SignedDuration;
use jiff::civil::date;
use local::host::KillScope;
use simulator::{Fault, FaultKind, Match};

/// Requests of one write-back, with room: read, PATCH, read.
const REQUESTS_MAX: u32 = 6;

fn patches(kind: FaultKind) -> Fault {
    Fault::new(Match::new("PATCH", "*Invoices"), kind)
}

async fn settle(world: &World) {
    for _ in 0..8 {
        world.drain().await;
        world.advance(SignedDuration::from_mins(11));
        let now = world.clock.now().to_string();
        world.tick("payments", &now).await;
    }
    world.drain().await;
}

#[tokio::test]
async fn an_answer_that_was_lost_after_the_date_was_set_is_found_by_reading() {
    for kind in [FaultKind::ApplyThenReset, FaultKind::ApplyThenStatus { status: 500, body: json!("oops") }] {
        let world = testkit::world().await;
        let invoice = world.synced_invoice("150.00").await;
        world.sim.add_fault(patches(kind.clone()).times(1));
        pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
        world.drain().await;
        assert_eq!(
            (world.paid_there(invoice), invoice_writes(&world).len()),
            (Some(date(2026, 11, 19)), 1),
            "{kind:?}"
        );
        assert_eq!(told(&world), ["invoice.paid", "payment.written_back"]);
        unpay(&world, "pay-1").await.assert_status(200);
        world.drain().await;
        assert_eq!(world.paid_there(invoice), None, "it was ours");
    }
}

#[tokio::test]
async fn what_was_not_done_is_sent_again_when_it_can_no_longer_come() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    world.sim.add_fault(patches(FaultKind::Reset).times(1));
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.work_one().await;
    assert_eq!(invoice_writes(&world).len(), 1);
    world.advance(SignedDuration::from_mins(5));
    let now = world.clock.now().to_string();
    world.tick("payments", &now).await;
    world.work_one().await;
    assert_eq!(invoice_writes(&world).len(), 1, "it may still be under way");
    settle(&world).await;
    assert_eq!((world.paid_there(invoice), invoice_writes(&world).len()), (Some(date(2026, 11, 19)), 2));
    assert_eq!(told(&world), ["invoice.paid", "payment.written_back"]);
}

#[tokio::test]
async fn a_date_that_is_set_late_is_cleared_after_its_payment_was_deleted() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    world.sim.add_fault(patches(FaultKind::Late { after_seconds: 240 }).times(1));
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.work_one().await;
    assert_eq!(world.paid_there(invoice), None);
    unpay(&world, "pay-1").await.assert_status(200);
    settle(&world).await;
    assert_eq!((world.paid_there(invoice), writeback(&world, invoice).await), (None, None));
    assert_eq!(world.our_invoice(invoice).await.ledger.written_paid_on, None);
    assert_eq!(issues(&world).await, BTreeSet::new());
}

#[tokio::test]
async fn a_worker_killed_at_any_request_leaves_one_date_and_one_word_of_it() {
    for request in 1..=REQUESTS_MAX {
        let world = testkit::world().await;
        let invoice = world.synced_invoice("150.00").await;
        pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
        world.kill.arm(request, KillScope::Function("payments".to_owned()));
        settle(&world).await;
        assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)), "killed at {request}");
        assert_eq!(told(&world), ["invoice.paid", "payment.written_back"], "killed at {request}");
        unpay(&world, "pay-1").await.assert_status(200);
        world.kill.arm(request, KillScope::Function("payments".to_owned()));
        settle(&world).await;
        assert_eq!(world.paid_there(invoice), None, "killed at {request}");
        assert_eq!(told(&world).len(), 4, "killed at {request}");
        assert_eq!(issues(&world).await, BTreeSet::new());
        world.kill.arm(u32::MAX, KillScope::Background);
    }
}

#[tokio::test]
async fn two_workers_at_once_write_once_or_twice_the_same_and_tell_it_once() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    let now = world.clock.now().to_string();
    world.tick("payments", &now).await;
    world.tick("payments", &now).await;
    let (a, b, c) = tokio::join!(world.work_one(), world.work_one(), world.work_one());
    assert!(a.is_some() && b.is_some() && c.is_some());
    settle(&world).await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
    assert_eq!(invoice_writes(&world), ["PATCH"], "who was second saw the intent of the first");
    assert_eq!(told(&world), ["invoice.paid", "payment.written_back"]);
}

#[tokio::test]
async fn hours_without_autotask_are_told_once_and_made_up_for() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    let away = FaultKind::Status { status: 503, body: Value::Null };
    world.sim.add_fault(Fault::new(Match::default(), away));
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    for _ in 0..(12 * 8) {
        world.advance(SignedDuration::from_mins(5));
        let now = world.clock.now().to_string();
        world.tick("payments", &now).await;
        while world.work_one().await.is_some() {}
    }
    let waiting = writeback(&world, invoice).await.unwrap();
    assert!((6..=12).contains(&waiting.attempts), "waits grow: {waiting:?}");
    assert_eq!(issues(&world).await, issue("payment_writeback_failed", format!("invoice/{invoice}")));
    assert_eq!(told(&world), ["invoice.paid", "payment.writeback_failed"]);
    let stands = shown(&world, invoice).await;
    assert_eq!(
        (&stands["invoice"]["status"], &stands["invoice"]["writeback"]["code"]),
        (&json!("paid"), &json!("autotask_unavailable"))
    );

    world.sim.clear_faults();
    for _ in 0..(12 * 7) {
        world.advance(SignedDuration::from_mins(5));
        let now = world.clock.now().to_string();
        world.tick("payments", &now).await;
        while world.work_one().await.is_some() {}
    }
    world.drain().await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
    assert_eq!(told(&world), ["invoice.paid", "payment.writeback_failed", "payment.written_back"]);
    assert_eq!((issues(&world).await, invoice_writes(&world).len()), (BTreeSet::new(), 1));
}

#[tokio::test]
async fn a_fetch_that_writes_the_invoice_at_the_same_time_loses_nothing() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    let (first, second, ()) = tokio::join!(
        pay(&world, invoice, "pay-1", "75.00"),
        pay(&world, invoice, "pay-2", "75.00"),
        world.sync_invoice(invoice),
    );
    assert_eq!((first.status, second.status), (201, 201));
    world.sync_invoice(invoice).await;
    world.drain().await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
    assert_eq!(shown(&world, invoice).await["invoice"]["paid"], "150.00");
}
