//! Starting a run that changes units.

use super::decide::refuse_one_person;
use super::lease::{self, Holder, SlotClaim, already_running};
use super::{Period, Run, RunKind, RunMode, RunState, Trigger, finish, lost};
use crate::actor::{Actor, Scope};
use crate::autotask_session::refuse_unless_connected;
use crate::calendar::{month_of, period_of_slot};
use crate::change::Change;
use crate::connections::settings::{ApprovalMode, SettingsRecord};
use crate::connections::{SEAT_SYNC_JOB, Settings, load_connection};
use crate::ids::{AccountId, ChangeId, ConnectionId, PartnerId, RunId};
use crate::mappings::{Mapping, MappingStatus};
use crate::packages;

use crate::ports::{Ports, Read, StorageError};
use crate::problem::{Code, Error, FieldError, Problem, Result};
use crate::records::{Collection, Key, Versioned, load, load_all};
use crate::vendor::Account;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often a start that somebody else got in the way of is tried: each time the reason is looked up anew.
const TRIES: u32 = 4;

/// What to start.
#[derive(Debug, Clone, PartialEq)]
pub struct StartRun {
    /// What it does: a seat sync, an initial sync, or package changes.
    pub kind: RunKind,
    /// Whether it may write. A run that starts by itself stops at its plan where the settings say `approve_all`.
    pub mode: RunMode,
    /// Which accounts; none means all.
    pub accounts: Option<Vec<AccountId>>,
    /// Which package changes; none means all that are pending.
    pub changes: Option<Vec<ChangeId>>,
    /// From when units count: from the first day of the month before to the last day of the next month, in the
    /// connection's zone. None: for a seat sync the first of the present month, or of the slot's; for other kinds
    /// each line's own day, by the settings.
    pub effective_date: Option<Date>,
    /// Why.
    pub trigger: Trigger,
    /// The slot it is for, where a schedule starts it. A slot has one run.
    pub due_slot: Option<Timestamp>,
    /// The run whose failed lines it retries.
    pub retry_of: Option<RunId>,
    /// Why a vendor's role starts it; goes to the audit trail.
    pub reason: Option<String>,
}

impl StartRun {
    /// A seat sync of all accounts, effective from the first of the month.
    #[must_use]
    pub fn seat_sync(mode: RunMode, trigger: Trigger) -> Self {
        Self::of_kind(RunKind::SeatSync, mode, trigger)
    }

    /// A run of all accounts.
    #[must_use]
    pub fn of_kind(kind: RunKind, mode: RunMode, trigger: Trigger) -> Self {
        Self {
            kind,
            mode,
            accounts: None,
            changes: None,
            effective_date: None,
            trigger,
            due_slot: None,
            retry_of: None,
            reason: None,
        }
    }

    /// The run of a schedule's slot.
    #[must_use]
    pub fn of_slot(due_slot: Timestamp, trigger: Trigger) -> Self {
        Self { due_slot: Some(due_slot), ..Self::seat_sync(RunMode::Apply, trigger) }
    }
}

/// Starts a run: writes it as queued together with its lease (a preview needs none) and its slot's claim, and sends
/// the message that makes a worker take it up. A slot that already has a run gets that run back.
///
/// # Errors
/// `not_found`, `needs_relink`, `connection_paused`; `invalid_input` naming the field; `initial_sync_not_ready` with
/// what is `missing`; `second_person_needed` where somebody would write alone; `already_running` with `run_id` and
/// `status_url`.
pub async fn start(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    connection: &ConnectionId,
    wanted: StartRun,
) -> Result<Run> {
    if let Some(run) = run_of_slot(ports, scope, partner, connection, wanted.due_slot).await? {
        return taken_up(ports, run).await;
    }
    let settings = ready(ports, scope, partner, connection, wanted.kind).await?;
    if wanted.kind == RunKind::Initial {
        packages::gate(ports, scope, partner, connection).await?.pass()?;
    }
    if wanted.due_slot.is_none() {
        refuse_one_person(&settings, actor, wanted.mode)?;
    }
    let run = planned(ports, scope, actor, (partner, connection), settings, &wanted).await?;
    for _ in 0..TRIES {
        match claim(ports, scope, actor, &run, &wanted).await {
            Ok(()) => return sent(ports, scope, actor, run).await,
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            Err(error) => return Err(error),
        }
        if let Some(run) = run_of_slot(ports, scope, partner, connection, wanted.due_slot).await? {
            return taken_up(ports, run).await;
        }
    }
    Err(Error::problem(Code::Conflict, "Other runs of this connection start and end at the same moment."))
}

