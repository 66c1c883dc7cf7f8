//! What people decide about issues: seen, closed, never again.

use super::list::{all, find};
use super::state::decided;
use super::{Action, Decided, Issue, closed, told};
use crate::actor::{Actor, Scope};
use crate::change::{Change, conflict_as};
use crate::connections::load_connection;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Versioned, WRITES_MAX};
use serde_json::{Map, Value, json};

/// Most issues of one request: they are decided together, in one transaction, with an event each and one row in the
/// audit trail.
pub const BULK_MAX: usize = (WRITES_MAX - 1) / 2;
/// How often issues are read and written again when a flow met one of them in between.
const TRIES: u32 = 5;

/// Which issues are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// These names; at most [`BULK_MAX`].
    Names(Vec<String>),
    /// Those of a code at which somebody should look, those that were opened first first; at most [`BULK_MAX`].
    AllOf(Code),
}

/// An issue after a decision.
#[derive(Debug, Clone)]
pub struct Acted {
    /// As it is now.
    pub issue: Issue,
    /// Whether the decision changed it.
    pub changed: bool,
}

/// Decides about one issue. The same decision twice changes nothing the second time.
///
/// # Errors
/// `not_found`; `conflict` where it was met again and again meanwhile.
pub async fn act(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    name: &str,
    action: Action,
) -> Result<Acted> {
    let chosen = Chosen::Names(vec![name.to_owned()]);
    let (mut items, _) = act_on_many(ports, scope, actor, of, &chosen, action).await?;
    items.pop().map_or_else(|| Err(Error::not_found("issue")), |(_, acted)| acted)
}

/// What became of each issue, by its name; and how many that are meant were left for another request.
pub type ActedOnMany = (Vec<(String, Result<Acted>)>, usize);

/// Decides about several issues at once: all that are there, or none.
///
/// # Errors
/// `not_found` for the connection; `conflict` as [`act`].
pub async fn act_on_many(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    chosen: &Chosen,
    action: Action,
) -> Result<ActedOnMany> {
    for _ in 0..TRIES {
        let (found, left) = choose(ports, scope, of, chosen).await?;
        match write(ports, scope, actor, of, found, action).await {
            Ok(items) => return Ok((items, left)),
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    let again = StorageError::Conflict { at: 0, current: None };
    Err(conflict_as(again, || Error::problem(Code::Conflict, "These issues are being met by a run right now.")))
}

/// The issues that are meant, each once, and how many are left out.
pub(super) async fn choose(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId),
    chosen: &Chosen,
) -> Result<(Vec<(String, Result<Versioned<Issue>>)>, usize)> {
    load_connection(ports, scope, of.0, of.1).await?;
    match chosen {
        Chosen::Names(names) => {
            let mut found: Vec<(String, Result<Versioned<Issue>>)> = Vec::new();
            for name in names {
                if found.iter().any(|(known, _)| known == name) {
                    continue;
                }
                let issue = match find(ports, scope, of, name).await {
                    Err(Error::Storage(error)) => return Err(error.into()),
                    other => other,
                };
                found.push((name.clone(), issue));
            }
            Ok((found, 0))
        }
        Chosen::AllOf(code) => {
            let mut fit = all(ports, scope, of).await?;
            fit.retain(|issue| issue.code == *code && issue.is_active());
            fit.sort_by(|a, b| (a.opened_at, &a.subject).cmp(&(b.opened_at, &b.subject)));
            let left = fit.len().saturating_sub(BULK_MAX);
            fit.truncate(BULK_MAX);
            Ok((fit.into_iter().map(|issue| (issue.name(), Ok(issue))).collect(), left))
        }
    }
}

async fn write(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    found: Vec<(String, Result<Versioned<Issue>>)>,
    action: Action,
) -> Result<Vec<(String, Result<Acted>)>> {
    let mut change = Change::of_connection(ports, actor, of.0, of.1);
    let (mut before, mut after, mut items) = (Map::new(), Map::new(), Vec::new());
    for (name, issue) in found {
        let issue = match issue {
            Ok(issue) => issue,
            Err(error) => {
                items.push((name, Err(error)));
                continue;
            }
        };
        let (v, was) = (issue.v, issue.value);
        let state = decided(was.state, was.stands(), action);
        if state == was.state {
            items.push((name, Ok(Acted { issue: was, changed: false })));
            continue;
        }
        let next = Issue { state, decision: Some(Decided::new(action, actor, ports.clock.now())), ..was.clone() };
        change = change.replace(&next, v)?;
        change = match (was.is_active(), next.is_active()) {
            (true, false) => change.event("issue.resolved", closed(&next))?,
            (false, true) => change.event("issue.opened", told(&next))?,
            _ => change,
        };
        let subject = format!("{}#{}", was.subject, was.code.as_str());
        before.insert(subject.clone(), shown(&was));
        after.insert(subject, shown(&next));
        items.push((name, Ok(Acted { issue: next, changed: true })));
    }
    let subjects: Vec<&String> = after.keys().collect();
    let subject = match subjects.as_slice() {
        [] => return Ok(items),
        [one] => format!("issue/{one}"),
        _ => "issues".to_owned(),
    };
    let change = change.audit(action.audited(), subject, Value::Object(before), Value::Object(after))?;
    change.commit(scope).await?;
    Ok(items)
}

fn shown(issue: &Issue) -> Value {
    json!({"state": issue.state, "count": issue.count, "detail": issue.detail})
}
