//! Loads ours: what should be where, by what we were told.

use crate::actor::Scope;
use crate::ids::{AccountId, ConnectionId, LineRef, PackageId, PartnerId};
use crate::mappings::{MappedLine, Mapping, MappingStatus};
use crate::ports::{Ports, Read};
use crate::problem::Result;
use crate::records::{Collection, Versioned, load_all};
use crate::units::UnitLine;
use crate::vendor::{Account, AccountClaim, Package, Usage};
use std::collections::{BTreeMap, BTreeSet};

/// Everything of ours that a plan is made of.
#[derive(Debug, Default)]
pub struct Ours {
    /// Mapped lines of confirmed accounts, in the order of account and package.
    pub targets: Vec<Target>,
    /// All accounts of the partner.
    pub accounts: BTreeMap<AccountId, Account>,
    /// All mappings of the connection.
    pub mappings: BTreeMap<AccountId, Mapping>,
    /// The newest counts.
    pub usage: BTreeMap<(AccountId, PackageId), Usage>,
    /// The vendor's packages.
    pub packages: BTreeMap<PackageId, Package>,
    /// Accounts that another PSA has claimed.
    pub claimed: BTreeMap<AccountId, AccountClaim>,
    /// Our ledger.
    pub ledger: BTreeMap<LineRef, Versioned<UnitLine>>,
}

/// One mapped line: the smallest thing that a run decides about.
#[derive(Debug, Clone)]
pub struct Target {
    /// The account's mapping.
    pub mapping: Mapping,
    /// The line.
    pub line: MappedLine,
}

/// Loads everything of ours for one connection. The ledger comes first: what is read of Autotask afterwards is never
/// older than it.
pub async fn load(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    only: Option<&[AccountId]>,
) -> Result<Ours> {
    let storage = &*ports.storage;
    let (p, c) = (partner.clone(), connection.clone());
    let mappings =
        load_all::<Mapping>(storage, scope, &Collection::Mappings(p.clone(), c.clone()), Read::Strong).await?;
    let usage = load_all::<Usage>(storage, scope, &Collection::Usage(p.clone()), Read::Strong).await?;
    let accounts = load_all::<Account>(storage, scope, &Collection::Accounts(p.clone()), Read::Eventual).await?;
    let claims =
        load_all::<AccountClaim>(storage, scope, &Collection::AccountClaims(p.clone()), Read::Eventual).await?;
    let packages = load_all::<Package>(storage, scope, &Collection::Packages, Read::Eventual).await?;
    let only: Option<BTreeSet<&AccountId>> = only.map(|accounts| accounts.iter().collect());
    let mappings: BTreeMap<AccountId, Mapping> =
        mappings.into_iter().map(|m| (m.value.account.clone(), m.value)).collect();
    let targets = mappings
        .values()
        .filter(|mapping| mapping.status == MappingStatus::Confirmed || mapping.status == MappingStatus::Broken)
        .filter(|mapping| only.as_ref().is_none_or(|only| only.contains(&mapping.account)))
        .filter(|mapping| mapping.contract.is_some())
        .flat_map(|mapping| mapping.lines.iter().map(|line| Target { mapping: mapping.clone(), line: line.clone() }))
        .collect();
    Ok(Ours {
        targets,
        accounts: accounts.into_iter().map(|a| (a.value.id.clone(), a.value)).collect(),
        mappings,
        usage: usage.into_iter().map(|u| ((u.value.account.clone(), u.value.package.clone()), u.value)).collect(),
        packages: packages.into_iter().map(|k| (k.value.id.clone(), k.value)).collect(),
        claimed: claims.into_iter().map(|k| (k.value.account.clone(), k.value)).collect(),
        ledger: load_ledger(ports, scope, partner, connection).await?,
    })
}

/// Loads the connection's ledger, strongly consistent.
pub async fn load_ledger(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<BTreeMap<LineRef, Versioned<UnitLine>>> {
    let of = Collection::UnitLines(partner.clone(), connection.clone());
    let lines = load_all::<UnitLine>(&*ports.storage, scope, &of, Read::Strong).await?;
    Ok(lines.into_iter().map(|line| (line.value.line, line)).collect())
}
