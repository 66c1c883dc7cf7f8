//! Package changes, swaps among them, and lines that must be added, under faults and kills: every line ends at its
//! target or is named, none is ever over it, each adjustment is made at most once, and no line is added twice.

use super::check::Line;
use super::{Town, Trace, asked, next_first};
use domain::records::{Expect, Key, Write};
use domain::runs::LineState;
use jiff::SignedDuration;
use jiff::civil::Date;
use local::host::KillScope;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use simulator::{Fault, FaultKind, Match};
use std::collections::{BTreeMap, BTreeSet};
use testkit::World;

/// Accounts of a world; each has up to two lines that must be added, and half of them swap.
const ACCOUNTS: usize = 20;
/// Seeds of the suite; `BILLING_FAULT_SEEDS` asks for more.
const SEEDS: u64 = 2;
const BEGIN: &str = "2026-11-20T10:00:00Z";

/// An account and the number of its package.
type Place = (usize, usize);

/// What the vendor says, and said.
#[derive(Default)]
struct Said {
    /// Every quantity that a package of an account ever had.
    ever: BTreeMap<Place, BTreeSet<i64>>,
    now: BTreeMap<Place, i64>,
    changes: u32,
}

fn set_faults(world: &World, seed: u64) {
    let answered = json!({"errors": ["Something went wrong."]});
    let paths = ["*ServiceAdjustments", "*ServiceBundleAdjustments", "*/Services", "*/ServiceBundles"];
    for (path, nth) in paths.into_iter().zip(0..) {
        let kinds = [
            FaultKind::ApplyThenStatus { status: 500, body: answered.clone() },
            FaultKind::ApplyThenReset,
            FaultKind::Reset,
            FaultKind::Late { after_seconds: 240 },
        ];
        for (kind, n) in kinds.into_iter().zip(1..) {
            world.sim.add_fault(Fault::new(Match::new("POST", path), kind).probability(0.1, seed * 100 + nth * 10 + n));
        }
    }
}

async fn tell(town: &Town, said: &mut Said, account: usize, (from, to): (Option<usize>, Option<usize>), quantity: i64) {
    said.changes += 1;
    let name = |no: usize| town.packages[no].clone();
    let body = json!({
        "partner": town.world.partner, "account_id": town.clients[account].account, "from": from.map(name),
        "to": to.map(name), "quantity": to.map(|_| quantity), "occurred_at": town.world.clock.now(),
        "change_id": format!("c{:04}", said.changes),
    });
    town.world.advance(SignedDuration::from_secs(1));
    town.tell(body).await.assert_status(202);
    let mut set = |no: usize, quantity: i64| {
        said.ever.entry((account, no)).or_default().insert(quantity);
        said.now.insert((account, no), quantity);
    };
    if let Some(from) = from.filter(|from| Some(*from) != to) {
        set(from, 0);
    }
    if let Some(to) = to {
        set(to, quantity);
    }
}

fn lines_of(lines: &[Line], town: &Town, (account, no): Place) -> Vec<Line> {
    lines.iter().filter(|line| line.spot == (account, town.items[no])).cloned().collect()
}

/// No line is ever anywhere but where somebody said, and none stands twice on its contract.
fn nothing_outside(town: &Town, said: &Said) {
    let lines = town.lines();
    let mut seen = BTreeSet::new();
    for line in &lines {
        assert!(seen.insert((line.contract, line.spot.1)), "added twice: {line:?}");
    }
    for done in town.world.sim.adjustments() {
        let line = lines.iter().find(|line| line.line.id == done.line_id).unwrap();
        let no = town.items.iter().position(|item| *item == line.spot.1).unwrap();
        let ever = said.ever.get(&(line.spot.0, no));
        assert!(ever.is_some_and(|ever| ever.contains(&done.units_after)), "{done:?}, asked for {ever:?}");
    }
}

async fn work_with_kills(town: &Town, dice: &mut StdRng, trace: &mut Trace, rounds: u32) {
    for _ in 0..rounds {
        let requests = dice.random_range(1..30);
        trace.add(format!("{} kill after {requests}", town.world.clock.now()));
        town.world.kill.arm(requests, KillScope::Background);
        if town.world.work_one().await.is_none() {
            town.world.advance(SignedDuration::from_secs(dice.random_range(60..700)));
        }
    }
    town.world.kill.arm(u32::MAX, KillScope::Background);
}

