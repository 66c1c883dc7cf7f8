//! How many calls a sync makes (PERF-1, PERF-2), counted by the simulator.

use super::{SLOT, adjustments, eve, last_run, units};
use domain::runs::RunState;

/// Ids in one query.
const BATCH: usize = 490;

async fn calls_of(lines: usize, changed: usize) -> usize {
    let (world, made) = eve(lines).await;
    for line in made.iter().take(changed) {
        world.usage(line, 12).await;
    }
    world.sim.clear_requests();
    world.tick("seat-sync", SLOT).await;
    world.drain().await;
    let run = last_run(&world).await;
    assert_eq!((run.state, run.totals.changed as usize), (RunState::Done, changed));
    assert_eq!(units(&world, &made).iter().filter(|units| **units == 12).count(), changed);
    assert_eq!(adjustments(&world).len(), changed);
    let calls = world.sim.requests().len();
    assert_eq!(run.autotask_calls as usize, calls, "the run counts as the simulator does");
    calls
}

fn bound(lines: usize, changed: usize) -> usize {
    lines.div_ceil(BATCH) + changed + changed.div_ceil(BATCH) + 2
}

#[tokio::test]
async fn a_sync_of_a_hundred_lines_makes_as_many_calls_as_it_must() {
    for changed in [0, 1, 20] {
        let calls = calls_of(100, changed).await;
        assert!(calls <= bound(100, changed), "{calls} calls for {changed} changes");
    }
}

#[tokio::test]
async fn a_sync_of_two_thousand_lines_makes_as_many_calls_as_it_must() {
    let calls = calls_of(2_000, 500).await;
    assert!(calls <= bound(2_000, 500), "{calls} calls");
}
