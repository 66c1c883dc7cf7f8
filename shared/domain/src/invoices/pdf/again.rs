//! One PDF on a person's word.

use super::work::ask;
use crate::actor::{Actor, Scope};
use crate::autotask_session::refuse_unless_connected;
use crate::change::{Change, conflict_as};
use crate::connections::{load_connection, read_settings};
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices::{FEATURE, PdfDue, load_invoice};
use crate::ports::Ports;
use crate::problem::{Code, Error, Result};
use crate::records::{Expect, Key, Write, load};
use serde_json::json;

/// Has an invoice's PDF fetched now, however often that came to nothing.
///
/// # Errors
/// `not_found`; `needs_relink`, `connection_paused`; `feature_off` where invoices or their PDFs are switched off;
/// `conflict` while a worker is at it.
pub async fn again(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    invoice: i64,
) -> Result<()> {
    let connection = load_connection(ports, scope, of.0, of.1).await?;
    refuse_unless_connected(&connection)?;
    let wanted = read_settings(ports, scope, of.0, of.1).await?.settings.pdf;
    if !wanted || !connection.has_feature(FEATURE) {
        return Err(Error::problem(Code::FeatureOff, "PDFs of invoices are not fetched for this connection."));
    }
    load_invoice(ports, scope, of.0, of.1, invoice).await?;
    let now = ports.clock.now();
    let key = Key::PdfDue(of.0.clone(), of.1.clone(), invoice);
    let found = load::<PdfDue>(&*ports.storage, scope, &key).await?;
    let expect = found.as_ref().map_or(Expect::Absent, |found| Expect::Version(found.v));
    let before = json!({"next_attempt_at": found.as_ref().map(|found| found.at)});
    let attempts = found.map_or(0, |found| found.attempts);
    let due = PdfDue { partner: of.0.clone(), connection: of.1.clone(), id: invoice, at: now, attempts };
    let subject = format!("invoice/{invoice}");
    Change::of_connection(ports, actor, of.0, of.1)
        .write(Write::put(&due, expect)?)
        .audit("invoice.pdf_asked", subject, before, json!({"next_attempt_at": now}))?
        .commit(scope)
        .await
        .map_err(|error| {
            conflict_as(error, || Error::problem(Code::Conflict, "The PDF is being fetched right now."))
        })?;
    if let Err(error) = ask(ports, scope, of.0, of.1).await {
        tracing::warn!(connection.id = %of.1, error = %error, "a PDF is left to the next hour");
    }
    Ok(())
}
