#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fake::{Fake, ZONE, body, page};
use crate::*;

fn key(text: &str) -> WebhookKey {
    WebhookKey::new(text.into()).unwrap()
}

fn new_webhook() -> NewWebhook {
    NewWebhook::new("ours", "https://hooks.example/a", "https://hooks.example/a/deactivated", key("canary-key"))
}

fn done(id: i64) -> (u16, String) {
    (200, json!({ "itemId": id }).to_string())
}

#[test]
fn every_kind_is_found_by_its_callouts_entity_type_old_or_new() {
    for (name, kind) in [
        ("Account", WebhookKind::Company),
        ("company", WebhookKind::Company),
        ("Contact", WebhookKind::Contact),
        ("InstalledProduct", WebhookKind::ConfigurationItem),
        ("ConfigurationItem", WebhookKind::ConfigurationItem),
        ("Ticket", WebhookKind::Ticket),
        ("TICKETNOTE", WebhookKind::TicketNote),
    ] {
        assert_eq!(WebhookKind::of_entity_type(name), Some(kind), "{name}");
    }
    for kind in WebhookKind::ALL {
        assert_eq!(WebhookKind::of_entity_type(kind.entity_type()), Some(kind));
    }
    assert_eq!(WebhookKind::of_entity_type("Contract"), None);
}

#[test]
fn a_key_has_1_to_64_characters_and_prints_nowhere() {
    for refused in [String::new(), "k".repeat(65)] {
        assert!(matches!(WebhookKey::new(refused.into()), Err(Error::OutOfBounds { .. })));
    }
    assert!(WebhookKey::new("ü".repeat(64).into()).is_ok());
    let patch = WebhookPatch { secret_key: Some(key("canary-key")), ..WebhookPatch::new(7) };
    let printed = format!("{:?} {patch:?} {:#?}", new_webhook(), key("canary-key"));
    assert!(!printed.contains("canary"), "{printed}");
}

#[tokio::test]
async fn a_webhook_is_created_with_all_that_autotask_demands() {
    for kind in WebhookKind::ALL {
        let fake = Fake::script(vec![done(7)]);
        assert_eq!(fake.client().webhooks(kind).create(&new_webhook()).await.unwrap(), Id::new(7));
        let sent = fake.sent();
        assert_eq!(
            (sent[0].method, sent[0].url.as_str()),
            (Method::Post, format!("{ZONE}V1.0/{}", kind.entity()).as_str())
        );
        assert_eq!(
            body(&sent[0]),
            json!({
                "name": "ours", "webhookUrl": "https://hooks.example/a",
                "deactivationUrl": "https://hooks.example/a/deactivated", "secretKey": "canary-key", "isActive": true,
                "isSubscribedToCreateEvents": true, "isSubscribedToUpdateEvents": true,
                "isSubscribedToDeleteEvents": true, "sendThresholdExceededNotification": false,
            })
        );
    }
}

#[tokio::test]
async fn a_key_that_autotask_repeats_is_taken_out_of_the_errors_text() {
    for status in [400, 500] {
        let refused = json!({ "errors": ["secretKey: Value canary-key is no good"] }).to_string();
        let fake = Fake::script(vec![(status, refused)]);
        let client = fake.client();
        let webhooks = client.webhooks(WebhookKind::Company);
        let created = webhooks.create(&new_webhook()).await.unwrap_err();
        let patch = WebhookPatch { secret_key: Some(key("canary-key")), ..WebhookPatch::new(7) };
        let patched = webhooks.patch(&patch).await.unwrap_err();
        for error in [created, patched] {
            assert!(!format!("{error:?}").contains("canary-key"), "{error:?}");
            assert_eq!(error.texts(), ["secretKey: Value [redacted] is no good"]);
        }
    }
}

