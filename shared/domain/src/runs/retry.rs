//! The failed lines of a run, once more.

use super::apply::not_writable;
use super::read::load_run;
use super::start::window;
use super::{LineState, Run, RunKind, StartRun, Trigger, lines, start};
use crate::actor::{Actor, Scope};
use crate::connections::settings::SettingsRecord;
use crate::ids::{AccountId, ConnectionId, PartnerId, RunId};
use crate::mappings::{Mapping, MappingStatus};
use crate::ports::{Ports, Read};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, Key, load, load_all};
use std::collections::BTreeSet;

/// Starts a run over the accounts whose lines failed, were held or could not be verified: in the same mode, for the
/// same effective date, with counts and units as they are now. Accounts that are no longer mapped are left out.
///
/// # Errors
/// `not_found`; `run_not_writable` while the run is under way, where there is nothing to retry, or where its date is
/// too long ago; otherwise as for a start.
pub async fn retry_failed(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, connection, id): (&PartnerId, &ConnectionId, &RunId),
    reason: Option<String>,
) -> Result<Run> {
    let run = ended(ports, scope, (partner, connection, id)).await?;
    let lines = lines::load_lines(ports, scope, partner, connection, id).await?;
    let again = |state| matches!(state, LineState::Failed | LineState::Held | LineState::Unverified);
    let failed: BTreeSet<AccountId> =
        lines.into_iter().filter(|line| again(line.state)).map(|line| line.account).collect();
    let accounts = still_mapped(ports, scope, partner, connection, failed).await?;
    if accounts.is_empty() {
        let detail = "There is nothing to retry: no line of a mapped account failed, is held or unverified.";
        return Err(Error::problem(Code::RunNotWritable, detail));
    }
    once_more(ports, scope, actor, &run, Some(accounts), reason).await
}

/// Starts a run like another one over some of its accounts, whatever became of their lines: in the same mode, for the
/// same effective date. Accounts that are no longer mapped are left out.
///
/// # Errors
/// As [`retry_failed`].
pub async fn retry_accounts(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, connection, id): (&PartnerId, &ConnectionId, &RunId),
    accounts: BTreeSet<AccountId>,
    reason: Option<String>,
) -> Result<Run> {
    let run = ended(ports, scope, (partner, connection, id)).await?;
    let accounts = still_mapped(ports, scope, partner, connection, accounts).await?;
    if accounts.is_empty() {
        return Err(Error::problem(
            Code::RunNotWritable,
            "There is nothing to retry: the account is no longer mapped.",
        ));
    }
    once_more(ports, scope, actor, &run, Some(accounts), reason).await
}

/// Starts a run like another one, over the same accounts.
///
/// # Errors
/// As [`retry_failed`].
pub async fn run_again(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, connection, id): (&PartnerId, &ConnectionId, &RunId),
    reason: Option<String>,
) -> Result<Run> {
    let run = ended(ports, scope, (partner, connection, id)).await?;
    let accounts = run.accounts.clone();
    once_more(ports, scope, actor, &run, accounts, reason).await
}

/// A run of lines that has ended, and can be made once more.
async fn ended(
    ports: &Ports,
    scope: &Scope,
    (partner, connection, id): (&PartnerId, &ConnectionId, &RunId),
) -> Result<Run> {
    let run = load_run(ports, scope, partner, connection, id).await?;
    if !run.kind.is_billing() || !run.state.is_final() {
        return Err(not_writable(&run, "Only a run of lines that has ended can be retried"));
    }
    if run.kind == RunKind::Undo {
        return Err(not_writable(&run, "An undo is not retried; undo the same run once more"));
    }
    Ok(run.value)
}

async fn once_more(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    run: &Run,
    accounts: Option<Vec<AccountId>>,
    reason: Option<String>,
) -> Result<Run> {
    refuse_too_old(ports, scope, run).await?;
    let wanted = StartRun {
        accounts,
        changes: run.changes.clone(),
        effective_date: run.effective_date,
        retry_of: Some(run.id.clone()),
        reason,
        ..StartRun::of_kind(run.kind, run.mode, Trigger::Retry)
    };
    start(ports, scope, actor, &run.partner, &run.connection, wanted).await
}

async fn still_mapped(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    failed: BTreeSet<AccountId>,
) -> Result<Vec<AccountId>> {
    let of = Collection::Mappings(partner.clone(), connection.clone());
    let mappings = load_all::<Mapping>(&*ports.storage, scope, &of, Read::Strong).await?;
    let mapped = |status| matches!(status, MappingStatus::Confirmed | MappingStatus::Broken);
    let mappings = mappings.into_iter().filter(|mapping| mapped(mapping.status));
    Ok(mappings.map(|mapping| mapping.value.account).filter(|account| failed.contains(account)).collect())
}

async fn refuse_too_old(ports: &Ports, scope: &Scope, run: &Run) -> Result<()> {
    let key = Key::Settings(run.partner.clone(), run.connection.clone());
    let settings = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
    let zone = settings.map(|record| record.value.settings).unwrap_or_default().zone();
    let (first, last) = window(ports.clock.now().to_zoned(zone).date());
    match run.effective_date {
        Some(date) if !(first..=last).contains(&date) => {
            let detail = format!("The run is effective from {date}, which is too long ago; start a new one.");
            Err(Error::problem(Code::RunNotWritable, detail))
        }
        _ => Ok(()),
    }
}
