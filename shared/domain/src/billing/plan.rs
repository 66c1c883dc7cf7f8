//! Decides what a run does with each line. Facts in, decision out, nothing awaited: a plan can be shown to a partner
//! before it happens, and stored.

use super::reading::{Row, Theirs};
use super::sources::{Ours, Target};
use crate::calendar::month_of;
use crate::connections::Settings;
use crate::connections::settings::{DriftPolicy, Guards};
use crate::ids::{LineKind, RunId};
use crate::problem::Code;
use crate::runs::{LineState, RunLine};
use crate::units::{Outcome, Seq, UnitLine, Want};
use crate::vendor::Usage;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

/// A change by at most so many units is never too large by its percentage: 2 users becoming 4 is no accident.
pub const PERCENT_GUARD_FROM: i64 = 5;
/// Share of lines, in per cent, whose units cannot be seen without an explanation, from which on a run stops:
/// restricted rights give empty lists, not errors.
pub const UNSEEN_PERCENT_MAX: usize = 30;
/// Fewer unseen lines than this are judged one by one.
pub const UNSEEN_MIN: usize = 3;

/// What a plan is made for.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// The run.
    pub run: &'a RunId,
    /// From when units count.
    pub date: Date,
    /// Now.
    pub now: Timestamp,
    /// The settings.
    pub settings: &'a Settings,
}

/// A line with what is to be done about it.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The line as a partner sees it.
    pub line: RunLine,
    /// What the exactly-once protocol is to bring about; none where there is nothing to write.
    pub want: Option<Want>,
    /// Unit cost to write by itself, where units are right already.
    pub cost_only: Option<Decimal>,
}

/// A whole plan.
#[derive(Debug, Default)]
pub struct Plan {
    /// Lines, in the order of account and package, numbered from 1.
    pub lines: Vec<Planned>,
    /// Why nothing of it may be written.
    pub stopped: Option<(Code, String)>,
}

/// Plans a run.
#[must_use]
pub fn plan(ours: &Ours, theirs: &Theirs, frame: &Frame<'_>) -> Plan {
    let wanted = ours.targets.iter().filter(|target| in_pilot(target, frame.settings));
    let mut lines: Vec<Planned> = wanted.map(|target| decide(ours, theirs, frame, target)).collect();
    for (no, planned) in (1..).zip(&mut lines) {
        planned.line.no = no;
    }
    let stopped = stop(&lines, theirs, frame);
    if let Some((code, why)) = &stopped {
        for planned in &mut lines {
            stop_line(planned, *code, why);
        }
    }
    Plan { lines, stopped }
}

fn in_pilot(target: &Target, settings: &Settings) -> bool {
    settings.pilot_accounts.is_empty() || settings.pilot_accounts.contains(&target.mapping.account)
}

/// What a stopped run says of a line: held if it was to be written. One that is right stays so, and so does one that
/// this run had written before it was stopped.
fn stop_line(planned: &mut Planned, code: Code, why: &str) {
    let right = planned.want.as_ref().is_some_and(|want| planned.line.units_now == Some(want.units));
    if !right || planned.cost_only.is_some() {
        if planned.want.is_some() || planned.cost_only.is_some() {
            hold(planned, code, why);
        }
    } else if planned.line.state == LineState::Unchanged {
        planned.want = None;
    }
}

fn hold(planned: &mut Planned, code: Code, words: &str) {
    planned.want = None;
    planned.cost_only = None;
    planned.line.state = LineState::Held;
    planned.line.code = Some(code);
    words.clone_into(&mut planned.line.words);
}

/// Why a run writes nothing at all.
fn stop(lines: &[Planned], theirs: &Theirs, frame: &Frame<'_>) -> Option<(Code, String)> {
    if frame.settings.kill_switch {
        return Some((Code::RunStopped, "The connection's kill switch is on: nothing is written.".to_owned()));
    }
    let today = frame.now.to_zoned(frame.settings.zone()).date();
    if let Some(freeze) = frame.settings.freeze.as_ref().filter(|freeze| freeze.from <= today && today <= freeze.to) {
        let words = format!("Writes are frozen from {} to {}.", freeze.from, freeze.to);
        return Some((Code::RunStopped, words));
    }
    let unseen = lines.iter().filter(|planned| planned.line.code == Some(Code::PermissionMissing)).count();
    let readable = theirs.units_readable.values().all(|readable| *readable);
    if unseen * 100 > lines.len() * UNSEEN_PERCENT_MAX && (unseen >= UNSEEN_MIN || !readable) {
        let words = format!("The units of {unseen} of {} lines cannot be seen.", lines.len());
        return Some((Code::PermissionMissing, words));
    }
    let held = lines.iter().filter(|planned| planned.line.state == LineState::Held).count();
    let limit = usize::try_from(frame.settings.guards.stop_run_percent).unwrap_or(0);
    if held * 100 > lines.len() * limit {
        let words = format!("{held} of {} lines were held; more than {limit} % stops the run.", lines.len());
        return Some((Code::RunStopped, words));
    }
    None
}

/// What a line comes to, with the words for it.
type Verdict = (LineState, Option<Code>, String);

