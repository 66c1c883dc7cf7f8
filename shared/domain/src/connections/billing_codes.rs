//! The recurring-service billing code that the vendor's lines carry. The API only reads billing codes, so
//! that "ensure" checks and tells how to create one.

use super::load_connection;
use super::probe::billing_code_name;
use crate::actor::{Actor, Scope};
use crate::autotask_session::{open_as, settle};
use crate::budget::Mode;
use crate::change::Change;
use crate::ids::{ConnectionId, PartnerId};
use crate::issues::{self, Subject};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Problem, Result};
use autotask::{BillingCode, Client, Filter};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The label of `useType` for recurring contract services starts so; the number differs by database.
const RECURRING_LABEL: &str = "recurring";

/// The billing code as Autotask has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillingCodeFound {
    /// `BillingCodes.id`.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// When it was seen.
    pub checked_at: Timestamp,
}

/// Checks that the vendor's billing code is there, active and of the right kind, and remembers it.
///
/// # Errors
/// `billing_code_missing` with the steps to create it; a failed call as explained.
pub async fn ensure_billing_code(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<BillingCodeFound> {
    let connection = load_connection(ports, scope, partner, id).await?;
    let name = billing_code_name(ports, scope).await?;
    let session = open_as(ports, scope, &connection, Mode::Interactive).await?;
    let found = find(&session.client, &name).await;
    session.close().await;
    let found = match found {
        Ok(found) => found,
        Err(error) => return Err(settle(ports, scope, actor, &connection, error).await),
    };
    remember(ports, scope, actor, partner, id, found.is_some(), &name).await?;
    match found {
        Some(found_id) => Ok(BillingCodeFound { id: found_id, name, checked_at: ports.clock.now() }),
        None => Err(missing(&name).into()),
    }
}

fn missing(name: &str) -> Problem {
    let detail = format!("There is no active recurring-service billing code named \"{name}\".");
    Problem::new(Code::BillingCodeMissing, detail).with("billing_code", name).with("steps", steps(name))
}

/// How a person creates it.
pub(super) fn steps(name: &str) -> Value {
    json!([
        "Log in to Autotask as an administrator.",
        "Open Admin > Finance, Accounting & Invoicing > Billing Codes.",
        "Choose the tab Recurring Contract Services (Service).",
        format!("Press New, enter the name \"{name}\", leave it active, and save."),
        "Come back and press Check again."
    ])
}

/// The id of the active recurring-service billing code of this name, whatever its case.
pub(super) async fn find(client: &Client, name: &str) -> autotask::Result<Option<i64>> {
    let rows = client
        .query::<BillingCode>()
        .filter(Filter::eq("name", name))
        .include(&["id", "name", "useType", "isActive"])
        .all()
        .await?;
    let named = |row: &&BillingCode| {
        row.is_active != Some(false)
            && row.name.as_deref().is_some_and(|found| found.trim().to_lowercase() == name.trim().to_lowercase())
    };
    let rows: Vec<&BillingCode> = rows.iter().filter(named).collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let recurring = recurring_use_types(client).await?;
    let fits = |row: &&&BillingCode| match row.use_type {
        Some(number) => recurring.is_empty() || recurring.contains(&number),
        None => true,
    };
    Ok(rows.iter().find(fits).map(|row| row.id.get()))
}

/// The numbers of `useType` that mean recurring contract services; empty where the database has no such list.
async fn recurring_use_types(client: &Client) -> autotask::Result<Vec<i64>> {
    let fields = client.fields::<BillingCode>().await?;
    let Some(list) = fields.picklist("useType") else { return Ok(Vec::new()) };
    let recurring = |label: &str| label.trim().to_lowercase().starts_with(RECURRING_LABEL);
    Ok(list
        .entries()
        .iter()
        .filter(|entry| entry.label.as_deref().is_some_and(recurring))
        .filter_map(|entry| entry.number())
        .collect())
}

/// Keeps what was seen, and its issue. Losing against another change loses nothing: the next probe writes it.
async fn remember(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
    present: bool,
    name: &str,
) -> Result<()> {
    let found = load_connection(ports, scope, partner, id).await?;
    if found.saas_billing_code_present == Some(present) {
        return Ok(());
    }
    let (v, before) = (found.v, found.value);
    let mut after = before.clone();
    after.saas_billing_code_present = Some(present);
    after.updated_at = ports.clock.now();
    let on = Subject { partner, connection: id, subject: "connection" };
    let was = json!({"present": before.saas_billing_code_present});
    let change = Change::of_connection(ports, actor, partner, id).replace(&after, v)?.audit(
        "connection.billing_code_checked",
        "connection",
        was,
        json!({"present": present, "billing_code": name}),
    )?;
    let change = if present {
        issues::resolve(change, ports, scope, on, Code::BillingCodeMissing).await?
    } else {
        issues::open(change, ports, scope, on, Code::BillingCodeMissing, &missing(name).detail).await?
    };
    match change.commit(scope).await {
        Ok(()) | Err(StorageError::Conflict { .. }) => Ok(()),
        Err(other) => Err(other.into()),
    }
}
