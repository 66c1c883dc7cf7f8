//! Takes back what a run wrote: each line gets the units that it had before, at the same date, if it still has those
//! that the run gave it.

use super::plan::{Frame, Planned};
use super::prepare::Prepared;
use super::reading::{Row, Theirs};
use super::reckon;
use super::sources::Ours;
use super::targets::{Role, Target};
use super::trouble::unseen;
use crate::actor::Scope;
use crate::ids::RunId;
use crate::mappings::{self, Context, ContractRef, MappedLine, Mapping, MappingSource, MappingStatus};
use crate::packages::{QuantityRule, QuantitySource, ServiceTarget};
use crate::ports::Ports;
use crate::problem::{Code, Error, Result};
use crate::runs::{DecisionKind, LineName, LineState, Run, RunKind, RunLine};
use crate::units::{Outcome, Seq, UnitLine, Want};
use rust_decimal::Decimal;

/// What a run made of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Units before.
    pub before: i64,
    /// Units since.
    pub after: i64,
    /// The unit cost before, where the run wrote another one.
    pub cost_before: Option<Decimal>,
}

/// What a run made of a line of its report; none where it changed nothing, or nobody knows.
#[must_use]
pub fn made(line: &RunLine) -> Option<Made> {
    line.line?;
    let cost_before = line
        .cost_now
        .filter(|now| line.state == LineState::Changed && line.cost_wanted.is_some_and(|wanted| wanted != *now));
    let after = line.verified_units.or(line.units_now)?;
    let sent = line.sent.filter(|_| line.verified_units.is_some()).unwrap_or(0);
    let before = if line.created && line.state == LineState::Changed { 0 } else { after - sent };
    (before != after || cost_before.is_some()).then_some(Made { before, after, cost_before })
}

/// The line of an undo's plan, before anything is read.
#[must_use]
pub fn back(line: &RunLine, made: Made) -> RunLine {
    RunLine {
        created: false,
        reckoning: None,
        decision: None,
        units_now: Some(made.after),
        count: None,
        count_as_of: None,
        units_wanted: Some(made.before),
        cost_now: made.cost_before.and(line.cost_wanted),
        cost_wanted: made.cost_before,
        invoice_change: line.invoice_change.map(|change| -change),
        period_billed: false,
        drift_from: None,
        state: LineState::Changed,
        code: None,
        words: change_words(line, made),
        sent: None,
        verified_units: None,
        adjustment_id: None,
        ..line.clone()
    }
}

fn change_words(line: &RunLine, made: Made) -> String {
    match made.cost_before {
        Some(cost) if made.before == made.after => {
            format!("Units stay {}; unit cost becomes {cost} again.", made.after)
        }
        _ => format!("{} -> {} units from {}, as before.", made.after, made.before, line.effective_date),
    }
}

/// What the protocol is to bring about. A person's press is newer than any count of before. `onward`: the run that is
/// undone wrote what counts at later dates, too, so that those go back with it.
#[must_use]
pub fn want(run: &Run, line: &RunLine, made: Made, onward: bool) -> Want {
    let at = run.created_at;
    Want {
        units: made.before,
        effective_date: line.effective_date,
        cost: made.cost_before,
        seq: Seq { at, count_as_of: at, id: reckon::pressed(run.id.as_str()) },
        pressed: true,
        onward,
        run: run.id.clone(),
    }
}

/// A line of the run that is undone.
#[derive(Debug, Clone)]
pub struct Undone {
    /// As that run reported it.
    pub line: RunLine,
    /// What it made of it.
    pub made: Made,
    /// Whether what it wrote counts at our own later dates, too.
    pub onward: bool,
}

impl Undone {
    /// A line that a run, of a kind that counts `onward` or for one month, is known to have changed.
    #[must_use]
    pub fn new(line: RunLine, onward: bool) -> Option<Self> {
        made(&line).map(|made| Self { line, made, onward })
    }

    /// Whether it is the old half of a swap, gone to nothing: then the new half goes down only after it is back.
    fn gone(&self) -> bool {
        self.made.after == 0 && self.made.before > 0
    }

    /// Whether it is the new half of a swap, come from nothing.
    fn new_there(&self) -> bool {
        self.made.before == 0 && self.made.after > 0
    }
}

/// What an undo decides about: lines, whatever they are mapped to by now.
pub(super) fn targets(ours: &Ours, run: &Run) -> Vec<Target> {
    let undone = ours.undone.values();
    undone.filter_map(|undone| target(ours, run, undone)).collect()
}

