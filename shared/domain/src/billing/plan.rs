//! Decides what a run does with each line. Facts in, decision out, nothing awaited: a plan can be shown to a partner
//! before it happens, and stored.

use super::creation::Step;
use super::reading::{Row, Theirs};
use super::reckon::{Reckoned, reckon};
use super::sources::Ours;
use super::targets::{Role, Target, unserved_name};
use super::when::{When, when};
use super::{decisions, undo};
use crate::calendar::month_of;
use crate::connections::Settings;
use crate::connections::settings::{DriftPolicy, Guards};
use crate::ids::{LineKind, LineRef, PackageId, RunId};
use crate::mappings::Mapping;
use crate::problem::Code;
use crate::runs::{LineName, LineState, Run, RunKind, RunLine};
use crate::units::{Outcome, UnitLine, Want};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// A change by at most so many units is never too large by its percentage: 2 users becoming 4 is no accident.
pub const PERCENT_GUARD_FROM: i64 = 5;
/// Share of lines, in per cent, whose units cannot be seen without an explanation, from which on a run stops:
/// restricted rights give empty lists, not errors.
pub const UNSEEN_PERCENT_MAX: usize = 30;
/// Fewer unseen lines than this are judged one by one.
pub const UNSEEN_MIN: usize = 3;
/// How often the dates of swaps are brought together: each time at least one line moves to a later one.
const SWAP_ROUNDS_MAX: u32 = 4;

/// What a plan is made for.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// The run.
    pub run: &'a Run,
    /// The date at which units are looked at first; counts of a seat sync count from then.
    pub date: Date,
    /// The run's own day, in the connection's zone.
    pub day: Date,
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
    /// Whether its value is somebody's word rather than a count.
    pub explicit: bool,
    /// Whether it has to be added to the contract, or put into the mapping, before it can be written.
    pub place: bool,
    /// Until when nobody can tell whether it was added.
    pub settles: Option<Timestamp>,
    /// A date from which its rows have to be read before this can be decided.
    pub unread: Option<Date>,
    /// Lines that must be right before this one goes down.
    pub after: Vec<LineName>,
}

impl Planned {
    pub(super) fn new(line: RunLine) -> Self {
        Self {
            line,
            want: None,
            cost_only: None,
            explicit: false,
            place: false,
            settles: None,
            unread: None,
            after: Vec::new(),
        }
    }

    pub(super) fn verdict(line: RunLine, (state, code, words): Verdict) -> Self {
        Self::new(RunLine { state, code, words, ..line })
    }
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
    let undoes = frame.run.kind == RunKind::Undo;
    let meant = |target: &&Target| undoes || in_pilot(target, frame.settings);
    let targets: Vec<&Target> = ours.targets.iter().filter(meant).collect();
    let mut forced: BTreeMap<LineName, Date> = BTreeMap::new();
    let decide_all = |forced: &BTreeMap<LineName, Date>| -> Vec<Planned> {
        let swapped = swapped(&targets);
        let one = |target: &&Target| {
            let name = target.name();
            decide(ours, theirs, frame, target, (swapped.contains(&name), forced.get(&name).copied()))
        };
        targets.iter().map(one).collect()
    };
    let mut lines = decide_all(&forced);
    for _ in 0..SWAP_ROUNDS_MAX {
        let together = one_date(&lines);
        if together.iter().all(|(name, date)| forced.get(name) == Some(date)) {
            break;
        }
        forced.extend(together);
        lines = decide_all(&forced);
    }
    lines.extend(ours.unserved.iter().map(|unserved| unmapped(ours, frame, unserved)));
    if frame.run.approval_of.is_some() {
        leave_undecided(&mut lines, ours);
    }
    hold_back(&mut lines);
    lines.retain(|planned| frame.run.approval_of.is_none() || ours.stored.contains_key(&planned.line.name()));
    lines.sort_by_key(|planned| (planned.line.name(), planned.line.line));
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
    let pilots = &settings.pilot_accounts;
    pilots.is_empty() || target.accounts().into_iter().all(|account| pilots.contains(account))
}

/// Lines that take part in a swap, old and new.
fn swapped(targets: &[&Target]) -> BTreeSet<LineName> {
    let old = targets.iter().filter(|target| !target.after.is_empty());
    old.flat_map(|target| target.after.iter().cloned().chain([target.name()])).collect()
}

