//! Where a mapping points, as Autotask has it now.

use super::facts::{ContractFacts, LineFacts, Remark};
use super::theirs::Theirs;
use super::wanted::Wanted;
use super::{CompanyRef, ContractRef, MappedLine, PackageContract};
use crate::ids::{LineRef, PackageId};
use crate::problem::{Code, Error, FieldError, Problem, Result};
use autotask::{Contract, ContractService};
use std::collections::{BTreeMap, BTreeSet};

/// Where a mapping points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) company: CompanyRef,
    pub(super) contract: Option<ContractRef>,
    pub(super) contracts: Vec<PackageContract>,
    pub(super) lines: Vec<MappedLine>,
}

impl Target {
    /// `Contracts.id` that a package is billed on: its own, else the mapping's.
    pub(super) fn contract_for(&self, package: &PackageId) -> Option<i64> {
        let own = self.contracts.iter().find(|own| own.package_id == *package);
        own.map(|own| &own.contract).or(self.contract.as_ref()).map(|contract| contract.id)
    }
}

/// Reads the company, its contracts and their lines, and checks that they fit together.
pub(super) async fn read_target(theirs: &Theirs<'_>, id: i64, wanted: &Wanted) -> Result<(Target, Vec<Remark>)> {
    let company = theirs.usable_company(id).await?;
    let name = company.company_name.clone().unwrap_or_else(|| format!("Company {}", company.id));
    let company = CompanyRef { id: company.id.get(), name };
    let Some(id) = wanted.contract_id else {
        return Ok((Target { company, contract: None, contracts: Vec::new(), lines: Vec::new() }, Vec::new()));
    };
    let judged = contracts_of(theirs, company.id).await?;
    let main = one_of(theirs, &judged, company.id, id, "/contract_id").await?;
    let mut own = BTreeMap::new();
    let mut foreign: Vec<FieldError> = Vec::new();
    for (no, _, id) in wanted.own_contracts() {
        match one_of(theirs, &judged, company.id, id, &format!("/lines/{no}/contract_id")).await {
            Ok(facts) => drop(own.insert(id, facts)),
            Err(Error::Problem(problem)) if !problem.errors.is_empty() => foreign.extend(problem.errors),
            Err(error) => return Err(error),
        }
    }
    if let Some(problem) = Problem::fields(foreign) {
        return Err(problem.into());
    }
    let with_lines = contracts_with_lines(wanted);
    let there = match with_lines.is_empty() {
        true => Vec::new(),
        false => theirs.lines_of(&with_lines.into_iter().collect::<Vec<_>>(), &BTreeSet::new()).await?,
    };
    let lines = match fit_lines(wanted, &there) {
        Ok(lines) => lines,
        Err(Misfit::Gone(line, contract)) => {
            let detail = format!("The line {line} is not on the contract {contract}.");
            return Err(theirs.gone::<ContractService>(Code::ContractServiceRemoved, detail).await);
        }
        Err(Misfit::Inactive(name)) => {
            return Err(Error::problem(Code::ServiceInactive, format!("The service {name} is inactive.")));
        }
    };
    let contracts = fit_contracts(wanted, &own);
    let warnings = std::iter::once(&main).chain(own.values()).flat_map(|facts| facts.warnings.clone()).collect();
    Ok((Target { company, contract: Some(contract_ref(&main)), contracts, lines }, warnings))
}

/// The contracts that wanted lines lie on.
pub(super) fn contracts_with_lines(wanted: &Wanted) -> BTreeSet<i64> {
    wanted.lines.iter().filter(|line| line.line.is_some()).filter_map(|line| wanted.contract_of(line)).collect()
}

/// A company's contracts, judged.
pub(super) async fn contracts_of(theirs: &Theirs<'_>, company: i64) -> Result<Vec<ContractFacts>> {
    let contracts = theirs.contracts_of(vec![company], false).await?;
    let labels = theirs.contract_labels().await?;
    Ok(theirs.judged(&contracts, &labels))
}

/// A contract of a company that can be mapped.
pub(super) async fn one_of(
    theirs: &Theirs<'_>,
    judged: &[ContractFacts],
    company: i64,
    id: i64,
    pointer: &str,
) -> Result<ContractFacts> {
    match judged.iter().find(|contract| contract.id == id) {
        Some(facts) => usable(facts.clone()),
        None => match theirs.contract(id).await? {
            Some(_) => Err(Problem::field(pointer, format!("is not a contract of the company {company}")).into()),
            None => Err(theirs.gone::<Contract>(Code::ContractNotFound, format!("There is no contract {id}.")).await),
        },
    }
}

