//! The monthly seat sync through its dispatcher and worker, against the simulator.

mod calls;
mod decisions;
mod faults;
mod schedules;
mod secrets;
mod switches;

use domain::problem::Code;
use domain::runs::{LineState, Run, RunLine, RunMode, RunState, StartRun, Trigger, lines as run_lines};
use domain::{Actor, Role};
use jiff::civil::{Date, date};
use serde_json::json;
use simulator::{Fault, FaultKind, LoggedRequest, Match};
use testkit::{Line, World};

/// The slot of December for a connection in UTC.
const SLOT: &str = "2026-12-01T00:15:00Z";
/// The day before, when counts are fresh.
const EVE: &str = "2026-11-30T12:00:00Z";
const DECEMBER: Date = date(2026, 12, 1);

/// A world on the eve of the sync, with lines of 10 units.
async fn eve(lines: usize) -> (World, Vec<Line>) {
    let world = World::builder().at(EVE).build().await;
    let lines = world.lines(lines).await;
    (world, lines)
}

fn adjustments(world: &World) -> Vec<LoggedRequest> {
    world.writes()
}

async fn manual(world: &World, mode: RunMode) -> Run {
    started(world, StartRun::seat_sync(mode, Trigger::Manual)).await
}

async fn started(world: &World, wanted: StartRun) -> Run {
    let actor = Actor { who: "ann".to_owned(), role: Role::PartnerBilling, request_id: "r1".to_owned(), reason: None };
    domain::runs::start(world.ports(), &world.scope(), &actor, &world.partner, &world.connection, wanted).await.unwrap()
}

/// All runs of the connection, oldest first.
async fn runs(world: &World) -> Vec<Run> {
    let of = domain::records::Collection::Runs(world.partner.clone(), world.connection.clone());
    world.load_all::<Run>(&of).await
}

async fn last_run(world: &World) -> Run {
    runs(world).await.pop().expect("there is a run")
}

async fn report(world: &World, run: &Run) -> Vec<RunLine> {
    run_lines::load_lines(world.ports(), &world.scope(), &world.partner, &world.connection, &run.id).await.unwrap()
}

fn units(world: &World, lines: &[Line]) -> Vec<i64> {
    world.units_on(lines, DECEMBER).into_iter().map(Option::unwrap).collect()
}

#[tokio::test]
async fn on_the_first_counts_become_units_and_a_fresh_run_writes_nothing() {
    let (world, lines) = eve(5).await;
    for (line, active) in lines.iter().zip([12, 10, 7, 10, 11]) {
        world.usage(line, active).await;
    }
    world.tick("seat-sync", SLOT).await;
    world.drain().await;
    assert_eq!(units(&world, &lines), [12, 10, 7, 10, 11]);
    assert_eq!(adjustments(&world).len(), 3);
    let run = last_run(&world).await;
    assert_eq!((run.state, run.trigger.clone()), (RunState::Done, Trigger::Schedule));
    assert_eq!((run.totals.lines, run.totals.changed, run.totals.unchanged), (5, 3, 2));
    let report = report(&world, &run).await;
    assert_eq!(report[0].words, "10 -> 12 units from 2026-12-01, seen in Autotask.");
    assert_eq!((report[0].units_now, report[0].sent, report[0].verified_units), (Some(10), Some(2), Some(12)));

    manual(&world, RunMode::Apply).await;
    world.drain().await;
    let second = last_run(&world).await;
    assert_eq!((second.state, second.totals.unchanged), (RunState::Done, 5));
    assert_eq!(adjustments(&world).len(), 3);
}

#[tokio::test]
async fn a_preview_writes_nothing_and_says_what_would_happen() {
    let (world, lines) = eve(3).await;
    world.usage(&lines[1], 14).await;
    manual(&world, RunMode::Preview).await;
    world.drain().await;
    let run = last_run(&world).await;
    assert_eq!((run.state, run.totals.changed), (RunState::Planned, 1));
    assert!(run.plan_hash.is_some());
    assert!(adjustments(&world).is_empty());
    assert_eq!(report(&world, &run).await[1].words, "10 -> 14 units from 2026-11-01.");
}

#[tokio::test]
async fn a_line_that_went_stale_after_the_approval_stays_alone_when_its_run_comes_back() {
    let (world, lines) = eve(2).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    let wanted = StartRun { effective_date: Some(DECEMBER), ..StartRun::seat_sync(RunMode::Preview, Trigger::Manual) };
    started(&world, wanted).await;
    world.drain().await;
    let run = last_run(&world).await;
    let path = format!("C/runs/{}/apply", run.id);
    let api = world.api(Role::PartnerBilling);
    api.post(&path, json!({"plan_hash": run.plan_hash})).await.assert_status(202);

    // Between the approval and the worker somebody adds a unit by hand; the other line's answer gets lost, so that
    // the run has to come back.
    let december =
        |row: &&serde_json::Value| row["startDate"].as_str().is_some_and(|day| day.starts_with("2026-12-01"));
    let rows = world.rows("ContractServiceUnits");
    let mut of_line = rows.values().filter(|row| row["contractServiceID"] == lines[0].line.id);
    let row = of_line.find(december).unwrap()["id"].as_i64().unwrap();
    world.sim.patch(world.ci, "ContractServiceUnits", row, &json!({"units": 11})).unwrap();
    world
        .sim
        .add_fault(Fault::new(Match::new("POST", "*ContractServiceAdjustments"), FaultKind::ApplyThenReset).times(1));
    world.drain().await;
    assert_eq!(units(&world, &lines), [11, 12]);
    let run = last_run(&world).await;
    let report = report(&world, &run).await;
    assert_eq!((report[0].state, report[0].code), (LineState::Held, Some(Code::PlanStale)));
    assert_eq!(report[1].state, LineState::Changed);
}

#[tokio::test]
async fn no_line_is_called_changed_before_it_is() {
    let (world, lines) = eve(3).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    world.clock.at_least(SLOT.parse().unwrap()).unwrap();
    manual_in_december(&world).await;
    // The threshold, the read of units, the first line's POST.
    world.kill.arm(3, local::host::KillScope::Background);
    assert_eq!(world.work_one().await, Some(local::host::Outcome::Killed));
    let run = last_run(&world).await;
    assert_eq!(run.state, RunState::Applying);
    let shown = report(&world, &run).await;
    assert_eq!(shown.len(), 3);
    assert!(shown.iter().all(|line| line.state == LineState::Unverified), "{shown:?}");
    world.drain().await;
    assert_eq!(units(&world, &lines), [12, 12, 12]);
    let run = last_run(&world).await;
    assert!(report(&world, &run).await.iter().all(|line| line.state == LineState::Changed));
}

async fn manual_in_december(world: &World) -> Run {
    let wanted = StartRun { effective_date: Some(DECEMBER), ..StartRun::seat_sync(RunMode::Apply, Trigger::Manual) };
    started(world, wanted).await
}
