//! Whether the initial sync may be started: are the packages that it would bill mapped?

use super::standing::{Standing, standing};
use crate::actor::Scope;
use crate::connections::settings::{InitialSyncGate, SettingsRecord};
use crate::ids::{ConnectionId, PackageId, PartnerId};
use crate::ports::Ports;
use crate::problem::{Code, Problem, Result};
use crate::records::{Key, load};
use serde::Serialize;
use std::collections::BTreeMap;

/// A package that stands in the way of the initial sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingPackage {
    /// Which.
    pub package_id: PackageId,
    /// Its name; its id where the vendor's catalogue does not have it.
    pub name: String,
    /// How many confirmed accounts have it.
    pub accounts: u32,
    /// Whether the partner may use it, and so map it. A package that clients have and the partner may not use is the
    /// vendor's to put right.
    pub available: bool,
}

/// Whether the initial sync may be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Whether every package that was asked for is mapped, summed into another one or excluded.
    pub ready: bool,
    /// Those that are not, in the vendor's order.
    pub missing: Vec<MissingPackage>,
    /// How many packages were asked for.
    pub asked: u32,
}

impl Gate {
    /// Nothing, where the gate is open.
    ///
    /// # Errors
    /// `initial_sync_not_ready` with `missing`.
    pub fn pass(&self) -> Result<()> {
        if self.ready {
            return Ok(());
        }
        let detail = format!("Not mapped: {}.", self.names());
        let missing = serde_json::to_value(&self.missing).unwrap_or_default();
        Err(Problem::new(Code::InitialSyncNotReady, detail).with("missing", missing).into())
    }

