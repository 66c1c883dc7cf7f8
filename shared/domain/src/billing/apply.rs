//! Carries a plan out: drives the protocol line by line, then verifies all of them in one batch.

use super::reading::{self, Theirs};
use super::sources::load_ledger;
use super::watch::Watch;
use crate::actor::Scope;
use crate::autotask_session::Session;
use crate::budget::exhausted;
use crate::ids::{ConnectionId, LineKind, LineRef, PartnerId, RunId};
use crate::ports::{Deadline, Ports, StorageError};
use crate::problem::{Error, Result};
use crate::records::{Expect, Key, Versioned, Write, load};
use crate::units::{Action, Answer, Event, Look, Order, Task, UnitLine, Verdict, Want, step};
use autotask::{ContractServiceAdjustment, ContractServiceBundleAdjustment, Id};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often one invocation waits out a busy Autotask before it hands the rest on.
const BUSY_PAUSES_MAX: u32 = 5;
/// Longest pause that is waited out in place; longer ones become a delayed message.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How many swaps in a row are put in order: more changes of one account between two runs are put right by the next.
const SWAP_DEPTH_MAX: usize = 4;
/// When Autotask does not say how long to wait.
const BUSY_DELAY: Duration = Duration::from_secs(60);
/// Pause when too many calls run at once: others finish theirs.
const THREADS_PAUSE: Duration = Duration::from_secs(2);

/// What carrying out needs.
pub(super) struct Applier<'a> {
    pub ports: &'a Ports,
    pub scope: &'a Scope,
    pub partner: &'a PartnerId,
    pub connection: &'a ConnectionId,
    pub run: &'a RunId,
    pub session: &'a Session,
    pub zone: &'a TimeZone,
    pub deadline: &'a dyn Deadline,
    pub watch: &'a Watch<'a>,
    /// Whether another invocation may be writing.
    pub others: bool,
    /// The contract of each line that may be written: only lines seen in this run's read.
    pub contracts: &'a BTreeMap<LineRef, i64>,
    /// Whether the run's read showed rows of periods that have not begun.
    pub rows_ahead: bool,
    /// Lines that go down only after others are right: the old lines of swaps.
    pub after: &'a BTreeMap<LineRef, Vec<LineRef>>,
}

/// How far an invocation came.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Lines that are finished.
    pub verdicts: BTreeMap<LineRef, Verdict>,
    /// Lines that can be judged from a time on.
    pub waiting: BTreeMap<LineRef, Timestamp>,
    /// Lines whose change Autotask answered with yes, read back or not.
    pub acked: BTreeSet<LineRef>,
    /// Lines that were not begun, or not ended: another invocation goes on after this pause.
    pub hand_on: Option<Duration>,
    /// Autotask refused the credentials.
    pub unauthorised: bool,
    /// A person asked to stop.
    pub cancelled: bool,
    /// Old lines of swaps that stay because the new ones are not right.
    pub blocked: BTreeSet<LineRef>,
    /// Until when nobody can tell whether a line was added to a contract.
    pub settles: Option<Timestamp>,
}

impl Applied {
    /// Adds what placing lines came to.
    pub fn join(&mut self, placing: Applied) {
        self.unauthorised |= placing.unauthorised;
        self.cancelled |= placing.cancelled;
        self.hand_on = self.hand_on.max(placing.hand_on);
    }
}

enum Flow {
    Next,
    Stop,
}

