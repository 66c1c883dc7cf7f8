//! Takes back what a run wrote: each line gets the units that it had before, at the same date, if it still has those
//! that the run gave it. Pure.

use super::reading::Row;
use crate::ids::RunId;
use crate::problem::Code;
use crate::runs::{LineState, RunLine};
use crate::units::{Outcome, UnitLine};
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
