use super::*;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::str::FromStr;

fn d(text: &str) -> Date {
    Date::from_str(text).unwrap()
}

/// Rows as `first..last`, posted with a `!`.
fn rows(text: &[&str]) -> Vec<Row> {
    let row = |(id, text): (usize, &&str)| {
        let (start, end) = text.trim_end_matches('!').split_once("..").unwrap();
        let id = i64::try_from(id).unwrap();
        Row { id, contract_id: None, start: d(start), end: d(end), units: 1, billed: text.ends_with('!') }
    };
    text.iter().enumerate().map(row).collect()
}

fn told(dated: Dated) -> String {
    match dated {
        Dated::On(date) => date.to_string(),
        Dated::Rolled { date, posted_start, posted_end } => format!("rolled {date} {posted_start}..{posted_end}"),
        Dated::Unseen { date, posted_start, posted_end } => format!("unseen {date} {posted_start}..{posted_end}"),
        Dated::Outside { start, end } => {
            let shown = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
            format!("outside {}..{}", shown(start), shown(end))
        }
    }
}

fn of(policy: EffectiveFrom, day: &str, contract: (&str, &str), shown: &[&str]) -> String {
    let known = |text: &str| (!text.is_empty()).then(|| d(text));
    let (contract_start, contract_end) = (known(contract.0), known(contract.1));
    let rows = rows(shown);
    told(dated(&Dating { policy, day: d(day), contract_start, contract_end, rows: &rows, roll: true }))
}

use EffectiveFrom::{ActualDate, NextPeriod, PeriodStart};

const NO_END: (&str, &str) = ("2026-01-01", "");

#[test]
fn a_change_moves_on_from_a_posted_period_whatever_the_policy() {
    const OPEN: &[&str] = &["2026-11-01..2026-11-30", "2026-12-01..2026-12-31", "2027-01-01..2027-01-31"];
    const POSTED: &[&str] = &["2026-11-01..2026-11-30!", "2026-12-01..2026-12-31", "2027-01-01..2027-01-31"];
    const AHEAD: &[&str] = &["2026-11-01..2026-11-30!", "2026-12-01..2026-12-31!", "2027-01-01..2027-01-31"];
    for (policy, open, posted, ahead) in [
        (
            PeriodStart,
            "2026-11-01",
            "rolled 2026-12-01 2026-11-01..2026-11-30",
            "rolled 2027-01-01 2026-11-01..2026-12-31",
        ),
        (
            ActualDate,
            "2026-11-20",
            "rolled 2026-12-01 2026-11-01..2026-11-30",
            "rolled 2027-01-01 2026-11-01..2026-12-31",
        ),
        (NextPeriod, "2026-12-01", "2026-12-01", "rolled 2027-01-01 2026-12-01..2026-12-31"),
    ] {
        assert_eq!(of(policy, "2026-11-20", NO_END, OPEN), open, "{policy:?}");
        assert_eq!(of(policy, "2026-11-20", NO_END, POSTED), posted, "{policy:?}");
        assert_eq!(of(policy, "2026-11-20", NO_END, AHEAD), ahead, "{policy:?}");
    }
}

/// Increases and decreases of counts, and of packages, each with its default and with what a partner may choose.
#[test]
fn each_of_the_four_settings_dates_its_own_changes() {
    let set = crate::connections::settings::EffectiveDates::default();
    let posted: &[&str] = &["2026-11-01..2026-11-30!", "2026-12-01..2026-12-31"];
    for (policy, open, rolled) in [
        (set.increase, "2026-11-01", "rolled 2026-12-01 2026-11-01..2026-11-30"),
        (set.decrease, "2026-11-01", "rolled 2026-12-01 2026-11-01..2026-11-30"),
        (set.package_change_increase, "2026-11-17", "rolled 2026-12-01 2026-11-01..2026-11-30"),
        (set.package_change_decrease, "2026-12-01", "2026-12-01"),
    ] {
        assert_eq!(of(policy, "2026-11-17", NO_END, &["2026-11-01..2026-11-30"]), open, "{policy:?}");
        assert_eq!(of(policy, "2026-11-17", NO_END, posted), rolled, "{policy:?}");
    }
}

