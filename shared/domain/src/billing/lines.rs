//! Carries out what a plan needs before units can be written: lines that stand on the contract are put into the
//! mapping, lines that are missing are added to the contract, each once.

use super::apply::{After, Applied, judge};
use super::creation::{LineCreation, Step};
use super::prepare::{Prepared, read_placed};
use super::targets::Target;
use super::watch::Watch;
use crate::actor::{Actor, Scope};
use crate::autotask_session::Session;
use crate::connections::Settings;
use crate::ids::{AccountId, LineKind, LineRef};
use crate::mappings::{self, Context, MappedLine};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Expect, Versioned, Write};
use crate::runs::{LineName, Run};
use crate::units::Answer;
use crate::units::{SEND_WINDOW, SKEW};
use autotask::{Id, NewContractService, NewContractServiceBundle};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What placing lines needs.
pub(super) struct Placer<'a> {
    pub ports: &'a Ports,
    pub scope: &'a Scope,
    pub actor: &'a Actor,
    pub run: &'a Run,
    pub settings: &'a Settings,
    pub session: &'a Session,
    pub watch: &'a Watch<'a>,
}

impl Placer<'_> {
    /// Places every line whose plan asks for it, reads what is needed of those that were placed, and makes the plan
    /// again. What could not be done is said in the plan; what another invocation has to go on with, in `applied`.
    pub async fn place(&self, prepared: &mut Prepared, applied: &mut Applied) -> Result<()> {
        let names: BTreeMap<LineName, usize> =
            prepared.ours.targets.iter().enumerate().map(|(at, target)| (target.name(), at)).collect();
        let wanted = prepared.plan.lines.iter().filter(|planned| planned.place);
        let wanted: Vec<usize> = wanted.filter_map(|planned| names.get(&planned.line.name()).copied()).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let mut placed = BTreeSet::new();
        for at in wanted {
            let step = prepared.ours.targets[at].step.clone();
            let line = match step {
                Some(Step::Adopt(line)) => Some(line),
                Some(Step::Add) => self.add(prepared, at, applied).await?,
                _ => None,
            };
            let added = prepared.ours.targets[at].step == Some(Step::Add);
            if let Some(line) = line
                && self.adopt(prepared, at, line, applied).await?
                && added
            {
                placed.insert(line);
            }
            if applied.unauthorised || applied.cancelled || applied.hand_on.is_some() {
                break;
            }
        }
        if applied.unauthorised {
            return Ok(());
        }
        prepared.theirs.fresh.extend(placed.iter().copied());
        read_placed(self.session, self.run, self.settings, prepared, &placed).await
    }

    /// Puts a line into the mappings of all accounts that are billed on it. False: it is somebody else's by now, or the
    /// account is mapped elsewhere, for another invocation to look at.
    async fn adopt(&self, prepared: &mut Prepared, at: usize, line: LineRef, applied: &mut Applied) -> Result<bool> {
        let target = &prepared.ours.targets[at];
        let mapped = MappedLine {
            package_id: target.package.clone(),
            line,
            service_id: target.service.id,
            service_name: target.service.name.clone(),
            overwrite_cost: None,
        };
        let contract = target.contract.id;
        let over = prepared.ours.ledger.get(&line).is_some_and(|ledger| ledger.empty_from().is_some());
        let own = |account: &AccountId| {
            let mapping = prepared.ours.mappings.get(account)?;
            mapping.lines.iter().find(|known| known.package_id == target.package).map(|known| known.line)
        };
        let accounts: Vec<_> = target.accounts().into_iter().map(|account| (account.clone(), own(account))).collect();
        let context = Context {
            ports: self.ports,
            scope: self.scope,
            actor: self.actor,
            partner: &self.run.partner,
            connection: &self.run.connection,
        };
        for (account, was) in &accounts {
            match mappings::place_line(context, account, (contract, *was), &mapped, over).await {
                Err(Error::Problem(problem)) if problem.code == Code::ContractServiceShared => {
                    let target = &mut prepared.ours.targets[at];
                    target.line = None;
                    target.step = Some(Step::TakenBy(account.clone()));
                    return Ok(false);
                }
                Ok(true) => {}
                Ok(false) => {
                    prepared.ours.targets[at].line = None;
                    applied.hand_on = Some(Duration::ZERO);
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        prepared.ours.targets[at].line = Some(line);
        Ok(true)
    }

    /// Adds a line to its contract. None: it was not added, or nobody can tell yet; the target's step says which.
    async fn add(&self, prepared: &mut Prepared, at: usize, applied: &mut Applied) -> Result<Option<LineRef>> {
        if self.watch.must_stop(applied).await? {
            return Ok(None);
        }
        let target = prepared.ours.targets[at].clone();
        let name = target.creation();
        let found = prepared.ours.creations.get(&name);
        let expect = found.map_or(Expect::Absent, |found| Expect::Version(found.v));
        let v = found.map_or(0, |found| found.v) + 1;
        let fresh = || self.fresh(&target);
        let record = found.map_or_else(fresh, |found| found.value.clone());
        // An intent that has settled without a line was in vain.
        let record = record.closed(None, true).intend(&self.run.id, self.ports.clock.now());
        match self.ports.storage.write(self.scope, vec![Write::put(&record, expect)?]).await {
            Ok(()) => {}
            Err(StorageError::Conflict { .. }) => {
                // Somebody else adds it right now: look again.
                applied.hand_on = Some(Duration::ZERO);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
        let (answer, after) = self.post(&target, &record).await;
        let settles = record.open.as_ref().map(|open| open.sent_by + crate::units::SETTLE);
        let (record, line, step) = match answer {
            Answer::Acked(Some(id)) => {
                let line = LineRef { kind: target.service.kind, id };
                (record.closed(Some(line), true), Some(line), Some(Step::Add))
            }
            Answer::NotSent => (record.closed(None, false), None, Some(Step::Add)),
            Answer::Refused(text) => (record.closed(None, false), None, Some(Step::Refused(text))),
            Answer::Acked(None) => (record, None, settles.map(Step::Wait)),
            Answer::Unknown(heard) => {
                let mut record = record;
                if let Some(open) = &mut record.open {
                    open.heard = heard;
                }
                tracing::warn!(
                    unknown_outcome = true, connection.id = %self.run.connection, run.id = %self.run.id,
                    contract = target.contract.id, service = %record.service,
                    "it is not known whether a line was added to a contract; it is looked for before it is sent again"
                );
                (record, None, settles.map(Step::Wait))
            }
        };
        let expect = Expect::Version(v);
        match self.ports.storage.write(self.scope, vec![Write::put(&record, expect)?]).await {
            Ok(()) | Err(StorageError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        prepared.ours.creations.insert(name, Versioned { v: v + 1, value: record });
        prepared.ours.targets[at].step = step;
        match after {
            After::GoOn => {}
            After::Unauthorised => applied.unauthorised = true,
            After::Pause(time) | After::HandOn(time) => applied.hand_on = Some(time),
        }
        Ok(line)
    }

    fn fresh(&self, target: &Target) -> LineCreation {
        let name = target.creation();
        LineCreation {
            partner: self.run.partner.clone(),
            connection: self.run.connection.clone(),
            contract: name.contract,
            service: name.service,
            account: name.account,
            package: target.package.clone(),
            open: None,
            line: None,
            run: None,
            tries: 0,
            tried_by: None,
        }
    }

    /// Sends it, once. Nothing below repeats it.
    async fn post(&self, target: &Target, record: &LineCreation) -> (Answer, After) {
        let sent_by = record.open.as_ref().map(|open| open.sent_by);
        let now = self.ports.clock.now();
        if sent_by.is_none_or(|sent_by| now >= sent_by - SKEW) {
            tracing::debug!(window = ?SEND_WINDOW, "a line was not sent in time");
            return (Answer::NotSent, After::HandOn(Duration::ZERO));
        }
        let client = &self.session.client;
        let contract = Id::new(target.contract.id);
        let sent = match target.service.kind {
            LineKind::Service => {
                client.create_under(contract, &NewContractService::new(contract, Id::new(target.service.id))).await
            }
            LineKind::Bundle => {
                let body = NewContractServiceBundle::new(contract, Id::new(target.service.id));
                client.create_under(contract, &body).await
            }
        };
        judge(sent)
    }
}
