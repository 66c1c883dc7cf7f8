//! CSV imports: a plan of what each account's rows come to, and the run that carries it out.

use super::claims::check_free;
use super::context::Context;
use super::csv_rows::{Group, RowError, Wish, parse};
use super::facts::ContractFacts;
use super::import_file;
use super::import_within::Within;
use super::put::{When, put};
use super::runs::{TIME_MIN, Worked, queued, start};
use super::save::{CONFIRMED, confirmed, excluded};
use super::target::{Misfit, Target, contract_ref, contracts_with_lines, fit_contracts, fit_lines, usable};
use super::theirs::Theirs;
use super::wanted::{Wanted, check_contracts, settle_lines, sums};
use super::{CompanyRef, LineFacts, Mapping, MappingSource, MappingStatus};
use crate::autotask_session::refuse_unless_connected;
use crate::connections::settings::Topologies;
use crate::ids::{AccountId, PackageId};
use crate::ports::{Deadline, Read};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, Key, load, load_all};
use crate::runs::{Run, RunKind, Trigger};
use crate::vendor::{Account, Package};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most refused rows that a run's outcome names; the others are counted.
const ERRORS_LISTED_MAX: usize = 300;
/// In the outcome of an import that repeats another one: what was mapped otherwise after this time is left alone.
const SINCE: &str = "since";

/// What an import comes to for one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// As it stands in the file.
    pub account: String,
    /// Line numbers of its rows; the header is line 1.
    pub at: Vec<u64>,
    /// What happens, or would.
    pub outcome: ImportOutcome,
    /// Why it is refused.
    pub error: Option<(Code, String)>,
}

/// What an import does with one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportOutcome {
    /// The mapping is saved and confirmed.
    Saved,
    /// The account is excluded.
    Excluded,
    /// It is so already.
    Unchanged,
    /// Unmapped, suggested or broken in the file, or changed since by somebody where the import is a repeated one:
    /// nothing is done.
    Skipped,
    /// It is refused, all rows of the account together.
    Refused,
}

/// Says what an import would do, and does nothing.
///
/// # Errors
/// `invalid_input` for a file that cannot be read; Autotask's own.
pub async fn dry_run(context: Context<'_>, text: &str) -> Result<Vec<ImportRow>> {
    let connection = context.connection().await?;
    refuse_unless_connected(&connection)?;
    let groups = parse(text)?;
    let theirs = Theirs::open(context).await?;
    let plan = plan(context, &theirs, groups).await;
    theirs.close().await;
    let mut rows = Vec::new();
    for Planned { group, next } in plan? {
        let done = match next {
            Next::Put(mapping) => would(context, &mapping).await,
            Next::Skip => Ok(ImportOutcome::Skipped),
            Next::Refuse(error) => Err(error),
        };
        rows.push(row(group, done));
    }
    Ok(rows)
}

async fn would(context: Context<'_>, mapping: &Mapping) -> Result<ImportOutcome, RowError> {
    let present = context.mapping(&mapping.account).await.map_err(|error| told(&error))?;
    if present.is_some_and(|p| same(&p, mapping)) {
        return Ok(ImportOutcome::Unchanged);
    }
    if mapping.company.is_none() {
        return Ok(ImportOutcome::Excluded);
    }
    check_free(context, mapping).await.map_err(|error| told(&error))?;
    Ok(ImportOutcome::Saved)
}

/// Whether a mapping already is what a row wants; where it came from does not count.
fn same(present: &Mapping, wanted: &Mapping) -> bool {
    let shown = |m: &Mapping| super::shown::shown(&Mapping { source: MappingSource::Csv, ..m.clone() });
    shown(present) == shown(wanted)
}

/// Starts an import as a run. The file is kept beside the run and with it.
///
/// # Errors
/// `invalid_input` for a file that cannot be read; `needs_relink`, `connection_paused`; `unavailable` where no worker
/// could be told.
pub async fn start_import(context: Context<'_>, text: &str) -> Result<Run> {
    let connection = context.connection().await?;
    refuse_unless_connected(&connection)?;
    parse(text)?;
    let run = queued(context, RunKind::CsvImport, json!({"parts": import_file::parts(text)}));
    let writes = import_file::writes(&run, text)?;
    start(context, run, writes).await
}

