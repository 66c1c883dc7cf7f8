//! Which line each package of each account is billed on. Pure.

use super::creation::{Creation, Step};
use super::sources::Ours;
use crate::connections::settings::ManyAccounts;
use crate::ids::{AccountId, LineKind, LineRef, PackageId};
use crate::mappings::topology::{self, Groups};
use crate::mappings::{ContractRef, MappedLine, Mapping, MappingStatus};
use crate::packages::{
    ChangeSource, CountRule, PackageChange, PackageMapping, QuantityRule, QuantitySource, ServiceTarget,
};
use crate::runs::{LineName, RunKind};
use std::collections::{BTreeMap, BTreeSet};

/// What a run is asked to look at.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its kind.
    pub kind: RunKind,
    /// Which accounts; none means all.
    pub accounts: Option<&'a [AccountId]>,
    /// Whether a run of package changes was asked for everything that is pending, re-mapped packages included.
    pub all: bool,
}

/// Whether a package belongs on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The package is billed there.
    Billed,
    /// It was billed there and is billed elsewhere now: 0 units.
    Leaving,
}

/// One line: the smallest thing that a run decides about.
#[derive(Debug, Clone)]
pub struct Target {
    /// The mapping of the account that leads: the only one, or the first of those whose counts are summed.
    pub mapping: Mapping,
    /// The package that leads: the one whose mapping and rules count.
    pub package: PackageId,
    /// On which contract.
    pub contract: ContractRef,
    /// Which service or bundle.
    pub service: ServiceTarget,
    /// The line; none where no mapping names one.
    pub line: Option<LineRef>,
    /// What is to be done where no mapping names the line; known once the contract was looked at.
    pub step: Option<Step>,
    /// Overwrite Cost as the line has it, else the package.
    pub overwrite_cost: Option<bool>,
    /// Whether the package belongs here.
    pub role: Role,
    /// Where its units come from.
    pub source: QuantitySource,
    /// What is made of the sum.
    pub rule: QuantityRule,
    /// The counts that go into it.
    pub parts: Vec<Counts>,
    /// Lines that must be right before this one goes down.
    pub after: Vec<LineName>,
    /// Whether a change that was told as such waits for it: it has a date of its own in whatever run.
    pub changed: bool,
}

/// One count that goes into a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Whose.
    pub account: AccountId,
    /// Of which package.
    pub package: PackageId,
    /// Counted or told.
    pub source: QuantitySource,
    /// By which rule.
    pub rule: CountRule,
}

impl Target {
    /// The accounts whose counts go into it, each once.
    pub fn accounts(&self) -> BTreeSet<&AccountId> {
        self.parts.iter().map(|part| &part.account).chain([&self.mapping.account]).collect()
    }

    /// What names the adding of its line.
    #[must_use]
    pub fn creation(&self) -> Creation {
        let service = LineRef { kind: self.service.kind, id: self.service.id };
        Creation { contract: self.contract.id, service, account: self.mapping.account.clone() }
    }

    /// What names its line in plans and reports.
    #[must_use]
    pub fn name(&self) -> LineName {
        LineName {
            account: self.mapping.account.clone(),
            package: self.package.clone(),
            kind: self.service.kind,
            service_id: self.service.id,
            leaving: self.line.filter(|_| self.role == Role::Leaving),
        }
    }
}

/// A package that should be billed and is mapped to nothing.
#[derive(Debug, Clone)]
pub struct Unserved {
    /// The account's mapping.
    pub mapping: Mapping,
    /// Which package.
    pub package: PackageId,
}

/// What leads to one line: the leading account and package.
type Lead = (AccountId, PackageId);

