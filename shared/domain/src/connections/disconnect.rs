//! The end of a connection. The secret goes in any case; what else stays is the partner's choice.

use super::connect::audited;
use super::record::{Connection, ConnectionStatus};
use super::{
    INVOICE_FETCH_JOB, INVOICE_REFRESH_JOB, PSA, check_version, conflict, invoice_schedule, load_connection, schedule,
};
use crate::actor::{Actor, Scope};
use crate::autotask_session::secrets_problem;
use crate::billing::creation::LineCreation;
use crate::change::{Change, conflict_as};
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices;
use crate::issues::Issue;
use crate::mappings::{CompanyTaken, LineTaken, Mapping};
use crate::packages::PackageMapping;
use crate::ports::{Order, PageRequest, Ports, Read, SecretName};
use crate::problem::{Code, Problem, Result};
use crate::records::{Collection, Expect, Key, Record, Write, delete_all, load_all, load_page};
use crate::runs::{Dismissal, Run, RunState};
use crate::tickets::FailureTicket;
use crate::units::{SETTLE, UnitLine};
use crate::webhooks;
use serde_json::json;

/// What stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing but history.
    Nothing,
    /// The mappings: connecting again by relink finds them.
    Mappings,
}

/// Runs that are looked at for one that is still writing: the newest ones.
const RUNS_LOOKED_AT: u32 = 50;

/// Ends a connection: no call after this, the credentials deleted, the schedule and the partner's place free.
/// Without `Keep::Mappings` its records go too. Its webhooks are removed from Autotask as far as that answers; nothing
/// else is touched there. Repeating finishes what a kill left.
///
/// # Errors
/// `already_running` while a run may still write, or a fetch of invoices; `unavailable` while there is more to remove
/// than one call removes: the connection has ended then, and repeating removes the rest; `precondition_failed`,
/// `conflict`.
pub async fn disconnect(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
    if_match: Option<u64>,
    keep: Keep,
) -> Result<()> {
    let found = load_connection(ports, scope, partner, id).await?;
    check_version(if_match, found.v)?;
    if found.status != ConnectionStatus::Disconnected {
        refuse_while_running(ports, scope, &found).await?;
        webhooks::remove_while_possible(ports, scope, actor, &found).await;
        let (v, before) = (found.v, found.value);
        let mut after = before.clone();
        after.status = ConnectionStatus::Disconnected;
        after.needs_relink_since = None;
        after.updated_at = ports.clock.now();
        let guard = Key::ConnectionOfPsa(partner.clone(), PSA.to_owned());
        let kept = json!({"keep": if keep == Keep::Mappings { "mappings" } else { "nothing" }});
        Change::of_connection(ports, actor, partner, id)
            .replace(&after, v)?
            .write(Write::delete(guard, Expect::Any))
            .write(Write::delete(schedule::key(&before), Expect::Any))
            .write(Write::delete(invoice_schedule::key(&before, INVOICE_FETCH_JOB), Expect::Any))
            .write(Write::delete(invoice_schedule::key(&before, INVOICE_REFRESH_JOB), Expect::Any))
            .audit("connection.disconnected", "connection", audited(&before), kept.clone())?
            .event("connection.disconnected", kept)?
            .commit(scope)
            .await
            .map_err(|error| conflict_as(error, conflict))?;
        tracing::info!(connection.id = %id, "a connection was ended");
    }
    webhooks::forget(ports, scope, actor, partner, id).await?;
    // The record no longer uses it; a deletion that fails now is the sweep's.
    let secret = SecretName::Connection(partner.clone(), id.clone());
    ports.secrets.delete(&secret).await.map_err(secrets_problem)?;
    if keep == Keep::Nothing {
        forget(ports, scope, partner, id).await?;
    }
    Ok(())
}

