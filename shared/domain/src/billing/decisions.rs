//! What a person's word makes of a planned line. Pure: the same rules hold for a preview that waits and for the held
//! lines of a run that has ended.

use super::plan::Verdict;
use super::reckon::{self, Reckoned};
use super::sources::Ours;
use super::targets::Target;
use crate::problem::Code;
use crate::runs::{Decision, DecisionKind, LineState, RunLine, Undecided, WORDS_MAX};
use crate::units::Seq;
use jiff::civil::Date;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

/// A line with a decision put on it, whatever was decided about it before; or why that cannot be decided.
///
/// # Errors
/// The rule that the line breaks, in words.
pub fn put_on(line: &RunLine, decision: Decision) -> Result<RunLine, String> {
    let line = undecided(line);
    let decision = Decision { was: Some(Box::new(facts(&line))), ..decision };
    match decision.kind {
        DecisionKind::Approve => approved(line, decision),
        DecisionKind::Adjust => adjusted(line, decision),
        DecisionKind::Dismiss => Ok(dismissed(line, decision)),
    }
}

/// A line as it was planned, before anybody decided about it.
#[must_use]
pub fn undecided(line: &RunLine) -> RunLine {
    let mut line = line.clone();
    if let Some(was) = line.decision.take().and_then(|decision| decision.was) {
        line.state = was.state;
        line.code = was.code;
        line.words = was.words;
        line.units_now = was.units_now;
        line.units_wanted = was.units_wanted;
        line.effective_date = was.effective_date;
        line.invoice_change = was.invoice_change;
    }
    line
}

fn facts(line: &RunLine) -> Undecided {
    Undecided {
        state: line.state,
        code: line.code,
        words: line.words.clone(),
        units_now: line.units_now,
        units_wanted: line.units_wanted,
        effective_date: line.effective_date,
        invoice_change: line.invoice_change,
    }
}

fn approved(mut line: RunLine, decision: Decision) -> Result<RunLine, String> {
    match line.state {
        // It is written, or right, without anybody's word.
        LineState::Changed | LineState::Unchanged => {}
        LineState::Held if line.units_wanted.is_some() => {
            line.state = LineState::Changed;
            line.code = None;
            line.words = approved_words(&line, &decision);
        }
        state => return Err(undecidable(state)),
    }
    line.decision = Some(decision);
    Ok(line)
}

fn adjusted(mut line: RunLine, decision: Decision) -> Result<RunLine, String> {
    if !matches!(line.state, LineState::Changed | LineState::Unchanged | LineState::Held) {
        return Err(undecidable(line.state));
    }
    let Some(units) = decision.units.or(line.units_wanted) else {
        return Err("has no units of its own: say how many".to_owned());
    };
    let date = decision.effective_date.unwrap_or(line.effective_date);
    if date != line.effective_date {
        // Another date, another row: what is there is read when the line is written.
        line.units_now = None;
    }
    let price = unit_price(&line);
    line.effective_date = date;
    line.units_wanted = Some(units);
    let delta = line.units_now.map(|now| units - now);
    line.invoice_change = price.zip(delta).map(|(price, delta)| price * Decimal::from(delta));
    line.state = if delta == Some(0) && !changes_cost(&line) { LineState::Unchanged } else { LineState::Changed };
    line.code = None;
    line.words = adjusted_words(&line, &decision);
    line.decision = Some(decision);
    Ok(line)
}

fn dismissed(mut line: RunLine, decision: Decision) -> RunLine {
    line.state = LineState::Skipped;
    line.code = Some(Code::Dismissed);
    line.words = dismissed_words(&decision);
    line.decision = Some(decision);
    line
}

fn undecidable(state: LineState) -> String {
    format!("is {}: only lines that are held, or are to be written, can be decided so", state.as_str())
}

fn changes_cost(line: &RunLine) -> bool {
    line.cost_wanted.is_some_and(|wanted| line.cost_now != Some(wanted))
}

/// The price of one unit, by the estimate: a price times whole units is divided by those units exactly.
fn unit_price(line: &RunLine) -> Option<Decimal> {
    let delta = line.units_wanted? - line.units_now?;
    line.invoice_change?.checked_div(Decimal::from(delta))
}

/// The words of a held line that a person lets be written.
#[must_use]
pub fn approved_words(line: &RunLine, decision: &Decision) -> String {
    let why = if line.words.is_empty() { String::new() } else { format!(" Without that: {}", line.words) };
    cut(format!("{} Approved by {}.{}{why}", change_words(line), decision.who, said(decision)))
}

