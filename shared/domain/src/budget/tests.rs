//! The arithmetic of both limits, in virtual time.

#![allow(clippy::unwrap_used)]

use super::rate::{BATCH_MAX, BURST, Decision, LIMIT_DEFAULT, Observed, PERMIT_KEPT, Rate, decide};
use super::slots::{SLOTS, Slot, object, taken, without};
use super::{BudgetExhausted, Limit, exhausted};
use autotask::TransportError;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::time::Duration;

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_nanos(nanos)
}

fn seconds(seconds: i64) -> Timestamp {
    at(seconds * 1_000_000_000)
}

fn observed(limit: i64, used: i64) -> Observed {
    Observed { limit, period_minutes: 60, used, at: seconds(0) }
}

#[test]
fn a_share_is_a_burst_and_a_refill() {
    let rate = Rate::of(25, None, seconds(0));
    assert_eq!((rate.share, rate.burst), (LIMIT_DEFAULT / 4, BURST));
    // 3,630 s for 2,200 permits.
    assert_eq!(rate.permit, SignedDuration::from_nanos(1_650_000_000));
    assert_eq!(rate.price, rate.permit);
    for (percent, limit, share, burst) in [
        (25, 20_000, 5_000, 300),
        (1, 10_000, 100, 50),
        (100, 10_000, 10_000, 300),
        // Nonsense is taken for the nearest sense.
        (0, 10_000, 100, 50),
        (900, 10_000, 10_000, 300),
        (25, 0, 10, 5),
    ] {
        let rate = Rate::of(percent, Some(&observed(limit, 0)), seconds(0));
        assert_eq!((rate.share, rate.burst), (share, burst), "{percent} % of {limit}");
    }
}

#[test]
fn permits_cost_more_from_half_of_the_databases_use_on() {
    let normal = Rate::of(25, None, seconds(0)).permit;
    for (used, times) in [(0, 1), (4_999, 1), (5_000, 1), (7_500, 2), (9_000, 5), (9_500, 10), (99_999, 10)] {
        let rate = Rate::of(25, Some(&observed(10_000, used)), seconds(0));
        assert_eq!((rate.permit, rate.price), (normal, normal * times), "{used}");
    }
    let later = Rate::of(25, Some(&observed(10_000, 9_000)), seconds(3_600));
    assert_eq!(later.price, normal, "an hour later nobody knows");
}

#[test]
fn a_full_bucket_gives_its_burst_and_then_one_permit_at_a_time() {
    let rate = Rate::of(25, None, seconds(0));
    let (mut tat, mut granted) = (None, 0);
    while let Decision::Granted { permits, tat: next } = decide(tat, seconds(0), &rate, BATCH_MAX, 1) {
        assert!((1..=BATCH_MAX).contains(&permits));
        (tat, granted) = (Some(next), granted + permits);
    }
    assert_eq!(i64::from(granted), BURST);
    let Decision::Refused { retry_after } = decide(tat, seconds(0), &rate, 1, 1) else { panic!("granted") };
    assert_eq!(retry_after, rate.permit);
    assert_eq!(decide(tat, seconds(0), &rate, 50, 10), Decision::Refused { retry_after: rate.permit * 10 });
    let then = seconds(0) + retry_after;
    assert!(matches!(decide(tat, then, &rate, 50, 1), Decision::Granted { permits: 1, .. }));
    assert!(matches!(decide(tat, then - SignedDuration::from_nanos(1), &rate, 50, 1), Decision::Refused { .. }));
}

/// Calls as sessions make them: batches are asked for at `gaps` and used at the latest moment allowed.
fn calls(rate: impl Fn(Timestamp) -> Rate, asks: &[(i64, u32, i64)]) -> Vec<Timestamp> {
    let (mut now, mut tat, mut calls) = (0, None, Vec::new());
    for (gap, wanted, late) in asks {
        now += gap;
        if let Decision::Granted { permits, tat: next } = decide(tat, at(now), &rate(at(now)), *wanted, 1) {
            tat = Some(next);
            calls.extend((0..permits).map(|_| at(now + late)));
        }
    }
    calls.sort();
    calls
}

