//! Loads ours, and looks at theirs, for a check.

use super::check::{Live, Ours};
use crate::actor::{Actor, Scope};
use crate::budget::Mode;
use crate::connections::settings::SettingsRecord;
use crate::connections::{self, Connection, ConnectionStatus, SEAT_SYNC_JOB, Schedule, load_connection};
use crate::ids::{AccountId, ConnectionId, PackageId, PartnerId};
use crate::mappings::{Context, Mapping, is_watched, look};
use crate::packages::{PackageMapping, PendingChange};
use crate::ports::{Order, PageRequest, Ports, Read};
use crate::problem::{Error, Result};
use crate::records::{Collection, Key, Record, load, load_all, load_page};
use crate::runs::Run;
use crate::vendor::{Account, AccountClaim, Usage};
use jiff::civil::Date;
use std::collections::BTreeMap;

/// Runs among which open ones and the newest of each kind are looked for.
const RUNS_LOOKED_AT: u32 = 50;
/// Mappings that are looked at while somebody waits: about 45 calls with the rights. The scheduled check has no bound.
const MAPPINGS_WHILE_WAITING: usize = 2_000;

async fn all<R: Record>(ports: &Ports, scope: &Scope, of: Collection) -> Result<Vec<R>> {
    let records = load_all::<R>(&*ports.storage, scope, &of, Read::Eventual).await?;
    Ok(records.into_iter().map(|record| record.value).collect())
}

/// Everything of ours that a check judges by.
pub(super) async fn ours(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<Ours> {
    let connection = load_connection(ports, scope, partner, id).await?.value;
    let (p, c) = (|| partner.clone(), || id.clone());
    let settings = load::<SettingsRecord>(&*ports.storage, scope, &Key::Settings(p(), c())).await?;
    let settings = settings.map(|found| found.value.settings).unwrap_or_default();
    let schedule = Key::Schedule(p(), c(), SEAT_SYNC_JOB.to_owned());
    let slot = load::<Schedule>(&*ports.storage, scope, &schedule).await?.map(|found| found.value.due_at);
    let newest = PageRequest { limit: RUNS_LOOKED_AT, after: None, order: Order::Descending, read: Read::Strong };
    let (runs, _) = load_page::<Run>(&*ports.storage, scope, &Collection::Runs(p(), c()), newest).await?;
    let mappings = all::<Mapping>(ports, scope, Collection::Mappings(p(), c())).await?;
    let packages = all::<PackageMapping>(ports, scope, Collection::PackageMappings(p(), c())).await?;
    let pending = match connection.has_feature(super::check::PACKAGE_BILLING) {
        true => all::<PendingChange>(ports, scope, Collection::PendingChanges(p())).await?,
        false => Vec::new(),
    };
    let mut usage: BTreeMap<AccountId, BTreeMap<PackageId, Usage>> = BTreeMap::new();
    for count in all::<Usage>(ports, scope, Collection::Usage(p())).await? {
        usage.entry(count.account.clone()).or_default().insert(count.package.clone(), count);
    }
    let accounts = all::<Account>(ports, scope, Collection::Accounts(p())).await?;
    let claims = all::<AccountClaim>(ports, scope, Collection::AccountClaims(p())).await?;
    Ok(Ours {
        settings,
        slot,
        now: ports.clock.now(),
        accounts: accounts.into_iter().map(|account| (account.id.clone(), account)).collect(),
        mappings: mappings.into_iter().map(|mapping| (mapping.account.clone(), mapping)).collect(),
        packages: packages.into_iter().map(|mapping| (mapping.package.clone(), mapping)).collect(),
        usage,
        claimed: claims.into_iter().map(|claim| claim.account).collect(),
        pending: pending.into_iter().map(|pending| pending.0).collect(),
        runs: runs.into_iter().map(|run| run.value).collect(),
        connection,
    })
}

/// What Autotask says; nothing where the connection may not be used, or turns out not to work.
pub(super) async fn live(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    ours: &mut Ours,
    until: Date,
    mode: Mode,
) -> Result<Option<Live>> {
    if ours.connection.status != ConnectionStatus::Connected {
        return Ok(None);
    }
    match read(ports, scope, actor, ours, until, mode).await {
        Ok(live) => Ok(Some(live)),
        Err(error @ Error::Problem(_)) => {
            // Refused credentials are a finding of their own.
            let (partner, id) = (&ours.connection.partner, &ours.connection.id);
            let now: Connection = load_connection(ports, scope, partner, id).await?.value;
            if now.status == ConnectionStatus::Connected {
                return Err(error);
            }
            ours.connection = now;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn read(ports: &Ports, scope: &Scope, actor: &Actor, ours: &Ours, until: Date, mode: Mode) -> Result<Live> {
    let connection = &ours.connection;
    let (rights, calls) = connections::look(ports, scope, actor, connection, mode).await?;
    let of_interest = |m: &&Mapping| is_watched(m) && ours.is_ours(&m.account);
    let watched: Vec<&Mapping> = ours.mappings.values().filter(of_interest).collect();
    let bound = if mode == Mode::Interactive { MAPPINGS_WHILE_WAITING } else { watched.len() };
    let looked_at = &watched[..watched.len().min(bound)];
    let context = Context { ports, scope, actor, partner: &connection.partner, connection: &connection.id };
    let seen = look(context, looked_at, until, mode).await?;
    let standings: BTreeMap<_, _> = looked_at
        .iter()
        .map(|mapping| {
            let standing = crate::mappings::standing(mapping, ours.name(&mapping.account), &seen, until);
            (mapping.account.clone(), standing)
        })
        .collect();
    let left_out = watched.len() - looked_at.len();
    Ok(Live { rights, standings, blind: seen.blind, left_out, calls: calls + seen.calls })
}