/// The one date of each swap: the later one of its lines'.
fn one_date(lines: &[Planned]) -> BTreeMap<LineName, Date> {
    let dates: BTreeMap<LineName, Date> =
        lines.iter().map(|planned| (planned.line.name(), planned.line.effective_date)).collect();
    let mut together: BTreeMap<LineName, Date> = BTreeMap::new();
    for planned in lines.iter().filter(|planned| !planned.after.is_empty()) {
        let names: Vec<&LineName> = planned.after.iter().filter(|name| dates.contains_key(*name)).collect();
        let own = planned.line.name();
        let all = names.into_iter().cloned().chain([own]);
        let all: Vec<LineName> = all.collect();
        let known = |name: &LineName| together.get(name).or(dates.get(name)).copied();
        let Some(latest) = all.iter().filter_map(known).max() else { continue };
        together.extend(all.into_iter().map(|name| (name, latest)));
    }
    together
}

/// A run over decided lines leaves all others as they are; what waits for one of those goes on waiting.
fn leave_undecided(lines: &mut [Planned], ours: &Ours) {
    let others = lines.iter_mut().filter(|planned| !ours.stored.contains_key(&planned.line.name()));
    for planned in others.filter(|planned| planned.line.state == LineState::Changed) {
        planned.want = None;
        planned.cost_only = None;
        planned.place = false;
        planned.line.state = LineState::Skipped;
    }
}

/// The old line of a swap stays as it is while the new one cannot be written: better billed as before than not at all.
fn hold_back(lines: &mut [Planned]) {
    let after: BTreeMap<LineName, Vec<LineName>> =
        lines.iter().map(|planned| (planned.line.name(), planned.after.clone())).collect();
    let wrong: BTreeSet<LineName> = lines
        .iter()
        .filter(|planned| !matches!(planned.line.state, LineState::Changed | LineState::Unchanged))
        .map(|planned| planned.line.name())
        .collect();
    for planned in lines.iter_mut() {
        let mut seen = BTreeSet::new();
        let mut next: Vec<LineName> = planned.after.clone();
        while let Some(name) = next.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let unknown = !after.contains_key(&name);
            if (wrong.contains(&name) || unknown) && planned.line.state == LineState::Changed {
                planned.want = None;
                planned.cost_only = None;
                planned.line.state = LineState::Skipped;
                planned.line.code = Some(Code::SwapWaiting);
                "The line stays as it is until the package that replaces it can be billed."
                    .clone_into(&mut planned.line.words);
            }
            next.extend(after.get(&name).into_iter().flatten().cloned());
        }
    }
}

/// What a stopped run says of a line: held if it was to be written. One that is right stays so, and so does one that
/// this run had written before it was stopped.
fn stop_line(planned: &mut Planned, code: Code, why: &str) {
    let right = planned.want.as_ref().is_some_and(|want| planned.line.units_now == Some(want.units));
    if !right || planned.cost_only.is_some() {
        if planned.want.is_some() || planned.cost_only.is_some() || planned.place {
            hold(planned, code, why);
        }
    } else if planned.line.state == LineState::Unchanged {
        planned.want = None;
        planned.place = false;
    }
}

fn hold(planned: &mut Planned, code: Code, words: &str) {
    planned.want = None;
    planned.cost_only = None;
    planned.place = false;
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
    // What somebody said passes the guards, and is no sign of a bad count.
    let counted = lines.iter().filter(|planned| !planned.explicit).count();
    let held = lines.iter().filter(|planned| !planned.explicit && planned.line.state == LineState::Held).count();
    let limit = usize::try_from(frame.settings.guards.stop_run_percent).unwrap_or(0);
    if held * 100 > counted * limit {
        let words = format!("{held} of {counted} lines were held; more than {limit} % stops the run.");
        return Some((Code::RunStopped, words));
    }
    None
}

/// What a line comes to, with the words for it.
pub(super) type Verdict = (LineState, Option<Code>, String);