    /// The missing packages, in words.
    pub(crate) fn names(&self) -> String {
        let name = |package: &MissingPackage| format!("{} ({})", package.name, package.package_id);
        self.missing.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

/// Looks whether the initial sync may be started: whether the packages of confirmed accounts with a contract (where
/// the settings say `all_packages`: and every package that is sold to the partner) are mapped, summed into another one
/// or excluded. Always computed from what is there now, so that a change of the vendor's catalogue shows at once.
///
/// # Errors
/// Those of the storage.
pub async fn gate(ports: &Ports, scope: &Scope, partner: &PartnerId, connection: &ConnectionId) -> Result<Gate> {
    let strictness = strictness(ports, scope, partner, connection).await?;
    Ok(judge(strictness, &standing(ports, scope, partner, connection).await?))
}

pub(super) async fn strictness(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<InitialSyncGate> {
    let key = Key::Settings(partner.clone(), connection.clone());
    let found = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
    Ok(found.map(|found| found.value.settings.initial_sync_gate).unwrap_or_default())
}

/// Which packages are asked for, and which of them are not mapped. Pure.
pub(super) fn judge(strictness: InitialSyncGate, of: &Standing) -> Gate {
    let mut users: BTreeMap<&PackageId, u32> = BTreeMap::new();
    for account in of.accounts.iter().filter(|account| account.active) {
        let has = account.packages.iter().map(|package| &package.id);
        for package in has.filter(|package| of.billable.contains(&(account.id.clone(), (*package).clone()))) {
            *users.entry(package).or_default() += 1;
        }
    }
    let sold = |active: bool| strictness == InitialSyncGate::AllPackages && active;
    let mut asked: Vec<MissingPackage> = Vec::new();
    for package in &of.available {
        let accounts = users.remove(&package.id);
        if accounts.is_some() || sold(package.active) {
            let (package_id, name) = (package.id.clone(), package.name.clone());
            asked.push(MissingPackage { package_id, name, accounts: accounts.unwrap_or(0), available: true });
        }
    }
    for (id, accounts) in users {
        let name = of.others.get(id).map_or_else(|| id.to_string(), |package| package.name.clone());
        asked.push(MissingPackage { package_id: id.clone(), name, accounts, available: false });
    }
    let count = u32::try_from(asked.len()).unwrap_or(u32::MAX);
    asked.retain(|package| !of.mapped.contains_key(&package.package_id));
    Gate { ready: asked.is_empty(), missing: asked, asked: count }
}

#[cfg(test)]
mod tests {
    use super::super::{CountRule, PackageMapping, QuantityRule, QuantitySource};
    use super::*;
    use crate::ids::AccountId;
    use crate::records::Versioned;
    use crate::vendor::{Account, AccountPackage, Package};
    use jiff::Timestamp;

    fn id(text: &str) -> PackageId {
        PackageId::new(text).unwrap()
    }

    fn package(text: &str, active: bool) -> Package {
        let metric = "user".to_owned();
        Package { id: id(text), name: text.to_uppercase(), metric, unit_price_to_partner: None, currency: None, active }
    }

    fn account(name: &str, packages: &[&str], active: bool) -> Account {
        Account {
            partner: PartnerId::new("acme").unwrap(),
            id: AccountId::new(name).unwrap(),
            name: name.to_owned(),
            contact_email: None,
            packages: packages.iter().map(|p| AccountPackage::new(id(p), None)).collect(),
            removed: Vec::new(),
            told: std::collections::BTreeSet::new(),
            active,
            packages_at: None,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn excluded(text: &str) -> (PackageId, Versioned<PackageMapping>) {
        let value = PackageMapping {
            partner: PartnerId::new("acme").unwrap(),
            connection: ConnectionId::new("con_1").unwrap(),
            package: id(text),
            target: None,
            former: Vec::new(),
            sum_into: None,
            excluded: true,
            overwrite_cost: None,
            quantity_source: QuantitySource::Usage,
            count_rule: CountRule::SnapshotOnRun,
            quantity_rule: QuantityRule::default(),
            updated_at: Timestamp::UNIX_EPOCH,
        };
        (id(text), Versioned { v: 1, value })
    }

    /// Packages p1, p2 and p3 may be used; p3 is no longer sold; p9 may not be used.
    fn standing(accounts: &[(&str, &[&str], bool)], billable: &[&str], mapped: &[&str]) -> Standing {
        Standing {
            available: vec![package("p2", true), package("p1", true), package("p3", false)],
            others: [(id("p9"), package("p9", true))].into(),
            accounts: accounts.iter().map(|(name, packages, active)| account(name, packages, *active)).collect(),
            billable: accounts
                .iter()
                .filter(|(name, ..)| billable.contains(name))
                .flat_map(|(name, packages, _)| packages.iter().map(|p| (AccountId::new(*name).unwrap(), id(p))))
                .collect(),
            lines: BTreeMap::new(),
            mapped: mapped.iter().map(|name| excluded(name)).collect(),
        }
    }

    #[test]
    fn the_gate_asks_for_what_confirmed_accounts_use_and_strictly_for_all_that_is_sold() {
        use InitialSyncGate::{AllPackages, InUse};
        type Accounts<'a> = &'a [(&'a str, &'a [&'a str], bool)];
        type Row<'a> = (InitialSyncGate, Accounts<'a>, &'a [&'a str], &'a [&'a str], &'a [(&'a str, u32)], u32);
        let two: Accounts = &[("a1", &["p1"], true), ("a2", &["p1", "p2"], true)];
        let table: &[Row] = &[
            (InUse, &[], &[], &[], &[], 0),
            (InUse, two, &["a1", "a2"], &[], &[("p2", 1), ("p1", 2)], 2),
            (InUse, two, &["a1"], &[], &[("p1", 1)], 1),
            (InUse, two, &[], &[], &[], 0),
            (InUse, two, &["a1", "a2"], &["p1"], &[("p2", 1)], 2),
            (InUse, two, &["a1", "a2"], &["p1", "p2"], &[], 2),
            (InUse, &[("a1", &["p1"], false)], &["a1"], &[], &[], 0),
            (InUse, &[("a1", &["p3", "p9"], true)], &["a1"], &[], &[("p3", 1), ("p9", 1)], 2),
            (AllPackages, &[], &[], &[], &[("p2", 0), ("p1", 0)], 2),
            (AllPackages, two, &["a1"], &["p2"], &[("p1", 1)], 2),
            (AllPackages, &[("a1", &["p3"], true)], &["a1"], &["p1", "p2"], &[("p3", 1)], 3),
            (AllPackages, two, &["a1"], &["p1", "p2"], &[], 2),
        ];
        for (no, (strictness, accounts, billable, mapped, missing, asked)) in table.iter().enumerate() {
            let gate = judge(*strictness, &standing(accounts, billable, mapped));
            let found: Vec<_> = gate.missing.iter().map(|m| (m.package_id.as_str(), m.accounts)).collect();
            assert_eq!((found.as_slice(), gate.asked), (*missing, *asked), "row {no}");
            assert_eq!((gate.ready, gate.pass().is_ok()), (missing.is_empty(), missing.is_empty()), "row {no}");
            assert!(gate.missing.iter().all(|m| m.available == (m.package_id != id("p9"))), "row {no}");
        }
    }
}
