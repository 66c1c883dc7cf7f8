//! How many calls billing of packages makes, counted by the simulator.

use super::Desk;
use crate::billing_model::asked;

/// Ids in one query.
const BATCH: usize = 490;

/// Accounts of the suite, each with a line; `BILLING_LINES=1100` asks for more than two batches.
const LINES: u64 = 40;

/// What a seat sync of as many lines and changes may take.
fn bound(lines: usize, changed: usize) -> usize {
    lines.div_ceil(BATCH) + changed + changed.div_ceil(BATCH) + 2
}

#[tokio::test]
async fn a_line_that_must_be_added_costs_two_calls_more() {
    let lines = usize::try_from(asked("BILLING_LINES", LINES)).unwrap();
    let desk = Desk::new(lines).await;
    for client in 0..lines {
        desk.has(client, &[("basic", 5)]).await;
    }
    desk.world.sim.clear_requests();
    let run = desk.run("initial").await;
    assert_eq!(run["totals"]["changed"], lines, "{run}");
    let calls = desk.world.sim.requests().len();
    assert!(calls <= bound(lines, lines) + 2 * lines, "{calls} calls");
    desk.world.sim.clear_requests();
    desk.run("initial").await;
    let calls = desk.world.sim.requests().len();
    assert!(calls <= bound(lines, 0), "{calls} calls of a sync that changes nothing");
    desk.world.advance(jiff::SignedDuration::from_secs(1));
    for client in 0..10 {
        desk.tell(&format!("chg-{client}"), client, (Some("basic"), Some("basic")), 7).await;
    }
    for client in 10..20 {
        desk.tell(&format!("chg-{client}"), client, (Some("basic"), Some("basic")), 3).await;
    }
    desk.world.sim.clear_requests();
    let run = desk.run("package_changes").await;
    assert_eq!(run["totals"]["changed"], 20, "{run}");
    let calls = desk.world.sim.requests().len();
    assert!(calls <= bound(20, 20), "{calls} calls for 20 changes");
}
