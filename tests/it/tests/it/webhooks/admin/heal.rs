//! What was lost, switched off or removed is found by the hourly look.

use super::*;
use crate::invoices_in;
use domain::webhooks::DeliveryStatus;

/// A row of Autotask's log of events that nobody took, its payload cut off where it would be too long.
fn give_up(world: &World, column: &str, payload: &str, sequence: u64) -> i64 {
    let webhook = only(world, if column == "contactWebhookID" { "ContactWebhooks" } else { "CompanyWebhooks" });
    let row = json!({
        "accountWebhookID": null, "contactWebhookID": null, column: webhook["id"], "sequenceNumber": sequence,
        "payload": payload, "errorMessage": "No answer within 10 seconds.", "_owner": webhook["ownerResourceID"],
    });
    world.sim.insert(world.ci, "WebhookEventErrorLogs", &[row]).unwrap()[0]
}

/// A world that fetches invoices, with customers and webhooks.
async fn with_customers(count: usize) -> (World, Vec<i64>) {
    let world = invoices_in::world_without_pdfs().await;
    let companies: Vec<i64> = (0..count).map(|at| world.company(&format!("Customer {at}"))).collect();
    for company in &companies {
        world.invoice(*company, &[("Service", 1, "10.00")]);
    }
    invoices_in::imported(&world).await;
    install(&world, &["companies", "contacts"]).await;
    world.sim.clear_requests();
    world.events.clear();
    (world, companies)
}

fn rename(world: &World, company: i64, name: &str) {
    world.sim.patch(world.ci, "Companies", company, &json!({"companyName": name})).unwrap();
}

async fn name_here(world: &World, company: i64) -> Value {
    world.api(Role::PartnerViewer).get(&format!("C/customers/{company}")).await.expect(200)["name"].clone()
}

fn updates(world: &World) -> usize {
    world.published("customer.updated").len()
}

#[tokio::test]
async fn thirty_events_that_were_dropped_arrive_each_applied_once() {
    let (world, companies) = with_customers(30).await;
    let guid = guid(&world, "companies").await;
    for (sequence, company) in (1..).zip(&companies) {
        rename(&world, *company, &format!("Renamed {company}"));
        let body = callout(&guid, "Account", *company, sequence).to_string();
        // Some are cut off, and one is in the log although it did arrive.
        let cut = if sequence % 3 == 0 { body.find("\"PersonID\"").unwrap() } else { body.len() };
        let cut = body.find("\"Fields\"").map_or(cut, |_| cut);
        give_up(&world, "accountWebhookID", &ordered(&body, cut), sequence);
        if sequence == 7 {
            assert_eq!(call(&world, 1, 1, &callout(&guid, "Account", *company, sequence)).await, 200);
            world.drain().await;
        }
    }
    assert_eq!(updates(&world), 1);
    heal(&world).await;
    for company in &companies {
        assert_eq!(name_here(&world, *company).await, json!(format!("Renamed {company}")));
    }
    assert_eq!((rows(&world, "WebhookEventErrorLogs").len(), updates(&world)), (0, 30));
    let kept = deliveries(&world, &guid).await;
    assert_eq!(kept.len(), 30);
    assert!(kept.iter().all(|delivery| delivery.status.is_done() && delivery.attempts == 1), "{kept:#?}");
    heal(&world).await;
    assert_eq!((updates(&world), issues(&world).await), (30, vec![]));
    assert_eq!(record(&world).await.hooks[0].complete_to, Some(30));
}

/// A payload whose members stand as Autotask writes them, cut off.
fn ordered(body: &str, cut: usize) -> String {
    let value: Value = serde_json::from_str(body).unwrap();
    let names = ["Action", "Guid", "EntityType", "Id", "Fields", "EventTime", "SequenceNumber", "PersonID"];
    let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":{}", value[*name])).collect();
    let text = format!("{{{}}}", members.join(","));
    if cut < body.len() { text[..text.find("\"EventTime\"").unwrap()].to_owned() } else { text }
}

#[tokio::test]
async fn a_healer_killed_at_any_request_applies_each_event_once() {
    for request in (1..=40).step_by(3) {
        let (world, companies) = with_customers(3).await;
        let guid = guid(&world, "companies").await;
        for (sequence, company) in (1..).zip(&companies) {
            rename(&world, *company, &format!("Renamed {company}"));
            let body = callout(&guid, "Account", *company, sequence).to_string();
            give_up(&world, "accountWebhookID", &body, sequence);
        }
        world.kill.arm(request, KillScope::Function("webhook-admin".to_owned()));
        world.leave_messages();
        world.advance(SignedDuration::from_hours(1));
        let now = world.ports().clock.now();
        // The dispatcher may be the one that is killed.
        let _ = world.bundle.tick("webhook-heal", now).await;
        world.drain().await;
        disarm(&world);
        heal(&world).await;
        assert_eq!((rows(&world, "WebhookEventErrorLogs").len(), updates(&world)), (0, 3), "killed at {request}");
    }
}

