//! The arithmetic of both limits, in virtual time.

#![allow(clippy::unwrap_used)]

use super::rate::{
    BATCH_MAX, BudgetRow, Decision, LIMIT_DEFAULT, Observed, PERIOD_DEFAULT, PERMIT_KEPT, Rate, decide, pause_asked_for,
};
use super::slots::{SLOTS, Slot, object, taken, without};
use super::window::Window;
use super::{BudgetExhausted, Limit, exhausted};
use crate::ids::{ConnectionId, PartnerId};
use crate::units::SKEW;
use autotask::TransportError;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::time::Duration;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Begins a minute.
const BEGIN: i64 = 1_800_000_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_second(BEGIN).unwrap() + SignedDuration::from_millis(millis)
}

fn seconds(seconds: i64) -> Timestamp {
    at(seconds * 1_000)
}

fn observed(limit: i64, used: i64) -> Observed {
    Observed { limit, period_minutes: 60, used, at: seconds(0) }
}

fn granted(window: &mut Window, now: Timestamp, rate: &Rate, wanted: u32) -> u32 {
    match decide(window, now, rate, wanted, 1) {
        Decision::Granted { permits, window: next } => {
            assert!((1..=wanted).contains(&permits));
            *window = next;
            permits
        }
        Decision::Refused { .. } => 0,
    }
}

/// Takes all there is, at one time.
fn emptied(window: &mut Window, now: Timestamp, rate: &Rate) -> i64 {
    let batches = std::iter::from_fn(|| Some(granted(window, now, rate, BATCH_MAX)).filter(|permits| *permits > 0));
    batches.map(i64::from).sum()
}

#[test]
fn a_share_is_a_part_of_the_databases_limit() {
    let rate = Rate::of(25, None, seconds(0));
    assert_eq!((rate.share, rate.period), (LIMIT_DEFAULT / 4, SignedDuration::from_mins(PERIOD_DEFAULT)));
    for (percent, limit, share) in [
        (25, 20_000, 5_000),
        (1, 10_000, 100),
        (100, 10_000, 10_000),
        // Nonsense is taken for the nearest sense.
        (0, 10_000, 100),
        (900, 10_000, 10_000),
        (25, 0, 10),
    ] {
        let rate = Rate::of(percent, Some(&observed(limit, 0)), seconds(0));
        assert_eq!((rate.share, rate.period), (share, HOUR), "{percent} % of {limit}");
    }
}

#[test]
fn permits_cost_more_from_half_of_the_databases_use_on() {
    for (used, times) in [(0, 1), (4_999, 1), (5_000, 1), (7_500, 2), (9_000, 5), (9_500, 10), (99_999, 10)] {
        let rate = Rate::of(25, Some(&observed(10_000, used)), seconds(0));
        assert_eq!((rate.share, rate.cost(1), rate.cost(50)), (2_500, times, times * 50), "{used}");
        assert_eq!(emptied(&mut Window::default(), seconds(0), &rate), 2_500 / times, "{used}");
    }
    // 125 hundredths: what is not a whole call is rounded against us.
    let rate = Rate::of(25, Some(&observed(10_000, 6_000)), seconds(0));
    assert_eq!((rate.cost(1), rate.cost(4), rate.permits(4)), (2, 5, 3));
    let later = Rate::of(25, Some(&observed(10_000, 9_000)), seconds(3_600));
    assert_eq!(later.cost(1), 1, "an hour later nobody knows");
}

#[test]
fn the_whole_share_may_be_used_at_once_and_comes_back_when_its_minute_has_left() {
    let rate = Rate::of(25, None, seconds(0));
    let mut window = Window::default();
    assert_eq!(emptied(&mut window, seconds(7), &rate), 2_500);
    // The minute ends at 60 s, then an hour, the permits' time and the clocks' difference.
    let leaves = 60 + 3_600 + 30 + 5;
    for (now, worth) in [(7, 1), (7, 10), (3_600, 1), (leaves - 1, 1)] {
        let retry_after = SignedDuration::from_secs(leaves - now);
        assert_eq!(decide(&window, seconds(now), &rate, 1, worth), Decision::Refused { retry_after });
    }
    assert_eq!(emptied(&mut window, seconds(leaves), &rate), 2_500);
}

