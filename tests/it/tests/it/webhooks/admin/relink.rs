//! A connection that gets another API user: its webhooks become that user's, as Autotask switches a webhook off with the
//! user who made it.

use super::*;
use crate::connect_function::other_database;
use domain::webhooks::DeliveryStatus;

const USER: &str = "second@msp.example";
const OTHER_SECRET: &str = "second-secret";

/// Another API user of the same database, with the connection relinked to it. Answers the resource of before and of now.
async fn relinked(world: &World) -> (i64, i64) {
    let before = only(world, "CompanyWebhooks")["ownerResourceID"].as_i64().unwrap();
    let now = world.sim.set_api_user(world.ci, USER, OTHER_SECRET).unwrap();
    let login = json!({"username": USER, "secret": OTHER_SECRET});
    world.api(Role::PartnerAdmin).post("C/relink", login).await.assert_status(200);
    world.sim.clear_requests();
    (before, now)
}

#[tokio::test]
async fn webhooks_follow_to_another_api_user_and_outlive_the_one_before() {
    let world = world().await;
    let (before, now) = relinked(&world).await;
    heal(&world).await;
    for kind in ["CompanyWebhooks", "ContactWebhooks"] {
        let row = only(&world, kind);
        assert_eq!((&row["ownerResourceID"], &row["isActive"]), (&json!(now), &json!(true)), "{kind}");
        assert_eq!(row["webhookUrl"], json!(url(&world, &hook(&world, 2))));
    }
    let excluded = rows(&world, "CompanyWebhookExcludedResources");
    assert_eq!(excluded.iter().map(|row| row["resourceID"].clone()).collect::<Vec<_>>(), [json!(now)]);
    world.sim.patch(world.ci, "Resources", before, &json!({"isActive": false})).unwrap();
    assert_eq!(only(&world, "CompanyWebhooks")["isActive"], true, "it is another's");
    let guid = guid(&world, "companies").await;
    assert_eq!((call(&world, 2, 2, &callout(&guid, "Account", 0, 1)).await, issues(&world).await), (200, vec![]));
    assert_eq!(audited(&world, "webhooks.follow_user").await, 1);
    let written = world.writes().len();
    heal(&world).await;
    assert_eq!(world.writes().len(), written, "once");
}

#[tokio::test]
async fn what_changes_between_two_users_is_read_and_callouts_of_the_old_webhook_are_taken() {
    let world = world().await;
    let company = world.company("Northwind");
    let old = guid(&world, "companies").await;
    world.drain().await;
    relinked(&world).await;
    assert_eq!(call(&world, 1, 1, &callout(&old, "Account", company, 900)).await, 200);
    heal(&world).await;
    assert_eq!(call(&world, 1, 1, &callout(&old, "Account", company, 901)).await, 200, "a retry that comes late");
    world.drain().await;
    let polled = world.sim.requests().iter().any(|request| request.path.ends_with("/Companies/query"));
    assert!(polled, "what changed while neither called is read");
    assert_eq!(deliveries(&world, &old).await.len(), 2);
}

#[tokio::test]
async fn a_worker_killed_at_any_request_on_the_way_leaves_one_set_of_the_new_users() {
    for request in (1..=37).step_by(4) {
        let world = world().await;
        let (_, now) = relinked(&world).await;
        world.kill.arm(request, KillScope::Function("webhook-admin".to_owned()));
        heal(&world).await;
        disarm(&world);
        heal(&world).await;
        for kind in ["CompanyWebhooks", "ContactWebhooks"] {
            assert_eq!(only(&world, kind)["ownerResourceID"], json!(now), "{kind}, killed at {request}");
        }
        assert!(record(&world).await.is_of_one_generation(), "killed at {request}");
        assert_eq!(record(&world).await.hooks.iter().filter(|hook| hook.active && hook.ready).count(), 2);
    }
}

