#![allow(clippy::disallowed_methods, reason = "servers and what they heard, beside the test")]
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use ::simulator::{Callout, CalloutOutcome, DeactivatedQueue, Delivery, HttpOutbound, Outbound, Reach};
use async_trait::async_trait;

use super::webhooks::{Desk, KEY, body};
use super::*;

const GUID: &str = "0f5c0c1e-0000-4000-8000-2b7d0a9b1111";

/// Whoever Autotask calls: remembers what came, and answers as told.
#[derive(Default)]
struct Receiver {
    came: Mutex<Vec<Delivery>>,
    next: Mutex<VecDeque<u16>>,
    down: Mutex<bool>,
}

#[async_trait]
impl Outbound for Receiver {
    async fn post(&self, callout: &Delivery) -> Result<u16, String> {
        self.came.lock().unwrap().push(callout.clone());
        if *self.down.lock().unwrap() {
            return Err("Unable to connect to the remote server".to_owned());
        }
        Ok(self.next.lock().unwrap().pop_front().unwrap_or(200))
    }
}

impl Receiver {
    fn set_down(&self, down: bool) {
        *self.down.lock().unwrap() = down;
    }

    fn answers(&self, statuses: &[u16]) {
        self.next.lock().unwrap().extend(statuses);
    }

    fn take(&self) -> Vec<Delivery> {
        std::mem::take(&mut self.came.lock().unwrap())
    }

    /// What came since, as `Action Id#SequenceNumber`.
    fn told(&self) -> Vec<String> {
        let told = |callout: Delivery| {
            let body: Value = serde_json::from_slice(&callout.body).unwrap();
            format!("{} {}#{}", body["Action"].as_str().unwrap(), body["Id"], body["SequenceNumber"])
        };
        self.take().into_iter().map(told).collect()
    }
}

fn header<'d>(callout: &'d Delivery, name: &str) -> Option<&'d str> {
    callout.headers.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
}

impl World {
    /// A person in Autotask changes a row.
    fn change(&self, entity: &str, id: i64, fields: Value) {
        self.simulator.patch(self.database.ci, entity, id, &fields).unwrap();
    }