impl Applier<'_> {
    /// Drives every task to its end, to a wait, or to where this invocation has to stop. What Autotask did not answer
    /// as it should ends the invocation, and never takes with it what is known by then.
    pub async fn apply(
        &self,
        ledger: &BTreeMap<LineRef, Versioned<UnitLine>>,
        theirs: &Theirs,
        wants: Vec<(LineRef, Want)>,
    ) -> Result<Applied> {
        let mut applied = Applied::default();
        match self.drive_all(ledger, theirs, wants, &mut applied).await {
            Ok(()) => {}
            Err(Error::Autotask { source: autotask::Error::Unauthorised { .. }, .. }) => applied.unauthorised = true,
            Err(Error::Autotask { source, .. }) if source.is_transient() => {
                tracing::warn!(connection.id = %self.connection, run.id = %self.run, error = %source, "Autotask cannot serve the run now");
                let ours = exhausted(&source).map(|budget| budget.retry_after);
                applied.hand_on = Some(ours.or(source.retry_after()).unwrap_or(BUSY_DELAY));
            }
            Err(error) => return Err(error),
        }
        let wait = SignedDuration::try_from(applied.hand_on.unwrap_or(BUSY_DELAY)).unwrap_or_default();
        let until = self.ports.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        for line in &applied.acked {
            if !applied.verdicts.contains_key(line) {
                applied.waiting.entry(*line).or_insert(until);
            }
        }
        Ok(applied)
    }

    async fn drive_all(
        &self,
        ledger: &BTreeMap<LineRef, Versioned<UnitLine>>,
        theirs: &Theirs,
        wants: Vec<(LineRef, Want)>,
        applied: &mut Applied,
    ) -> Result<()> {
        let mut confirming: BTreeMap<LineRef, Task> = BTreeMap::new();
        let mut pauses = 0;
        for (line, want) in self.in_order(wants) {
            if self.watch.must_stop(applied).await? {
                break;
            }
            if !self.may_go(line, applied) {
                applied.blocked.insert(line);
                continue;
            }
            let mut task = Task::new(self.fresh(line, theirs, &want), want);
            let action = self.look(&mut task, line, ledger.get(&line).cloned(), theirs);
            if let Flow::Stop = self.drive(line, task, action, &mut confirming, applied, &mut pauses).await? {
                break;
            }
        }
        // A refused login must not be tried again and again: it locks the API user.
        if applied.unauthorised {
            return Ok(());
        }
        self.confirm(confirming, applied, &mut pauses).await
    }

    /// The item of a line that the ledger does not know yet. Of a line that we have just added, units that Autotask gave
    /// it by itself for later count as ours, so that they do not come on top.
    fn fresh(&self, line: LineRef, theirs: &Theirs, want: &Want) -> UnitLine {
        let mut fresh = UnitLine::new(self.partner, self.connection, line);
        if theirs.fresh.contains(&line) {
            let starts = theirs.rows.get(&line).into_iter().flatten().map(|row| row.start);
            let later: BTreeSet<Date> = starts.filter(|start| *start > want.effective_date).collect();
            fresh.kept.extend(later.into_iter().take(crate::units::KEPT_MAX));
        }
        fresh
    }

    /// New lines of swaps before the old ones.
    fn in_order(&self, mut wants: Vec<(LineRef, Want)>) -> Vec<(LineRef, Want)> {
        wants.sort_by_key(|(line, _)| self.depth(*line, 0));
        wants
    }

    /// How many lines must come before, one after the other. Bounded: two swaps may name each other's lines.
    fn depth(&self, line: LineRef, so_far: usize) -> usize {
        let before = self.after.get(&line).filter(|_| so_far < SWAP_DEPTH_MAX);
        let deepest = before.into_iter().flatten().map(|other| self.depth(*other, so_far + 1) + 1).max();
        deepest.unwrap_or(0)
    }

    /// Whether the lines that replace this one are right, as far as Autotask has answered: better billed as before
    /// than not at all.
    fn may_go(&self, line: LineRef, applied: &Applied) -> bool {
        let right = |other: &LineRef| match applied.verdicts.get(other) {
            Some(verdict) => {
                matches!(verdict, Verdict::Changed { .. } | Verdict::Unchanged { .. } | Verdict::Superseded { .. })
            }
            None => !applied.waiting.contains_key(other) && !applied.blocked.contains(other),
        };
        self.after.get(&line).is_none_or(|others| others.iter().all(right))
    }

    /// Judges intents that are open on lines for which this run wants nothing: anybody may close.
    pub async fn settle_others(
        &self,
        ledger: &BTreeMap<LineRef, Versioned<UnitLine>>,
        theirs: &Theirs,
        lines: &BTreeSet<LineRef>,
        applied: &mut Applied,
    ) -> Result<()> {
        for line in lines {
            let Some(found) = ledger.get(line) else { continue };
            let units = |date: Date| theirs.units_at(*line, date);
            let now = self.ports.clock.now();
            let look = Look { ours: None, theirs: &units, seen_at: theirs.seen_at, now, others: false };
            match crate::units::protocol::close_abandoned(&found.value, &look) {
                None => {}
                Some(Err(until)) => {
                    applied.waiting.insert(*line, until);
                }
                Some(Ok(record)) => {
                    let write = Write::put(&record, Expect::Version(found.v))?;
                    match self.ports.storage.write(self.scope, vec![write]).await {
                        // Somebody else closed it: as good.
                        Ok(()) | Err(StorageError::Conflict { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
        Ok(())
    }

    fn look(&self, task: &mut Task, line: LineRef, ours: Option<Versioned<UnitLine>>, theirs: &Theirs) -> Action {
        let units = |date: Date| theirs.units_at(line, date);
        let now = self.ports.clock.now();
        let look = Look { ours, theirs: &units, seen_at: theirs.seen_at, now, others: self.others };
        step(task, Event::Looked(&look))
    }

    async fn drive(
        &self,
        line: LineRef,
        mut task: Task,
        mut action: Action,
        confirming: &mut BTreeMap<LineRef, Task>,
        applied: &mut Applied,
        pauses: &mut u32,
    ) -> Result<Flow> {
        let mut flow = Flow::Next;
        loop {
            action = match action {
                Action::Put { expect, record } => {
                    let expect = expect.map_or(Expect::Absent, Expect::Version);
                    match self.ports.storage.write(self.scope, vec![Write::put(&*record, expect)?]).await {
                        Ok(()) => step(&mut task, Event::Stored),
                        Err(StorageError::Conflict { .. }) => step(&mut task, Event::Conflict),
                        Err(error) => return Err(error.into()),
                    }
                }
                Action::Post(order) => {
                    let (answer, after) = self.post(&order).await;
                    if self.follow(after, applied, pauses).await {
                        flow = Flow::Stop;
                    }
                    let now = self.ports.clock.now();
                    step(&mut task, Event::Answered(answer, now))
                }
                Action::Look if matches!(flow, Flow::Stop) => {
                    // Its intent is closed; another invocation looks again.
                    return Ok(flow);
                }
                Action::Look => {
                    let (ours, theirs) = self.relook(line, task.want().effective_date).await?;
                    self.look(&mut task, line, ours, &theirs)
                }
                Action::Confirm => {
                    applied.acked.insert(line);
                    confirming.insert(line, task);
                    return Ok(flow);
                }
                Action::Wait(until) => {
                    applied.waiting.insert(line, until);
                    return Ok(flow);
                }
                Action::Finish(verdict) => {
                    applied.verdicts.insert(line, verdict);
                    return Ok(flow);
                }
            };
        }
    }

    /// Reads all lines that were answered with yes, in batches, and closes them; corrections may need another round.
    async fn confirm(
        &self,
        mut confirming: BTreeMap<LineRef, Task>,
        applied: &mut Applied,
        pauses: &mut u32,
    ) -> Result<()> {
        while !confirming.is_empty() {
            let ledger = load_ledger(self.ports, self.scope, self.partner, self.connection).await?;
            let mut theirs = Theirs { seen_at: self.ports.clock.now(), ..Theirs::default() };
            let dates = confirming.iter().flat_map(|(line, task)| {
                let ours = ledger.get(line).map(|found| &found.value);
                dates_of(ours, task.want().effective_date).into_iter().map(|date| (*line, date))
            });
            self.read_rows(dates, &mut theirs).await?;
            let mut again = BTreeMap::new();
            for (line, mut task) in std::mem::take(&mut confirming) {
                let action = self.look(&mut task, line, ledger.get(&line).cloned(), &theirs);
                let _ = self.drive(line, task, action, &mut again, applied, pauses).await?;
            }
            confirming = again;
        }
        Ok(())
    }

    /// Ours, then theirs, for one line.
    async fn relook(&self, line: LineRef, date: Date) -> Result<(Option<Versioned<UnitLine>>, Theirs)> {
        let key = Key::UnitLine(self.partner.clone(), self.connection.clone(), line);
        let ours = load::<UnitLine>(&*self.ports.storage, self.scope, &key).await?;
        let mut theirs = Theirs { seen_at: self.ports.clock.now(), ..Theirs::default() };
        let dates = dates_of(ours.as_ref().map(|found| &found.value), date);
        self.read_rows(dates.into_iter().map(|date| (line, date)), &mut theirs).await?;
        if theirs.units_at(line, date).is_none() {
            self.read_line(line, &mut theirs).await?;
        }
        Ok((ours, theirs))
    }

    async fn read_rows(&self, dates: impl Iterator<Item = (LineRef, Date)>, theirs: &mut Theirs) -> Result<()> {
        let mut by_date: BTreeMap<Date, BTreeSet<LineRef>> = BTreeMap::new();
        for (line, date) in dates {
            by_date.entry(date).or_default().insert(line);
        }
        let rows = reading::rows_at(&self.session.client, self.zone, by_date).await.map_err(reading_units)?;
        theirs.add_rows(rows);
        Ok(())
    }

    /// A line without a row: is it there at all?
    async fn read_line(&self, line: LineRef, theirs: &mut Theirs) -> Result<()> {
        let client = &self.session.client;
        let lines = BTreeSet::from([line]);
        theirs.lines = reading::lines(client, &lines).await.map_err(reading_units)?;
        let contracts: BTreeSet<i64> = theirs.lines.values().map(|facts| facts.contract_id).collect();
        theirs.contracts = reading::contracts(client, self.zone, &contracts).await.map_err(reading_units)?;
        let readable = reading::units_readable(client, line.kind).await.map_err(reading_units)?;
        theirs.units_readable.insert(line.kind, readable);
        theirs.rows_ahead |= self.rows_ahead;
        Ok(())
    }

    /// Sends one adjustment, once. Nothing below repeats it.
    async fn post(&self, order: &Order) -> (Answer, After) {
        let timeout = self.ports.config.request_timeout;
        if !order.may_leave(self.ports.clock.now(), self.deadline.remaining(), timeout) {
            return (Answer::NotSent, After::HandOn(Duration::ZERO));
        }
        let Some(contract) = self.contracts.get(&order.line).copied() else {
            return (Answer::Refused("The line's contract was not read in this run.".to_owned()), After::GoOn);
        };
        let client = &self.session.client;
        let (line, change, from) = (order.line.id, order.change, order.effective_date);
        let contract = Id::new(contract);
        let sent = match order.line.kind {
            LineKind::Service => {
                let mut body = ContractServiceAdjustment::of_line(contract, Id::new(line), change, from);
                body.adjusted_unit_cost = order.cost;
                client.create(&body).await
            }
            LineKind::Bundle => {
                client.create(&ContractServiceBundleAdjustment::of_line(contract, Id::new(line), change, from)).await
            }
        };
        let (answer, after) = judge(sent);
        if matches!(answer, Answer::Unknown(_)) {
            // The template's alarm counts this field.
            tracing::warn!(
                unknown_outcome = true, connection.id = %self.connection, run.id = %self.run, line = %order.line,
                "it is not known whether an adjustment was applied; the line settles by reading"
            );
        }
        (answer, after)
    }

    /// Acts on what an answer means for the whole run. True: stop here.
    async fn follow(&self, after: After, applied: &mut Applied, pauses: &mut u32) -> bool {
        match after {
            After::GoOn => false,
            After::Unauthorised => {
                applied.unauthorised = true;
                true
            }
            After::Pause(time) if time <= PAUSE_MAX && *pauses < BUSY_PAUSES_MAX => {
                *pauses += 1;
                self.ports.clock.pause(time).await;
                false
            }
            After::Pause(time) | After::HandOn(time) => {
                applied.hand_on = Some(time.max(applied.hand_on.unwrap_or_default()));
                true
            }
        }
    }
}

fn reading_units(source: autotask::Error) -> Error {
    Error::Autotask { doing: "reading units", source }
}

/// The dates at which a line has to be read: the run's, and those of what is open, owed or kept after it.
pub(super) fn dates_of(ours: Option<&UnitLine>, date: Date) -> BTreeSet<Date> {
    let mut dates = BTreeSet::from([date]);
    if let Some(ours) = ours {
        dates.extend(ours.open.as_ref().map(|open| open.effective_date));
        dates.extend(ours.owed.map(|owed| owed.date));
        dates.extend(ours.kept.iter().copied().filter(|kept| *kept > date));
    }
    dates
}

/// What an answer means for the run, besides the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    GoOn,
    Pause(Duration),
    HandOn(Duration),
    Unauthorised,
}

/// The table of "Units change exactly once" in `ARCHITECTURE.md`: which answers leave the intent open.
pub(super) fn judge(sent: autotask::Result<i64>) -> (Answer, After) {
    use autotask::Error as E;
    match sent {
        Ok(item) => (Answer::Acked(Some(item)), After::GoOn),
        Err(E::Unauthorised { .. }) => (Answer::NotSent, After::Unauthorised),
        Err(error @ (E::Forbidden { .. } | E::NotFound { .. } | E::Rejected { .. })) => {
            (Answer::Refused(error.texts().join(" ")), After::GoOn)
        }
        Err(E::RateLimited { retry_after, .. }) => (Answer::NotSent, After::HandOn(retry_after.unwrap_or(BUSY_DELAY))),
        Err(E::ThreadLimit { retry_after, .. }) => {
            (Answer::NotSent, After::Pause(retry_after.unwrap_or(THREADS_PAUSE)))
        }
        Err(error @ E::NotSent { .. }) => {
            let wait = exhausted(&error).map_or(BUSY_DELAY, |budget| budget.retry_after);
            (Answer::NotSent, After::HandOn(wait))
        }
        // Refused by our own client before anything was sent.
        Err(E::OutOfBounds { what }) => (Answer::Refused(what), After::GoOn),
        Err(error @ (E::Unavailable { .. } | E::UnknownOutcome { .. } | E::Malformed { .. })) => {
            let heard = error.texts().join(" ");
            (Answer::Unknown((!heard.is_empty()).then_some(heard)), After::GoOn)
        }
    }
}
