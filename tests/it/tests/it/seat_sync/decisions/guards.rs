//! Counts that are missing, old, or too different.

use super::super::{adjustments, last_run, units};
use super::{edit_settings, eve_with, forget_usage, said, sync, worked_off};
use crate::seat_sync::{eve, manual};
use domain::connections::settings::FreezeWindow;
use domain::problem::Code;
use domain::runs::{LineState, RunMode, RunState};
use domain::vendor::Usage;
use jiff::SignedDuration;
use jiff::civil::date;

#[tokio::test]
async fn an_absent_count_is_never_zero_and_an_old_one_is_not_written() {
    let (world, lines) = eve_with(3, |settings| settings.guards.hold_zero = false).await;
    forget_usage(&world, &lines[0]).await;
    let slot: jiff::Timestamp = super::SLOT.parse().unwrap();
    for (line, age) in
        [(&lines[1], SignedDuration::from_mins(48 * 60 + 1)), (&lines[2], SignedDuration::from_hours(48))]
    {
        let as_of = slot - age;
        world
            .put(&Usage {
                partner: world.partner.clone(),
                account: line.account.clone(),
                package: line.package.clone(),
                active: 12,
                as_of,
                source_id: None,
                received_at: as_of,
            })
            .await;
    }
    let report = sync(&world).await;
    let words = "There is no count for this account and package.";
    assert_eq!(said(&report[0]), (LineState::Skipped, Some(Code::UsageMissing), words));
    let words = "The last count, 12 of 2026-11-29T00:14:00Z, is too old.";
    assert_eq!(said(&report[1]), (LineState::Skipped, Some(Code::UsageStale), words));
    assert_eq!(report[2].state, LineState::Changed, "a count may be exactly as old as allowed");
    assert_eq!(units(&world, &lines), [10, 10, 12]);
    assert_eq!((report[0].units_wanted, report[1].units_wanted), (None, None));
}

#[tokio::test]
async fn changes_that_are_too_large_wait_for_a_person_and_all_others_are_written() {
    let (world, lines) = eve_with(8, |_| ()).await;
    for (line, active) in lines.iter().zip([0, 36, 35, 16, 15, 5, 4, 11]) {
        world.usage(line, active).await;
    }
    let report = sync(&world).await;
    let held: Vec<_> = report.iter().map(|line| line.code).collect();
    assert_eq!(
        held,
        [
            Some(Code::HeldZero),
            Some(Code::HeldLargeChange),
            Some(Code::HeldLargeChange),
            Some(Code::HeldLargeChange),
            None,
            None,
            Some(Code::HeldLargeChange),
            None,
        ]
    );
    assert_eq!(units(&world, &lines), [10, 10, 10, 10, 15, 5, 10, 11]);
    assert_eq!(report[0].words, "10 -> 0 units: held until somebody says yes.");
    assert_eq!(report[1].words, "10 -> 36: a change by more than 25 units is held.");
    assert_eq!(report[3].words, "10 -> 16: a change by more than 50 % is held.");
    assert!(report.iter().all(|line| (line.state == LineState::Held) == line.code.is_some()));
    assert_eq!(last_run(&world).await.state, RunState::Partial);
}

#[tokio::test]
async fn from_nothing_only_the_number_counts_and_five_units_are_never_too_many_per_cent() {
    let world = testkit::World::builder().at(super::EVE).settings(|s| s.guards.stop_run_percent = 100).build().await;
    let none = world.lines_with(2, 0, 0).await;
    let few = world.lines_with(2, 2, 2).await;
    for (line, active) in none.iter().chain(&few).zip([25, 26, 7, 8]) {
        world.usage(line, active).await;
    }
    let report = sync(&world).await;
    let codes: Vec<_> = report.iter().map(|line| line.code).collect();
    assert_eq!(codes, [None, Some(Code::HeldLargeChange), None, Some(Code::HeldLargeChange)]);
    assert_eq!(units(&world, &none), [25, 0]);
    assert_eq!(units(&world, &few), [7, 2]);
}

#[tokio::test]
async fn a_line_that_may_fall_to_nothing_does_once_the_guard_is_off() {
    let (world, lines) = eve_with(2, |settings| settings.guards.hold_zero = false).await;
    world.usage(&lines[0], 0).await;
    let report = sync(&world).await;
    assert_eq!(report[0].state, LineState::Held, "ten units are more than half");
    edit_settings(&world, |settings| settings.guards.max_percent = 100).await;
    manual(&world, RunMode::Apply).await;
    let report = worked_off(&world).await;
    assert_eq!((report[0].state, report[0].sent, report[0].verified_units), (LineState::Changed, Some(-10), Some(0)));
    assert_eq!(units(&world, &lines), [0, 10]);
}

#[tokio::test]
async fn too_many_held_lines_stop_the_run_before_its_first_write() {
    let (world, lines) = eve(4).await;
    for (line, active) in lines.iter().zip([0, 0, 12, 10]) {
        world.usage(line, active).await;
    }
    let report = sync(&world).await;
    let run = last_run(&world).await;
    let words = "2 of 4 lines were held; more than 30 % stops the run.";
    assert_eq!((run.state, run.problem), (RunState::Stopped, Some((Code::RunStopped, words.to_owned()))));
    assert!(adjustments(&world).is_empty());
    assert_eq!(report[0].code, Some(Code::HeldZero), "a held line keeps its own reason");
    assert_eq!(said(&report[2]), (LineState::Held, Some(Code::RunStopped), words));
    assert_eq!(said(&report[3]), (LineState::Unchanged, None, "Already 10 units."), "a line that is right stays right");
    assert_eq!((run.totals.held, run.totals.unchanged), (3, 1));
}

