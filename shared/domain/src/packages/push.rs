//! Pushing package changes by themselves: when one is told, and by the sweep that takes up what could not be pushed
//! then.

use super::pending::{Backlog, Biller, Standing, biller};
use super::settle::close;
use super::{PackageChange, PendingChange};
use crate::actor::{Actor, Scope};
use crate::connections::{Schedule, due_schedules};
use crate::ids::{AccountId, ChangeId, ConnectionId, PartnerId};
use crate::ports::{Ports, Read, StorageError};
use crate::problem::{Error, Result};
use crate::records::{Collection, Expect, Key, Record, Versioned, Write, load};
use crate::runs::{self, Run, RunKind, RunMode, StartRun, Trigger};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The job's name in schedules.
pub const JOB: &str = "package_changes";
/// How often a connection with changes that wait is looked at.
pub const SWEEP_EVERY: SignedDuration = SignedDuration::from_mins(15);
/// About how many changes one run that starts by itself takes: their lines are written within a few invocations, so
/// that nobody who presses a button waits long. Those of one account go together.
pub const RUN_CHANGES_MAX: usize = 200;

/// The write that lets the sweep look after a connection's changes.
///
/// # Errors
/// None that a well-formed record has.
pub(super) fn due_now(biller: &Biller, now: Timestamp) -> Result<Write> {
    let (partner, connection) = (biller.connection.partner.clone(), biller.connection.id.clone());
    let schedule = Schedule { partner, connection, job: JOB.to_owned(), due_at: now };
    Ok(Write::put(&schedule, Expect::Any)?)
}

/// Starts a run of what is due, of one account or of all. None where nothing is, or where another run is at work: the
/// sweep then takes it up. Changes for which there is nothing to write are closed.
///
/// # Errors
/// Records, the queue.
pub async fn push(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    biller: Biller,
    only: Option<&AccountId>,
) -> Result<Option<Run>> {
    let backlog = Backlog::load(ports, scope, biller, only).await?;
    let mut due: BTreeMap<&AccountId, Vec<&PackageChange>> = BTreeMap::new();
    let mut order = Vec::new();
    for change in &backlog.changes {
        match backlog.standing(change) {
            Standing::Due => {
                let own = due.entry(&change.account).or_default();
                if own.is_empty() {
                    order.push(&change.account);
                }
                own.push(change);
            }
            Standing::Nothing => close(ports, scope, actor, backlog.connection(), change).await?,
            Standing::Waits(_) => {}
        }
    }
    let mut taken: Vec<&PackageChange> = Vec::new();
    for account in order.into_iter().filter_map(|account| due.remove(account)) {
        if !taken.is_empty() && taken.len() + account.len() > RUN_CHANGES_MAX {
            break;
        }
        taken.extend(account);
    }
    if taken.is_empty() {
        return Ok(None);
    }
    start(ports, scope, actor, &backlog, &taken).await
}

