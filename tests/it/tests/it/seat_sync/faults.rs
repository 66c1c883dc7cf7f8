//! Sixty lines under faults and kills: every line ends at its target, is never outside what was asked for, and no
//! line is reported wrongly. Each seed replays.

use super::{DECEMBER, EVE, SLOT, adjustments, last_run, manual, report, runs, units};
use domain::records::{Expect, Key, Write};
use domain::runs::{LineState, RunMode};
use jiff::SignedDuration;
use local::host::KillScope;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use simulator::{Fault, FaultKind, Match};
use std::collections::BTreeMap;
use testkit::{Line, World};

/// Lines of a world, as the issue asks for.
const LINES: usize = 60;
/// Seeds of the suite.
const SEEDS: u64 = 10;
/// Units before; targets stay so near that no guard holds a change between any two of them.
const BEFORE: i64 = 10;

/// What each line may show: its units before, and every target it ever had.
type Asked = BTreeMap<i64, Vec<i64>>;

fn set_faults(world: &World, seed: u64) {
    let adjustments = || Match::new("POST", "*ContractServiceAdjustments");
    let answered = json!({"errors": ["Something went wrong."]});
    let kinds = [
        FaultKind::ApplyThenStatus { status: 500, body: answered },
        FaultKind::ApplyThenReset,
        FaultKind::Reset,
        FaultKind::Late { after_seconds: 240 },
    ];
    for (kind, n) in kinds.into_iter().zip(1..) {
        world.sim.add_fault(Fault::new(adjustments(), kind).probability(0.1, seed * 10 + n));
    }
}

async fn count(world: &World, dice: &mut StdRng, lines: &[Line], share: f64, asked: &mut Asked) {
    for line in lines {
        if dice.random_bool(share) {
            let active = dice.random_range(8..=12);
            world.usage(line, active).await;
            asked.get_mut(&line.line.id).unwrap().push(active);
        }
    }
}

fn nothing_outside(world: &World, asked: &Asked, seed: u64) {
    for adjustment in world.sim.adjustments() {
        let allowed = &asked[&adjustment.line_id];
        assert!(allowed.contains(&adjustment.units_after), "seed {seed}: {adjustment:?}, asked for {allowed:?}");
    }
}

/// Works message by message with kills armed, as long as `rounds` say.
async fn work_with_kills(world: &World, dice: &mut StdRng, rounds: u32) {
    for _ in 0..rounds {
        world.kill.arm(dice.random_range(1..40), KillScope::Background);
        if world.work_one().await.is_none() {
            world.advance(SignedDuration::from_secs(dice.random_range(60..700)));
        }
    }
    world.kill.arm(u32::MAX, KillScope::Background);
}

/// The lease only spares calls: without it two runs write at once, and still nothing is billed twice.
async fn take_the_lease_away(world: &World) {
    let key = Key::RunLease(world.partner.clone(), world.connection.clone());
    let write = Write::delete(key, Expect::Any);
    world.ports().storage.write(&world.scope(), vec![write]).await.unwrap();
}

#[tokio::test]
async fn under_faults_and_kills_every_line_ends_at_its_newest_target() {
    for seed in 0..SEEDS {
        under_faults(seed).await;
    }
}

async fn under_faults(seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let world = World::builder().at(EVE).seed(seed).build().await;
    let lines = world.lines_with(LINES, BEFORE, BEFORE).await;
    let mut asked: Asked = lines.iter().map(|line| (line.line.id, vec![BEFORE])).collect();
    count(&world, &mut dice, &lines, 0.8, &mut asked).await;
    set_faults(&world, seed);
    world.tick("seat-sync", SLOT).await;
    work_with_kills(&world, &mut dice, 3).await;
    nothing_outside(&world, &asked, seed);

    // A newer target and a second run, of a person, while the first is somewhere in the middle.
    count(&world, &mut dice, &lines, 0.3, &mut asked).await;
    take_the_lease_away(&world).await;
    manual(&world, RunMode::Apply).await;
    work_with_kills(&world, &mut dice, 4).await;
    let drained = world.drain().await;
    assert_eq!((drained.dead, drained.remaining), (0, 0), "seed {seed}");
    nothing_outside(&world, &asked, seed);

    let targets: Vec<i64> = lines.iter().map(|line| *asked[&line.line.id].last().unwrap()).collect();
    let unfinished = named_by_reports(&world, seed).await;
    for ((line, target), units) in lines.iter().zip(&targets).zip(units(&world, &lines)) {
        assert!(units == *target || unfinished.contains(&line.line.id), "seed {seed}: {line:?} {units}, not {target}");
    }

    world.sim.clear_faults();
    manual(&world, RunMode::Apply).await;
    world.drain().await;
    assert_eq!(units(&world, &lines), targets, "seed {seed}: a fresh run puts right what was left");
    let before = adjustments(&world).len();
    manual(&world, RunMode::Apply).await;
    world.drain().await;
    assert_eq!(adjustments(&world).len(), before, "seed {seed}: a fresh run writes nothing");
    assert_eq!(last_run(&world).await.totals.unchanged as usize, LINES);
}

/// Checks that what runs say of a line is so, and returns the lines that the last word leaves to a person.
async fn named_by_reports(world: &World, seed: u64) -> Vec<i64> {
    let history = world.sim.adjustments();
    let mut left = Vec::new();
    for run in runs(world).await {
        assert!(run.state.is_final(), "seed {seed}: {run:?}");
        let lines = report(world, &run).await;
        assert_eq!(run.totals.lines as usize, lines.len());
        for line in lines {
            assert_eq!(line.effective_date, DECEMBER);
            let shown =
                history.iter().filter(|done| done.line_id == line.line.unwrap().id).map(|done| done.units_after);
            let shown: Vec<i64> = std::iter::once(BEFORE).chain(shown).collect();
            match line.state {
                LineState::Changed | LineState::Unchanged => {
                    left.retain(|id| *id != line.line.unwrap().id);
                    let units = line.verified_units.or(line.units_now).unwrap();
                    assert_eq!(Some(units), line.units_wanted, "seed {seed}: {line:?}");
                    assert!(shown.contains(&units), "seed {seed}: {line:?} was never so: {shown:?}");
                }
                LineState::Held | LineState::Unverified | LineState::Failed => left.push(line.line.unwrap().id),
                LineState::Superseded | LineState::Skipped => {}
            }
        }
    }
    left
}
