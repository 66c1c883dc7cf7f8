//! The routes: who, what is refused, versions, the trail, the test mail.

use super::*;
use domain::change::AuditRow;
use domain::records::Collection;
use jiff::SignedDuration;

const VALID: &str = "one@msp.example";

#[tokio::test]
async fn notifications_have_defaults_and_a_version_and_are_shown_in_the_settings() {
    let world = testkit::world().await;
    let viewer = world.api(Role::PartnerViewer);
    let reply = viewer.get("C/notifications").await;
    assert_eq!(reply.headers["etag"], "\"0\"");
    assert_eq!(
        reply.json["events"],
        json!(["run_failed", "fetch_failed", "held", "disconnected", "webhook_disabled", "renewal"])
    );
    let admin = world.api(Role::PartnerAdmin);
    let body = json!({"emails": [VALID, "ONE@msp.example"], "events": ["held"]});
    let saved = admin.clone().header("if-match", "\"0\"").put("C/notifications", body.clone()).await;
    assert_eq!((saved.status, saved.json["emails"].clone()), (200, json!([VALID])), "{}", saved.text);
    assert_eq!(saved.headers["etag"], "\"1\"");
    admin
        .clone()
        .header("if-match", "\"0\"")
        .put("C/notifications", body.clone())
        .await
        .assert_problem(412, "precondition_failed");
    let again = admin.put("C/notifications", body).await;
    assert_eq!(again.headers["etag"], "\"1\"", "what is so already is not written");
    let shown = viewer.get("C/settings").await.expect(200);
    assert_eq!(shown["notifications"], json!({"emails": [VALID], "events": ["held"]}));
    let patched = admin.patch("C/settings", json!({"notifications": {"emails": []}})).await;
    patched.assert_problem(400, "invalid_input");
    let of = Collection::Audit(world.partner.clone(), Some(world.connection.clone()), "2026-11".to_owned());
    let rows: Vec<AuditRow> = world.load_all(&of).await;
    let rows: Vec<_> = rows.iter().filter(|row| row.action == "notifications.changed").collect();
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0].before["events"][0], &rows[0].after["events"]), (&json!("run_failed"), &json!(["held"])));
}

#[tokio::test]
async fn every_wrong_entry_is_told_and_nothing_is_saved() {
    let world = testkit::world().await;
    let admin = world.api(Role::PartnerAdmin);
    let body =
        json!({"emails": [VALID, "a@b.example\r\nBcc: c@d.example", "a@b.example,c@d.example"], "events": ["fire"]});
    let refused = admin.put("C/notifications", body).await;
    refused.assert_problem(400, "invalid_input");
    let pointers: Vec<_> = refused.json["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!(pointers, ["/emails/1", "/emails/2", "/events/0"]);
    let many: Vec<String> = (0..21).map(|number| format!("a{number}@msp.example")).collect();
    admin.put("C/notifications", json!({"emails": many})).await.assert_problem(400, "invalid_input");
    admin.put("C/notifications", json!({"emails": 7})).await.assert_problem(400, "invalid_input");
    assert_eq!(world.api(Role::PartnerViewer).get("C/notifications").await.headers["etag"], "\"0\"");
}

#[tokio::test]
async fn only_the_main_accounts_admin_changes_and_tests_and_another_partner_finds_nothing() {
    let world = testkit::world().await;
    let body = json!({"emails": [VALID]});
    for role in [Role::PartnerBilling, Role::PartnerViewer, Role::VendorSupport] {
        world.api(role).put("C/notifications", body.clone()).await.assert_problem(403, "forbidden_role");
        world.api(role).post("C/notifications/test", Value::Null).await.assert_problem(403, "forbidden_role");
    }
    let side = world.api(Role::PartnerAdmin).claim("main_account", json!(false));
    side.put("C/notifications", body.clone()).await.assert_problem(403, "not_main_account");
    told_of(&world, &["held"]).await;
    let foreign = world.api(Role::PartnerAdmin).of_partner("other");
    foreign.get("C/notifications").await.assert_problem(404, "not_found");
    foreign.put("C/notifications", body).await.assert_problem(404, "not_found");
    foreign.post("C/notifications/test", Value::Null).await.assert_problem(404, "not_found");
    assert!(world.mail.sent().is_empty());
}

#[tokio::test]
async fn a_test_mail_goes_out_at_once_and_once_a_minute() {
    let world = testkit::world().await;
    let admin = world.api(Role::PartnerAdmin);
    admin.post("C/notifications/test", Value::Null).await.assert_problem(409, "no_recipients");
    told_of(&world, &[]).await;
    let sent = admin.post("C/notifications/test", Value::Null).await.expect(200);
    assert_eq!(sent, json!({"sent_to": [TEAM]}));
    let mails = world.mail.sent();
    assert_eq!(subjects(&mails).len(), 1);
    assert!(mails[0].subject().ends_with(": test"));
    let limited = admin.post("C/notifications/test", Value::Null).await;
    limited.assert_problem(429, "test_mail_limited");
    assert_eq!(limited.headers["retry-after"], "61");
    world.advance(SignedDuration::from_secs(61));
    world.mail.set_fault(Some(local::host::MailFault::Refuses));
    admin.post("C/notifications/test", Value::Null).await.assert_problem(422, "mail_refused");
    world.advance(SignedDuration::from_secs(61));
    world.mail.set_fault(Some(local::host::MailFault::Away));
    admin.post("C/notifications/test", Value::Null).await.assert_problem(503, "unavailable");
    let of = Collection::Audit(world.partner.clone(), Some(world.connection.clone()), "2026-11".to_owned());
    let rows: Vec<AuditRow> = world.load_all(&of).await;
    let outcomes: Vec<_> = rows
        .iter()
        .filter(|row| row.action == "notifications.tested")
        .map(|row| row.after["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["sent", "not_sent", "not_sent"]);
}