#[tokio::test]
async fn as_many_held_lines_as_allowed_do_not_stop_the_run() {
    let (world, lines) = eve(10).await;
    for (line, active) in lines.iter().zip([0, 0, 0, 12]) {
        world.usage(line, active).await;
    }
    sync(&world).await;
    assert_eq!(last_run(&world).await.totals.changed, 1);
    assert_eq!(adjustments(&world).len(), 1);
}

#[tokio::test]
async fn the_kill_switch_stops_every_write_until_it_is_off() {
    let (world, lines) = eve_with(2, |settings| settings.kill_switch = true).await;
    world.usage(&lines[0], 12).await;
    let report = sync(&world).await;
    let words = "The connection's kill switch is on: nothing is written.";
    assert_eq!(said(&report[0]), (LineState::Held, Some(Code::RunStopped), words));
    assert_eq!(report[1].state, LineState::Unchanged);
    assert_eq!(last_run(&world).await.state, RunState::Stopped);
    assert!(adjustments(&world).is_empty());
    edit_settings(&world, |settings| settings.kill_switch = false).await;
    manual(&world, RunMode::Apply).await;
    worked_off(&world).await;
    assert_eq!(units(&world, &lines), [12, 10]);
}

#[tokio::test]
async fn a_kill_switch_thrown_while_a_run_writes_stops_the_next_write() {
    let (world, lines) = eve_with(3, |_| ()).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    // The second write is answered with 429: the rest is handed to an invocation of later.
    let busy = simulator::Match::new("POST", "*adjustments");
    let status = simulator::FaultKind::Status { status: 429, body: serde_json::json!({"errors": ["busy"]}) };
    world.tick("seat-sync", super::SLOT).await;
    world.work_one().await; // nothing is busy yet: all three are written
    assert_eq!(units(&world, &lines), [12, 12, 12]);
    for line in &lines {
        world.usage(line, 14).await;
    }
    world.sim.add_fault(simulator::Fault::new(busy, status).times(1));
    manual(&world, RunMode::Apply).await;
    world.work_one().await;
    edit_settings(&world, |settings| settings.kill_switch = true).await;
    let report = worked_off(&world).await;
    assert_eq!(units(&world, &lines), [12, 12, 12]);
    assert!(
        report.iter().all(|line| (line.state, line.code) == (LineState::Held, Some(Code::RunStopped))),
        "{report:?}"
    );
}

#[tokio::test]
async fn in_a_freeze_nothing_is_written_on_its_first_and_last_day() {
    for (from, to, written) in [
        (date(2026, 12, 1), date(2026, 12, 5), false),
        (date(2026, 11, 20), date(2026, 12, 1), false),
        (date(2026, 12, 2), date(2026, 12, 5), true),
    ] {
        let (world, lines) = eve_with(1, move |settings| settings.freeze = Some(FreezeWindow { from, to })).await;
        world.usage(&lines[0], 12).await;
        let report = sync(&world).await;
        assert_eq!(adjustments(&world).len(), usize::from(written), "{from} to {to}");
        if !written {
            let words = format!("Writes are frozen from {from} to {to}.");
            assert_eq!(said(&report[0]), (LineState::Held, Some(Code::RunStopped), &*words));
        }
    }
}

#[tokio::test]
async fn what_a_person_switches_off_while_a_run_writes_stops_its_next_write() {
    for pause in [false, true] {
        let (world, lines) = eve_with(3, |_| ()).await;
        for line in &lines {
            world.usage(line, 12).await;
        }
        // The first adjustment takes effect at once and is answered a little later.
        let slow = simulator::FaultKind::Delay { ms: 50 };
        world.sim.add_fault(simulator::Fault::new(simulator::Match::new("POST", "*Adjustments"), slow).times(1));
        world.tick("seat-sync", super::SLOT).await;
        let switch_off = async {
            while world.sim.adjustments().is_empty() {
                tokio::task::yield_now().await;
            }
            if pause {
                let admin = world.api(domain::Role::PartnerAdmin);
                admin.post("C/pause", serde_json::Value::Null).await.assert_status(200);
            } else {
                edit_settings(&world, |settings| settings.kill_switch = true).await;
            }
        };
        let _ = tokio::join!(world.work_one(), switch_off);
        let report = worked_off(&world).await;
        assert_eq!((units(&world, &lines), adjustments(&world).len()), (vec![12, 10, 10], 1));
        let states: Vec<_> = report.iter().map(|line| line.state).collect();
        let (rest, state) = match pause {
            true => (LineState::Failed, RunState::Failed),
            false => (LineState::Held, RunState::Stopped),
        };
        assert_eq!(states, [LineState::Changed, rest, rest], "{report:#?}");
        let code = if pause { Code::ConnectionPaused } else { Code::RunStopped };
        assert!(report[1..].iter().all(|line| line.code == Some(code)), "{report:#?}");
        assert_eq!(last_run(&world).await.state, state);
    }
}
