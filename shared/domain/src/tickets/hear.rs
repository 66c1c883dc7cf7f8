//! What a run that ended says of the failures that have tickets, or are to have some.

use super::record::{FailureTicket, Said};
use super::settings::TicketPer;
use crate::actor::{Actor, Scope};
use crate::connections::settings::SettingsRecord;
use crate::ids::{AccountId, ConnectionId, PartnerId, RunId};
use crate::ports::{Deadline, Ports, Read, StorageError};
use crate::problem::{Error, Result};
use crate::records::{Collection, Expect, Key, Record, Write, load, load_all};
use crate::runs::{self, LineFilter, LineState, Run, RunLine, RunMode, RunState};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often a record is written anew over somebody else's change.
const TRIES: u32 = 6;
/// A ticket is not begun with less time than this; the tick goes on with it.
pub(super) const TIME_MIN: Duration = Duration::from_secs(25);

/// Hears that a run ended: what it says of failures is put on record, and then done. Nothing happens, and nothing is
/// asked of Autotask, unless the settings have tickets enabled.
///
/// # Errors
/// Records, so that the event is delivered again. What Autotask does not take stays on record and is tried again.
pub async fn hear_run(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &ConnectionId),
    run: &RunId,
    deadline: &dyn Deadline,
) -> Result<()> {
    let key = Key::Settings(partner.clone(), id.clone());
    let Some(settings) = load::<SettingsRecord>(&*ports.storage, scope, &key).await? else { return Ok(()) };
    if !settings.settings.failure_ticket.enabled {
        return Ok(());
    }
    let (run, lines) = match runs::run_lines(ports, scope, partner, id, run, &LineFilter::default()).await {
        Ok((run, lines)) => (run, lines),
        Err(Error::Problem(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let Some(said) = said_by(&run, &lines) else { return Ok(()) };
    let subjects = subjects(ports, scope, &run, &said, settings.settings.failure_ticket.per).await?;
    for (subject, said) in &subjects {
        put(ports, scope, (partner, id), subject, said).await?;
    }
    for subject in subjects.keys() {
        if deadline.remaining() < TIME_MIN {
            tracing::info!(connection.id = %id, "no time is left for tickets; the tick goes on with them");
            break;
        }
        super::work::work_one(ports, scope, actor, partner, id, subject).await?;
    }
    Ok(())
}

/// What a run says; none where it says nothing, as it did not write or did not end by itself.
fn said_by(run: &Run, lines: &[RunLine]) -> Option<Said> {
    if !run.kind.is_billing() || run.mode != RunMode::Apply {
        return None;
    }
    if !matches!(run.state, RunState::Done | RunState::Partial | RunState::Failed) {
        return None;
    }
    let bad = |line: &&RunLine| matches!(line.state, LineState::Failed | LineState::Unverified);
    let failed: BTreeSet<AccountId> = lines.iter().filter(bad).map(|line| line.account.clone()).collect();
    let whole = run.state == RunState::Failed;
    // Of a run that broke off, what was not done is not known to be right.
    let fine = if whole {
        BTreeSet::new()
    } else {
        lines.iter().map(|line| line.account.clone()).filter(|account| !failed.contains(account)).collect()
    };
    let all = run.accounts.is_none() && run.changes.is_none() && !whole;
    Some(Said { run: run.id.clone(), failed, fine, whole, all })
}

/// The subjects that a run speaks of: those on record, and those that are new by the settings.
async fn subjects(
    ports: &Ports,
    scope: &Scope,
    run: &Run,
    said: &Said,
    per: TicketPer,
) -> Result<BTreeMap<String, Said>> {
    let of = Collection::FailureTickets(run.partner.clone(), run.connection.clone());
    let known = load_all::<FailureTicket>(&*ports.storage, scope, &of, Read::Strong).await?;
    let known: BTreeSet<String> = known.into_iter().map(|found| found.value.subject).collect();
    let kind = run.kind.as_str();
    let mut subjects = BTreeMap::new();
    let fails = said.whole || !said.failed.is_empty();
    // A run that failed as a whole is no single client's.
    if known.contains(kind) || (per == TicketPer::Run && fails) || said.whole {
        let own =
            if per == TicketPer::Client { Said { failed: BTreeSet::new(), ..said.clone() } } else { said.clone() };
        subjects.insert(kind.to_owned(), own);
    }
    for account in said.failed.iter().chain(&said.fine) {
        let subject = format!("{kind}/{account}");
        let failed = said.failed.contains(account);
        if known.contains(&subject) || (per == TicketPer::Client && failed) {
            let only = |set: &BTreeSet<AccountId>| set.iter().filter(|one| *one == account).cloned().collect();
            let own = Said {
                run: said.run.clone(),
                failed: only(&said.failed),
                fine: only(&said.fine),
                whole: false,
                all: said.all,
            };
            subjects.insert(subject, own);
        }
    }
    Ok(subjects)
}

/// Writes what a run says into a subject's record.
async fn put(
    ports: &Ports,
    scope: &Scope,
    (partner, id): (&PartnerId, &ConnectionId),
    subject: &str,
    said: &Said,
) -> Result<()> {
    for _ in 0..TRIES {
        let fresh = FailureTicket::new(partner, id, subject, &said.run);
        let found = load::<FailureTicket>(&*ports.storage, scope, &fresh.key()).await?;
        let (mut record, expect) = match found {
            Some(found) => (found.value, Expect::Version(found.v)),
            None => (fresh, Expect::Absent),
        };
        if !record.hear(said, ports.clock.now()) {
            return Ok(());
        }
        record.intend(format!("run-failure-{}", ports.ids.uuid()));
        match ports.storage.write(scope, vec![Write::put(&record, expect)?]).await {
            Err(StorageError::Conflict { .. }) => {}
            other => return Ok(other?),
        }
    }
    Err(StorageError::Conflict { at: 0, current: None }.into())
}
