//! A person decides about lines: of a preview, before it is applied; or of a run that has ended, which becomes a new
//! run over the lines that are to be written after all.

use super::apply::not_writable;
use super::dismissal::Dismissal;
use super::read::load_run;
use super::start::window;
use super::{Decision, DecisionKind, LineState, Run, RunKind, RunLine, RunMode, RunState, Totals, follow, lines, read};
use crate::actor::{Actor, Role, Scope};
use crate::billing::decisions;
use crate::change::Change;
use crate::connections::settings::{Settings, SettingsRecord};
use crate::connections::{check_version, load_connection};
use crate::ids::{AccountId, ConnectionId, PackageId, PartnerId, RunId};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, FieldError, Problem, Result};
use crate::records::{Expect, Key, Record, Versioned, Write, load};
use crate::vendor::COUNT_MAX;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most lines that are decided by one call.
pub const DECIDED_MAX: usize = 500;
/// Longest note, in characters.
pub const NOTE_CHARS_MAX: usize = 500;
/// Lines of one transaction: each may write its chunk and its dismissal, below the 100 writes that one takes.
const BATCH: usize = 40;
/// Chunks that a transaction takes beside the dismissals of a batch, the run, its lease, audit and event.
const CHUNKS_MAX: usize = 50;
/// How often it is tried against somebody who decides about the same run.
const TRIES: u32 = 4;
const RULE: &str = "Only the lines of a preview that waits, or of a run that has ended, can be decided";

/// What is said of a number that no line has.
pub const NO_SUCH_LINE: &str = "is no line of this run";

/// Which lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chosen {
    /// By number; none means all that can be decided so.
    pub numbers: Option<Vec<u32>>,
    /// Only those in this state.
    pub state: Option<LineState>,
}

/// What is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decide {
    /// Which lines.
    pub lines: Chosen,
    /// What.
    pub kind: DecisionKind,
    /// Units, to adjust.
    pub units: Option<i64>,
    /// From when, to adjust: from the first day of the month before to the last day of the next month.
    pub effective_date: Option<Date>,
    /// Why.
    pub note: Option<String>,
}

/// What came of a decision.
#[derive(Debug)]
pub enum Decided {
    /// It stands in the run's lines.
    Here(Versioned<Run>),
    /// A new run writes the lines.
    Queued(Run),
}

/// Puts a person's word on lines of a run.
///
/// Of a preview that waits, lines, totals, estimate and `plan_hash` change with it; it can be changed until the plan
/// is applied. Of a run that has ended, lines that are held are approved or adjusted into a run that is queued at
/// once. A dismissed line is left alone by all runs of the period.
///
/// # Errors
/// `not_found`; `precondition_failed`; `run_not_writable`; `invalid_input` naming every wrong field and number at
/// once; `second_person_needed`; for a run that has ended also as for a start.
pub async fn decide(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId, &RunId),
    wanted: &Decide,
    if_match: Option<u64>,
) -> Result<Decided> {
    for _ in 0..TRIES {
        let found = load_run(ports, scope, of.0, of.1, of.2).await?;
        check_version(if_match, found.v)?;
        match once(ports, scope, actor, found, wanted).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            other => return other,
        }
    }
    Err(Error::problem(Code::Conflict, "Others decide about the same run at the same moment."))
}

