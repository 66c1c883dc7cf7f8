//! How a mapping stands: whether what it points at can still be billed. Pure.

use super::facts::{ContractFacts, contract_name, judge, successors};
use super::look::Seen;
use super::renewal::{Candidate, Renewal, candidates, proposals};
use super::{MappedLine, Mapping, MappingStatus};
use crate::ids::LineRef;
use crate::problem::Code;
use autotask::{Contract, ContractStatus, ContractType};
use jiff::civil::Date;

/// Something that is wrong with what a mapping points at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trouble {
    /// What.
    pub(crate) code: Code,
    /// In words, naming account and thing.
    pub(crate) words: String,
    /// Whether what the mapping points at is gone, so that nothing can be billed on it.
    pub(crate) breaks: bool,
    /// The lines that it is about; none: all.
    pub(crate) lines: Vec<LineRef>,
}

/// How a mapping stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    /// What is wrong: at most one thing about company and contract, and else its lines.
    pub(crate) troubles: Vec<Trouble>,
    /// What may take the contract's place.
    pub(crate) renewal: Renewal,
    /// The contract as it is.
    pub(crate) contract: Option<ContractFacts>,
    /// Something could not be seen: nothing is known of what depends on it.
    pub(crate) unseen: bool,
    /// The mapping with the names of today, where they are other ones.
    pub(crate) renamed: Option<Mapping>,
}

impl Standing {
    /// What breaks it, if anything.
    pub(crate) fn broken(&self) -> Option<&Trouble> {
        self.troubles.iter().find(|trouble| trouble.breaks)
    }
}

/// Whether a mapping points at something that is watched: a proposal or an exclusion does not.
pub(crate) fn is_watched(mapping: &Mapping) -> bool {
    matches!(mapping.status, MappingStatus::Confirmed | MappingStatus::Broken) && mapping.company.is_some()
}

/// How a mapping stands by what was seen. A contract that ends by `until` is said to be ending.
pub(crate) fn standing(mapping: &Mapping, account: &str, seen: &Seen, until: Date) -> Standing {
    let mut standing = Standing { renamed: renamed(mapping, seen), ..Standing::default() };
    let who = format!("{account} ({})", mapping.account);
    if let Some(trouble) = company(mapping, &who, seen, &mut standing) {
        standing.troubles.push(trouble);
        return standing;
    }
    let Some(mapped) = &mapping.contract else { return standing };
    let Some(row) = seen.contracts.get(mapped.id) else {
        if seen.blind_contracts {
            standing.unseen = true;
        } else {
            let words = format!("{who}: the contract {} ({}) is no longer in Autotask.", mapped.name, mapped.id);
            standing.troubles.push(whole(Code::ContractNotFound, words, true));
        }
        return standing;
    };
    let facts = judge(row, seen.contracts.siblings(row), &seen.labels, &seen.today);
    standing.renewal = renewal_of(mapping, row, seen, until);
    let trouble = contract(&who, row, &facts, &standing.renewal, seen, until);
    standing.contract = Some(facts);
    let broken = trouble.as_ref().is_some_and(|trouble| trouble.breaks);
    standing.troubles.extend(trouble);
    if !broken {
        lines(mapping, &who, seen, &mut standing);
    }
    standing
}

fn whole(code: Code, words: String, breaks: bool) -> Trouble {
    Trouble { code, words, breaks, lines: Vec::new() }
}

fn company(mapping: &Mapping, who: &str, seen: &Seen, standing: &mut Standing) -> Option<Trouble> {
    let mapped = mapping.company.as_ref()?;
    let words = match seen.companies.get(&mapped.id) {
        Some(row) if row.is_active == Some(false) => "is inactive in Autotask",
        Some(_) => return None,
        None if seen.blind_companies => {
            standing.unseen = true;
            return None;
        }
        None => "is no longer in Autotask",
    };
    let words = format!("{who}: the company {} ({}) {words}.", mapped.name, mapped.id);
    Some(whole(Code::CompanyInactiveOrGone, words, true))
}