/// Starts an import once more: with its file, and with the time since when others' changes are left alone.
pub(super) async fn import_again(context: Context<'_>, of: Run) -> Result<Run> {
    let text = import_file::stored(context, &of).await?;
    let since = of.outcome.get(SINCE).cloned().unwrap_or_else(|| json!(of.created_at));
    let asked = json!({"parts": import_file::parts(&text), SINCE: since});
    let run = Run { trigger: Trigger::Retry, retry_of: Some(of.id), ..queued(context, RunKind::CsvImport, asked) };
    let writes = import_file::writes(&run, &text)?;
    start(context, run, writes).await
}

pub(super) async fn work(context: Context<'_>, run: &mut Run, deadline: &dyn Deadline) -> Result<Worked> {
    let groups = parse(&import_file::stored(context, run).await?)?;
    let theirs = Theirs::open(context).await?;
    let plan = plan(context, &theirs, groups).await;
    run.autotask_calls = run.autotask_calls.saturating_add(theirs.calls());
    theirs.close().await;
    let mut report = Report::carried(&run.outcome);
    let since = run.outcome.get(SINCE).and_then(|at| at.as_str()?.parse::<Timestamp>().ok());
    for Planned { group, next } in plan? {
        if deadline.remaining() < TIME_MIN {
            run.outcome = report.outcome(&run.outcome);
            return Ok(Worked::HandOn);
        }
        let done = match next {
            Next::Put(mapping) => carry_out(context, &mapping, since).await?,
            Next::Skip => Ok(ImportOutcome::Skipped),
            Next::Refuse(error) => Err(error),
        };
        report.add(row(group, done));
    }
    Ok(Worked::Done(report.outcome(&run.outcome)))
}

/// Writes one account's mapping, all of it or nothing. What was changed after `since` stays as it is.
async fn carry_out(
    context: Context<'_>,
    mapping: &Mapping,
    since: Option<Timestamp>,
) -> Result<Result<ImportOutcome, RowError>> {
    if let Some(present) = context.mapping(&mapping.account).await? {
        if same(&present, mapping) {
            return Ok(Ok(ImportOutcome::Unchanged));
        }
        if since.is_some_and(|since| present.updated_at > since) {
            return Ok(Ok(ImportOutcome::Skipped));
        }
    }
    let is_excluded = mapping.status == MappingStatus::Excluded;
    let words = if is_excluded { super::save::EXCLUDED } else { CONFIRMED };
    match put(context, mapping, When::Always, words).await {
        Ok(saved) if !saved.changed => Ok(Ok(ImportOutcome::Unchanged)),
        Ok(_) => Ok(Ok(if is_excluded { ImportOutcome::Excluded } else { ImportOutcome::Saved })),
        Err(Error::Problem(problem)) => Ok(Err(RowError::of(&problem))),
        Err(error) => Err(error),
    }
}

fn row(group: Group, done: Result<ImportOutcome, RowError>) -> ImportRow {
    let Group { account, at, .. } = group;
    match done {
        Ok(outcome) => ImportRow { account, at, outcome, error: None },
        Err(error) => {
            ImportRow { account, at, outcome: ImportOutcome::Refused, error: Some((error.code, error.detail)) }
        }
    }
}

/// An account's rows with what they come to.
struct Planned {
    group: Group,
    next: Next,
}

enum Next {
    Put(Box<Mapping>),
    Skip,
    Refuse(RowError),
}

/// What of theirs the file's rows need, read in batches.
struct Facts {
    companies: BTreeMap<i64, autotask::Company>,
    contracts: BTreeMap<i64, ContractFacts>,
    lines: BTreeMap<i64, Vec<LineFacts>>,
}

