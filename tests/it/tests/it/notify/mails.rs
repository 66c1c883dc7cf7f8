//! Mails of what happened: one for a run however much of it failed, and one an hour at most.

use super::*;
use jiff::SignedDuration;

#[tokio::test]
async fn two_hundred_failures_in_a_run_send_one_mail_with_its_lines() {
    let world = testkit::world().await;
    told_of(&world, &["run_finished", "run_failed", "held", "permissions_lost", "renewal"]).await;
    let lines = world.lines(200).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    refuse_changes(&world);
    sync(&world).await;
    let mails = world.mail.sent();
    assert_eq!(mails.len(), 1, "{:?}", subjects(&mails));
    let mail = &mails[0];
    assert!(mail.subject().contains("200 lines failed"), "{}", mail.subject());
    assert!(mail.text().contains("200 × rejected_by_autotask"), "{}", mail.text());
    let file = &mail.attachments[0];
    assert_eq!(file.content().lines().count(), 201, "the header and each line");
    assert!(file.content().starts_with("no,account_id,"));
    assert_eq!(mail.to.iter().map(|to| to.as_str()).collect::<Vec<_>>(), [TEAM]);
    // Nothing is left for later.
    world.advance(SignedDuration::from_hours(2));
    tick(&world).await;
    assert_eq!(world.mail.sent().len(), 1);
}

#[tokio::test]
async fn a_run_that_ends_well_is_told_with_its_summary_where_that_is_wanted() {
    let world = testkit::world().await;
    let line = world.lines(1).await.remove(0);
    world.usage(&line, 12).await;
    sync(&world).await;
    assert!(world.mail.sent().is_empty(), "nobody is told");
    told_of(&world, &["run_finished"]).await;
    world.usage(&line, 13).await;
    sync(&world).await;
    let mails = world.mail.sent();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].subject().ends_with("done, 1 lines changed"), "{}", mails[0].subject());
    assert!(mails[0].text().contains("1 changed, 0 unchanged"));
    assert_eq!(mails[0].attachments.len(), 1);
    // What nobody wants to be told of is not told.
    refuse_changes(&world);
    world.usage(&line, 14).await;
    sync(&world).await;
    world.advance(SignedDuration::from_hours(2));
    tick(&world).await;
    assert_eq!(world.mail.sent().len(), 1);
}

#[tokio::test]
async fn what_happens_within_the_hour_is_sent_as_one_mail_when_it_is_over() {
    let world = testkit::world().await;
    told_of(&world, &["webhook_disabled", "disconnected"]).await;
    happens(&world, "e0", "webhook.disabled", json!({"entity": "companies"})).await;
    assert_eq!(world.mail.sent().len(), 1, "the first goes at once");
    for number in 1..=30 {
        world.advance(SignedDuration::from_secs(60));
        happens(&world, &format!("e{number}"), "webhook.disabled", json!({"entity": "contacts"})).await;
        tick(&world).await;
    }
    assert_eq!(world.mail.sent().len(), 1);
    world.advance(SignedDuration::from_secs(29 * 60));
    tick(&world).await;
    assert_eq!(world.mail.sent().len(), 1, "59 minutes");
    world.advance(SignedDuration::from_secs(60));
    tick(&world).await;
    let mails = world.mail.sent();
    assert_eq!(mails.len(), 2);
    assert!(mails[1].subject().ends_with("30 things happened"), "{}", mails[1].subject());
    assert_eq!(mails[1].text().matches("for contacts").count(), 30);
    world.advance(SignedDuration::from_hours(5));
    tick(&world).await;
    assert_eq!(world.mail.sent().len(), 2);
}

