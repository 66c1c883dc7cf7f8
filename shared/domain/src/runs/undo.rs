//! A person takes back what a run wrote.

use super::apply::not_writable;
use super::decide::{NOTE_CHARS_MAX, refuse_one_person};
use super::read::load_run;
use super::start::{lease_for, ready, sent};
use super::{LineState, Run, RunKind, RunLine, RunMode, Trigger, lines};
use crate::actor::{Actor, Scope};
use crate::billing::undo as planner;
use crate::change::Change;
use crate::ids::{AccountId, ConnectionId, PartnerId, RunId};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, FieldError, Problem, Result};
use serde_json::json;
use std::collections::BTreeSet;

/// How often it is tried against others of the same connection.
const TRIES: u32 = 4;

/// What to take back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// The numbers of the lines; none means everything that the run wrote.
    pub lines: Option<Vec<u32>>,
    /// Whether it is written at once.
    pub mode: RunMode,
    /// Why.
    pub note: Option<String>,
}

/// Starts a run that gives lines of a run that has ended the units that they had before it, at the same date. Which
/// of them can be taken back is found out when it is carried out: a line that has moved, or whose period is posted,
/// stays and says why. What is undone already is left as it is.
///
/// # Errors
/// `not_found`; `run_not_writable` for a run that is under way, a preview, one without lines, or one that wrote
/// nothing; `invalid_input` naming every wrong number at once; `second_person_needed`; otherwise as for a start.
pub async fn undo(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, connection, id): (&PartnerId, &ConnectionId, &RunId),
    wanted: &Undo,
) -> Result<Run> {
    let origin = load_run(ports, scope, partner, connection, id).await?;
    if !origin.kind.is_billing() || origin.mode != RunMode::Apply || !origin.state.is_final() {
        return Err(not_writable(&origin, "Only a run that wrote units and has ended can be undone"));
    }
    let report = lines::load_lines(ports, scope, partner, connection, id).await?;
    let planned = choose(&report, wanted)?;
    if planned.is_empty() {
        return Err(Error::problem(Code::RunNotWritable, "The run changed no line, so there is nothing to undo."));
    }
    let settings = ready(ports, scope, partner, connection, RunKind::Undo).await?;
    refuse_one_person(&settings, actor, wanted.mode)?;
    let mut run = Run::queued(ports, actor, (partner, connection), RunKind::Undo, Trigger::Manual);
    if wanted.mode == RunMode::Apply {
        lease_for(ports, scope, &run).await?;
    }
    run.mode = wanted.mode;
    run.undo_of = Some(id.clone());
    let accounts: BTreeSet<AccountId> = planned.iter().map(|line| line.account.clone()).collect();
    run.accounts = Some(accounts.into_iter().collect());
    run.period = origin.period;
    run.effective_date = origin.effective_date;
    run.settings = Some(settings);
    // Before the run: a worker that takes it up finds them. Should the run not come about, nobody ever reads them.
    run.chunks = lines::store_lines(ports, scope, &run, &planned).await?;
    claim(ports, scope, actor, &run, wanted).await?;
    sent(ports, scope, actor, run).await
}

/// The lines that are to be taken back, numbered anew.
fn choose(report: &[RunLine], wanted: &Undo) -> Result<Vec<RunLine>> {
    let mut wrong = Vec::new();
    if wanted.note.as_ref().is_some_and(|note| note.chars().count() > NOTE_CHARS_MAX) {
        let detail = format!("must have at most {NOTE_CHARS_MAX} characters");
        wrong.push(FieldError { pointer: "/note".to_owned(), detail });
    }
    let named: Option<BTreeSet<u32>> = wanted.lines.as_ref().map(|numbers| numbers.iter().copied().collect());
    for (n, no) in wanted.lines.iter().flatten().enumerate() {
        let detail = match report.iter().find(|line| line.no == *no) {
            None => "is no line of this run",
            Some(line) if planner::made(line).is_none() => "was not changed by this run",
            Some(_) => continue,
        };
        wrong.push(FieldError { pointer: format!("/lines/{n}"), detail: format!("line {no} {detail}") });
    }
    if named.as_ref().is_some_and(BTreeSet::is_empty) {
        let detail = "must name at least one line; leave it out for all".to_owned();
        wrong.push(FieldError { pointer: "/lines".to_owned(), detail });
    }
    if let Some(problem) = Problem::fields(wrong) {
        return Err(problem.into());
    }
    let meant = report.iter().filter(|line| named.as_ref().is_none_or(|named| named.contains(&line.no)));
    let lines = meant.filter_map(|line| Some(planner::back(line, planner::made(line)?)));
    Ok((1..).zip(lines).map(|(no, line)| not_yet(RunLine { no, ..line })).collect())
}

/// A line of a run that nobody has begun: nothing is called changed before it is.
pub(super) fn not_yet(line: RunLine) -> RunLine {
    if line.state != LineState::Changed {
        return line;
    }
    RunLine { state: LineState::Unverified, words: format!("Not written yet: {}", line.words), ..line }
}

async fn claim(ports: &Ports, scope: &Scope, actor: &Actor, run: &Run, wanted: &Undo) -> Result<()> {
    let after = json!({
        "kind": run.kind, "trigger": run.trigger, "mode": run.mode, "undo_of": run.undo_of, "accounts": run.accounts,
        "lines": wanted.lines, "note": wanted.note,
    });
    for _ in 0..TRIES {
        let mut change = Change::of_connection(ports, actor, &run.partner, &run.connection).create(run)?;
        if run.mode == RunMode::Apply {
            change = change.write(lease_for(ports, scope, run).await?);
        }
        let change = change.audit("run.started", format!("run/{}", run.id), json!(null), after.clone())?;
        match change.commit(scope).await {
            Err(StorageError::Conflict { .. }) => {}
            other => return Ok(other?),
        }
    }
    Err(Error::problem(Code::Conflict, "Other runs of this connection start and end at the same moment."))
}