async fn once(ports: &Ports, scope: &Scope, actor: &Actor, found: Versioned<Run>, wanted: &Decide) -> Result<Decided> {
    let has_ended = matches!(found.state, RunState::Done | RunState::Partial | RunState::Stopped);
    let waits = found.state == RunState::Planned;
    if !found.kind.is_billing() || !(waits || has_ended && found.mode == RunMode::Apply) {
        return Err(not_writable(&found, RULE));
    }
    load_connection(ports, scope, &found.partner, &found.connection).await?;
    let settings = settings_of(ports, scope, &found).await?;
    let stored = lines::load_lines(ports, scope, &found.partner, &found.connection, &found.id).await?;
    let decision = Decision {
        kind: wanted.kind,
        units: wanted.units,
        effective_date: wanted.effective_date,
        note: wanted.note.clone(),
        who: actor.who.clone(),
        role: actor.role,
        at: ports.clock.now(),
        was: None,
    };
    let today = ports.clock.now().to_zoned(settings.zone()).date();
    let chosen = choose(&found, &stored, wanted, &decision, today)?;
    let mut desk = Desk { ports, scope, actor, settings: &settings, decision: &decision, run: found, lines: stored };
    if waits {
        desk.in_batches(&chosen).await?;
        return Ok(Decided::Here(desk.run));
    }
    if wanted.kind == DecisionKind::Dismiss {
        desk.in_batches(&chosen).await?;
        return Ok(Decided::Here(desk.run));
    }
    if settings.second_approver && started_by(&desk.run, actor) {
        return Err(second_person("You started this run; somebody else approves its lines."));
    }
    Ok(Decided::Queued(follow::follow(desk, &chosen).await?))
}

pub(super) fn second_person(detail: &str) -> Error {
    Error::problem(Code::SecondPersonNeeded, detail)
}

/// Whether a run was started by this person's own hand: what schedules and events start counts as nobody's.
pub(super) fn started_by(run: &Run, actor: &Actor) -> bool {
    is_person(&run.actor) && run.actor.who == actor.who
}

/// Refuses a start by hand that would write without anybody else's word, where the settings ask for a second person.
///
/// # Errors
/// `second_person_needed`.
pub(super) fn refuse_one_person(settings: &Settings, actor: &Actor, mode: RunMode) -> Result<()> {
    if settings.second_approver && mode == RunMode::Apply && is_person(actor) {
        return Err(second_person("Start it as a preview; somebody else applies that."));
    }
    Ok(())
}

fn is_person(actor: &Actor) -> bool {
    !matches!(actor.role, Role::System | Role::Service)
}

async fn settings_of(ports: &Ports, scope: &Scope, run: &Run) -> Result<Settings> {
    let key = Key::Settings(run.partner.clone(), run.connection.clone());
    let found = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
    Ok(found.map(|record| record.value.settings).unwrap_or_default())
}

/// A line with the decision on it, and where it stands in the run's lines.
pub(super) struct Pick {
    pub at: usize,
    pub line: RunLine,
}

/// The lines that are meant, each with the decision on it; or everything that is wrong with the request.
fn choose(run: &Run, stored: &[RunLine], wanted: &Decide, decision: &Decision, today: Date) -> Result<Vec<Pick>> {
    let mut wrong = check(run, wanted, today);
    let mut picks: Vec<Pick> = Vec::new();
    let decide = |line: &RunLine| {
        meets(run, line, wanted)?;
        match run.state {
            RunState::Planned => decisions::put_on(line, decision.clone()),
            // What was decided before led to this report; the word is on what it says now.
            _ => decisions::put_on(&RunLine { decision: None, ..line.clone() }, decision.clone()),
        }
    };
    match &wanted.lines.numbers {
        None => {
            let lines = stored.iter().enumerate();
            picks.extend(lines.filter_map(|(at, line)| Some(Pick { at, line: decide(line).ok()? })));
        }
        Some(numbers) => {
            for (n, no) in numbers.iter().enumerate() {
                let found = stored.iter().enumerate().find(|(_, line)| line.no == *no);
                let said = match found {
                    None => Err(NO_SUCH_LINE.to_owned()),
                    Some((at, _)) if picks.iter().any(|pick| pick.at == at) => Err("stands twice".to_owned()),
                    Some((at, line)) => decide(line).map(|line| picks.push(Pick { at, line })),
                };
                if let Err(why) = said {
                    wrong.push(FieldError { pointer: format!("/lines/{n}"), detail: format!("line {no} {why}") });
                }
            }
        }
    }
    if picks.len() > DECIDED_MAX {
        let detail = format!("must be at most {DECIDED_MAX} at once; {} are meant", picks.len());
        wrong.push(FieldError { pointer: "/lines".to_owned(), detail });
    }
    if let Some(problem) = Problem::fields(wrong) {
        return Err(problem.into());
    }
    if picks.is_empty() {
        return Err(not_writable(run, "No line of this run can be decided so"));
    }
    Ok(picks)
}

