//! Issues: one per (connection, subject, code), opened and closed with the change that causes them.
//!
//! Flows [`open`] and [`resolve`] them; people look at them ([`list`]), decide about them ([`act`]) and press what puts
//! them right ([`retry`]).

mod act;
pub(crate) mod batch;
mod list;
mod name;
mod place;
mod remedy;
mod retry;
mod state;

pub use act::{Acted, ActedOnMany, BULK_MAX, Chosen, act, act_on_many};
pub use list::{After, IssueFilter, Listed, get, list};
pub use place::{Place, Places};
pub use remedy::{Remedy, remedy};
pub use retry::{RETRIES_MAX, Retried, Tried, retry, retry_many};
pub use state::{Action, IssueState};

use crate::actor::{Actor, Role, Scope};
use crate::change::{AUDIT_KEPT, Change};
use crate::ids::{ConnectionId, PartnerId, RunId};
use crate::ports::Ports;
use crate::problem::{Code, Result};
use crate::records::{Expect, Key, Record, Versioned, Write, load};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use state::{gone, met};

/// The one call that puts something right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// `POST`, `PUT`, `PATCH`.
    pub method: String,
    /// Of our API: `/v1/connections/{cid}/company-mappings/{account_id}/remap`.
    pub path: String,
    /// Its body; null where it has none, or where only a person can say what goes into it.
    #[serde(default)]
    pub body: Value,
    /// Before this day it would be too early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Date>,
}

impl Fix {
    /// A call below the connection.
    #[must_use]
    pub fn of(connection: &ConnectionId, method: &str, path: &str, body: Value) -> Self {
        let path = format!("/v1/connections/{connection}/{path}");
        Self { method: method.to_owned(), path, body, not_before: None }
    }
}

/// What an issue says besides its words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct More {
    /// Facts for programs; null: none.
    pub data: Value,
    /// What puts it right.
    pub fix: Option<Fix>,
}

/// What somebody decided about an issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// What.
    pub action: Action,
    /// Who.
    pub who: String,
    /// In which role.
    pub role: Role,
    /// When.
    pub at: Timestamp,
    /// Why, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Decided {
    fn new(action: Action, actor: &Actor, at: Timestamp) -> Self {
        Self { action, who: actor.who.clone(), role: actor.role, at, reason: actor.reason.clone() }
    }
}

/// One thing that is wrong, however often it was met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Issue {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// On what: `account/a1`, `line/svc-789`, `connection`.
    pub subject: String,
    /// What.
    pub code: Code,
    /// Whether somebody has to look at it.
    pub state: IssueState,
    /// The latest occurrence, in words.
    pub detail: String,
    /// How often it was met since it was opened.
    pub count: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was last met.
    pub last_at: Timestamp,
    /// Since when its cause is gone, as far as it is.
    pub resolved_at: Option<Timestamp>,
    /// What met it last, so that the same counts once however often it says so: a run's id, or `check/…`, `event/…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurrence: Option<String>,
    /// How often it was opened again after it was closed.
    #[serde(default)]
    pub reopened: u32,
    /// What somebody last decided about it, since it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decided>,
    /// Facts for programs, of the occurrence that last had any.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
    /// The call that puts it right, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}

impl Record for Issue {
    const ENTITY: &'static str = "issue";
    fn key(&self) -> Key {
        key(&self.partner, &self.connection, &self.subject, self.code)
    }
    /// One that is over goes when the audit trail of it does.
    fn expires(&self) -> Option<Timestamp> {
        match self.state {
            IssueState::Resolved | IssueState::Dismissed => {
                self.resolved_at.unwrap_or(self.last_at).checked_add(AUDIT_KEPT).ok()
            }
            IssueState::Open | IssueState::Acknowledged | IssueState::Ignored => None,
        }
    }
}

impl Issue {
    /// The run that met it last, where one did.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        self.occurrence.as_deref().and_then(|id| RunId::new(id).ok())
    }

    /// Whether somebody should look at it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state, IssueState::Open | IssueState::Acknowledged)
    }

    /// Whether its cause is there, as far as we know: whatever a person decided about it.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.resolved_at.is_none()
    }
}

pub(crate) fn key(partner: &PartnerId, connection: &ConnectionId, subject: &str, code: Code) -> Key {
    Key::Issue(partner.clone(), connection.clone(), subject.to_owned(), code.as_str().to_owned())
}

/// What an issue is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Whose.
    pub partner: &'a PartnerId,
    /// Of which connection.
    pub connection: &'a ConnectionId,
    /// On what.
    pub subject: &'a str,
}

/// Adds the opening (or another occurrence) of an issue to a change. An event goes out only when it opens.
pub async fn open<'a>(
    change: Change<'a>,
    ports: &Ports,
    scope: &Scope,
    on: Subject<'_>,
    code: Code,
    detail: &str,
) -> Result<Change<'a>> {
    open_with(change, ports, scope, on, code, detail, None).await
}

/// The same, saying more than words. An occurrence without more keeps what an earlier one said.
pub async fn open_with<'a>(
    change: Change<'a>,
    ports: &Ports,
    scope: &Scope,
    on: Subject<'_>,
    code: Code,
    detail: &str,
    more: Option<More>,
) -> Result<Change<'a>> {
    open_in(change, ports, scope, on, code, Met { detail, more, by: None }).await
}