fn target(ours: &Ours, run: &Run, undone: &Undone) -> Option<Target> {
    let line = &undone.line;
    let name = line.contract_name.clone().unwrap_or_default();
    let contract = ContractRef { id: line.contract_id?, name, start: None, end: None };
    let swapped = |other: &&Undone| undone.new_there() && other.gone() && other.line.account == line.account;
    let after: Vec<LineName> = ours.undone.values().filter(swapped).map(|other| other.line.name()).collect();
    let mapping = ours.mappings.get(&line.account).cloned().unwrap_or_else(|| unmapped(run, line, &contract));
    Some(Target {
        mapping,
        package: line.package.clone(),
        contract,
        service: ServiceTarget {
            kind: line.kind,
            id: line.service_id,
            name: line.service_name.clone(),
            product_id: None,
        },
        line: line.line,
        step: None,
        changed: false,
        overwrite_cost: Some(undone.made.cost_before.is_some()),
        role: if line.leaving { Role::Leaving } else { Role::Billed },
        source: QuantitySource::Package,
        rule: QuantityRule::default(),
        parts: Vec::new(),
        after,
    })
}

/// An account that is no longer mapped: its lines can be taken back all the same.
fn unmapped(run: &Run, line: &RunLine, contract: &ContractRef) -> Mapping {
    Mapping {
        partner: run.partner.clone(),
        connection: run.connection.clone(),
        account: line.account.clone(),
        status: MappingStatus::Confirmed,
        company: None,
        contract: Some(contract.clone()),
        contracts: Vec::new(),
        lines: Vec::new(),
        leaving: Vec::new(),
        source: MappingSource::Manual,
        broken: None,
        paused: false,
        confirmed_at: None,
        updated_at: run.created_at,
    }
}

/// Decides about one line.
pub(super) fn plan(ours: &Ours, theirs: &Theirs, frame: &Frame<'_>, target: &Target, undone: &Undone) -> Planned {
    let mut made = undone.made;
    let mut line = back(&undone.line, made);
    line.decision = ours.stored.get(&target.name()).and_then(|stored| stored.decision.clone());
    let Some(line_ref) = line.line else { return Planned::verdict(line, unseen(theirs, frame, target, frame.date)) };
    let date = line.effective_date;
    let Some(units) = theirs.units_at(line_ref, date) else {
        line.units_now = None;
        let unread = (!theirs.was_read(line_ref, date)).then_some(date);
        return Planned { unread, explicit: true, ..Planned::verdict(line, unseen(theirs, frame, target, date)) };
    };
    let row = theirs.row_at(line_ref, date);
    line.units_now = Some(units);
    line.period_billed = row.is_some_and(|row| row.billed);
    line.cost_now = theirs.lines.get(&line_ref).and_then(|facts| facts.unit_cost);
    let price = theirs.lines.get(&line_ref).and_then(|facts| facts.unit_price);
    let change = price.map(|price| price * Decimal::from(made.before - units));
    line.invoice_change = change.or(line.invoice_change);
    // A cost that somebody has set since is theirs.
    let ours_still = line.cost_now == undone.line.cost_wanted || line.cost_now == made.cost_before;
    made.cost_before = made.cost_before.filter(|_| ours_still);
    line.cost_wanted = made.cost_before;
    if let Some(dismissal) = line.decision.as_ref().filter(|decision| decision.kind == DecisionKind::Dismiss) {
        let words = super::decisions::dismissed_words(dismissal);
        return Planned {
            explicit: true,
            ..Planned::verdict(line, (LineState::Skipped, Some(Code::Dismissed), words))
        };
    }
    let cost_differs = made.cost_before.is_some_and(|cost| line.cost_now != Some(cost));
    let ledger = ours.ledger.get(&line_ref).map(|found| &found.value);
    let seen = Seen { units, row, ledger, cost_differs };
    let origin = frame.run.undo_of.as_ref().unwrap_or(&frame.run.id);
    let verdict = judge((&frame.run.id, origin), &undone.line, made, &seen);
    let wanted = matches!(verdict.0, LineState::Changed | LineState::Unchanged);
    Planned {
        want: wanted.then(|| want(frame.run, &line, made, undone.onward)),
        cost_only: made.cost_before.filter(|_| verdict.0 == LineState::Changed && cost_differs && units == made.before),
        explicit: true,
        after: target.after.clone(),
        ..Planned::verdict(line, verdict)
    }
}