    fn seconds(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    fn logs(&self) -> Vec<Value> {
        let found = self.query("WebhookEventErrorLogs", &match_all());
        found.value()["items"].as_array().unwrap().clone()
    }

    fn exclude(&self, kind: &str, webhook: i64, resource: i64) {
        let excluded = json!({ "webhookID": webhook, "resourceID": resource });
        assert_eq!(self.post(&format!("{kind}Webhooks/{webhook}/ExcludedResources"), &excluded).status, 200);
    }

    fn person(&self) -> i64 {
        self.simulator.rows(self.database.ci, "Resources").unwrap()[0]["id"].as_i64().unwrap()
    }
}

fn fields(callout: &Delivery) -> Value {
    serde_json::from_slice::<Value>(&callout.body).unwrap()["Fields"].clone()
}

#[tokio::test]
async fn an_update_tells_what_changed_escaped_as_autotask_does_and_signed_over_those_bytes() {
    let world = world();
    let receiver = Receiver::default();
    let company = world.company("Alpha");
    let mut webhook = body("https://hooks.example/a");
    webhook["webhookGUID"] = json!(GUID);
    let webhook = world.insert("CompanyWebhooks", webhook);
    world.subscribe("Company", webhook, "companyName");
    world.subscribe("Company", webhook, "phone");
    let update = json!({ "id": company, "companyName": "Blue Kite & <Söhne> \"+\" `x'", "city": "Leith" });
    assert_eq!(world.patch("Companies", &update).status, 200);
    assert_eq!(world.simulator.deliver_due(&receiver).await, 1);

    let came = receiver.take();
    assert_eq!(came[0].url, "https://hooks.example/a");
    let expected = r#"{"Action":"Update","Guid":"0f5c0c1e-0000-4000-8000-2b7d0a9b1111","EntityType":"Account","Id":29683500,"Fields":{"CompanyName":"Blue Kite \u0026 \u003CS\u00F6hne\u003E \u0022\u002B\u0022 \u0060x\u0027"},"EventTime":"2026-11-20T12:00:00Z","SequenceNumber":1,"PersonID":29682881}"#;
    assert_eq!(std::str::from_utf8(&came[0].body).unwrap(), expected);
    // Of exactly these bytes, by `openssl dgst -sha1 -hmac canary-hook-key -binary | base64`.
    assert_eq!(header(&came[0], "X-Hook-Signature"), Some("sha1=M69To+sFrY3URXgnmbm3SP4jWDU="));
    assert_eq!(world.database.resource_id, 29_682_881, "who did it is the API user");
    assert!(!format!("{came:?}").contains("hooks.example"), "a URL may hold a token");
}

#[tokio::test]
async fn rows_of_all_five_kinds_are_reported_whether_the_api_or_a_person_made_changed_or_deleted_them() {
    let world = world();
    let receiver = Receiver::default();
    for (kind, field) in [
        ("Company", "companyName"),
        ("Contact", "lastName"),
        ("ConfigurationItem", "serialNumber"),
        ("Ticket", "status"),
        ("TicketNote", "title"),
    ] {
        world.webhook(kind, &[field]);
    }
    let Desk { company, contact, item, ticket, note } = world.service_desk();
    let api = world.database.resource_id;
    let tell = |came: Vec<Delivery>| {
        let mut told: Vec<String> = came
            .iter()
            .map(|callout| {
                let body: Value = serde_json::from_slice(&callout.body).unwrap();
                let who = if body["PersonID"] == json!(api) { "api" } else { "person" };
                format!(
                    "{} {} {} {who}",
                    body["EntityType"].as_str().unwrap(),
                    body["Id"],
                    body["Action"].as_str().unwrap()
                )
            })
            .collect();
        told.sort();
        told
    };
    world.simulator.deliver_due(&receiver).await;
    let made = [
        format!("Account {company} Create person"),
        format!("Contact {contact} Create api"),
        format!("InstalledProduct {item} Create api"),
        format!("Ticket {ticket} Create api"),
        format!("TicketNote {note} Create api"),
    ];
    assert_eq!(tell(receiver.take()), made);

    assert_eq!(world.patch("Companies", &json!({ "id": company, "companyName": "Beta" })).status, 200);
    let contacts = format!("Companies/{company}/Contacts");
    assert_eq!(world.patch(&contacts, &json!({ "id": contact, "lastName": "King" })).status, 200);
    world.change("ConfigurationItems", item, json!({ "serialNumber": "SN-2" }));
    assert_eq!(world.patch("Tickets", &json!({ "id": ticket, "status": 5 })).status, 200);
    world.change("TicketNotes", note, json!({ "title": "Second" }));
    world.simulator.deliver_due(&receiver).await;
    let changed = [
        format!("Account {company} Update api"),
        format!("Contact {contact} Update api"),
        format!("InstalledProduct {item} Update person"),
        format!("Ticket {ticket} Update api"),
        format!("TicketNote {note} Update person"),
    ];
    assert_eq!(tell(receiver.take()), changed);

    assert_eq!(world.call(Method::DELETE, &format!("Companies/{company}/Contacts/{contact}"), None).status, 200);
    let rows = [("TicketNotes", note), ("Tickets", ticket), ("ConfigurationItems", item), ("Companies", company)];
    for (entity, id) in rows {
        world.simulator.delete(world.database.ci, entity, id).unwrap();
    }
    world.simulator.deliver_due(&receiver).await;
    let gone = [
        format!("Account {company} Delete person"),
        format!("Contact {contact} Delete api"),
        format!("InstalledProduct {item} Delete person"),
        format!("Ticket {ticket} Delete person"),
        format!("TicketNote {note} Delete person"),
    ];
    assert_eq!(tell(receiver.take()), gone);
}

#[tokio::test]
async fn callouts_tell_subscribed_fields_when_they_change_and_shown_ones_always() {
    let world = world();
    let receiver = Receiver::default();
    let webhook = world.webhook("Company", &["companyName", "phone"]);
    let path = format!("CompanyWebhooks/{webhook}/Fields");
    let number = json!({
        "webhookID": webhook, "fieldID": world.field_id("Company", "companyNumber"), "isSubscribedField": false,
        "isDisplayAlwaysField": true,
    });
    assert_eq!(world.post(&path, &number).status, 200);
    let udfs = world.get("CompanyWebhookUdfFields/entityInformation/fields").value()["fields"].clone();
    let udf = udfs.as_array().unwrap().iter().find(|field| field["name"] == "udfFieldID").unwrap()["picklistValues"][0]
        .clone();
    assert_eq!(udf["label"], json!("Portal Id"));
    let portal = json!({
        "webhookID": webhook, "udfFieldID": udf["value"], "isSubscribedField": true, "isDisplayAlwaysField": false,
    });
    assert_eq!(world.post(&format!("CompanyWebhooks/{webhook}/UdfFields"), &portal).status, 200);

    let company = world
        .insert("Companies", json!({ "companyName": "Alpha", "companyType": 1, "phone": "1", "companyNumber": "C-1" }));
    world.change("Companies", company, json!({ "phone": "2" }));
    world.change("Companies", company, json!({ "userDefinedFields": [{ "name": "Portal Id", "value": "c_1" }] }));
    world.change("Companies", company, json!({ "city": "Leith", "companyNumber": "C-2" }));
    world.change("Companies", company, json!({ "phone": "2" }));
    world.simulator.delete(world.database.ci, "Companies", company).unwrap();
    world.simulator.deliver_due(&receiver).await;
    let told: Vec<Value> = receiver.take().iter().map(fields).collect();
    assert_eq!(told.len(), 4, "neither a shown field nor an equal value is a change: {told:?}");
    for expected in [
        json!({ "CompanyName": "Alpha", "Phone": "1", "CompanyNumber": "C-1", "Portal Id": null }),
        json!({ "Phone": "2", "CompanyNumber": "C-1" }),
        json!({ "Portal Id": "c_1", "CompanyNumber": "C-1" }),
        json!({ "CompanyNumber": "C-2" }),
    ] {
        assert!(told.contains(&expected), "{expected} in {told:?}");
    }
}

#[tokio::test]
async fn who_is_left_out_switched_off_not_ready_or_without_rights_hears_nothing() {
    let receiver = Receiver::default();
    let silent = |set_up: &dyn Fn(&World, i64), by_person: bool| {
        let world = world();
        let company = world.company("Alpha");
        let webhook = world.webhook("Company", &["companyName"]);
        set_up(&world, webhook);
        let update = json!({ "id": company, "companyName": "Beta" });
        match by_person {
            true => world.change("Companies", company, json!({ "companyName": "Beta" })),
            false => assert_eq!(world.patch("Companies", &update).status, 200),
        }
        let events: Vec<Callout> =
            world.simulator.pending_callouts().into_iter().filter(|callout| callout.action == "Update").collect();
        events.is_empty()
    };
    assert!(!silent(&|_, _| (), false) && !silent(&|_, _| (), true), "by itself it reports");
    let leave_out_api = |world: &World, webhook: i64| world.exclude("Company", webhook, world.database.resource_id);
    assert!(silent(&leave_out_api, false));
    assert!(!silent(&leave_out_api, true), "what others do is reported");
    assert!(silent(&|world, webhook| world.exclude("Company", webhook, world.person()), true));
    let patch = |field: &'static str| {
        move |world: &World, webhook: i64| {
            assert_eq!(world.patch("CompanyWebhooks", &json!({ "id": webhook, field: false })).status, 200);
        }
    };
    assert!(silent(&patch("isActive"), true));
    assert!(silent(&patch("isSubscribedToUpdateEvents"), true));
    let without_fields = |world: &World, webhook: i64| {
        let fields = world.get(&format!("CompanyWebhooks/{webhook}/Fields")).value();
        let path = format!("CompanyWebhooks/{webhook}/Fields/{}", fields["items"][0]["id"]);
        assert_eq!(world.call(Method::DELETE, &path, None).status, 200);
    };
    assert!(silent(&without_fields, true));
    let blind = |world: &World, _| {
        let permissions =
            Permissions::default().with("Companies", Access { view: ::simulator::Level::None, ..Access::ALL });
        world.simulator.set_permissions(world.database.ci, permissions).unwrap();
    };
    assert!(silent(&blind, true), "who may not see companies does not hear of them");
    assert!(receiver.take().is_empty());
}

