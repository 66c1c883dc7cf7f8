//! New keys without a gap: whatever Autotask has at a time, its callouts are taken.

use super::*;

async fn rotate(world: &World) -> testkit::Reply {
    world.api(Role::PartnerAdmin).post("C/webhooks/rotate-keys", Value::Null).await
}

#[tokio::test]
async fn callouts_signed_before_during_and_after_a_rotation_are_taken() {
    let world = world().await;
    let guid = guid(&world, "companies").await;
    let mut sequence = 0;
    let mut takes = async |url, key| {
        sequence += 1;
        let status = call(&world, url, key, &callout(&guid, "Account", 0, sequence)).await;
        world.drain().await;
        let found = deliveries(&world, &guid).await.into_iter().find(|found| found.sequence == sequence);
        (status, found.map(|found| found.words))
    };
    let taken = (200, Some(String::new()));
    assert_eq!(takes(1, 1).await, taken);
    rotate(&world).await.assert_status(202);
    for (url, key) in [(1, 1), (2, 2), (1, 2), (2, 1)] {
        assert_eq!(takes(url, key).await, taken, "while it goes on: URL {url}, key {key}");
    }
    assert_eq!(only(&world, "CompanyWebhooks")["webhookUrl"], json!(url(&world, &hook(&world, 2))));
    assert_eq!(
        only(&world, "ContactWebhooks")["deactivationUrl"],
        json!(url(&world, &hook(&world, 2)) + "/deactivated")
    );
    assert_eq!(world.writes().len(), 2, "one PATCH for each: URLs and key together");
    assert_eq!((takes(2, 2).await, takes(1, 1).await), (taken.clone(), taken.clone()));
    rotate(&world).await.assert_status(202);
    world.drain().await;
    assert_eq!((takes(3, 3).await, takes(2, 2).await), (taken.clone(), taken));
    let (status, words) = takes(1, 1).await;
    assert_eq!((status, words.unwrap().contains("no longer valid")), (200, true));
}

#[tokio::test]
async fn a_rotation_waits_for_the_one_before() {
    let world = testkit::world().await;
    rotate(&world).await.assert_problem(409, "conflict");
    install(&world, &["companies", "contacts"]).await;
    rotate(&world).await.assert_status(202);
    rotate(&world).await.assert_problem(409, "conflict");
    world.drain().await;
    rotate(&world).await.assert_status(202);
    world.drain().await;
    assert_eq!((record(&world).await.generation, audited(&world, "webhooks.rotate_keys").await), (3, 2));
}

#[tokio::test]
async fn a_worker_killed_at_any_request_of_a_rotation_ends_with_the_new_keys() {
    for request in 1..=20 {
        let world = world().await;
        rotate(&world).await.assert_status(202);
        world.kill.arm(request, KillScope::Function("webhook-admin".to_owned()));
        world.drain().await;
        disarm(&world);
        let record = record(&world).await;
        assert_eq!((record.generation, record.is_of_one_generation()), (2, true), "killed at {request}");
        assert_eq!(record.state.to_json(), "installed");
        for entity in ["CompanyWebhooks", "ContactWebhooks"] {
            assert_eq!(only(&world, entity)["webhookUrl"], json!(url(&world, &hook(&world, 2))), "killed at {request}");
        }
    }
}

#[tokio::test]
async fn a_key_that_somebody_changed_in_autotask_is_given_again_after_a_wrong_signature() {
    let world = world().await;
    let guid = guid(&world, "companies").await;
    world.advance(SignedDuration::from_mins(1));
    assert_eq!(call(&world, 1, 7, &callout(&guid, "Account", 0, 1)).await, 401);
    world.advance(SignedDuration::from_mins(2));
    assert_eq!(call(&world, 1, 7, &callout(&guid, "Account", 0, 1)).await, 401, "the minute before is written down");
    install(&world, &["companies", "contacts"]).await;
    assert_eq!(world.writes().len(), 2);
    install(&world, &["companies", "contacts"]).await;
    assert_eq!(world.writes().len(), 2, "once");
}