fn decide(
    ours: &Ours,
    theirs: &Theirs,
    frame: &Frame<'_>,
    target: &Target,
    (swapped, forced): (bool, Option<Date>),
) -> Planned {
    if let Some(undone) = ours.undone.get(&target.name()) {
        return undo::plan(ours, theirs, frame, target, undone);
    }
    let mut line = blank(ours, theirs, frame, target);
    let word = ours.stored.get(&target.name()).filter(|stored| stored.decision.is_some());
    line.decision = word.and_then(|stored| stored.decision.clone());
    let counts = match not_due(ours, target) {
        Some(verdict) => Err(verdict),
        None => reckon(ours, frame, target),
    };
    if let Ok(reckoned) = &counts {
        reckoned_into(&mut line, reckoned);
    }
    let dismissed = decisions::dismissed_by(ours, target, word);
    let counts = dismissed.map_or(counts, Err);
    let counts = counts.map(|reckoned| decisions::heed(reckoned, word));
    if let Ok(reckoned) = &counts {
        line.units_wanted = Some(reckoned.reckoning.units);
    }
    let line_ref = match place(theirs, frame, target, counts.as_ref().ok()) {
        Place::There(line) => line,
        Place::Missing(planned) => {
            return match counts {
                Ok(reckoned) => missing(theirs, frame, line, *planned, target, &reckoned, forced),
                Err(verdict) => Planned::verdict(line, verdict),
            };
        }
    };
    let at = first_look(theirs, frame, target);
    let now = theirs.units_at(line_ref, at);
    line.units_now = now;
    line.period_billed = theirs.row_at(line_ref, at).is_some_and(|row| row.billed);
    let reckoned = match (counts, now) {
        (Err(verdict), _) => return Planned::verdict(line, verdict),
        (Ok(_), None) => {
            let unread = (at != frame.date && !theirs.was_read(line_ref, at)).then_some(at);
            return Planned { unread, ..Planned::verdict(line, unseen(theirs, frame, target, at)) };
        }
        (Ok(reckoned), Some(_)) => reckoned,
    };
    let ledger = ours.ledger.get(&line_ref).map(|found| &found.value);
    let placing = matches!(target.step, Some(Step::Adopt(_)));
    let dated = When { theirs, frame, target, at, line: line_ref, ledger, reckoned: &reckoned, swapped, forced };
    let date = reckoned.word.date.map_or_else(|| when(&dated), Ok);
    let mut planned = match date {
        Ok(date) => at_date(theirs, frame, target, (line, line_ref), ledger, &reckoned, date),
        Err(undated) => {
            line.effective_date = undated.date.unwrap_or(line.effective_date);
            Planned { unread: undated.unread, ..Planned::verdict(line, undated.verdict) }
        }
    };
    planned.explicit = reckoned.explicit;
    planned.after.clone_from(&target.after);
    planned.place = placing && !matches!(planned.line.state, LineState::Failed | LineState::Skipped);
    planned
}

/// The date at which units are compared first: the run's, or the first day of a contract that began after it.
fn first_look(theirs: &Theirs, frame: &Frame<'_>, target: &Target) -> Date {
    let packages = matches!(frame.run.kind, RunKind::Initial | RunKind::PackageChanges);
    let start = theirs.contracts.get(&target.contract.id).and_then(|contract| contract.start);
    let start = start.filter(|start| packages && frame.run.effective_date.is_none() && *start <= frame.day);
    start.map_or(frame.date, |start| start.max(frame.date))
}

/// The date is known: what are the units then?
fn at_date(
    theirs: &Theirs,
    frame: &Frame<'_>,
    target: &Target,
    (mut line, line_ref): (RunLine, LineRef),
    ledger: Option<&UnitLine>,
    reckoned: &Reckoned,
    date: Date,
) -> Planned {
    line.effective_date = date;
    let row = theirs.row_at(line_ref, date);
    line.period_billed = row.is_some_and(|row| row.billed);
    let Some(now) = theirs.units_at(line_ref, date) else {
        line.units_now = None;
        let unread = (!theirs.was_read(line_ref, date)).then_some(date);
        return Planned { unread, ..Planned::verdict(line, unseen(theirs, frame, target, date)) };
    };
    line.units_now = Some(now);
    let units = reckoned.reckoning.units;
    line.invoice_change = price(theirs, line_ref).map(|price| price * Decimal::from(units - now));
    line.drift_from = ledger.and_then(|ledger| drift(ledger, date, now));
    let want = Want {
        units,
        effective_date: date,
        cost: line.cost_wanted,
        seq: reckoned.seq.clone(),
        pressed: reckoned.word.pressed,
        onward: reckoned.explicit,
        run: frame.run.id.clone(),
    };
    settle_on(frame, line, row, ledger, want, now, reckoned)
}

fn reckoned_into(line: &mut RunLine, reckoned: &Reckoned) {
    let reckoning = &reckoned.reckoning;
    line.count = Some(reckoning.sum);
    line.count_as_of = reckoning.parts.iter().map(|part| part.as_of).max();
    line.units_wanted = Some(reckoning.units);
    line.reckoning = Some(reckoning.clone());
}

