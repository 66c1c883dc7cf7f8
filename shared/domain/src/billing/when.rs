//! From when a line's change counts. Pure.

use super::dating::{Dated, Dating, dated, day_of};
use super::plan::{Frame, Verdict};
use super::reading::Theirs;
use super::reckon::Reckoned;
use super::targets::{Role, Target};
use crate::connections::settings::EffectiveFrom;
use crate::ids::LineRef;
use crate::problem::Code;
use crate::runs::{LineState, RunKind};
use crate::units::UnitLine;
use jiff::civil::Date;

/// What the date of a line's change depends on.
pub(super) struct When<'a> {
    pub(super) theirs: &'a Theirs,
    pub(super) frame: &'a Frame<'a>,
    pub(super) target: &'a Target,
    /// The date at which units were looked at first.
    pub(super) at: Date,
    pub(super) line: LineRef,
    pub(super) ledger: Option<&'a UnitLine>,
    pub(super) reckoned: &'a Reckoned,
    /// Whether it is one half of a swap.
    pub(super) swapped: bool,
    /// The date of the swap's other half, where that is later.
    pub(super) forced: Option<Date>,
}

/// From when the line's change counts; or why it cannot be made.
pub(super) fn when(of: &When<'_>) -> Result<Date, Undated> {
    let units = of.reckoned.reckoning.units;
    if let Some(date) = already_set(of, units) {
        return Ok(date);
    }
    let up = of.theirs.units_at(of.line, of.at).is_none_or(|now| units > now);
    let rows = of.theirs.rows.get(&of.line).map_or(&[][..], Vec::as_slice);
    let date = match policy(of.frame, of.target, of.reckoned, of.swapped, up) {
        None => of.at,
        Some(policy) => judged(of, policy, rows)?,
    };
    // Back to a date since when the units have changed would change them twice.
    let (then, now) = (of.theirs.units_at(of.line, date), of.theirs.units_at(of.line, of.at));
    let known = then.is_some() || of.theirs.was_read(of.line, date);
    let date = if date < of.at && known && then != now { of.at } else { date };
    let date = of.forced.map_or(date, |forced| forced.max(date));
    let date = within_its_month(of, date);
    let date = above_zero(of, date, units);
    Ok(later_of_ours(of, date, units))
}

/// The count of one month counts to its end: where we ourselves changed the line on a later day of that month, it counts
/// from there, and not before, where that day's change would stay as it was.
fn within_its_month(of: &When<'_>, date: Date) -> Date {
    let counts = of.frame.run.kind == RunKind::SeatSync && !of.reckoned.onward;
    let Some(period) = of.frame.run.period.filter(|_| counts) else { return date };
    let kept = of.ledger.iter().flat_map(|ledger| &ledger.kept).copied();
    kept.filter(|kept| date < *kept && *kept <= period.end).max().unwrap_or(date)
}

/// The count of one month leaves later dates as they were said, but moves their units along until they are put right.
/// Where we had lowered those already, a reduction would take them below 0, which Autotask cannot have: it counts from
/// that later date. The newest word counts there, too, and takes back first what was set for later.
fn above_zero(of: &When<'_>, date: Date, units: i64) -> Date {
    if of.reckoned.onward {
        return date;
    }
    let Some(change) = of.theirs.units_at(of.line, date).map(|now| units - now).filter(|change| *change < 0) else {
        return date;
    };
    let kept = of.ledger.iter().flat_map(|ledger| &ledger.kept).copied();
    let below = |kept: &Date| of.theirs.units_at(of.line, *kept).is_some_and(|there| there + change < 0);
    kept.filter(|kept| *kept > date).filter(below).max().unwrap_or(date)
}

/// The later date from which the line has what was said, because a run has written just that: another kind of run
/// with another policy does not date the same word anew. Nor does a package that is mapped to another service, where
/// nothing of it is left to be billed there instead.
fn already_set(of: &When<'_>, units: i64) -> Option<Date> {
    let desired = of.ledger.filter(|_| of.reckoned.explicit)?.desired.as_ref()?;
    let nothing_instead = of.target.role == Role::Leaving && of.reckoned.gone;
    let newest = desired.seq.count_as_of >= of.reckoned.seq.count_as_of || nothing_instead;
    let same = desired.units == units && newest;
    let stands = of.theirs.units_at(of.line, desired.effective_date) == Some(units);
    (same && stands && desired.effective_date > of.at).then_some(desired.effective_date)
}

/// Why there is no date, and from when on rows must be read to find one.
pub(super) struct Undated {
    pub(super) verdict: Verdict,
    /// The date from which the change may count, where that is known.
    pub(super) date: Option<Date>,
    pub(super) unread: Option<Date>,
}

impl From<(Verdict, Option<Date>)> for Undated {
    fn from((verdict, date): (Verdict, Option<Date>)) -> Self {
        Self { verdict, date, unread: None }
    }
}

