//! Removing: by a person, and with the connection.

use super::*;
use domain::connections::Schedule;
use simulator::{Fault, FaultKind, Match};

async fn scheduled(world: &World) -> bool {
    let key = Key::Schedule(world.partner.clone(), world.connection.clone(), "webhook_heal".to_owned());
    world.load::<Schedule>(&key).await.is_some()
}

fn none_left(world: &World) {
    for entity in ["CompanyWebhooks", "ContactWebhooks", "CompanyWebhookFields", "ContactWebhookExcludedResources"] {
        assert_eq!(rows(world, entity), [Value::Null; 0], "{entity}");
    }
}

#[tokio::test]
async fn uninstalling_removes_every_webhook_and_twice_is_once() {
    let world = world().await;
    assert!(scheduled(&world).await);
    let admin = world.api(Role::PartnerAdmin);
    for _ in 0..2 {
        admin.post("C/webhooks/uninstall", Value::Null).await.assert_status(202);
        world.drain().await;
        none_left(&world);
        assert_eq!((table(&world).await["state"].clone(), shown(&world).await), (json!("absent"), vec![]));
    }
    assert!(!scheduled(&world).await);
    assert_eq!((world.writes().len(), audited(&world, "webhooks.uninstall").await), (2, 2));
    install(&world, &["companies"]).await;
    assert_eq!(shown(&world).await, [row("companies", "active", None)]);
    assert_eq!(record(&world).await.guids().len(), 3, "what came of those before is still found");
}

#[tokio::test]
async fn a_worker_killed_at_any_request_leaves_none() {
    for request in 1..=14 {
        let world = world().await;
        world.api(Role::PartnerAdmin).post("C/webhooks/uninstall", Value::Null).await.assert_status(202);
        world.kill.arm(request, KillScope::Function("webhook-admin".to_owned()));
        world.drain().await;
        disarm(&world);
        none_left(&world);
        assert_eq!(record(&world).await.state.to_json(), "absent", "killed at {request}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_takes_its_webhooks_with_it() {
    for keep in ["", "?keep=mappings"] {
        let world = world().await;
        world.api(Role::PartnerAdmin).delete(&format!("C{keep}")).await.assert_status(204);
        none_left(&world);
        assert!(!scheduled(&world).await, "{keep}");
        let key = Key::Webhooks(world.partner.clone(), world.connection.clone());
        let left = world.load::<Webhooks>(&key).await;
        assert!(left.is_none_or(|left| left.hooks.is_empty() && left.wanted.is_empty()), "{keep}");
    }
}

#[tokio::test]
async fn a_connection_ends_also_while_autotask_is_away() {
    let world = world().await;
    let away = FaultKind::Status { status: 503, body: Value::Null };
    world.sim.add_fault(Fault::new(Match::default(), away));
    world.api(Role::PartnerAdmin).delete("C?keep=mappings").await.assert_status(204);
    assert_eq!(record(&world).await.state.to_json(), "absent");
    assert_eq!(rows(&world, "CompanyWebhooks").len(), 1, "nobody could remove it");
    let guid = only(&world, "CompanyWebhooks")["webhookGUID"].as_str().unwrap().to_lowercase();
    assert_eq!(call(&world, 1, 1, &callout(&guid, "Account", 0, 1)).await, 200);
    world.drain().await;
    assert_eq!(deliveries(&world, &guid).await[0].status.as_str(), "dropped");
}
