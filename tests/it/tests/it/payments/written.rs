//! Clearing what Autotask does not let go, switches, and waiting.

use super::*;
use domain::records::Expect;
use jiff::SignedDuration;
use jiff::civil::date;
use simulator::Clearing;

/// Fires the payments' schedule now and works off what it asks for.
async fn tick(world: &World) {
    let now = world.clock.now().to_string();
    world.tick("payments", &now).await;
    world.drain().await;
}

async fn paid_and_deleted(world: &World) -> i64 {
    let invoice = world.synced_invoice("150.00").await;
    pay(world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.drain().await;
    unpay(world, "pay-1").await.assert_status(200);
    world.drain().await;
    invoice
}

#[tokio::test]
async fn a_date_that_a_patch_does_not_clear_is_cleared_by_a_put_that_keeps_number_and_date() {
    for how in [Clearing::Ignored, Clearing::Refused] {
        let world = World::builder().switches(|switches| switches.clear_paid_date_patch = how).build().await;
        let invoice = paid_and_deleted(&world).await;
        assert_eq!(world.paid_there(invoice), None, "{how:?}");
        assert_eq!(invoice_writes(&world), ["PATCH", "PATCH", "PUT"]);
        assert_eq!(world.row("Invoices", invoice)["invoiceNumber"], json!(world.our_invoice(invoice).await.number));
        assert_eq!(world.published("payment.writeback_deleted").len(), 1);
        assert_eq!(issues(&world).await, BTreeSet::new());
    }
}

#[tokio::test]
async fn a_date_that_autotask_does_not_let_go_is_told_once_with_what_to_do_and_tried_until_it_does() {
    let world = World::builder()
        .switches(|switches| {
            switches.clear_paid_date_patch = Clearing::Ignored;
            switches.clear_paid_date_put = Clearing::Refused;
        })
        .build()
        .await;
    let invoice = paid_and_deleted(&world).await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
    assert_eq!(issues(&world).await, issue("payment_writeback_failed", format!("invoice/{invoice}")));
    let failed = world.published("payment.writeback_failed");
    assert_eq!(failed.len(), 1);
    assert!(failed[0].detail["data"]["detail"].as_str().unwrap().contains("by hand"), "{:?}", failed[0].detail);
    assert_eq!(shown(&world, invoice).await["invoice"]["writeback"]["state"], "failing");
    for _ in 0..4 {
        world.advance(SignedDuration::from_hours(6));
        tick(&world).await;
    }
    assert_eq!(world.published("payment.writeback_failed").len(), 1);
    world.sim.switches_mut(|switches| switches.clear_paid_date_put = Clearing::Accepted);
    world.advance(SignedDuration::from_hours(6));
    tick(&world).await;
    assert_eq!((world.paid_there(invoice), writeback(&world, invoice).await), (None, None));
    assert_eq!(issues(&world).await, BTreeSet::new());
    assert_eq!(world.published("payment.writeback_deleted").len(), 1);
}

#[tokio::test]
async fn while_it_is_switched_off_nothing_is_written_and_switched_on_what_is_due_is() {
    let world = World::builder().settings(|settings| settings.payment_writeback = false).build().await;
    let invoice = world.synced_invoice("150.00").await;
    let told = pay(&world, invoice, "pay-1", "150.00").await.expect(201);
    assert_eq!(told["invoice"]["writeback"]["state"], "off");
    world.drain().await;
    world.advance(SignedDuration::from_hours(3));
    tick(&world).await;
    assert!(world.sim.requests().is_empty());
    assert_eq!(writeback(&world, invoice).await.unwrap().attempts, 0);
    let on = json!({"payment_writeback": true});
    world.api(Role::PartnerBilling).patch("C/settings", on).await.assert_status(200);
    world.advance(SignedDuration::from_hours(1));
    tick(&world).await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
    assert_eq!(issues(&world).await, BTreeSet::new());
}

#[tokio::test]
async fn a_paused_connection_and_the_kill_switch_make_it_wait() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    let admin = world.api(Role::PartnerAdmin);
    admin.post("C/pause", Value::Null).await.assert_status(200);
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.drain().await;
    admin.patch("C/settings", json!({"kill_switch": true})).await.assert_status(200);
    admin.post("C/resume", Value::Null).await.assert_status(200);
    let calls = world.sim.requests().len();
    world.advance(SignedDuration::from_mins(20));
    tick(&world).await;
    assert_eq!(world.sim.requests().len(), calls, "nothing is even read");
    admin.patch("C/settings", json!({"kill_switch": false})).await.assert_status(200);
    world.advance(SignedDuration::from_mins(20));
    tick(&world).await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
}

#[tokio::test]
async fn credentials_that_autotask_refuses_stop_every_call_until_there_are_new_ones() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    world.sim.set_secret(world.ci, "another-secret-entirely").unwrap();
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.drain().await;
    assert_eq!(issues(&world).await, issue("needs_relink", "connection".to_owned()));
    let calls = world.sim.requests().len();
    for _ in 0..3 {
        world.advance(SignedDuration::from_hours(1));
        tick(&world).await;
    }
    assert_eq!(world.sim.requests().len(), calls);
    world.sim.set_secret(world.ci, testkit::SECRET).unwrap();
    let login = json!({"username": testkit::USERNAME, "secret": testkit::SECRET});
    world.api(Role::PartnerAdmin).post("C/relink", login).await.assert_status(200);
    world.advance(SignedDuration::from_hours(1));
    tick(&world).await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
    assert_eq!(world.published("payment.written_back").len(), 1);
}

#[tokio::test]
async fn a_write_back_of_a_connection_that_is_gone_ends() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.api(Role::PartnerAdmin).delete("C").await;
    world.drain().await;
    assert_eq!(writeback(&world, invoice).await, None);
    assert_eq!(world.paid_there(invoice), None);
}

#[tokio::test]
async fn a_connection_that_ended_and_comes_back_with_what_it_kept_writes_what_waited() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    world.api(Role::PartnerAdmin).delete("C?keep=mappings").await.assert_status(204);
    let calls = world.sim.requests().len();
    world.drain().await;
    world.advance(SignedDuration::from_hours(3));
    tick(&world).await;
    assert_eq!(world.sim.requests().len(), calls, "it has no credentials");
    let login = json!({"username": testkit::USERNAME, "secret": testkit::SECRET});
    world.api(Role::PartnerAdmin).post("C/relink", login).await.assert_status(200);
    world.advance(SignedDuration::from_hours(1));
    tick(&world).await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
    assert_eq!((writeback(&world, invoice).await, issues(&world).await), (None, BTreeSet::new()));
}

#[tokio::test]
async fn a_message_that_was_lost_is_made_up_for_by_the_sweep() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    pay(&world, invoice, "pay-1", "150.00").await.assert_status(201);
    let mut due = writeback(&world, invoice).await.unwrap();
    // The message finds nothing due and is gone.
    due.next_at = world.clock.now() + SignedDuration::from_mins(4);
    world.put(&due).await;
    world.drain().await;
    assert!(world.sim.requests().is_empty());
    world.advance(SignedDuration::from_mins(5));
    tick(&world).await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
    // A message for something that is done, or never was, finds nothing to do.
    let key = Key::Writeback(world.partner.clone(), world.connection.clone(), invoice);
    let write = domain::records::Write::check(key, Expect::Absent);
    world.ports().storage.write(&world.scope(), vec![write]).await.unwrap();
    let calls = world.sim.requests().len();
    tick(&world).await;
    assert_eq!(world.sim.requests().len(), calls);
}
