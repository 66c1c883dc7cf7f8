//! Deliveries worked off once more.

use super::*;
use domain::webhooks::DeliveryStatus;

/// Five events that have come; those with these numbers failed.
async fn failed(world: &World, numbers: &[u64]) -> String {
    let guid = guid(world, "companies").await;
    for sequence in 1..=5 {
        world.advance(SignedDuration::from_mins(1));
        assert_eq!(call(world, 1, 1, &callout(&guid, "Account", 0, sequence)).await, 200);
    }
    world.drain().await;
    for delivery in deliveries(world, &guid).await {
        if numbers.contains(&delivery.sequence) {
            world.put(&Delivery { status: DeliveryStatus::Failed, words: "It broke.".to_owned(), ..delivery }).await;
        }
    }
    guid
}

async fn states(world: &World, guid: &str) -> Vec<&'static str> {
    deliveries(world, guid).await.iter().map(|delivery| delivery.status.as_str()).collect()
}

#[tokio::test]
async fn one_is_worked_off_again_with_the_id_that_it_had_also_when_it_was_done() {
    let world = world().await;
    let guid = failed(&world, &[2]).await;
    let before = deliveries(&world, &guid).await;
    let billing = world.api(Role::PartnerBilling);
    for (sequence, was) in [(2, "failed"), (3, "unchanged")] {
        let reply =
            billing.post(&format!("C/webhook-deliveries/{guid}.{sequence}/replay"), Value::Null).await.expect(202);
        assert_eq!((&reply["was"], &reply["delivery"]["status"]), (&json!(was), &json!("stored")));
    }
    world.drain().await;
    assert_eq!(states(&world, &guid).await, ["unchanged"; 5]);
    let after = deliveries(&world, &guid).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.event_id, after.event_id);
    }
    assert_eq!((after[1].attempts, after[2].attempts, after[3].attempts), (2, 2, 1));
    assert_eq!(audited(&world, "webhooks.delivery_replayed").await, 2);
}

#[tokio::test]
async fn those_of_a_time_that_failed_are_counted_first_and_then_worked_off() {
    let world = world().await;
    let guid = failed(&world, &[1, 4, 5]).await;
    let support = world.api(Role::VendorSupport);
    let since = deliveries(&world, &guid).await[1].received_at.to_string();
    let ask = |dry_run| json!({"since": since, "until": "2999-01-01T00:00:00Z", "only": "failed", "dry_run": dry_run});
    let reply = support.post("C/webhook-deliveries/replay", ask(true)).await.expect(200);
    assert_eq!(reply, json!({"dry_run": true, "matched": 2, "queued": 0, "next_until": null}));
    assert_eq!(states(&world, &guid).await.iter().filter(|state| **state == "failed").count(), 3);
    let reply = support.post("C/webhook-deliveries/replay", ask(false)).await.expect(202);
    assert_eq!((&reply["matched"], &reply["queued"]), (&json!(2), &json!(2)));
    world.drain().await;
    assert_eq!(states(&world, &guid).await, ["failed", "unchanged", "unchanged", "unchanged", "unchanged"]);
    assert_eq!(audited(&world, "webhooks.deliveries_replayed").await, 1);
    let all = json!({"since": "2026-11-01T00:00:00Z", "only": "all"});
    let reply = support.post("C/webhook-deliveries/replay", all).await.expect(202);
    assert_eq!(reply["matched"], json!(5));
    world.drain().await;
    assert_eq!(states(&world, &guid).await, ["unchanged"; 5]);
}

#[tokio::test]
async fn a_replay_whose_message_is_lost_is_queued_again_by_the_hourly_look() {
    let world = world().await;
    let guid = failed(&world, &[2]).await;
    heal(&world).await;
    let path = format!("C/webhook-deliveries/{guid}.2/replay");
    world.api(Role::PartnerAdmin).post(&path, Value::Null).await.assert_status(202);
    let lost = world.queue.waiting();
    world.drain().await;
    let delivery = deliveries(&world, &guid).await.remove(1);
    assert_eq!((lost.len(), delivery.status), (1, DeliveryStatus::Unchanged));
    world.put(&Delivery { status: DeliveryStatus::Stored, ..delivery }).await;
    heal(&world).await;
    assert_eq!(states(&world, &guid).await, ["unchanged"; 5]);
}

#[tokio::test]
async fn only_who_may_replays_and_only_ones_own() {
    let world = world().await;
    let guid = failed(&world, &[]).await;
    let one = format!("C/webhook-deliveries/{guid}.1/replay");
    let body = json!({"since": "2026-11-20T00:00:00Z"});
    for role in [Role::PartnerViewer, Role::Service] {
        world.api(role).post(&one, Value::Null).await.assert_problem(403, "forbidden_role");
        world.api(role).post("C/webhook-deliveries/replay", body.clone()).await.assert_problem(403, "forbidden_role");
    }
    let foreign = world.api(Role::PartnerAdmin).of_partner("other");
    foreign.post(&one, Value::Null).await.assert_problem(404, "not_found");
    foreign.post("C/webhook-deliveries/replay", body).await.assert_problem(404, "not_found");
    let admin = world.api(Role::PartnerAdmin);
    admin.post(&format!("C/webhook-deliveries/{guid}.99/replay"), Value::Null).await.assert_problem(404, "not_found");
    let backwards = json!({"since": "2026-11-20T11:00:00Z", "until": "2026-11-20T10:00:00Z"});
    admin.post("C/webhook-deliveries/replay", backwards).await.assert_problem(400, "invalid_input");
}
