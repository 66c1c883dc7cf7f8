//! What a person wants an account mapped to, and what of it can be checked without asking Autotask.

use super::context::Context;
use crate::connections::settings::Topologies;
use crate::ids::{LineKind, LineRef, PackageId};
use crate::packages::PackageMapping;
use crate::problem::{Code, Error, FieldError, Problem, Result};
use crate::records::{Key, load};
use crate::vendor::Package;
use std::collections::{BTreeMap, BTreeSet};

/// Most lines of one mapping: with what they replace, far under a transaction's 100 writes.
pub const LINES_MAX: usize = 20;
/// Why a package may not have a contract of its own.
pub(super) const ONE_CONTRACT: &str =
    "differs from the mapping's contract_id, which needs the setting topologies.contract_per_package";

/// What a person wants an account mapped to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// `Companies.id`; required unless excluded.
    pub company_id: Option<i64>,
    /// `Contracts.id`; a mapping without one is valid and never billed.
    pub contract_id: Option<i64>,
    /// Which package's count goes to which line, on which contract.
    pub lines: Vec<WantedLine>,
    /// Not this account.
    pub excluded: bool,
}

/// A line of [`Wanted`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedLine {
    /// Whose count.
    pub package_id: PackageId,
    /// On which contract, where not on the mapping's; with it and without a line, that contract is where the line is
    /// looked for.
    pub contract_id: Option<i64>,
    /// To which line; without one, and on the mapping's contract, it is as if the package were not named.
    pub line: Option<LineRef>,
    /// Overwrite Cost of this line; absent: the package's, then the connection's.
    pub overwrite_cost: Option<bool>,
}

impl Wanted {
    /// The contract of a line: its own, else the mapping's.
    pub(super) fn contract_of(&self, line: &WantedLine) -> Option<i64> {
        line.contract_id.or(self.contract_id)
    }

    /// The packages that have another contract than the mapping's, with their places.
    pub(super) fn own_contracts(&self) -> impl Iterator<Item = (usize, &WantedLine, i64)> {
        let own = |line: &WantedLine| line.contract_id.filter(|id| Some(*id) != self.contract_id);
        self.lines.iter().enumerate().filter_map(move |(no, line)| Some((no, line, own(line)?)))
    }
}

/// Checks the shape alone. Returns the company.
pub(super) fn check_shape(wanted: &Wanted) -> Result<i64> {
    let mut errors = Vec::new();
    let mut refuse = |pointer: String, detail: &str| errors.push(FieldError { pointer, detail: detail.to_owned() });
    match wanted.company_id {
        None => refuse("/company_id".to_owned(), "is required unless the account is excluded"),
        Some(0) => refuse("/company_id".to_owned(), "0 is your own company in Autotask"),
        Some(id) if id < 0 => refuse("/company_id".to_owned(), "must be a company's id"),
        Some(_) => {}
    }
    if wanted.lines.len() > LINES_MAX {
        refuse("/lines".to_owned(), "must have at most 20 entries");
    }
    let mut packages = BTreeSet::new();
    for (no, line) in wanted.lines.iter().enumerate() {
        if !packages.insert(&line.package_id) {
            refuse(format!("/lines/{no}/package_id"), "stands twice: one count goes to one line");
        }
        if line.line.is_some() && wanted.contract_id.is_none() {
            refuse(format!("/lines/{no}/contract_service_id"), "needs a contract_id");
        }
        if line.contract_id.is_some() && wanted.contract_id.is_none() {
            refuse(format!("/lines/{no}/contract_id"), "needs the mapping's contract_id beside it");
        }
    }
    if let Some(problem) = Problem::fields(errors) {
        return Err(problem.into());
    }
    for line in &wanted.lines {
        if line.overwrite_cost == Some(true) && line.line.is_some_and(|l| l.kind == LineKind::Bundle) {
            let detail = format!("The line of {} is a service bundle.", line.package_id);
            return Err(Error::problem(Code::BundleCostUnsupported, detail));
        }
    }
    Ok(wanted.company_id.unwrap_or_default())
}

/// Refuses contracts of packages that the settings do not allow.
pub(super) fn check_contracts(wanted: &Wanted, topologies: &Topologies) -> Result<()> {
    if topologies.contract_per_package {
        return Ok(());
    }
    let refused =
        |no: usize| FieldError { pointer: format!("/lines/{no}/contract_id"), detail: ONE_CONTRACT.to_owned() };
    let errors = wanted.own_contracts().map(|(no, ..)| refused(no)).collect();
    Problem::fields(errors).map_or(Ok(()), |problem| Err(problem.into()))
}

/// Which of these packages are summed into which other one.
pub(super) async fn sums(
    context: Context<'_>,
    packages: impl Iterator<Item = &PackageId>,
) -> Result<BTreeMap<PackageId, PackageId>> {
    let mut sums = BTreeMap::new();
    for package in packages {
        let key = Key::PackageMapping(context.partner.clone(), context.connection.clone(), package.clone());
        let found = load::<PackageMapping>(&*context.ports.storage, context.scope, &key).await?;
        if let Some(into) = found.and_then(|found| found.value.sum_into) {
            sums.insert(package.clone(), into);
        }
    }
    Ok(sums)
}

