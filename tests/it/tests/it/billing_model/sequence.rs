//! A thousand random steps: after each that was worked off, Autotask is at what the model says, or something names the
//! difference.

use super::model::Rule;
use super::steps::Play;
use super::{Item, Town, asked};
use testkit::World;

/// Seeds of the suite, and steps of each: so many as take some seconds. `BILLING_SEEDS=4 BILLING_STEPS=250` makes a
/// thousand, `BILLING_FIRST_SEED` begins elsewhere.
const SEEDS: u64 = 2;
const STEPS: usize = 50;
/// How many steps are worked off at once, on average: one in so many.
const WORKED_OFF: f64 = 0.3;
/// In so many steps, all seeds together, everything happens that may.
const ALL_HAPPENS: u64 = 500;
/// When sequences begin.
const BEGIN: &str = "2026-11-03T09:00:00Z";

#[tokio::test]
async fn after_any_steps_autotask_is_at_what_the_model_says_or_the_difference_is_named() {
    let first = asked("BILLING_FIRST_SEED", 0);
    let steps = usize::try_from(asked("BILLING_STEPS", STEPS as u64)).unwrap();
    let seeds = asked("BILLING_SEEDS", SEEDS);
    let (mut renewals, mut undos) = (0, 0);
    for seed in first..first + seeds {
        let happened = play(seed, steps, seed % 2 == 1).await;
        renewals += happened.0;
        undos += happened.1;
    }
    let few = seeds * steps as u64 <= ALL_HAPPENS;
    assert!(few || (renewals > 0 && undos > 0), "{renewals} renewals, {undos} undos");
}

/// How many contracts were renewed, and runs undone.
async fn play(seed: u64, steps: usize, counts_and_rules: bool) -> (usize, usize) {
    let world = World::builder().at(BEGIN).seed(seed).build().await;
    let town = Town::build(world, 3, 3, 5, 1).await;
    town.world.advance(jiff::SignedDuration::from_mins(10));
    let mut play = Play::new(town, seed, counts_and_rules);
    let items: Vec<Item> = play.town.items.clone();
    for (no, package) in play.town.packages.clone().iter().enumerate() {
        let counted = play.is_counted() && no == 2;
        let rule = match play.is_counted() && no == 1 {
            true => Rule { free: 1, ratio: 2, min: 2, max: 4 },
            false => Rule::NONE,
        };
        play.map(package, items[no], counted, rule).await;
    }
    for _ in 0..steps {
        play.step().await;
        if rand::RngExt::random_bool(&mut play.dice, WORKED_OFF) {
            play.drain().await;
        }
    }
    end(&mut play).await;
    (play.renewals, play.undos)
}

/// Everything that waited is let go: nothing is left to be named, and one more of every run writes nothing.
async fn end(play: &mut Play) {
    play.resume_all().await;
    play.drain().await;
    play.count_all().await;
    play.start("package_changes").await;
    play.drain().await;
    play.go_to_next_month().await;
    play.count_all().await;
    for kind in ["initial", "seat_sync", "package_changes"] {
        play.start(kind).await;
        play.drain().await;
    }
    let pending = play.town.pending().await;
    assert!(pending.is_empty(), "{:#?} {pending:#?}", play.seen.left());
    play.go_to_next_month().await;
    play.count_all().await;
    play.start("seat_sync").await;
    play.drain().await;
    let written = play.town.world.writes().len();
    for kind in ["package_changes", "initial", "seat_sync"] {
        play.start(kind).await;
        play.drain().await;
    }
    assert_eq!(play.town.world.writes().len(), written, "a fresh run writes nothing");
    let seen = &play.seen;
    assert!(seen.named * 4 < seen.compared, "most of it is as the model says: {} of {}", seen.named, seen.compared);
}
