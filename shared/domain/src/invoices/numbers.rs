//! Which invoices carry a number: Autotask keeps nobody from giving two the same.

use super::record::{Invoice, NumberHolders};
use crate::actor::Scope;
use crate::change::Change;
use crate::issues::{self, Subject};
use crate::ports::Ports;
use crate::problem::{Code, Result};
use crate::records::{Expect, Key, Record, Write, load};

/// Most invoices that are remembered under one number: more say nothing new.
const HOLDERS_MAX: usize = 50;

/// Adds that a new invoice is the first to carry its number, as most are. Refused where it is not.
///
/// # Errors
/// None that a well-formed record has.
pub(super) fn first<'a>(change: Change<'a>, of: &Invoice) -> Result<Change<'a>> {
    if of.number.is_empty() {
        return Ok(change);
    }
    let (partner, connection) = (of.partner.clone(), of.connection.clone());
    let (number, missing) = (of.number.clone(), Vec::new());
    change.create(&NumberHolders { partner, connection, number, invoices: vec![of.id], missing })
}

/// Adds the moving of an invoice to the number that it carries now, with the issue of a clash.
///
/// # Errors
/// Storage.
pub(super) async fn move_over<'a>(
    ports: &Ports,
    scope: &Scope,
    mut change: Change<'a>,
    before: Option<&Invoice>,
    after: &Invoice,
) -> Result<Change<'a>> {
    let was = before.map_or("", |before| before.number.as_str());
    let missing = after.missing_since.is_some();
    if was == after.number && before.is_some_and(|before| before.missing_since.is_some() == missing) {
        return Ok(change);
    }
    let release = |holders: &mut NumberHolders| {
        holders.invoices.retain(|id| *id != after.id);
        holders.missing.retain(|id| *id != after.id);
    };
    if !was.is_empty() && was != after.number {
        change = edit(ports, scope, change, after, was, release).await?;
    }
    if !after.number.is_empty() {
        let take = |holders: &mut NumberHolders| {
            release(holders);
            let own = if missing { &mut holders.missing } else { &mut holders.invoices };
            if own.len() < HOLDERS_MAX {
                own.push(after.id);
                own.sort_unstable();
            }
        };
        change = edit(ports, scope, change, after, &after.number, take).await?;
    }
    Ok(change)
}

async fn edit<'a>(
    ports: &Ports,
    scope: &Scope,
    change: Change<'a>,
    of: &Invoice,
    number: &str,
    edit: impl FnOnce(&mut NumberHolders),
) -> Result<Change<'a>> {
    let (partner, connection) = (of.partner.clone(), of.connection.clone());
    let key = Key::InvoiceNumber(partner.clone(), connection.clone(), number.to_owned());
    let present = load::<NumberHolders>(&*ports.storage, scope, &key).await?;
    let (mut holders, expect) = match present {
        Some(found) => (found.value, Expect::Version(found.v)),
        None => {
            let (number, invoices, missing) = (number.to_owned(), Vec::new(), Vec::new());
            let none = NumberHolders { partner, connection, number, invoices, missing };
            (none, Expect::Absent)
        }
    };
    let clashed = holders.invoices.len() > 1;
    edit(&mut holders);
    let clashes = holders.invoices.len() > 1;
    let change = match (holders.invoices.is_empty() && holders.missing.is_empty(), expect) {
        (true, Expect::Absent) => return Ok(change),
        (true, expect) => change.write(Write::delete(holders.key(), expect)),
        (false, expect) => change.write(Write::put(&holders, expect)?),
    };
    let subject = format!("invoice-number/{number}");
    let on = Subject { partner: &of.partner, connection: &of.connection, subject: &subject };
    match (clashed, clashes) {
        (_, true) => {
            let ids: Vec<String> = holders.invoices.iter().map(i64::to_string).collect();
            let words = format!("The invoices {} carry the number {number}.", ids.join(", "));
            issues::open(change, ports, scope, on, Code::InvoiceNumberClash, &words).await
        }
        (true, false) => issues::resolve(change, ports, scope, on, Code::InvoiceNumberClash).await,
        (false, false) => Ok(change),
    }
}
