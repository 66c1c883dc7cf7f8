//! What a mapping takes for itself: its company and its lines. They are records of their own, written in the same
//! transaction, so that two mappings at once cannot have one company or line unless the settings allow it.

use super::context::Context;
use super::topology::{NotAllowed, TopologyUse, split_sums};
use super::{CompanyTaken, LineHolder, LineTaken, MappedLine, Mapping};
use crate::connections::settings::{ManyAccounts, Topologies};
use crate::ids::{AccountId, LineRef};
use crate::ports::StorageError;
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Expect, Key, Versioned, Write, load};
use crate::vendor::{Account, AccountClaim};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Most accounts of one company: its record, which each of them writes, stays at a few kilobytes.
pub const HOLDERS_MAX: usize = 100;
/// Most accounts that a refusal names; the others are counted.
const NAMED_MAX: usize = 10;

/// Refuses early what [`claims`] would refuse, before Autotask is asked.
pub(super) async fn check_free(context: Context<'_>, next: &Mapping) -> Result<()> {
    let present = context.mapping(&next.account).await?;
    match claims(context, present.as_ref().map(|p| &p.value), Some(next)).await {
        // Others are writing; what is so in the end is seen by the write.
        Err(Error::Storage(StorageError::Conflict { .. })) => Ok(()),
        other => other.map(drop),
    }
}

/// The writes that free what `old` held and take what `next` holds.
///
/// # Errors
/// `account_claimed_by_other_psa`, `company_already_mapped` or `contract_service_shared`, naming who has it;
/// `invalid_input` for contracts of packages that the settings do not allow; [`StorageError::Conflict`] where others
/// wrote while it was read.
pub(super) async fn claims(context: Context<'_>, old: Option<&Mapping>, next: Option<&Mapping>) -> Result<Vec<Write>> {
    let old = old.filter(|m| m.holds());
    let next = next.filter(|m| m.holds());
    let mut claims = Claims { context, rules: None, shares: false, together: BTreeSet::new(), writes: Vec::new() };
    if let Some(next) = next {
        claims.writes.push(unclaimed(context, &next.account).await?);
    }
    let company = |m: &Mapping| m.company.as_ref().map(|c| c.id);
    let (was, is) = (old.and_then(company), next.and_then(company));
    if let (Some(old), Some(id)) = (old, was.filter(|_| was != is)) {
        claims.leave_company(id, &old.account).await?;
    }
    if let (Some(next), Some(id)) = (next, is) {
        claims.take_company(id, old, next).await?;
    }
    let (were, are) = (lines(old), lines(next));
    if let Some(old) = old {
        for line in were.keys().filter(|line| !are.contains_key(*line)) {
            claims.leave_line(*line, &old.account).await?;
        }
    }
    if let Some(next) = next {
        for line in are.values() {
            claims.take_line(line, is, &next.account).await?;
        }
        claims.own_contracts(old, next).await?;
    }
    claims.done()
}

/// What a mapping is written to, or still has units on.
fn lines(mapping: Option<&Mapping>) -> BTreeMap<LineRef, &MappedLine> {
    let lines = mapping.into_iter().flat_map(|m| m.lines.iter().chain(&m.leaving));
    lines.map(|line| (line.line, line)).collect()
}

/// Whether two states of a mapping have the same contracts and lines.
fn same_lines(a: &Mapping, b: &Mapping) -> bool {
    let target = |m: &Mapping| {
        let contracts: BTreeSet<_> = m.contracts.iter().map(|own| (own.package_id.clone(), own.contract.id)).collect();
        let lines: BTreeSet<_> = m.lines.iter().map(|line| (line.package_id.clone(), line.line)).collect();
        (m.contract.as_ref().map(|c| c.id), contracts, lines)
    };
    target(a) == target(b)
}

/// What a connection's settings allow, as of when it was looked at.
struct Rules {
    topologies: Topologies,
    seen: Option<Versioned<TopologyUse>>,
}

