//! Writing a mapping together with what makes it unique: the company and the lines it takes.

use super::broken::{WHOLE, subject};
use super::context::Context;
use super::shown::shown;
use super::{CompanyTaken, LineHolder, LineTaken, MappedLine, Mapping, MappingStatus};
use crate::change::Change;
use crate::ids::{AccountId, LineRef};
use crate::issues::{self, Subject};
use crate::ports::StorageError;
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Expect, Key, Record, Versioned, Write, load};
use crate::vendor::{Account, AccountClaim};
use serde_json::Value;
use std::collections::BTreeMap;

/// How often a write is tried again when somebody else wrote in between.
const ATTEMPTS_MAX: usize = 5;

/// On what condition a mapping is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// Whatever is there.
    Always,
    /// The caller named a version by `If-Match`.
    IfMatch(u64),
    /// It still is what we looked at; none: there was nothing.
    Seen(Option<u64>),
}

impl When {
    pub(super) fn if_match(version: Option<u64>) -> Self {
        version.map_or(Self::Always, Self::IfMatch)
    }

    /// Refuses another version than the one meant.
    pub(super) fn check(self, present: Option<u64>) -> Result<()> {
        match self {
            Self::IfMatch(v) if present != Some(v) => {
                Err(Error::problem(Code::PreconditionFailed, format!("Version {v} is not the present one.")))
            }
            Self::Seen(v) if v != present => Err(overtaken()),
            _ => Ok(()),
        }
    }
}

fn overtaken() -> Error {
    Error::problem(Code::Conflict, "The mapping was changed in the meantime.")
}

/// What a write is called in the audit trail and on the bus.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) action: &'static str,
    pub(super) event: Option<&'static str>,
}

/// A mapping after a write, and whether anything was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The mapping, with its version.
    pub mapping: Versioned<Mapping>,
    /// Whether this call changed it.
    pub changed: bool,
}

/// Whether a mapping in this state holds its company and lines: a proposal or a refusal holds nothing.
fn holds(status: MappingStatus) -> bool {
    matches!(status, MappingStatus::Confirmed | MappingStatus::Broken)
}

/// Writes a mapping with its uniqueness records, its audit row, its event and the end of its issue, all or nothing.
/// What is already so is not written again.
pub(super) async fn put(context: Context<'_>, next: &Mapping, when: When, words: Words) -> Result<Saved> {
    for _ in 0..ATTEMPTS_MAX {
        match try_put(context, next, when, words).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => {} // read again: what was refused tells why
            other => return other,
        }
    }
    Err(overtaken())
}

async fn try_put(context: Context<'_>, next: &Mapping, when: When, words: Words) -> Result<Saved> {
    let present = context.mapping(&next.account).await?;
    let v = present.as_ref().map(|p| p.v);
    when.check(v)?;
    if let Some(mapping) = present.as_ref().filter(|p| is_same(p, next)) {
        return Ok(Saved { mapping: mapping.clone(), changed: false });
    }
    let expect = v.map_or(Expect::Absent, Expect::Version);
    let before = present.as_ref().map_or(Value::Null, |p| shown(p));
    let Context { ports, scope, actor, partner, connection } = context;
    let mut change = Change::of_connection(ports, actor, partner, connection).write(Write::put(next, expect)?);
    for write in taking(context, present.as_ref().map(|p| &p.value), Some(next)).await? {
        change = change.write(write);
    }
    change = change.audit(words.action, format!("mapping/{}", next.account), before, shown(next))?;
    if let Some(event) = words.event {
        change = change.event(event, shown(next))?;
    }
    let name = subject(next);
    let on = Subject { partner, connection, subject: &name };
    for code in ended_issues(present.as_ref().map(|p| &p.value), next) {
        change = issues::resolve(change, ports, scope, on, code).await?;
    }
    change.commit(scope).await?;
    Ok(Saved { mapping: Versioned { v: v.unwrap_or_default() + 1, value: next.clone() }, changed: true })
}

/// The issues that a write ends: the broken mapping's own, and where it points elsewhere now, all that were about where
/// it pointed.
fn ended_issues(present: Option<&Mapping>, next: &Mapping) -> Vec<Code> {
    let Some(present) = present else { return Vec::new() };
    let target = |m: &Mapping| (m.company.as_ref().map(|c| c.id), m.contract.as_ref().map(|c| c.id));
    if target(present) != target(next) {
        return WHOLE.to_vec();
    }
    present.broken.as_ref().filter(|_| next.broken.is_none()).map(|broken| broken.code).into_iter().collect()
}

/// Whether two mappings are the same but for times.
fn is_same(present: &Mapping, next: &Mapping) -> bool {
    let timeless = |m: &Mapping| Mapping { confirmed_at: None, updated_at: next.updated_at, ..m.clone() };
    timeless(present) == timeless(next)
}

/// Deletes a mapping and frees what it held.
pub(super) async fn remove(context: Context<'_>, account: &AccountId, when: When) -> Result<()> {
    for _ in 0..ATTEMPTS_MAX {
        match try_remove(context, account, when).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            other => return other,
        }
    }
    Err(overtaken())
}

async fn try_remove(context: Context<'_>, account: &AccountId, when: When) -> Result<()> {
    let present = context.mapping(account).await?.ok_or_else(|| Error::not_found("mapping"))?;
    when.check(Some(present.v))?;
    let Context { ports, scope, actor, partner, connection } = context;
    let delete = Write::delete(present.key(), Expect::Version(present.v));
    let mut change = Change::of_connection(ports, actor, partner, connection).write(delete);
    for write in taking(context, Some(&present), None).await? {
        change = change.write(write);
    }
    change = change
        .audit("mapping.removed", format!("mapping/{account}"), shown(&present), Value::Null)?
        .event("mapping.removed", shown(&present))?;
    let name = subject(&present);
    for code in WHOLE {
        change = issues::resolve(change, ports, scope, Subject { partner, connection, subject: &name }, code).await?;
    }
    change.commit(scope).await?;
    Ok(())
}

