use super::*;

/// The five kinds, and what they watch.
const KINDS: &[(&str, &str)] = &[
    ("Company", "Companies"),
    ("Contact", "Contacts"),
    ("ConfigurationItem", "ConfigurationItems"),
    ("Ticket", "Tickets"),
    ("TicketNote", "TicketNotes"),
];
pub(super) const KEY: &str = "canary-hook-key";

pub(super) fn body(url: &str) -> Value {
    json!({
        "name": "ours", "isActive": true, "webhookUrl": url, "deactivationUrl": format!("{url}/deactivated"),
        "secretKey": KEY, "isSubscribedToCreateEvents": true, "isSubscribedToUpdateEvents": true,
        "isSubscribedToDeleteEvents": true, "sendThresholdExceededNotification": false,
    })
}

/// What a service desk has one of.
pub(super) struct Desk {
    pub(super) company: i64,
    pub(super) contact: i64,
    pub(super) item: i64,
    pub(super) ticket: i64,
    pub(super) note: i64,
}

impl World {
    fn made(&self, path: &str, body: &Value) -> i64 {
        let made = self.post(path, body);
        assert_eq!(made.status, 200, "{path}: {}", made.value());
        made.value()["itemId"].as_i64().unwrap()
    }

    /// The number that webhooks of a kind know a field by.
    pub(super) fn field_id(&self, kind: &str, name: &str) -> i64 {
        let fields = self.get(&format!("{kind}WebhookFields/entityInformation/fields")).value();
        let fields = fields["fields"].as_array().unwrap();
        let values = fields.iter().find(|field| field["name"] == "fieldID").unwrap()["picklistValues"].clone();
        let found = values.as_array().unwrap().iter().find(|value| value["label"] == name);
        found.unwrap_or_else(|| panic!("{kind} has no webhook field {name}"))["value"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// A webhook that is subscribed to these fields, made as a client makes it.
    pub(super) fn webhook(&self, kind: &str, subscribed: &[&str]) -> i64 {
        let id = self.made(&format!("{kind}Webhooks"), &body(&format!("https://hooks.example/{kind}")));
        for name in subscribed {
            self.subscribe(kind, id, name);
        }
        id
    }

    pub(super) fn subscribe(&self, kind: &str, webhook: i64, name: &str) -> i64 {
        let field = json!({
            "webhookID": webhook, "fieldID": self.field_id(kind, name), "isSubscribedField": true,
            "isDisplayAlwaysField": false,
        });
        self.made(&format!("{kind}Webhooks/{webhook}/Fields"), &field)
    }

    pub(super) fn read_webhook(&self, kind: &str, id: i64) -> Value {
        self.get(&format!("{kind}Webhooks/{id}")).value()["item"].clone()
    }

    /// A company with a contact, a device, and a ticket with a note, made through the API where it can be.
    pub(super) fn service_desk(&self) -> Desk {
        let company = self.company("Alpha");
        let person = json!({ "firstName": "Ada", "lastName": "Byron", "isActive": 1 });
        let contact = self.made(&format!("Companies/{company}/Contacts"), &person);
        let code = self.insert("BillingCodes", json!({ "name": "Hardware", "useType": 2 }));
        let product = self.insert("Products", json!({ "name": "Laptop", "productBillingCodeID": code }));
        let item = json!({ "companyID": company, "productID": product, "isActive": true, "serialNumber": "SN-1" });
        let item = self.made("ConfigurationItems", &item);
        let ticket = json!({
            "companyID": company, "contactID": contact, "configurationItemID": item, "title": "It does not start",
            "status": 1, "priority": 2, "queueID": 29_682_833, "dueDateTime": "2026-11-27T12:00:00Z",
        });
        let ticket = self.made("Tickets", &ticket);
        let note = json!({ "title": "First", "description": "Called", "noteType": 1, "publish": 1 });
        let note = self.made(&format!("Tickets/{ticket}/Notes"), &note);
        Desk { company, contact, item, ticket, note }
    }
}

#[test]
fn a_webhook_is_made_under_any_kind_and_its_key_is_never_told() {
    let world = world();
    for (kind, _) in KINDS {
        let id = world.webhook(kind, &[]);
        let item = world.read_webhook(kind, id);
        assert_eq!(item["ownerResourceID"], json!(world.database.resource_id), "{kind}");
        let guid = item["webhookGUID"].as_str().unwrap();
        assert_eq!(guid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{guid}");
        let query = json!({ "filter": match_all(), "includeFields": ["id", "secretKey"] });
        let queried = world.post(&format!("{kind}Webhooks/query"), &query);
        assert_eq!(queried.value()["items"][0]["secretKey"], json!(null));
        let asked =
            world.query(&format!("{kind}Webhooks"), &json!([{ "op": "eq", "field": "secretKey", "value": "x" }]));
        assert_eq!(asked.status, 500, "no query takes the key");
        let raw = world.simulator.rows(world.database.ci, &format!("{kind}Webhooks")).unwrap();
        let log =
            serde_json::to_string(&world.simulator.requests().iter().rfind(|made| made.method == "POST")).unwrap();
        for told in [item.to_string(), queried.value().to_string(), json!(raw).to_string(), log] {
            assert!(!told.contains(KEY), "{told}");
        }
    }
    let guids = |kind: &str| world.read_webhook(kind, 1)["webhookGUID"].clone();
    assert_ne!(guids("Company"), guids("Contact"));
}

#[test]
fn a_webhook_is_checked_and_refused_with_a_text() {
    let world = world();
    let whole = body("https://hooks.example/a");
    for (field, value, words) in [
        ("name", json!(null), "Missing required field: name."),
        ("webhookUrl", json!(""), "Missing required field: webhookUrl."),
        ("deactivationUrl", json!(null), "Missing required field: deactivationUrl."),
        ("secretKey", json!(null), "Missing required field: secretKey."),
        (
            "sendThresholdExceededNotification",
            json!(null),
            "Missing required field: sendThresholdExceededNotification.",
        ),
        ("sendThresholdExceededNotification", json!(true), "Missing required field: notificationEmailAddress."),
        ("name", json!("n".repeat(51)), "exceeds the maximum length of 50"),
        ("webhookUrl", json!(format!("https://a.example/{}", "x".repeat(500))), "exceeds the maximum length of 500"),
        ("secretKey", json!("k".repeat(65)), "exceeds the maximum length of 64"),
        ("webhookUrl", json!("hooks.example/a"), "webhookUrl: Value hooks.example/a does not exist or is invalid"),
    ] {
        let mut asked = whole.clone();
        asked[field] = value;
        let answer = world.post("TicketWebhooks", &asked);
        assert_eq!(answer.status, 500, "{asked}");
        assert!(text(&answer).contains(words), "{asked}: {}", text(&answer));
    }
    let id = world.made("TicketWebhooks", &whole);
    let sent = json!({ "id": id, "isReady": true, "webhookGUID": "x", "ownerResourceID": 1, "name": "other" });
    assert_eq!(world.patch("TicketWebhooks", &sent).status, 200);
    let item = world.read_webhook("Ticket", id);
    assert_eq!((&item["name"], &item["isReady"]), (&json!("other"), &json!(false)));
    assert_eq!(item["ownerResourceID"], json!(world.database.resource_id), "read-only");
}

#[test]
fn a_webhook_is_ready_while_it_has_a_subscribed_field() {
    let world = world();
    for (kind, watched) in KINDS {
        let id = world.webhook(kind, &[]);
        let ready = || world.read_webhook(kind, id)["isReady"].clone();
        assert_eq!(ready(), json!(false), "{kind}");
        let fields = world.get(&format!("{watched}/entityInformation/fields")).value()["fields"].clone();
        let supported =
            fields.as_array().unwrap().iter().find(|field| field["isSupportedWebhookField"] == true).unwrap();
        let name = supported["name"].as_str().unwrap();
        let path = format!("{kind}Webhooks/{id}/Fields");
        let shown = json!({
            "webhookID": id, "fieldID": world.field_id(kind, name), "isSubscribedField": false,
            "isDisplayAlwaysField": true,
        });
        let field = world.made(&path, &shown);
        assert_eq!(ready(), json!(false), "{kind}: shown is not subscribed");
        assert_eq!(world.patch(&path, &json!({ "id": field, "isSubscribedField": true })).status, 200);
        assert_eq!(ready(), json!(true), "{kind}");
        assert_eq!(world.call(Method::DELETE, &format!("{path}/{field}"), None).status, 200);
        assert_eq!(ready(), json!(false), "{kind}");
    }
}

#[test]
fn a_webhook_may_take_its_time_to_become_ready() {
    let world = world();
    world.simulator.switches_mut(|switches| switches.webhook_ready_seconds = 20);
    let id = world.webhook("Company", &["companyName"]);
    world.clock.advance(SignedDuration::from_secs(19));
    assert_eq!(world.read_webhook("Company", id)["isReady"], json!(false));
    world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(world.read_webhook("Company", id)["isReady"], json!(true));
}

#[test]
fn fields_are_numbers_of_a_picklist_that_names_them_and_user_defined_ones_have_their_own() {
    let world = world();
    let id = world.webhook("Company", &[]);
    let named = |entity: &str, field: &str| {
        let fields = world.get(&format!("{entity}/entityInformation/fields")).value()["fields"].clone();
        let field = fields.as_array().unwrap().iter().find(|held| held["name"] == field).unwrap().clone();
        assert_eq!(field["isPickList"], json!(true));
        field["picklistValues"].as_array().unwrap().iter().map(|pick| pick["label"].clone()).collect::<Vec<_>>()
    };
    let built_in = named("CompanyWebhookFields", "fieldID");
    assert!(built_in.contains(&json!("companyName")) && built_in.contains(&json!("isActive")));
    assert!(!built_in.contains(&json!("id")) && !built_in.contains(&json!("lastActivityDate")));
    assert!(named("CompanyWebhookUdfFields", "udfFieldID").contains(&json!("Portal Id")));
    let add = |field: i64| json!({ "webhookID": id, "fieldID": field, "isSubscribedField": true, "isDisplayAlwaysField": false });
    let refused = world.post(&format!("CompanyWebhooks/{id}/Fields"), &add(9));
    assert_eq!(text(&refused), "fieldID: Value 9 does not exist or is invalid");
    let name = world.field_id("Company", "companyName");
    assert_eq!(world.post("CompanyWebhookFields", &add(name)).status, 404, "under the webhook only");
    assert_eq!(
        world.post("TicketNoteWebhooks/1/UdfFields", &add(name)).status,
        404,
        "ticket notes have no such fields"
    );
    assert_eq!(world.post("CompanyWebhooks/99/Fields", &add(name)).status, 500, "there is no such webhook");
}

#[test]
fn a_webhook_goes_with_all_that_is_below_it() {
    let world = world();
    let id = world.webhook("Contact", &["lastName", "firstName"]);
    let excluded = json!({ "webhookID": id, "resourceID": world.database.resource_id });
    world.made(&format!("ContactWebhooks/{id}/ExcludedResources"), &excluded);
    let nobody = json!({ "webhookID": id, "resourceID": 5 });
    assert_eq!(
        text(&world.post(&format!("ContactWebhooks/{id}/ExcludedResources"), &nobody)),
        "resourceID: Value 5 does not exist or is invalid"
    );
    assert_eq!(world.call(Method::DELETE, &format!("ContactWebhooks/{id}"), None).status, 200);
    for entity in ["ContactWebhooks", "ContactWebhookFields", "ContactWebhookExcludedResources"] {
        assert_eq!(world.ids(entity, &match_all()), [0_i64; 0], "{entity}");
    }
    assert_eq!(world.call(Method::DELETE, &format!("ContactWebhooks/{id}"), None).status, 500);
}

#[test]
fn the_same_events_for_the_same_url_are_refused_even_beside_an_inactive_webhook() {
    let world = world();
    let only = |field: &str, url: &str| {
        let mut webhook = body(url);
        for own in ["isSubscribedToCreateEvents", "isSubscribedToUpdateEvents", "isSubscribedToDeleteEvents"] {
            webhook[own] = json!(own == field);
        }
        webhook
    };
    let mut inactive = only("isSubscribedToUpdateEvents", "https://hooks.example/a");
    inactive["isActive"] = json!(false);
    world.made("CompanyWebhooks", &inactive);
    let again = world.post("CompanyWebhooks", &body("https://hooks.example/a"));
    assert_eq!(
        (again.status, text(&again)),
        (500, "A webhook with this URL and this type of event exists already.".into())
    );
    let created = world.made("CompanyWebhooks", &only("isSubscribedToCreateEvents", "https://hooks.example/a"));
    world.made("CompanyWebhooks", &only("isSubscribedToUpdateEvents", "https://hooks.example/b"));
    world.made("ContactWebhooks", &body("https://hooks.example/a"));
    let both = json!({ "id": created, "isSubscribedToUpdateEvents": true });
    assert_eq!(world.patch("CompanyWebhooks", &both).status, 500);
    world.simulator.switches_mut(|switches| switches.repeat_webhook = Allow::Accepted);
    assert_eq!(world.patch("CompanyWebhooks", &both).status, 200);
}

#[test]
fn without_the_right_to_create_webhooks_none_is_made_and_metadata_says_so() {
    let world = world_of(DatabaseSpec {
        permissions: Permissions::default().with("Webhooks", Access::NONE),
        ..DatabaseSpec::new(USER, SECRET, CODE)
    });
    for (kind, _) in KINDS {
        let answer = world.post(&format!("{kind}Webhooks"), &body("https://hooks.example/a"));
        assert_eq!(answer.status, 500);
        assert!(text(&answer).contains("does not have the adequate permissions to create"), "{}", text(&answer));
        let told = world.get(&format!("{kind}Webhooks/entityInformation")).value();
        let rights = ["userAccessForCreate", "userAccessForQuery"].map(|right| told["info"][right].clone());
        assert_eq!(rights, [json!(0), json!(1)], "{kind}");
    }
    world.simulator.set_permissions(world.database.ci, Permissions::default()).unwrap();
    world.webhook("Company", &[]);
}

#[test]
fn a_user_has_no_more_webhooks_than_its_security_level_says() {
    let spec = DatabaseSpec { webhooks_max: Some(2), ..DatabaseSpec::new(USER, SECRET, CODE) };
    let world = world_of(spec);
    // Somebody else's does not count.
    world.insert("CompanyWebhooks", body("https://others.example/a"));
    world.webhook("Company", &[]);
    let second = world.webhook("Ticket", &[]);
    let refused = world.post("ContactWebhooks", &body("https://hooks.example/a"));
    assert!(text(&refused).contains("maximum number of webhooks (2)"), "{}", text(&refused));
    assert_eq!(world.call(Method::DELETE, &format!("TicketWebhooks/{second}"), None).status, 200);
    world.webhook("Contact", &[]);
}

#[test]
fn fifty_webhooks_of_a_kind_are_active_at_most() {
    let world = world();
    let mut asked = body("https://hooks.example/0");
    for number in 0..50 {
        asked["webhookUrl"] = json!(format!("https://hooks.example/{number}"));
        world.made("TicketWebhooks", &asked);
    }
    asked["webhookUrl"] = json!("https://hooks.example/50");
    assert!(text(&world.post("TicketWebhooks", &asked)).contains("at most 50 active webhooks"));
    asked["isActive"] = json!(false);
    let inactive = world.made("TicketWebhooks", &asked);
    let activate = json!({ "id": inactive, "isActive": true });
    assert_eq!(world.patch("TicketWebhooks", &activate).status, 500);
    assert_eq!(world.call(Method::DELETE, "TicketWebhooks/1", None).status, 200);
    assert_eq!(world.patch("TicketWebhooks", &activate).status, 200);
    world.webhook("Company", &[]);
}

#[test]
fn the_error_log_shows_and_gives_up_ones_own_rows_only_for_thirty_days() {
    let world = world();
    let log = |owner: i64| json!({ "accountWebhookID": null, "sequenceNumber": 7, "payload": "{}", "_owner": owner });
    let own = world.insert("WebhookEventErrorLogs", log(world.database.resource_id));
    let foreign = world.insert("WebhookEventErrorLogs", log(world.database.resource_id - 1));
    assert_eq!(world.ids("WebhookEventErrorLogs", &match_all()), [own]);
    let count = world.post("WebhookEventErrorLogs/query/count", &json!({ "filter": match_all() })).value();
    assert_eq!(count, json!({ "queryCount": 1 }));
    assert_eq!(world.get(&format!("WebhookEventErrorLogs/{own}")).value()["item"]["sequenceNumber"], json!(7));
    assert_eq!(world.get(&format!("WebhookEventErrorLogs/{foreign}")).status, 404);
    assert_eq!(world.call(Method::DELETE, &format!("WebhookEventErrorLogs/{foreign}"), None).status, 500);
    world.clock.advance(SignedDuration::from_hours(30 * 24));
    assert_eq!(world.ids("WebhookEventErrorLogs", &match_all()), [own]);
    assert_eq!(world.call(Method::DELETE, &format!("WebhookEventErrorLogs/{own}"), None).status, 200);
    assert_eq!(world.simulator.rows(world.database.ci, "WebhookEventErrorLogs").unwrap().len(), 1);
    world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(world.simulator.rows(world.database.ci, "WebhookEventErrorLogs").unwrap(), [json!(null); 0]);
}

#[test]
fn tickets_have_numbers_and_say_when_they_were_done() {
    let world = world();
    let desk = world.service_desk();
    let ticket = || world.get(&format!("Tickets/{}", desk.ticket)).value()["item"].clone();
    assert_eq!(ticket()["ticketNumber"], json!("T20261120.0001"));
    assert_eq!(
        (&ticket()["creatorResourceID"], &ticket()["completedDate"]),
        (&json!(world.database.resource_id), &json!(null))
    );
    assert_eq!(world.patch("Tickets", &json!({ "id": desk.ticket, "status": 5, "resolution": "Charged" })).status, 200);
    assert_eq!(ticket()["completedDate"], json!("2026-11-20T12:00:00Z"));
    assert_eq!(ticket()["completedByResourceID"], json!(world.database.resource_id));
    assert_eq!(world.patch("Tickets", &json!({ "id": desk.ticket, "status": 8 })).status, 200);
    assert_eq!(ticket()["completedDate"], json!(null));
    assert_eq!(world.call(Method::DELETE, &format!("Tickets/{}", desk.ticket), None).status, 405);
    let note = world.get(&format!("Tickets/{}/Notes/{}", desk.ticket, desk.note)).value()["item"].clone();
    assert_eq!(
        (&note["ticketID"], &note["creatorResourceID"]),
        (&json!(desk.ticket), &json!(world.database.resource_id))
    );
    assert_eq!(world.get(&format!("ConfigurationItems/{}", desk.item)).value()["item"]["serialNumber"], json!("SN-1"));

    let whole = json!({
        "companyID": desk.company, "title": "x", "status": 1, "priority": 2, "queueID": 5,
        "dueDateTime": "2026-11-27T12:00:00Z", "contactID": desk.contact,
    });
    for (field, value, words) in [
        ("title", json!(null), "Missing required field: title."),
        ("title", json!("x".repeat(256)), "exceeds the maximum length of 255"),
        ("dueDateTime", json!(null), "Missing required field: dueDateTime."),
        ("queueID", json!(null), "Missing required field: queueID."),
        ("status", json!(99), "status: Value 99 does not exist or is invalid"),
        ("externalID", json!("x".repeat(51)), "exceeds the maximum length of 50"),
        ("assignedResourceID", json!(world.database.resource_id), "assignedResourceRoleID"),
    ] {
        let mut asked = whole.clone();
        asked[field] = value;
        let answer = world.post("Tickets", &asked);
        assert!(answer.status == 500 && text(&answer).contains(words), "{asked}: {}", text(&answer));
    }
    let second = world.made("Tickets", &whole);
    assert_eq!(world.get(&format!("Tickets/{second}")).value()["item"]["ticketNumber"], json!("T20261120.0002"));
}