/// The words of a line whose units or date a person chose.
#[must_use]
pub fn adjusted_words(line: &RunLine, decision: &Decision) -> String {
    let count = line.count.map_or_else(String::new, |count| format!(" The count is {count}."));
    cut(format!("{} Adjusted by {}.{}{count}", change_words(line), decision.who, said(decision)))
}

/// The words of a line that a person leaves alone.
#[must_use]
pub fn dismissed_words(decision: &Decision) -> String {
    cut(format!("{} dismissed this line for the period.{}", decision.who, said(decision)))
}

fn change_words(line: &RunLine) -> String {
    let date: Date = line.effective_date;
    match (line.units_now, line.units_wanted) {
        (Some(now), Some(wanted)) if now == wanted => format!("Stays at {now} units from {date}."),
        (Some(now), Some(wanted)) => format!("{now} -> {wanted} units from {date}."),
        (None, Some(wanted)) => format!("{wanted} units from {date}."),
        (_, None) => String::new(),
    }
}

fn said(decision: &Decision) -> String {
    decision.note.as_ref().map_or_else(String::new, |note| format!(" `{note}`"))
}

/// Lets lines go that were held only because too many others were, where not too many are any more. True: the plan is
/// no longer stopped.
pub fn release(lines: &mut [RunLine], stop_run_percent: i64) -> bool {
    let stopped = |line: &RunLine| line.state == LineState::Held && line.code == Some(Code::RunStopped);
    let held = lines.iter().filter(|line| line.state == LineState::Held && !stopped(line)).count();
    let limit = usize::try_from(stop_run_percent).unwrap_or(0);
    if held * 100 > lines.len() * limit {
        return false;
    }
    for line in lines.iter_mut().filter(|line| stopped(line)) {
        line.state = LineState::Changed;
        line.code = None;
        line.words = change_words(line);
    }
    true
}

/// What a decision changes of how a line is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Word {
    /// Whether guards and drift no longer hold it.
    pub lifts: bool,
    /// Whether its units are a person's own.
    pub pressed: bool,
    /// From when it counts, whatever the policies say.
    pub date: Option<Date>,
}

/// Puts what a person decided about a line on what it should have.
pub(super) fn heed(mut reckoned: Reckoned, stored: Option<&RunLine>) -> Reckoned {
    let Some(decision) = stored.and_then(|line| line.decision.as_ref()) else { return reckoned };
    match decision.kind {
        DecisionKind::Dismiss => {}
        DecisionKind::Approve => reckoned.word.lifts = true,
        DecisionKind::Adjust => {
            let was = decision.was.as_deref();
            let units = decision.units.or_else(|| was.and_then(|was| was.units_wanted));
            let date = decision.effective_date.or_else(|| was.map(|was| was.effective_date));
            reckoned.reckoning.units = units.unwrap_or(reckoned.reckoning.units);
            // Newer than every count that the person could know of.
            reckoned.seq = Seq { at: decision.at, count_as_of: decision.at, id: reckon::pressed(&decision.who) };
            reckoned.word = Word { lifts: true, pressed: true, date };
        }
    }
    reckoned
}

/// Why a line is left alone in this period, where a person said so: in the run itself, or for the period.
pub(super) fn dismissed_by(ours: &Ours, target: &Target, stored: Option<&RunLine>) -> Option<Verdict> {
    let skipped = |words: String| Some((LineState::Skipped, Some(Code::Dismissed), words));
    match stored.and_then(|line| line.decision.as_ref()) {
        Some(decision) if decision.kind == DecisionKind::Dismiss => return skipped(dismissed_words(decision)),
        Some(_) => return None,
        None => {}
    }
    let dismissal = ours.dismissed.get(&(target.mapping.account.clone(), target.package.clone()))?;
    skipped(dismissal.words())
}