/// The lines that a run decides about, and the packages that have none.
#[must_use]
pub fn targets(ours: &Ours, asked: &Asked<'_>, many: ManyAccounts) -> (Vec<Target>, Vec<Unserved>) {
    let together = topology::groups(&ours.mappings, many);
    let groups = groups(ours, asked.kind, &together);
    let wanted = selected(ours, asked);
    let (mut targets, mut unserved) = (Vec::new(), Vec::new());
    for ((account, package), parts) in groups {
        let Some(mapping) = ours.mappings.get(&account) else { continue };
        let names = parts.iter().map(|part| (part.account.clone(), part.package.clone()));
        let names: Vec<Lead> = names.chain([(account.clone(), package.clone())]).collect();
        if !names.iter().any(|name| wanted.admits(name)) {
            continue;
        }
        let line = together.of(&account, &package).and_then(|group| group.line);
        let group = Group { ours, mapping, package: &package, parts: &parts, line };
        group.lines(asked.kind, &mut targets, &mut unserved);
    }
    if asked.kind != RunKind::SeatSync {
        swaps(ours, &mut targets);
    }
    (targets, unserved)
}

/// Which accounts' packages a run is about.
enum Selected<'a> {
    Accounts(Option<BTreeSet<&'a AccountId>>),
    Named(BTreeSet<Lead>),
}

impl Selected<'_> {
    fn admits(&self, (account, package): &Lead) -> bool {
        match self {
            Selected::Accounts(only) => only.as_ref().is_none_or(|only| only.contains(account)),
            Selected::Named(named) => named.contains(&(account.clone(), package.clone())),
        }
    }
}

fn selected<'a>(ours: &'a Ours, asked: &Asked<'a>) -> Selected<'a> {
    let within = asked.accounts.map(|accounts| accounts.iter().collect::<BTreeSet<_>>());
    if asked.kind != RunKind::PackageChanges {
        return Selected::Accounts(within);
    }
    let mut named = BTreeSet::new();
    let mut touched = BTreeSet::new();
    for change in &ours.changes {
        touched.insert(&change.account);
        for package in change.packages() {
            named.insert((change.account.clone(), package.clone()));
        }
    }
    // Packages that are billed as something else by now are swapped along.
    let near = |account: &AccountId| {
        let asked_for = asked.all && within.as_ref().is_none_or(|only| only.contains(account));
        asked_for || touched.contains(account)
    };
    for mapping in ours.mappings.values().filter(|mapping| near(&mapping.account)) {
        // A line that we have never written, as that of a contract that renews another, is compared when asked.
        let unwritten = mapping.lines.iter().filter(|line| {
            let own = ours.package_mappings.get(&line.package_id);
            let told = own.is_some_and(|own| own.quantity_source == QuantitySource::Package);
            asked.all && told && !ours.ledger.contains_key(&line.line)
        });
        let lines = left(ours, mapping).chain(unwritten);
        named.extend(lines.map(|line| (mapping.account.clone(), line.package_id.clone())));
    }
    Selected::Named(named)
}

/// Lines of an account that packages have left, or leave now for what they are billed as.
pub(super) fn left<'a>(ours: &'a Ours, mapping: &'a Mapping) -> impl Iterator<Item = &'a MappedLine> {
    let moved = mapping.lines.iter().filter(|line| {
        let package = ours.package_mappings.get(&line.package_id);
        package.is_some_and(|package| is_former(package, line))
    });
    mapping.leaving.iter().chain(moved)
}

/// Whether a line holds what its package was billed as before.
fn is_former(package: &PackageMapping, line: &MappedLine) -> bool {
    let holds = |target: &ServiceTarget| target.is(line.line.kind, line.service_id);
    !package.target.as_ref().is_some_and(holds) && package.former.iter().any(holds)
}