#[test]
fn what_autotask_does_not_show_yet_is_not_taken_for_open() {
    let posted: &[&str] = &["2026-11-01..2026-11-30!"];
    assert_eq!(of(PeriodStart, "2026-11-20", NO_END, posted), "unseen 2026-12-01 2026-11-01..2026-11-30");
    assert_eq!(of(ActualDate, "2026-11-30", NO_END, posted), "unseen 2026-12-01 2026-11-01..2026-11-30");
    // Meant from a date that nothing says is posted.
    assert_eq!(of(NextPeriod, "2026-11-20", NO_END, posted), "2026-12-01");
    assert_eq!(of(PeriodStart, "2026-11-20", NO_END, &[]), "2026-11-01");
}

#[test]
fn without_the_roll_the_date_stays_what_was_meant() {
    let rows = rows(&["2026-11-01..2026-11-30!"]);
    for (policy, date) in [(PeriodStart, "2026-11-01"), (ActualDate, "2026-11-20"), (NextPeriod, "2026-12-01")] {
        let dating =
            Dating { policy, day: d("2026-11-20"), contract_start: None, contract_end: None, rows: &rows, roll: false };
        assert_eq!(told(dated(&dating)), date, "{policy:?}");
    }
}

#[test]
fn periods_begin_on_their_own_day_and_in_short_months_on_the_last() {
    for (day, start, period_start, next) in [
        ("2026-11-20", "2026-03-01", "2026-11-01", "2026-12-01"),
        ("2026-11-01", "2026-03-01", "2026-11-01", "2026-12-01"),
        ("2026-11-30", "2026-03-01", "2026-11-01", "2026-12-01"),
        ("2026-12-31", "2026-03-01", "2026-12-01", "2027-01-01"),
        ("2026-11-14", "2026-03-15", "2026-10-15", "2026-11-15"),
        ("2026-11-15", "2026-03-15", "2026-11-15", "2026-12-15"),
        ("2027-01-03", "2026-03-15", "2026-12-15", "2027-01-15"),
        // 2027 has no 29 February, 2028 has.
        ("2027-02-27", "2026-03-29", "2027-01-29", "2027-02-28"),
        ("2027-02-28", "2026-03-29", "2027-02-28", "2027-03-29"),
        ("2028-02-28", "2026-03-29", "2028-01-29", "2028-02-29"),
        ("2028-02-29", "2026-03-29", "2028-02-29", "2028-03-29"),
        ("2027-02-10", "2026-03-30", "2027-01-30", "2027-02-28"),
        ("2027-03-29", "2026-03-30", "2027-02-28", "2027-03-30"),
        ("2027-01-31", "2026-10-31", "2027-01-31", "2027-02-28"),
        ("2028-01-31", "2026-10-31", "2028-01-31", "2028-02-29"),
        ("2027-03-01", "2026-10-31", "2027-02-28", "2027-03-31"),
        ("2028-02-29", "2026-10-31", "2028-02-29", "2028-03-31"),
        ("2027-04-30", "2026-10-31", "2027-04-30", "2027-05-31"),
        ("2027-05-30", "2026-10-31", "2027-04-30", "2027-05-31"),
    ] {
        assert_eq!(of(PeriodStart, day, (start, ""), &[]), period_start, "{day} of {start}");
        assert_eq!(of(NextPeriod, day, (start, ""), &[]), next, "{day} of {start}");
        assert_eq!(of(ActualDate, day, (start, ""), &[]), day, "{day} of {start}");
    }
}