/// Where a target's line is.
enum Place {
    There(LineRef),
    Missing(Box<Missing>),
}

/// A line that no mapping names and that is not to be seen on the contract.
enum Missing {
    Add,
    Wait(Timestamp),
    No(Verdict),
}

fn place(theirs: &Theirs, frame: &Frame<'_>, target: &Target, reckoned: Option<&Reckoned>) -> Place {
    let no = |verdict: Verdict| Place::Missing(Box::new(Missing::No(verdict)));
    let service = &target.service.name;
    let step = match (target.line, &target.step) {
        (Some(line), _) => return Place::There(line),
        (None, Some(step)) => step,
        (None, None) => return no(unseen(theirs, frame, target, frame.date)),
    };
    if let Some(verdict) = unfit(theirs, frame, target) {
        return no(verdict);
    }
    match step {
        Step::Adopt(line) => Place::There(*line),
        Step::Duplicate(lines) => {
            let words = format!("`{service}` stands {} times on `{}`.", lines.len(), target.contract.name);
            no((LineState::Failed, Some(Code::DuplicateLine), words))
        }
        Step::Wait(until) => Place::Missing(Box::new(Missing::Wait(*until))),
        Step::GiveUp(heard) => {
            let heard = heard.as_ref().map_or_else(String::new, |heard| format!(" It said: {heard}"));
            let words = format!("Adding `{service}` to the contract was tried as often as allowed.{heard}");
            no((LineState::Held, Some(Code::WriteUnverified), words))
        }
        Step::Refused(text) => {
            let words = format!("Autotask did not add `{service}` to the contract: {text}");
            no((LineState::Failed, Some(Code::RejectedByAutotask), words))
        }
        Step::TakenBy(account) => {
            let words = format!("The line of `{service}` is mapped to the account {account}.");
            no((LineState::Failed, Some(Code::ContractServiceShared), words))
        }
        Step::Add if reckoned.is_some_and(|reckoned| reckoned.reckoning.units == 0) => {
            let words = format!("`{service}` is not on the contract, and nothing of it is to be billed.");
            no((LineState::Unchanged, None, words))
        }
        Step::Add if !frame.settings.create_missing_lines => {
            let words = format!("`{service}` is not on `{}`, and adding lines is switched off.", target.contract.name);
            no((LineState::Failed, Some(Code::ContractServiceRemoved), words))
        }
        Step::Add => Place::Missing(Box::new(Missing::Add)),
    }
}

fn missing(
    theirs: &Theirs,
    frame: &Frame<'_>,
    mut line: RunLine,
    missing: Missing,
    target: &Target,
    reckoned: &Reckoned,
    forced: Option<Date>,
) -> Planned {
    let units = reckoned.reckoning.units;
    match missing {
        Missing::No(verdict) => Planned::verdict(line, verdict),
        Missing::Wait(until) => {
            let words = "The line was sent to be added to the contract; it is looked for before it is sent again.";
            let verdict = (LineState::Unverified, Some(Code::WriteUnverified), words.to_owned());
            Planned { settles: Some(until), explicit: reckoned.explicit, ..Planned::verdict(line, verdict) }
        }
        Missing::Add => {
            let date = || super::when::of_new_line(theirs, frame, target, reckoned, forced);
            match reckoned.word.date.map_or_else(date, Ok) {
                Ok(date) => line.effective_date = date,
                Err(undated) => return Planned::verdict(line, undated.verdict),
            }
            line.units_now = Some(0);
            line.created = true;
            let words = format!("New on the contract: 0 -> {units} units from {}.", line.effective_date);
            let line = RunLine { state: LineState::Changed, words, ..line };
            let after = target.after.clone();
            Planned { explicit: reckoned.explicit, place: true, after, ..Planned::new(line) }
        }
    }
}

/// A package that ought to be billed, and that nobody has mapped.
fn unmapped(ours: &Ours, frame: &Frame<'_>, unserved: &super::targets::Unserved) -> Planned {
    let name = unserved_name(&(unserved.mapping.account.clone(), unserved.package.clone()));
    let package = ours.packages.get(&unserved.package);
    let words = format!("{} is mapped to no service.", package.map_or(unserved.package.as_str(), |p| p.name.as_str()));
    let account = ours.accounts.get(&name.account);
    let mut line = empty(frame, &unserved.mapping, &unserved.package);
    line.account_name = account.map_or_else(|| name.account.to_string(), |account| account.name.clone());
    let has = account.is_some_and(|account| account.packages.iter().any(|package| package.id == unserved.package));
    let verdict = match has {
        true => (LineState::Failed, Some(Code::PackageUnmapped), words),
        false => (LineState::Unchanged, None, format!("{words} The account no longer has it.")),
    };
    Planned { explicit: true, ..Planned::verdict(line, verdict) }
}

