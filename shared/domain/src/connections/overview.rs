//! A connection at a glance: its record and what waits for a person, counted from records.

use super::load_connection;
use super::record::{Connection, SEAT_SYNC_JOB, Schedule};
use crate::actor::Scope;
use crate::ids::{AccountId, ConnectionId, PartnerId};
use crate::issues::Issue;
use crate::mappings::{Mapping, MappingStatus};
use crate::ports::{Order, PageRequest, Ports, Read};
use crate::problem::Result;
use crate::records::{Collection, Key, Versioned, load, load_all, load_page};
use crate::runs::{Run, RunKind, RunMode};
use crate::vendor::{Account, AccountClaim};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Runs among which the newest seat sync is looked for.
const RUNS_LOOKED_AT: u32 = 50;

/// What waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Active accounts that are neither mapped, nor suggested, nor excluded, nor another PSA's.
    pub unmapped: u32,
    /// Suggestions that wait for a yes.
    pub unconfirmed: u32,
    /// Mappings that no longer work.
    pub broken: u32,
    /// Confirmed mappings that runs write.
    pub confirmed: u32,
    /// Confirmed mappings without a contract or a line: never billed.
    pub not_billed: u32,
    /// Active accounts of the partner that are this PSA's.
    pub accounts: u32,
    /// Issues at which somebody should look: open or acknowledged.
    pub issues: u32,
    /// Held lines of the newest seat sync.
    pub held: u32,
}

/// A connection at a glance.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The record.
    pub connection: Versioned<Connection>,
    /// What waits for a person.
    pub counters: Counters,
    /// When the seat sync is next due, where it runs by itself.
    pub next_run_at: Option<Timestamp>,
    /// The newest seat sync that was to write.
    pub last_run: Option<Run>,
}

/// One connection at a glance.
///
/// # Errors
/// `not_found`.
pub async fn overview(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<Overview> {
    let connection = load_connection(ports, scope, partner, id).await?;
    complete(ports, scope, connection).await
}

/// A partner's connections at a glance, ended ones with kept mappings too.
pub async fn list(ports: &Ports, scope: &Scope, partner: &PartnerId) -> Result<Vec<Overview>> {
    let of = Collection::Connections(partner.clone());
    let mut overviews = Vec::new();
    for connection in load_all::<Connection>(&*ports.storage, scope, &of, Read::Strong).await? {
        overviews.push(complete(ports, scope, connection).await?);
    }
    Ok(overviews)
}

async fn complete(ports: &Ports, scope: &Scope, connection: Versioned<Connection>) -> Result<Overview> {
    let (partner, id) = (connection.partner.clone(), connection.id.clone());
    let last_run = last_seat_sync(ports, scope, &partner, &id).await?;
    let mut counters = count_mappings(ports, scope, &partner, &id).await?;
    let issues = Collection::Issues(partner.clone(), id.clone());
    let issues = load_all::<Issue>(&*ports.storage, scope, &issues, Read::Eventual).await?;
    counters.issues = as_count(issues.iter().filter(|issue| issue.is_active()).count());
    counters.held = last_run.as_ref().map_or(0, |run| run.totals.held);
    let key = Key::Schedule(partner, id, SEAT_SYNC_JOB.to_owned());
    let schedule = load::<Schedule>(&*ports.storage, scope, &key).await?;
    let next_run_at = schedule.map(|found| found.value.due_at);
    Ok(Overview { connection, counters, next_run_at, last_run })
}

async fn count_mappings(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<Counters> {
    let storage = &*ports.storage;
    let accounts = load_all::<Account>(storage, scope, &Collection::Accounts(partner.clone()), Read::Eventual).await?;
    let claims = Collection::AccountClaims(partner.clone());
    let claims = load_all::<AccountClaim>(storage, scope, &claims, Read::Eventual).await?;
    let of = Collection::Mappings(partner.clone(), id.clone());
    let mappings = load_all::<Mapping>(storage, scope, &of, Read::Strong).await?;
    let accounts: Vec<Account> = accounts.into_iter().map(|found| found.value).collect();
    let claimed: BTreeSet<AccountId> = claims.into_iter().map(|found| found.value.account).collect();
    let mappings: Vec<Mapping> = mappings.into_iter().map(|found| found.value).collect();
    Ok(count(&accounts, &claimed, &mappings))
}

/// Counts what waits for a person. Pure.
fn count(accounts: &[Account], claimed: &BTreeSet<AccountId>, mappings: &[Mapping]) -> Counters {
    let mapped: BTreeMap<&AccountId, &Mapping> = mappings.iter().map(|m| (&m.account, m)).collect();
    let mut counters = Counters::default();
    for account in accounts.iter().filter(|account| account.active && !claimed.contains(&account.id)) {
        counters.accounts += 1;
        let place = match mapped.get(&account.id) {
            None => &mut counters.unmapped,
            Some(mapping) => match mapping.status {
                MappingStatus::Suggested => &mut counters.unconfirmed,
                MappingStatus::Broken => &mut counters.broken,
                MappingStatus::Excluded => continue,
                MappingStatus::Confirmed if mapping.contract.is_some() && !mapping.lines.is_empty() => {
                    &mut counters.confirmed
                }
                MappingStatus::Confirmed => &mut counters.not_billed,
            },
        };
        *place += 1;
    }
    counters
}

async fn last_seat_sync(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<Option<Run>> {
    let of = Collection::Runs(partner.clone(), id.clone());
    let page = PageRequest { limit: RUNS_LOOKED_AT, after: None, order: Order::Descending, read: Read::Strong };
    let (runs, _) = load_page::<Run>(&*ports.storage, scope, &of, page).await?;
    let fits = |run: &Run| run.kind == RunKind::SeatSync && run.mode == RunMode::Apply;
    Ok(runs.into_iter().map(|found| found.value).find(fits))
}

fn as_count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mappings::MappingSource;

    fn account(id: &str, active: bool) -> Account {
        Account {
            partner: PartnerId::new("acme").unwrap(),
            id: AccountId::new(id).unwrap(),
            name: id.to_owned(),
            contact_email: None,
            packages: Vec::new(),
            removed: Vec::new(),
            told: std::collections::BTreeSet::new(),
            packages_at: None,
            active,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn mapping(id: &str, status: MappingStatus) -> Mapping {
        Mapping {
            partner: PartnerId::new("acme").unwrap(),
            connection: ConnectionId::new("c").unwrap(),
            account: AccountId::new(id).unwrap(),
            status,
            company: None,
            contract: None,
            contracts: Vec::new(),
            leaving: Vec::new(),
            lines: Vec::new(),
            source: MappingSource::Manual,
            broken: None,
            paused: false,
            confirmed_at: None,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn only_active_accounts_of_this_psa_are_counted_and_each_once() {
        let accounts: Vec<Account> =
            ["a", "b", "c", "d", "e"].iter().map(|id| account(id, true)).chain([account("gone", false)]).collect();
        let claimed = BTreeSet::from([AccountId::new("e").unwrap()]);
        let mappings = [
            mapping("b", MappingStatus::Suggested),
            mapping("c", MappingStatus::Excluded),
            mapping("d", MappingStatus::Confirmed),
            mapping("gone", MappingStatus::Suggested),
        ];
        let counters = count(&accounts, &claimed, &mappings);
        let wanted = Counters { accounts: 4, unmapped: 1, unconfirmed: 1, not_billed: 1, ..Counters::default() };
        assert_eq!(counters, wanted);
    }
}