/// One line takes one package's count. A package that is summed into another one has no line of its own; where it is
/// mapped to the other one's line, that line stays the other one's alone.
pub(super) fn settle_lines(mut wanted: Wanted, sums: &BTreeMap<PackageId, PackageId>) -> Result<Wanted> {
    let of: BTreeMap<PackageId, LineRef> =
        wanted.lines.iter().filter_map(|l| Some((l.package_id.clone(), l.line?))).collect();
    let mut errors = Vec::new();
    for (no, line) in wanted.lines.iter_mut().enumerate() {
        let Some(into) = sums.get(&line.package_id).filter(|_| line.line.is_some()) else { continue };
        if of.get(into) == line.line.as_ref() {
            line.line = None;
            continue;
        }
        let pointer = format!("/lines/{no}/contract_service_id");
        errors.push(FieldError { pointer, detail: format!("is summed into {into} and has no line of its own") });
    }
    if let Some(problem) = Problem::fields(errors) {
        return Err(problem.into());
    }
    let mut lines = BTreeSet::new();
    match wanted.lines.iter().filter_map(|l| l.line).find(|line| !lines.insert(*line)) {
        Some(twice) => Err(Error::problem(Code::ContractServiceShared, format!("The line {twice} stands twice."))),
        None => Ok(wanted),
    }
}

pub(super) async fn check_packages(context: Context<'_>, wanted: &Wanted) -> Result<()> {
    let mut errors = Vec::new();
    for (no, line) in wanted.lines.iter().enumerate() {
        let key = Key::Package(line.package_id.clone());
        if load::<Package>(&*context.ports.storage, context.scope, &key).await?.is_none() {
            let pointer = format!("/lines/{no}/package_id");
            errors.push(FieldError { pointer, detail: "is not in the vendor's catalogue".to_owned() });
        }
    }
    Problem::fields(errors).map_or(Ok(()), |problem| Err(problem.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(id: &str) -> PackageId {
        PackageId::new(id).unwrap()
    }

    fn wanted(lines: &[(&str, Option<LineRef>)]) -> Wanted {
        let line = |(id, line): &(&str, Option<LineRef>)| WantedLine {
            package_id: package(id),
            contract_id: None,
            line: *line,
            overwrite_cost: None,
        };
        Wanted { company_id: Some(1), contract_id: Some(2), lines: lines.iter().map(line).collect(), excluded: false }
    }

    fn settled(lines: &[(&str, Option<LineRef>)], sums: &[(&str, &str)]) -> Result<Vec<Option<LineRef>>, Code> {
        let sums = sums.iter().map(|(of, into)| (package(of), package(into))).collect();
        let settled = settle_lines(wanted(lines), &sums).map_err(|error| error.code().unwrap())?;
        Ok(settled.lines.iter().map(|line| line.line).collect())
    }

    #[test]
    fn one_line_takes_one_count_and_one_count_goes_to_one_line() {
        let (seven, eight) = (Some(LineRef::service(7)), Some(LineRef::service(8)));
        assert_eq!(check_shape(&wanted(&[("p1", seven), ("p2", None)])).unwrap(), 1);
        let twice = check_shape(&wanted(&[("p1", seven), ("p1", eight)])).unwrap_err();
        assert_eq!(twice.code(), Some(Code::InvalidInput));
        assert_eq!(settled(&[("p1", seven), ("p2", seven)], &[]), Err(Code::ContractServiceShared));
        let bundle = Some(LineRef::bundle(7));
        assert_eq!(settled(&[("p1", seven), ("p2", bundle)], &[]), Ok(vec![seven, bundle]), "counted apart");
    }

    #[test]
    fn a_package_that_is_summed_into_another_has_no_line_of_its_own() {
        let (seven, eight) = (Some(LineRef::service(7)), Some(LineRef::service(8)));
        let sums = &[("p2", "p1")];
        assert_eq!(settled(&[("p1", seven), ("p2", seven)], sums), Ok(vec![seven, None]));
        assert_eq!(settled(&[("p2", seven), ("p1", seven)], sums), Ok(vec![None, seven]));
        assert_eq!(settled(&[("p1", seven), ("p2", None)], sums), Ok(vec![seven, None]));
        assert_eq!(settled(&[("p1", seven), ("p2", eight)], sums), Err(Code::InvalidInput));
        assert_eq!(settled(&[("p2", seven)], sums), Err(Code::InvalidInput));
        assert_eq!(settled(&[("p1", seven), ("p3", seven)], sums), Err(Code::ContractServiceShared));
    }

    #[test]
    fn the_partners_own_company_is_not_mapped() {
        for id in [None, Some(0), Some(-1)] {
            let refused = check_shape(&Wanted { company_id: id, ..wanted(&[]) }).unwrap_err();
            assert_eq!(refused.code(), Some(Code::InvalidInput), "{id:?}");
        }
    }

    #[test]
    fn the_cost_of_a_bundle_cannot_be_overwritten() {
        let mut bundle = wanted(&[("p1", Some(LineRef::bundle(7)))]);
        bundle.lines[0].overwrite_cost = Some(true);
        assert_eq!(check_shape(&bundle).unwrap_err().code(), Some(Code::BundleCostUnsupported));
    }

    #[test]
    fn another_contract_for_a_package_needs_the_setting_and_the_mappings_own() {
        let with = |contract, own| {
            let mut wanted = wanted(&[("p1", None)]);
            wanted.contract_id = contract;
            wanted.lines[0].contract_id = own;
            wanted
        };
        let on = Topologies { contract_per_package: true, ..Topologies::default() };
        for (contract, own, topologies, ok) in [
            (Some(2), Some(2), Topologies::default(), true),
            (Some(2), Some(3), Topologies::default(), false),
            (Some(2), Some(3), on.clone(), true),
            (Some(2), None, Topologies::default(), true),
        ] {
            assert_eq!(check_contracts(&with(contract, own), &topologies).is_ok(), ok, "{contract:?} {own:?}");
        }
        assert!(check_shape(&with(None, Some(3))).is_err());
        assert_eq!(with(Some(2), Some(2)).own_contracts().count(), 0, "the mapping's own is no other one");
    }
}