/// Refuses a contract that cannot be billed, with its first reason's code.
pub(super) fn usable(facts: ContractFacts) -> Result<ContractFacts> {
    let Some(first) = facts.why_not.first() else { return Ok(facts) };
    let detail = facts.why_not.iter().map(|r| r.detail.as_str()).collect::<Vec<_>>().join(" ");
    let mut problem = Problem::new(first.code, detail);
    if let Some(next) = facts.renewed_by {
        problem = problem.with("renewed_by", next);
    }
    Err(problem.into())
}

pub(super) fn contract_ref(facts: &ContractFacts) -> ContractRef {
    ContractRef { id: facts.id, name: facts.name.clone(), start: facts.start, end: facts.end }
}

/// The packages that have a contract of their own, with it.
pub(super) fn fit_contracts(wanted: &Wanted, own: &BTreeMap<i64, ContractFacts>) -> Vec<PackageContract> {
    let fit = |id: i64, package: &PackageId| {
        let contract = contract_ref(own.get(&id)?);
        Some(PackageContract { package_id: package.clone(), contract })
    };
    wanted.own_contracts().filter_map(|(_, line, id)| fit(id, &line.package_id)).collect()
}

/// Why wanted lines and the contracts' do not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It is not on that contract.
    Gone(LineRef, i64),
    Inactive(String),
}

/// Finds the wanted lines, each on its contract.
pub(super) fn fit_lines(wanted: &Wanted, there: &[LineFacts]) -> Result<Vec<MappedLine>, Misfit> {
    let by_ref: BTreeMap<LineRef, &LineFacts> = there.iter().map(|l| (l.line, l)).collect();
    let mut lines = Vec::new();
    for (want, line) in wanted.lines.iter().filter_map(|w| Some((w, w.line?))) {
        let contract = wanted.contract_of(want).unwrap_or_default();
        let found = by_ref.get(&line).filter(|found| found.contract_id == contract);
        let found = found.ok_or(Misfit::Gone(line, contract))?;
        if !found.service_active {
            return Err(Misfit::Inactive(line_name(found)));
        }
        lines.push(mapped(found, want.package_id.clone(), want.overwrite_cost));
    }
    Ok(lines)
}

pub(super) fn line_name(line: &LineFacts) -> String {
    line.name.clone().unwrap_or_else(|| format!("Service {}", line.service_id))
}

pub(super) fn mapped(line: &LineFacts, package_id: PackageId, overwrite_cost: Option<bool>) -> MappedLine {
    MappedLine {
        package_id,
        line: line.line,
        service_id: line.service_id,
        service_name: line_name(line),
        overwrite_cost,
    }
}

#[cfg(test)]
mod tests {
    use super::super::wanted::WantedLine;
    use super::*;

    fn wanted(own: Option<i64>, line: LineRef) -> Wanted {
        let package_id = PackageId::new("p1").unwrap();
        let line = WantedLine { package_id, contract_id: own, line: Some(line), overwrite_cost: None };
        Wanted { company_id: Some(1), contract_id: Some(2), lines: vec![line], excluded: false }
    }

    fn there(line: LineRef, service: i64) -> LineFacts {
        LineFacts {
            line,
            contract_id: 2,
            service_id: service,
            name: Some(format!("service {service}")),
            service_active: true,
            unit_price: None,
            unit_cost: None,
            units: None,
            period_billed: false,
            vendor_line: false,
            duplicate_line: false,
        }
    }

    #[test]
    fn a_wanted_line_must_be_on_its_contract_and_usable() {
        let seven = LineRef::service(7);
        let found = fit_lines(&wanted(None, seven), &[there(seven, 41)]).unwrap();
        assert_eq!(found[0].service_id, 41);
        let other = [there(LineRef::bundle(7), 41)];
        assert_eq!(fit_lines(&wanted(None, seven), &other), Err(Misfit::Gone(seven, 2)));
        assert_eq!(fit_lines(&wanted(Some(3), seven), &[there(seven, 41)]), Err(Misfit::Gone(seven, 3)));
        let on_three = [LineFacts { contract_id: 3, ..there(seven, 41) }];
        assert_eq!(fit_lines(&wanted(Some(3), seven), &on_three).unwrap().len(), 1);
        assert_eq!(fit_lines(&wanted(None, seven), &on_three), Err(Misfit::Gone(seven, 2)));
        let inactive = [LineFacts { service_active: false, ..there(seven, 41) }];
        assert!(matches!(fit_lines(&wanted(None, seven), &inactive), Err(Misfit::Inactive(_))));
    }
}