/// The settings of a connection on which a run of this kind may work now.
///
/// # Errors
/// As [`start`], for what is wrong with the connection.
pub(super) async fn ready(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    id: &ConnectionId,
    kind: RunKind,
) -> Result<Settings> {
    let connection = load_connection(ports, scope, partner, id).await?;
    refuse_unless_connected(&connection)?;
    if let Some(feature) = kind.feature().filter(|feature| !connection.has_feature(feature)) {
        return Err(Problem::field("/kind", format!("the connection's feature `{feature}` is off")).into());
    }
    let key = Key::Settings(partner.clone(), id.clone());
    let settings = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
    Ok(settings.map(|record| record.value.settings).unwrap_or_default())
}

/// The lease of a run: taken over from runs that have ended, after ending those that are lost.
///
/// # Errors
/// `already_running`.
pub(super) async fn lease_for(ports: &Ports, scope: &Scope, run: &Run) -> Result<crate::records::Write> {
    for _ in 0..TRIES {
        match lease::look(ports, scope, run).await? {
            Holder::Free(write) => return Ok(*write),
            Holder::Busy(other) => return Err(already_running(&other)),
            Holder::Lost(other) => lost::give_up(ports, scope, *other).await?,
        }
    }
    Err(Error::problem(Code::Conflict, "Other runs of this connection start and end at the same moment."))
}

async fn planned(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    settings: Settings,
    wanted: &StartRun,
) -> Result<Run> {
    if !matches!(wanted.kind, RunKind::SeatSync | RunKind::Initial | RunKind::PackageChanges) {
        let rule = "must be `seat_sync`, `initial` or `package_changes`; other kinds are started by their own routes";
        return Err(Problem::field("/kind", rule).into());
    }
    let mut wrong = Vec::new();
    let accounts = match &wanted.accounts {
        Some(given) => Some(checked_accounts(ports, scope, of, given, &mut wrong).await?),
        None => None,
    };
    let today = ports.clock.now().to_zoned(settings.zone()).date();
    let (period, effective_date) = dates(wanted, today, &settings, &mut wrong);
    if let Some(problem) = Problem::fields(wrong) {
        return Err(problem.into());
    }
    let mut run = Run::queued(ports, actor, of, wanted.kind, wanted.trigger.clone());
    let by_itself = matches!(wanted.trigger, Trigger::Schedule | Trigger::CatchUp | Trigger::Event);
    let asks_first = by_itself && settings.approval_mode == ApprovalMode::ApproveAll;
    run.mode = if asks_first { RunMode::Preview } else { wanted.mode };
    run.accounts = accounts;
    run.changes.clone_from(&wanted.changes);
    run.due_slot = wanted.due_slot;
    run.period = Some(period);
    run.effective_date = effective_date;
    run.retry_of.clone_from(&wanted.retry_of);
    run.settings = Some(settings);
    Ok(run)
}

/// The first and last day that a run may be effective from, on a day.
pub(super) fn window(today: Date) -> (Date, Date) {
    let month = month_of(today);
    let first = month.start.yesterday().map_or(month.start, |day| day.first_of_month());
    let last = month.end.tomorrow().map_or(month.end, |day| day.last_of_month());
    (first, last)
}

fn dates(wanted: &StartRun, today: Date, settings: &Settings, wrong: &mut Vec<FieldError>) -> (Period, Option<Date>) {
    let slot = wanted.due_slot.map(|slot| period_of_slot(slot, &settings.zone()));
    let Some(given) = wanted.effective_date else {
        let period = slot.unwrap_or_else(|| month_of(today));
        let by_policy = wanted.kind != RunKind::SeatSync;
        return (period, (!by_policy).then_some(period.start));
    };
    let (first, last) = window(today);
    if !(first..=last).contains(&given) {
        wrong.push(FieldError {
            pointer: "/effective_date".to_owned(),
            detail: format!("must lie between {first} and {last}"),
        });
    }
    (slot.unwrap_or_else(|| month_of(given)), Some(given))
}

