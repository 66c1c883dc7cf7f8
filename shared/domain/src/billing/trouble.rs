//! What is wrong on Autotask's side: contracts and lines that cannot be billed, or not be seen. Pure.

use super::creation::Step;
use super::plan::{Frame, Verdict};
use super::reading::Theirs;
use super::targets::Target;
use crate::problem::Code;
use crate::runs::LineState;
use jiff::civil::Date;

/// What is wrong with the contract of a line that is not on it.
pub(super) fn unfit(theirs: &Theirs, frame: &Frame<'_>, target: &Target) -> Option<Verdict> {
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