fn decide(ours: &Ours, theirs: &Theirs, frame: &Frame<'_>, target: &Target) -> Planned {
    let key = (target.mapping.account.clone(), target.line.package_id.clone());
    let usage = ours.usage.get(&key);
    let row = theirs.row_at(target.line.line, frame.date);
    let units_now = theirs.units_at(target.line.line, frame.date);
    let ledger = ours.ledger.get(&target.line.line).map(|found| &found.value);
    let mut line = blank(ours, theirs, frame, target);
    line.units_now = units_now;
    line.count = usage.map(|usage| usage.active);
    line.count_as_of = usage.map(|usage| usage.as_of);
    line.period_billed = row.is_some_and(|row| row.billed);
    let refused = not_due(ours, frame, target, usage).or_else(|| unseen(theirs, frame, target, units_now));
    let (Some(usage), Some(now), None) = (usage, units_now, &refused) else {
        let (state, code, words) = refused.unwrap_or((LineState::Skipped, Some(Code::UsageMissing), String::new()));
        return Planned { line: RunLine { state, code, words, ..line }, want: None, cost_only: None };
    };
    line.units_wanted = Some(usage.active);
    line.invoice_change = price(theirs, target).map(|price| price * Decimal::from(usage.active - now));
    line.drift_from = ledger.and_then(|ledger| drift(ledger, frame.date, now));
    let want = want(frame, target, usage, line.cost_wanted);
    settle_on(frame, line, row, ledger, want, now)
}

/// The last part of a decision: counts and units are known.
fn settle_on(
    frame: &Frame<'_>,
    mut line: RunLine,
    row: Option<&Row>,
    ledger: Option<&UnitLine>,
    want: Want,
    now: i64,
) -> Planned {
    // What this run has begun is not judged anew: the guards let it pass before it was sent.
    let begun = ledger.is_some_and(|ledger| begun_by(ledger, frame.run, &want));
    let unfinished = ledger.is_some_and(|ledger| ledger.open.is_some() || ledger.owed.is_some()) || begun;
    let cost_only = line.cost_wanted.filter(|wanted| now == want.units && line.cost_now != Some(*wanted));
    let written = ledger.and_then(|ledger| ledger.last.as_ref()).map(|last| month_of(last.effective_date));
    let same_month = written == Some(month_of(frame.date));
    let held = if begun { None } else { refusal(frame, &line, row, (now, want.units), same_month) };
    if let Some((state, code, words)) = held {
        line.state = state;
        line.code = code;
        line.words = words;
        return Planned { line, want: None, cost_only: None };
    }
    if now == want.units && !unfinished && cost_only.is_none() {
        line.words = format!("Already {now} units.");
        return Planned { line, want: Some(want), cost_only: None };
    }
    line.state = LineState::Changed;
    line.words = match cost_only {
        Some(cost) => format!("Units stay {now}; unit cost becomes {cost}."),
        None => format!("{now} -> {} units from {}.", want.units, frame.date),
    };
    Planned { line, want: Some(want), cost_only }
}

fn begun_by(ledger: &UnitLine, run: &RunId, want: &Want) -> bool {
    let open = ledger.open.as_ref().is_some_and(|open| open.run == *run && open.target == want.units);
    let last = ledger.last.as_ref().is_some_and(|last| last.run == *run && last.target == want.units);
    open || last
}

/// Reasons on our own side: the line is not to be written now.
fn not_due(ours: &Ours, frame: &Frame<'_>, target: &Target, usage: Option<&Usage>) -> Option<Verdict> {
    let account = &target.mapping.account;
    let skipped = |code, words: String| Some((LineState::Skipped, code, words));
    if target.mapping.paused {
        return skipped(None, "The account is paused.".to_owned());
    }
    if let Some(claim) = ours.claimed.get(account) {
        return skipped(Some(Code::AccountClaimedByOtherPsa), format!("{} synchronises this account.", claim.psa));
    }
    if ours.accounts.get(account).is_some_and(|account| !account.active) {
        return skipped(None, "The account is no longer active at the vendor.".to_owned());
    }
    let Some(usage) = usage else {
        return skipped(Some(Code::UsageMissing), "There is no count for this account and package.".to_owned());
    };
    let age = frame.now.duration_since(usage.as_of);
    if age > SignedDuration::from_hours(frame.settings.guards.usage_max_age_hours) {
        let words = format!("The last count, {} of {}, is too old.", usage.active, usage.as_of);
        return skipped(Some(Code::UsageStale), words);
    }
    None
}