#[test]
fn a_row_of_one_month_says_when_periods_begin_whatever_the_contract_says() {
    for (shown, day, next) in [
        (["2026-11-01..2026-11-30"].as_slice(), "2026-11-20", "2026-12-01"),
        (&["2026-11-20..2026-12-19"], "2026-11-25", "2026-12-20"),
        // The last of February stands for the day that its row's end tells.
        (&["2027-02-28..2027-03-27"], "2027-03-01", "2027-03-28"),
        (&["2027-02-28..2027-03-28"], "2027-03-01", "2027-03-29"),
        (&["2027-02-28..2027-03-29"], "2027-03-01", "2027-03-30"),
        (&["2027-02-28..2027-03-30"], "2027-03-01", "2027-03-31"),
        (&["2027-01-31..2027-02-27"], "2027-02-01", "2027-02-28"),
        (&["2027-04-30..2027-05-30"], "2027-05-01", "2027-05-31"),
        (&["2027-12-31..2028-01-30"], "2028-01-01", "2028-01-31"),
        // Shorter and longer ones say nothing: first rows, rows that a change split, quarters.
        (&["2026-11-12..2026-11-30"], "2026-11-20", "2026-12-15"),
        (&["2026-10-01..2026-12-31"], "2026-11-20", "2026-12-15"),
        // Of two that disagree, the one that holds the day.
        (&["2026-11-01..2026-11-30", "2026-12-10..2027-01-09"], "2026-11-20", "2026-12-01"),
    ] {
        assert_eq!(of(NextPeriod, day, ("2026-03-15", ""), shown), next, "{shown:?}");
    }
    // Neither row nor contract: calendar months.
    assert_eq!(of(NextPeriod, "2026-11-20", ("", ""), &[]), "2026-12-01");
}

#[test]
fn a_row_that_a_change_split_is_no_period_to_roll_to() {
    let split: &[&str] = &["2026-11-01..2026-11-14!", "2026-11-15..2026-11-30", "2026-12-01..2026-12-31"];
    assert_eq!(of(PeriodStart, "2026-11-10", NO_END, split), "rolled 2026-12-01 2026-11-01..2026-11-14");
    assert_eq!(of(PeriodStart, "2026-11-10", NO_END, &split[..2]), "unseen 2026-12-01 2026-11-01..2026-11-14");
    // The second part is open: who means its own days, reaches them.
    assert_eq!(of(ActualDate, "2026-11-20", NO_END, split), "2026-11-20");
    let posted: &[&str] = &["2026-11-01..2026-11-14!", "2026-11-15..2026-11-30!", "2026-12-01..2026-12-31"];
    assert_eq!(of(PeriodStart, "2026-11-20", NO_END, posted), "rolled 2026-12-01 2026-11-01..2026-11-30");
    // Quarters end where no month of theirs does, and the next begins there.
    let quarter: &[&str] = &["2026-10-10..2027-01-09!", "2027-01-10..2027-04-09"];
    assert_eq!(of(ActualDate, "2026-11-20", ("2025-10-10", ""), quarter), "rolled 2027-01-10 2026-10-10..2027-01-09");
}

#[test]
fn a_contract_bounds_what_can_change_on_it() {
    let mid = ("2026-11-12", "2027-11-11");
    let by_month: &[&str] = &["2026-12-01..2026-12-31"];
    assert_eq!(of(PeriodStart, "2026-11-20", mid, by_month), "2026-11-12", "the period began before the contract");
    assert_eq!(of(PeriodStart, "2026-11-12", mid, &[]), "2026-11-12");
    assert_eq!(of(PeriodStart, "2026-11-11", mid, by_month), "outside 2026-11-12..2027-11-11");
    assert_eq!(of(ActualDate, "2026-11-11", mid, &[]), "outside 2026-11-12..2027-11-11");
    assert_eq!(of(NextPeriod, "2026-11-11", mid, &[]), "2026-11-12", "the first period of all");
    assert_eq!(of(ActualDate, "2027-11-11", mid, &[]), "2027-11-11");
    assert_eq!(of(ActualDate, "2027-11-12", mid, &[]), "outside 2026-11-12..2027-11-11");

    let ends = ("2026-01-01", "2026-12-31");
    assert_eq!(of(NextPeriod, "2026-12-10", ends, &[]), "outside 2026-01-01..2026-12-31");
    assert_eq!(of(NextPeriod, "2026-11-30", ends, &[]), "2026-12-01");
    let posted: &[&str] = &["2026-12-01..2026-12-31!"];
    assert_eq!(of(ActualDate, "2026-12-10", ends, posted), "outside 2026-01-01..2026-12-31", "nothing open is left");
}

