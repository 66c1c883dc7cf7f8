//! Writing a mapping together with what makes it unique: the company and the lines it takes.

use super::Mapping;
use super::broken::{WHOLE, subject};
use super::claims::claims;
use super::context::Context;
use super::shown::shown;
use crate::change::Change;
use crate::ids::AccountId;
use crate::issues::{self, Subject};
use crate::ports::StorageError;
use crate::problem::{Code, Error, Result};
use crate::records::{Expect, Record, Versioned, Write};
use serde_json::Value;

/// How often a write is tried again when somebody else wrote in between: more often than a bulk makes writes at once,
/// which may all make use of a topology.
const ATTEMPTS_MAX: usize = 12;

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
    for write in claims(context, present.as_ref().map(|p| &p.value), Some(next)).await? {
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
    for write in claims(context, Some(&present), None).await? {
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
