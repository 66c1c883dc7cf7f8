//! Payments and credits that are told again under their name with other content, where nobody can be told of it: an
//! issue on the first one's invoice.
//!
//! It closes when the first is taken out. That the first is told once more closes nothing: a bus may deliver it late.

use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::connections::Connection;
use crate::ids::{ConnectionId, PartnerId, PaymentId};
use crate::issues::{self, Fix, Met, More, Subject};
use crate::ports::Ports;
use crate::problem::{Code, Result};
use crate::records::{Key, load};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};

/// Which entry of which ledger.
#[derive(Debug, Clone, Copy)]
pub(super) enum Name<'a> {
    Payment(&'a PaymentId),
    Credit(&'a PaymentId),
}

impl Name<'_> {
    fn subject(self, invoice: i64) -> String {
        match self {
            Name::Payment(id) => format!("invoice/{invoice}/payments/{id}"),
            Name::Credit(id) => format!("invoice/{invoice}/credits/{id}"),
        }
    }

    /// The call that takes the first one out, so that the right one can be told.
    fn fix(self, connection: &ConnectionId, invoice: i64) -> Fix {
        match self {
            Name::Payment(id) => Fix {
                method: "DELETE".to_owned(),
                path: format!("/v1/payments/{id}"),
                body: Value::Null,
                not_before: None,
            },
            Name::Credit(id) => Fix::of(connection, "DELETE", &format!("invoices/{invoice}/credits/{id}"), Value::Null),
        }
    }
}

/// What was told under a name.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Content<'a> {
    pub(super) invoice: i64,
    pub(super) amount: Decimal,
    pub(super) currency: Option<&'a str>,
    pub(super) at: Timestamp,
}

impl Content<'_> {
    fn words(&self) -> String {
        let currency = self.currency.map(|currency| format!(" {currency}")).unwrap_or_default();
        format!("{}{currency} of {} on invoice {}", self.amount, self.at, self.invoice)
    }
}

/// Opens the issue that a name was used for something else, where the first one's connection is there; the same
/// message counts once.
///
/// # Errors
/// Records.
pub(super) async fn open(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, connection): (&PartnerId, &ConnectionId),
    name: Name<'_>,
    (first, second): (Content<'_>, Content<'_>),
) -> Result<()> {
    let key = Key::Connection(partner.clone(), connection.clone());
    if load::<Connection>(&*ports.storage, scope, &key).await?.is_none() {
        // It was taken out with its connection.
        return Ok(());
    }
    let subject = name.subject(first.invoice);
    let words = format!("First it was {}, then {}.", first.words(), second.words());
    let data = json!({"first": first, "second": second});
    let more = Some(More { data, fix: Some(name.fix(connection, first.invoice)) });
    let by = format!("event/{}", actor.request_id);
    let met = Met { detail: &words, more, by: Some(&by) };
    let on = Subject { partner, connection, subject: &subject };
    let change = Change::of_connection(ports, actor, partner, connection);
    let change = issues::open_in(change, ports, scope, on, Code::PaymentNameReused, met).await?;
    Ok(change.commit(scope).await?)
}

/// Closes it, as the first one no longer counts.
///
/// # Errors
/// Records.
pub(super) async fn resolve<'a>(
    change: Change<'a>,
    ports: &Ports,
    scope: &Scope,
    (partner, connection, invoice): (&PartnerId, &ConnectionId, i64),
    name: Name<'_>,
) -> Result<Change<'a>> {
    let subject = name.subject(invoice);
    let on = Subject { partner, connection, subject: &subject };
    issues::resolve(change, ports, scope, on, Code::PaymentNameReused).await
}