#[test]
fn who_is_refused_waits_for_the_oldest_minutes_that_must_leave() {
    let rate = Rate::of(1, None, seconds(0));
    let mut window = Window::default();
    for (now, permits) in [(0, 4), (60, 5), (120, 50), (180, 41)] {
        assert_eq!(granted(&mut window, seconds(now), &rate, permits), permits);
    }
    for (worth, minute) in [(1, 0), (4, 0), (5, 1), (9, 1), (10, 2), (60, 3), (1_000, 3)] {
        let retry_after = SignedDuration::from_secs(60 * minute + 60 + 3_635 - 200);
        assert_eq!(decide(&window, seconds(200), &rate, 1, worth), Decision::Refused { retry_after }, "{worth}");
    }
}

#[test]
fn a_clock_that_is_behind_counts_in_the_last_minute() {
    let rate = Rate::of(1, None, seconds(0));
    let mut window = Window::default();
    assert_eq!(granted(&mut window, seconds(600), &rate, 10), 10);
    assert_eq!(granted(&mut window, seconds(0), &rate, 10), 10);
    assert_eq!(window.at(seconds(600 + 3_694), HOUR).taken(), 20);
    assert_eq!(window.at(seconds(600 + 3_695), HOUR).taken(), 0);
}

#[test]
fn another_period_forgets_nothing_that_it_covers() {
    let day = HOUR * 24;
    let mut window = Window::default();
    for minute in 0..60 {
        window.add(seconds(minute * 60), 10);
    }
    let wide = window.at(seconds(3_600), day);
    assert_eq!((wide.taken(), wide.at(seconds(24 * 3_600), day).taken()), (600, 600));
    assert_eq!(wide.at(seconds(26 * 3_600), day).taken(), 0);
    assert_eq!(wide.at(seconds(3_600), HOUR).taken(), 600);
    assert!(wide.left(600, day) >= window.at(seconds(3_600), HOUR).left(600, HOUR));
}

/// Batches are asked for at `gaps` by clocks that are up to [`SKEW`] fast, and used `late` after they were taken.
/// Returns the times of all calls by the right clock.
fn calls(rate: impl Fn(Timestamp) -> Rate, asks: &[(i64, u32, i64, i64)]) -> Vec<Timestamp> {
    let (mut now, mut window, mut calls) = (0, Window::default(), Vec::new());
    for (gap, wanted, late, fast) in asks {
        now += gap;
        let permits = granted(&mut window, at(now + fast), &rate(at(now + fast)), *wanted);
        calls.extend((0..permits).map(|_| at(now + late)));
    }
    calls.sort();
    calls
}

/// Most calls in any span of a period, both ends included; `calls` are in order.
fn busiest(calls: &[Timestamp], period: SignedDuration) -> i64 {
    let (mut first, mut most) = (0, 0);
    for (last, call) in calls.iter().enumerate() {
        while call.duration_since(calls[first]) > period {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    i64::try_from(most).unwrap()
}

/// Some asks come in a rush, some minutes apart, some after a quiet time.
fn gaps() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0..2_000_i64, 8 => 0..90_000_i64, 1 => 0..1_800_000_i64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn no_rolling_hour_passes_the_share(
        percent in 1..30_i64,
        limit in 200..12_000_i64,
        used in 0..12_000_i64,
        period_minutes in prop_oneof![4 => Just(60), 1 => 1..1_440_i64],
        asks in proptest::collection::vec(
            (gaps(), 1..=BATCH_MAX, 0..=PERMIT_KEPT.as_millis() as i64, 0..=SKEW.as_millis() as i64),
            1..1_500,
        ),
    ) {
        let rate = |now| Rate::of(percent, Some(&Observed { period_minutes, ..observed(limit, used) }), now);
        let made = busiest(&calls(rate, &asks), SignedDuration::from_mins(period_minutes));
        prop_assert!(made <= rate(seconds(0)).share, "{made} calls, share {}", rate(seconds(0)).share);
    }

    #[test]
    fn who_comes_back_when_told_gets_what_is_worth_it(
        percent in 1..100_i64,
        used in 0..10_000_i64,
        worth in 1..20_u32,
        gaps in proptest::collection::vec(gaps(), 1..200),
    ) {
        let rate = Rate::of(percent, Some(&observed(10_000, used)), seconds(0));
        let (mut now, mut window) = (0, Window::default());
        for gap in gaps {
            now += gap;
            if let Decision::Refused { retry_after } = decide(&window, at(now), &rate, BATCH_MAX, worth) {
                match decide(&window, at(now) + retry_after, &rate, BATCH_MAX, worth) {
                    Decision::Granted { permits, .. } => prop_assert!(permits >= worth.min(rate.permits(rate.share))),
                    Decision::Refused { .. } => prop_assert!(false, "refused twice"),
                }
                let early = decide(&window, at(now) + retry_after - SignedDuration::from_millis(1), &rate, worth, worth);
                prop_assert!(!matches!(early, Decision::Granted { permits, .. } if permits >= worth), "too long");
            }
            emptied(&mut window, at(now), &rate);
        }
    }
}

proptest! {
    // A case is up to 40,000 takes.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn at_steady_use_at_least_95_percent_of_the_share_are_used(
        percent in 5..100_i64, wanted in 10..=BATCH_MAX, worth in 1..=10_u32, greedy: bool,
    ) {
        let rate = Rate::of(percent, None, seconds(0));
        let (hours, mut now, mut window, mut calls) = (40, seconds(0), Window::default(), Vec::new());
        let even = SignedDuration::from_millis(3_600_000 * i64::from(wanted) / rate.share);
        while now < seconds(hours * 3_600) {
            match decide(&window, now, &rate, wanted, worth) {
                Decision::Granted { permits, window: next } => {
                    window = next;
                    calls.extend((0..permits).map(|_| now));
                    now += if greedy { SignedDuration::ZERO } else { even };
                }
                Decision::Refused { retry_after } => {
                    prop_assert!(retry_after.is_positive());
                    now += retry_after;
                }
            }
        }
        let (made, allowed) = (i64::try_from(calls.len()).unwrap(), rate.share * hours);
        prop_assert!(busiest(&calls, HOUR) <= rate.share);
        prop_assert!(made * 100 >= allowed * 95, "{made} of {allowed}");
    }
}

