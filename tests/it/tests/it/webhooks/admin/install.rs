//! Installing: one set, however often and through whatever goes wrong.

use super::*;
use simulator::{Access, Fault, FaultKind, Match, Permissions};
use std::collections::BTreeSet;

/// Requests of an install of two kinds, with room.
const REQUESTS_MAX: u32 = 90;

fn fields_of(world: &World, kind: &str) -> BTreeSet<(i64, bool)> {
    let subscribed = |row: &Value| (row["fieldID"].as_i64().unwrap(), row["isSubscribedField"].as_bool().unwrap());
    rows(world, &format!("{kind}WebhookFields")).iter().map(subscribed).collect()
}

fn whole(world: &World) {
    for (kind, fields) in [("Company", 17), ("Contact", 11)] {
        let webhook = only(world, &format!("{kind}Webhooks"));
        assert_eq!((&webhook["isActive"], &webhook["isReady"]), (&json!(true), &json!(true)), "{kind}");
        assert_eq!(rows(world, &format!("{kind}WebhookFields")).len(), fields, "{kind}");
        assert_eq!(fields_of(world, kind).len(), fields, "{kind}: none twice");
        assert_eq!(rows(world, &format!("{kind}WebhookExcludedResources")).len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn a_webhook_of_each_kind_calls_us_about_what_our_copies_hold_and_not_about_ourselves() {
    let world = world().await;
    whole(&world);
    let webhook = only(&world, "CompanyWebhooks");
    let here = url(&world, &hook(&world, 1));
    assert_eq!(webhook["name"], json!("Sentinel Awareness companies"));
    assert_eq!(
        (&webhook["webhookUrl"], &webhook["deactivationUrl"]),
        (&json!(here), &json!(here.clone() + "/deactivated"))
    );
    for events in ["Create", "Update", "Delete"] {
        assert_eq!(webhook[format!("isSubscribedTo{events}Events")], json!(true));
    }
    assert_eq!(webhook["sendThresholdExceededNotification"], json!(false));
    let own = only(&world, "CompanyWebhookExcludedResources")["resourceID"].clone();
    assert_eq!(own, webhook["ownerResourceID"]);
    assert_eq!(record(&world).await.api_resource, own.as_i64());
    assert_eq!(shown(&world).await, [row("companies", "active", None), row("contacts", "active", None)]);
    let table = table(&world).await;
    assert_eq!((&table["state"], &table["stale"]), (&json!("installed"), &Value::Null));
    let masked = table["items"][0]["url"].as_str().unwrap();
    assert!(here.starts_with(masked.trim_end_matches('…')) && masked.len() < here.len(), "{masked}");
    assert_eq!(audited(&world, "webhooks.install").await, 1);
    assert_eq!(issues(&world).await, []);
}

#[tokio::test]
async fn asking_twice_leaves_one_set_and_writes_nothing() {
    let world = world().await;
    let before = (record(&world).await.guids().len(), only(&world, "CompanyWebhooks"));
    install(&world, &["contacts", "companies", "contacts"]).await;
    assert_eq!(world.writes(), []);
    assert_eq!((record(&world).await.guids().len(), only(&world, "CompanyWebhooks")), before);
    whole(&world);
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_removed_and_all_five_kinds_can_be_had() {
    let world = world().await;
    install(&world, &["companies", "configuration_items", "tickets", "ticket_notes"]).await;
    assert_eq!(rows(&world, "ContactWebhooks"), [Value::Null; 0]);
    for kind in ["Company", "ConfigurationItem", "Ticket", "TicketNote"] {
        let webhook = only(&world, &format!("{kind}Webhooks"));
        assert_eq!((&webhook["isActive"], &webhook["isReady"]), (&json!(true), &json!(true)), "{kind}");
    }
    let record = record(&world).await;
    assert_eq!((record.hooks.len(), record.past.len()), (4, 1), "deliveries of the fifth are still found");
    assert_eq!(record.hooks.iter().flat_map(|hook| hook.skipped.clone()).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn one_that_lost_a_field_or_was_changed_by_hand_is_put_right() {
    let world = world().await;
    let webhook = only(&world, "CompanyWebhooks")["id"].as_i64().unwrap();
    let field = rows(&world, "CompanyWebhookFields")[3]["id"].as_i64().unwrap();
    world.sim.delete(world.ci, "CompanyWebhookFields", field).unwrap();
    let change = json!({"isActive": false, "isSubscribedToDeleteEvents": false});
    world.sim.patch(world.ci, "CompanyWebhooks", webhook, &change).unwrap();
    install(&world, &["companies", "contacts"]).await;
    whole(&world);
    assert_eq!(only(&world, "CompanyWebhooks")["isSubscribedToDeleteEvents"], json!(true));
    assert_eq!(world.writes().len(), 2, "one PATCH and one field");
}

#[tokio::test]
async fn two_of_ours_become_the_one_that_is_known() {
    let world = world().await;
    let known = only(&world, "CompanyWebhooks")["id"].clone();
    let here = url(&world, &hook(&world, 1));
    let second = json!({
        "name": "by hand", "webhookUrl": here, "deactivationUrl": here, "secretKey": "another key", "isActive": true,
        "sendThresholdExceededNotification": false,
    });
    world.sim.insert(world.ci, "CompanyWebhooks", &[second]).unwrap();
    install(&world, &["companies", "contacts"]).await;
    assert_eq!(only(&world, "CompanyWebhooks")["id"], known);
    whole(&world);
}

#[tokio::test]
async fn a_worker_killed_at_any_request_leaves_one_whole_set() {
    for request in (1..=REQUESTS_MAX).step_by(3) {
        let world = testkit::world().await;
        let admin = world.api(Role::PartnerAdmin);
        admin.post("C/webhooks/install", json!({})).await.assert_status(202);
        world.kill.arm(request, KillScope::Function("webhook-admin".to_owned()));
        world.drain().await;
        disarm(&world);
        whole(&world);
        assert_eq!(shown(&world).await, [row("companies", "active", None), row("contacts", "active", None)]);
        assert_eq!(record(&world).await.state.to_json(), "installed", "killed at {request}");
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_makes_no_second_webhook() {
    for kind in [
        FaultKind::Reset,
        FaultKind::ApplyThenReset,
        FaultKind::ApplyThenStatus { status: 500, body: json!("oops") },
        FaultKind::Late { after_seconds: 240 },
    ] {
        let world = testkit::world().await;
        world.sim.add_fault(Fault::new(Match::new("POST", "*CompanyWebhooks"), kind.clone()).times(1));
        world.sim.add_fault(Fault::new(Match::new("POST", "*ContactWebhooks/*/Fields"), kind.clone()).times(1));
        install(&world, &["companies", "contacts"]).await;
        whole(&world);
        assert_eq!(
            (issues(&world).await, record(&world).await.state.to_json()),
            (vec![], json!("installed")),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn two_workers_at_once_make_one_set() {
    let world = testkit::world().await;
    let admin = world.api(Role::PartnerAdmin);
    for _ in 0..2 {
        admin.post("C/webhooks/install", json!({})).await.assert_status(202);
    }
    let (a, b) = tokio::join!(world.work_one(), world.work_one());
    assert!(a.is_some() && b.is_some());
    world.drain().await;
    whole(&world);
}

#[tokio::test]
async fn without_the_right_to_create_webhooks_it_is_said_where_to_give_it_and_done_when_it_is_given() {
    let world = testkit::world().await;
    world.sim.set_permissions(world.ci, Permissions::default().with("Webhooks", Access::NONE)).unwrap();
    install(&world, &["companies", "contacts"]).await;
    let refused = Some("webhook_permission_missing");
    assert_eq!(shown(&world).await, [row("companies", "missing", refused), row("contacts", "missing", refused)]);
    let table = table(&world).await;
    assert_eq!((&table["state"], &table["problem"]["code"]), (&json!("failed"), &json!(refused)));
    assert!(table["problem"]["action"].as_str().unwrap().contains("Can create WebHooks"));
    let issue = ("webhooks".to_owned(), "webhook_permission_missing".to_owned());
    assert_eq!(issues(&world).await, [issue], "one for all kinds");
    world.sim.set_permissions(world.ci, Permissions::default()).unwrap();
    heal(&world).await;
    whole(&world);
    assert_eq!((issues(&world).await, record(&world).await.problem), (vec![], None));
}

#[tokio::test]
async fn a_limit_keeps_one_kind_away_and_not_the_others() {
    let world = testkit::world().await;
    world.sim.set_webhooks_max(world.ci, Some(1)).unwrap();
    install(&world, &["companies", "contacts"]).await;
    let refused = Some("webhook_limit_reached");
    assert_eq!(shown(&world).await, [row("companies", "active", None), row("contacts", "missing", refused)]);
    let issue = ("webhook/contacts".to_owned(), "webhook_limit_reached".to_owned());
    assert_eq!(issues(&world).await, [issue]);
    let words = table(&world).await["items"][1]["problem"]["words"].clone();
    assert!(words.as_str().unwrap().contains("maximum number of webhooks"), "Autotask's own words: {words}");
    install(&world, &["companies"]).await;
    assert_eq!((shown(&world).await, issues(&world).await), (vec![row("companies", "active", None)], vec![]));
}

#[tokio::test]
async fn a_webhook_may_take_its_time_and_is_called_not_ready_when_that_is_too_long() {
    let world = World::builder().switches(|switches| switches.webhook_ready_seconds = 90).build().await;
    install(&world, &["companies", "contacts"]).await;
    whole(&world);
    let world = World::builder().switches(|switches| switches.webhook_ready_seconds = 7_200).build().await;
    install(&world, &["companies"]).await;
    assert_eq!(shown(&world).await, [row("companies", "not_ready", Some("webhook_not_ready"))]);
    assert_eq!(issues(&world).await, [("webhook/companies".to_owned(), "webhook_not_ready".to_owned())]);
    heal(&world).await;
    heal(&world).await;
    assert_eq!((shown(&world).await, issues(&world).await), (vec![row("companies", "active", None)], vec![]));
}

#[tokio::test]
async fn an_autotask_that_is_away_is_waited_for() {
    let world = testkit::world().await;
    let away = FaultKind::Status { status: 503, body: Value::Null };
    world.sim.add_fault(Fault::new(Match::default(), away).times(12));
    install(&world, &["companies", "contacts"]).await;
    whole(&world);
}

#[tokio::test]
async fn only_an_admin_of_the_partner_installs_and_only_what_autotask_has() {
    let world = testkit::world().await;
    let admin = world.api(Role::PartnerAdmin);
    for body in [json!({"entities": []}), json!({"entities": ["companies", "contracts"]}), json!({"entity": 1})] {
        admin.post("C/webhooks/install", body).await.assert_problem(400, "invalid_input");
    }
    for path in ["install", "uninstall", "rotate-keys", "clean-orphans", "companies-1/reactivate"] {
        let path = format!("C/webhooks/{path}");
        for role in [Role::PartnerBilling, Role::PartnerViewer, Role::VendorSupport, Role::Service] {
            world.api(role).post(&path, Value::Null).await.assert_problem(403, "forbidden_role");
        }
        admin.clone().of_partner("other").post(&path, Value::Null).await.assert_problem(404, "not_found");
    }
    admin.clone().of_partner("other").get("C/webhooks").await.assert_problem(404, "not_found");
    admin.post("C/pause", Value::Null).await.assert_status(200);
    for path in ["install", "uninstall", "rotate-keys", "clean-orphans"] {
        admin.post(&format!("C/webhooks/{path}"), Value::Null).await.assert_problem(409, "connection_paused");
    }
    let table = admin.get("C/webhooks").await.expect(200);
    assert_eq!((&table["state"], &table["stale"]["code"]), (&json!("absent"), &json!("connection_paused")));
    assert_eq!(world.writes(), []);
}

#[tokio::test]
async fn the_settings_show_which_kinds_are_installed_and_say_where_that_is_changed() {
    let world = testkit::world().await;
    let admin = world.api(Role::PartnerAdmin);
    let shown = async || admin.get("C/settings").await.expect(200)["webhooks"].clone();
    assert_eq!(shown().await, json!({"entities": []}));
    install(&world, &["tickets", "companies"]).await;
    assert_eq!(shown().await, json!({"entities": ["companies", "tickets"]}));
    let all = admin.get("C/settings").await.expect(200);
    // What was read may be sent back as it is; anything else is said where it belongs.
    admin.patch("C/settings", json!({"webhooks": all["webhooks"], "renewal": "propose"})).await.assert_status(200);
    for other in [json!({"entities": ["contacts"]}), json!(null)] {
        let refused = admin.patch("C/settings", json!({"webhooks": other})).await;
        let problem = refused.assert_problem(400, "invalid_input");
        let rule = "is set by POST …/webhooks/install and …/webhooks/uninstall";
        assert_eq!(problem["errors"], json!([{"pointer": "/webhooks", "detail": rule}]));
    }
    assert_eq!(shown().await, json!({"entities": ["companies", "tickets"]}));
    admin.post("C/webhooks/uninstall", Value::Null).await.assert_status(202);
    world.drain().await;
    assert_eq!(shown().await, json!({"entities": []}));
}