#[tokio::test]
async fn a_log_row_of_others_stays_and_an_unreadable_one_is_made_up_for_by_reading() {
    let (world, companies) = with_customers(2).await;
    let foreign = json!({
        "accountWebhookID": null, "payload": "{\"Guid\":\"somebody-elses\",\"Id\":5,", "sequenceNumber": 1,
        "_owner": only(&world, "CompanyWebhooks")["ownerResourceID"],
    });
    world.sim.insert(world.ci, "WebhookEventErrorLogs", &[foreign]).unwrap();
    world.advance(SignedDuration::from_mins(30));
    rename(&world, companies[0], "Renamed");
    give_up(&world, "accountWebhookID", "{\"Action\":\"Upda", 1);
    heal(&world).await;
    assert_eq!(rows(&world, "WebhookEventErrorLogs").len(), 1, "the one of somebody else");
    assert_eq!((name_here(&world, companies[0]).await, updates(&world)), (json!("Renamed"), 1));
}

#[tokio::test]
async fn numbers_that_never_came_are_told_and_what_changed_is_read_again() {
    let (world, companies) = with_customers(2).await;
    let guid = guid(&world, "companies").await;
    for sequence in [1, 2, 6] {
        world.advance(SignedDuration::from_mins(1));
        assert_eq!(call(&world, 1, 1, &callout(&guid, "Account", companies[1], sequence)).await, 200);
    }
    rename(&world, companies[0], "Renamed");
    world.drain().await;
    heal(&world).await;
    assert_eq!(issues(&world).await, [("webhooks".to_owned(), "events_lost".to_owned())]);
    let issue = all_issues(&world).await.remove(0);
    assert!(issue.detail.contains("3 were not found"), "{}", issue.detail);
    assert_eq!((name_here(&world, companies[0]).await, updates(&world)), (json!("Renamed"), 1));
    assert_eq!(world.published("webhook.events_lost").len(), 1);
    heal(&world).await;
    assert_eq!((issues(&world).await, world.published("webhook.events_lost").len()), (vec![], 1));
    assert_eq!(record(&world).await.poll, None);
}

#[tokio::test]
async fn a_number_that_may_still_come_is_waited_for() {
    let (world, companies) = with_customers(1).await;
    let guid = guid(&world, "companies").await;
    for sequence in [1, 3] {
        assert_eq!(call(&world, 1, 1, &callout(&guid, "Account", companies[0], sequence)).await, 200);
    }
    world.drain().await;
    world.advance(SignedDuration::from_mins(5));
    let look = domain::webhooks::AdminMessage::Heal {
        partner: world.partner.clone(),
        connection: world.connection.clone(),
        round: 0,
    };
    look.send(world.ports(), std::time::Duration::ZERO).await.unwrap();
    world.drain().await;
    assert_eq!((issues(&world).await, record(&world).await.hooks[0].complete_to), (vec![], Some(1)));
    assert_eq!(call(&world, 1, 1, &callout(&guid, "Account", companies[0], 2)).await, 200);
    world.drain().await;
    heal(&world).await;
    assert_eq!((issues(&world).await, record(&world).await.hooks[0].complete_to), (vec![], Some(3)));
}

#[tokio::test]
async fn one_that_autotask_switched_off_is_switched_on_and_what_changed_meanwhile_is_read() {
    let (world, companies) = with_customers(2).await;
    let webhook = only(&world, "CompanyWebhooks")["id"].as_i64().unwrap();
    world.advance(SignedDuration::from_mins(20));
    world.sim.patch(world.ci, "CompanyWebhooks", webhook, &json!({"isActive": false})).unwrap();
    rename(&world, companies[1], "Renamed");
    assert_eq!(shown(&world).await, [row("companies", "inactive", None), row("contacts", "active", None)]);
    heal(&world).await;
    assert_eq!(only(&world, "CompanyWebhooks")["isActive"], json!(true));
    assert_eq!((world.published("webhook.disabled").len(), world.published("webhook.recovered").len()), (1, 1));
    assert_eq!((name_here(&world, companies[1]).await, issues(&world).await), (json!("Renamed"), vec![]));
    let issue = all_issues(&world).await.remove(0);
    assert_eq!((issue.subject.as_str(), issue.code.as_str()), ("webhook/companies", "webhook_disabled_by_autotask"));
    heal(&world).await;
    assert_eq!((world.published("webhook.disabled").len(), world.published("webhook.recovered").len()), (1, 1));
}