/// From when the units of a line that is not there yet count.
pub(super) fn of_new_line(
    theirs: &Theirs,
    frame: &Frame<'_>,
    target: &Target,
    reckoned: &Reckoned,
    forced: Option<Date>,
) -> Result<Date, Undated> {
    let contract = theirs.contracts.get(&target.contract.id);
    let (start, end) = (contract.and_then(|c| c.start), contract.and_then(|c| c.end));
    let date = match policy(frame, target, reckoned, false, true) {
        None => start.map_or(frame.date, |start| start.max(frame.date)),
        Some(policy) => {
            let day = change_day(frame, target, reckoned);
            let dating = Dating { policy, day, contract_start: start, contract_end: end, rows: &[], roll: true };
            told(&dating)?
        }
    };
    Ok(forced.map_or(date, |forced| forced.max(date)))
}

/// The policy that dates a change; none where the run names the date.
fn policy(frame: &Frame<'_>, target: &Target, reckoned: &Reckoned, swapped: bool, up: bool) -> Option<EffectiveFrom> {
    let run = frame.run;
    let policies = &frame.settings.effective_date;
    let of_counts = if up || swapped { policies.increase } else { policies.decrease };
    let by_default = run.period.is_some_and(|period| run.effective_date == Some(period.start));
    match run.kind {
        // What was told of a package is no count of the month.
        RunKind::SeatSync if reckoned.gone => Some(policies.package_change_decrease),
        // The first of the month is what a count is for; by another policy it counts from another day.
        RunKind::SeatSync if by_default && of_counts != EffectiveFrom::PeriodStart => Some(of_counts),
        RunKind::SeatSync => None,
        _ if run.effective_date.is_some() => None,
        RunKind::Initial if !target.changed => Some(of_counts),
        _ if up || swapped || target.role == Role::Leaving => Some(policies.package_change_increase),
        _ => Some(policies.package_change_decrease),
    }
}

/// The day of the change itself: what was told by the vendor, else the run's own.
fn change_day(frame: &Frame<'_>, target: &Target, reckoned: &Reckoned) -> Date {
    let changes = frame.run.kind == RunKind::PackageChanges || target.changed;
    if !changes || target.role == Role::Leaving {
        return frame.day;
    }
    let zone = frame.settings.zone();
    let told = reckoned.reckoning.parts.iter().map(|part| day_of(part.as_of, &zone)).max().unwrap_or(frame.day);
    // As far back as a run may be effective from, and not ahead of the run.
    let earliest = frame.day.first_of_month().yesterday().map_or(frame.day, Date::first_of_month);
    told.clamp(earliest, frame.day)
}

fn judged(of: &When<'_>, policy: EffectiveFrom, rows: &[super::reading::Row]) -> Result<Date, Undated> {
    let contract = of.theirs.contracts.get(&of.target.contract.id);
    let (start, end) = match contract {
        Some(contract) => (contract.start, contract.end),
        // As last seen, to find where periods begin; whether it has ended is for what is read now to say.
        None => (of.target.contract.start, None),
    };
    let day = change_day(of.frame, of.target, of.reckoned);
    let dated = told(&Dating { policy, day, contract_start: start, contract_end: end, rows, roll: true });
    dated.map_err(|undated| {
        let unread = undated.date.filter(|date| !of.theirs.was_read(of.line, *date));
        Undated { unread, ..undated }
    })
}

fn told(dating: &Dating<'_>) -> Result<Date, Undated> {
    match dated(dating) {
        Dated::On(date) | Dated::Rolled { date, .. } => Ok(date),
        Dated::Unseen { date, posted_start, posted_end } => {
            let words = format!(
                "The period {posted_start} to {posted_end} is already posted, and Autotask shows no units from {date} on \
                 yet: the change is made for {date}."
            );
            Err(((LineState::Skipped, Some(Code::PeriodAlreadyBilled), words), Some(date)).into())
        }
        Dated::Outside { start, end } => {
            let from = start.map_or_else(String::new, |start| format!(" from {start}"));
            let to = end.map_or_else(String::new, |end| format!(" to {end}"));
            let words = format!("The change would count from outside the contract, which runs{from}{to}.");
            Err(((LineState::Failed, Some(Code::EffectiveDateOutsideContract), words), None).into())
        }
    }
}

/// Where units are right at the date of the change and we ourselves had set others for later, the newest word counts
/// there, too.
fn later_of_ours(of: &When<'_>, date: Date, units: i64) -> Date {
    let Some(ledger) = of.ledger.filter(|_| of.reckoned.onward) else { return date };
    if of.theirs.units_at(of.line, date) != Some(units) {
        return date;
    }
    let mut later: Vec<Date> = ledger.kept.iter().copied().filter(|kept| *kept > date).collect();
    later.sort_unstable();
    let differs = |kept: &Date| of.theirs.units_at(of.line, *kept).is_some_and(|there| there != units);
    later.into_iter().find(differs).unwrap_or(date)
}