/// Reasons on their side: the line's units cannot be seen.
fn unseen(theirs: &Theirs, frame: &Frame<'_>, target: &Target, units_now: Option<i64>) -> Option<Verdict> {
    if units_now.is_some() {
        return None;
    }
    let failed = |code, words: String| Some((LineState::Failed, Some(code), words));
    let contract_id = target.mapping.contract.as_ref().map_or(0, |contract| contract.id);
    let Some(contract) = theirs.contracts.get(&contract_id) else {
        return match theirs.contracts_readable {
            Some(true) => failed(Code::ContractNotFound, format!("Contract {contract_id} is not in Autotask.")),
            _ => failed(Code::PermissionMissing, format!("Neither the units nor contract {contract_id} can be seen.")),
        };
    };
    let name = &contract.name;
    if !contract.recurring {
        return failed(Code::ContractNotRecurring, format!("`{name}` is not a recurring service contract."));
    }
    if let Some(end) = contract.end.filter(|end| *end < frame.date) {
        return match contract.renewed_by {
            Some(next) => {
                failed(Code::ContractRenewed, format!("`{name}` ended on {end} and was renewed by contract {next}."))
            }
            None => failed(Code::ContractEnded, format!("`{name}` ended on {end}.")),
        };
    }
    if let Some(start) = contract.start.filter(|start| *start > frame.date) {
        let words = format!("`{name}` starts on {start}, after {}.", frame.date);
        return failed(Code::EffectiveDateOutsideContract, words);
    }
    let (service, kind) = (&target.line.service_name, target.line.line.kind);
    if !theirs.lines.contains_key(&target.line.line) && theirs.lines_readable.get(&kind) == Some(&true) {
        return failed(Code::ContractServiceRemoved, format!("`{service}` is no longer on `{name}`."));
    }
    if theirs.units_readable.get(&kind) == Some(&true) && !theirs.would_show(frame.date) {
        let words = format!("Autotask shows no units of `{service}` for {} yet.", frame.date);
        return failed(Code::PeriodNotVisible, words);
    }
    failed(Code::PermissionMissing, format!("The units of `{service}` cannot be seen."))
}

/// Reasons why a known difference is not written by itself: posted period, drift, guards. `same_month`: what we wrote
/// last is for the month of this run, so that an edit since then is of this month.
fn refusal(
    frame: &Frame<'_>,
    line: &RunLine,
    row: Option<&Row>,
    (now, wanted): (i64, i64),
    same_month: bool,
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
    guarded(now, wanted, &frame.settings.guards).map(|(code, words)| (LineState::Held, Some(code), words))
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

/// Units that we wrote last, where Autotask shows others. Only what we wrote for the run's date or before it
/// says anything about that date, and only where we wrote nothing else in between.
fn drift(ledger: &UnitLine, date: Date, now: i64) -> Option<i64> {
    let last = ledger.last.as_ref()?;
    let ours = matches!(last.outcome, Outcome::Verified | Outcome::Applied) && ledger.open.is_none();
    let from = last.effective_date;
    let overlaid = ledger.kept.iter().any(|kept| from < *kept && *kept <= date);
    (ours && from <= date && !overlaid && last.target != now).then_some(last.target)
}

fn want(frame: &Frame<'_>, target: &Target, usage: &Usage, cost: Option<Decimal>) -> Want {
    let seq = Seq {
        at: usage.as_of.max(target.mapping.updated_at),
        count_as_of: usage.as_of,
        id: usage.source_id.clone().unwrap_or_default(),
    };
    let run = frame.run.clone();
    Want { units: usage.active, effective_date: frame.date, cost, seq, pressed: false, run }
}

fn price(theirs: &Theirs, target: &Target) -> Option<Decimal> {
    theirs.lines.get(&target.line.line)?.unit_price
}

fn blank(ours: &Ours, theirs: &Theirs, frame: &Frame<'_>, target: &Target) -> RunLine {
    let account = ours.accounts.get(&target.mapping.account);
    let overwrite = overwrites_cost(target, frame.settings);
    let package = ours.packages.get(&target.line.package_id);
    let facts = theirs.lines.get(&target.line.line);
    let contract = target.mapping.contract.as_ref();
    RunLine {
        no: 0,
        account: target.mapping.account.clone(),
        account_name: account.map_or_else(|| target.mapping.account.to_string(), |account| account.name.clone()),
        company_id: target.mapping.company.as_ref().map(|company| company.id),
        company_name: target.mapping.company.as_ref().map(|company| company.name.clone()),
        contract_id: contract.map(|contract| contract.id),
        contract_name: contract.map(|contract| contract.name.clone()),
        package: target.line.package_id.clone(),
        kind: target.line.line.kind,
        service_id: target.line.service_id,
        line: Some(target.line.line),
        leaving: false,
        created: false,
        service_name: target.line.service_name.clone(),
        reckoning: None,
        decision: None,
        units_now: None,
        count: None,
        count_as_of: None,
        units_wanted: None,
        cost_now: facts.and_then(|facts| facts.unit_cost),
        cost_wanted: overwrite.then(|| package.and_then(|package| package.unit_price_to_partner)).flatten(),
        invoice_change: None,
        effective_date: frame.date,
        period_billed: false,
        drift_from: None,
        state: LineState::Unchanged,
        code: None,
        words: String::new(),
        sent: None,
        verified_units: None,
        adjustment_id: None,
    }
}

/// Whether the line's cost is written along: the line's own switch, else the connection's; never for bundles.
#[must_use]
pub fn overwrites_cost(target: &Target, settings: &Settings) -> bool {
    target.line.line.kind == LineKind::Service && target.line.overwrite_cost.unwrap_or(settings.overwrite_cost)
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
