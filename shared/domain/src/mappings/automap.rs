//! Auto-map: a run that proposes a company, and where it is clear a contract and lines, for accounts without one.
//! It confirms nothing, and never touches what a person decided.

use super::context::Context;
use super::facts::{ContractFacts, LineFacts};
use super::matching::{Candidate, Companies, ContactHit, Found, Used, find, normal, propose_lines};
use super::put::{When, Words, put};
use super::runs::{TIME_MIN, Worked, queued, start};
use super::target::{contract_ref, mapped};
use super::theirs::Theirs;
use super::{CompanyRef, CompanyTaken, ContractRef, LineTaken, MappedLine, Mapping, MappingSource, MappingStatus};
use crate::autotask_session::refuse_unless_connected;
use crate::connections::ConnectionStatus;
use crate::ids::{AccountId, LineRef, RunId};
use crate::ports::{Deadline, PageRequest, Read, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, Versioned, Write, load_all, load_page};
use crate::runs::{Run, RunKind};
use crate::vendor::{Account, AccountClaim};
use autotask::{Contact, Filter};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most ambiguous accounts that a run's outcome names; the others are counted.
const AMBIGUOUS_LISTED_MAX: usize = 200;
/// Most candidate companies that are named for one of them.
const CANDIDATES_LISTED_MAX: usize = 10;
/// Autotask's three address fields of a contact, in the order in which they are compared.
const EMAIL_FIELDS: [&str; 3] = ["emailAddress", "emailAddress2", "emailAddress3"];
const CONTACT_FIELDS: &[&str] =
    &["id", "companyID", "emailAddress", "emailAddress2", "emailAddress3", "isActive", "primaryContact"];

/// Starts an auto-map run. `rerun` also looks again at what is only suggested.
///
/// # Errors
/// `not_found`, `needs_relink`, `connection_paused`; `unavailable` where no worker could be told.
pub async fn start_automap(context: Context<'_>, rerun: bool) -> Result<Run> {
    let connection = context.connection().await?;
    refuse_unless_connected(&connection)?;
    let run = queued(context, RunKind::AutoMap, json!({"rerun": rerun}));
    // Pressed by a person: it has run, and does not come by itself any more.
    match mark_ran(&connection) {
        Some(write) => match start(context, run.clone(), vec![write?]).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => start(context, run, Vec::new()).await,
            other => other,
        },
        None => start(context, run, Vec::new()).await,
    }
}

/// Starts the one auto-map run that comes by itself, when the accounts are first looked at. None where it has
/// come already, the connection does not work, or there is nothing to map.
///
/// # Errors
/// Storage, and the queue.
pub async fn first_automap(context: Context<'_>) -> Result<Option<RunId>> {
    let connection = context.connection().await?;
    if connection.automap_ran || connection.status != ConnectionStatus::Connected {
        return Ok(None);
    }
    let of = Collection::Accounts(context.partner.clone());
    let (some, _) = load_page::<Account>(&*context.ports.storage, context.scope, &of, PageRequest::first(1)).await?;
    let Some(write) = mark_ran(&connection).filter(|_| !some.is_empty()) else { return Ok(None) };
    let run = queued(context, RunKind::AutoMap, json!({"rerun": false, "first": true}));
    match start(context, run, vec![write?]).await {
        Ok(run) => Ok(Some(run.id)),
        Err(Error::Storage(StorageError::Conflict { .. })) => Ok(None), // somebody else looked at the same time
        Err(error) => Err(error),
    }
}

fn mark_ran(connection: &Versioned<crate::connections::Connection>) -> Option<Result<Write, StorageError>> {
    let mut ran = connection.value.clone();
    ran.automap_ran = true;
    (!connection.automap_ran).then(|| Write::replace(&ran, connection.v))
}

/// What of ours the run needs.
struct Ours {
    accounts: Vec<Candidate>,
    companies_taken: BTreeSet<i64>,
    lines_taken: BTreeSet<LineRef>,
    used: Used,
}