#[tokio::test]
async fn a_user_who_may_make_no_webhooks_leaves_those_of_before_and_says_so() {
    let world = world().await;
    let (before, _) = relinked(&world).await;
    world.sim.set_webhooks_max(world.ci, Some(0)).unwrap();
    heal(&world).await;
    assert_eq!(only(&world, "CompanyWebhooks")["ownerResourceID"], json!(before));
    assert!(issues(&world).await.contains(&("webhook/companies".to_owned(), "webhook_limit_reached".to_owned())));
    world.sim.set_webhooks_max(world.ci, None).unwrap();
    heal(&world).await;
    assert_ne!(only(&world, "CompanyWebhooks")["ownerResourceID"], json!(before));
    assert_eq!(issues(&world).await, []);
}

#[tokio::test]
async fn what_waited_for_new_credentials_is_told_though_its_webhook_is_replaced_by_the_new_users() {
    let world = testkit::world().await;
    install(&world, &["tickets"]).await;
    let company = world.company("Northwind");
    let row = json!({"companyID": company, "title": "Printer", "status": 1, "priority": 2});
    let ticket = world.sim.insert(world.ci, "Tickets", &[row]).unwrap()[0];
    let old = guid(&world, "tickets").await;
    world.sim.set_secret(world.ci, "another").unwrap();
    world.api(Role::PartnerAdmin).post("C/test", Value::Null).await.assert_problem(422, "credentials_invalid");
    for sequence in 1..=2 {
        assert_eq!(call(&world, 1, 1, &callout(&old, "Ticket", ticket, sequence)).await, 200);
    }
    world.drain().await;
    assert!(deliveries(&world, &old).await.iter().all(|delivery| delivery.status == DeliveryStatus::Stored));
    world.sim.set_api_user(world.ci, USER, OTHER_SECRET).unwrap();
    let login = json!({"username": USER, "secret": OTHER_SECRET});
    world.api(Role::PartnerAdmin).post("C/relink", login).await.assert_status(200);
    heal(&world).await;
    assert_ne!(guid(&world, "tickets").await, old);
    assert_eq!(world.published("ticket.updated").len(), 2);
    assert!(deliveries(&world, &old).await.iter().all(|delivery| delivery.status == DeliveryStatus::Applied));
    for _ in 0..2 {
        heal(&world).await;
    }
    assert_eq!(record(&world).await.past.iter().filter(|past| past.look_from.is_some()).count(), 0, "nothing waits");
}

#[tokio::test]
async fn a_webhook_that_stayed_in_another_database_tells_nothing_of_this_one() {
    let world = testkit::world().await;
    install(&world, &["tickets"]).await;
    let old = guid(&world, "tickets").await;
    let company = world.company("Northwind");
    let row = json!({"companyID": company, "title": "Printer", "status": 1, "priority": 2});
    let ticket = world.sim.insert(world.ci, "Tickets", &[row]).unwrap()[0];
    assert_eq!(call(&world, 1, 1, &callout(&old, "Ticket", ticket, 1)).await, 200, "it is on its way");
    let (ci, mut other) = other_database(&world);
    other["start_fresh"] = json!(true);
    world.api(Role::PartnerAdmin).post("C/relink", other).await.assert_status(200);
    install(&world, &["tickets"]).await;
    assert_eq!(world.sim.rows(ci, "TicketWebhooks").unwrap().len(), 1);
    let mut deleted = callout(&old, "Ticket", ticket, 2);
    deleted["Action"] = json!("Delete");
    assert_eq!(call(&world, 1, 1, &deleted).await, 200);
    heal(&world).await;
    let told = ["created", "updated", "deleted"].map(|what| world.published(&format!("ticket.{what}")).len());
    assert_eq!(told, [0, 0, 0], "an id of there is another ticket's here");
    assert!(deliveries(&world, &old).await.iter().all(|delivery| delivery.status == DeliveryStatus::Dropped));
}
