//! What Autotask has of everything that mappings point at, read in batches: companies, contracts, lines, their services,
//! and the contracts that took the place of others.
//!
//! Restricted rights give empty lists, not errors. So absence says something only where the API user sees all rows of
//! the entity, and where not too many rows vanished at once.

use super::facts::{ContractLabels, LineFacts, Today};
use super::renewal;
use super::theirs::Theirs;
use super::{Context, Mapping};
use crate::budget::Mode;
use crate::ids::{LineKind, LineRef};
use crate::problem::{Code, Result};
use autotask::{Company, Contract, ContractService, ContractServiceBundle};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// Share of rows, in per cent, that may vanish between two looks before it is rather the right to see them that did:
/// the share of unseen lines at which a run stops.
const GONE_PERCENT_MAX: usize = 30;
/// Fewer vanished rows than this are judged one by one.
const GONE_MIN: usize = 3;

/// Contracts by company: whoever judges one looks at its siblings.
#[derive(Debug, Default)]
pub(super) struct Contracts {
    company: BTreeMap<i64, Option<i64>>,
    by_company: BTreeMap<Option<i64>, Vec<Contract>>,
}

impl Contracts {
    /// Adds rows, each once.
    fn add(&mut self, rows: Vec<Contract>) {
        for row in rows {
            let company = row.company_id.map(autotask::Id::get);
            if self.company.insert(row.id.get(), company).is_none() {
                self.by_company.entry(company).or_default().push(row);
            }
        }
    }

    pub(super) fn get(&self, id: i64) -> Option<&Contract> {
        let siblings = self.by_company.get(self.company.get(&id)?)?;
        siblings.iter().find(|contract| contract.id.get() == id)
    }

    /// All that are known of a contract's company, itself included.
    pub(super) fn siblings(&self, of: &Contract) -> &[Contract] {
        self.by_company.get(&of.company_id.map(autotask::Id::get)).map_or(&[], Vec::as_slice)
    }

    fn iter(&self) -> impl Iterator<Item = &Contract> {
        self.by_company.values().flatten()
    }
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(super) companies: BTreeMap<i64, Company>,
    /// Mapped ones, what is linked to them, and those of companies whose contract ends.
    pub(super) contracts: Contracts,
    pub(super) lines: BTreeMap<LineRef, LineFacts>,
    /// Lines of contracts that may take another's place.
    pub(super) lines_there: Vec<LineFacts>,
    pub(super) labels: ContractLabels,
    pub(super) today: Today,
    /// What cannot be told from what is not there, in words.
    pub(crate) blind: Vec<String>,
    pub(super) blind_companies: bool,
    pub(super) blind_contracts: bool,
    pub(super) blind_lines: BTreeSet<LineKind>,
    /// Calls made.
    pub(crate) calls: u32,
}

/// Reads what `mappings` point at. For contracts that end by `until` their company's other contracts are read, too.
///
/// # Errors
/// As [`Theirs`]: what is wrong with the connection, and a failed call as explained.
pub(crate) async fn look(context: Context<'_>, mappings: &[&Mapping], until: Date, mode: Mode) -> Result<Seen> {
    let theirs = Theirs::open_as(context, mode).await?;
    let seen = read(&theirs, mappings, until).await;
    let calls = theirs.calls();
    theirs.close().await;
    seen.map(|seen| Seen { calls, ..seen })
}

async fn read(theirs: &Theirs<'_>, mappings: &[&Mapping], until: Date) -> Result<Seen> {
    let companies: BTreeSet<i64> = mappings.iter().filter_map(|m| Some(m.company.as_ref()?.id)).collect();
    let contracts: BTreeSet<i64> = mappings.iter().filter_map(|m| Some(m.contract.as_ref()?.id)).collect();
    let lines: BTreeSet<LineRef> = mappings.iter().flat_map(|m| m.lines.iter().map(|line| line.line)).collect();
    let lines: Vec<LineRef> = lines.into_iter().collect();
    let mut seen = Seen {
        companies: by_id(theirs.companies(Vec::new(), Some(companies.into_iter().collect())).await?),
        contracts: Contracts::default(),
        lines: theirs.lines_by_id(&lines).await?.into_iter().map(|line| (line.line, line)).collect(),
        lines_there: Vec::new(),
        labels: ContractLabels::default(),
        today: theirs.today.clone(),
        blind: Vec::new(),
        blind_companies: false,
        blind_contracts: false,
        blind_lines: BTreeSet::new(),
        calls: 0,
    };
    seen.contracts.add(theirs.contracts_by_id(contracts.iter().copied()).await?);
    rights(theirs, mappings, &mut seen).await?;
    if seen.contracts.iter().next().is_some() {
        seen.labels = theirs.contract_labels().await?;
        successors(theirs, &contracts, &mut seen, until).await?;
    }
    Ok(seen)
}