/// The last part of a decision: counts, date and units are known.
fn settle_on(
    frame: &Frame<'_>,
    mut line: RunLine,
    row: Option<&Row>,
    ledger: Option<&UnitLine>,
    want: Want,
    now: i64,
    reckoned: &Reckoned,
) -> Planned {
    // What this run has begun is not judged anew: the guards let it pass before it was sent.
    let begun = ledger.is_some_and(|ledger| begun_by(ledger, &frame.run.id, &want));
    let unfinished = ledger.is_some_and(|ledger| ledger.open.is_some() || ledger.owed.is_some()) || begun;
    let cost_only = line.cost_wanted.filter(|wanted| now == want.units && line.cost_now != Some(*wanted));
    let written = ledger.and_then(|ledger| ledger.last.as_ref()).map(|last| month_of(last.effective_date));
    let same_month = written == Some(month_of(line.effective_date));
    let held = if begun { None } else { refusal(frame, &line, row, (now, want.units), same_month, reckoned) };
    if let Some(verdict) = held {
        return Planned::verdict(line, verdict);
    }
    if now == want.units && !unfinished && cost_only.is_none() {
        line.words = format!("Already {now} units.");
        return Planned { want: Some(want), ..Planned::new(line) };
    }
    line.state = LineState::Changed;
    line.words = match cost_only {
        Some(cost) => format!("Units stay {now}; unit cost becomes {cost}."),
        None => format!("{now} -> {} units from {}.", want.units, line.effective_date),
    };
    Planned { want: Some(want), cost_only, ..Planned::new(line) }
}

fn begun_by(ledger: &UnitLine, run: &RunId, want: &Want) -> bool {
    let open = ledger.open.as_ref().is_some_and(|open| open.run == *run && open.target == want.units);
    let last = ledger.last.as_ref().is_some_and(|last| last.run == *run && last.target == want.units);
    open || last
}

/// Reasons on our own side: the line is not to be written now.
fn not_due(ours: &Ours, target: &Target) -> Option<Verdict> {
    for account in target.accounts() {
        if ours.mappings.get(account).is_some_and(|mapping| mapping.paused) {
            return Some((LineState::Skipped, None, "The account is paused.".to_owned()));
        }
        if let Some(claim) = ours.claimed.get(account) {
            let words = format!("{} synchronises this account.", claim.psa);
            return Some((LineState::Skipped, Some(Code::AccountClaimedByOtherPsa), words));
        }
    }
    None
}

/// What is wrong with the contract of a line that is not on it.
fn unfit(theirs: &Theirs, frame: &Frame<'_>, target: &Target) -> Option<Verdict> {
    if let Some(verdict) = contract_trouble(theirs, frame.day, target) {
        return Some(verdict);
    }
    let seen = theirs.lines_readable.get(&target.service.kind) == Some(&true);
    (!seen && matches!(target.step, Some(Step::Add))).then(|| {
        let words = format!("It cannot be seen whether `{}` is on the contract.", target.service.name);
        (LineState::Failed, Some(Code::PermissionMissing), words)
    })
}

fn contract_trouble(theirs: &Theirs, date: Date, target: &Target) -> Option<Verdict> {
    let failed = |code, words: String| Some((LineState::Failed, Some(code), words));
    let id = target.contract.id;
    let Some(contract) = theirs.contracts.get(&id) else {
        return match theirs.contracts_readable {
            Some(true) => failed(Code::ContractNotFound, format!("Contract {id} is not in Autotask.")),
            _ => failed(Code::PermissionMissing, format!("Neither the units nor contract {id} can be seen.")),
        };
    };
    let name = &contract.name;
    if !contract.recurring {
        return failed(Code::ContractNotRecurring, format!("`{name}` is not a recurring service contract."));
    }
    if let Some(end) = contract.end.filter(|end| *end < date) {
        return match contract.renewed_by {
            Some(next) => {
                failed(Code::ContractRenewed, format!("`{name}` ended on {end} and was renewed by contract {next}."))
            }
            None => failed(Code::ContractEnded, format!("`{name}` ended on {end}.")),
        };
    }
    if let Some(start) = contract.start.filter(|start| *start > date) {
        let words = format!("`{name}` starts on {start}, after {date}.");
        return failed(Code::EffectiveDateOutsideContract, words);
    }
    None
}

