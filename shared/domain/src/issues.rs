//! Issues: one per (connection, subject, code), opened and closed with the change that causes it.

use crate::actor::Scope;
use crate::change::Change;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::Ports;
use crate::problem::{Code, Result};
use crate::records::{Expect, Key, Record, Write, load};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Whether somebody has to look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueState {
    /// The cause is there.
    Open,
    /// The cause is gone.
    Resolved,
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
    /// Open or resolved.
    pub state: IssueState,
    /// The latest occurrence, in words.
    pub detail: String,
    /// How often it was met since it was opened.
    pub count: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was last met.
    pub last_at: Timestamp,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
}

impl Record for Issue {
    const ENTITY: &'static str = "issue";
    fn key(&self) -> Key {
        key(&self.partner, &self.connection, &self.subject, self.code)
    }
}

fn key(partner: &PartnerId, connection: &ConnectionId, subject: &str, code: Code) -> Key {
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
    let now = ports.clock.now();
    let key = key(on.partner, on.connection, on.subject, code);
    let present = load::<Issue>(&*ports.storage, scope, &key).await?;
    let (mut issue, expect) = match present {
        Some(found) => (found.value, Expect::Version(found.v)),
        None => (fresh(on, code, now), Expect::Absent),
    };
    let opens = issue.state == IssueState::Resolved || expect == Expect::Absent;
    if opens {
        issue = fresh(on, code, now);
    } else {
        issue.count += 1;
    }
    detail.clone_into(&mut issue.detail);
    issue.last_at = now;
    let change = change.write(Write::put(&issue, expect)?);
    if opens {
        let data = json!({"subject": issue.subject, "code": code, "detail": issue.detail});
        return change.event("issue.opened", data);
    }
    Ok(change)
}

/// Adds the closing of an issue to a change, where it is open.
pub async fn resolve<'a>(
    change: Change<'a>,
    ports: &Ports,
    scope: &Scope,
    on: Subject<'_>,
    code: Code,
) -> Result<Change<'a>> {
    let key = key(on.partner, on.connection, on.subject, code);
    let Some(found) = load::<Issue>(&*ports.storage, scope, &key).await? else {
        return Ok(change);
    };
    if found.state == IssueState::Resolved {
        return Ok(change);
    }
    let (v, mut issue) = (found.v, found.value);
    issue.state = IssueState::Resolved;
    issue.resolved_at = Some(ports.clock.now());
    let data = json!({"subject": issue.subject, "code": code});
    change.replace(&issue, v)?.event("issue.resolved", data)
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
    }
}
