//! What the picker shows: companies by search, a company's contracts, a contract's lines. Always live.

use super::LineHolder;
use super::claims::{company, holders_of};
use super::context::Context;
use super::facts::{ContractFacts, LineFacts};
use super::theirs::{Labels, Theirs};
use crate::ids::{AccountId, LineRef};
use crate::problem::{Code, Problem, Result};
use autotask::{Company, Contract, Filter};
use std::collections::BTreeMap;

/// Most companies of one search; more than that is a search to be refined.
pub const COMPANIES_MAX: usize = 50;
/// Longest search text, in characters: a company's name in Autotask.
pub const SEARCH_CHARS_MAX: usize = 100;

/// What to search companies by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompanySearch {
    /// Part of the name, or the beginning of the company's number; empty: all.
    pub q: String,
    /// Label or number of `companyType`; only within the connection's company scope.
    pub company_type: Option<String>,
    /// Label or number of `classification`.
    pub classification: Option<String>,
}

/// A company that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompanyFacts {
    /// `Companies.id`.
    pub id: i64,
    /// `companyName`.
    pub name: String,
    /// `companyNumber`.
    pub number: Option<String>,
    /// Label of `companyType`.
    pub company_type: Option<String>,
    /// `isActive`.
    pub active: bool,
    /// The accounts that hold it already, by id.
    pub taken_by: Vec<AccountId>,
}

/// Searches companies within the connection's company scope; the partner's own company (id 0) is never among them.
/// At most [`COMPANIES_MAX`], by name; the second value says whether there are more.
///
/// # Errors
/// `invalid_input` for a text too long or a type that this database does not have; Autotask's own.
pub async fn search_companies(context: Context<'_>, search: &CompanySearch) -> Result<(Vec<CompanyFacts>, bool)> {
    if search.q.chars().count() > SEARCH_CHARS_MAX {
        return Err(Problem::field("q", format!("must have at most {SEARCH_CHARS_MAX} characters")).into());
    }
    let theirs = Theirs::open(context).await?;
    let found = find(&theirs, search).await;
    theirs.close().await;
    let (companies, more) = found?;
    let mut facts = Vec::with_capacity(companies.len());
    for mut company in companies {
        company.taken_by = holders_of_company(context, company.id).await?;
        facts.push(company);
    }
    Ok((facts, more))
}

async fn find(theirs: &Theirs<'_>, search: &CompanySearch) -> Result<(Vec<CompanyFacts>, bool)> {
    let labels = theirs.company_labels().await?;
    let Some(mut filters) = theirs.scope_filters(&labels) else { return Ok((Vec::new(), false)) };
    for (field, name, text) in [
        ("type", "companyType", search.company_type.as_deref()),
        ("classification", "classification", search.classification.as_deref()),
    ] {
        if let Some(text) = text {
            let number = labels.number(name, text);
            let number = number.ok_or_else(|| Problem::field(field, "is not a value of this Autotask database"))?;
            filters.push(Filter::eq(name, number));
        }
    }
    let q = search.q.trim();
    if !q.is_empty() {
        filters.push(Filter::contains("companyName", q).or(Filter::begins_with("companyNumber", q)));
    }
    let mut companies = theirs.some_companies(filters, COMPANIES_MAX + 1).await?;
    let more = companies.len() > COMPANIES_MAX;
    companies.truncate(COMPANIES_MAX);
    let mut facts: Vec<_> = companies.into_iter().map(|company| company_facts(company, &labels)).collect();
    facts.sort_by_cached_key(|c| (c.name.to_lowercase(), c.id));
    Ok((facts, more))
}

fn company_facts(company: Company, labels: &Labels) -> CompanyFacts {
    CompanyFacts {
        id: company.id.get(),
        name: company.company_name.unwrap_or_else(|| format!("Company {}", company.id)),
        number: company.company_number.filter(|n| !n.is_empty()),
        company_type: company.company_type.map(|t| labels.label("companyType", t.number())),
        active: company.is_active != Some(false),
        taken_by: Vec::new(),
    }
}

async fn holders_of_company(context: Context<'_>, id: i64) -> Result<Vec<AccountId>> {
    Ok(company(context, id).await?.map(|taken| taken.value.accounts).unwrap_or_default())
}