#[tokio::test]
async fn events_of_a_webhook_and_type_wait_for_each_other_and_no_others_wait_for_them() {
    let world = world();
    let receiver = Receiver::default();
    world.webhook("Company", &["companyName"]);
    world.webhook("Ticket", &["status"]);
    let a = world.company("A");
    world.simulator.deliver_due(&receiver).await;
    receiver.take();
    receiver.answers(&[503]);
    world.change("Companies", a, json!({ "companyName": "A1" }));
    world.change("Companies", a, json!({ "companyName": "A2" }));
    world.simulator.deliver_due(&receiver).await;
    let b = world.company("B");
    world.simulator.deliver_due(&receiver).await;
    assert_eq!(receiver.told(), [format!("Update {a}#2"), format!("Create {b}#4")], "the second update waits");
    world.seconds(29);
    assert_eq!(world.simulator.deliver_due(&receiver).await, 0);
    assert_eq!(world.simulator.next_callout_due(), Some(world.clock.now() + SignedDuration::from_secs(1)));
    world.seconds(1);
    world.simulator.deliver_due(&receiver).await;
    assert_eq!(receiver.told(), [format!("Update {a}#2"), format!("Update {a}#3")]);
    assert_eq!((world.simulator.next_callout_due(), world.simulator.pending_callouts().len()), (None, 0));
}