/// An occurrence.
#[derive(Debug, Clone, Default)]
pub struct Met<'a> {
    /// In words.
    pub detail: &'a str,
    /// What it says besides its words; none: what an earlier one said.
    pub more: Option<More>,
    /// What met it: the same is counted once, however often it says so. A run's id, or what no id can be: with a
    /// slash.
    pub by: Option<&'a str>,
}

/// The same, by a run.
pub async fn open_in<'a>(
    change: Change<'a>,
    ports: &Ports,
    scope: &Scope,
    on: Subject<'_>,
    code: Code,
    now_met: Met<'_>,
) -> Result<Change<'a>> {
    let now = ports.clock.now();
    let key = key(on.partner, on.connection, on.subject, code);
    let present = load::<Issue>(&*ports.storage, scope, &key).await?;
    let (mut issue, expect, opens) = match present {
        None => (fresh(on, code, now), Expect::Absent, true),
        Some(found) => {
            let (v, mut issue) = (found.v, found.value);
            let again = now_met.by.is_some() && issue.occurrence.as_deref() == now_met.by && issue.stands();
            let (next, opens) = if again { (issue.state, false) } else { met(issue.state) };
            if opens {
                issue = Issue { reopened: issue.reopened.saturating_add(1), ..fresh(on, code, now) };
            } else {
                issue.count = issue.count.saturating_add(u32::from(!again));
            }
            issue.state = next;
            (issue, Expect::Version(v), opens)
        }
    };
    now_met.detail.clone_into(&mut issue.detail);
    issue.last_at = now;
    issue.resolved_at = None;
    if let Some(by) = now_met.by {
        issue.occurrence = Some(by.to_owned());
    }
    if let Some(More { data, fix }) = now_met.more {
        issue.data = data;
        issue.fix = fix;
    }
    let change = change.write(Write::put(&issue, expect)?);
    if opens { change.event("issue.opened", told(&issue)) } else { Ok(change) }
}

/// Adds the closing of an issue to a change, where its cause was there. An event goes out where somebody was to look
/// at it.
pub async fn resolve<'a>(
    change: Change<'a>,
    ports: &Ports,
    scope: &Scope,
    on: Subject<'_>,
    code: Code,
) -> Result<Change<'a>> {
    let key = key(on.partner, on.connection, on.subject, code);
    match load::<Issue>(&*ports.storage, scope, &key).await? {
        Some(found) => close(change, ports, found),
        None => Ok(change),
    }
}

fn close<'a>(change: Change<'a>, ports: &Ports, found: Versioned<Issue>) -> Result<Change<'a>> {
    if !found.stands() {
        return Ok(change);
    }
    let (v, mut issue) = (found.v, found.value);
    let tells = issue.is_active();
    issue.state = gone(issue.state);
    issue.resolved_at = Some(ports.clock.now());
    let change = change.replace(&issue, v)?;
    if tells { change.event("issue.resolved", closed(&issue)) } else { Ok(change) }
}

/// The same, where the run that met it last is this one.
pub async fn resolve_met_by<'a>(
    change: Change<'a>,
    ports: &Ports,
    scope: &Scope,
    on: Subject<'_>,
    code: Code,
    by: &str,
) -> Result<Change<'a>> {
    let key = key(on.partner, on.connection, on.subject, code);
    match load::<Issue>(&*ports.storage, scope, &key).await? {
        Some(found) if found.occurrence.as_deref() == Some(by) => close(change, ports, found),
        _ => Ok(change),
    }
}

/// What the bus is told of an issue that opens.
fn told(issue: &Issue) -> Value {
    let mut data = json!({
        "issue_id": issue.name(), "subject": issue.subject, "code": issue.code, "detail": issue.detail,
    });
    if let Some(fix) = &issue.fix {
        data["fix"] = json!(fix);
    }
    data
}

/// What the bus is told of an issue at which nobody need look any more: `resolved`, `dismissed` or `ignored`.
fn closed(issue: &Issue) -> Value {
    json!({"issue_id": issue.name(), "subject": issue.subject, "code": issue.code, "state": issue.state})
}

fn fresh(on: Subject<'_>, code: Code, now: Timestamp) -> Issue {
    Issue {
        partner: on.partner.clone(),
        connection: on.connection.clone(),
        subject: on.subject.to_owned(),
        code,
        state: IssueState::Open,
        detail: String::new(),
        count: 1,
        opened_at: now,
        last_at: now,
        resolved_at: None,
        occurrence: None,
        reopened: 0,
        decision: None,
        data: Value::Null,
        fix: None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An open issue, for tests of pure rules.
    pub(crate) fn issue(subject: &str, code: Code) -> Issue {
        let (partner, connection) = (PartnerId::new("acme").unwrap(), ConnectionId::new("con_1").unwrap());
        let on = Subject { partner: &partner, connection: &connection, subject };
        fresh(on, code, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn what_is_over_is_kept_as_long_as_its_audit_trail_and_what_stands_is_kept() {
        let at = Timestamp::UNIX_EPOCH;
        for (state, resolved_at, expires) in [
            (IssueState::Open, None, None),
            (IssueState::Acknowledged, None, None),
            (IssueState::Ignored, Some(at), None),
            (IssueState::Dismissed, None, Some(at + AUDIT_KEPT)),
            (IssueState::Resolved, Some(at), Some(at + AUDIT_KEPT)),
        ] {
            let issue = Issue { state, resolved_at, ..issue("connection", Code::NeedsRelink) };
            assert_eq!(issue.expires(), expires, "{state:?}");
        }
    }
}
