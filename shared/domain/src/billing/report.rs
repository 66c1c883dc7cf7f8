//! Words and states for what became of each line.

use super::apply::Applied;
use super::plan::Planned;
use crate::ids::{LineRef, RunId};
use crate::problem::Code;
use crate::records::Versioned;
use crate::runs::{LineState, RunLine, RunState, Totals, WORDS_MAX};
use crate::units::protocol::word_of;
use crate::units::{HeldWhy, UnitLine, Verdict};
use std::collections::BTreeMap;

/// The code of lines that a run did not come to, while nothing better is known.
const NOT_REACHED: Code = Code::AutotaskUnavailable;

/// Adds what the ledger knows that this run did with lines which this invocation did not come to: it was cancelled, or
/// the count has changed since and no longer passes.
pub(super) fn complete(applied: &mut Applied, ledger: &BTreeMap<LineRef, Versioned<UnitLine>>, run: &RunId) {
    for (line, ours) in ledger {
        if let Some(word) = word_of(&ours.value, run)
            && !applied.waiting.contains_key(line)
        {
            applied.verdicts.entry(*line).or_insert(word);
        }
    }
}

/// The report of a run, so far as it came.
pub(super) fn lines(planned: Vec<Planned>, applied: &Applied, costs: &BTreeMap<u32, CostResult>) -> Vec<RunLine> {
    planned.into_iter().map(|planned| line(planned, applied, costs)).collect()
}

/// The stored lines of a run that ends before its time, by `code`: what was only planned is not done.
pub(super) fn given_up(
    lines: &mut [RunLine],
    ledger: &BTreeMap<LineRef, Versioned<UnitLine>>,
    run: &RunId,
    code: Code,
) {
    let mut applied = Applied::default();
    for (line, ours) in ledger {
        if let Some(open) = ours.open.as_ref().filter(|open| open.run == *run) {
            applied.waiting.insert(*line, open.sent_by);
        }
    }
    complete(&mut applied, ledger, run);
    let open = |line: &&mut RunLine| matches!(line.state, LineState::Changed | LineState::Unverified);
    for line in lines.iter_mut().filter(open).filter(|line| line.verified_units.is_none()) {
        match line.line.and_then(|line| applied.verdicts.get(&line)) {
            Some(verdict) => judge(line, verdict),
            None => unfinished(line, &applied),
        }
    }
    for line in lines.iter_mut().filter(|line| line.code == Some(NOT_REACHED)) {
        line.code = Some(code);
    }
}

/// How writing a unit cost ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CostResult {
    /// The cost is as wanted.
    Right {
        /// Whether we wrote it in this run.
        written: bool,
    },
    /// Autotask did not take it, or does not show it.
    NotWritable(String),
}

fn line(planned: Planned, applied: &Applied, costs: &BTreeMap<u32, CostResult>) -> RunLine {
    let Planned { mut line, want, cost_only, place, .. } = planned;
    let wrote = want.is_some();
    if let Some(verdict) = line.line.and_then(|line| applied.verdicts.get(&line)) {
        let planned = (line.state, line.code, line.words.clone());
        judge(&mut line, verdict);
        if !wrote {
            // Changed earlier in this run; what is wanted now does not pass by itself.
            let done = std::mem::take(&mut line.words);
            (line.state, line.code, line.words) = planned;
            line.words = format!("{} Earlier in this run: {done}", line.words);
        }
    } else if (wrote || place) && line.state == LineState::Changed && cost_only.is_none() {
        unfinished(&mut line, applied);
    }
    if cost_only.is_some() && !costs.contains_key(&line.no) && !waits(&line, applied) {
        unfinished(&mut line, applied);
    }
    if let Some(cost) = costs.get(&line.no) {
        judge_cost(&mut line, cost);
    }
    if line.words.chars().count() > WORDS_MAX {
        line.words = line.words.chars().take(WORDS_MAX).collect();
    }
    line
}

fn waits(line: &RunLine, applied: &Applied) -> bool {
    line.line.is_some_and(|line| applied.waiting.contains_key(&line))
}

