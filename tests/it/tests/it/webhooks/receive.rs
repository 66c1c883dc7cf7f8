//! What the receiver takes, keeps and refuses.

use super::{GUID, body, call, delivery, given, hook, installed, master, path, post};
use domain::ports::Read;
use domain::records::Collection;
use domain::webhooks::{Delivery, DeliveryStatus, RejectedRow, WebhookEntity, sign};
use jiff::SignedDuration;
use local::host::Outcome;
use simulator::{Fault, FaultKind, Match};
use testkit::{World, world};

#[tokio::test]
async fn a_callout_is_kept_then_acknowledged_and_worked_off_without_asking_autotask_first() {
    let world = world().await;
    installed(&world).await;
    let company = world.company("Northwind");
    call(&world, &body("Account", company, 1, |_| {})).await.assert_status(200);
    let kept = delivery(&world, 1).await;
    assert_eq!((kept.status, kept.entity, kept.id), (DeliveryStatus::Stored, WebhookEntity::Companies, company));
    assert_eq!((kept.generation, kept.attempts, kept.received_at), (1, 0, world.ports().clock.now()));
    assert!(world.sim.requests().is_empty(), "the acknowledgement waited for Autotask");
    world.drain().await;
    assert_eq!(delivery(&world, 1).await.status, DeliveryStatus::Unchanged);
}

#[tokio::test]
async fn a_body_that_the_gateway_encoded_is_signed_over_its_own_bytes() {
    let world = world().await;
    // No text: the gateway hands it over in base64.
    let mut bytes = body("Account", 7, 1, |_| {});
    bytes.extend_from_slice(b" \xFF");
    call(&world, &bytes).await.assert_problem(400, "invalid_input");
    let hook = hook(&world);
    let of_others = sign(&master(&world).key(&hook), &bytes[..bytes.len() - 1]);
    post(&world, &path(&world, &hook), Some(&of_others), &bytes).await.assert_problem(401, "signature_invalid");
}

#[tokio::test]
async fn a_second_delivery_is_recognised_and_queued_again_only_while_it_is_not_done() {
    let world = world().await;
    let callout = body("Account", 7, 1, |_| {});
    for _ in 0..3 {
        call(&world, &callout).await.assert_status(200);
    }
    assert_eq!(world.queue.waiting().len(), 3, "each may have been lost");
    let first = delivery(&world, 1).await;
    world.drain().await;
    call(&world, &callout).await.assert_status(200);
    assert!(world.queue.waiting().is_empty());
    let after = delivery(&world, 1).await;
    assert_eq!((after.event_id, after.attempts, first.again, after.again), (first.event_id, 1, 2, 3));
}

#[tokio::test]
async fn nothing_is_acknowledged_that_is_not_kept_and_queued() {
    let world = world().await;
    let callout = body("Account", 7, 1, |_| {});
    world.queue.set_away(true);
    call(&world, &callout).await.assert_problem(503, "unavailable");
    assert_eq!(delivery(&world, 1).await.status, DeliveryStatus::Stored);
    world.queue.set_away(false);
    // Autotask sends it again.
    call(&world, &callout).await.assert_status(200);
    assert_eq!(world.queue.waiting().len(), 1);
    world.drain().await;
    assert!(delivery(&world, 1).await.status.is_done());
}

#[tokio::test]
async fn keys_are_changed_without_a_gap_and_older_ones_are_none() {
    let world = world().await;
    let (master, first) = (master(&world), hook(&world));
    let mut sequence = 0;
    for (url, key, status) in
        [(1, 1, 200), (2, 1, 200), (1, 2, 200), (2, 2, 200), (2, 4, 401), (3, 1, 401), (1, 3, 401)]
    {
        sequence += 1;
        let callout = body("Account", 7, sequence, |_| {});
        let signature = sign(&master.key(&first.at(key)), &callout);
        let answer = post(&world, &path(&world, &first.at(url)), Some(&signature), &callout).await;
        assert_eq!(answer.status, status, "url {url}, key {key}");
        if status == 200 {
            assert_eq!(delivery(&world, sequence).await.generation, key);
        }
    }
    world.drain().await;
}

#[tokio::test]
async fn what_is_refused_says_nothing_and_is_written_as_one_row_a_minute() {
    let world = world().await;
    let callout = body("Account", 7, 1, |_| {});
    let path = path(&world, &hook(&world));
    for _ in 0..5 {
        post(&world, &path, None, &callout).await.assert_problem(401, "signature_invalid");
        post(&world, "/hooks/autotask/guess", None, &callout).await.assert_problem(404, "not_found");
    }
    post(&world, "/hooks/autotask/guess/deactivated", None, b"{}").await.assert_problem(404, "not_found");
    let large = vec![b' '; webhook_receive::CALLOUT_BYTES_MAX + 1];
    post(&world, &path, None, &large).await.assert_problem(413, "payload_too_large");
    let ours = Collection::RejectedCallouts(Some((world.partner.clone(), world.connection.clone())));
    let nobodys = Collection::RejectedCallouts(None);
    let rows = async |of: &Collection| world.load_all::<RejectedRow>(of).await;
    assert!(rows(&ours).await.is_empty() && rows(&nobodys).await.is_empty());
    world.advance(SignedDuration::from_mins(1));
    let answer = post(&world, &path, Some("sha1=AAAAAAAAAAAAAAAAAAAAAAAAAAA="), &callout).await;
    answer.assert_problem(401, "signature_invalid");
    for part in ["acme", "con_", "sha1", "HMAC"] {
        assert!(!answer.text.contains(part), "{}", answer.text);
    }
    let [row] = rows(&ours).await.try_into().unwrap();
    assert_eq!(row.counts.into_iter().collect::<Vec<_>>(), [("signature_invalid".to_owned(), 6)]);
    let [row] = rows(&nobodys).await.try_into().unwrap();
    let counts: Vec<_> = row.counts.into_iter().collect();
    assert_eq!(counts, [("too_large".to_owned(), 1), ("unknown_url".to_owned(), 6)]);
    assert!(!world.logs().text().contains(&path), "a URL is a secret");
}