/// Whether a line is one that is meant, and can be decided in a run like this.
fn meets(run: &Run, line: &RunLine, wanted: &Decide) -> Result<(), String> {
    if wanted.lines.state.is_some_and(|state| line.state != state) {
        return Err(format!("is {}", line.state.as_str()));
    }
    if run.state == RunState::Planned {
        return Ok(());
    }
    let may = match wanted.kind {
        DecisionKind::Approve | DecisionKind::Adjust => line.state == LineState::Held,
        DecisionKind::Dismiss => matches!(line.state, LineState::Held | LineState::Failed | LineState::Skipped),
    };
    if may {
        Ok(())
    } else {
        Err(format!("is {}: the run has ended, and this line waits for nobody", line.state.as_str()))
    }
}

/// What is wrong with a decision, whatever the lines.
fn check(run: &Run, wanted: &Decide, today: Date) -> Vec<FieldError> {
    let mut wrong = Vec::new();
    let mut refuse = |pointer: &str, detail: String| wrong.push(FieldError { pointer: pointer.to_owned(), detail });
    if wanted.note.as_ref().is_some_and(|note| note.chars().count() > NOTE_CHARS_MAX) {
        refuse("/note", format!("must have at most {NOTE_CHARS_MAX} characters"));
    }
    if wanted.lines.numbers.as_ref().is_some_and(Vec::is_empty) {
        refuse("/lines", "must name at least one line; leave it out for all".to_owned());
    }
    if wanted.kind != DecisionKind::Adjust {
        for (given, pointer) in
            [(wanted.units.is_some(), "/units"), (wanted.effective_date.is_some(), "/effective_date")]
        {
            if given {
                refuse(pointer, "goes with `adjust` alone".to_owned());
            }
        }
        return wrong;
    }
    if run.kind == RunKind::Undo {
        refuse("/decision", "an undo writes what was before, and nothing else".to_owned());
    }
    if wanted.units.is_none() && wanted.effective_date.is_none() {
        refuse("/units", "is required to adjust, or `effective_date`".to_owned());
    }
    if wanted.units.is_some_and(|units| !(0..=COUNT_MAX).contains(&units)) {
        refuse("/units", format!("must be 0 to {COUNT_MAX}"));
    }
    let (first, last) = window(today);
    if wanted.effective_date.is_some_and(|date| !(first..=last).contains(&date)) {
        refuse("/effective_date", format!("must lie between {first} and {last}"));
    }
    wrong
}

/// A run on somebody's desk.
pub(super) struct Desk<'a> {
    pub ports: &'a Ports,
    pub scope: &'a Scope,
    pub actor: &'a Actor,
    pub settings: &'a Settings,
    pub decision: &'a Decision,
    pub run: Versioned<Run>,
    pub lines: Vec<RunLine>,
}

impl<'a> Desk<'a> {
    /// Stores decisions, batch by batch: each leaves a run whose hash, totals and lines fit together.
    pub async fn in_batches(&mut self, picks: &[Pick]) -> Result<()> {
        for some in picks.chunks(BATCH) {
            let change = self.put(self.change(), some).await?;
            change.commit(self.scope).await?;
            self.run.v += 1;
        }
        Ok(())
    }