/// Every line's counts, by the account and package that lead.
fn groups(ours: &Ours, kind: RunKind, together: &Groups<'_>) -> BTreeMap<Lead, Vec<Counts>> {
    let mut groups: BTreeMap<Lead, Vec<Counts>> = BTreeMap::new();
    let billable = |mapping: &&Mapping| matches!(mapping.status, MappingStatus::Confirmed | MappingStatus::Broken);
    for mapping in ours.mappings.values().filter(billable) {
        for package in packages_of(ours, kind, mapping) {
            let own = ours.package_mappings.get(&package);
            let leading = own.and_then(|own| own.sum_into.clone()).unwrap_or_else(|| package.clone());
            if own.is_some_and(|own| own.excluded) || mapping.contract_for(&leading).is_none() {
                continue;
            }
            let group = together.of(&mapping.account, &leading);
            let account = group.as_ref().map_or(&mapping.account, |group| group.leader).clone();
            let members = group.map_or_else(|| vec![&mapping.account], |group| group.members);
            let counts = groups.entry((account, leading.clone())).or_default();
            // Everybody who is billed on the line, whoever of them has brought the run here.
            for member in members {
                for counted in
                    counted_as(ours, &leading).filter(|counted| has(ours, mapping, member, counted, &package))
                {
                    let own = ours.package_mappings.get(counted);
                    let part = Counts {
                        account: member.clone(),
                        package: counted.clone(),
                        source: own.map_or(QuantitySource::Usage, |own| own.quantity_source),
                        rule: own.map_or(CountRule::SnapshotOnRun, |own| own.count_rule),
                    };
                    if !counts.contains(&part) {
                        counts.push(part);
                    }
                }
            }
        }
    }
    for counts in groups.values_mut() {
        counts.sort_by(|a, b| (&a.account, &a.package).cmp(&(&b.account, &b.package)));
    }
    groups
}

/// The packages whose counts go into a package's line: its own, and those that are summed into it.
fn counted_as<'a>(ours: &'a Ours, leading: &'a PackageId) -> impl Iterator<Item = &'a PackageId> {
    let summed = ours.package_mappings.values().filter(move |own| own.sum_into.as_ref() == Some(leading));
    [leading].into_iter().chain(summed.filter(|own| !own.excluded).map(|own| &own.package))
}

/// Whether an account's package is one of a line's counts: it is what the run is about, or is had or counted.
fn has(ours: &Ours, asked: &Mapping, member: &AccountId, package: &PackageId, about: &PackageId) -> bool {
    let own = member == &asked.account && package == about;
    let told = ours.accounts.get(member).is_some_and(|account| account.packages.iter().any(|p| p.id == *package));
    own || told || ours.usage.contains_key(&(member.clone(), package.clone()))
}

/// The packages of an account that have a line, or ought to have one.
fn packages_of(ours: &Ours, kind: RunKind, mapping: &Mapping) -> BTreeSet<PackageId> {
    let lines = mapping.lines.iter().chain(&mapping.leaving).map(|line| line.package_id.clone());
    let mut packages: BTreeSet<PackageId> = lines.collect();
    if let Some(account) = ours.accounts.get(&mapping.account) {
        let summed = |package: &PackageId| ours.package_mappings.get(package).is_some_and(|own| own.sum_into.is_some());
        let has = account.packages.iter().map(|package| &package.id);
        match kind {
            RunKind::Initial | RunKind::PackageChanges => {
                packages.extend(has.cloned());
                let left = ours.changes.iter().filter(|change| change.account == account.id);
                packages.extend(left.flat_map(crate::packages::PackageChange::packages).cloned());
            }
            // What is counted into another package's line has no line of its own to be found by.
            _ => {
                let counted = ours.usage.keys().filter(|(of, _)| *of == account.id).map(|(_, package)| package);
                packages.extend(has.chain(counted).filter(|package| summed(package)).cloned());
            }
        }
    }
    packages
}

/// What goes into one line, on its way to targets.
struct Group<'a> {
    ours: &'a Ours,
    mapping: &'a Mapping,
    package: &'a PackageId,
    parts: &'a [Counts],
    /// The line that somebody of those who are billed together is mapped to.
    line: Option<&'a MappedLine>,
}