fn renewal_of(mapping: &Mapping, row: &Contract, seen: &Seen, until: Date) -> Renewal {
    let ends = row.end_date.is_some_and(|end| end.calendar_date(&seen.today.zone) <= until);
    // Packages on contracts of their own do not move with the mapping's.
    let on_it = |line: &&MappedLine| mapping.contract_for(&line.package_id).is_some_and(|c| c.id == row.id.get());
    let moving: Vec<MappedLine> = mapping.lines.iter().filter(on_it).cloned().collect();
    let candidate = |(next, linked): (&Contract, bool)| Candidate {
        contract: judge(next, seen.contracts.siblings(next), &seen.labels, &seen.today),
        linked,
        lines: proposals(&moving, next.id.get(), &seen.lines_there),
    };
    let found = candidates(row, seen.contracts.siblings(row), ends, &seen.today.zone).into_iter().map(candidate);
    // What only its dates propose must at least be usable.
    Renewal { candidates: found.filter(|c| c.linked || c.contract.eligible).collect() }
}

/// What is wrong with a contract. One that ended, or is no recurring one any more, shows no units to write; one that was
/// renewed early, or is not in effect, may still show some, so that it does not break the mapping.
fn contract(
    who: &str,
    row: &Contract,
    facts: &ContractFacts,
    renewal: &Renewal,
    seen: &Seen,
    until: Date,
) -> Option<Trouble> {
    let name = format!("{who}: the contract {} ({})", contract_name(row), row.id);
    if row.contract_type != Some(ContractType::RecurringService) {
        let words = format!("{name} is not a recurring service contract.");
        return Some(whole(Code::ContractNotRecurring, words, true));
    }
    let renewed = !renewal.candidates.is_empty();
    let next = if renewed { format!(" {}", renewal.words()) } else { String::new() };
    let code = if renewed { Code::ContractRenewed } else { Code::ContractEnded };
    if let Some(end) = facts.end.filter(|end| *end < seen.today.date) {
        return Some(whole(code, format!("{name} ended on {end}.{next}"), true));
    }
    if row.status.is_some_and(|status| status != ContractStatus::InEffect) {
        let status = facts.status.as_deref().unwrap_or_default();
        return Some(whole(code, format!("{name} is not in effect; its status is {status}.{next}"), false));
    }
    if successors(row, seen.contracts.siblings(row)).next().is_some() && renewed {
        let until = facts.end.map_or_else(String::new, |end| format!(" It ends on {end}."));
        return Some(whole(Code::ContractRenewed, format!("{name} was renewed.{until}{next}"), false));
    }
    let end = facts.end.filter(|end| *end <= until)?;
    Some(whole(Code::ContractEnding, format!("{name} ends on {end}.{next}"), false))
}

fn lines(mapping: &Mapping, who: &str, seen: &Seen, standing: &mut Standing) {
    let mut gone = Vec::new();
    for mapped in &mapping.lines {
        match seen.lines.get(&mapped.line) {
            None if seen.blind_lines.contains(&mapped.line.kind) => standing.unseen = true,
            None => gone.push(mapped),
            Some(line) if !line.service_active => {
                let words =
                    format!("{who}: the service {} of the line {} is inactive.", mapped.service_name, mapped.line);
                let lines = vec![mapped.line];
                standing.troubles.push(Trouble { code: Code::ServiceInactive, words, breaks: false, lines });
            }
            Some(_) => {}
        }
    }
    if !gone.is_empty() {
        let named: Vec<String> = gone.iter().map(|line| format!("{} ({})", line.service_name, line.line)).collect();
        let contract = mapping.contract.as_ref().map_or("its contract", |contract| &contract.name);
        let words = format!("{who}: no longer on {contract}: {}.", named.join(", "));
        let lines = gone.iter().map(|line| line.line).collect();
        standing.troubles.push(Trouble { code: Code::ContractServiceRemoved, words, breaks: true, lines });
    }
}

/// The mapping with names and dates as they are now; none where they are the same.
fn renamed(mapping: &Mapping, seen: &Seen) -> Option<Mapping> {
    let mut next = mapping.clone();
    if let Some(company) = &mut next.company
        && let Some(name) = seen.companies.get(&company.id).and_then(|row| row.company_name.clone())
    {
        company.name = name;
    }
    if let Some(contract) = &mut next.contract
        && let Some(row) = seen.contracts.get(contract.id)
    {
        let day = |date: Option<autotask::DateValue>| date.map(|date| date.calendar_date(&seen.today.zone));
        contract.name = contract_name(row);
        (contract.start, contract.end) = (day(row.start_date), day(row.end_date));
    }
    for line in &mut next.lines {
        if let Some(name) = seen.lines.get(&line.line).and_then(|found| found.name.clone()) {
            line.service_name = name;
        }
    }
    (next != *mapping).then_some(next)
}
