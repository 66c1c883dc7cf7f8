//! Archiving by hand: what was deleted in Autotask is not archived here by itself.

use super::fetch::told;
use super::read::load_invoice;
use super::record::Invoice;
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::connections::{load_connection, read_settings};
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::Ports;
use crate::problem::Result;
use crate::records::Versioned;
use crate::vendor::check::unless_overtaken;
use serde_json::json;

/// Takes an invoice out of the lists. Autotask is not told. One that is archived stays as it is.
///
/// # Errors
/// `not_found`, `conflict`.
pub async fn archive(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    invoice: i64,
) -> Result<Versioned<Invoice>> {
    unless_overtaken!(None, set(ports, scope, actor, of, invoice, true).await)
}

/// Brings an archived invoice back.
///
/// # Errors
/// As [`archive`].
pub async fn unarchive(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    invoice: i64,
) -> Result<Versioned<Invoice>> {
    unless_overtaken!(None, set(ports, scope, actor, of, invoice, false).await)
}

async fn set(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, connection): (&PartnerId, &ConnectionId),
    invoice: i64,
    archived: bool,
) -> Result<Versioned<Invoice>> {
    load_connection(ports, scope, partner, connection).await?;
    let found = load_invoice(ports, scope, partner, connection, invoice).await?;
    if found.archived_at.is_some() == archived {
        return Ok(found);
    }
    let now = ports.clock.now();
    let mut after = found.value.clone();
    after.archived_at = archived.then_some(now);
    after.changed_at = now;
    let (action, subject) =
        (if archived { "invoice.archived" } else { "invoice.unarchived" }, format!("invoice/{invoice}"));
    let shown = |of: &Invoice| json!({"archived_at": of.archived_at});
    let settings = read_settings(ports, scope, partner, connection).await?.settings;
    let mut data = told(&after, Some(&found.value), settings.invoice_reference);
    data["archived_at"] = json!(after.archived_at);
    Change::of_connection(ports, actor, partner, connection)
        .replace(&after, found.v)?
        .audit(action, subject, shown(&found), shown(&after))?
        .event("invoice.updated", data)?
        .commit(scope)
        .await?;
    Ok(Versioned { v: found.v + 1, value: after })
}