pub(super) async fn work(context: Context<'_>, run: &mut Run, deadline: &dyn Deadline) -> Result<Worked> {
    let rerun = run.outcome.get("rerun").and_then(Value::as_bool).unwrap_or_default();
    let ours = load_ours(context, rerun).await?;
    let mut report = Report::carried(&run.outcome);
    report.looked_at = report.looked_at.max(ours.accounts.len());
    if ours.accounts.is_empty() {
        return Ok(Worked::Done(report.outcome(&run.outcome)));
    }
    let theirs = Theirs::open(context).await?;
    let looked = look(&theirs, &ours).await;
    run.autotask_calls = run.autotask_calls.saturating_add(theirs.calls());
    theirs.close().await;
    let Proposals { found, names, lines } = looked?;
    for (account, found) in found {
        if deadline.remaining() < TIME_MIN {
            run.outcome = report.outcome(&run.outcome);
            return Ok(Worked::HandOn);
        }
        match found {
            Found::Nothing => report.no_match += 1,
            Found::Ambiguous(companies) => report.ambiguous(&account, &companies, &names),
            Found::Company(company, source) => {
                let (contract, lines) = lines.get(&account).cloned().unwrap_or_default();
                report.suggestion(suggest(context, &account, company, source, (&names, contract, lines), rerun).await?);
            }
        }
    }
    Ok(Worked::Done(report.outcome(&run.outcome)))
}

async fn load_ours(context: Context<'_>, rerun: bool) -> Result<Ours> {
    let (storage, scope) = (&*context.ports.storage, context.scope);
    let (partner, connection) = (context.partner.clone(), context.connection.clone());
    let of = Collection::Mappings(partner.clone(), connection.clone());
    let mappings = load_all::<Mapping>(storage, scope, &of, Read::Strong).await?;
    let mut used = Used::new();
    for mapping in mappings.iter().filter(|m| m.status == MappingStatus::Confirmed) {
        for line in &mapping.lines {
            used.entry(line.package_id.clone()).or_default().insert((line.line.kind, line.service_id));
        }
    }
    let decided = mappings.into_iter().filter(|m| !(rerun && m.status == MappingStatus::Suggested));
    let mut left_out: BTreeSet<AccountId> = decided.map(|m| m.value.account).collect();
    let of = Collection::AccountClaims(partner.clone());
    let claims = load_all::<AccountClaim>(storage, scope, &of, Read::Strong).await?;
    left_out.extend(claims.into_iter().map(|c| c.value.account));
    let of = Collection::CompaniesTaken(partner.clone(), connection.clone());
    let companies = load_all::<CompanyTaken>(storage, scope, &of, Read::Strong).await?;
    let of = Collection::LinesTaken(partner.clone(), connection);
    let lines = load_all::<LineTaken>(storage, scope, &of, Read::Strong).await?;
    let accounts = load_all::<Account>(storage, scope, &Collection::Accounts(partner), Read::Strong).await?;
    Ok(Ours {
        accounts: accounts
            .into_iter()
            .map(|a| a.value)
            .filter(|a| a.active && !left_out.contains(&a.id))
            .map(candidate)
            .collect(),
        companies_taken: companies.into_iter().map(|c| c.value.company_id).collect(),
        lines_taken: lines.into_iter().map(|l| l.value.line).collect(),
        used,
    })
}

fn candidate(account: Account) -> Candidate {
    Candidate {
        email: account.contact_email.as_deref().map(normal).filter(|e| !e.is_empty()),
        name: normal(&account.name),
        packages: account.packages.into_iter().map(|p| p.id).collect(),
        id: account.id,
    }
}

type Line = (Option<ContractRef>, Vec<MappedLine>);

/// What is to be proposed.
struct Proposals {
    found: BTreeMap<AccountId, Found>,
    names: BTreeMap<i64, String>,
    lines: BTreeMap<AccountId, Line>,
}

/// Reads from Autotask by batches of our own addresses and of the companies they lead to, never a whole table.
async fn look(theirs: &Theirs<'_>, ours: &Ours) -> Result<Proposals> {
    let automap = &theirs.settings.automap;
    let by_address = match automap.email {
        true => ours.accounts.iter().filter_map(|a| a.email.clone()).collect(),
        false => BTreeSet::new(),
    };
    let contacts = theirs.contacts_at(by_address).await?;
    let names = match automap.exact_name {
        true => ours.accounts.iter().map(|a| a.name.clone()).filter(|n| !n.is_empty()).collect(),
        false => BTreeSet::new(),
    };
    let companies = theirs.candidate_companies(&contacts, names, &ours.companies_taken).await?;
    let found = find(&ours.accounts, &contacts, &companies, automap.exact_name);
    let lines = look_for_lines(theirs, ours, &found).await?;
    Ok(Proposals { found, names: companies.names, lines })
}