/// The writes of one change, as they are put together.
struct Claims<'a> {
    context: Context<'a>,
    rules: Option<Rules>,
    /// Whether the change makes use of a topology.
    shares: bool,
    /// Who holds the mapping's company beside it.
    together: BTreeSet<AccountId>,
    writes: Vec<Write>,
}

impl Claims<'_> {
    /// What the settings allow. Whoever changes them meanwhile is seen by the record that is read first.
    async fn topologies(&mut self) -> Result<&Topologies> {
        if self.rules.is_none() {
            let Context { ports, scope, partner, connection, .. } = self.context;
            let key = Key::TopologyUse(partner.clone(), connection.clone());
            let seen = load::<TopologyUse>(&*ports.storage, scope, &key).await?;
            let topologies = self.context.settings().await?.topologies;
            self.rules = Some(Rules { topologies, seen });
        }
        self.rules
            .as_ref()
            .map(|rules| &rules.topologies)
            .ok_or_else(|| Problem::new(Code::Internal, "no rules").into())
    }

    async fn leave_company(&mut self, id: i64, account: &AccountId) -> Result<()> {
        let Some(taken) = company(self.context, id).await? else { return Ok(()) };
        if !taken.accounts.contains(account) {
            return Ok(());
        }
        let accounts: Vec<AccountId> = taken.accounts.iter().filter(|a| *a != account).cloned().collect();
        self.writes.push(match accounts.is_empty() {
            true => Write::delete(self.context.company_key(id), Expect::Version(taken.v)),
            false => Write::replace(&CompanyTaken { accounts, ..taken.value }, taken.v)?,
        });
        Ok(())
    }

    /// Takes a company, or joins those who have it. Its record is written with every change of a holder's lines, so
    /// that two of its holders never change at once without seeing each other.
    async fn take_company(&mut self, id: i64, old: Option<&Mapping>, next: &Mapping) -> Result<()> {
        let Some(Versioned { v, value: taken }) = company(self.context, id).await? else {
            let (partner, connection) = (self.context.partner.clone(), self.context.connection.clone());
            let accounts = vec![next.account.clone()];
            self.writes.push(Write::create(&CompanyTaken { partner, connection, company_id: id, accounts })?);
            return Ok(());
        };
        let joins = !taken.accounts.contains(&next.account);
        let mut accounts: BTreeSet<AccountId> = taken.accounts.iter().cloned().collect();
        accounts.insert(next.account.clone());
        self.together = accounts.clone();
        self.together.remove(&next.account);
        if !joins && old.is_some_and(|old| same_lines(old, next)) {
            return Ok(());
        }
        if !self.together.is_empty() {
            self.join(id, joins, next).await?;
        }
        self.writes.push(Write::replace(&CompanyTaken { accounts: accounts.into_iter().collect(), ..taken }, v)?);
        Ok(())
    }

    /// Whether several accounts may have a company in the way in which they would.
    async fn join(&mut self, id: i64, joins: bool, next: &Mapping) -> Result<()> {
        let many = self.topologies().await?.many_accounts_per_company;
        if joins && many == ManyAccounts::Off {
            return Err(company_taken(self.context, id, &self.together).await);
        }
        if joins && self.together.len() >= HOLDERS_MAX {
            let detail = format!("Company {id} is mapped to {HOLDERS_MAX} accounts, which is the most there can be.");
            return Err(Problem::new(Code::CompanyAlreadyMapped, detail).with("field", "/company_id").into());
        }
        if many == ManyAccounts::Sum {
            self.one_line_for_all(next).await?;
        }
        self.shares = true;
        Ok(())
    }

    /// Counts that are summed go into one line: nobody of the company is mapped to another one.
    async fn one_line_for_all(&self, next: &Mapping) -> Result<()> {
        let mut mappings = BTreeMap::from([(next.account.clone(), next.clone())]);
        for account in &self.together {
            if let Some(found) = self.context.mapping(account).await? {
                mappings.insert(account.clone(), found.value);
            }
        }
        let split = split_sums(&mappings).into_iter().find(|split| split.accounts.contains(&next.account));
        let Some(NotAllowed { accounts, words }) = split else { return Ok(()) };
        let others: BTreeSet<AccountId> = accounts.into_iter().filter(|account| *account != next.account).collect();
        let who = named(self.context, &others).await;
        let detail = format!("Counts are summed into one line: {} and {who} would {words}.", next.account);
        Err(holding(Problem::new(Code::ContractServiceShared, detail), &others).into())
    }

    async fn leave_line(&mut self, line: LineRef, account: &AccountId) -> Result<()> {
        let key = line_key(self.context, line);
        let Some(taken) = load_line(self.context, &key).await? else { return Ok(()) };
        let holders: Vec<LineHolder> = taken.holders.iter().filter(|h| h.account != *account).cloned().collect();
        if holders.len() < taken.holders.len() {
            self.writes.push(match holders.is_empty() {
                true => Write::delete(key, Expect::Version(taken.v)),
                false => Write::replace(&LineTaken { holders, ..taken.value }, taken.v)?,
            });
        }
        Ok(())
    }

    async fn take_line(&mut self, line: &MappedLine, company: Option<i64>, account: &AccountId) -> Result<()> {
        let own = LineHolder { account: account.clone(), package_id: line.package_id.clone() };
        let Some(Versioned { v, value: taken }) = load_line(self.context, &line_key(self.context, line.line)).await?
        else {
            let (partner, connection) = (self.context.partner.clone(), self.context.connection.clone());
            let taken = LineTaken { partner, connection, line: line.line, holders: vec![own] };
            self.writes.push(Write::create(&taken)?);
            return Ok(());
        };
        let mut holders: BTreeSet<LineHolder> =
            taken.holders.iter().filter(|h| h.account != *account).cloned().collect();
        let others: BTreeSet<AccountId> = holders.iter().map(|h| h.account.clone()).collect();
        let alike = holders.iter().all(|h| h.package_id == own.package_id);
        holders.insert(own);
        let holders: Vec<LineHolder> = holders.into_iter().collect();
        if holders == taken.holders {
            return Ok(());
        }
        if !others.is_empty() {
            let sums = self.topologies().await?.many_accounts_per_company == ManyAccounts::Sum;
            if sums && alike && !others.is_subset(&self.together) {
                self.refuse_if_overtaken(company, account).await?;
            }
            if !sums || !alike || !others.is_subset(&self.together) {
                return Err(line_taken(self.context, line.line, &others, company, account).await?);
            }
            self.shares = true;
        }
        self.writes.push(Write::replace(&LineTaken { holders, ..taken }, v)?);
        Ok(())
    }

    /// Whoever joined a company since it was read has its line rightly.
    async fn refuse_if_overtaken(&self, company_id: Option<i64>, account: &AccountId) -> Result<()> {
        let Some(id) = company_id else { return Ok(()) };
        let now = company(self.context, id).await?.map(|taken| taken.value.accounts).unwrap_or_default();
        if now.iter().all(|held| self.together.contains(held) || held == account) {
            return Ok(());
        }
        Err(StorageError::Conflict { at: 0, current: None }.into())
    }

    /// Whether packages may have contracts of their own, where some get one.
    async fn own_contracts(&mut self, old: Option<&Mapping>, next: &Mapping) -> Result<()> {
        let had: BTreeSet<_> =
            old.into_iter().flat_map(|m| &m.contracts).map(|c| (&c.package_id, c.contract.id)).collect();
        if next.contracts.iter().all(|own| had.contains(&(&own.package_id, own.contract.id))) {
            return Ok(());
        }
        if !self.topologies().await?.contract_per_package {
            return Err(Problem::field("/lines", super::wanted::ONE_CONTRACT).into());
        }
        self.shares = true;
        Ok(())
    }

    fn done(mut self) -> Result<Vec<Write>> {
        if let Some(rules) = self.rules.filter(|_| self.shares) {
            let Context { ports, partner, connection, .. } = self.context;
            let (partner, connection) = (partner.clone(), connection.clone());
            let used = TopologyUse { partner, connection, at: ports.clock.now() };
            self.writes.push(Write::put(&used, rules.seen.map_or(Expect::Absent, |seen| Expect::Version(seen.v)))?);
        }
        Ok(self.writes)
    }
}