    /// A change of the run's connection.
    pub fn change(&self) -> Change<'a> {
        Change::of_connection(self.ports, self.actor, &self.run.partner, &self.run.connection)
    }

    /// The first batch, and the rest.
    pub fn first(picks: &[Pick]) -> (&[Pick], &[Pick]) {
        picks.split_at(picks.len().min(BATCH))
    }

    /// Adds to a change what the decisions on some lines make of the run.
    pub async fn put(&mut self, change: Change<'a>, picks: &[Pick]) -> Result<Change<'a>> {
        let before = json!({"plan_hash": self.run.plan_hash, "totals": self.run.totals});
        for pick in picks {
            let line = &mut self.lines[pick.at];
            if self.run.state == RunState::Planned {
                *line = pick.line.clone();
            } else {
                // What became of the line in this run stays; the word on it is kept beside it.
                line.decision = pick.line.decision.clone().map(|decision| Decision { was: None, ..decision });
            }
        }
        if self.run.state == RunState::Planned {
            self.replan();
        }
        let run = &self.run.value;
        let (chunks, count) = lines::writes_of(self.ports, self.scope, run, &self.lines).await?;
        if chunks.len() > CHUNKS_MAX {
            let detail = "The run has too many lines for that; make a preview of fewer accounts.";
            return Err(Error::problem(Code::RunNotWritable, detail));
        }
        self.run.value.chunks = count;
        let run = &self.run.value;
        let mut change = change.replace(run, self.run.v)?;
        for write in chunks.into_iter().chain(self.dismissals(picks).await?) {
            change = change.write(write);
        }
        let numbers: Vec<u32> = picks.iter().map(|pick| pick.line.no).collect();
        let after = json!({
            "decision": self.decision.kind, "lines": numbers, "units": self.decision.units,
            "effective_date": self.decision.effective_date, "note": self.decision.note,
            "plan_hash": run.plan_hash, "totals": run.totals,
        });
        let change = change.audit("run.lines_decided", format!("run/{}", run.id), before, after)?;
        let data = json!({
            "run_id": run.id, "status_url": run.status_url(), "decision": self.decision.kind,
            "lines": picks.iter().map(|pick| shown(&pick.line)).collect::<Vec<_>>(),
        });
        change.event("billing.lines_decided", data)
    }

    /// Totals, estimate, hash and stop of a preview follow its lines.
    fn replan(&mut self) {
        let today = self.ports.clock.now().to_zoned(self.settings.zone()).date();
        let frozen = self.settings.freeze.as_ref().is_some_and(|freeze| (freeze.from..=freeze.to).contains(&today));
        let by_share = self.run.problem.as_ref().is_some_and(|(code, _)| *code == Code::RunStopped)
            && !self.settings.kill_switch
            && !frozen;
        if by_share && decisions::release(&mut self.lines, self.settings.guards.stop_run_percent) {
            self.run.value.problem = None;
        }
        let run = &mut self.run.value;
        run.totals = Totals::of(self.lines.iter().map(|line| line.state));
        run.invoice_change = read::invoice_change(&self.lines);
        run.plan_hash = Some(decisions::plan_hash(&self.lines));
        run.touched_at = self.decision.at;
    }

    /// A dismissed line is left alone by the other runs of the period, too; any later word takes that back.
    async fn dismissals(&self, picks: &[Pick]) -> Result<Vec<Write>> {
        if self.run.kind == RunKind::Undo {
            return Ok(Vec::new());
        }
        let of: BTreeMap<(&AccountId, &PackageId), ()> =
            picks.iter().map(|pick| ((&pick.line.account, &pick.line.package), ())).collect();
        let mut writes = Vec::new();
        for of in of.into_keys() {
            let dismissal = Dismissal::new(self.actor, &self.run, of, self.decision);
            if self.decision.kind == DecisionKind::Dismiss {
                writes.push(Write::put(&dismissal, Expect::Any)?);
                continue;
            }
            let there = load::<Dismissal>(&*self.ports.storage, self.scope, &dismissal.key()).await?;
            if there.is_some_and(|there| there.binds(&self.run)) {
                writes.push(Write::delete(dismissal.key(), Expect::Any));
            }
        }
        Ok(writes)
    }
}

fn shown(line: &RunLine) -> Value {
    json!({
        "no": line.no, "account_id": line.account, "package_id": line.package, "line_kind": line.kind,
        "service_id": line.service_id, "contract_service_id": line.line.map(|line| line.id),
        "effective_date": line.effective_date, "units_now": line.units_now, "units_wanted": line.units_wanted,
    })
}
