//! Mails of what failed and is no run: fetches, runs that never began, payments that do not go together.

use super::*;
use jiff::SignedDuration;

/// Somewhat more than an hour later, invoices are fetched again and what is due is mailed.
async fn next_hour(world: &World) {
    world.advance(SignedDuration::from_mins(70));
    world.tick("invoice-fetch", &world.clock.now().to_string()).await;
    world.drain().await;
    tick(world).await;
}

fn no_invoices() -> Fault {
    let no = FaultKind::Status { status: 403, body: json!({"errors": ["You do not have permission."]}) };
    Fault::new(Match::new("POST", "*Invoices/query"), no)
}

#[tokio::test]
async fn a_fetch_that_fails_is_told_once_however_long_it_goes_on_and_again_when_it_fails_anew() {
    let world = crate::invoices_in::world().await;
    let body = json!({"emails": [TEAM]});
    world.api(Role::PartnerAdmin).put("C/notifications", body).await.assert_status(200);
    next_hour(&world).await;
    assert!(world.mail.sent().is_empty(), "{:?}", subjects(&world.mail.sent()));
    let fault = world.sim.add_fault(no_invoices());
    for _ in 0..5 {
        next_hour(&world).await;
    }
    let mails = world.mail.sent();
    assert_eq!(mails.len(), 1, "{:?}", subjects(&mails));
    assert!(mails[0].subject().ends_with("invoices could not be fetched"), "{}", mails[0].subject());
    assert!(mails[0].text().contains("You do not have permission."), "Autotask's words: {}", mails[0].text());
    world.sim.remove_fault(fault);
    next_hour(&world).await;
    world.sim.add_fault(no_invoices());
    next_hour(&world).await;
    assert_eq!(world.mail.sent().len(), 2);
}

#[tokio::test]
async fn fetches_and_runs_that_fail_within_an_hour_are_one_mail_after_the_first() {
    let world = crate::invoices_in::world().await;
    told_of(&world, &["run_failed", "fetch_failed", "payment_failed"]).await;
    let failed = |subject: &str, code: &str| json!({"subject": subject, "code": code, "detail": "Words."});
    happens(&world, "e1", "issue.opened", failed("invoices", "fetch_failed")).await;
    assert_eq!(world.mail.sent().len(), 1, "the first goes at once");
    happens(&world, "e2", "issue.opened", failed("schedule/seat_sync", "run_missed")).await;
    happens(&world, "e3", "issue.opened", failed("invoice/8", "payment_conflict")).await;
    world.advance(SignedDuration::from_mins(59));
    tick(&world).await;
    assert_eq!(world.mail.sent().len(), 1);
    world.advance(SignedDuration::from_mins(1));
    tick(&world).await;
    let mails = world.mail.sent();
    assert_eq!(mails.len(), 2);
    for words in ["A scheduled run did not happen in time.", "invoice/8: Payments here"] {
        assert!(mails[1].text().contains(words), "{}", mails[1].text());
    }
}

#[tokio::test]
async fn a_seat_sync_that_was_missed_is_told() {
    let world = testkit::world().await;
    told_of(&world, &["run_failed"]).await;
    // Nobody ticked for days after the slot on the 1st.
    let late = "2026-12-06T01:00:00Z";
    world.clock.set(late.parse().unwrap()).unwrap();
    world.tick("seat-sync", late).await;
    world.drain().await;
    let mails = world.mail.sent();
    assert_eq!(mails.len(), 1, "{:?}", subjects(&mails));
    assert!(mails[0].text().contains("did not happen in time"), "{}", mails[0].text());
}