/// The account is nobody else's, now and when the write happens.
async fn unclaimed(context: Context<'_>, account: &AccountId) -> Result<Write> {
    let key = Key::AccountClaim(context.partner.clone(), account.clone());
    if let Some(claim) = load::<AccountClaim>(&*context.ports.storage, context.scope, &key).await? {
        let detail = format!("The account is synchronised by {} since {}.", claim.psa, claim.at);
        return Err(Problem::new(Code::AccountClaimedByOtherPsa, detail).with("psa", claim.psa.as_str()).into());
    }
    Ok(Write::check(key, Expect::Absent))
}

/// Who holds a company.
pub(super) async fn company(context: Context<'_>, id: i64) -> Result<Option<Versioned<CompanyTaken>>> {
    Ok(load(&*context.ports.storage, context.scope, &context.company_key(id)).await?)
}

fn line_key(context: Context<'_>, line: LineRef) -> Key {
    Key::LineTaken(context.partner.clone(), context.connection.clone(), line)
}

async fn load_line(context: Context<'_>, key: &Key) -> Result<Option<Versioned<LineTaken>>> {
    Ok(load(&*context.ports.storage, context.scope, key).await?)
}

/// Who holds a line.
pub(super) async fn holders_of(context: Context<'_>, line: LineRef) -> Result<Vec<LineHolder>> {
    Ok(load_line(context, &line_key(context, line)).await?.map(|taken| taken.value.holders).unwrap_or_default())
}

