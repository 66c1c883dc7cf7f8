//! What a person maps an account to: save or exclude.

use super::context::Context;
use super::facts::{ContractFacts, LineFacts, Remark};
use super::put::{Saved, When, Words, check_free, put};
use super::theirs::Theirs;
use super::{CompanyRef, ContractRef, MappedLine, Mapping, MappingSource, MappingStatus};
use crate::ids::{AccountId, LineKind, LineRef, PackageId};
use crate::problem::{Code, Error, FieldError, Problem, Result};
use crate::records::{Key, load};
use crate::vendor::Package;
use autotask::{Contract, ContractService};
use std::collections::{BTreeMap, BTreeSet};

/// Most lines of one mapping: with what they replace, far under a transaction's 100 writes.
pub const LINES_MAX: usize = 20;

/// What a person wants an account mapped to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// `Companies.id`; required unless excluded.
    pub company_id: Option<i64>,
    /// `Contracts.id`; a mapping without one is valid and never billed.
    pub contract_id: Option<i64>,
    /// Which package's count goes to which line; one without a line is as if it were not named.
    pub lines: Vec<WantedLine>,
    /// Not this account.
    pub excluded: bool,
}

/// A line of [`Wanted`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedLine {
    /// Whose count.
    pub package_id: PackageId,
    /// To which line.
    pub line: Option<LineRef>,
    /// Overwrite Cost of this line; absent: the package's, then the connection's.
    pub overwrite_cost: Option<bool>,
}

/// A saved mapping, with what to know about it.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedWithRemarks {
    /// The mapping.
    pub saved: Saved,
    /// Warnings: a period that is not monthly, a contract that has not begun.
    pub warnings: Vec<Remark>,
}

/// Where a mapping points, as Autotask has it now.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) company: CompanyRef,
    pub(super) contract: Option<ContractRef>,
    pub(super) lines: Vec<MappedLine>,
    pub(super) warnings: Vec<Remark>,
}

/// Saves what a person chose. It is confirmed at once, and nothing in Autotask is touched.
///
/// # Errors
/// The codes that a mapping can be refused with; nothing is saved then.
pub async fn save(
    context: Context<'_>,
    account: &AccountId,
    wanted: Wanted,
    if_match: Option<u64>,
) -> Result<SavedWithRemarks> {
    context.connection().await?;
    context.account(account).await?;
    let when = When::if_match(if_match);
    when.check(context.mapping(account).await?.map(|m| m.v))?;
    if wanted.excluded {
        return exclude(context, account, &wanted, when).await;
    }
    let company = check_shape(&wanted)?;
    check_packages(context, &wanted).await?;
    let lines: Vec<LineRef> = wanted.lines.iter().filter_map(|l| l.line).collect();
    check_free(context, account, company, &lines).await?;
    let theirs = Theirs::open(context).await?;
    let target = read_target(&theirs, company, &wanted).await;
    theirs.close().await;
    let Target { company, contract, lines, warnings } = target?;
    let next = confirmed(context, account, MappingSource::Manual, (company, contract, lines)).await?;
    let saved = put(context, &next, when, CONFIRMED).await?;
    Ok(SavedWithRemarks { saved, warnings })
}

pub(super) const CONFIRMED: Words = Words { action: "mapping.confirmed", event: Some("mapping.confirmed") };
pub(super) const EXCLUDED: Words = Words { action: "mapping.excluded", event: Some("mapping.removed") };

/// A confirmed mapping; what a person set apart (a pause) stays.
pub(super) async fn confirmed(
    context: Context<'_>,
    account: &AccountId,
    source: MappingSource,
    (company, contract, lines): (CompanyRef, Option<ContractRef>, Vec<MappedLine>),
) -> Result<Mapping> {
    let now = context.ports.clock.now();
    let present = context.mapping(account).await?.map(|found| found.value);
    let paused = present.as_ref().is_some_and(|m| m.paused);
    let leaving = still_leaving(present.as_ref(), contract.as_ref(), &lines);
    Ok(Mapping {
        partner: context.partner.clone(),
        connection: context.connection.clone(),
        account: account.clone(),
        status: MappingStatus::Confirmed,
        company: Some(company),
        contract,
        contracts: Vec::new(),
        leaving,
        lines,
        source,
        broken: None,
        paused,
        confirmed_at: Some(now),
        updated_at: now,
    })
}

/// Lines that a package has left and that still have units, where the account stays on its contract.
fn still_leaving(present: Option<&Mapping>, contract: Option<&ContractRef>, lines: &[MappedLine]) -> Vec<MappedLine> {
    let same = |m: &&Mapping| m.contract.as_ref().map(|c| c.id) == contract.map(|c| c.id);
    let taken: BTreeSet<LineRef> = lines.iter().map(|line| line.line).collect();
    let leaving = present.filter(same).map(|m| m.leaving.clone()).unwrap_or_default();
    leaving.into_iter().filter(|line| !taken.contains(&line.line)).collect()
}

async fn exclude(context: Context<'_>, account: &AccountId, wanted: &Wanted, when: When) -> Result<SavedWithRemarks> {
    if wanted.company_id.is_some() || wanted.contract_id.is_some() || !wanted.lines.is_empty() {
        return Err(Problem::field("/excluded", "an excluded account has no company, contract or lines").into());
    }
    let next = excluded(context, account, MappingSource::Manual);
    Ok(SavedWithRemarks { saved: put(context, &next, when, EXCLUDED).await?, warnings: Vec::new() })
}

