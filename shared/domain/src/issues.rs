//! Issues: one per (connection, subject, code), opened and closed with the change that causes it.

use crate::actor::Scope;
use crate::change::Change;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::Ports;
use crate::problem::{Code, Result};
use crate::records::{Expect, Key, Record, Write, load};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Whether somebody has to look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueState {
    /// The cause is there.
    Open,
    /// The cause is gone.
    Resolved,
}

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
    if let Some(More { data, fix }) = more {
        issue.data = data;
        issue.fix = fix;
    }
    let change = change.write(Write::put(&issue, expect)?);
    if opens {
        let mut data = json!({"subject": issue.subject, "code": code, "detail": issue.detail});
        if let Some(fix) = &issue.fix {
            data["fix"] = json!(fix);
        }
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
        data: Value::Null,
        fix: None,
    }
}