/// Refuses while a run, or a change that it sent, may still take effect in Autotask: the ledger that keeps it from
/// being made twice belongs to this connection.
pub(super) async fn refuse_while_running(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<()> {
    let of = Collection::Runs(connection.partner.clone(), connection.id.clone());
    let page = PageRequest { limit: RUNS_LOOKED_AT, after: None, order: Order::Descending, read: Read::Strong };
    let (runs, _) = load_page::<Run>(&*ports.storage, scope, &of, page).await?;
    let active = |run: &Run| !run.state.is_final() && run.state != RunState::Planned;
    match runs.iter().find(|run| active(run)) {
        Some(run) => Err(Problem::new(Code::AlreadyRunning, format!("The run {} is under way.", run.id))
            .with("run_id", run.id.as_str())
            .into()),
        None => refuse_while_sent(ports, scope, connection).await,
    }
}

async fn refuse_while_sent(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<()> {
    let of = Collection::UnitLines(connection.partner.clone(), connection.id.clone());
    let now = ports.clock.now();
    let settles = |line: &UnitLine| line.open.as_ref().and_then(|open| open.sent_by.checked_add(SETTLE).ok());
    let lines = load_all::<UnitLine>(&*ports.storage, scope, &of, Read::Strong).await?;
    let of = Collection::LineCreations(connection.partner.clone(), connection.id.clone());
    let creations = load_all::<LineCreation>(&*ports.storage, scope, &of, Read::Strong).await?;
    let added = creations.iter().filter_map(|new| new.open.as_ref()?.sent_by.checked_add(SETTLE).ok());
    match lines.iter().filter_map(|line| settles(line)).chain(added).filter(|at| *at > now).max() {
        Some(at) => {
            let text = format!("A change was sent to Autotask and may take effect until {at}.");
            let wait = u64::try_from(at.duration_since(now).as_secs()).unwrap_or(0);
            Err(Problem::new(Code::AlreadyRunning, text).retry_after(wait.saturating_add(1)).into())
        }
        None => Ok(()),
    }
}

/// Removes what is kept of an Autotask database: mappings of accounts and packages, what they hold, the lines' ledger,
/// invoices, issues, tickets, how much of its limits was used. Ids that mean something else, or nothing, elsewhere. In as
/// many transactions as it takes.
pub(super) async fn drop_theirs(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<()> {
    invoices::forget(ports, scope, partner, id).await?;
    let of = |make: fn(PartnerId, ConnectionId) -> Collection| make(partner.clone(), id.clone());
    remove_all::<LineTaken>(ports, scope, of(Collection::LinesTaken)).await?;
    remove_all::<CompanyTaken>(ports, scope, of(Collection::CompaniesTaken)).await?;
    remove_all::<Mapping>(ports, scope, of(Collection::Mappings)).await?;
    remove_all::<PackageMapping>(ports, scope, of(Collection::PackageMappings)).await?;
    remove_all::<Dismissal>(ports, scope, of(Collection::Dismissals)).await?;
    remove_all::<LineCreation>(ports, scope, of(Collection::LineCreations)).await?;
    remove_all::<UnitLine>(ports, scope, of(Collection::UnitLines)).await?;
    remove_all::<Issue>(ports, scope, of(Collection::Issues)).await?;
    remove_all::<FailureTicket>(ports, scope, of(Collection::FailureTickets)).await?;
    let last = [Key::HealthReport, Key::Budget].map(|key| key(partner.clone(), id.clone()));
    Ok(delete_all(&*ports.storage, scope, &last).await?)
}

/// Removes what is left of a connection that has ended; the audit trail and the runs stay until they expire.
async fn forget(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<()> {
    drop_theirs(ports, scope, partner, id).await?;
    let last = [
        Key::PackageMappingTurn,
        Key::TopologyUse,
        Key::Webhooks,
        Key::Settings,
        Key::Notifications,
        Key::NotifyState,
        Key::Connection,
    ];
    let last = last.map(|key| key(partner.clone(), id.clone()));
    Ok(delete_all(&*ports.storage, scope, &last).await?)
}

async fn remove_all<R: Record>(ports: &Ports, scope: &Scope, of: Collection) -> Result<()> {
    let keys: Vec<Key> =
        load_all::<R>(&*ports.storage, scope, &of, Read::Strong).await?.iter().map(|found| found.value.key()).collect();
    Ok(delete_all(&*ports.storage, scope, &keys).await?)
}