/// The mapping of an account that a person does not want mapped.
pub(super) fn excluded(context: Context<'_>, account: &AccountId, source: MappingSource) -> Mapping {
    Mapping {
        partner: context.partner.clone(),
        connection: context.connection.clone(),
        account: account.clone(),
        status: MappingStatus::Excluded,
        company: None,
        contract: None,
        contracts: Vec::new(),
        leaving: Vec::new(),
        lines: Vec::new(),
        source,
        broken: None,
        paused: false,
        confirmed_at: None,
        updated_at: context.ports.clock.now(),
    }
}

/// Checks what can be checked without asking anybody. Returns the company.
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
    }
    if let Some(problem) = Problem::fields(errors) {
        return Err(problem.into());
    }
    let mut lines = BTreeSet::new();
    for line in &wanted.lines {
        if let Some(twice) = line.line.filter(|l| !lines.insert(*l)) {
            return Err(Error::problem(Code::ContractServiceShared, format!("The line {twice} stands twice.")));
        }
        if line.overwrite_cost == Some(true) && line.line.is_some_and(|l| l.kind == LineKind::Bundle) {
            let detail = format!("The line of {} is a service bundle.", line.package_id);
            return Err(Error::problem(Code::BundleCostUnsupported, detail));
        }
    }
    Ok(wanted.company_id.unwrap_or_default())
}

async fn check_packages(context: Context<'_>, wanted: &Wanted) -> Result<()> {
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

/// Reads the company, its contracts and the contract's lines, and checks that they fit together.
async fn read_target(theirs: &Theirs<'_>, company: i64, wanted: &Wanted) -> Result<Target> {
    let company = theirs.usable_company(company).await?;
    let name = company.company_name.clone().unwrap_or_else(|| format!("Company {}", company.id));
    let company = CompanyRef { id: company.id.get(), name };
    let Some(id) = wanted.contract_id else {
        return Ok(Target { company, contract: None, lines: Vec::new(), warnings: Vec::new() });
    };
    let facts = read_contract(theirs, company.id, id).await?;
    let there = match wanted.lines.iter().any(|l| l.line.is_some()) {
        true => theirs.lines_of(&[id], &BTreeSet::new()).await?,
        false => Vec::new(),
    };
    let lines = match fit_lines(&wanted.lines, &there) {
        Ok(lines) => lines,
        Err(Misfit::Gone(line)) => {
            let detail = format!("The line {line} is not on the contract {id}.");
            return Err(theirs.gone::<ContractService>(Code::ContractServiceRemoved, detail).await);
        }
        Err(Misfit::Inactive(name)) => {
            return Err(Error::problem(Code::ServiceInactive, format!("The service {name} is inactive.")));
        }
    };
    Ok(Target { company, contract: Some(contract_ref(&facts)), lines, warnings: facts.warnings })
}

/// A contract of a company that can be mapped.
pub(super) async fn read_contract(theirs: &Theirs<'_>, company: i64, id: i64) -> Result<ContractFacts> {
    let contracts = theirs.contracts_of(vec![company], false).await?;
    let labels = theirs.contract_labels().await?;
    let Some(facts) = theirs.judged(&contracts, &labels).into_iter().find(|c| c.id == id) else {
        return match theirs.contract(id).await? {
            Some(_) => {
                Err(Problem::field("/contract_id", format!("is not a contract of the company {company}")).into())
            }
            None => Err(theirs.gone::<Contract>(Code::ContractNotFound, format!("There is no contract {id}.")).await),
        };
    };
    usable(facts)
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

/// Why wanted lines and the contract's do not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    Gone(LineRef),
    Inactive(String),
}

/// Finds the wanted lines on the contract.
pub(super) fn fit_lines(wanted: &[WantedLine], there: &[LineFacts]) -> Result<Vec<MappedLine>, Misfit> {
    let by_ref: BTreeMap<LineRef, &LineFacts> = there.iter().map(|l| (l.line, l)).collect();
    let mut lines = Vec::new();
    for (want, line) in wanted.iter().filter_map(|w| Some((w, w.line?))) {
        let found = by_ref.get(&line).ok_or(Misfit::Gone(line))?;
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
    use super::*;

    fn package(id: &str) -> PackageId {
        PackageId::new(id).unwrap()
    }

    fn wanted(lines: &[(&str, Option<LineRef>)]) -> Wanted {
        let line = |(id, line): &(&str, Option<LineRef>)| WantedLine {
            package_id: package(id),
            line: *line,
            overwrite_cost: None,
        };
        Wanted { company_id: Some(1), contract_id: Some(2), lines: lines.iter().map(line).collect(), excluded: false }
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
    fn one_line_takes_one_count_and_one_count_goes_to_one_line() {
        let line = Some(LineRef::service(7));
        assert_eq!(check_shape(&wanted(&[("p1", line), ("p2", None)])).unwrap(), 1);
        let shared = check_shape(&wanted(&[("p1", line), ("p2", line)])).unwrap_err();
        assert_eq!(shared.code(), Some(Code::ContractServiceShared));
        let twice = check_shape(&wanted(&[("p1", line), ("p1", Some(LineRef::service(8)))])).unwrap_err();
        assert_eq!(twice.code(), Some(Code::InvalidInput));
        assert!(check_shape(&wanted(&[("p1", line), ("p2", Some(LineRef::bundle(7)))])).is_ok(), "counted apart");
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
    fn a_wanted_line_must_be_on_the_contract_and_usable() {
        let lines = wanted(&[("p1", Some(LineRef::service(7)))]).lines;
        assert_eq!(fit_lines(&lines, &[there(LineRef::service(7), 41)]).unwrap()[0].service_id, 41);
        let other = [there(LineRef::bundle(7), 41)];
        assert_eq!(fit_lines(&lines, &other), Err(Misfit::Gone(LineRef::service(7))));
        let inactive = [LineFacts { service_active: false, ..there(LineRef::service(7), 41) }];
        assert!(matches!(fit_lines(&lines, &inactive), Err(Misfit::Inactive(_))));
    }
}
