//! Tickets about runs that fail: off unless switched on, one for a failure, never a second one, closed by itself.

use super::*;
use domain::records::Collection;
use domain::tickets::FailureTicket;
use jiff::SignedDuration;
use testkit::Line;

/// Queue, priority and source of the simulated Autotask.
const BILLING_QUEUE: i64 = 29_683_354;

/// Switches tickets on.
async fn switch_on(world: &World, per: &str) {
    let tickets = json!({"enabled": true, "queue": BILLING_QUEUE, "priority": 2, "source": 8, "company_id": msp(world), "per": per});
    world.api(Role::PartnerAdmin).patch("C/settings", json!({"failure_ticket": tickets})).await.assert_status(200);
}

/// A company for the tickets.
fn msp(world: &World) -> i64 {
    world.company("The partner itself")
}

/// The tickets that Autotask has, by id.
fn tickets(world: &World) -> Vec<Value> {
    let mut rows: Vec<(i64, Value)> = world.rows("Tickets").into_iter().collect();
    rows.sort_by_key(|(id, _)| *id);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn notes(world: &World) -> Vec<Value> {
    world.rows("TicketNotes").into_values().collect()
}

/// Requests about tickets.
fn asked(world: &World) -> usize {
    world.sim.requests().into_iter().filter(|request| request.path.to_lowercase().contains("/ticket")).count()
}

async fn counted(world: &World, lines: &[Line], active: i64) {
    for line in lines {
        world.usage(line, active).await;
    }
}

#[tokio::test]
async fn while_off_nothing_about_tickets_is_ever_asked_of_autotask() {
    let world = testkit::world().await;
    let lines = world.lines(2).await;
    counted(&world, &lines, 12).await;
    refuse_changes(&world);
    sync(&world).await;
    for _ in 0..3 {
        world.advance(SignedDuration::from_hours(24));
        tick(&world).await;
    }
    counted(&world, &lines, 13).await;
    sync(&world).await;
    assert_eq!((asked(&world), tickets(&world).len()), (0, 0));
    let of = Collection::FailureTickets(world.partner.clone(), world.connection.clone());
    assert!(world.load_all::<FailureTicket>(&of).await.is_empty());
}

#[tokio::test]
async fn a_failed_run_makes_one_ticket_recurrence_a_note_and_success_closes_it() {
    let world = testkit::world().await;
    let lines = world.lines(3).await;
    switch_on(&world, "run").await;
    counted(&world, &lines, 12).await;
    refuse_changes(&world);
    sync(&world).await;
    let made = tickets(&world);
    assert_eq!(made.len(), 1);
    let ticket = &made[0];
    assert_eq!(
        (&ticket["queueID"], &ticket["priority"], &ticket["source"]),
        (&json!(BILLING_QUEUE), &json!(2), &json!(8))
    );
    assert!(ticket["title"].as_str().unwrap().ends_with("3 lines failed"), "{ticket}");
    let text = ticket["description"].as_str().unwrap();
    assert_eq!(text.matches("rejected_by_autotask").count(), 3, "{text}");
    // The same events again, and the tick, do nothing more.
    let seen = asked(&world);
    for event in world.published("billing.run_partial") {
        assert_eq!(world.bundle.hear(&event).await, local::host::Outcome::Done);
    }
    tick(&world).await;
    assert_eq!((tickets(&world).len(), notes(&world).len(), asked(&world)), (1, 0, seen));

    counted(&world, &lines, 13).await;
    sync(&world).await;
    assert_eq!((tickets(&world).len(), notes(&world).len()), (1, 1));
    world.sim.clear_faults();
    counted(&world, &lines, 14).await;
    sync(&world).await;
    let closed = tickets(&world);
    assert_eq!((closed.len(), &closed[0]["status"]), (1, &json!(5)));
    // It fails anew: that is another ticket.
    refuse_changes(&world);
    counted(&world, &lines, 15).await;
    sync(&world).await;
    assert_eq!(tickets(&world).len(), 2);
}

#[tokio::test]
async fn each_client_has_its_own_where_that_is_wanted() {
    let world = testkit::world().await;
    let lines = world.lines(2).await;
    switch_on(&world, "client").await;
    counted(&world, &lines, 12).await;
    refuse_changes(&world);
    sync(&world).await;
    assert_eq!(tickets(&world).len(), 2);
    world.sim.clear_faults();
    sync(&world).await;
    assert!(tickets(&world).iter().all(|ticket| ticket["status"] == 5));
}

#[tokio::test]
async fn a_ticket_whose_answer_was_lost_is_found_and_not_made_again() {
    for kind in [FaultKind::ApplyThenReset, FaultKind::Reset, FaultKind::Late { after_seconds: 240 }] {
        let world = testkit::world().await;
        let lines = world.lines(1).await;
        switch_on(&world, "run").await;
        counted(&world, &lines, 12).await;
        refuse_changes(&world);
        let create = Match { method: Some("POST".into()), path: Some("*/Tickets".into()), database: None };
        world.sim.add_fault(Fault::new(create, kind.clone()).times(1));
        sync(&world).await;
        for _ in 0..4 {
            world.advance(SignedDuration::from_mins(15));
            tick(&world).await;
        }
        assert_eq!(tickets(&world).len(), 1, "{kind:?}");
        let of = Collection::FailureTickets(world.partner.clone(), world.connection.clone());
        let records = world.load_all::<FailureTicket>(&of).await;
        assert!(records[0].ticket.is_some() && records[0].due_at.is_none(), "{kind:?}: {records:?}");
    }
}

#[tokio::test]
async fn a_kill_at_any_request_leaves_one_ticket() {
    for at in 1..=6 {
        let world = testkit::world().await;
        let lines = world.lines(1).await;
        switch_on(&world, "run").await;
        counted(&world, &lines, 12).await;
        refuse_changes(&world);
        world.kill.arm(at, local::host::KillScope::Function("notify".to_owned()));
        sync(&world).await;
        for _ in 0..4 {
            world.advance(SignedDuration::from_mins(15));
            tick(&world).await;
        }
        assert_eq!(tickets(&world).len(), 1, "killed at request {at}");
    }
}

#[tokio::test]
async fn a_ticket_that_a_person_closed_is_left_and_a_failure_that_goes_on_gets_another() {
    let world = testkit::world().await;
    let lines = world.lines(1).await;
    switch_on(&world, "run").await;
    counted(&world, &lines, 12).await;
    refuse_changes(&world);
    sync(&world).await;
    let id = tickets(&world)[0]["id"].as_i64().unwrap();
    world.sim.patch(world.ci, "Tickets", id, &json!({"status": 5})).unwrap();
    counted(&world, &lines, 13).await;
    sync(&world).await;
    let all = tickets(&world);
    assert_eq!((all.len(), notes(&world).len()), (2, 0));
    assert_eq!((&all[0]["status"], &all[1]["status"]), (&json!(5), &json!(1)));
}

#[tokio::test]
async fn switched_off_again_nothing_more_is_asked() {
    let world = testkit::world().await;
    let lines = world.lines(1).await;
    switch_on(&world, "run").await;
    counted(&world, &lines, 12).await;
    refuse_changes(&world);
    let away = Match { method: None, path: Some("*/Tickets*".into()), database: None };
    world.sim.add_fault(Fault::new(away, FaultKind::Status { status: 503, body: json!({}) }));
    sync(&world).await;
    let off = json!({"failure_ticket": {"enabled": false}});
    world.api(Role::PartnerAdmin).patch("C/settings", off).await.assert_status(200);
    world.sim.clear_faults();
    world.sim.clear_requests();
    for _ in 0..4 {
        world.advance(SignedDuration::from_hours(6));
        tick(&world).await;
    }
    assert_eq!((asked(&world), tickets(&world).len()), (0, 0));
}

#[tokio::test]
async fn ids_that_autotask_does_not_have_are_refused_with_those_that_it_has() {
    let world = testkit::world().await;
    let admin = world.api(Role::PartnerAdmin);
    let bare = admin.patch("C/settings", json!({"failure_ticket": {"enabled": true}})).await;
    bare.assert_problem(400, "invalid_input");
    assert_eq!(bare.json["errors"].as_array().unwrap().len(), 2);
    let wrong = json!({"enabled": true, "queue": 1, "priority": 99, "source": 77, "company_id": 424_242});
    let refused = admin.patch("C/settings", json!({"failure_ticket": wrong})).await;
    refused.assert_problem(400, "invalid_input");
    let errors = refused.json["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 4, "{}", refused.text);
    assert!(errors[0]["detail"].as_str().unwrap().contains("29683354 (Billing)"), "{}", refused.text);
    // Switched off, nothing is asked.
    world.sim.clear_requests();
    let off = json!({"enabled": false, "queue": 1});
    admin.patch("C/settings", json!({"failure_ticket": off})).await.assert_status(200);
    assert!(world.sim.requests().is_empty());
    let billing = world.api(Role::PartnerBilling);
    billing
        .patch("C/settings", json!({"failure_ticket": {"enabled": true}}))
        .await
        .assert_problem(403, "forbidden_role");
}

#[tokio::test]
async fn a_ticket_that_autotask_refuses_is_an_issue_and_tried_again() {
    let world = testkit::world().await;
    let lines = world.lines(1).await;
    switch_on(&world, "run").await;
    counted(&world, &lines, 12).await;
    refuse_changes(&world);
    let create = Match { method: Some("POST".into()), path: Some("*/Tickets".into()), database: None };
    let refusal = FaultKind::Status { status: 400, body: json!({"errors": ["Queue is inactive."]}) };
    world.sim.add_fault(Fault::new(create, refusal).times(1));
    sync(&world).await;
    let of = Collection::Issues(world.partner.clone(), world.connection.clone());
    let open = |issues: Vec<domain::issues::Issue>| {
        issues.into_iter().any(|issue| {
            issue.code == domain::Code::FailureTicketRefused && issue.state == domain::issues::IssueState::Open
        })
    };
    let after_refusal = open(world.load_all(&of).await);
    for _ in 0..3 {
        world.advance(SignedDuration::from_mins(15));
        tick(&world).await;
    }
    assert_eq!(tickets(&world).len(), 1);
    assert!(!open(world.load_all(&of).await));
    assert!(after_refusal, "the refusal was told");
}

#[tokio::test]
async fn a_create_that_stays_unclear_is_told_and_sent_ever_more_rarely() {
    let world = testkit::world().await;
    let lines = world.lines(1).await;
    switch_on(&world, "run").await;
    counted(&world, &lines, 12).await;
    refuse_changes(&world);
    let create = Match { method: Some("POST".into()), path: Some("*/Tickets".into()), database: None };
    let words = FaultKind::Status { status: 500, body: json!({"errors": ["Something happened."]}) };
    world.sim.add_fault(Fault::new(create, words));
    sync(&world).await;
    for _ in 0..96 {
        world.advance(SignedDuration::from_mins(15));
        tick(&world).await;
    }
    let posts = world.writes().into_iter().filter(|request| request.path.to_lowercase().ends_with("/tickets")).count();
    assert!((4..=9).contains(&posts), "{posts} in a day");
    let of = Collection::Issues(world.partner.clone(), world.connection.clone());
    let issues: Vec<domain::issues::Issue> = world.load_all(&of).await;
    assert!(issues.iter().any(|issue| issue.code == domain::Code::FailureTicketRefused));
}
