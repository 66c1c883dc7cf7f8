//! Mappings whose target is gone, and those that work again.

use super::{Broken, Mapping, MappingStatus};
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::ids::RunId;
use crate::issues::{self, Met, More, Subject};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Record, Versioned, load};
use autotask::metadata::UserAccess;
use serde_json::{Value, json};

/// Issues of a mapping as a whole: a new target ends them all.
pub(super) const WHOLE: [Code; 7] = [
    Code::CompanyInactiveOrGone,
    Code::ContractNotFound,
    Code::ContractEnded,
    Code::ContractRenewed,
    Code::ContractNotRecurring,
    Code::ContractEnding,
    Code::ContractServiceRemoved,
];

/// How often the mapping is read and written again when somebody else wrote in between.
const ATTEMPTS_MAX: usize = 5;

/// Whether this API user sees all rows of an entity. Restricted rights give empty lists and no errors, so that a row
/// may be called gone only after this said yes; otherwise the right is missing, and the mapping is as it was.
///
/// # Errors
/// As the client's.
pub async fn sees_all<T: autotask::Entity>(client: &autotask::Client) -> autotask::Result<bool> {
    let information = client.entity_information::<T>().await?;
    let readable = information.can_query != Some(false);
    Ok(readable && information.user_access_for_query == Some(UserAccess::All))
}

/// The subject of an account's issues.
#[must_use]
pub fn subject(mapping: &Mapping) -> String {
    format!("account/{}", mapping.account)
}

/// Marks a mapping as broken, opens its issue and says so on the bus. Only for what [`sees_all`] confirmed, and only
/// while the mapping still is what the caller looked at: one that a person has pointed elsewhere meanwhile stays.
/// Company and lines stay taken, so that nobody else gets them by accident. `by` is the run that found it so. Returns
/// whether it was changed.
///
/// # Errors
/// `conflict` when it was overtaken again and again; storage's own.
pub async fn mark_broken(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    seen: &Versioned<Mapping>,
    (code, detail): (Code, &str),
    by: Option<&RunId>,
) -> Result<bool> {
    // That a contract was renewed says more than that it ended: a run that sees only its end does not unsay it.
    let renewed = seen.broken.as_ref().is_some_and(|b| b.code == Code::ContractRenewed);
    if renewed && code == Code::ContractEnded {
        return Ok(false);
    }
    let told = Told { by: by.cloned(), ..Told::default() };
    mark(ports, scope, actor, seen, code, detail, &told).await
}

/// What goes out together with a mapping's being marked.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// What the issue says besides its words.
    pub(super) more: Option<More>,
    /// Further events.
    pub(super) events: Vec<(&'static str, Value)>,
    /// The run that found it so.
    pub(super) by: Option<RunId>,
}

/// [`mark_broken`] with more to tell. Another reason than the known one takes its place, and its issue is closed.
pub(super) async fn mark(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    seen: &Versioned<Mapping>,
    code: Code,
    detail: &str,
    told: &Told,
) -> Result<bool> {
    for _ in 0..ATTEMPTS_MAX {
        let Some(present) = load::<Mapping>(&*ports.storage, scope, &seen.key()).await? else { return Ok(false) };
        let known = present.broken.as_ref().is_some_and(|b| b.code == code);
        if known || present.status == MappingStatus::Excluded || !same_target(&present, seen) {
            return Ok(false);
        }
        match try_mark_broken(ports, scope, actor, present, (code, detail), told).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            other => return other.map(|()| true),
        }
    }
    Err(Error::problem(Code::Conflict, "The mapping is being changed by others right now."))
}

async fn try_mark_broken(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    present: Versioned<Mapping>,
    (code, detail): (Code, &str),
    told: &Told,
) -> Result<()> {
    let now = ports.clock.now();
    let (v, mut mapping) = (present.v, present.value);
    let before = json!({"status": mapping.status});
    mapping.status = MappingStatus::Broken;
    let other = mapping.broken.take().map(|broken| broken.code);
    mapping.broken = Some(Broken { code, detail: detail.to_owned(), since: now });
    mapping.updated_at = now;
    let name = subject(&mapping);
    let on = Subject { partner: &mapping.partner, connection: &mapping.connection, subject: &name };
    let data = json!({"account_id": mapping.account, "code": code, "detail": detail});
    let mut change = Change::of_connection(ports, actor, &mapping.partner, &mapping.connection)
        .replace(&mapping, v)?
        .audit("mapping.broken", format!("mapping/{}", mapping.account), before, data.clone())?
        .event("mapping.broken", data)?;
    for (detail_type, data) in &told.events {
        change = change.event(detail_type, data.clone())?;
    }
    if let Some(other) = other {
        change = issues::resolve(change, ports, scope, on, other).await?;
    }
    let met = Met { detail, more: told.more.clone(), by: told.by.as_ref().map(RunId::as_str) };
    issues::open_in(change, ports, scope, on, code, met).await?.commit(scope).await?;
    Ok(())
}

/// Marks a broken mapping as what it was before: confirmed, if a person ever said so. Closes its issue. Returns
/// whether it was changed.
///
/// # Errors
/// `conflict` when it was overtaken again and again; storage's own.
pub async fn mark_working(ports: &Ports, scope: &Scope, actor: &Actor, seen: &Versioned<Mapping>) -> Result<bool> {
    for _ in 0..ATTEMPTS_MAX {
        let Some(present) = load::<Mapping>(&*ports.storage, scope, &seen.key()).await? else { return Ok(false) };
        let Some(broken) = present.broken.clone().filter(|_| same_target(&present, seen)) else { return Ok(false) };
        match try_mark_working(ports, scope, actor, present, &broken).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            other => return other.map(|()| true),
        }
    }
    Err(Error::problem(Code::Conflict, "The mapping is being changed by others right now."))
}

async fn try_mark_working(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    present: Versioned<Mapping>,
    broken: &Broken,
) -> Result<()> {
    let (v, mut mapping) = (present.v, present.value);
    let confirmed = mapping.confirmed_at.is_some();
    mapping.status = if confirmed { MappingStatus::Confirmed } else { MappingStatus::Suggested };
    mapping.broken = None;
    mapping.updated_at = ports.clock.now();
    let name = subject(&mapping);
    let on = Subject { partner: &mapping.partner, connection: &mapping.connection, subject: &name };
    let after = json!({"status": mapping.status});
    let mut change =
        Change::of_connection(ports, actor, &mapping.partner, &mapping.connection).replace(&mapping, v)?.audit(
            "mapping.works_again",
            format!("mapping/{}", mapping.account),
            json!({"broken": broken}),
            after,
        )?;
    if confirmed {
        change = change.event("mapping.confirmed", super::shown::shown(&mapping))?;
    }
    issues::resolve(change, ports, scope, on, broken.code).await?.commit(scope).await?;
    Ok(())
}

/// Whether two states of a mapping point at the same things in Autotask.
fn same_target(a: &Mapping, b: &Mapping) -> bool {
    let ids = |m: &Mapping| {
        let lines: Vec<_> = m.lines.iter().map(|l| (l.package_id.clone(), l.line)).collect();
        let own: Vec<_> = m.contracts.iter().map(|own| (own.package_id.clone(), own.contract.id)).collect();
        (m.company.as_ref().map(|c| c.id), m.contract.as_ref().map(|c| c.id), own, lines)
    };
    ids(a) == ids(b)
}