/// The writes that free what `old` held and take what `next` holds.
///
/// # Errors
/// `account_claimed_by_other_psa`, `company_already_mapped` or `contract_service_shared`, naming who has it.
async fn taking(context: Context<'_>, old: Option<&Mapping>, next: Option<&Mapping>) -> Result<Vec<Write>> {
    let old = old.filter(|m| holds(m.status));
    let next = next.filter(|m| holds(m.status));
    let mut writes = Vec::new();
    if let Some(next) = next {
        writes.push(unclaimed(context, &next.account).await?);
    }
    let company = |m: &Mapping| m.company.as_ref().map(|c| c.id);
    let (was, is) = (old.and_then(company), next.and_then(company));
    if let Some(id) = was.filter(|_| was != is) {
        writes.push(Write::delete(context.company_key(id), Expect::Any));
    }
    if let (Some(id), Some(next)) = (is, next) {
        writes.extend(take_company(context, id, &next.account).await?);
    }
    let lines = |m: Option<&Mapping>| -> BTreeMap<LineRef, MappedLine> {
        m.map(|m| m.lines.iter().chain(&m.leaving).map(|l| (l.line, l.clone())).collect()).unwrap_or_default()
    };
    let (was, is) = (lines(old), lines(next));
    for line in was.keys().filter(|line| !is.contains_key(*line)) {
        writes.push(Write::delete(line_key(context, *line), Expect::Any));
    }
    if let Some(next) = next {
        for line in is.values() {
            writes.extend(take_line(context, line, company(next), &next.account).await?);
        }
    }
    Ok(writes)
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

async fn take_company(context: Context<'_>, id: i64, account: &AccountId) -> Result<Option<Write>> {
    let key = context.company_key(id);
    match load::<CompanyTaken>(&*context.ports.storage, context.scope, &key).await? {
        Some(taken) if taken.accounts.contains(account) => Ok(None),
        Some(taken) => Err(company_taken(context, id, &taken.accounts[0]).await),
        None => {
            let (partner, connection) = (context.partner.clone(), context.connection.clone());
            let taken = CompanyTaken { partner, connection, company_id: id, accounts: vec![account.clone()] };
            Ok(Some(Write::create(&taken)?))
        }
    }
}

async fn company_taken(context: Context<'_>, id: i64, holder: &AccountId) -> Error {
    let detail = format!("Company {id} is mapped to the account {}.", named(context, holder).await);
    let problem = Problem::new(Code::CompanyAlreadyMapped, detail);
    problem.with("field", "/company_id").with("account_id", holder.as_str()).into()
}

async fn take_line(
    context: Context<'_>,
    line: &MappedLine,
    company: Option<i64>,
    account: &AccountId,
) -> Result<Option<Write>> {
    let key = line_key(context, line.line);
    let wanted = LineTaken {
        partner: context.partner.clone(),
        connection: context.connection.clone(),
        line: line.line,
        holders: vec![LineHolder { account: account.clone(), package_id: line.package_id.clone() }],
    };
    match load::<LineTaken>(&*context.ports.storage, context.scope, &key).await? {
        Some(taken) if taken.value == wanted => Ok(None),
        Some(taken) if taken.holders[0].account == *account => Ok(Some(Write::replace(&wanted, taken.v)?)),
        Some(taken) => Err(line_taken(context, line.line, &taken.holders[0].account, company, account).await?),
        None => Ok(Some(Write::create(&wanted)?)),
    }
}

/// A line is somebody else's. Where the company has become somebody else's too, since it was looked at, that is what
/// the caller is told: the line only follows from it.
async fn line_taken(
    context: Context<'_>,
    line: LineRef,
    holder: &AccountId,
    company: Option<i64>,
    account: &AccountId,
) -> Result<Error> {
    if let Some(company) = company {
        take_company(context, company, account).await?;
    }
    let detail = format!("The line {line} is mapped to the account {}.", named(context, holder).await);
    Ok(Problem::new(Code::ContractServiceShared, detail).with("account_id", holder.as_str()).into())
}

fn line_key(context: Context<'_>, line: LineRef) -> Key {
    Key::LineTaken(context.partner.clone(), context.connection.clone(), line)
}

/// An account by name and id, for words.
async fn named(context: Context<'_>, account: &AccountId) -> String {
    let key = Key::Account(context.partner.clone(), account.clone());
    match load::<Account>(&*context.ports.storage, context.scope, &key).await {
        Ok(Some(found)) => format!("{} ({account})", found.name),
        _ => account.to_string(),
    }
}

/// Refuses early what `put` would refuse, before Autotask is asked.
pub(super) async fn check_free(
    context: Context<'_>,
    account: &AccountId,
    company: i64,
    lines: &[LineRef],
) -> Result<()> {
    unclaimed(context, account).await?;
    take_company(context, company, account).await?;
    for line in lines {
        let key = line_key(context, *line);
        let taken = load::<LineTaken>(&*context.ports.storage, context.scope, &key).await?;
        if let Some(taken) = taken.filter(|t| t.holders[0].account != *account) {
            return Err(line_taken(context, *line, &taken.holders[0].account, Some(company), account).await?);
        }
    }
    Ok(())
}
