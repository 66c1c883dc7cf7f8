//! What a worker does with a message: claim the run, load ours, load theirs, plan, carry out, report.

use super::apply::{Applied, Applier};
use super::conclude::REFUSED;
use super::lines::Placer;
use super::prepare::{Prepared, hash, prepare};
use super::watch::Watch;
use super::{report, sources, undo, writers};
use crate::actor::Scope;
use crate::autotask_session::{self, Session, Verdict as Credentials};
use crate::budget::{Mode, exhausted};
use crate::connections::settings::ApprovalMode;
use crate::connections::{Connection, Settings, load_connection};
use crate::ids::{ConnectionId, LineRef, PartnerId};
use crate::ports::{DELAY_MAX, Deadline, Ports, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Key, Versioned, Write, load};
use crate::runs::{self, LineState, Run, RunKind, RunLine, RunMode, RunState, Totals, Trigger, WorkMessage, lines};
use jiff::SignedDuration;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a claim of an invocation on its run lasts: the worker's time-out of 300 s and a minute for clocks.
const INVOCATION_MAX: SignedDuration = SignedDuration::from_secs(360);
/// A run that could not be done for so long is given up: the next slot or a person starts a new one.
const RUN_AGE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// Pause before a run that Autotask or the store could not serve is taken up again.
pub(super) const LATER: Duration = Duration::from_secs(60);

/// A plan with what it was made of.
#[derive(Debug)]
pub struct Computed {
    /// Every line, decided and not carried out.
    pub lines: Vec<RunLine>,
    /// SHA-256 of what the plan would write, hex.
    pub plan_hash: String,
    /// Why nothing of it may be written.
    pub stopped: Option<(Code, String)>,
    /// Calls made to Autotask.
    pub calls: u32,
}

/// Reads ours and theirs and plans, without any write: previews, checks of stale plans, reconciliation.
pub async fn compute(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    run: &Run,
) -> Result<Computed> {
    let connection = load_connection(ports, scope, partner, connection).await?;
    let settings = super::settings_of(ports, scope, &connection).await?;
    let session = autotask_session::open_as(ports, scope, &connection, Mode::Interactive).await?;
    let prepared = prepare(ports, scope, &session, run, &settings, true).await;
    let calls = session.calls();
    session.close().await;
    let prepared = match prepared {
        Err(Error::Autotask { source, .. }) => {
            return Err(autotask_session::settle(ports, scope, &run.actor, &connection, source).await);
        }
        other => other?,
    };
    let plan_hash = hash(&prepared.plan.lines);
    let lines = prepared.plan.lines.into_iter().map(|planned| planned.line).collect();
    Ok(Computed { lines, plan_hash, stopped: prepared.plan.stopped, calls })
}

/// How an invocation ended.
pub(super) enum Ended {
    /// The run is over, or waits for a person.
    Over,
    /// The rest is for another invocation, not before this.
    HandOn(Duration),
}

/// Works on a run as far as this invocation can.
///
/// # Errors
/// Only where the message is to be tried again: storage, queue.
pub async fn work(ports: &Ports, scope: &Scope, deadline: &dyn Deadline, message: &WorkMessage) -> Result<()> {
    let Some(scope) = scope.narrow(&message.partner) else { return Err(Error::not_found("run")) };
    let Some(claimed) = claim(ports, &scope, message).await? else { return Ok(()) };
    let work = Work { ports, scope: &scope, deadline, claimed: &claimed };
    match work.work().await? {
        Ended::Over => Ok(()),
        Ended::HandOn(delay) => work.hand_on(message, delay).await,
    }
}

/// A run that this invocation works on.
pub(super) struct Claimed {
    pub(super) run: Versioned<Run>,
    invocation: String,
}