async fn plan(context: Context<'_>, theirs: &Theirs<'_>, groups: Vec<Group>) -> Result<Vec<Planned>> {
    let facts = read(theirs, &groups).await?;
    let of = Collection::Accounts(context.partner.clone());
    let accounts = load_all::<Account>(&*context.ports.storage, context.scope, &of, Read::Strong).await?;
    let accounts: BTreeSet<AccountId> = accounts.into_iter().map(|a| a.value.id).collect();
    let known = known(context, theirs, &groups).await?;
    let mut planned = Vec::with_capacity(groups.len());
    let mut within = Within::new(known.topologies.many_accounts_per_company);
    for group in groups {
        let next = match &group.wish {
            Err(error) => Next::Refuse(error.clone()),
            Ok((account, _)) if !accounts.contains(account) => {
                Next::Refuse(RowError { code: Code::NotFound, detail: "There is no such account.".to_owned() })
            }
            Ok((_, Wish::LeaveAlone)) => Next::Skip,
            Ok((account, Wish::Save(wanted))) if wanted.excluded => {
                Next::Put(Box::new(excluded(context, account, MappingSource::Csv)))
            }
            Ok((account, Wish::Save(wanted))) => {
                match fit(wanted, &facts, &known).and_then(|t| within.take(account, t)) {
                    Ok(target) => Next::Put(Box::new(confirmed(context, account, MappingSource::Csv, target).await?)),
                    Err(error) => Next::Refuse(error),
                }
            }
        };
        planned.push(Planned { group, next });
    }
    Ok(planned)
}

fn wanted(groups: &[Group]) -> impl Iterator<Item = &Wanted> {
    groups.iter().filter_map(|group| match &group.wish {
        Ok((_, Wish::Save(wanted))) => Some(wanted),
        _ => None,
    })
}

async fn known(context: Context<'_>, theirs: &Theirs<'_>, groups: &[Group]) -> Result<Known> {
    let named: BTreeSet<&PackageId> = wanted(groups).flat_map(|w| w.lines.iter().map(|l| &l.package_id)).collect();
    let sums = sums(context, named.iter().copied()).await?;
    let mut packages = BTreeSet::new();
    for package in named {
        let key = Key::Package(package.clone());
        if load::<Package>(&*context.ports.storage, context.scope, &key).await?.is_some() {
            packages.insert(package.clone());
        }
    }
    Ok(Known { packages, sums, topologies: theirs.settings.topologies.clone() })
}

async fn read(theirs: &Theirs<'_>, groups: &[Group]) -> Result<Facts> {
    let companies: BTreeSet<i64> = wanted(groups).filter_map(|w| w.company_id).collect();
    let with_contract: BTreeSet<i64> =
        wanted(groups).filter(|w| w.contract_id.is_some()).filter_map(|w| w.company_id).collect();
    let rows = theirs.companies(Vec::new(), Some(companies.into_iter().collect())).await?;
    let contracts = theirs.contracts_of(with_contract.into_iter().collect(), false).await?;
    let labels = if contracts.is_empty() { Default::default() } else { theirs.contract_labels().await? };
    let judged = theirs.judged(&contracts, &labels);
    let with_lines: BTreeSet<i64> = wanted(groups).flat_map(contracts_with_lines).collect();
    let with_lines: Vec<i64> = with_lines.into_iter().collect();
    let mut lines: BTreeMap<i64, Vec<LineFacts>> = BTreeMap::new();
    for line in theirs.lines_of(&with_lines, &BTreeSet::new()).await? {
        lines.entry(line.contract_id).or_default().push(line);
    }
    Ok(Facts {
        companies: rows.into_iter().map(|c| (c.id.get(), c)).collect(),
        contracts: judged.into_iter().map(|c| (c.id, c)).collect(),
        lines,
    })
}

/// What of ours the file's rows need.
struct Known {
    packages: BTreeSet<PackageId>,
    sums: BTreeMap<PackageId, PackageId>,
    topologies: Topologies,
}