/// A company's contracts.
#[derive(Debug, Clone)]
pub struct CompanyContracts {
    /// Eligible ones with a vendor's line first.
    pub contracts: Vec<ContractFacts>,
    /// The accounts that hold the company already, by id.
    pub taken_by: Vec<AccountId>,
}

/// A company's contracts with why they are not eligible, and who holds the company.
///
/// # Errors
/// `not_found` for a company that is not there; Autotask's own.
pub async fn contracts_of(context: Context<'_>, company: i64) -> Result<CompanyContracts> {
    let theirs = Theirs::open(context).await?;
    let found = read_contracts(&theirs, company).await;
    theirs.close().await;
    Ok(CompanyContracts { contracts: found?, taken_by: holders_of_company(context, company).await? })
}

async fn read_contracts(theirs: &Theirs<'_>, company: i64) -> Result<Vec<ContractFacts>> {
    if theirs.companies(vec![Filter::eq("id", company)], None).await?.is_empty() {
        return Err(theirs.gone::<Company>(Code::NotFound, format!("There is no company {company}.")).await);
    }
    let contracts = theirs.contracts_of(vec![company], false).await?;
    if contracts.is_empty() {
        return Ok(Vec::new());
    }
    let labels = theirs.contract_labels().await?;
    let mut facts = theirs.judged(&contracts, &labels);
    let eligible: Vec<i64> = facts.iter().filter(|c| c.eligible).map(|c| c.id).collect();
    if !eligible.is_empty() {
        let codes = theirs.vendor_codes().await?;
        let lines = theirs.lines_of(&eligible, &codes).await?;
        for contract in &mut facts {
            contract.has_vendor_line = lines.iter().any(|l| l.contract_id == contract.id && l.vendor_line);
        }
    }
    facts.sort_by_key(|c| (!c.eligible, !c.has_vendor_line, std::cmp::Reverse(c.start), c.id));
    Ok(facts)
}

/// A contract with its lines.
#[derive(Debug, Clone)]
pub struct ContractLines {
    /// The contract.
    pub contract: ContractFacts,
    /// Its lines, vendor's lines first.
    pub lines: Vec<LineFacts>,
    /// Who holds which line already; only lines that somebody holds.
    pub taken: BTreeMap<LineRef, Vec<LineHolder>>,
}

/// A contract's lines with today's units (today in the connection's zone) and cost where it is readable.
///
/// # Errors
/// `not_found` for a contract that is not there; Autotask's own.
pub async fn lines_of(context: Context<'_>, contract: i64) -> Result<ContractLines> {
    let theirs = Theirs::open(context).await?;
    let read = read_lines(&theirs, contract).await;
    theirs.close().await;
    let (contract, lines) = read?;
    let mut taken = BTreeMap::new();
    for line in &lines {
        let holders = holders_of(context, line.line).await?;
        if !holders.is_empty() {
            taken.insert(line.line, holders);
        }
    }
    Ok(ContractLines { contract, lines, taken })
}

async fn read_lines(theirs: &Theirs<'_>, id: i64) -> Result<(ContractFacts, Vec<LineFacts>)> {
    let Some(contract) = theirs.contract(id).await? else {
        return Err(theirs.gone::<Contract>(Code::NotFound, format!("There is no contract {id}.")).await);
    };
    let labels = theirs.contract_labels().await?;
    let codes = theirs.vendor_codes().await?;
    let mut lines = theirs.lines_of(&[id], &codes).await?;
    let units = theirs.units_today(&[id]).await?;
    for line in &mut lines {
        if let Some(today) = units.get(&line.line) {
            line.units = Some(today.units);
            line.period_billed = today.billed;
        }
    }
    lines.sort_by_key(|l| (!l.vendor_line, l.line));
    let siblings = match contract.company_id {
        Some(company) => theirs.contracts_of(vec![company.get()], true).await?,
        None => Vec::new(),
    };
    let mut facts = super::facts::judge(&contract, &siblings, &labels, &theirs.today);
    facts.has_vendor_line = lines.iter().any(|l| l.vendor_line);
    Ok((facts, lines))
}