async fn look_for_lines(
    theirs: &Theirs<'_>,
    ours: &Ours,
    found: &BTreeMap<AccountId, Found>,
) -> Result<BTreeMap<AccountId, Line>> {
    let wants = |a: &&Candidate| !a.packages.is_empty();
    let company = |a: &Candidate| match found.get(&a.id) {
        Some(Found::Company(id, _)) => Some(*id),
        _ => None,
    };
    let companies: Vec<i64> = ours.accounts.iter().filter(wants).filter_map(company).collect();
    if companies.is_empty() {
        return Ok(BTreeMap::new());
    }
    let contracts = theirs.contracts_of(companies, true).await?;
    let facts = theirs.judged(&contracts, &Default::default());
    let eligible: Vec<i64> = facts.iter().filter(|c| c.eligible).map(|c| c.id).collect();
    if eligible.is_empty() {
        return Ok(BTreeMap::new());
    }
    let codes = theirs.vendor_codes().await?;
    let lines = theirs.lines_of(&eligible, &codes).await?;
    let mut proposed = BTreeMap::new();
    for account in ours.accounts.iter().filter(wants) {
        let Some(company) = company(account) else { continue };
        let contracts: Vec<&ContractFacts> = facts.iter().filter(|c| c.company_id == Some(company)).collect();
        let theirs: Vec<&LineFacts> =
            lines.iter().filter(|l| contracts.iter().any(|c| c.id == l.contract_id)).collect();
        let picks = propose_lines(&account.packages, &contracts, &theirs, &ours.used, &ours.lines_taken);
        let Some((contract, picks)) = picks else { continue };
        let contract = contracts.iter().find(|c| c.id == contract).map(|c| contract_ref(c));
        let picks = picks.into_iter().map(|(package, line)| mapped(line, package, None)).collect();
        proposed.insert(account.id.clone(), (contract, picks));
    }
    Ok(proposed)
}

/// How a proposal went.
enum Suggested {
    New {
        contract: bool,
        lines: bool,
    },
    Same,
    /// A person decided meanwhile.
    Decided,
}

async fn suggest(
    context: Context<'_>,
    account: &AccountId,
    company: i64,
    source: MappingSource,
    (names, contract, lines): (&BTreeMap<i64, String>, Option<ContractRef>, Vec<MappedLine>),
    rerun: bool,
) -> Result<Suggested> {
    let present = context.mapping(account).await?;
    if present.as_ref().is_some_and(|m| !rerun || m.status != MappingStatus::Suggested) {
        return Ok(Suggested::Decided);
    }
    let name = names.get(&company).cloned().unwrap_or_default();
    let (has_contract, has_lines) = (contract.is_some(), !lines.is_empty());
    let next = Mapping {
        partner: context.partner.clone(),
        connection: context.connection.clone(),
        account: account.clone(),
        status: MappingStatus::Suggested,
        company: Some(CompanyRef { id: company, name }),
        contract,
        contracts: Vec::new(),
        leaving: Vec::new(),
        lines,
        source,
        broken: None,
        paused: false,
        confirmed_at: None,
        updated_at: context.ports.clock.now(),
    };
    let words = Words { action: "mapping.suggested", event: Some("mapping.suggested") };
    match put(context, &next, When::Seen(present.map(|p| p.v)), words).await {
        Ok(saved) if saved.changed => Ok(Suggested::New { contract: has_contract, lines: has_lines }),
        Ok(_) => Ok(Suggested::Same),
        Err(error) if error.code() == Some(Code::Conflict) => Ok(Suggested::Decided),
        Err(error) => Err(error),
    }
}

/// The run's outcome as it grows.
#[derive(Default)]
struct Report {
    looked_at: usize,
    suggested: u64,
    with_contract: u64,
    with_lines: u64,
    unchanged: u64,
    decided: u64,
    no_match: u64,
    ambiguous: u64,
    listed: Vec<Value>,
}

impl Report {
    /// A run that was handed on goes on counting what it wrote; everything else is counted anew.
    fn carried(outcome: &Value) -> Self {
        let number = |name: &str| outcome.get(name).and_then(Value::as_u64).unwrap_or_default();
        let (suggested, with_contract) = (number("suggested"), number("with_contract"));
        let looked_at = usize::try_from(number("accounts")).unwrap_or_default();
        Self { looked_at, suggested, with_contract, with_lines: number("with_lines"), ..Self::default() }
    }