/// Claims a run for this invocation. `None`: there is nothing to do, or somebody else does it.
async fn claim(ports: &Ports, scope: &Scope, message: &WorkMessage) -> Result<Option<Claimed>> {
    let key = Key::Run(message.partner.clone(), message.connection.clone(), message.run.clone());
    let Some(found) = load::<Run>(&*ports.storage, scope, &key).await? else { return Ok(None) };
    if found.state.is_final() || found.state == RunState::Planned {
        return Ok(None);
    }
    let now = ports.clock.now();
    if let Some((_, until)) = found.worker.as_ref().filter(|(_, until)| *until > now) {
        let wait = Duration::try_from(until.duration_since(now)).unwrap_or(LATER);
        message.send(ports, wait.min(DELAY_MAX)).await?;
        return Ok(None);
    }
    let (v, mut run) = (found.v, found.value);
    let invocation = ports.ids.uuid().to_string();
    run.worker = Some((invocation.clone(), now + INVOCATION_MAX));
    run.touched_at = now;
    run.state = match run.state {
        RunState::Queued if run.mode == RunMode::Apply => RunState::Applying,
        RunState::Queued => RunState::Planning,
        other => other,
    };
    match ports.storage.write(scope, vec![Write::replace(&run, v)?]).await {
        Ok(()) => Ok(Some(Claimed { run: Versioned { v: v + 1, value: run }, invocation })),
        Err(StorageError::Conflict { .. }) => {
            message.send(ports, LATER).await?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// One invocation's work on its run.
pub(super) struct Work<'a> {
    pub(super) ports: &'a Ports,
    pub(super) scope: &'a Scope,
    deadline: &'a dyn Deadline,
    pub(super) claimed: &'a Claimed,
}

impl Work<'_> {
    pub(super) fn run(&self) -> &Run {
        &self.claimed.run.value
    }

    async fn work(&self) -> Result<Ended> {
        let (partner, id) = (&self.run().partner, &self.run().connection);
        let connection = match load_connection(self.ports, self.scope, partner, id).await {
            Err(Error::Problem(problem)) => return self.failed(problem.code, problem.detail, 0).await,
            other => other?,
        };
        let settings = super::settings_of(self.ports, self.scope, &connection).await?;
        let session = match autotask_session::open_as(self.ports, self.scope, &connection, Mode::Background).await {
            Err(Error::Problem(problem)) => return self.refused(problem.code, problem.detail, 0).await,
            other => other?,
        };
        let writer = writers::Writer {
            invocation: self.writer(),
            run: self.run().id.clone(),
            since: self.ports.clock.now(),
            lasting: self.is_lasting(),
        };
        writers::sign_on(self.ports, self.scope, partner, id, &writer).await?;
        let ended = self.with(&connection, &settings, &session).await;
        let calls = session.calls();
        session.close().await;
        let ended = match ended {
            Err(Error::Autotask { source, .. }) => self.autotask_failed(&connection, source, calls).await?,
            Err(Error::Problem(problem)) => self.refused(problem.code, problem.detail, calls).await?,
            other => other?,
        };
        if matches!(ended, Ended::Over) || !self.is_lasting() {
            writers::sign_off(self.ports, self.scope, partner, id, &self.writer()).await?;
        }
        Ok(ended)
    }

    async fn with(&self, connection: &Connection, settings: &Settings, session: &Session) -> Result<Ended> {
        read_threshold(session).await?;
        let run = self.run();
        let preview = run.mode == RunMode::Preview || self.waits_for_a_person(settings);
        let priced = preview || settings.guards.max_money.is_some();
        let mut prepared = prepare(self.ports, self.scope, session, run, settings, priced).await?;
        if run.approved {
            self.keep_to_the_approved(&mut prepared).await?;
        }
        let nothing_begun = !prepared.begun(run);
        if preview && nothing_begun {
            return self.planned(prepared, settings, session).await;
        }
        let writes = prepared.plan.lines.iter().any(|planned| planned.place) || !prepared.wants().is_empty();
        if writes && nothing_begun {
            let lines: Vec<RunLine> = prepared.plan.lines.iter().map(|planned| not_yet(&planned.line)).collect();
            lines::store_lines(self.ports, self.scope, run, &lines).await?;
        }
        let id = &connection.id;
        let watch = Watch {
            ports: self.ports,
            scope: self.scope,
            partner: &run.partner,
            connection: id,
            run: &run.id,
            deadline: self.deadline,
        };
        let placing = self.place(&mut prepared, settings, session, &watch).await?;
        let others = writers::others(self.ports, self.scope, &run.partner, id, &self.writer()).await?;
        let wants = match &prepared.plan.stopped {
            Some(_) => Vec::new(),
            None if placing.unauthorised || placing.cancelled => Vec::new(),
            None if others => prepared.wants_and_right_ones(),
            None => prepared.wants(),
        };
        let zone = settings.zone();
        let (contracts, after) = (prepared.contracts(), prepared.after());
        let applier = Applier {
            ports: self.ports,
            scope: self.scope,
            partner: &run.partner,
            connection: id,
            run: &run.id,
            session,
            zone: &zone,
            deadline: self.deadline,
            watch: &watch,
            after: &after,
            others,
            contracts: &contracts,
            rows_ahead: prepared.theirs.rows_ahead,
        };
        let wanted: BTreeSet<LineRef> = wants.iter().map(|(line, _)| *line).collect();
        let mut applied = applier.apply(&prepared.ours.ledger, &prepared.theirs, wants).await?;
        applied.join(placing);
        applied.settles = prepared.plan.lines.iter().filter_map(|planned| planned.settles).max();
        let abandoned = prepared.abandoned(&wanted, &applied);
        applier.settle_others(&prepared.ours.ledger, &prepared.theirs, &abandoned, &mut applied).await?;
        if applied.cancelled || prepared.begun(run) {
            let ledger = sources::load_ledger(self.ports, self.scope, &run.partner, id).await?;
            prepared.ours.ledger = ledger;
        }
        self.conclude(connection, session, prepared, applied, settings).await
    }

    /// Whether the run may carry a person's own targets, which no other run can reckon.
    fn is_lasting(&self) -> bool {
        self.run().approved || self.run().kind == RunKind::Undo
    }

    /// By what name this invocation signs on; all of a lasting run share one.
    fn writer(&self) -> String {
        if self.is_lasting() { self.run().id.to_string() } else { self.claimed.invocation.clone() }
    }

    /// Finds or adds the lines that units are to be written to, and makes the plan again.
    async fn place(
        &self,
        prepared: &mut Prepared,
        settings: &Settings,
        session: &Session,
        watch: &Watch<'_>,
    ) -> Result<Applied> {
        let mut placing = Applied::default();
        if prepared.plan.stopped.is_some() {
            return Ok(placing);
        }
        let run = self.run();
        undo::keep_left(self.ports, self.scope, run, prepared).await?;
        let placer = Placer { ports: self.ports, scope: self.scope, actor: &run.actor, run, settings, session, watch };
        placer.place(prepared, &mut placing).await?;
        if run.approved {
            self.keep_to_the_approved(prepared).await?;
        }
        Ok(placing)
    }

    fn waits_for_a_person(&self, settings: &Settings) -> bool {
        let run = self.run();
        let scheduled = matches!(run.trigger, Trigger::Schedule | Trigger::CatchUp);
        scheduled && !run.approved && settings.approval_mode == ApprovalMode::ApproveAll
    }

    pub(super) fn is_too_old(&self) -> bool {
        self.ports.clock.now().duration_since(self.run().created_at) > RUN_AGE_MAX
    }

    /// Gives the run back, for another invocation to take up.
    pub(super) async fn rest(&self, mut run: Versioned<Run>, wait: Duration) -> Result<Ended> {
        run.value.worker = None;
        run.value.touched_at = self.ports.clock.now();
        self.release(run).await?;
        Ok(Ended::HandOn(wait))
    }

    /// Writes the run, keeping a wish to cancel it that came in the meantime.
    async fn release(&self, mut run: Versioned<Run>) -> Result<()> {
        for _ in 0..RELEASE_TRIES {
            match self.ports.storage.write(self.scope, vec![Write::replace(&run.value, run.v)?]).await {
                Err(StorageError::Conflict { .. }) => {}
                other => return Ok(other?),
            }
            let key = Key::Run(run.value.partner.clone(), run.value.connection.clone(), run.value.id.clone());
            let Some(there) = load::<Run>(&*self.ports.storage, self.scope, &key).await? else { return Ok(()) };
            if there.state.is_final() {
                return Ok(());
            }
            run.v = there.v;
            run.value.cancel_requested = there.cancel_requested;
        }
        Err(StorageError::Conflict { at: 0, current: None }.into())
    }

    async fn hand_on(&self, message: &WorkMessage, delay: Duration) -> Result<()> {
        message.send(self.ports, delay.min(DELAY_MAX)).await
    }

    async fn autotask_failed(&self, connection: &Connection, error: autotask::Error, calls: u32) -> Result<Ended> {
        let transient = error.is_transient();
        let ours = exhausted(&error).map(|budget| budget.retry_after);
        let wait = ours.or(error.retry_after()).unwrap_or(LATER);
        if transient && !self.is_too_old() {
            tracing::warn!(connection.id = %connection.id, run.id = %self.run().id, error = %error, "Autotask cannot serve the run now");
            let mut run = self.claimed.run.clone();
            run.value.state = if run.value.mode == RunMode::Apply { RunState::Applying } else { RunState::Planning };
            run.value.autotask_calls += calls;
            return self.rest(run, wait).await;
        }
        if matches!(error, autotask::Error::Unauthorised { .. }) {
            let (actor, partner, id) = (&self.run().actor, &connection.partner, &connection.id);
            return match autotask_session::unauthorised(self.ports, self.scope, actor, partner, id).await {
                Ok(Credentials::NeedsRelink) => self.failed(Code::NeedsRelink, REFUSED.to_owned(), calls).await,
                Ok(Credentials::Works | Credentials::ZoneMoved) => {
                    let words = "Autotask refused a call and then took the same login again.";
                    self.refused(Code::AutotaskUnavailable, words.to_owned(), calls).await
                }
                Err(Error::Problem(problem)) => self.refused(problem.code, problem.detail, calls).await,
                Err(other) => Err(other),
            };
        }
        match autotask_session::explain(error) {
            Error::Problem(problem) => self.failed(problem.code, problem.detail, calls).await,
            Error::Autotask { source, .. } => self.failed(Code::AutotaskUnavailable, source.to_string(), calls).await,
            other => Err(other),
        }
    }

    /// A problem that may pass is waited out; any other ends the run.
    async fn refused(&self, code: Code, detail: String, calls: u32) -> Result<Ended> {
        let passing = matches!(
            code,
            Code::Throttled | Code::AutotaskUnavailable | Code::SecretStoreUnavailable | Code::Unavailable
        );
        if passing && !self.is_too_old() {
            let mut run = self.claimed.run.clone();
            run.value.autotask_calls += calls;
            return self.rest(run, LATER).await;
        }
        self.failed(code, detail, calls).await
    }

    /// Ends the run. Lines that were planned and not carried out are not left as if they had been.
    async fn failed(&self, code: Code, detail: String, calls: u32) -> Result<Ended> {
        let mut run = self.claimed.run.clone();
        let totals = give_up_lines(self.ports, self.scope, &mut run.value, code).await?;
        run.value.worker = None;
        run.value.autotask_calls += calls;
        let actor = run.value.actor.clone();
        runs::finish(self.ports, self.scope, &actor, run, RunState::Failed, totals, Some((code, detail))).await?;
        Ok(Ended::Over)
    }
}

/// Stores of each line of a run that ends before its time what became of it, by the ledger; how many are in which
/// state. What was planned and not begun gets `code`.
///
/// # Errors
/// Storage.
pub(crate) async fn give_up_lines(ports: &Ports, scope: &Scope, run: &mut Run, code: Code) -> Result<Totals> {
    let (partner, id) = (&run.partner, &run.connection);
    writers::sign_off(ports, scope, partner, id, run.id.as_str()).await?;
    let mut lines = lines::load_lines(ports, scope, partner, id, &run.id).await?;
    if !lines.is_empty() {
        let ledger = sources::load_ledger(ports, scope, partner, id).await?;
        report::given_up(&mut lines, &ledger, &run.id, code);
        run.chunks = lines::store_lines(ports, scope, run, &lines).await?;
    }
    Ok(Totals::of(lines.iter().map(|line| line.state)))
}

/// A planned line as a report shows it while its run is under way: nothing is called changed before it is.
fn not_yet(line: &RunLine) -> RunLine {
    match line.state {
        LineState::Changed => {
            RunLine { state: LineState::Unverified, words: format!("Not written yet: {}", line.words), ..line.clone() }
        }
        _ => line.clone(),
    }
}

/// Looks once per run how much of the hourly limit is used. Not being allowed to is no reason to stop.
async fn read_threshold(session: &Session) -> Result<()> {
    match session.client.threshold().await {
        Ok(threshold) => {
            tracing::debug!(used = ?threshold.used, limit = ?threshold.limit, "read Autotask's threshold");
            if let Err(error) = session.observe(&threshold).await {
                tracing::warn!(error = %error, "the budget does not know Autotask's threshold");
            }
            Ok(())
        }
        Err(source @ autotask::Error::Unauthorised { .. }) => {
            Err(Error::Autotask { doing: "reading the threshold", source })
        }
        Err(error) => {
            tracing::warn!(error = %error, "Autotask's threshold cannot be read");
            Ok(())
        }
    }
}

/// How often giving a run back is tried against somebody who asks to cancel it.
const RELEASE_TRIES: u32 = 4;