fn row(window: Window) -> BudgetRow {
    let (partner, connection) = (PartnerId::new("p".repeat(64)).unwrap(), ConnectionId::new("c".repeat(40)).unwrap());
    BudgetRow {
        partner,
        connection,
        window,
        paused_until: Some(seconds(1)),
        database: Some(observed(10_000, 9_000)),
        told: false,
    }
}

#[test]
fn the_record_stays_within_one_write_unit() {
    for period in [SignedDuration::from_mins(1), HOUR, HOUR * 2, HOUR * 24] {
        let mut window = Window::default();
        for minute in 0..6_000 {
            let now = seconds(minute * 60 + 59);
            window = window.at(now, period);
            // A share of a million, used evenly.
            window.add(now, 1_000_000 / period.as_mins().max(60));
        }
        let row = serde_json::to_value(row(window)).unwrap();
        let counts = row["window"]["counts"].as_array().unwrap().len();
        assert!(counts <= 63, "{counts} buckets");
        // As text a number takes more than in the table; keys and the store's own fields take some 300 bytes.
        let size = row.to_string().len();
        assert!(size < 700, "{size} bytes: {row}");
    }
}

#[test]
fn a_record_of_before_the_window_is_an_empty_one() {
    let old = serde_json::json!({
        "partner": "acme", "connection": "con_1", "tat": "2027-01-15T08:00:00Z",
        "database": {"limit": 10_000, "period_minutes": 60, "used": 10, "at": "2027-01-15T07:00:00Z"},
    });
    let row: BudgetRow = serde_json::from_value(old).unwrap();
    assert_eq!((row.window, row.paused_until, row.database.map(|seen| seen.used)), (Window::default(), None, Some(10)));
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

#[test]
fn a_pause_is_as_long_as_autotask_asks_for_in_seconds_or_by_a_date_and_at_most_an_hour() {
    let asked = |headers: &[(&str, &str)]| {
        let header = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers = headers.iter().map(header).collect();
        pause_asked_for(&autotask::Response { status: 429, headers, body: Vec::new().into() }).as_secs()
    };
    let date = ("Date", "Fri, 20 Nov 2026 11:00:00 GMT");
    assert_eq!(asked(&[("Retry-After", "90")]), 90);
    assert_eq!(asked(&[date, ("retry-after", "Fri, 20 Nov 2026 11:02:30 GMT")]), 150);
    assert_eq!(asked(&[date, ("retry-after", "Sat, 21 Nov 2026 11:00:00 GMT")]), 3_600);
    assert_eq!((asked(&[]), asked(&[("Retry-After", "soon")])), (60, 60));
}
