//! What events do once they are worked off.

use super::{API_RESOURCE, body, call, delivery, installed};
use domain::connections::{Connection, ConnectionStatus};
use domain::records::{Collection, Key};
use domain::webhooks::{DeliveryStatus, Webhooks};
use domain::{Code, Role};
use jiff::SignedDuration;
use local::host::Outcome;
use serde_json::{Value, json};
use simulator::{Fault, FaultKind, Match};
use testkit::{World, world};

/// Issues about companies that are gone.
async fn issues(world: &World) -> Vec<domain::issues::Issue> {
    let of = Collection::Issues(world.partner.clone(), world.connection.clone());
    let all: Vec<domain::issues::Issue> = world.load_all(&of).await;
    all.into_iter().filter(|issue| issue.code == Code::CompanyInactiveOrGone).collect()
}

fn rename(world: &World, company: i64, name: &str) {
    world.sim.patch(world.ci, "Companies", company, &json!({"companyName": name})).unwrap();
}

/// An account that is mapped to a company of its own.
async fn mapped(world: &World) -> (String, i64) {
    let line = world.lines(1).await.remove(0);
    let mapping = mapping(world, line.account.as_str()).await;
    (line.account.to_string(), mapping["company"]["id"].as_i64().expect("it is mapped"))
}

async fn mapping(world: &World, account: &str) -> Value {
    let listed = world.api(Role::PartnerViewer).get("C/accounts").await.expect(200);
    let items = listed["items"].as_array().unwrap();
    items.iter().find(|item| item["account_id"] == account).expect("the account is listed")["mapping"].clone()
}

async fn connection_is(world: &World, status: ConnectionStatus) {
    let key = Key::Connection(world.partner.clone(), world.connection.clone());
    let connection = world.load::<Connection>(&key).await.unwrap().value;
    world.put(&Connection { status, ..connection }).await;
}

#[tokio::test]
async fn a_company_renamed_in_autotask_is_renamed_here_and_a_second_event_changes_nothing() {
    let world = world().await;
    installed(&world).await;
    let (account, company) = mapped(&world).await;
    rename(&world, company, "Søns & Co");
    call(&world, &body("Account", company, 1, |_| {})).await.assert_status(200);
    world.drain().await;
    assert_eq!(mapping(&world, &account).await["company"]["name"], "Søns & Co");
    assert_eq!(delivery(&world, 1).await.status, DeliveryStatus::Applied);
    call(&world, &body("Account", company, 2, |_| {})).await.assert_status(200);
    world.drain().await;
    assert_eq!(delivery(&world, 2).await.status, DeliveryStatus::Unchanged);
}

#[tokio::test]
async fn an_older_event_that_comes_late_brings_nothing_back() {
    let world = world().await;
    installed(&world).await;
    let (account, company) = mapped(&world).await;
    rename(&world, company, "New");
    call(&world, &body("Account", company, 2, |body| body["Fields"]["companyName"] = "New".into()))
        .await
        .assert_status(200);
    world.drain().await;
    call(&world, &body("Account", company, 1, |body| body["Fields"]["companyName"] = "Old".into()))
        .await
        .assert_status(200);
    world.drain().await;
    assert_eq!(mapping(&world, &account).await["company"]["name"], "New");
}

#[tokio::test]
async fn a_mapping_that_breaks_opens_its_issue_at_once_and_works_again_as_fast() {
    let world = world().await;
    installed(&world).await;
    let (account, company) = mapped(&world).await;
    world.sim.patch(world.ci, "Companies", company, &json!({"isActive": false})).unwrap();
    for sequence in 1..=2 {
        call(&world, &body("Account", company, sequence, |_| {})).await.assert_status(200);
        world.drain().await;
    }
    let [issue] = issues(&world).await.try_into().unwrap();
    assert_eq!(issue.subject, format!("account/{account}"));
    assert_eq!(mapping(&world, &account).await["status"], "broken");
    world.sim.patch(world.ci, "Companies", company, &json!({"isActive": true})).unwrap();
    call(&world, &body("Account", company, 3, |_| {})).await.assert_status(200);
    world.drain().await;
    assert_eq!(mapping(&world, &account).await["status"], "confirmed");
    let [issue] = issues(&world).await.try_into().unwrap();
    assert_eq!(issue.state, domain::issues::IssueState::Resolved);
}

