//! What a connection's settings say of tickets, checked against what its Autotask has.

use crate::actor::{Actor, Scope};
use crate::autotask_session::{open_as, settle};
use crate::budget::Mode;
use crate::connections::Connection;
use crate::ports::Ports;
use crate::problem::{FieldError, Problem, Result};
use autotask::metadata::{Picklist, PicklistEntry};
use autotask::{Company, Id, Ticket};
use serde::{Deserialize, Serialize};

/// Entries of a picklist that a refusal names.
const NAMED_MAX: usize = 20;

/// What gets a ticket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum TicketPer {
    /// All that fails in runs of one kind.
    #[default]
    Run,
    /// Each client that fails.
    Client,
}

/// Tickets in Autotask about runs that fail: off unless somebody switches them on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct FailureTicketSettings {
    /// Whether there are any. While off, nothing about tickets is ever asked of Autotask.
    pub enabled: bool,
    /// `Tickets.queueID`; needed where enabled.
    pub queue: Option<i64>,
    /// `Tickets.priority`; needed where enabled.
    pub priority: Option<i64>,
    /// `Tickets.source`.
    pub source: Option<i64>,
    /// `Tickets.companyID`; 0 is the partner itself.
    pub company_id: i64,
    /// What gets a ticket of its own.
    pub per: TicketPer,
}

impl FailureTicketSettings {
    /// What is wrong by itself.
    #[must_use]
    pub fn errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut refuse = |leaf: &str, detail: &str| {
            errors.push(FieldError { pointer: format!("/failure_ticket/{leaf}"), detail: detail.to_owned() });
        };
        if self.company_id < 0 {
            refuse("company_id", "is an id, or 0 for the partner itself");
        }
        if self.enabled && self.queue.is_none() {
            refuse("queue", "is needed where tickets are enabled");
        }
        if self.enabled && self.priority.is_none() {
            refuse("priority", "is needed where tickets are enabled");
        }
        errors
    }
}

/// Checks enabled settings against the database: picklists and company.
///
/// # Errors
/// `invalid_input` with every id that Autotask does not have, and those that it has; a failed call as explained.
pub async fn check_settings(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    connection: &Connection,
    settings: &FailureTicketSettings,
) -> Result<()> {
    let session = open_as(ports, scope, connection, Mode::Interactive).await?;
    let asked = async {
        let fields = session.client.fields::<Ticket>().await?;
        let mut errors = Vec::new();
        for (leaf, field, wanted) in [
            ("queue", "queueID", settings.queue),
            ("priority", "priority", settings.priority),
            ("source", "source", settings.source),
        ] {
            let known = fields.picklist(field);
            if let Some(rule) = wanted.and_then(|wanted| missing(known, wanted)) {
                errors.push(FieldError { pointer: format!("/failure_ticket/{leaf}"), detail: rule });
            }
        }
        if settings.company_id > 0 {
            let company = session.client.get::<Company>(Id::new(settings.company_id)).await?;
            if company.is_none_or(|company| company.is_active == Some(false)) {
                let detail = "is no active company of this database".to_owned();
                errors.push(FieldError { pointer: "/failure_ticket/company_id".to_owned(), detail });
            }
        }
        Ok(errors)
    };
    let asked = asked.await;
    session.close().await;
    match asked {
        Ok(errors) => Problem::fields(errors).map_or(Ok(()), |problem| Err(problem.into())),
        Err(error) => Err(settle(ports, scope, actor, connection, error).await),
    }
}

/// What is wrong with a number of a picklist.
fn missing(known: Option<Picklist<'_>>, wanted: i64) -> Option<String> {
    let entries = known.map(|list| list.entries()).unwrap_or_default();
    let active = entries.iter().filter(|entry| entry.is_active != Some(false));
    if active.clone().any(|entry| entry.number() == Some(wanted)) {
        return None;
    }
    let name =
        |entry: &PicklistEntry| Some(format!("{} ({})", entry.number()?, entry.label.as_deref().unwrap_or_default()));
    let names: Vec<String> = active.filter_map(name).take(NAMED_MAX).collect();
    Some(format!("is not in this database; there are {}", names.join(", ")))
}
