//! The packages that a partner may use, with who has them and what they are mapped to.

use super::gate::{Gate, judge, strictness};
use super::standing::{Standing, standing};
use super::{PackageMapping, QuantitySource};
use crate::connections::load_connection;
use crate::ids::{AccountId, PackageId};
use crate::mappings::Context;
use crate::ports::Read;
use crate::problem::Result;
use crate::records::{Collection, Versioned, load_all};
use crate::vendor::{Package, Usage};
use std::collections::BTreeMap;

/// Who has a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InUse {
    /// Active accounts that have it.
    pub accounts: u32,
    /// Those of them whose mapping is confirmed and has a contract.
    pub confirmed_accounts: u32,
    /// The sum of what these accounts have of it, as its mapping counts: the newest counts or the packages' quantities,
    /// whichever is known where only one is. None where nothing is known.
    pub seats: Option<i64>,
}

/// A package of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageRow {
    /// The vendor's package.
    pub package: Package,
    /// Who has it.
    pub in_use: InUse,
    /// What it is mapped to.
    pub mapping: Option<Versioned<PackageMapping>>,
    /// To how many contract lines it is mapped.
    pub lines: u32,
}

/// A partner's packages on one connection.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageList {
    /// In the vendor's order.
    pub rows: Vec<PackageRow>,
    /// Whether the initial sync may be started.
    pub gate: Gate,
}

/// Lists every package that the partner may use, and no other.
///
/// # Errors
/// `not_found`; those of the storage.
pub async fn list_packages(context: Context<'_>) -> Result<PackageList> {
    let Context { ports, scope, partner, connection, .. } = context;
    load_connection(ports, scope, partner, connection).await?;
    let mut of = standing(ports, scope, partner, connection).await?;
    let gate = judge(strictness(ports, scope, partner, connection).await?, &of);
    let counts = Collection::Usage(partner.clone());
    let counts = load_all::<Usage>(&*ports.storage, scope, &counts, Read::Eventual).await?;
    let counts = counts.into_iter().map(|c| ((c.value.package, c.value.account), c.value.active)).collect();
    let mut users = in_use(&of, &counts);
    let row = |package: Package| PackageRow {
        in_use: users.remove(&package.id).unwrap_or_default(),
        mapping: of.mapped.remove(&package.id),
        lines: of.lines.get(&package.id).copied().unwrap_or_default(),
        package,
    };
    Ok(PackageList { rows: std::mem::take(&mut of.available).into_iter().map(row).collect(), gate })
}

/// Who has which package, and how much of it. Pure.
fn in_use(of: &Standing, counts: &BTreeMap<(PackageId, AccountId), i64>) -> BTreeMap<PackageId, InUse> {
    let mut users: BTreeMap<PackageId, InUse> = BTreeMap::new();
    for account in of.accounts.iter().filter(|account| account.active) {
        for package in &account.packages {
            let row = users.entry(package.id.clone()).or_default();
            row.accounts += 1;
            row.confirmed_accounts += u32::from(of.billable.contains(&(account.id.clone(), package.id.clone())));
            let counted = counts.get(&(package.id.clone(), account.id.clone())).copied();
            let source = of.mapped.get(&package.id).map(|m| m.quantity_source).unwrap_or_default();
            let seats = match source {
                QuantitySource::Usage => counted.or(package.quantity),
                QuantitySource::Package => package.quantity.or(counted),
            };
            if let Some(seats) = seats {
                row.seats = Some(row.seats.unwrap_or(0).saturating_add(seats));
            }
        }
    }
    users
}