#[tokio::test]
async fn a_contact_is_read_again_with_its_customer() {
    let world = World::builder().build().await;
    installed(&world).await;
    let connection = world.api(Role::PartnerAdmin).patch("C/settings", json!({"features": ["invoices"]})).await;
    connection.assert_status(200);
    let company = world.company("Northwind");
    let row = |email: &str| {
        json!({"companyID": company, "firstName": "Ada", "lastName": "Byron", "isActive": 1,
        "emailAddress": email, "primaryContact": true})
    };
    let contact = world.sim.insert(world.ci, "Contacts", &[row("old@north.example")]).unwrap()[0];
    world.invoice(company, &[("Seats", 1, "1.00")]);
    world.advance(SignedDuration::from_hours(1));
    let now = world.ports().clock.now().to_string();
    world.tick("invoice-fetch", &now).await;
    world.drain().await;
    let email = async || {
        let shown = world.api(Role::PartnerViewer).get(&format!("C/customers/{company}")).await.expect(200);
        shown["contacts"][0]["email"].clone()
    };
    assert_eq!(email().await, "old@north.example");
    world.sim.patch(world.ci, "Contacts", contact, &json!({"emailAddress": "new@north.example"})).unwrap();
    call(&world, &body("Contact", contact, 1, |_| {})).await.assert_status(200);
    world.drain().await;
    assert_eq!(email().await, "new@north.example");
    world.sim.delete(world.ci, "Contacts", contact).unwrap();
    let gone = body("Contact", contact, 2, |body| {
        body["Action"] = "Delete".into();
        body["Fields"] = json!({"CompanyID": company});
    });
    call(&world, &gone).await.assert_status(200);
    world.drain().await;
    assert_eq!(email().await, Value::Null);
}

#[tokio::test]
async fn an_echo_of_our_own_user_is_left_alone() {
    let world = world().await;
    installed(&world).await;
    let company = world.company("Northwind");
    call(&world, &body("Account", company, 1, |body| body["PersonID"] = API_RESOURCE.into())).await.assert_status(200);
    world.drain().await;
    assert_eq!(delivery(&world, 1).await.status, DeliveryStatus::Echo);
    assert!(world.sim.requests().is_empty());
}

#[tokio::test]
async fn what_nobody_here_knows_is_dropped_and_says_so() {
    let world = world().await;
    installed(&world).await;
    call(&world, &body("Quote", 7, 1, |_| {})).await.assert_status(200);
    world.drain().await;
    let kept = delivery(&world, 1).await;
    assert_eq!((kept.status, kept.words.as_str()), (DeliveryStatus::Dropped, "Nothing here is about `Quote`."));
}

#[tokio::test]
async fn a_key_of_two_changes_ago_applies_nothing() {
    let world = world().await;
    installed(&world).await;
    let key = Key::Webhooks(world.partner.clone(), world.connection.clone());
    let webhooks = world.load::<Webhooks>(&key).await.unwrap().value;
    let company = world.company("Northwind");
    for (generation, status) in [(2, DeliveryStatus::Unchanged), (3, DeliveryStatus::Dropped)] {
        world.put(&Webhooks { generation, ..webhooks.clone() }).await;
        call(&world, &body("Account", company, generation.into(), |_| {})).await.assert_status(200);
        world.drain().await;
        assert_eq!(delivery(&world, generation.into()).await.status, status, "generation {generation}");
    }
}

#[tokio::test]
async fn while_a_connection_may_not_be_used_its_deliveries_wait_and_nobody_is_called() {
    let world = world().await;
    installed(&world).await;
    let company = world.company("Northwind");
    for (sequence, status) in [(1, ConnectionStatus::Paused), (2, ConnectionStatus::NeedsRelink)] {
        connection_is(&world, status).await;
        call(&world, &body("Account", company, sequence, |_| {})).await.assert_status(200);
        world.drain().await;
        let kept = delivery(&world, sequence).await;
        assert_eq!((kept.status, kept.attempts), (DeliveryStatus::Stored, 1), "{}", kept.words);
    }
    connection_is(&world, ConnectionStatus::Disconnected).await;
    call(&world, &body("Account", company, 3, |_| {})).await.assert_status(200);
    world.drain().await;
    assert_eq!(delivery(&world, 3).await.status, DeliveryStatus::Dropped);
    assert!(world.sim.requests().is_empty());
}

#[tokio::test]
async fn a_refused_login_pauses_the_connection_once_and_the_event_waits() {
    let world = world().await;
    installed(&world).await;
    let company = world.company("Northwind");
    world.sim.add_fault(Fault::new(Match::default(), FaultKind::Unauthorized));
    for sequence in 1..=3 {
        call(&world, &body("Contact", company, sequence, |_| {})).await.assert_status(200);
    }
    world.drain().await;
    assert!(world.sim.requests().len() <= 3, "{} calls", world.sim.requests().len());
    for sequence in 1..=3 {
        assert_eq!(delivery(&world, sequence).await.status, DeliveryStatus::Stored);
    }
}