fn unfinished(line: &mut RunLine, applied: &Applied) {
    line.state = LineState::Unverified;
    line.code = Some(Code::WriteUnverified);
    line.words = if waits(line, applied) {
        "A change was sent and has not been seen yet; it is looked at again before anything else is sent.".to_owned()
    } else if applied.cancelled {
        line.state = LineState::Skipped;
        line.code = None;
        "The run was cancelled before this line.".to_owned()
    } else if line.line.is_some_and(|line| applied.blocked.contains(&line)) {
        line.state = LineState::Skipped;
        line.code = Some(Code::SwapWaiting);
        "The line stays as it is until the package that replaces it is billed.".to_owned()
    } else {
        line.state = LineState::Failed;
        line.code = Some(if applied.unauthorised { Code::NeedsRelink } else { NOT_REACHED });
        "The run ended before this line was written; nothing was sent.".to_owned()
    };
}

fn judge(line: &mut RunLine, verdict: &Verdict) {
    match verdict {
        Verdict::Unchanged { units } => {
            line.state = LineState::Unchanged;
            line.verified_units = Some(*units);
            line.words = format!("Already {units} units.");
        }
        Verdict::Changed { before, units, item } => {
            line.state = LineState::Changed;
            line.units_now = Some(*before);
            line.sent = Some(units - before);
            line.verified_units = Some(*units);
            line.adjustment_id = *item;
            line.words = format!("{before} -> {units} units from {}, seen in Autotask.", line.effective_date);
            if let Some(ours) = line.drift_from {
                line.code = Some(Code::DriftDetected);
                line.words.push_str(&format!(" Somebody had changed our {ours} to {before}."));
            }
        }
        Verdict::Superseded { units } => {
            line.state = LineState::Superseded;
            line.code = Some(Code::Superseded);
            line.words = format!("Another run has a newer word on this line: {units} units.");
        }
        Verdict::Refused(text) => refused(line, text.as_deref()),
        Verdict::Held { why, seen } => held(line, *why, *seen),
    }
}

fn refused(line: &mut RunLine, text: Option<&str>) {
    line.state = LineState::Failed;
    let zero = line.units_wanted == Some(0);
    line.code = Some(if zero { Code::ZeroUnitsRefused } else { Code::RejectedByAutotask });
    line.words = match text {
        Some(text) => format!("Autotask said no: {text}"),
        None => "Autotask said no.".to_owned(),
    };
}

fn held(line: &mut RunLine, why: HeldWhy, seen: Option<i64>) {
    line.verified_units = seen;
    line.code = Some(Code::WriteUnverified);
    line.state = LineState::Held;
    let seen = seen.map_or_else(String::new, |units| format!(" Autotask shows {units} units."));
    line.words = match why {
        HeldWhy::ThirdValue => format!("Units are neither as before nor as wanted: somebody else changed them.{seen}"),
        HeldWhy::AckedUnseen => {
            line.state = LineState::Unverified;
            format!("Autotask took the change and does not show it. It is not sent again.{seen}")
        }
        HeldWhy::Tries => format!("The change was sent as often as allowed and never arrived.{seen}"),
        HeldWhy::Unreadable => "The line's units can no longer be read.".to_owned(),
        HeldWhy::Busy => "Others kept changing this line. The next run looks again.".to_owned(),
        HeldWhy::Earlier => "An earlier part of this run left the line to a person.".to_owned(),
        HeldWhy::Halfway => {
            "What was planned for later was taken back, and the run ended before the change itself.".to_owned()
        }
    };
}

fn judge_cost(line: &mut RunLine, cost: &CostResult) {
    let units_fine = matches!(line.state, LineState::Changed | LineState::Unchanged);
    match cost {
        CostResult::Right { written: true } if units_fine => {
            line.state = LineState::Changed;
            if let Some(wanted) = line.cost_wanted {
                line.words.push_str(&format!(" Unit cost is {wanted}."));
            }
        }
        CostResult::NotWritable(why) if units_fine => {
            line.state = LineState::Failed;
            line.code = Some(Code::CostNotWritable);
            line.words.push_str(&format!(" The unit cost could not be set: {why}"));
        }
        CostResult::Right { .. } | CostResult::NotWritable(_) => {}
    }
}

/// The state that a run ends in, by its lines.
pub(super) fn end_state(totals: &Totals, cancelled: bool) -> RunState {
    if cancelled {
        return RunState::Cancelled;
    }
    if totals.failed + totals.held + totals.unverified == 0 { RunState::Done } else { RunState::Partial }
}
