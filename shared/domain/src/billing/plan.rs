//! Decides what a run does with all its lines. Facts in, decision out, nothing awaited: a plan can be shown to a partner
//! before it happens, and stored.

use super::decide::{decide, unmapped};
use super::reading::Theirs;
use super::sources::Ours;
use super::targets::Target;
use crate::connections::Settings;
use crate::problem::Code;
use crate::runs::{LineName, LineState, Run, RunKind, RunLine};
use crate::units::Want;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

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

/// The one date of each swap: the later one of its lines'. An old line that has nothing left at its date, because that
/// was written before, puts off nothing.
fn one_date(lines: &[Planned]) -> BTreeMap<LineName, Date> {
    let dates: BTreeMap<LineName, Date> =
        lines.iter().map(|planned| (planned.line.name(), planned.line.effective_date)).collect();
    let mut together: BTreeMap<LineName, Date> = BTreeMap::new();
    let goes_down = |planned: &&Planned| !planned.after.is_empty() && planned.line.state != LineState::Unchanged;
    for planned in lines.iter().filter(goes_down) {
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