fn by_id(rows: Vec<Company>) -> BTreeMap<i64, Company> {
    rows.into_iter().map(|row| (row.id.get(), row)).collect()
}

/// What of one entity was looked for and not found.
#[derive(Default)]
struct Missing {
    /// All of it.
    any: bool,
    /// What was not known to be gone already, and how much of that was looked for.
    fresh: BTreeSet<i64>,
    of: BTreeSet<i64>,
}

impl Missing {
    fn add(&mut self, id: i64, found: bool, known: bool) {
        self.any |= !found;
        if !known {
            self.of.insert(id);
            if !found {
                self.fresh.insert(id);
            }
        }
    }

    fn is_a_landslide(&self) -> bool {
        self.fresh.len() >= GONE_MIN && self.fresh.len() * 100 > self.of.len() * GONE_PERCENT_MAX
    }

    fn words(&self, what: &str) -> String {
        format!("{} of {} mapped {what} cannot be seen.", self.fresh.len(), self.of.len())
    }
}

/// Finds out where absence says nothing.
async fn rights(theirs: &Theirs<'_>, mappings: &[&Mapping], seen: &mut Seen) -> Result<()> {
    let mut companies = Missing::default();
    let mut contracts = Missing::default();
    let mut lines: BTreeMap<LineKind, Missing> = BTreeMap::new();
    for mapping in mappings {
        let broken = |code| mapping.broken.as_ref().is_some_and(|broken| broken.code == code);
        if let Some(company) = &mapping.company {
            let known = broken(Code::CompanyInactiveOrGone);
            companies.add(company.id, seen.companies.contains_key(&company.id), known);
        }
        let Some(contract) = &mapping.contract else { continue };
        let there = seen.contracts.get(contract.id).is_some();
        contracts.add(contract.id, there, broken(Code::ContractNotFound));
        // Lines go with their contract.
        for line in mapping.lines.iter().filter(|_| there) {
            let found = seen.lines.contains_key(&line.line);
            lines.entry(line.line.kind).or_default().add(line.line.id, found, broken(Code::ContractServiceRemoved));
        }
    }
    if companies.any && (companies.is_a_landslide() || !theirs.sees::<Company>().await?) {
        seen.blind_companies = true;
        seen.blind.push(companies.words("companies"));
    }
    if contracts.any && (contracts.is_a_landslide() || !theirs.sees::<Contract>().await?) {
        seen.blind_contracts = true;
        seen.blind.push(contracts.words("contracts"));
    }
    for (kind, missing) in lines.iter().filter(|(_, missing)| missing.any) {
        let (readable, what) = match kind {
            LineKind::Service => (theirs.sees::<ContractService>().await?, "contract services"),
            LineKind::Bundle => (theirs.sees::<ContractServiceBundle>().await?, "contract service bundles"),
        };
        if missing.is_a_landslide() || !readable {
            seen.blind_lines.insert(*kind);
            seen.blind.push(missing.words(what));
        }
    }
    Ok(())
}

/// Reads the contracts that may take the place of mapped ones, and their lines.
async fn successors(theirs: &Theirs<'_>, mapped: &BTreeSet<i64>, seen: &mut Seen, until: Date) -> Result<()> {
    let zone = seen.today.zone.clone();
    let ends = |contract: &Contract| contract.end_date.is_some_and(|end| end.calendar_date(&zone) <= until);
    let named: BTreeSet<i64> = seen.contracts.iter().filter_map(|c| Some(c.renewed_contract_id?.get())).collect();
    let companies: BTreeSet<i64> =
        seen.contracts.iter().filter(|c| ends(c)).filter_map(|c| Some(c.company_id?.get())).collect();
    let mut more = theirs.contracts_linked(mapped.iter().copied()).await?;
    more.extend(theirs.contracts_by_id(named).await?);
    more.extend(theirs.contracts_of(companies.into_iter().collect(), true).await?);
    seen.contracts.add(more);
    let old = mapped.iter().filter_map(|id| seen.contracts.get(*id));
    let places: BTreeSet<i64> = old
        .flat_map(|old| renewal::candidates(old, seen.contracts.siblings(old), ends(old), &zone))
        .map(|(next, _)| next.id.get())
        .collect();
    if !places.is_empty() {
        let places: Vec<i64> = places.into_iter().collect();
        seen.lines_there = theirs.lines_of(&places, &BTreeSet::new()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_vanishing_at_once_is_a_landslide_and_what_is_known_to_be_gone_does_not_count() {
        for (of, gone, known, landslide) in
            [(10, 3, 0, false), (10, 4, 0, true), (2, 2, 0, false), (3, 3, 0, true), (10, 5, 5, false)]
        {
            let mut missing = Missing::default();
            for id in 0..of {
                missing.add(id, id >= gone, id < known);
            }
            assert_eq!(missing.is_a_landslide(), landslide, "{gone} of {of}, {known} known");
            assert!(missing.any);
        }
    }
}
