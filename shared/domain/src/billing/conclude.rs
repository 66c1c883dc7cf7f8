//! How an invocation's work ends: the plan is stored for a person, the report is stored and the run ended, or the rest
//! is handed on.

use super::apply::Applied;
use super::dating::day_of;
use super::prepare::{Prepared, hash};
use super::run::{Ended, LATER, Work};
use super::{broken, costs, issues, report};
use crate::autotask_session::{self, Session, Verdict as Credentials};
use crate::connections::{Connection, Settings};
use crate::mappings::{self, Context, Left};
use crate::packages::{self, QuantitySource};
use crate::problem::{Code, Result};
use crate::runs::{self, LineName, LineState, Run, RunLine, RunState, Totals, lines};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a run says that Autotask's refusal ended.
pub(super) const REFUSED: &str = "Autotask refused the credentials during the run.";

/// Whether a line still has the units that a person saw; at a date of their own choice nobody has seen any.
fn is_as_seen(stored: &RunLine, line: &RunLine) -> bool {
    let unseen = stored.decision.is_some() && stored.units_now.is_none();
    unseen || stored.units_now == line.units_now
}

impl Work<'_> {
    /// The plan is made and waits for a person.
    pub(super) async fn planned(&self, prepared: Prepared, settings: &Settings, session: &Session) -> Result<Ended> {
        let mut run = self.claimed.run.clone();
        let plan_hash = hash(&prepared.plan.lines);
        let stopped = prepared.plan.stopped.clone();
        let lines: Vec<RunLine> = prepared.plan.lines.into_iter().map(|planned| planned.line).collect();
        run.value.chunks = lines::store_lines(self.ports, self.scope, &run.value, &lines).await?;
        run.value.plan_hash = Some(plan_hash);
        run.value.planned_at = Some(self.ports.clock.now());
        run.value.settings = Some(settings.clone());
        run.value.autotask_calls += session.calls();
        run.value.worker = None;
        run.value.invoice_change = runs::invoice_change(&lines);
        let totals = Totals::of(lines.iter().map(|line| line.state));
        let actor = run.value.actor.clone();
        runs::finish(self.ports, self.scope, &actor, run, RunState::Planned, totals, stopped).await?;
        Ok(Ended::Over)
    }

    /// Lines that no longer fit the plan that a person approved are left alone.
    pub(super) async fn keep_to_the_approved(&self, prepared: &mut Prepared) -> Result<()> {
        let run = self.run();
        let approved = lines::load_lines(self.ports, self.scope, &run.partner, &run.connection, &run.id).await?;
        let approved: BTreeMap<LineName, RunLine> = approved.into_iter().map(|line| (line.name(), line)).collect();
        for planned in &mut prepared.plan.lines {
            let ledger = planned.line.line.and_then(|line| prepared.ours.ledger.get(&line));
            let begun = ledger.is_some_and(|ledger| ledger.begun_by(&run.id));
            let stored = approved.get(&planned.line.name());
            // Prices are read for previews only: the estimate that was approved stays with the line.
            planned.line.invoice_change =
                planned.line.invoice_change.or(stored.and_then(|stored| stored.invoice_change));
            let fits = stored.is_some_and(|stored| {
                // By now the stored lines may be a report: what was not to be written, or had gone stale, stays so.
                matches!(stored.state, LineState::Changed | LineState::Unverified | LineState::Failed)
                    && stored.units_wanted == planned.line.units_wanted
                    && stored.effective_date == planned.line.effective_date
                    && (planned.line.created || is_as_seen(stored, &planned.line))
                    && stored.cost_wanted == planned.line.cost_wanted
            });
            if !begun && !fits && planned.line.state == LineState::Changed {
                planned.want = None;
                planned.cost_only = None;
                planned.line.state = LineState::Held;
                planned.line.code = Some(Code::PlanStale);
                "Units or count have changed since the plan was approved.".clone_into(&mut planned.line.words);
            }
        }
        Ok(())
    }

    /// Stores the report, and ends the run or hands it on.
    pub(super) async fn conclude(
        &self,
        connection: &Connection,
        session: &Session,
        mut prepared: Prepared,
        mut applied: Applied,
        settings: &Settings,
    ) -> Result<Ended> {
        let wait = self.wait_of(&applied);
        let costs = match wait {
            None if !applied.cancelled && !applied.unauthorised => costs::write(session, &prepared, &applied).await?,
            _ => BTreeMap::new(),
        };
        if applied.unauthorised {
            let actor = &self.run().actor;
            let (partner, id) = (&connection.partner, &connection.id);
            match autotask_session::unauthorised(self.ports, self.scope, actor, partner, id).await? {
                // A passing refusal: the rest is done by another invocation, with what it finds then.
                Credentials::Works | Credentials::ZoneMoved => applied.hand_on = Some(LATER),
                Credentials::NeedsRelink => {}
            }
        }
        let plan_hash = hash(&prepared.plan.lines);
        let stopped = prepared.plan.stopped.clone();
        report::complete(&mut applied, &prepared.ours.ledger, &self.run().id);
        let lines = report::lines(std::mem::take(&mut prepared.plan.lines), &applied, &costs);
        let totals = Totals::of(lines.iter().map(|line| line.state));
        let mut run = self.claimed.run.clone();
        run.value.chunks = lines::store_lines(self.ports, self.scope, &run.value, &lines).await?;
        run.value.autotask_calls += session.calls();
        run.value.settings = Some(settings.clone());
        run.value.plan_hash.get_or_insert(plan_hash);
        run.value.planned_at.get_or_insert(self.ports.clock.now());
        run.value.totals = totals;
        run.value.invoice_change = runs::invoice_change(&lines);
        let relink = applied.unauthorised && applied.hand_on.is_none();
        if let Some(wait) = wait.or(applied.hand_on).filter(|_| !relink && !self.is_too_old()) {
            run.value.state = if applied.hand_on.is_some() { RunState::Applying } else { RunState::Settling };
            return self.rest(run, wait).await;
        }
        self.forget_left(&prepared, settings, &lines).await?;
        issues::report(self.ports, self.scope, &run.value, &lines, stopped.as_ref()).await?;
        if stopped.is_none() {
            // What was pending when ours were read, and nothing that was told since.
            let changes = prepared.ours.changes.iter().map(|change| change.id.clone()).collect();
            let planned_at = Some(self.ports.clock.now());
            let covered = Run { changes: Some(changes), planned_at, ..run.value.clone() };
            packages::settle(self.ports, self.scope, &covered, &lines).await?;
            broken::follow(self.ports, self.scope, &run.value, &prepared.ours, &lines).await?;
        }
        let problem = if relink { Some((Code::NeedsRelink, REFUSED.to_owned())) } else { stopped };
        let state = match &problem {
            Some((Code::NeedsRelink, _)) if totals.changed + totals.unverified == 0 => RunState::Failed,
            Some((Code::NeedsRelink, _)) => RunState::Partial,
            Some(_) => RunState::Stopped,
            None => report::end_state(&totals, applied.cancelled),
        };
        run.value.worker = None;
        let actor = run.value.actor.clone();
        runs::finish(self.ports, self.scope, &actor, run, state, totals, problem).await?;
        Ok(Ended::Over)
    }

    /// Takes lines that their package has left, and that have 0 units by now, out of the mappings.
    async fn forget_left(&self, prepared: &Prepared, settings: &Settings, lines: &[RunLine]) -> Result<()> {
        let run = self.run();
        let today = day_of(self.ports.clock.now(), &settings.zone());
        let context = Context {
            ports: self.ports,
            scope: self.scope,
            actor: &run.actor,
            partner: &run.partner,
            connection: &run.connection,
        };
        let at_zero = |line: &&RunLine| {
            line.leaving
                && match line.state {
                    LineState::Changed => line.verified_units == Some(0),
                    LineState::Unchanged => line.units_now == Some(0),
                    _ => false,
                }
        };
        for line in lines.iter().filter(at_zero) {
            let Some(left) = line.line else { continue };
            let Some(target) = prepared.ours.targets.iter().find(|target| target.line == Some(left)) else { continue };
            // The seat sync finds what it counts by its lines, and adds none.
            let own = target.source == QuantitySource::Package;
            let since = if line.effective_date <= today { Left::Empty } else { Left::Later };
            for account in target.accounts() {
                mappings::forget_left(context, account, (&line.package, own), left, since).await?;
            }
        }
        Ok(())
    }

    /// Until when the lines that wait must wait, if any do.
    fn wait_of(&self, applied: &Applied) -> Option<Duration> {
        let until = applied.waiting.values().copied().chain(applied.settles).max()?;
        let now = self.ports.clock.now();
        let settle = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        Some(match applied.hand_on {
            // What was not begun need not wait for what settles.
            Some(sooner) => sooner.min(settle),
            None => settle,
        })
    }
}