/// Reasons on their side: the line's units cannot be seen at a date.
pub(super) fn unseen(theirs: &Theirs, frame: &Frame<'_>, target: &Target, date: Date) -> Verdict {
    let failed = |code, words: String| (LineState::Failed, Some(code), words);
    if let Some(verdict) = contract_trouble(theirs, date, target) {
        return verdict;
    }
    let name = &target.contract.name;
    let (service, kind) = (&target.service.name, target.service.kind);
    let there = target.line.is_some_and(|line| theirs.lines.contains_key(&line));
    if !there && theirs.lines_readable.get(&kind) == Some(&true) {
        return failed(Code::ContractServiceRemoved, format!("`{service}` is no longer on `{name}`."));
    }
    if theirs.units_readable.get(&kind) == Some(&true) && !theirs.would_show(date) {
        let words = format!("Autotask shows no units of `{service}` for {date} yet.");
        // A change that is meant for then is made then; a count that is due now cannot be.
        let state = if date > frame.date { LineState::Skipped } else { LineState::Failed };
        return (state, Some(Code::PeriodNotVisible), words);
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
fn drift(ledger: &UnitLine, date: Date, now: i64) -> Option<i64> {
    let last = ledger.last.as_ref()?;
    let ours = matches!(last.outcome, Outcome::Verified | Outcome::Applied) && ledger.open.is_none();
    let from = last.effective_date;
    let overlaid = ledger.kept.iter().any(|kept| from < *kept && *kept <= date);
    (ours && from <= date && !overlaid && last.target != now).then_some(last.target)
}

fn price(theirs: &Theirs, line: LineRef) -> Option<Decimal> {
    theirs.lines.get(&line)?.unit_price
}

fn blank(ours: &Ours, theirs: &Theirs, frame: &Frame<'_>, target: &Target) -> RunLine {
    let account = ours.accounts.get(&target.mapping.account);
    let overwrite = overwrites_cost(target, frame.settings);
    let package = ours.packages.get(&target.package);
    let facts = target.line.and_then(|line| theirs.lines.get(&line));
    let mut line = empty(frame, &target.mapping, &target.package);
    line.account_name = account.map_or_else(|| target.mapping.account.to_string(), |account| account.name.clone());
    line.contract_id = Some(target.contract.id);
    line.contract_name = Some(target.contract.name.clone());
    line.kind = target.service.kind;
    line.service_id = target.service.id;
    line.line = target.line;
    line.leaving = target.role == Role::Leaving;
    line.created = ours.added_by(target, &frame.run.id);
    line.service_name.clone_from(&target.service.name);
    line.cost_now = facts.and_then(|facts| facts.unit_cost);
    line.cost_wanted = overwrite.then(|| package.and_then(|package| package.unit_price_to_partner)).flatten();
    line
}

/// A line of which nothing is known but whose it is.
fn empty(frame: &Frame<'_>, mapping: &Mapping, package: &PackageId) -> RunLine {
    let contract = mapping.contract.as_ref();
    RunLine {
        no: 0,
        account: mapping.account.clone(),
        account_name: mapping.account.to_string(),
        company_id: mapping.company.as_ref().map(|company| company.id),
        company_name: mapping.company.as_ref().map(|company| company.name.clone()),
        contract_id: contract.map(|contract| contract.id),
        contract_name: contract.map(|contract| contract.name.clone()),
        package: package.clone(),
        kind: LineKind::Service,
        service_id: 0,
        line: None,
        leaving: false,
        created: false,
        service_name: String::new(),
        reckoning: None,
        decision: None,
        units_now: None,
        count: None,
        count_as_of: None,
        units_wanted: None,
        cost_now: None,
        cost_wanted: None,
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

/// Whether the line's cost is written along: the line's own switch, else the package's, else the connection's; never
/// for bundles, nor for a line that goes to 0.
#[must_use]
pub fn overwrites_cost(target: &Target, settings: &Settings) -> bool {
    let takes_costs = target.service.kind == LineKind::Service && target.role == Role::Billed;
    takes_costs && target.overwrite_cost.unwrap_or(settings.overwrite_cost)
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
