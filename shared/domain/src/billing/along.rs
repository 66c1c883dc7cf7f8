//! Which pending changes go along with those that a run was started for. Pure.

use super::sources::Ours;
use super::targets;
use crate::ids::{AccountId, PackageId};
use crate::packages::PackageChange;
use std::collections::BTreeSet;

/// The changes of a run: those that it was started for, and the `others` that speak of a package that it writes. A run
/// writes what accounts have now, so that a change that was told since, or before changes went by themselves, is
/// written with it all the same: then with all of its packages, or half a swap would be taken for a reduction, or an
/// addition, of its own.
pub(super) fn along(ours: &Ours, named: Vec<PackageChange>, others: Vec<PackageChange>) -> Vec<PackageChange> {
    let mut written: BTreeSet<(AccountId, PackageId)> = named.iter().flat_map(packages).collect();
    for account in named.iter().map(|change| &change.account).collect::<BTreeSet<_>>() {
        let lines = ours.mappings.get(account).into_iter().flat_map(|mapping| targets::left(ours, mapping));
        written.extend(lines.map(|line| (account.clone(), line.package_id.clone())));
    }
    let (mut all, mut rest) = (named, others);
    loop {
        let is_written = |change: &PackageChange| packages(change).any(|package| written.contains(&package));
        let (more, less): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_written);
        if more.is_empty() {
            return all;
        }
        written.extend(more.iter().flat_map(packages));
        all.extend(more);
        rest = less;
    }
}

fn packages(change: &PackageChange) -> impl Iterator<Item = (AccountId, PackageId)> {
    change.packages().map(|package| (change.account.clone(), package.clone()))
}