/// Lines that get units back although their package has left them are kept in the mapping as such: the next run over
/// the account takes the units off again, together with what it bills instead.
pub(super) async fn keep_left(ports: &Ports, scope: &Scope, run: &Run, prepared: &mut Prepared) -> Result<()> {
    if run.kind != RunKind::Undo {
        return Ok(());
    }
    let (partner, connection) = (&run.partner, &run.connection);
    let context = Context { ports, scope, actor: &run.actor, partner, connection };
    let back = |planned: &&mut Planned| {
        planned.line.leaving && planned.line.state == LineState::Changed && planned.line.units_wanted != Some(0)
    };
    for planned in prepared.plan.lines.iter_mut().filter(back) {
        let Some(line) = planned.line.line else { continue };
        let left = MappedLine {
            package_id: planned.line.package.clone(),
            line,
            service_id: planned.line.service_id,
            service_name: planned.line.service_name.clone(),
            overwrite_cost: None,
        };
        match mappings::keep_left(context, &planned.line.account, &left).await {
            Err(Error::Problem(problem)) if problem.code == Code::ContractServiceShared => {
                let verdict = (LineState::Failed, Some(problem.code), problem.detail.clone());
                *planned = Planned { explicit: true, ..Planned::verdict(planned.line.clone(), verdict) };
            }
            other => other?,
        }
    }
    Ok(())
}

/// What is seen of a line at its date.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Units.
    pub units: i64,
    /// The row that says so.
    pub row: Option<&'a Row>,
    /// Our ledger.
    pub ledger: Option<&'a UnitLine>,
    /// Whether the old unit cost is still to be written, where units are right.
    pub cost_differs: bool,
}

/// Whether a line can be taken back, with the words for it: `run` undoes what `origin` wrote.
#[must_use]
pub fn judge(
    (run, origin): (&RunId, &RunId),
    line: &RunLine,
    made: Made,
    seen: &Seen<'_>,
) -> (LineState, Option<Code>, String) {
    let Made { before, after, .. } = made;
    let now = seen.units;
    let change = (LineState::Changed, None, change_words(line, made));
    if begun(run, before, seen.ledger) {
        return change;
    }
    let open = seen.ledger.and_then(|ledger| ledger.open.as_ref());
    if open.is_some() {
        let words = "Another change of this line is not settled yet; undo it again when it is.";
        return (LineState::Held, Some(Code::WriteUnverified), words.to_owned());
    }
    if now == before {
        return match seen.cost_differs {
            true => change,
            false => (LineState::Unchanged, None, format!("Already undone: {now} units.")),
        };
    }
    let moved = |why: &str| {
        let words = format!("It had {before} units, the run made it {after}, and now it has {now}: {why}");
        (LineState::Failed, Some(Code::LineMoved), words)
    };
    if now != after {
        return moved("somebody changed it since.");
    }
    if written_since(origin, line, seen.ledger) {
        return moved("a later run wrote it since.");
    }
    if let Some(row) = seen.row.filter(|row| row.billed) {
        let next = row.end.tomorrow().map_or_else(|_| String::new(), |next| format!(", or from {next} on"));
        let words = format!(
            "The period {} to {} is already posted: {now} units stay. Enter {} units by hand in Autotask to take it \
             back in this period{next}.",
            row.start,
            row.end,
            signed(before - after)
        );
        return (LineState::Skipped, Some(Code::PeriodAlreadyBilled), words);
    }
    change
}

fn signed(change: i64) -> String {
    format!("{change:+}")
}

/// Whether this undo has begun with the line: then it is not judged anew.
fn begun(run: &RunId, before: i64, ledger: Option<&UnitLine>) -> bool {
    let Some(ledger) = ledger else { return false };
    let open = ledger.open.as_ref().is_some_and(|open| open.run == *run);
    open || ledger.last.as_ref().is_some_and(|last| last.run == *run && last.target == before)
}