/// The lease only spares calls: without it two runs write at once, and still nothing is billed twice.
async fn take_the_lease_away(town: &Town) {
    let key = Key::RunLease(town.world.partner.clone(), town.world.connection.clone());
    let write = Write::delete(key, Expect::Any);
    town.world.ports().storage.write(&town.world.scope(), vec![write]).await.unwrap();
}

async fn sync_now(town: &Town) {
    town.start("package_changes").await.assert_status(202);
}

#[tokio::test]
async fn under_faults_and_kills_package_changes_end_at_their_targets_and_no_line_is_added_twice() {
    for seed in 0..asked("BILLING_FAULT_SEEDS", SEEDS) {
        under_faults(seed).await;
    }
}

async fn under_faults(seed: u64) {
    let (mut dice, mut trace, mut said) = (StdRng::seed_from_u64(seed), Trace::new(seed), Said::default());
    let world = World::builder().at(BEGIN).seed(seed).build().await;
    let town = Town::build(world, ACCOUNTS, 4, 3, 1).await;
    for (package, item) in town.packages.iter().zip(&town.items) {
        town.map(package, *item, "package", json!({})).await.assert_status(200);
    }
    town.world.advance(SignedDuration::from_mins(10));
    let mut firsts = Vec::new();
    for account in 0..ACCOUNTS {
        let first = dice.random_range(0..4);
        firsts.push(first);
        tell(&town, &mut said, account, (None, Some(first)), dice.random_range(1..12)).await;
    }
    set_faults(&town.world, seed);
    sync_now(&town).await;
    work_with_kills(&town, &mut dice, &mut trace, 3).await;
    nothing_outside(&town, &said);

    // Newer changes, swaps among them, and a second run, while the first is somewhere in the middle.
    for (account, first) in firsts.into_iter().enumerate() {
        let (other, quantity) = ((first + dice.random_range(1..4)) % 4, dice.random_range(1..12));
        match dice.random_range(0..4) {
            0 => {}
            1 => tell(&town, &mut said, account, (Some(first), Some(first)), quantity).await,
            _ => tell(&town, &mut said, account, (Some(first), Some(other)), quantity).await,
        }
    }
    take_the_lease_away(&town).await;
    sync_now(&town).await;
    work_with_kills(&town, &mut dice, &mut trace, 5).await;
    let drained = town.world.drain().await;
    assert_eq!((drained.dead, drained.remaining), (0, 0));
    nothing_outside(&town, &said);
    at_targets(&town, &said, &named(&town).await);

    town.world.sim.clear_faults();
    for _ in 0..2 {
        sync_now(&town).await;
        town.world.drain().await;
    }
    nothing_outside(&town, &said);
    at_targets(&town, &said, &BTreeSet::new());
    assert!(town.pending().await.is_empty(), "{:#?}", town.pending().await);
    let written = town.world.writes().len();
    for kind in ["package_changes", "initial"] {
        town.start(kind).await.assert_status(202);
        town.world.drain().await;
    }
    assert_eq!(town.world.writes().len(), written, "a fresh run writes nothing");
}

/// Every line has what was said last, from the next period on at the latest.
fn at_targets(town: &Town, said: &Said, named: &BTreeSet<Place>) {
    let lines = town.lines();
    let then: Date = next_first(town.world.sim.today());
    for (place, wanted) in &said.now {
        let own = lines_of(&lines, town, *place);
        let units: i64 = own.iter().map(|line| line.units(then)).sum();
        assert!(units == *wanted || named.contains(place), "{place:?}: {units}, not {wanted}: {own:?}");
    }
}

/// What the newest report of each line, or the list of what is pending, leaves to somebody.
async fn named(town: &Town) -> BTreeSet<Place> {
    let place = |account: &str, package: &str| {
        (town.account(account), town.packages.iter().position(|own| own == package).unwrap())
    };
    let mut left = BTreeSet::new();
    for run in town.runs().await {
        assert!(run.state.is_final(), "{run:?}");
        for line in town.report(&run).await {
            let place = place(line.account.as_str(), line.package.as_str());
            match line.state {
                LineState::Changed | LineState::Unchanged => left.remove(&place),
                LineState::Held | LineState::Unverified | LineState::Failed | LineState::Skipped => left.insert(place),
                LineState::Superseded => false,
            };
        }
    }
    for row in town.pending().await {
        let account = row["account"]["id"].as_str().unwrap();
        for package in [&row["from"], &row["to"]].into_iter().filter_map(Value::as_str) {
            left.insert(place(account, package));
        }
    }
    left
}