/// Most calls in any span of an hour; `calls` are in order.
fn busiest_hour(calls: &[Timestamp]) -> usize {
    let (mut first, mut most) = (0, 0);
    for (last, call) in calls.iter().enumerate() {
        while call.duration_since(calls[first]) > SignedDuration::from_hours(1) {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn no_rolling_hour_passes_the_share(
        percent in 1..30_i64,
        limit in 200..12_000_i64,
        used in 0..12_000_i64,
        asks in proptest::collection::vec(
            (prop_oneof![0..2_000_000_000_i64, 0..90_000_000_000_i64], 1..=BATCH_MAX, 0..PERMIT_KEPT.as_nanos() as i64),
            1..2_500,
        ),
    ) {
        let rate = |now| Rate::of(percent, Some(&observed(limit, used)), now);
        let made = busiest_hour(&calls(rate, &asks));
        prop_assert!(made as i64 <= rate(seconds(0)).share, "{made} calls, share {}", rate(seconds(0)).share);
    }

    #[test]
    fn nearly_all_of_the_refill_can_be_used(percent in 5..100_i64, wanted in 1..=BATCH_MAX) {
        let rate = Rate::of(percent, None, seconds(0));
        let (hours, mut now, mut tat, mut granted) = (5, seconds(0), None, 0_i64);
        while now < seconds(hours * 3_600) {
            match decide(tat, now, &rate, wanted, 1) {
                Decision::Granted { permits, tat: next } => (tat, granted) = (Some(next), granted + i64::from(permits)),
                Decision::Refused { retry_after } => {
                    prop_assert!(retry_after.is_positive());
                    now += retry_after;
                }
            }
        }
        let allowed = rate.burst + (rate.share - rate.burst) * hours;
        prop_assert!(granted <= allowed && granted * 100 >= allowed * 95, "{granted} of {allowed}");
    }

    #[test]
    fn who_comes_back_when_told_gets_what_is_worth_it(ahead in 0..3_600_i64, percent in 1..100_i64, used in 0..10_000_i64, worth in 1..20_u32) {
        let rate = Rate::of(percent, Some(&observed(10_000, used)), seconds(0));
        if let Decision::Refused { retry_after } = decide(Some(seconds(ahead)), seconds(0), &rate, BATCH_MAX, worth) {
            let then = decide(Some(seconds(ahead)), seconds(0) + retry_after, &rate, BATCH_MAX, worth);
            let most = u32::try_from(rate.depth().as_nanos() / rate.price.as_nanos()).unwrap();
            match then {
                Decision::Granted { permits, .. } => prop_assert!(permits >= worth.min(most)),
                Decision::Refused { .. } => prop_assert!(false, "refused twice"),
            }
        }
    }
}

fn slot(owner: &str, expires: i64) -> Slot {
    Slot { owner: owner.to_owned(), expires: seconds(expires) }
}

#[test]
fn two_may_hold_a_slot_and_a_third_waits_until_one_ends() {
    let one = taken(&[], "a", seconds(0), seconds(60)).unwrap();
    let two = taken(&one, "b", seconds(1), seconds(61)).unwrap();
    assert_eq!(two, [slot("a", 60), slot("b", 61)]);
    assert_eq!(two.len(), SLOTS);
    assert_eq!(taken(&two, "c", seconds(59), seconds(119)), None);
    assert_eq!(taken(&two, "c", seconds(60), seconds(120)), Some(vec![slot("b", 61), slot("c", 120)]));
    assert_eq!(taken(&two, "a", seconds(2), seconds(62)), Some(vec![slot("b", 61), slot("a", 62)]), "prolonged");
    assert_eq!(without(&two, "a", seconds(2)), [slot("b", 61)]);
    assert_eq!(without(&two, "nobody", seconds(70)), []);
}

#[test]
fn calls_count_for_the_object_they_are_about() {
    for (path, expected) in [
        ("/atservicesrest/V1.0/Companies/query", "companies"),
        ("/ATServicesRest/v1.0/companies/entityInformation/fields", "companies"),
        ("/atservicesrest/V1.0/ContractServices/7", "contractservices"),
        ("/atservicesrest/V1.0/Contracts/7/Services", "contractservices"),
        ("/atservicesrest/V1.0/Contracts/7/Services/9", "contractservices"),
        ("/atservicesrest/V1.0/Contracts/7", "contracts"),
        ("/atservicesrest/V1.0/Companies/7/Contacts", "companycontacts"),
        ("/atservicesrest/V1.0/ThresholdInformation", "thresholdinformation"),
        ("/", "other"),
        ("/v1.0/", "other"),
    ] {
        assert_eq!(object(path), expected, "{path}");
    }
}

#[test]
fn our_own_not_now_is_found_in_the_clients_error() {
    let not_now = BudgetExhausted { limit: Limit::Hourly, retry_after: Duration::from_secs(7) };
    let error = autotask::Error::NotSent { source: TransportError::not_sent(not_now) };
    assert_eq!(exhausted(&error), Some(&not_now));
    let other = autotask::Error::NotSent { source: TransportError::not_sent("refused") };
    assert_eq!(exhausted(&other), None);
}