#[tokio::test]
async fn issues_that_open_in_a_swarm_are_gathered_into_one_mail() {
    let world = testkit::world().await;
    told_of(&world, &["renewal"]).await;
    for number in 0..100 {
        let data = json!({"subject": format!("account/a{number}"), "code": "contract_ended", "detail": "Ended."});
        happens(&world, &format!("e{number}"), "issue.opened", data).await;
    }
    happens(&world, "other", "issue.opened", json!({"subject": "line/1", "code": "run_partial", "detail": ""})).await;
    assert!(world.mail.sent().is_empty());
    world.advance(SignedDuration::from_mins(10));
    tick(&world).await;
    let mails = world.mail.sent();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].subject().ends_with("100 things happened"), "{}", mails[0].subject());
    assert!(mails[0].text().contains("And 60 more"), "{}", mails[0].text());
    assert!(!mails[0].text().contains("line/1"));
}

#[tokio::test]
async fn an_event_that_comes_twice_is_told_once() {
    let world = testkit::world().await;
    told_of(&world, &["webhook_disabled"]).await;
    for _ in 0..3 {
        happens(&world, "same", "webhook.disabled", json!({})).await;
        world.advance(SignedDuration::from_hours(2));
        tick(&world).await;
    }
    assert_eq!(world.mail.sent().len(), 1);
}

#[tokio::test]
async fn without_recipients_or_without_a_sender_nothing_is_kept_and_events_go_out_all_the_same() {
    let world = testkit::world().await;
    happens(&world, "e1", "webhook.disabled", json!({})).await;
    let read = world.api(Role::PartnerViewer).get("C/notifications").await.expect(200);
    assert_eq!((&read["recipients"], &read["waiting"]), (&json!([]), &json!(0)));
    // The contact of the connect form is told where no addresses are.
    let contact = json!({"email": "owner@msp.example"});
    world.api(Role::PartnerAdmin).patch("C/settings", contact).await.assert_status(200);
    happens(&world, "e2", "webhook.disabled", json!({})).await;
    let mails = world.mail.sent();
    assert_eq!((mails.len(), mails[0].to[0].as_str()), (1, "owner@msp.example"));

    let off = testkit::World::builder().without_mail().build().await;
    told_of(&off, &["webhook_disabled"]).await;
    happens(&off, "e1", "webhook.disabled", json!({})).await;
    assert_eq!(off.published("webhook.disabled").len(), 1);
    let read = off.api(Role::PartnerViewer).get("C/notifications").await.expect(200);
    assert_eq!((&read["sends_mail"], &read["sender"], &read["waiting"]), (&json!(false), &Value::Null, &json!(0)));
    off.api(Role::PartnerAdmin).post("C/notifications/test", Value::Null).await.assert_problem(409, "mail_off");
}

#[tokio::test]
async fn no_name_adds_a_header_or_a_recipient() {
    let world = testkit::world().await;
    let evil = "Acme\r\nBcc: thief@evil.example\r\n\r\n<b>pay here</b>";
    let path = format!("/v1/partners/{}", world.partner);
    let named = world.api(Role::Service).put(&path, json!({"name": evil, "time_zone": "UTC"})).await;
    assert!([200, 400].contains(&named.status), "{}", named.text);
    if named.status == 400 {
        // The route takes no such name; a record may still have one.
        let key = domain::records::Key::Partner(world.partner.clone());
        let mut partner = world.load::<domain::vendor::Partner>(&key).await.unwrap().value;
        partner.name = evil.to_owned();
        world.put(&partner).await;
    }
    told_of(&world, &["webhook_disabled", "renewal"]).await;
    happens(&world, "e1", "webhook.disabled", json!({"entity": "x\r\nTo: other@evil.example"})).await;
    let mails = world.mail.sent();
    assert_eq!(mails[0].to.len(), 1);
    let travelling = world.mail.travelling().remove(0);
    let (headers, _) = travelling.split_once("\r\n\r\n").unwrap();
    let names: Vec<&str> = headers
        .lines()
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split_once(':').expect("a header has a name").0)
        .collect();
    assert!(!names.iter().any(|name| name.eq_ignore_ascii_case("bcc")), "{headers}");
    assert_eq!(names.iter().filter(|name| name.eq_ignore_ascii_case("to")).count(), 1, "{headers}");
    assert!(travelling.lines().all(|line| !line.starts_with("Bcc:") && !line.starts_with("To: other")), "{travelling}");
}