#[tokio::test]
async fn any_2xx_is_delivery_and_anything_else_is_tried_five_times_half_a_minute_apart() {
    let world = world();
    let receiver = Receiver::default();
    let webhook = world.webhook("Company", &["companyName"]);
    for taken in [200, 202, 204, 299] {
        receiver.answers(&[taken]);
        world.company("A");
        assert_eq!(world.simulator.deliver_due(&receiver).await, 1, "{taken}");
    }
    receiver.answers(&[302, 400, 500, 199]);
    let company = world.company("Last");
    let first = world.clock.now();
    let mut attempts = 0;
    receiver.set_down(false);
    while let Some(due) = world.simulator.next_callout_due() {
        world.clock.set(due);
        if attempts == 4 {
            receiver.set_down(true);
        }
        attempts += world.simulator.deliver_due(&receiver).await;
    }
    assert_eq!((attempts, world.clock.now().as_second() - first.as_second()), (5, 120));
    let logs = world.logs();
    assert_eq!(logs.len(), 1);
    assert_eq!((&logs[0]["accountWebhookID"], &logs[0]["contactWebhookID"]), (&json!(webhook), &json!(null)));
    assert_eq!((&logs[0]["sequenceNumber"], &logs[0]["createDateTime"]), (&json!(5), &json!("2026-11-20T12:02:00Z")));
    assert_eq!(logs[0]["errorMessage"], json!("Unable to connect to the remote server"));
    let payload: Value = serde_json::from_str(logs[0]["payload"].as_str().unwrap()).unwrap();
    assert_eq!((&payload["Id"], &payload["SequenceNumber"]), (&json!(company), &json!(5)));
    let last = world.simulator.callouts().pop().unwrap();
    assert!(matches!(last.outcome, CalloutOutcome::Failed { .. }), "{last:?}");
    assert_eq!(last.attempts, 5);
    // The next event is not held up by it.
    receiver.set_down(false);
    world.company("Next");
    assert_eq!(world.simulator.deliver_due(&receiver).await, 1);
}