#[tokio::test]
async fn a_patch_sends_what_is_set_and_a_key_only_when_there_is_a_new_one() {
    let fake = Fake::script(vec![done(7)]);
    let client = fake.client();
    let webhooks = client.webhooks(WebhookKind::Ticket);
    let active = WebhookPatch { is_active: true.into(), ..WebhookPatch::new(7) };
    webhooks.patch(&active).await.unwrap();
    webhooks.patch(&WebhookPatch { secret_key: Some(key("next")), ..active }).await.unwrap();
    let sent = fake.sent();
    assert!(sent.iter().all(|sent| sent.method == Method::Patch && sent.url.path().ends_with("V1.0/TicketWebhooks")));
    assert_eq!(body(&sent[0]), json!({ "id": 7, "isActive": true }));
    assert_eq!(body(&sent[1]), json!({ "id": 7, "isActive": true, "secretKey": "next" }));
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_anything_is_sent() {
    let fake = Fake::script(vec![done(7)]);
    let client = fake.client();
    let webhooks = client.webhooks(WebhookKind::Contact);
    let long = "x".repeat(WEBHOOK_URL_MAX + 1);
    for webhook in [
        NewWebhook { name: "n".repeat(WEBHOOK_NAME_MAX + 1), ..new_webhook() },
        NewWebhook { webhook_url: long.clone(), ..new_webhook() },
        NewWebhook { deactivation_url: long.clone(), ..new_webhook() },
    ] {
        assert!(matches!(webhooks.create(&webhook).await, Err(Error::OutOfBounds { .. })));
    }
    let patch = WebhookPatch { webhook_url: long.into(), ..WebhookPatch::new(7) };
    assert!(matches!(webhooks.patch(&patch).await, Err(Error::OutOfBounds { .. })));
    assert_eq!(fake.sent().len(), 0);
}

#[tokio::test]
async fn webhooks_are_read_without_asking_for_their_keys() {
    let row = json!({
        "id": 7, "isActive": true, "isReady": false, "webhookGUID": "0f5c0c1e-0000-4000-8000-2b7d0a9b1111",
        "name": "ours", "webhookUrl": "https://hooks.example/a", "ownerResourceID": 29_682_881, "secretKey": null,
    });
    let fake = Fake::script(vec![(200, page(json!([row]), None)), (200, json!({ "item": row }).to_string())]);
    let client = fake.client();
    let webhooks = client.webhooks(WebhookKind::Company);
    let found = webhooks.query(Filter::eq("ownerResourceID", 29_682_881_i64)).await.unwrap();
    assert_eq!(found[0].webhook_guid.as_deref(), Some("0f5c0c1e-0000-4000-8000-2b7d0a9b1111"));
    assert_eq!((found[0].is_active, found[0].is_ready), (Some(true), Some(false)));
    assert_eq!(webhooks.get(Id::new(7)).await.unwrap().as_ref(), Some(&found[0]));
    let sent = fake.sent();
    let asked = body(&sent[0])["includeFields"].clone();
    assert!(asked.as_array().unwrap().contains(&json!("webhookGUID")), "{asked}");
    assert!(!asked.as_array().unwrap().contains(&json!("secretKey")), "{asked}");
    assert_eq!(sent[1].url.as_str(), format!("{ZONE}V1.0/CompanyWebhooks/7"));
}

#[tokio::test]
async fn fields_have_the_numbers_of_their_names_in_this_database() {
    let pick = |value: &str, label: &str| json!({ "value": value, "label": label, "isActive": true });
    let fields = json!({ "fields": [
        { "name": "webhookID", "picklistValues": null },
        { "name": "fieldID", "isPickList": true, "picklistValues": [pick("31", "companyName"), pick("7", "phone")] },
    ] });
    let fake = Fake::script(vec![(200, fields.to_string())]);
    let ids = fake.client().webhooks(WebhookKind::Company).field_ids().await.unwrap();
    assert_eq!((ids.id_of("companyName"), ids.id_of("CompanyName"), ids.id_of("fax")), (Some(31), Some(31), None));
    assert_eq!((ids.name_of(7), ids.name_of(8), ids.len(), ids.is_empty()), (Some("phone"), None, 2, false));
    assert_eq!(fake.sent()[0].url.as_str(), format!("{ZONE}V1.0/CompanyWebhookFields/entityInformation/fields"));
}

#[tokio::test]
async fn fields_and_resources_are_written_under_their_webhook_and_found_by_it() {
    let fake = Fake::new(|_, request| {
        let rows = json!([{ "id": 3, "webhookID": 7, "fieldID": 31, "isSubscribedField": true, "resourceID": 5 }]);
        let answer = if request.url.path().ends_with("/query") { page(rows, None) } else { done(3).1 };
        Ok(crate::fake::response(200, &answer))
    });
    let client = fake.client();
    let webhooks = client.webhooks(WebhookKind::ConfigurationItem);
    let used = FieldUse { subscribed: true, always_shown: false };
    assert_eq!(webhooks.add_field(Id::new(7), 31, used).await.unwrap(), Id::new(3));
    assert_eq!(webhooks.add_udf_field(Id::new(7), 4, used).await.unwrap(), Id::new(3));
    assert_eq!(webhooks.exclude_resource(Id::new(7), 5).await.unwrap(), Id::new(3));
    webhooks.remove_field(Id::new(7), Id::new(3)).await.unwrap();
    assert_eq!(webhooks.fields(Id::new(7)).await.unwrap()[0].field_id, Some(31));
    assert_eq!(webhooks.excluded_resources(Id::new(7)).await.unwrap()[0].resource_id, Some(5));
    webhooks.delete(Id::new(7)).await.unwrap();

    let sent = fake.sent();
    let calls: Vec<(Method, String)> = sent
        .iter()
        .map(|sent| (sent.method, sent.url.path().replace("/ATServicesRest/V1.0/ConfigurationItemWebhook", "")))
        .collect();
    let expected = [
        (Method::Post, "s/7/Fields"),
        (Method::Post, "s/7/UdfFields"),
        (Method::Post, "s/7/ExcludedResources"),
        (Method::Delete, "s/7/Fields/3"),
        (Method::Post, "Fields/query"),
        (Method::Post, "ExcludedResources/query"),
        (Method::Delete, "s/7"),
    ];
    assert_eq!(calls, expected.map(|(method, path)| (method, path.to_owned())));
    let subscribed = |field: &str| json!({ "webhookID": 7, field: if field == "fieldID" { 31 } else { 4 }, "isSubscribedField": true, "isDisplayAlwaysField": false });
    assert_eq!((body(&sent[0]), body(&sent[1])), (subscribed("fieldID"), subscribed("udfFieldID")));
    assert_eq!(body(&sent[2]), json!({ "webhookID": 7, "resourceID": 5 }));
    assert_eq!(body(&sent[4])["filter"], json!([{ "op": "eq", "field": "webhookID", "value": 7 }]));
}

#[tokio::test]
async fn webhooks_of_ticket_notes_have_no_user_defined_fields_and_nobody_asks_for_them() {
    let fake = Fake::script(vec![done(3)]);
    let client = fake.client();
    let webhooks = client.webhooks(WebhookKind::TicketNote);
    let used = FieldUse { subscribed: true, always_shown: true };
    assert!(webhooks.udf_field_ids().await.unwrap().is_empty());
    assert!(webhooks.udf_fields(Id::new(7)).await.unwrap().is_empty());
    assert!(matches!(webhooks.add_udf_field(Id::new(7), 4, used).await, Err(Error::OutOfBounds { .. })));
    assert!(matches!(webhooks.remove_udf_field(Id::new(7), Id::new(3)).await, Err(Error::OutOfBounds { .. })));
    assert_eq!(fake.sent().len(), 0);
}

#[tokio::test]
async fn the_error_log_is_read_and_rows_are_deleted_at_its_own_path() {
    let row: WebhookEventErrorLog = serde_json::from_str(
        r#"{"id":9,"accountWebhookID":7,"contactWebhookID":null,"createDateTime":"2026-11-20T09:00:00.12Z","errorMessage":"503","payload":"{\"Action\":\"Upd","sequenceNumber":118}"#,
    )
    .unwrap();
    assert_eq!((row.account_webhook_id, row.contact_webhook_id), (Some(Id::new(7)), None));
    assert_eq!((row.sequence_number, row.payload.as_deref()), (Some(118), Some("{\"Action\":\"Upd")));
    let fake = Fake::script(vec![done(9), (500, json!({ "errors": ["No matching records found."] }).to_string())]);
    fake.client().delete(row.id).await.unwrap();
    assert!(matches!(fake.client().delete(row.id).await, Err(Error::NotFound { .. })));
    let sent = fake.sent();
    assert_eq!(
        (sent[0].method, sent[0].url.as_str()),
        (Method::Delete, format!("{ZONE}V1.0/WebhookEventErrorLogs/9").as_str())
    );
    assert!(sent[0].body.is_none());
}

#[tokio::test]
async fn tickets_and_their_notes_are_sent_as_autotask_takes_them() {
    let fake = Fake::script(vec![done(8)]);
    let due: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
    let ticket = NewTicket {
        queue_id: Some(29_683_378),
        due_date_time: Some(due.into()),
        external_id: Some("run_01".to_owned()),
        ..NewTicket::new(4101, "Seats were not billed", 1, 2)
    };
    fake.client().create(&ticket).await.unwrap();
    fake.client().patch(&TicketPatch { status: 5.into(), ..TicketPatch::new(8) }).await.unwrap();
    let note = NewTicketNote::new(8, "Done", 1, 1);
    fake.client().create_under(Id::new(8), &note).await.unwrap();
    let sent = fake.sent();
    let bodies: Vec<Value> = sent.iter().map(body).collect();
    assert_eq!(
        bodies[0],
        json!({
            "companyID": 4101, "title": "Seats were not billed", "status": 1, "priority": 2, "queueID": 29_683_378,
            "dueDateTime": "2026-11-27T12:00:00Z", "externalID": "run_01",
        })
    );
    assert_eq!(bodies[1], json!({ "id": 8, "status": 5 }));
    assert_eq!(bodies[2], json!({ "ticketID": 8, "description": "Done", "noteType": 1, "publish": 1 }));
    let paths: Vec<&str> =
        sent.iter().map(|sent| sent.url.path().trim_start_matches("/ATServicesRest/V1.0/")).collect();
    assert_eq!(paths, ["Tickets", "Tickets", "Tickets/8/Notes"]);
}