#[tokio::test]
async fn a_ticket_goes_out_once_with_what_it_is_now_however_often_it_is_worked_on() {
    let world = world().await;
    installed(&world).await;
    let company = world.company("Northwind");
    let row = json!({"companyID": company, "title": "Printer", "status": 1, "priority": 2});
    let ticket = world.sim.insert(world.ci, "Tickets", &[row]).unwrap()[0];
    let callout = body("Ticket", ticket, 1, |body| body["Fields"] = json!({"title": "an older one"}));
    for _ in 0..2 {
        call(&world, &callout).await.assert_status(200);
    }
    world.drain().await;
    let [told] = world.published("ticket.updated").try_into().unwrap();
    assert_eq!(told.detail["id"], delivery(&world, 1).await.event_id);
    assert_eq!(told.detail["data"]["now"]["title"], "Printer");
    world.sim.delete(world.ci, "Tickets", ticket).unwrap();
    let deleted = body("Ticket", ticket, 2, |body| body["Action"] = "Delete".into());
    call(&world, &deleted).await.assert_status(200);
    world.drain().await;
    let [told] = world.published("ticket.deleted").try_into().unwrap();
    assert_eq!((&told.detail["data"]["id"], &told.detail["data"]["now"]), (&json!(ticket), &Value::Null));
    assert_eq!(told.detail["connection_id"], json!(world.connection));
}

fn away(world: &World) {
    let kind = FaultKind::Status { status: 503, body: "Service Unavailable".into() };
    world.sim.add_fault(Fault::new(Match::new("POST", "*Contacts/query"), kind));
}

#[tokio::test]
async fn while_autotask_is_away_events_wait_and_are_applied_when_it_is_back() {
    let world = world().await;
    installed(&world).await;
    away(&world);
    call(&world, &body("Contact", 7, 1, |_| {})).await.assert_status(200);
    // Two hours: longer than three receives last.
    let until = world.ports().clock.now() + SignedDuration::from_hours(2);
    while world.ports().clock.now() < until {
        assert!(world.work_one().await.is_none_or(|outcome| outcome == Outcome::Done));
        world.advance(SignedDuration::from_mins(1));
    }
    let kept = delivery(&world, 1).await;
    assert_eq!(kept.status, DeliveryStatus::Stored);
    assert!(kept.attempts > 3 && kept.words.contains("503"), "{}: {}", kept.attempts, kept.words);
    world.sim.clear_faults();
    assert_eq!(world.drain().await.dead, 0);
    assert_eq!(delivery(&world, 1).await.status, DeliveryStatus::Unchanged);
}

#[tokio::test]
async fn what_cannot_be_applied_for_hours_is_a_failure_that_says_why() {
    let world = world().await;
    installed(&world).await;
    away(&world);
    call(&world, &body("Contact", 7, 1, |_| {})).await.assert_status(200);
    assert_eq!(world.drain().await.dead, 1);
    let kept = delivery(&world, 1).await;
    assert_eq!((kept.status, kept.attempts), (DeliveryStatus::Failed, 20 + 3), "{}", kept.words);
    world.leave_messages();
    // A replay has patience again.
    let path = format!("C/webhook-deliveries/{}.1/replay", super::GUID);
    world.api(Role::PartnerAdmin).post(&path, Value::Null).await.assert_status(202);
    assert_eq!(world.work_one().await, Some(Outcome::Done));
    assert_eq!((delivery(&world, 1).await.status, delivery(&world, 1).await.put_off), (DeliveryStatus::Stored, 1));
    world.sim.clear_faults();
    world.drain().await;
    assert_eq!(delivery(&world, 1).await.status, DeliveryStatus::Unchanged);
}

#[tokio::test]
async fn one_that_comes_again_while_it_is_worked_on_is_done_all_the_same() {
    let world = world().await;
    installed(&world).await;
    let company = world.company("Northwind");
    let row = json!({"companyID": company, "title": "Printer", "status": 1, "priority": 2});
    let ticket = world.sim.insert(world.ci, "Tickets", &[row]).unwrap()[0];
    let callout = body("Ticket", ticket, 1, |_| {});
    call(&world, &callout).await.assert_status(200);
    world.sim.add_fault(Fault::new(Match::new("POST", "*Tickets/query"), FaultKind::Delay { ms: 200 }).times(1));
    let (worked, again) = futures::join!(world.work_one(), call(&world, &callout));
    assert_eq!(worked, Some(Outcome::Done));
    again.assert_status(200);
    world.drain().await;
    let kept = delivery(&world, 1).await;
    assert_eq!((kept.status, kept.again), (DeliveryStatus::Applied, 1));
    assert_eq!(world.published("ticket.updated").len(), 1, "told once");
}