#[test]
fn what_is_posted_for_ever_ahead_ends_the_search() {
    let mut shown = Vec::new();
    let mut first = d("2026-11-01");
    for id in 0..200 {
        shown.push(Row { id, contract_id: None, start: first, end: first.last_of_month(), units: 1, billed: true });
        first = following(first.last_of_month());
    }
    let day = d("2026-11-20");
    let dating = Dating { policy: ActualDate, day, contract_start: None, contract_end: None, rows: &shown, roll: true };
    let Dated::Unseen { date, .. } = dated(&dating) else { panic!("it found an end") };
    assert_eq!(date.to_string(), "2031-12-01");
}

#[test]
fn the_day_is_the_connections_also_when_clocks_change() {
    for (zone, at, day) in [
        ("Pacific/Kiritimati", "2026-11-30T09:59:59Z", "2026-11-30"),
        ("Pacific/Kiritimati", "2026-11-30T10:00:00Z", "2026-12-01"),
        ("Pacific/Honolulu", "2026-12-01T09:59:59Z", "2026-11-30"),
        ("Pacific/Honolulu", "2026-12-01T10:00:00Z", "2026-12-01"),
        ("UTC", "2026-11-30T23:59:59.999Z", "2026-11-30"),
        // London: the hour that comes twice is of one day, and so is the hour that is skipped.
        ("Europe/London", "2026-10-24T22:59:59Z", "2026-10-24"),
        ("Europe/London", "2026-10-24T23:00:00Z", "2026-10-25"),
        ("Europe/London", "2026-10-25T23:59:59Z", "2026-10-25"),
        ("Europe/London", "2026-10-26T00:00:00Z", "2026-10-26"),
        ("Europe/London", "2027-03-28T00:59:59Z", "2027-03-28"),
        ("Europe/London", "2027-03-28T22:59:59Z", "2027-03-28"),
        ("Europe/London", "2027-03-28T23:00:00Z", "2027-03-29"),
        // Beirut skips midnight itself; Havana has the hour after midnight twice.
        ("Asia/Beirut", "2026-03-28T21:59:59Z", "2026-03-28"),
        ("Asia/Beirut", "2026-03-28T22:00:00Z", "2026-03-29"),
        ("America/Havana", "2026-11-01T03:59:59Z", "2026-10-31"),
        ("America/Havana", "2026-11-01T04:00:00Z", "2026-11-01"),
        ("America/Havana", "2026-11-01T05:30:00Z", "2026-11-01"),
        ("America/Havana", "2026-11-02T05:00:00Z", "2026-11-02"),
        // Samoa had no 30 December 2011.
        ("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29"),
        ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"),
    ] {
        let zone_of = TimeZone::get(zone).unwrap();
        assert_eq!(day_of(at.parse().unwrap(), &zone_of).to_string(), day, "{at} in {zone}");
    }
}

fn any_day() -> impl Strategy<Value = Date> {
    (0..20_000_i64).prop_map(|days| d("2000-01-01").saturating_add(Span::new().days(days)))
}

proptest! {
    #[test]
    fn every_day_is_of_one_period_and_periods_do_not_drift(day in any_day(), anchor in 1..=31_i8) {
        let periods = Periods { anchor };
        let (start, after) = (periods.start(day), periods.after(day));
        prop_assert!(start <= day && day < after);
        prop_assert_eq!(periods.start(start), start);
        prop_assert_eq!(periods.start(after), after);
        prop_assert_eq!(periods.after(start), after);
        prop_assert_eq!(start.day(), anchor.min(start.days_in_month()));
    }

    #[test]
    fn one_row_of_a_period_tells_its_anchor(day in any_day(), anchor in 1..=31_i8) {
        let periods = Periods { anchor };
        let (start, end) = (periods.start(day), periods.after(day).yesterday().unwrap());
        let row = Row { id: 1, contract_id: None, start, end, units: 1, billed: false };
        prop_assert_eq!(anchor_of(&row), Some(anchor));
    }
}