#[tokio::test]
async fn an_unsigned_deactivated_has_us_look_and_changes_nothing() {
    let world = world().await;
    installed(&world).await;
    let forged = body("Account", 7, 9, |body| body["Action"] = "Deactivated".into());
    let path = path(&world, &hook(&world));
    post(&world, &path, None, &forged).await.assert_problem(401, "signature_invalid");
    post(&world, &format!("{path}/deactivated"), None, &forged).await.assert_status(200);
    let [message] = world.queue.waiting().try_into().unwrap();
    assert_eq!(message.queue, domain::ports::QueueName::WebhookAdmin);
    assert!(message.body.contains(r#""do":"look""#), "{}", message.body);
    world.leave_messages();
}

/// Ten thousand with `REPLAYS=10000`; the suite makes do with fewer.
#[tokio::test]
async fn replays_have_no_further_effect() {
    let world = world().await;
    installed(&world).await;
    let company = world.company("Northwind");
    let callout = body("Account", company, 1, |_| {});
    call(&world, &callout).await.assert_status(200);
    world.drain().await;
    let first = delivery(&world, 1).await;
    let (asked, events) = (world.sim.requests().len(), world.events.all().len());
    let replays = given("REPLAYS", 500);
    for _ in 0..replays {
        assert_eq!(call(&world, &callout).await.status, 200);
    }
    world.drain().await;
    let again = u32::try_from(replays).unwrap();
    assert_eq!(delivery(&world, 1).await, Delivery { again, ..first });
    assert_eq!((world.sim.requests().len(), world.events.all().len()), (asked, events));
}

#[tokio::test]
async fn a_delivery_is_its_partners_alone() {
    let world = world().await;
    call(&world, &body("Account", 7, 1, |_| {})).await.assert_status(200);
    world.drain().await;
    let of = Collection::Deliveries(world.partner.clone(), world.connection.clone(), GUID.to_owned());
    let other = domain::Scope::Partner(domain::PartnerId::new("other").unwrap());
    let page = domain::ports::PageRequest { read: Read::Strong, ..domain::ports::PageRequest::first(5) };
    assert!(world.ports().storage.list(&other, &of, page).await.is_err());
}

/// Works one batch of whatever waits, as SQS hands it over, and says how many came back.
pub(super) async fn batch(world: &World) -> usize {
    let messages = world.queue.waiting();
    let records: Vec<_> = messages.iter().map(|message| testkit::events::sqs("webhook-work", message)).collect();
    let records: Vec<_> = records.iter().map(|event| event["Records"][0].clone()).collect();
    let event = serde_json::json!({ "Records": records });
    let deadline = domain::ports::NoDeadline;
    let answer = runtime::queue::handle_batch(&world.app, event, &deadline, |app, body, deadline| {
        Box::pin(webhook_work::work(app, body, deadline))
    });
    let answer = answer.await.unwrap();
    answer["batchItemFailures"].as_array().unwrap().len()
}

#[tokio::test]
async fn of_ten_one_is_poison_nine_are_done_once_and_it_lies_dead_until_it_is_sent_again() {
    let world = world().await;
    installed(&world).await;
    let company = world.company("Northwind");
    let words = "Unable to find companyID in the Contact Entity.";
    let boom = FaultKind::Status { status: 500, body: serde_json::json!({"errors": [words]}) };
    world.sim.add_fault(Fault::new(Match::new("POST", "*Contacts/query"), boom));
    for sequence in 1..=10 {
        let entity = if sequence == 4 { "Contact" } else { "Account" };
        call(&world, &body(entity, company, sequence, |_| {})).await.assert_status(200);
    }
    assert_eq!(batch(&world).await, 1);
    for sequence in 1..=10 {
        let kept = delivery(&world, sequence).await;
        let status = if sequence == 4 { DeliveryStatus::Failed } else { DeliveryStatus::Unchanged };
        assert_eq!((kept.status, kept.attempts), (status, 1), "{sequence}: {}", kept.words);
    }
    // The nine messages come again here: what is done stays done.
    let drained = world.drain().await;
    assert_eq!(drained.dead, 1);
    let dead = world.queue.dead();
    let [message] = dead.as_slice() else { panic!("{dead:?}") };
    assert!(message.receives <= 3, "{}", message.receives);
    for sequence in 1..=10 {
        let kept = delivery(&world, sequence).await;
        assert_eq!(kept.attempts, if sequence == 4 { 1 + message.receives } else { 1 }, "{sequence}");
    }
    world.sim.clear_faults();
    let queue = &world.ports().queue;
    queue.send(message.queue, message.body.clone(), std::time::Duration::ZERO, &world.partner).await.unwrap();
    assert_eq!(world.work_one().await, Some(Outcome::Done));
    assert_eq!(delivery(&world, 4).await.status, DeliveryStatus::Unchanged);
    world.leave_messages();
}
