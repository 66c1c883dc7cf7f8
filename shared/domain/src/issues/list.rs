//! Looking at issues.

use super::name::parse;
use super::{Issue, IssueState, key};
use crate::actor::Scope;
use crate::connections::load_connection;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Ports, Read};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, Versioned, load, load_all};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Which issues.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IssueFilter {
    /// In one of these states; empty: in any.
    pub states: Vec<IssueState>,
    /// Of this code.
    pub code: Option<Code>,
    /// On this subject, or something below it: `account/a1` holds `account/a1/training`.
    pub subject: Option<String>,
}

impl IssueFilter {
    pub(super) fn admits(&self, issue: &Issue) -> bool {
        let below = |of: &String| issue.subject.strip_prefix(&**of).is_some_and(|r| r.is_empty() || r.starts_with('/'));
        (self.states.is_empty() || self.states.contains(&issue.state))
            && self.code.is_none_or(|code| issue.code == code)
            && self.subject.as_ref().is_none_or(below)
    }
}

/// A place in the list: where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    opened_at: Timestamp,
    subject: String,
    code: Code,
}

impl After {
    fn of(issue: &Issue) -> Self {
        Self { opened_at: issue.opened_at, subject: issue.subject.clone(), code: issue.code }
    }

    /// Sorts those that were opened last first.
    fn order(&self) -> impl Ord + use<> {
        (std::cmp::Reverse(self.opened_at), self.subject.clone(), self.code)
    }
}

/// A page of issues.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Those that were opened last first.
    pub issues: Vec<Issue>,
    /// Where the page ended, where there are more.
    pub next: Option<After>,
}

/// A page of a connection's issues. The order does not change when an issue is met again.
///
/// # Errors
/// `not_found` for a connection.
pub async fn list(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId),
    filter: &IssueFilter,
    limit: usize,
    after: Option<&After>,
) -> Result<Listed> {
    load_connection(ports, scope, of.0, of.1).await?;
    let all = all(ports, scope, of).await?;
    let mut fit: Vec<Issue> = all.into_iter().map(|found| found.value).filter(|issue| filter.admits(issue)).collect();
    fit.sort_by_cached_key(|issue| After::of(issue).order());
    let mut rest =
        fit.into_iter().filter(|issue| after.is_none_or(|a| After::of(issue).order() > a.order())).peekable();
    let issues: Vec<Issue> = rest.by_ref().take(limit).collect();
    let next = issues.last().filter(|_| rest.peek().is_some()).map(After::of);
    Ok(Listed { issues, next })
}

/// One issue.
///
/// # Errors
/// `not_found`.
pub async fn get(ports: &Ports, scope: &Scope, of: (&PartnerId, &ConnectionId), name: &str) -> Result<Issue> {
    Ok(find(ports, scope, of, name).await?.value)
}

pub(super) async fn find(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId),
    name: &str,
) -> Result<Versioned<Issue>> {
    load_connection(ports, scope, of.0, of.1).await?;
    let (code, subject) = parse(name)?;
    let key = key(of.0, of.1, &subject, code);
    load::<Issue>(&*ports.storage, scope, &key).await?.ok_or_else(|| Error::not_found("issue"))
}

pub(super) async fn all(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId),
) -> Result<Vec<Versioned<Issue>>> {
    let of = Collection::Issues(of.0.clone(), of.1.clone());
    Ok(load_all::<Issue>(&*ports.storage, scope, &of, Read::Strong).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issues::tests::issue;

    #[test]
    fn a_filter_by_subject_takes_what_lies_below_it_and_no_namesake() {
        let filter = |subject: &str| IssueFilter { subject: Some(subject.to_owned()), ..IssueFilter::default() };
        for (of, subject, fits) in [
            ("account/a1", "account/a1", true),
            ("account/a1", "account/a1/training", true),
            ("account/a1", "account/a10", false),
            ("account/a1", "account", false),
            ("account", "account/a1", true),
        ] {
            assert_eq!(filter(of).admits(&issue(subject, Code::HeldZero)), fits, "{of} {subject}");
        }
    }
}
