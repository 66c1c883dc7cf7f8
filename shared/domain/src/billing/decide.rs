//! Decides what a run does with one line. Pure.

use super::creation::Step;
use super::guards::{drift, refusal};
use super::plan::{Frame, Planned, Verdict};
use super::reading::{Row, Theirs};
use super::reckon::{Reckoned, reckon};
use super::sources::Ours;
use super::targets::{Role, Target, Unserved, unserved_name};
use super::trouble::{unfit, unseen};
use super::when::{When, of_new_line, when};
use super::{decisions, undo};
use crate::calendar::month_of;
use crate::connections::Settings;
use crate::ids::{LineKind, LineRef, PackageId, RunId};
use crate::mappings::Mapping;
use crate::problem::Code;
use crate::runs::{LineState, RunKind, RunLine};
use crate::units::{UnitLine, Want};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

/// Decides one line. `swapped`: it is one half of a swap; `forced`: the later date of the other half.
pub(super) fn decide(
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
        onward: reckoned.onward,
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
            let date = || of_new_line(theirs, frame, target, reckoned, forced);
            match reckoned.word.date.map_or_else(date, Ok) {
                Ok(date) => line.effective_date = date,
                Err(undated) => return Planned::verdict(line, undated.verdict),
            }
            line.units_now = Some(0);
            let price = theirs.prices.get(&target.creation().service);
            line.invoice_change = price.map(|price| price * Decimal::from(units));
            line.created = true;
            let words = format!("New on the contract: 0 -> {units} units from {}.", line.effective_date);
            let line = RunLine { state: LineState::Changed, words, ..line };
            let after = target.after.clone();
            Planned { explicit: reckoned.explicit, place: true, after, ..Planned::new(line) }
        }
    }
}

/// A package that ought to be billed, and that nobody has mapped.
pub(super) fn unmapped(ours: &Ours, frame: &Frame<'_>, unserved: &Unserved) -> Planned {
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