/// Whether another run than the one that is undone wrote the line last, at this date: units may be the same by chance.
fn written_since(origin: &RunId, line: &RunLine, ledger: Option<&UnitLine>) -> bool {
    let last = ledger.and_then(|ledger| ledger.last.as_ref());
    last.is_some_and(|last| {
        let done = matches!(last.outcome, Outcome::Verified | Outcome::Applied);
        done && last.run != *origin && last.effective_date == line.effective_date
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ConnectionId, LineRef, PartnerId};
    use crate::runs::sample::line;
    use crate::units::{Closed, Intent, Purpose};
    use jiff::Timestamp;
    use jiff::civil::date;

    /// 10 -> 12 by a run.
    fn written() -> RunLine {
        let base = line(1, 10, 12);
        RunLine { sent: Some(2), verified_units: Some(12), invoice_change: Some("8".parse().unwrap()), ..base }
    }

    fn run(name: &str) -> RunId {
        RunId::new(name).unwrap()
    }

    fn row(billed: bool) -> Row {
        let (start, end) = (date(2026, 11, 1), date(2026, 11, 30));
        Row { id: 1, contract_id: Some(7), start, end, units: 12, billed }
    }

    fn ledger(by: &str, target: i64) -> UnitLine {
        let (partner, connection) = (PartnerId::new("acme").unwrap(), ConnectionId::new("con_1").unwrap());
        let closed = Closed {
            attempt: 1,
            run: run(by),
            tries: 1,
            units_before: 10,
            target,
            effective_date: date(2026, 11, 1),
            outcome: Outcome::Verified,
            heard: None,
            at: Timestamp::UNIX_EPOCH,
        };
        UnitLine { last: Some(closed), ..UnitLine::new(&partner, &connection, LineRef::service(1)) }
    }

    fn judged(units: i64, billed: bool, ledger: &UnitLine) -> (LineState, Option<Code>) {
        let (own, origin, line) = (run("undo"), run("origin"), written());
        let row = row(billed);
        let seen = Seen { units, row: Some(&row), ledger: Some(ledger), cost_differs: false };
        let (state, code, words) = judge((&own, &origin), &line, made(&line).unwrap(), &seen);
        assert!(!words.is_empty());
        (state, code)
    }

    #[test]
    fn only_what_a_run_is_known_to_have_changed_can_be_taken_back() {
        let unchanged = || RunLine { state: LineState::Unchanged, verified_units: Some(10), ..line(1, 10, 10) };
        let cost = |text: &str| Some(text.parse::<Decimal>().unwrap());
        let cost_only =
            RunLine { state: LineState::Changed, cost_now: cost("1.5"), cost_wanted: cost("2"), ..line(1, 10, 10) };
        let same = |before, after| Some(Made { before, after, cost_before: None });
        for (line, wanted) in [
            (written(), same(10, 12)),
            (RunLine { created: true, units_now: Some(0), verified_units: Some(5), ..line(1, 0, 5) }, same(0, 5)),
            (unchanged(), None),
            (RunLine { state: LineState::Unverified, sent: None, ..line(1, 10, 12) }, None),
            // Units were written, the cost was not.
            (RunLine { state: LineState::Failed, code: Some(Code::CostNotWritable), ..written() }, same(10, 12)),
            (cost_only, Some(Made { before: 10, after: 10, cost_before: cost("1.5") })),
        ] {
            assert_eq!(made(&line), wanted, "{line:?}");
        }
    }

    #[test]
    fn a_line_is_taken_back_only_while_it_has_what_the_run_gave_it() {
        let ours = ledger("origin", 12);
        for (units, billed, ledger, wanted) in [
            (12, false, &ours, (LineState::Changed, None)),
            (10, false, &ours, (LineState::Unchanged, None)),
            (10, true, &ours, (LineState::Unchanged, None)),
            (11, false, &ours, (LineState::Failed, Some(Code::LineMoved))),
            (11, true, &ours, (LineState::Failed, Some(Code::LineMoved))),
            (12, true, &ours, (LineState::Skipped, Some(Code::PeriodAlreadyBilled))),
            (12, false, &ledger("later", 12), (LineState::Failed, Some(Code::LineMoved))),
            // What this undo has begun is not judged anew, whatever is seen.
            (12, true, &ledger("undo", 10), (LineState::Changed, None)),
        ] {
            assert_eq!(judged(units, billed, ledger), wanted, "{units} {billed} {ledger:?}");
        }
    }

    #[test]
    fn a_line_with_another_change_on_its_way_waits() {
        let open = Intent {
            attempt: 2,
            run: run("other"),
            tries: 1,
            purpose: Purpose::Target,
            units_before: 12,
            target: 14,
            effective_date: date(2026, 11, 1),
            sent_by: Timestamp::UNIX_EPOCH,
            acked: false,
            heard: None,
        };
        let busy = UnitLine { open: Some(open), ..ledger("origin", 12) };
        assert_eq!(judged(12, false, &busy), (LineState::Held, Some(Code::WriteUnverified)));
    }

    #[test]
    fn going_back_is_the_change_with_its_sign_turned() {
        let back = back(&written(), made(&written()).unwrap());
        assert_eq!((back.units_now, back.units_wanted), (Some(12), Some(10)));
        assert_eq!(back.invoice_change, Some("-8".parse().unwrap()));
        assert_eq!((back.sent, back.verified_units, back.state), (None, None, LineState::Changed));
    }
}