#[tokio::test]
async fn a_payload_is_cut_in_the_log_and_webhooks_of_tickets_have_no_column_there() {
    let world = world();
    let receiver = Receiver::default();
    receiver.set_down(true);
    world.simulator.switches_mut(|switches| switches.logged_payload_max = 60);
    world.webhook("Ticket", &["title"]);
    world.service_desk();
    while let Some(due) = world.simulator.next_callout_due() {
        world.clock.set(due);
        world.simulator.deliver_due(&receiver).await;
    }
    let logs = world.logs();
    assert_eq!((&logs[0]["accountWebhookID"], &logs[0]["contactWebhookID"]), (&json!(null), &json!(null)));
    let payload = logs[0]["payload"].as_str().unwrap();
    assert_eq!(payload.chars().count(), 60);
    assert!(payload.starts_with(r#"{"Action":"Create","Guid":""#) && serde_json::from_str::<Value>(payload).is_err());
}

/// Lets a webhook fail with `events` events, a receiver being down, until nothing waits.
async fn fail(world: &World, receiver: &Receiver, events: usize) {
    receiver.set_down(true);
    for number in 0..events {
        world.company(&format!("Down {number}"));
    }
    while let Some(due) = world.simulator.next_callout_due() {
        world.clock.set(due);
        world.simulator.deliver_due(receiver).await;
    }
    receiver.set_down(false);
}

#[tokio::test]
async fn the_25th_event_in_a_row_that_nobody_takes_switches_the_webhook_off_and_tells_so_once_unsigned() {
    let world = world();
    let receiver = Receiver::default();
    let webhook = world.webhook("Company", &["companyName"]);
    fail(&world, &receiver, 24).await;
    world.company("Heard");
    world.simulator.deliver_due(&receiver).await;
    fail(&world, &receiver, 24).await;
    assert_eq!(world.read_webhook("Company", webhook)["isActive"], json!(true), "a delivered one counts anew");
    receiver.take();

    fail(&world, &receiver, 6).await;
    assert_eq!(world.read_webhook("Company", webhook)["isActive"], json!(false));
    let came = receiver.take();
    let unsigned: Vec<&Delivery> =
        came.iter().filter(|callout| header(callout, "X-Hook-Signature").is_none()).collect();
    assert_eq!(unsigned.len(), 1, "once, though nobody took it");
    assert_eq!(unsigned[0].url, "https://hooks.example/Company/deactivated");
    let told: Value = serde_json::from_slice(&unsigned[0].body).unwrap();
    assert_eq!(told["Guid"], world.read_webhook("Company", webhook)["webhookGUID"]);
    assert_eq!((&told["Action"], told.get("EntityType")), (&json!("Deactivated"), None));
    assert_eq!(came.len(), 5 + 1, "what waited behind it is not sent");
    assert_eq!(world.logs().len(), 24 + 24 + 6, "and is in the log");

    world.company("Unheard");
    assert_eq!(world.simulator.pending_callouts().len(), 0);
    assert_eq!(world.patch("CompanyWebhooks", &json!({ "id": webhook, "isActive": true })).status, 200);
    fail(&world, &receiver, 24).await;
    assert_eq!(world.read_webhook("Company", webhook)["isActive"], json!(true), "switched on, it counts anew");
}

#[tokio::test]
async fn what_waits_for_a_webhook_that_is_switched_off_may_be_lost_without_a_trace() {
    let world = world();
    let receiver = Receiver::default();
    world.simulator.switches_mut(|switches| switches.deactivated_queue = DeactivatedQueue::Lost);
    let webhook = world.webhook("Company", &["companyName"]);
    world.company("A");
    world.company("B");
    assert_eq!(world.patch("CompanyWebhooks", &json!({ "id": webhook, "isActive": false })).status, 200);
    world.simulator.deliver_due(&receiver).await;
    assert_eq!(receiver.told(), [format!("Deactivated {webhook}#null")]);
    assert!(world.logs().is_empty());
    assert_eq!(world.patch("CompanyWebhooks", &json!({ "id": webhook, "isActive": true })).status, 200);
    let company = world.company("C");
    world.simulator.deliver_due(&receiver).await;
    assert_eq!(receiver.told(), [format!("Create {company}#3")], "only the gap tells of them");
}

#[tokio::test]
async fn a_webhook_that_is_deleted_or_whose_maker_leaves_says_so_at_its_deactivation_url() {
    let world = world();
    let receiver = Receiver::default();
    let deleted = world.webhook("Company", &["companyName"]);
    let left = world.webhook("Contact", &["lastName"]);
    world.company("Unsent");
    assert_eq!(world.call(Method::DELETE, &format!("CompanyWebhooks/{deleted}"), None).status, 200);
    world.change("Resources", world.database.resource_id, json!({ "isActive": false }));
    world.simulator.deliver_due(&receiver).await;
    let urls: Vec<String> = receiver.take().into_iter().map(|callout| callout.url).collect();
    assert_eq!(urls, ["https://hooks.example/Company/deactivated", "https://hooks.example/Contact/deactivated"]);
    assert_eq!(world.read_webhook("Contact", left)["isActive"], json!(false));
    assert!(world.simulator.callouts().iter().any(|callout| matches!(callout.outcome, CalloutOutcome::Lost { .. })));
}

#[tokio::test]
async fn what_waits_goes_to_the_present_url_with_the_present_key() {
    let world = world();
    let receiver = Receiver::default();
    let webhook = world.webhook("Company", &["companyName"]);
    receiver.answers(&[500]);
    world.company("A");
    world.simulator.deliver_due(&receiver).await;
    let next = json!({ "id": webhook, "secretKey": "next-key", "webhookUrl": "https://hooks.example/next" });
    assert_eq!(world.patch("CompanyWebhooks", &next).status, 200);
    world.seconds(30);
    world.simulator.deliver_due(&receiver).await;
    let came = receiver.take();
    assert_eq!(came[0].body, came[1].body);
    assert_ne!(header(&came[0], "X-Hook-Signature"), header(&came[1], "X-Hook-Signature"));
    assert_eq!(came[1].url, "https://hooks.example/next");
}

#[tokio::test]
async fn callouts_can_come_again_and_out_of_order_with_the_same_bytes() {
    let world = world();
    let receiver = Receiver::default();
    world.webhook("Company", &["companyName"]);
    let companies = [world.company("A"), world.company("B"), world.company("C")];
    world.simulator.deliver_due(&receiver).await;
    let first = receiver.take();
    assert_eq!(world.simulator.replay_callouts(&[2, 1, 1]).unwrap(), [4, 5, 6]);
    receiver.answers(&[500]);
    world.simulator.deliver_due(&receiver).await;
    let again = receiver.take();
    for (again, original) in again.iter().zip([&first[1], &first[0], &first[0]]) {
        assert_eq!((&again.url, &again.headers, &again.body), (&original.url, &original.headers, &original.body));
    }
    assert_eq!(again.len(), 3);
    assert!(world.logs().is_empty() && world.simulator.pending_callouts().is_empty(), "each is sent once");
    assert!(world.simulator.replay_callouts(&[9]).is_err());

    let control = |method: Method, path: &str, body: Value| {
        let outcome = world.simulator.handle(WireRequest::new(method, &format!("/_sim/callouts{path}")).json(&body));
        outcome.response().unwrap().value()
    };
    assert_eq!(control(Method::POST, "/replay", json!({ "count": 2 })), json!({ "numbers": [7, 8] }));
    world.simulator.deliver_due(&receiver).await;
    assert_eq!(receiver.told(), [format!("Create {}#3", companies[2]), format!("Create {}#2", companies[1])]);
    world.company("D");
    assert_eq!(control(Method::POST, "/lose", json!({})), json!({ "lost": 1 }));
    world.simulator.deliver_due(&receiver).await;
    assert!(receiver.take().is_empty());
    let all = control(Method::GET, "", json!(null));
    assert_eq!(all.as_array().unwrap().len(), 9);
    assert_eq!((&all[0]["outcome"]["is"], &all[8]["outcome"]["is"]), (&json!("delivered"), &json!("lost")));
    assert!(!all.to_string().contains(KEY));
    control(Method::DELETE, "", json!(null));
    assert_eq!(control(Method::GET, "", json!(null)), json!([]));
    world.company("E");
    assert_eq!(world.simulator.pending_callouts()[0].number, 10, "numbers go on");
}

#[tokio::test]
async fn what_waits_and_what_is_counted_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(noon()));
    let options = || Options { data: Some(folder.path().to_owned()), ..Options::default() };
    let simulator = Simulator::new(clock.clone(), options());
    let database = simulator.add_database(DatabaseSpec::new(USER, SECRET, CODE)).unwrap();
    let before = World { simulator, clock: clock.clone(), database: database.clone() };
    let receiver = Receiver::default();
    let webhook = before.webhook("Company", &["companyName"]);
    fail(&before, &receiver, 24).await;
    receiver.set_down(true);
    let waiting = before.company("Waiting");
    before.simulator.deliver_due(&receiver).await;
    let (all, due) = (before.simulator.callouts(), before.simulator.next_callout_due());
    drop(before);

    let after =
        World { simulator: Simulator::new(clock, options()), clock: Arc::new(ManualClock::new(noon())), database };
    assert_eq!((after.simulator.callouts(), after.simulator.next_callout_due()), (all, due));
    receiver.take();
    let clock = Arc::new(ManualClock::new(due.unwrap()));
    let after = World { simulator: Simulator::new(clock.clone(), options()), clock, ..after };
    while let Some(due) = after.simulator.next_callout_due() {
        after.clock.set(due);
        after.simulator.deliver_due(&receiver).await;
    }
    let told = receiver.told();
    assert_eq!(
        told[..4],
        [
            format!("Create {waiting}#25"),
            format!("Create {waiting}#25"),
            format!("Create {waiting}#25"),
            format!("Create {waiting}#25")
        ]
    );
    assert_eq!(told[4..], [format!("Deactivated {webhook}#null")], "24 failures and one more");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_none() {
    struct Slow;
    #[async_trait]
    impl Outbound for Slow {
        async fn post(&self, _: &Delivery) -> Result<u16, String> {
            std::future::pending().await
        }
    }
    let clock = Arc::new(ManualClock::new(noon()));
    let options = Options { callout_timeout: Duration::from_millis(20), ..Options::default() };
    let simulator = Simulator::new(clock.clone(), options);
    let database = simulator.add_database(DatabaseSpec::new(USER, SECRET, CODE)).unwrap();
    let world = World { simulator, clock, database };
    assert_eq!(::simulator::CALLOUT_TIMEOUT, Duration::from_secs(10));
    world.webhook("Company", &["companyName"]);
    world.company("A");
    assert_eq!(world.simulator.deliver_due(&Slow).await, 1);
    let waiting = world.simulator.pending_callouts();
    let why = CalloutOutcome::Pending { last_error: Some("The operation has timed out.".to_owned()) };
    assert_eq!((waiting[0].attempts, &waiting[0].outcome), (1, &why));
    // Broken off in the middle, it counts as not sent.
    world.seconds(30);
    let broken_off = tokio::time::timeout(Duration::from_millis(1), world.simulator.deliver_due(&Slow)).await;
    assert!(broken_off.is_err());
    assert!(!world.simulator.is_calling_out());
    assert_eq!(world.simulator.deliver_due(&Receiver::default()).await, 1);
}

/// A server that hands requests on and answers 200, but 500 to its first.
async fn listening() -> (String, tokio::sync::mpsc::UnboundedReceiver<(String, String)>) {
    let (sender, came) = tokio::sync::mpsc::unbounded_channel();
    let count = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let take = move |headers: axum::http::HeaderMap, body: String| {
        let signature = headers.get("x-hook-signature").map(|value| value.to_str().unwrap().to_owned());
        let is_first = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        sender.send((signature.unwrap_or_default(), body)).unwrap();
        let status = if is_first { http::StatusCode::INTERNAL_SERVER_ERROR } else { http::StatusCode::OK };
        std::future::ready(status)
    };
    let away = axum::response::Redirect::temporary("/hooks");
    let router = axum::Router::new()
        .route("/hooks", axum::routing::post(take))
        .route("/moved", axum::routing::post(move || std::future::ready(away)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (at, came)
}

/// Longer than a callout over the machine's own network takes.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn over_the_network_callouts_go_out_when_something_happens_and_when_the_clock_is_moved() {
    let world = world();
    let (at, mut came) = listening().await;
    let webhook = world.webhook("Company", &["companyName"]);
    let url = json!({ "id": webhook, "webhookUrl": format!("{at}/hooks") });
    assert_eq!(world.patch("CompanyWebhooks", &url).status, 200);
    let calling = tokio::spawn(world.simulator.clone().call_out(HttpOutbound::new(Reach::Loopback).unwrap()));
    let company = world.company("Zürich & Co");
    let (signature, body) = tokio::time::timeout(SOON, came.recv()).await.unwrap().unwrap();
    assert!(body.contains(&format!(r#""Id":{company},"Fields":{{"CompanyName":"Z\u00FCrich \u0026 Co"}}"#)), "{body}");
    assert!(signature.starts_with("sha1="), "{signature}");

    // The attempt may not be settled yet: then the next look at the clock brings it.
    let mut again = None;
    for _ in 0..20 {
        world.seconds(30);
        if let Ok(callout) = tokio::time::timeout(SOON / 10, came.recv()).await {
            again = callout;
            break;
        }
    }
    assert_eq!(again, Some((signature, body)));
    calling.abort();
}

#[tokio::test]
async fn a_redirect_is_no_delivery_and_is_not_followed_and_other_machines_are_out_of_reach() {
    let (at, mut came) = listening().await;
    let to = |url: String| Delivery { number: 1, url, headers: Vec::new(), body: "{}".into() };
    let outbound = HttpOutbound::new(Reach::Loopback).unwrap();
    assert_eq!(outbound.post(&to(format!("{at}/moved"))).await, Ok(307));
    assert!(came.try_recv().is_err());
    assert_eq!(outbound.post(&to(format!("{at}/hooks"))).await, Ok(500));
    assert!(came.try_recv().is_ok());
    let away = outbound.post(&to("https://hooks.example/a".to_owned())).await;
    assert_eq!(away, Err("This simulator calls out to its own machine only.".to_owned()));
    let nobody = outbound.post(&to("http://127.0.0.1:1/token".to_owned())).await.unwrap_err();
    assert!(nobody.starts_with("Unable to connect") && !nobody.contains("token"), "{nobody}");
}