#[tokio::test]
async fn a_person_may_switch_it_on_at_once() {
    let (world, companies) = with_customers(1).await;
    let webhook = only(&world, "CompanyWebhooks")["id"].as_i64().unwrap();
    world.sim.patch(world.ci, "CompanyWebhooks", webhook, &json!({"isActive": false})).unwrap();
    rename(&world, companies[0], "Renamed");
    let admin = world.api(Role::PartnerAdmin);
    let table = admin.post(&format!("C/webhooks/companies-{webhook}/reactivate"), Value::Null).await.expect(200);
    assert_eq!(table["items"][0]["status"], json!("active"));
    world.drain().await;
    assert_eq!(
        (name_here(&world, companies[0]).await, audited(&world, "webhooks.reactivate").await),
        (json!("Renamed"), 1)
    );
    for wid in ["companies-999", "contacts-x", "tickets-1"] {
        let path = format!("C/webhooks/{wid}/reactivate");
        admin.post(&path, Value::Null).await.assert_problem(404, "not_found");
    }
}

#[tokio::test]
async fn one_that_somebody_removed_is_made_again() {
    let (world, companies) = with_customers(1).await;
    let webhook = only(&world, "CompanyWebhooks");
    world.sim.delete(world.ci, "CompanyWebhooks", webhook["id"].as_i64().unwrap()).unwrap();
    rename(&world, companies[0], "Renamed");
    assert_eq!(shown(&world).await[0], row("companies", "missing", None));
    heal(&world).await;
    assert_ne!(only(&world, "CompanyWebhooks")["webhookGUID"], webhook["webhookGUID"]);
    assert_eq!((world.published("webhook.disabled").len(), world.published("webhook.recovered").len()), (1, 1));
    assert_eq!((name_here(&world, companies[0]).await, record(&world).await.past.len()), (json!("Renamed"), 1));
}

#[tokio::test]
async fn a_delivery_that_nobody_works_on_is_queued_again() {
    let world = world().await;
    let guid = guid(&world, "companies").await;
    assert_eq!(call(&world, 1, 1, &callout(&guid, "Account", 0, 1)).await, 200);
    world.drain().await;
    let delivery = deliveries(&world, &guid).await.remove(0);
    world.put(&Delivery { status: DeliveryStatus::Stored, attempts: 0, ..delivery }).await;
    heal(&world).await;
    let delivery = deliveries(&world, &guid).await.remove(0);
    assert_eq!((delivery.status, delivery.attempts), (DeliveryStatus::Unchanged, 1));
    heal(&world).await;
    assert_eq!(record(&world).await.hooks[0].complete_to, Some(1));
}

#[tokio::test]
async fn a_quiet_hour_costs_few_calls_and_writes_nothing_there() {
    let world = world().await;
    heal(&world).await;
    assert_eq!(world.writes(), []);
    let calls = world.sim.requests().len();
    assert!(calls <= 10, "{calls} calls: {:#?}", world.sim.requests());
}

#[tokio::test]
async fn autotasks_word_that_it_switched_one_off_only_makes_us_look_and_not_often() {
    let world = world().await;
    let path = format!("/hooks/autotask/{}/deactivated", master(&world).token(&hook(&world, 1)));
    let word = async || {
        assert_eq!(send(&world, &path, &HeaderMap::new(), b"{\"Action\":\"Deactivated\"}").await, 200);
        world.drain().await;
        world.sim.requests().len()
    };
    assert_eq!(word().await, 0, "it was looked at a moment ago");
    world.advance(SignedDuration::from_mins(6));
    let calls = word().await;
    assert!(calls > 0);
    assert_eq!(world.writes(), []);
    assert_eq!(word().await, calls, "not again within five minutes");
    world.advance(SignedDuration::from_mins(6));
    let webhook = only(&world, "ContactWebhooks")["id"].as_i64().unwrap();
    world.sim.patch(world.ci, "ContactWebhooks", webhook, &json!({"isActive": false})).unwrap();
    word().await;
    assert_eq!(only(&world, "ContactWebhooks")["isActive"], json!(true));
}
