//! What is known of a partner's packages: which it may use, who has them, what they are mapped to.

use super::PackageMapping;
use crate::actor::Scope;
use crate::ids::{AccountId, ConnectionId, PackageId, PartnerId};
use crate::mappings::{Mapping, MappingStatus};
use crate::ports::{Ports, Read};
use crate::problem::Result;
use crate::records::{Collection, Key, Versioned, load, load_all};
use crate::vendor::{Account, Package, PartnerPackages};
use std::collections::{BTreeMap, BTreeSet};

/// A partner's packages, accounts and mappings on one connection, as they are now.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// What the partner may use, in the vendor's order.
    pub(super) available: Vec<Package>,
    /// The vendor's packages that the partner may not use.
    pub(super) others: BTreeMap<PackageId, Package>,
    /// The partner's clients.
    pub(super) accounts: Vec<Account>,
    /// The accounts' packages that runs may bill: the mapping is confirmed and has a contract for the package.
    pub(super) billable: BTreeSet<(AccountId, PackageId)>,
    /// How many contract lines each package is mapped to.
    pub(super) lines: BTreeMap<PackageId, u32>,
    /// What packages are mapped to.
    pub(super) mapped: BTreeMap<PackageId, Versioned<PackageMapping>>,
}

/// Reads it all, strongly consistent.
pub(super) async fn standing(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<Standing> {
    let storage = &*ports.storage;
    let of = Collection::Accounts(partner.clone());
    let accounts = load_all::<Account>(storage, scope, &of, Read::Strong).await?;
    let of = Collection::Mappings(partner.clone(), connection.clone());
    let mappings = load_all::<Mapping>(storage, scope, &of, Read::Strong).await?;
    let mut found = Standing {
        accounts: accounts.into_iter().map(|found| found.value).collect(),
        mapped: mapped(ports, scope, partner, connection).await?,
        ..catalogue(ports, scope, partner).await?
    };
    let accounts: BTreeMap<&AccountId, &Account> = found.accounts.iter().map(|a| (&a.id, a)).collect();
    for mapping in mappings {
        if mapping.status == MappingStatus::Confirmed {
            let has = accounts.get(&mapping.account).map(|account| account.packages.as_slice()).unwrap_or_default();
            let billable = has.iter().filter(|package| mapping.contract_for(&package.id).is_some());
            found.billable.extend(billable.map(|package| (mapping.account.clone(), package.id.clone())));
        }
        if matches!(mapping.status, MappingStatus::Confirmed | MappingStatus::Broken) {
            for line in &mapping.lines {
                *found.lines.entry(line.package_id.clone()).or_default() += 1;
            }
        }
    }
    Ok(found)
}

/// The vendor's packages, told apart by whether the partner may use them.
async fn catalogue(ports: &Ports, scope: &Scope, partner: &PartnerId) -> Result<Standing> {
    let storage = &*ports.storage;
    let all = load_all::<Package>(storage, scope, &Collection::Packages, Read::Strong).await?;
    let mut others: BTreeMap<PackageId, Package> = all.into_iter().map(|p| (p.id.clone(), p.value)).collect();
    let key = Key::PartnerPackages(partner.clone());
    let list = load::<PartnerPackages>(storage, scope, &key).await?;
    let ids = list.map(|list| list.value.packages).unwrap_or_default();
    let available = ids.iter().filter_map(|id| others.remove(id)).collect();
    Ok(Standing { available, others, ..Standing::default() })
}

/// What a connection's packages are mapped to, by package.
pub(super) async fn mapped(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<BTreeMap<PackageId, Versioned<PackageMapping>>> {
    let of = Collection::PackageMappings(partner.clone(), connection.clone());
    let all = load_all::<PackageMapping>(&*ports.storage, scope, &of, Read::Strong).await?;
    Ok(all.into_iter().map(|found| (found.package.clone(), found)).collect())
}
