//! What the world is told of a run: one failing line among others, issues, events, totals.

use super::super::{DECEMBER, adjustments, last_run, units};
use super::{erase_rows, eve_with, forget_usage, said, sync, worked_off};
use crate::seat_sync::{eve, manual};
use domain::issues::{Issue, IssueState};
use domain::mappings::{Mapping, MappingStatus};
use domain::problem::Code;
use domain::records::Collection;
use domain::records::Key;
use domain::runs::{LineState, RunMode, RunState};
use serde_json::json;
use simulator::{Fault, FaultKind, Match};
use testkit::World;

async fn issues(world: &World) -> Vec<(String, Code, IssueState, u32)> {
    let of = Collection::Issues(world.partner.clone(), world.connection.clone());
    let mut all = world.load_all::<Issue>(&of).await;
    all.retain(|issue| issue.subject != "connection");
    all.sort_by(|a, b| (&a.subject, a.code.as_str()).cmp(&(&b.subject, b.code.as_str())));
    all.into_iter().map(|issue| (issue.subject, issue.code, issue.state, issue.count)).collect()
}

fn billing_events(world: &World) -> Vec<String> {
    let all = world.events.all().into_iter().map(|event| event.detail_type);
    all.filter(|name| name.starts_with("billing.")).collect()
}

const NO: &str = "The value 12 does not exist or is invalid for this contract.";

#[tokio::test]
async fn one_line_that_autotask_refuses_does_not_stop_the_others() {
    let (world, lines) = eve_with(4, |_| ()).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    let refusal = FaultKind::Status { status: 500, body: json!({"errors": [NO]}) };
    world.sim.add_fault(Fault::new(Match::new("POST", "*adjustments"), refusal).times(1));
    let report = sync(&world).await;
    let words = format!("Autotask said no: {NO}");
    assert_eq!(said(&report[0]), (LineState::Failed, Some(Code::RejectedByAutotask), &*words));
    assert!(report[1..].iter().all(|line| line.state == LineState::Changed));
    assert_eq!(units(&world, &lines), [10, 12, 12, 12]);
    assert_eq!(adjustments(&world).len(), 4, "a refusal is not tried again");
    assert_eq!(billing_events(&world), ["billing.run_partial", "billing.line_written"]);
}

#[tokio::test]
async fn an_issue_is_opened_once_counted_and_closed_by_the_run_that_finds_its_cause_gone() {
    let (world, lines) = eve_with(4, |_| ()).await;
    forget_usage(&world, &lines[0]).await;
    world.usage(&lines[1], 0).await;
    erase_rows(&world, &lines[2], DECEMBER);
    world.sim.patch(world.ci, "Contracts", lines[2].contract_id, &json!({"endDate": "2026-11-30"})).unwrap();
    sync(&world).await;
    for _ in 0..2 {
        manual(&world, RunMode::Apply).await;
        worked_off(&world).await;
    }
    let subject = |line: &testkit::Line| format!("account/{}/{}", line.account, line.package);
    let open = |at: usize, code, count| (subject(&lines[at]), code, IssueState::Open, count);
    // What is gone is the mapping's trouble, not one line's.
    let broken = |count| (format!("account/{}", lines[2].account), Code::ContractEnded, IssueState::Open, count);
    let mapping = Key::Mapping(world.partner.clone(), world.connection.clone(), lines[2].account.clone());
    assert_eq!(issues(&world).await, [open(0, Code::UsageMissing, 3), open(1, Code::HeldZero, 3), broken(3)]);
    let marked = world.load::<Mapping>(&mapping).await.unwrap().value;
    assert_eq!((marked.status, marked.broken.unwrap().code), (MappingStatus::Broken, Code::ContractEnded));
    assert_eq!(world.published("issue.opened").len(), 3);

    world.usage(&lines[0], 10).await;
    world.usage(&lines[1], 12).await;
    manual(&world, RunMode::Apply).await;
    worked_off(&world).await;
    let closed = |at: usize, code| (subject(&lines[at]), code, IssueState::Resolved, 3);
    assert_eq!(issues(&world).await, [closed(0, Code::UsageMissing), closed(1, Code::HeldZero), broken(4)]);
    assert_eq!(world.published("issue.resolved").len(), 2);

    // It comes back: the same issue, counted from one.
    world.usage(&lines[1], 0).await;
    manual(&world, RunMode::Apply).await;
    worked_off(&world).await;
    assert_eq!(issues(&world).await[1], open(1, Code::HeldZero, 1));

    // The contract runs on and its units are seen again: the mapping works.
    world.sim.patch(world.ci, "Contracts", lines[2].contract_id, &json!({"endDate": "2027-11-30"})).unwrap();
    manual(&world, RunMode::Apply).await;
    worked_off(&world).await;
    assert_eq!(world.load::<Mapping>(&mapping).await.unwrap().value.status, MappingStatus::Confirmed);
}

#[tokio::test]
async fn a_feed_that_counts_nothing_anywhere_writes_nothing_and_opens_one_issue() {
    let (world, lines) = eve(5).await;
    for line in &lines {
        world.usage(line, 0).await;
    }
    sync(&world).await;
    assert!(adjustments(&world).is_empty());
    assert_eq!(last_run(&world).await.state, RunState::Stopped);
    assert_eq!(issues(&world).await, [("seat_sync".to_owned(), Code::RunStopped, IssueState::Open, 1)]);
    assert_eq!(billing_events(&world), ["billing.run_held", "billing.line_held"]);

    for line in &lines {
        world.usage(line, 10).await;
    }
    manual(&world, RunMode::Apply).await;
    worked_off(&world).await;
    assert_eq!(issues(&world).await, [("seat_sync".to_owned(), Code::RunStopped, IssueState::Resolved, 1)]);
}

#[tokio::test]
async fn every_run_says_on_the_bus_how_it_ended() {
    let (world, lines) = eve_with(4, |_| ()).await;
    sync(&world).await;
    world.usage(&lines[0], 0).await;
    manual(&world, RunMode::Preview).await;
    worked_off(&world).await;
    manual(&world, RunMode::Apply).await;
    worked_off(&world).await;
    let expected = [
        "billing.run_completed",
        "billing.run_planned",
        "billing.run_partial",
        "billing.run_held",
        "billing.line_held",
    ];
    assert_eq!(billing_events(&world), expected);
    let event = &world.published("billing.run_partial")[0];
    let run = last_run(&world).await;
    let data = &event.detail["data"];
    assert_eq!((data["run_id"].as_str(), data["totals"]["held"].as_u64()), (Some(run.id.as_str()), Some(1)));
    assert_eq!(data["status_url"], json!(run.status_url()));
    let logged = world.logs().lines_with(run.id.as_str());
    assert!(logged.iter().any(|line| line.contains("a run is partial")), "{logged:?}");
}

#[tokio::test]
async fn a_second_run_while_one_is_under_way_is_told_which() {
    let (world, lines) = eve(1).await;
    world.usage(&lines[0], 12).await;
    let first = manual(&world, RunMode::Apply).await;
    let actor = domain::Actor::system("test", "r2");
    let wanted = domain::runs::StartRun::seat_sync(RunMode::Apply, domain::runs::Trigger::Manual);
    let error = domain::runs::start(world.ports(), &world.scope(), &actor, &world.partner, &world.connection, wanted)
        .await
        .unwrap_err();
    let domain::Error::Problem(problem) = error else { panic!("{error}") };
    assert_eq!((problem.code, problem.extra["run_id"].as_str()), (Code::AlreadyRunning, Some(first.id.as_str())));
    worked_off(&world).await;
    assert_eq!(adjustments(&world).len(), 1);
}
