//! Mail services that are away, refuse or never answer, and senders that die.

use super::*;
use jiff::SignedDuration;
use std::time::Duration;

/// Longer than anything here takes, in real time; then the invocation is dropped as by a kill.
const DIES_AFTER: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn while_the_mail_service_is_away_nothing_is_lost_and_it_is_tried_again() {
    let world = testkit::world().await;
    told_of(&world, &["webhook_disabled"]).await;
    world.mail.set_fault(Some(local::host::MailFault::Away));
    happens(&world, "e1", "webhook.disabled", json!({})).await;
    let read = world.api(Role::PartnerViewer).get("C/notifications").await.expect(200);
    assert_eq!(read["waiting"], 1);
    assert!(read["trouble"].as_str().unwrap().contains("unavailable"), "{read}");
    world.advance(SignedDuration::from_mins(15));
    tick(&world).await;
    world.mail.set_fault(None);
    world.advance(SignedDuration::from_mins(15));
    tick(&world).await;
    assert_eq!(world.mail.sent().len(), 1);
    let read = world.api(Role::PartnerViewer).get("C/notifications").await.expect(200);
    assert_eq!((&read["waiting"], &read["trouble"]), (&json!(0), &Value::Null));
}

#[tokio::test]
async fn what_is_refused_for_three_days_is_given_up() {
    let world = testkit::world().await;
    told_of(&world, &["webhook_disabled"]).await;
    world.mail.set_fault(Some(local::host::MailFault::Refuses));
    happens(&world, "e1", "webhook.disabled", json!({})).await;
    for _ in 0..13 {
        world.advance(SignedDuration::from_hours(6));
        tick(&world).await;
    }
    world.mail.set_fault(None);
    world.advance(SignedDuration::from_hours(6));
    tick(&world).await;
    assert!(world.mail.sent().is_empty());
    // What happens next is told.
    happens(&world, "e2", "webhook.disabled", json!({})).await;
    assert_eq!(world.mail.sent().len(), 1);
}

#[tokio::test]
async fn a_sender_that_dies_before_it_is_on_record_leaves_a_mail_that_is_sent_again_and_known_as_the_same() {
    let world = testkit::world().await;
    told_of(&world, &["webhook_disabled"]).await;
    world.mail.set_fault(Some(local::host::MailFault::TakesAndHangs));
    publish(&world, "e1", "webhook.disabled", json!({})).await;
    assert!(tokio::time::timeout(DIES_AFTER, world.bundle.deliver()).await.is_err(), "it died");
    world.mail.set_fault(None);
    // The bus delivers the event again; somebody may still be sending.
    assert_eq!(world.bundle.deliver().await.unwrap(), (1, 0));
    tick(&world).await;
    assert_eq!(world.mail.sent().len(), 1);
    world.advance(domain::notify::SENDING);
    tick(&world).await;
    let mails = world.mail.sent();
    assert_eq!(mails.len(), 2, "twice is the lesser evil");
    assert_eq!(mails[0].id, mails[1].id);
    world.advance(SignedDuration::from_hours(3));
    tick(&world).await;
    assert_eq!(world.mail.sent().len(), 2);
}

#[tokio::test]
async fn a_sender_that_dies_before_the_mail_went_out_loses_nothing() {
    let world = testkit::world().await;
    told_of(&world, &["webhook_disabled"]).await;
    // What a sender leaves that dies between its claim and the mail service.
    world.mail.set_fault(Some(local::host::MailFault::Hangs));
    publish(&world, "e1", "webhook.disabled", json!({})).await;
    assert!(tokio::time::timeout(DIES_AFTER, world.bundle.deliver()).await.is_err(), "it died");
    world.mail.set_fault(None);
    world.bundle.deliver().await.unwrap();
    assert!(world.mail.sent().is_empty());
    world.advance(domain::notify::SENDING);
    tick(&world).await;
    assert_eq!(world.mail.sent().len(), 1);
}
