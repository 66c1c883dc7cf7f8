//! Undo while answers are lost and workers die: never twice.

use super::*;
use jiff::SignedDuration;
use local::host::KillScope;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use simulator::{Fault, FaultKind, Match};

/// Lines of a world.
const LINES: usize = 12;
/// Seeds of the suite.
const SEEDS: u64 = 6;

fn lost(world: &World, kind: FaultKind, share: f64, seed: u64) {
    let fault = Fault::new(Match::new("POST", "*ContractServiceAdjustments"), kind);
    world.sim.add_fault(fault.probability(share, seed));
}

#[tokio::test]
async fn an_undo_whose_answers_are_lost_takes_back_once() {
    for kind in [FaultKind::ApplyThenReset, FaultKind::Reset] {
        let (world, lines) = lenient(3).await;
        for line in &lines {
            world.usage(line, 12).await;
        }
        let id = run(&world, "apply").await;
        world.sim.add_fault(Fault::new(Match::new("POST", "*ContractServiceAdjustments"), kind).times(2));
        let back = undone(&world, &id, Value::Null).await;
        assert_eq!(units(&world, &lines, NOVEMBER), [10, 10, 10]);
        assert_eq!(shown(&world, &back).await["status"], "done");
        assert_eq!(world.sim.adjustments().len(), 6, "three there, three back");
    }
}

#[tokio::test]
async fn an_undo_whose_worker_dies_anywhere_takes_back_once() {
    for kill_after in 1..12 {
        let (world, lines) = lenient(2).await;
        for line in &lines {
            world.usage(line, 12).await;
        }
        let id = run(&world, "apply").await;
        undo(&world, &id, Value::Null).await.assert_status(202);
        world.kill.arm(kill_after, KillScope::Background);
        world.work_one().await;
        world.kill.arm(u32::MAX, KillScope::Background);
        world.drain().await;
        assert_eq!(units(&world, &lines, NOVEMBER), [10, 10], "killed after {kill_after} calls");
        assert_eq!(world.sim.adjustments().len(), 4, "killed after {kill_after} calls");
    }
}

#[tokio::test]
async fn under_faults_and_kills_undo_and_redo_never_leave_what_was_asked_for() {
    for seed in 0..SEEDS {
        storm(seed).await;
    }
}

async fn storm(seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let world = World::builder().seed(seed).settings(|settings| settings.guards.stop_run_percent = 100).build().await;
    let lines = world.lines(LINES).await;
    let mut asked: Vec<i64> = vec![10];
    for line in &lines {
        let active = dice.random_range(8..=12);
        world.usage(line, active).await;
        asked.push(active);
    }
    let id = run(&world, "apply").await;
    let written = units(&world, &lines, NOVEMBER);
    lost(&world, FaultKind::ApplyThenReset, 0.2, seed * 10 + 1);
    lost(&world, FaultKind::Reset, 0.2, seed * 10 + 2);
    lost(&world, FaultKind::Late { after_seconds: 240 }, 0.1, seed * 10 + 3);
    undo(&world, &id, Value::Null).await.assert_status(202);
    for _ in 0..4 {
        world.kill.arm(dice.random_range(1..30), KillScope::Background);
        if world.work_one().await.is_none() {
            world.advance(SignedDuration::from_secs(dice.random_range(60..700)));
        }
    }
    world.kill.arm(u32::MAX, KillScope::Background);
    world.drain().await;
    world.sim.clear_faults();
    undone(&world, &id, Value::Null).await;
    assert_eq!(units(&world, &lines, NOVEMBER), [10; LINES], "seed {seed}");
    for adjustment in world.sim.adjustments() {
        assert!(asked.contains(&adjustment.units_after), "seed {seed}: {adjustment:?}");
    }
    // Each line that was changed went there and back, each once.
    let changed = written.iter().filter(|units| **units != 10).count();
    assert_eq!(world.sim.adjustments().len(), 2 * changed, "seed {seed}");
}