fn fit(wanted: &Wanted, facts: &Facts, known: &Known) -> Result<Target, RowError> {
    if let Some(line) = wanted.lines.iter().find(|l| !known.packages.contains(&l.package_id)) {
        return Err(RowError::invalid(format!("package_id: {} is not in the vendor's catalogue", line.package_id)));
    }
    check_contracts(wanted, &known.topologies).map_err(|error| told(&error))?;
    let wanted = &settle_lines(wanted.clone(), &known.sums).map_err(|error| told(&error))?;
    let id = wanted.company_id.unwrap_or_default();
    let company = facts.companies.get(&id).filter(|c| c.is_active != Some(false)).ok_or_else(|| RowError {
        code: Code::CompanyInactiveOrGone,
        detail: format!("There is no active company {id}."),
    })?;
    let company = CompanyRef { id, name: company.company_name.clone().unwrap_or_default() };
    let Some(contract) = wanted.contract_id else {
        return Ok(Target { company, contract: None, contracts: Vec::new(), lines: Vec::new() });
    };
    let main = one_of(facts, id, contract)?;
    let mut own = BTreeMap::new();
    for (_, _, contract) in wanted.own_contracts() {
        own.insert(contract, one_of(facts, id, contract)?);
    }
    let there: Vec<LineFacts> =
        contracts_with_lines(wanted).iter().filter_map(|id| facts.lines.get(id)).flatten().cloned().collect();
    let lines = fit_lines(wanted, &there).map_err(|misfit| match misfit {
        Misfit::Gone(line, contract) => RowError {
            code: Code::ContractServiceRemoved,
            detail: format!("The line {line} is not on the contract {contract}."),
        },
        Misfit::Inactive(name) => {
            RowError { code: Code::ServiceInactive, detail: format!("The service {name} is inactive.") }
        }
    })?;
    Ok(Target { company, contract: Some(contract_ref(&main)), contracts: fit_contracts(wanted, &own), lines })
}

/// A contract of a company that can be mapped.
fn one_of(facts: &Facts, company: i64, id: i64) -> Result<ContractFacts, RowError> {
    let found = facts.contracts.get(&id).filter(|c| c.company_id == Some(company)).ok_or_else(|| RowError {
        code: Code::ContractNotFound,
        detail: format!("The company {company} has no contract {id}."),
    })?;
    usable(found.clone()).map_err(|error| told(&error))
}

/// A refusal, as a row's error.
fn told(error: &Error) -> RowError {
    match error {
        Error::Problem(problem) => RowError::of(problem),
        _ => RowError { code: Code::Unavailable, detail: "Our own records cannot be read right now.".to_owned() },
    }
}

/// A run's outcome as it grows.
#[derive(Default)]
struct Report {
    saved: u64,
    excluded: u64,
    unchanged: u64,
    skipped: u64,
    refused: u64,
    listed: Vec<Value>,
}

impl Report {
    /// A run that was handed on goes on counting what it wrote; everything else is counted anew.
    fn carried(outcome: &Value) -> Self {
        let number = |name: &str| outcome.get(name).and_then(Value::as_u64).unwrap_or_default();
        Self { saved: number("saved"), excluded: number("excluded"), ..Self::default() }
    }

    fn add(&mut self, row: ImportRow) {
        match row.outcome {
            ImportOutcome::Saved => self.saved += 1,
            ImportOutcome::Excluded => self.excluded += 1,
            ImportOutcome::Unchanged => self.unchanged += 1,
            ImportOutcome::Skipped => self.skipped += 1,
            ImportOutcome::Refused => self.refused += 1,
        }
        if let Some((code, detail)) = row.error.filter(|_| self.listed.len() < ERRORS_LISTED_MAX) {
            self.listed.push(json!({"account_id": row.account, "lines": row.at, "code": code, "detail": detail}));
        }
    }

    fn outcome(self, asked: &Value) -> Value {
        let mut outcome = json!({
            "parts": asked.get("parts"),
            "saved": self.saved,
            "excluded": self.excluded,
            "unchanged": self.unchanged,
            "skipped": self.skipped,
            "refused": self.refused,
            "errors": self.listed,
        });
        if let Some(since) = asked.get(SINCE) {
            outcome[SINCE] = since.clone();
        }
        outcome
    }
}