/// The accounts, each once. A mapping that broke was confirmed once: its line will say why it cannot be written.
async fn checked_accounts(
    ports: &Ports,
    scope: &Scope,
    (partner, connection): (&PartnerId, &ConnectionId),
    given: &[AccountId],
    wrong: &mut Vec<FieldError>,
) -> Result<Vec<AccountId>> {
    if given.is_empty() {
        let detail = "must name at least one account; leave it out for all".to_owned();
        wrong.push(FieldError { pointer: "/scope/accounts".to_owned(), detail });
    }
    let known: BTreeSet<AccountId> =
        all::<Account>(ports, scope, Collection::Accounts(partner.clone())).await?.map(|account| account.id).collect();
    let of = Collection::Mappings(partner.clone(), connection.clone());
    let mapped: BTreeMap<AccountId, MappingStatus> =
        all::<Mapping>(ports, scope, of).await?.map(|mapping| (mapping.account, mapping.status)).collect();
    for (at, account) in given.iter().enumerate() {
        let detail = match mapped.get(account) {
            _ if !known.contains(account) => "there is no such account",
            Some(MappingStatus::Confirmed | MappingStatus::Broken) => continue,
            Some(MappingStatus::Suggested) => "the account's mapping is not confirmed",
            Some(MappingStatus::Excluded) => "the account is excluded",
            None => "the account is not mapped",
        };
        wrong.push(FieldError { pointer: format!("/scope/accounts/{at}"), detail: detail.to_owned() });
    }
    let once: BTreeSet<AccountId> = given.iter().cloned().collect();
    Ok(once.into_iter().collect())
}

async fn all<R: crate::records::Record>(
    ports: &Ports,
    scope: &Scope,
    of: Collection,
) -> Result<impl Iterator<Item = R>> {
    let records = load_all::<R>(&*ports.storage, scope, &of, Read::Eventual).await?;
    Ok(records.into_iter().map(|record| record.value))
}

async fn claim(ports: &Ports, scope: &Scope, actor: &Actor, run: &Run, wanted: &StartRun) -> Result<()> {
    let mut change = Change::of_connection(ports, actor, &run.partner, &run.connection).create(run)?;
    if run.mode == RunMode::Apply {
        change = change.write(lease_for(ports, scope, run).await?);
    }
    if let Some(due_slot) = run.due_slot {
        change = change.create(&SlotClaim {
            partner: run.partner.clone(),
            connection: run.connection.clone(),
            job: SEAT_SYNC_JOB.to_owned(),
            due_slot,
            run: run.id.clone(),
            expires: crate::records::Record::expires(run),
        })?;
    }
    let after = json!({
        "kind": run.kind, "trigger": run.trigger, "mode": run.mode, "accounts": run.accounts,
        "changes": run.changes, "effective_date": run.effective_date, "retry_of": run.retry_of,
        "reason": wanted.reason,
    });
    let change = change.audit("run.started", format!("run/{}", run.id), json!(null), after)?;
    change.commit(scope).await?;
    Ok(())
}

/// Sends the message. Where the queue does not take it, a slot's run stays queued (the next tick finds it here and
/// sends again); another one ends, so that its caller can start anew.
pub(super) async fn sent(ports: &Ports, scope: &Scope, actor: &Actor, run: Run) -> Result<Run> {
    let Err(error) = run.message().send(ports, Duration::ZERO).await else { return Ok(run) };
    if run.due_slot.is_none() {
        let problem = Some((Code::Unavailable, "The run could not be handed to a worker.".to_owned()));
        let claimed = Versioned { v: 1, value: run };
        let totals = claimed.totals;
        finish(ports, scope, actor, claimed, RunState::Failed, totals, problem).await?;
    }
    Err(error)
}

/// A slot's run that stands already; where nobody has begun it, its message may be lost and is sent again.
async fn taken_up(ports: &Ports, run: Run) -> Result<Run> {
    if run.state == RunState::Queued {
        run.message().send(ports, Duration::ZERO).await?;
    }
    Ok(run)
}

async fn run_of_slot(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    due_slot: Option<Timestamp>,
) -> Result<Option<Run>> {
    let Some(slot) = due_slot else { return Ok(None) };
    let key = Key::SlotClaim(partner.clone(), connection.clone(), SEAT_SYNC_JOB.to_owned(), slot);
    let Some(claim) = load::<SlotClaim>(&*ports.storage, scope, &key).await? else { return Ok(None) };
    let key = Key::Run(partner.clone(), connection.clone(), claim.value.run);
    Ok(load::<Run>(&*ports.storage, scope, &key).await?.map(|run| run.value))
}