impl Group<'_> {
    fn lines(&self, kind: RunKind, targets: &mut Vec<Target>, unserved: &mut Vec<Unserved>) {
        let own = self.ours.package_mappings.get(self.package);
        let source = own.map_or(QuantitySource::Usage, |own| own.quantity_source);
        if kind == RunKind::SeatSync && source != QuantitySource::Usage {
            return;
        }
        let line = self.mapping.lines.iter().find(|line| line.package_id == *self.package).or(self.line);
        let target = own.and_then(|own| own.target.as_ref());
        let moved = line.zip(own).filter(|(line, own)| is_former(own, line)).map(|(line, _)| line);
        let billed = match (line, target) {
            (Some(line), _) if moved.is_none() => Some(self.target(of_line(line), Some(line), Role::Billed)),
            (_, Some(target)) if moved.is_some() || kind != RunKind::SeatSync => {
                Some(self.target(target.clone(), None, Role::Billed))
            }
            _ => None,
        };
        let Some(billed) = billed else {
            if kind != RunKind::SeatSync {
                unserved.push(Unserved { mapping: self.mapping.clone(), package: self.package.clone() });
            }
            return;
        };
        let old = self.mapping.leaving.iter().filter(|line| line.package_id == *self.package);
        for old in old.chain(moved) {
            let mut leaving = self.target(of_line(old), Some(old), Role::Leaving);
            leaving.after = vec![billed.name()];
            targets.push(leaving);
        }
        targets.push(billed);
    }

    fn is_changed(&self) -> bool {
        let told = self.ours.changes.iter().filter(|change| change.source == ChangeSource::Change);
        let names = |change: &PackageChange, part: &Counts| {
            change.account == part.account && change.packages().any(|package| *package == part.package)
        };
        let mut told = told.filter(|change| self.parts.iter().any(|part| names(change, part)));
        told.next().is_some()
    }

    fn target(&self, service: ServiceTarget, line: Option<&MappedLine>, role: Role) -> Target {
        let own = self.ours.package_mappings.get(self.package);
        let contract = self.mapping.contract_for(self.package).cloned();
        Target {
            mapping: self.mapping.clone(),
            package: self.package.clone(),
            contract: contract.unwrap_or(ContractRef { id: 0, name: String::new(), start: None, end: None }),
            service,
            line: line.map(|line| line.line),
            step: None,
            overwrite_cost: line.and_then(|line| line.overwrite_cost).or(own.and_then(|own| own.overwrite_cost)),
            role,
            source: own.map_or(QuantitySource::Usage, |own| own.quantity_source),
            rule: own.map_or(QuantityRule::default(), |own| own.quantity_rule),
            parts: self.parts.to_vec(),
            after: Vec::new(),
            changed: self.is_changed(),
        }
    }
}

fn of_line(line: &MappedLine) -> ServiceTarget {
    ServiceTarget { kind: line.line.kind, id: line.service_id, name: line.service_name.clone(), product_id: None }
}

/// The old line of a swap waits for the new one: it goes on being billed until that can be.
fn swaps(ours: &Ours, targets: &mut [Target]) {
    let mut names: BTreeMap<Lead, LineName> = BTreeMap::new();
    for target in targets.iter().filter(|target| target.role == Role::Billed) {
        for part in &target.parts {
            names.insert((part.account.clone(), part.package.clone()), target.name());
        }
    }
    for change in ours.changes.iter().filter(|change| change.is_swap()) {
        let name = |package: &Option<PackageId>| Some((change.account.clone(), package.clone()?));
        let Some((from, to)) = name(&change.from).zip(name(&change.to)) else { continue };
        // What is not billed through this connection needs no line.
        let excluded = |package: &PackageId| ours.package_mappings.get(package).is_some_and(|own| own.excluded);
        if change.to.as_ref().is_some_and(excluded) {
            continue;
        }
        let still_has = ours
            .accounts
            .get(&change.account)
            .is_some_and(|account| account.packages.iter().any(|package| Some(&package.id) == change.from.as_ref()));
        if still_has {
            continue;
        }
        let (Some(old), new) = (names.get(&from), names.get(&to)) else { continue };
        for target in targets.iter_mut().filter(|target| target.name() == *old) {
            // A package that is mapped to nothing has no line that could be right.
            let new = new.cloned().unwrap_or_else(|| unserved_name(&to));
            if new != *old && !target.after.contains(&new) {
                target.after.push(new);
            }
        }
    }
}

/// What names a package's line while it is mapped to nothing.
#[must_use]
pub fn unserved_name((account, package): &(AccountId, PackageId)) -> LineName {
    LineName {
        account: account.clone(),
        package: package.clone(),
        kind: LineKind::Service,
        service_id: 0,
        leaving: None,
    }
}