async fn start(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    backlog: &Backlog,
    taken: &[&PackageChange],
) -> Result<Option<Run>> {
    let accounts: BTreeSet<AccountId> = taken.iter().map(|change| change.account.clone()).collect();
    let wanted = StartRun {
        accounts: Some(accounts.into_iter().collect()),
        changes: Some(taken.iter().map(|change| change.id.clone()).collect()),
        ..StartRun::of_kind(RunKind::PackageChanges, RunMode::Apply, Trigger::Event)
    };
    let (partner, connection) = (&backlog.biller.connection.partner, backlog.connection());
    match runs::start(ports, scope, actor, partner, connection, wanted).await {
        Ok(run) => {
            for change in taken {
                note(ports, scope, &run, &change.id).await;
            }
            Ok(Some(run))
        }
        Err(Error::Problem(problem)) => {
            let code = problem.code.as_str();
            tracing::info!(connection.id = %connection, code, detail = problem.detail, "package changes have to wait");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Notes on a change which run took it up. The run knows its changes itself: where this fails, the change is looked
/// at once more and nothing is lost.
async fn note(ports: &Ports, scope: &Scope, run: &Run, id: &ChangeId) {
    if let Err(error) = try_note(ports, scope, run, id).await {
        tracing::warn!(run.id = %run.id, change.id = %id, error = %error, "a change does not name its run");
    }
}

async fn try_note(ports: &Ports, scope: &Scope, run: &Run, id: &ChangeId) -> Result<()> {
    let storage = &*ports.storage;
    let key = Key::PendingChange(run.partner.clone(), id.clone());
    let Some(pending) = load::<PendingChange>(storage, scope, &key).await? else { return Ok(()) };
    let Some(own) = load::<PackageChange>(storage, scope, &pending.0.key()).await? else { return Ok(()) };
    if pending.0.run.as_ref() == Some(&run.id) {
        return Ok(());
    }
    let mut change = pending.0.clone();
    change.run = Some(run.id.clone());
    change.why = None;
    let writes = vec![Write::replace(&change, own.v)?, Write::replace(&PendingChange(change), pending.v)?];
    match storage.write(scope, writes).await {
        // The run was quicker.
        Ok(()) | Err(StorageError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Pushes what was just told, as far as that is possible now; what is not stays due for the sweep. Never fails: the
/// change is recorded, and that is what its teller asked for.
pub(crate) async fn push_told(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    only: Option<&AccountId>,
) -> Option<Run> {
    let pushed = async {
        match biller(ports, scope, partner).await? {
            Some(biller) if biller.since.is_some() => push(ports, scope, actor, biller, only).await,
            _ => Ok(None),
        }
    };
    pushed.await.unwrap_or_else(|error| {
        let cause = std::error::Error::source(&error);
        tracing::warn!(partner.id = %partner, error = %error, ?cause, "a package change could not be pushed yet");
        None
    })
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Runs started.
    pub started: u32,
    /// Connections whose changes go on waiting.
    pub waiting: u32,
    /// Connections that have none left.
    pub ended: u32,
}

/// Takes up the changes of every connection that is due at `now`.
///
/// # Errors
/// Records, where the due connections cannot be listed; the next tick finds what is left.
pub async fn sweep(ports: &Ports, scope: &Scope, actor: &Actor, now: Timestamp) -> Result<Swept> {
    let mut swept = Swept::default();
    for schedule in due_schedules(ports, scope, JOB, now).await? {
        let id = schedule.connection.clone();
        // One connection's trouble is not another's.
        if let Err(error) = one(ports, scope, actor, now, schedule, &mut swept).await {
            let cause = std::error::Error::source(&error);
            tracing::error!(connection.id = %id, error = %error, ?cause, "package changes could not be pushed");
            swept.waiting += 1;
        }
    }
    Ok(swept)
}

async fn one(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    now: Timestamp,
    indexed: Schedule,
    swept: &mut Swept,
) -> Result<()> {
    let Some(scope) = scope.narrow(&indexed.partner) else { return Ok(()) };
    // The index is eventually consistent: what counts is the record.
    let Some(schedule) = load::<Schedule>(&*ports.storage, &scope, &indexed.key()).await? else { return Ok(()) };
    if schedule.due_at > now {
        return Ok(());
    }
    let left = match biller(ports, &scope, &schedule.partner).await? {
        Some(biller) if biller.connection.id == schedule.connection && biller.since.is_some() => {
            if push(ports, &scope, actor, biller.clone(), None).await?.is_some() {
                swept.started += 1;
            }
            any_left(ports, &scope, &biller).await?
        }
        _ => false,
    };
    *(if left { &mut swept.waiting } else { &mut swept.ended }) += 1;
    let write = match left {
        true => Write::replace(&Schedule { due_at: now + SWEEP_EVERY, ..schedule.value.clone() }, schedule.v)?,
        false => Write::delete(schedule.key(), Expect::Version(schedule.v)),
    };
    match ports.storage.write(&scope, vec![write]).await {
        // Somebody told a change in between: it is due.
        Ok(()) | Err(StorageError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether changes that are to be pushed by themselves are still pending.
async fn any_left(ports: &Ports, scope: &Scope, biller: &Biller) -> Result<bool> {
    let of = Collection::PendingChanges(biller.connection.partner.clone());
    let pending = crate::records::load_all::<PendingChange>(&*ports.storage, scope, &of, Read::Strong).await?;
    Ok(pending.iter().any(|change| biller.pushes(change.0.received_at)))
}

/// When the sweep looks at a connection's changes next; none where it has none to look at.
///
/// # Errors
/// Records.
pub async fn next_sweep(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<Option<Timestamp>> {
    let key = Key::Schedule(partner.clone(), connection.clone(), JOB.to_owned());
    let found: Option<Versioned<Schedule>> = load(&*ports.storage, scope, &key).await?;
    Ok(found.map(|schedule| schedule.due_at))
}
