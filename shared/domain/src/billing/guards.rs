//! Reasons why a known difference is not written by itself: what is posted, what somebody changed by hand, what is too
//! large. Pure.

use super::plan::{Frame, Verdict};
use super::reading::Row;
use super::reckon::Reckoned;
use crate::connections::settings::{DriftPolicy, Guards};
use crate::problem::Code;
use crate::runs::{LineState, RunLine};
use crate::units::{Outcome, UnitLine};
use jiff::civil::Date;
use rust_decimal::Decimal;

/// A change by at most so many units is never too large by its percentage: 2 users becoming 4 is no accident.
pub const PERCENT_GUARD_FROM: i64 = 5;

/// Reasons why a known difference is not written by itself: posted period, drift, guards. `same_month`: what we wrote
/// last is for the month of this run, so that an edit since then is of this month.
pub(super) fn refusal(
    frame: &Frame<'_>,
    line: &RunLine,
    row: Option<&Row>,
    (now, wanted): (i64, i64),
    same_month: bool,
    reckoned: &Reckoned,
) -> Option<Verdict> {
    if now == wanted {
        return None;
    }
    if let Some(row) = row.filter(|row| row.billed) {
        let next =
            row.end.tomorrow().map_or_else(|_| String::new(), |next| format!(" The next period starts on {next}."));
        let words = format!("The period {} to {} is already posted: {now} units stay.{next}", row.start, row.end);
        return Some((LineState::Skipped, Some(Code::PeriodAlreadyBilled), words));
    }
    if reckoned.word.lifts {
        return None;
    }
    if let Some(ours) = line.drift_from {
        let words = format!("Somebody changed {ours} to {now} in Autotask; the count is {wanted}.");
        match frame.settings.drift {
            DriftPolicy::Overwrite => {}
            DriftPolicy::Hold => return Some((LineState::Held, Some(Code::DriftDetected), words)),
            DriftPolicy::RespectUntilNextMonth if same_month => {
                return Some((LineState::Skipped, Some(Code::DriftDetected), words));
            }
            DriftPolicy::RespectUntilNextMonth => {}
        }
    }
    if reckoned.explicit {
        return None;
    }
    let guards = &frame.settings.guards;
    let held = guarded(now, wanted, guards).or_else(|| guarded_money(now, wanted, line.invoice_change, guards));
    held.map(|(code, words)| (LineState::Held, Some(code), words))
}

/// The guards: whether a change is too large to write by itself.
#[must_use]
pub fn guarded(now: i64, wanted: i64, guards: &Guards) -> Option<(Code, String)> {
    let change = (wanted - now).abs();
    if wanted == 0 && guards.hold_zero {
        return Some((Code::HeldZero, format!("{now} -> 0 units: held until somebody says yes.")));
    }
    if change > guards.max_units {
        let words = format!("{now} -> {wanted}: a change by more than {} units is held.", guards.max_units);
        return Some((Code::HeldLargeChange, words));
    }
    let by_percent = now > 0 && change > PERCENT_GUARD_FROM && change * 100 > now * guards.max_percent;
    by_percent.then(|| {
        let words = format!("{now} -> {wanted}: a change by more than {} % is held.", guards.max_percent);
        (Code::HeldLargeChange, words)
    })
}

/// The guard of money: whether a change moves the monthly invoice by more than is written by itself. A change whose
/// price cannot be read passes.
#[must_use]
pub fn guarded_money(now: i64, wanted: i64, change: Option<Decimal>, guards: &Guards) -> Option<(Code, String)> {
    let (change, limit) = change.zip(guards.max_money)?;
    (change.abs() > limit).then(|| {
        let words = format!("{now} -> {wanted}: the monthly invoice changes by {change}; more than {limit} is held.");
        (Code::HeldLargeChange, words)
    })
}

/// Units that we wrote last, where Autotask shows others. Only what we wrote for the run's date or before it
/// says anything about that date, and only where we wrote nothing else in between.
pub(super) fn drift(ledger: &UnitLine, date: Date, now: i64) -> Option<i64> {
    let last = ledger.last.as_ref()?;
    let ours = matches!(last.outcome, Outcome::Verified | Outcome::Applied) && ledger.open.is_none();
    let ours = ours && ledger.levelled_by.is_none();
    let from = last.effective_date;
    let overlaid = ledger.kept.iter().any(|kept| from < *kept && *kept <= date);
    (ours && from <= date && !overlaid && last.target != now).then_some(last.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_held_when_it_is_large_in_units_or_in_share() {
        let guards = Guards::default();
        for (now, wanted, held) in [
            (10, 12, None),
            (10, 0, Some(Code::HeldZero)),
            (0, 25, None),
            (0, 26, Some(Code::HeldLargeChange)),
            (2, 7, None),
            (2, 8, Some(Code::HeldLargeChange)),
            (100, 125, None),
            (100, 126, Some(Code::HeldLargeChange)),
            (12, 18, None),
            (12, 19, Some(Code::HeldLargeChange)),
            (12, 6, None),
            (13, 6, Some(Code::HeldLargeChange)),
            (1_000, 974, Some(Code::HeldLargeChange)),
        ] {
            assert_eq!(guarded(now, wanted, &guards).map(|(code, _)| code), held, "{now} -> {wanted}");
        }
    }

    #[test]
    fn a_fall_to_zero_passes_where_it_is_allowed() {
        let guards = Guards { hold_zero: false, ..Guards::default() };
        assert_eq!(guarded(5, 0, &guards), None);
        assert_eq!(guarded(30, 0, &guards).map(|(code, _)| code), Some(Code::HeldLargeChange));
    }
}