async fn company_taken(context: Context<'_>, id: i64, holders: &BTreeSet<AccountId>) -> Error {
    let detail = format!("Company {id} is mapped to {}.", named(context, holders).await);
    holding(Problem::new(Code::CompanyAlreadyMapped, detail).with("field", "/company_id"), holders).into()
}

/// A line is somebody else's. Where the company has become somebody else's too, since it was looked at, that is what
/// the caller is told: the line only follows from it.
async fn line_taken(
    context: Context<'_>,
    line: LineRef,
    holders: &BTreeSet<AccountId>,
    company_id: Option<i64>,
    account: &AccountId,
) -> Result<Error> {
    if let Some(id) = company_id
        && let Some(taken) = company(context, id).await?
        && !taken.accounts.contains(account)
        && context.settings().await?.topologies.many_accounts_per_company == ManyAccounts::Off
    {
        return Ok(company_taken(context, id, &taken.accounts.iter().cloned().collect()).await);
    }
    let detail = format!("The line {line} is mapped to {}.", named(context, holders).await);
    Ok(holding(Problem::new(Code::ContractServiceShared, detail), holders).into())
}

/// A refusal with those who have what was wanted.
fn holding(problem: Problem, holders: &BTreeSet<AccountId>) -> Problem {
    let problem = match holders.first() {
        Some(first) => problem.with("account_id", first.as_str()),
        None => problem,
    };
    problem.with("account_ids", json!(holders))
}

/// Accounts by name and id, for words.
async fn named(context: Context<'_>, accounts: &BTreeSet<AccountId>) -> String {
    let mut names = Vec::new();
    for account in accounts.iter().take(NAMED_MAX) {
        let key = Key::Account(context.partner.clone(), account.clone());
        names.push(match load::<Account>(&*context.ports.storage, context.scope, &key).await {
            Ok(Some(found)) => format!("{} ({account})", found.name),
            _ => account.to_string(),
        });
    }
    let what = if accounts.len() > 1 { "the accounts" } else { "the account" };
    let more = accounts.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{what} {}{more}", names.join(", "))
}