/// What a plan would write, hashed: two plans with the same hash write the same.
#[must_use]
pub fn plan_hash<'a>(lines: impl IntoIterator<Item = &'a RunLine>) -> String {
    let mut digest = Sha256::new();
    for line in lines {
        let text = format!(
            "{}|{}|{:?}|{}|{}|{:?}|{:?}|{:?}|{}|{:?}\n",
            line.account,
            line.package,
            line.kind,
            line.service_id,
            line.leaving,
            line.units_now,
            line.units_wanted,
            line.cost_wanted,
            line.effective_date,
            line.state
        );
        digest.update(text.as_bytes());
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cut(words: String) -> String {
    if words.chars().count() > WORDS_MAX { words.chars().take(WORDS_MAX).collect() } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Role;
    use crate::runs::sample::line;
    use jiff::Timestamp;
    use jiff::civil::date;

    fn decision(kind: DecisionKind, units: Option<i64>, effective_date: Option<Date>) -> Decision {
        Decision {
            kind,
            units,
            effective_date,
            note: Some("checked".to_owned()),
            who: "ann".to_owned(),
            role: Role::PartnerBilling,
            at: Timestamp::UNIX_EPOCH,
            was: None,
        }
    }

    fn money(text: &str) -> Option<Decimal> {
        Some(text.parse().unwrap())
    }

    fn held() -> RunLine {
        let line = RunLine { invoice_change: money("87.50"), ..line(1, 10, 60) };
        RunLine { state: LineState::Held, code: Some(Code::HeldLargeChange), words: "Large.".to_owned(), ..line }
    }

    #[test]
    fn a_word_changes_the_line_and_the_next_word_starts_from_the_plan() {
        use DecisionKind::{Adjust, Approve, Dismiss};
        let approved = put_on(&held(), decision(Approve, None, None)).unwrap();
        assert_eq!((approved.state, approved.code, approved.units_wanted), (LineState::Changed, None, Some(60)));
        let adjusted = put_on(&approved, decision(Adjust, Some(14), None)).unwrap();
        assert_eq!((adjusted.state, adjusted.units_wanted), (LineState::Changed, Some(14)));
        assert_eq!(adjusted.invoice_change, money("7.00"), "1.75 for each of 4");
        let dismissed = put_on(&adjusted, decision(Dismiss, None, None)).unwrap();
        assert_eq!((dismissed.state, dismissed.code), (LineState::Skipped, Some(Code::Dismissed)));
        assert_eq!((dismissed.units_wanted, dismissed.invoice_change), (Some(60), money("87.50")));
        assert_eq!(undecided(&dismissed), held(), "nothing of the plan is lost");
    }

    #[test]
    fn adjusted_to_what_is_there_already_a_line_stays_and_at_another_date_nobody_knows_yet() {
        let same = put_on(&held(), decision(DecisionKind::Adjust, Some(10), None)).unwrap();
        assert_eq!((same.state, same.invoice_change), (LineState::Unchanged, money("0.00")));
        let later = put_on(&held(), decision(DecisionKind::Adjust, None, Some(date(2026, 12, 1)))).unwrap();
        assert_eq!((later.effective_date, later.units_now, later.units_wanted), (date(2026, 12, 1), None, Some(60)));
        assert_eq!((later.state, later.invoice_change), (LineState::Changed, None));
    }

    #[test]
    fn lines_that_cannot_be_written_are_neither_approved_nor_adjusted() {
        for state in [LineState::Failed, LineState::Skipped, LineState::Superseded, LineState::Unverified] {
            let line = RunLine { state, ..held() };
            for kind in [DecisionKind::Approve, DecisionKind::Adjust] {
                let refused = put_on(&line, decision(kind, Some(3), None)).unwrap_err();
                assert!(refused.starts_with(&format!("is {}", state.as_str())), "{refused}");
            }
            assert!(put_on(&line, decision(DecisionKind::Dismiss, None, None)).is_ok());
        }
    }

    #[test]
    fn a_stopped_plan_goes_on_once_few_enough_lines_are_held() {
        let stopped = |no| RunLine { state: LineState::Held, code: Some(Code::RunStopped), ..line(no, 10, 12) };
        let mut lines = vec![held(), RunLine { no: 2, ..held() }, stopped(3), stopped(4)];
        assert!(!release(&mut lines, 30), "two of four");
        assert_eq!(lines[2].state, LineState::Held);
        lines[0] = put_on(&lines[0], decision(DecisionKind::Approve, None, None)).unwrap();
        assert!(release(&mut lines, 30), "one of four");
        let states: Vec<LineState> = lines.iter().map(|line| line.state).collect();
        assert_eq!(states, [LineState::Changed, LineState::Held, LineState::Changed, LineState::Changed]);
        assert_eq!(lines[2].words, "10 -> 12 units from 2026-11-01.");
    }

    #[test]
    fn plans_that_write_the_same_have_the_same_hash_and_no_others() {
        let approved = put_on(&held(), decision(DecisionKind::Approve, None, None)).unwrap();
        let hash = |line: &RunLine| plan_hash([line]);
        let worded = RunLine { words: "Otherwise.".to_owned(), no: 7, ..held() };
        assert_eq!(hash(&held()), hash(&worded));
        assert_ne!(hash(&held()), hash(&approved));
        assert_ne!(hash(&approved), hash(&RunLine { units_wanted: Some(61), ..approved.clone() }));
    }
}
