//! Random stories, with faults and kills: in the end Autotask has what the payments that stand come to, nothing else
//! was ever written, and every word was told once.

use super::*;
use crate::billing_model::asked;
use jiff::SignedDuration;
use jiff::civil::{Date, date};
use local::host::KillScope;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use simulator::{Fault, FaultKind, Match};
use std::collections::BTreeMap;

/// Seeds of the suite; `PAYMENTS_SEEDS` asks for more, `PAYMENTS_FIRST_SEED` begins elsewhere.
const SEEDS: u64 = 3;
const STEPS: u32 = 30;
const TOTAL: i64 = 100;
const INVOICES: usize = 3;
/// Half hours after which everything must be right.
const ROUNDS_MAX: u32 = 14;

/// A payment of the story: amount and day; whether it stands.
type Payments = BTreeMap<String, (i64, i8, bool)>;

/// When the payments of an invoice complete it.
fn completed(payments: &Payments) -> Option<Date> {
    let mut standing: Vec<_> = payments.iter().filter(|(_, (.., stands))| *stands).collect();
    standing.sort_by_key(|(id, (_, day, _))| (*day, (*id).clone()));
    let mut left = TOTAL;
    for (_, (amount, day, _)) in standing {
        left -= amount;
        if left <= 0 {
            return Some(date(2026, 11, *day));
        }
    }
    None
}

fn set_faults(world: &World, seed: u64) {
    let kinds = [
        FaultKind::ApplyThenReset,
        FaultKind::Reset,
        FaultKind::Late { after_seconds: 200 },
        FaultKind::ApplyThenStatus { status: 502, body: json!("bad gateway") },
    ];
    for (kind, n) in kinds.into_iter().zip(1..) {
        world.sim.add_fault(Fault::new(Match::new("PATCH", "*Invoices"), kind).probability(0.15, seed * 10 + n));
    }
    let unread = Fault::new(Match::new("GET", "*Invoices/*"), FaultKind::Reset);
    world.sim.add_fault(unread.probability(0.1, seed * 10 + 9));
}

async fn sweep(world: &World) {
    let now = world.clock.now().to_string();
    world.tick("payments", &now).await;
}

#[tokio::test]
async fn whatever_happens_autotask_ends_with_what_the_payments_come_to() {
    let first = asked("PAYMENTS_FIRST_SEED", 0);
    for seed in first..first + asked("PAYMENTS_SEEDS", SEEDS) {
        story(seed).await;
    }
}

async fn story(seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let world = World::builder().seed(seed).build().await;
    let mut invoices: Vec<(i64, Payments)> = Vec::new();
    for _ in 0..INVOICES {
        invoices.push((world.synced_invoice(&TOTAL.to_string()).await, Payments::new()));
    }
    set_faults(&world, seed);
    for step in 0..STEPS {
        let at = dice.random_range(0..INVOICES);
        let (invoice, payments) = &mut invoices[at];
        match dice.random_range(0..10) {
            0..4 => {
                let (id, amount) = (format!("pay-{step}"), [30, 50, 70, 100][dice.random_range(0..4)]);
                let day = dice.random_range(1..20);
                let body = payment(&world, *invoice, &id, &amount.to_string(), &format!("2026-11-{day:02}T09:00:00Z"));
                world.event("payment.succeeded", event(&world, body)).await;
                payments.insert(id, (amount, day, true));
            }
            4..7 => {
                let standing: Vec<String> = payments.iter().filter(|(_, p)| p.2).map(|(id, _)| id.clone()).collect();
                if !standing.is_empty() {
                    let id = &standing[dice.random_range(0..standing.len())];
                    world.event("payment.deleted", event(&world, json!({"payment_id": id}))).await;
                    payments.get_mut(id).unwrap().2 = false;
                }
            }
            _ => {
                world.advance(SignedDuration::from_secs(dice.random_range(1..900)));
                sweep(&world).await;
            }
        }
        if dice.random_bool(0.3) {
            world.kill.arm(dice.random_range(1..4), KillScope::Function("payments".to_owned()));
        }
        for _ in 0..dice.random_range(0..3) {
            world.work_one().await;
        }
    }
    world.kill.arm(u32::MAX, KillScope::Background);
    world.sim.clear_faults();
    // The longest wait between two tries is six hours.
    for _ in 0..ROUNDS_MAX {
        world.drain().await;
        let mut left = 0;
        for (invoice, _) in &invoices {
            left += u32::from(writeback(&world, *invoice).await.is_some());
        }
        if left == 0 {
            break;
        }
        world.advance(SignedDuration::from_mins(30));
        sweep(&world).await;
    }
    for (invoice, payments) in &invoices {
        let wanted = completed(payments);
        assert_eq!(world.paid_there(*invoice), wanted, "seed {seed}: {payments:?}");
        assert_eq!(writeback(&world, *invoice).await, None, "seed {seed}");
        let ours = world.our_invoice(*invoice).await;
        assert_eq!((ours.paid_on, ours.ledger.written_paid_on), (wanted, wanted), "seed {seed}");
        once(&world, *invoice, seed);
    }
    let left: Vec<_> = issues(&world).await.into_iter().filter(|(code, _)| code != "payment_conflict").collect();
    assert!(left.is_empty(), "seed {seed}: {left:?}");
}

/// Words about one invoice alternate: it is not written twice without another date or a clearing in between.
fn once(world: &World, invoice: i64, seed: u64) {
    let mut there: Option<Value> = None;
    for event in world.events.all() {
        if event.detail["data"]["autotask_invoice_id"] != json!(invoice) {
            continue;
        }
        let day = &event.detail["data"]["paid_date"];
        match event.detail_type.as_str() {
            "payment.written_back" => {
                assert!(there.as_ref() != Some(day), "seed {seed}: {invoice} told twice: {day}");
                assert_eq!(event.detail["data"]["already"], false, "seed {seed}: only we write here");
                there = Some(day.clone());
            }
            "payment.writeback_deleted" => {
                assert!(there.take().is_some(), "seed {seed}: {invoice} cleared twice");
            }
            _ => {}
        }
    }
}