    fn suggestion(&mut self, suggested: Suggested) {
        match suggested {
            Suggested::New { contract, lines } => {
                self.suggested += 1;
                self.with_contract += u64::from(contract);
                self.with_lines += u64::from(lines);
            }
            Suggested::Same => self.unchanged += 1,
            Suggested::Decided => self.decided += 1,
        }
    }

    fn ambiguous(&mut self, account: &AccountId, companies: &BTreeSet<i64>, names: &BTreeMap<i64, String>) {
        self.ambiguous += 1;
        if self.listed.len() < AMBIGUOUS_LISTED_MAX {
            let candidate = |id: &i64| json!({"company_id": id, "name": names.get(id)});
            let candidates: Vec<Value> = companies.iter().take(CANDIDATES_LISTED_MAX).map(candidate).collect();
            self.listed.push(json!({"account_id": account, "code": Code::AutomapAmbiguous, "candidates": candidates}));
        }
    }

    fn outcome(self, asked: &Value) -> Value {
        json!({
            "rerun": asked.get("rerun").and_then(Value::as_bool).unwrap_or_default(),
            "first": asked.get("first").and_then(Value::as_bool).unwrap_or_default(),
            "accounts": self.looked_at,
            "suggested": self.suggested,
            "with_contract": self.with_contract,
            "with_lines": self.with_lines,
            "unchanged": self.unchanged,
            "decided_meanwhile": self.decided,
            "no_match": self.no_match,
            "ambiguous": self.ambiguous,
            "ambiguous_accounts": self.listed,
        })
    }
}

impl Theirs<'_> {
    /// Active contacts that have one of these addresses in any of Autotask's three fields.
    async fn contacts_at(&self, addresses: BTreeSet<String>) -> Result<Vec<ContactHit>> {
        let mut hits = BTreeMap::new();
        for field in EMAIL_FIELDS {
            let query = self.client().query::<Contact>().include(CONTACT_FIELDS).filter(Filter::eq("isActive", 1_i64));
            let query = query.any_of(field, addresses.iter().cloned());
            for contact in self.all("reading contacts by address", query).await? {
                let id = contact.id.get();
                let hit = hit(contact);
                hits.extend(hit.map(|hit| (id, hit)));
            }
        }
        Ok(hits.into_values().collect())
    }

    /// The companies of contacts, and those with these names: in scope and not taken. With what tells which of them
    /// have a contact flagged as primary.
    async fn candidate_companies(
        &self,
        contacts: &[ContactHit],
        names: BTreeSet<String>,
        taken: &BTreeSet<i64>,
    ) -> Result<Companies> {
        let labels = self.company_labels().await?;
        let Some(filters) = self.scope_filters(&labels) else { return Ok(Companies::default()) };
        let ids: BTreeSet<i64> = contacts.iter().map(|c| c.company).filter(|id| !taken.contains(id)).collect();
        let mut rows = self.companies(filters.clone(), Some(ids.iter().copied().collect())).await?;
        rows.extend(self.companies_named(filters, names).await?);
        let mut companies = Companies::default();
        for row in rows.into_iter().filter(|row| !taken.contains(&row.id.get())) {
            companies.names.insert(row.id.get(), row.company_name.unwrap_or_default());
        }
        let query = self.client().query::<Contact>().include(&["id", "companyID"]);
        let query = query.filter(Filter::eq("primaryContact", true)).filter(Filter::eq("isActive", 1_i64));
        let query = query.any_of("companyID", ids.into_iter().filter(|id| companies.names.contains_key(id)));
        let flagged = self.all("reading primary contacts", query).await?;
        companies.flagged = flagged.into_iter().filter_map(|c| c.company_id).map(|id| id.get()).collect();
        Ok(companies)
    }

    async fn companies_named(&self, filters: Vec<Filter>, names: BTreeSet<String>) -> Result<Vec<autotask::Company>> {
        let mut query = self.client().query::<autotask::Company>().include(&["id", "companyName"]);
        for filter in filters {
            query = query.filter(filter);
        }
        self.all("reading companies by name", query.any_of("companyName", names)).await
    }
}

fn hit(contact: Contact) -> Option<ContactHit> {
    let text = |value: Option<String>| value.map(|t| normal(&t)).filter(|t| !t.is_empty());
    Some(ContactHit {
        company: contact.company_id?.get(),
        emails: [text(contact.email_address), text(contact.email_address2), text(contact.email_address3)],
        primary: contact.primary_contact == Some(true),
    })
}
