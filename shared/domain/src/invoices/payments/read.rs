//! How an invoice's payments stand, for whoever looks.

use super::books::Books;
use super::record::Writeback;
use super::wanted::{Trouble, paid_in_full_on, troubles};
use crate::actor::Scope;
use crate::connections::load_connection;
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices::{Invoice, Ledger};
use crate::ports::Ports;
use crate::problem::{Code, Error, Result};
use rust_decimal::Decimal;
use serde::Serialize;

/// Where Autotask stands with an invoice's payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There is nothing to tell it.
    Nothing,
    /// Paid in part, which it cannot be told.
    Partial,
    /// It is about to be told.
    Waiting,
    /// It is to be told, and the setting `payment_writeback` is off.
    Off,
    /// It did not take it so far; it is tried again.
    Failing,
    /// It has our date.
    Written,
    /// It has a date of its own, or somebody took ours out.
    Conflict,
}

/// An invoice's payments, and what Autotask knows of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The ledger's version; 0 where nothing was told.
    pub v: u64,
    /// The ledger.
    pub ledger: Ledger,
    /// The invoice; absent where it is not here yet.
    pub invoice: Option<Invoice>,
    /// What is to be told Autotask.
    pub writeback: Option<Writeback>,
    /// Where Autotask stands.
    pub state: State,
    /// Why, where somebody should know.
    pub why: Option<(Code, String)>,
}

/// An invoice's payments.
///
/// # Errors
/// `not_found` for an unknown connection, and where neither an invoice nor a payment is here.
pub async fn read_payments(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId),
    invoice: i64,
) -> Result<Standing> {
    load_connection(ports, scope, of.0, of.1).await?;
    let standing = standing_of(ports, scope, of, invoice).await?;
    if standing.invoice.is_none() && standing.v == 0 {
        return Err(Error::not_found("invoice"));
    }
    Ok(standing)
}

pub(super) async fn standing_of(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId),
    invoice: i64,
) -> Result<Standing> {
    let books = Books::load(ports, scope, of, invoice).await?;
    let enabled = books.settings.payment_writeback;
    let (v, ledger) = (books.v(), books.ledger());
    let invoice = books.invoice.map(|found| found.value);
    let writeback = books.writeback.map(|found| found.value);
    let (state, why) = match &invoice {
        Some(invoice) => judge(invoice, &ledger, writeback.as_ref(), enabled),
        None => (State::Nothing, None),
    };
    Ok(Standing { v, ledger, invoice, writeback, state, why })
}

/// Where Autotask stands, and why. Pure.
fn judge(
    invoice: &Invoice,
    ledger: &Ledger,
    writeback: Option<&Writeback>,
    enabled: bool,
) -> (State, Option<(Code, String)>) {
    let trouble = troubles(invoice, ledger).into_iter().find_map(|(code, trouble)| match trouble {
        Trouble::Is(words) => Some((code, words)),
        Trouble::May | Trouble::Not => None,
    });
    let full = paid_in_full_on(invoice, ledger);
    let sums = ledger.sums();
    match writeback {
        Some(_) if !enabled => (State::Off, trouble),
        Some(found) if found.attempts > 0 => {
            let why = found.last_problem.clone().map(|problem| (problem.code, problem.detail));
            (State::Failing, why.or(trouble))
        }
        Some(found) => {
            let why = found.last_problem.clone().map(|problem| (problem.code, problem.detail));
            (State::Waiting, why.or(trouble))
        }
        None if full.is_some() && invoice.paid_on == full => (State::Written, trouble),
        None if full.is_some() && invoice.voided_on.is_none() && invoice.missing_since.is_none() => {
            (State::Conflict, trouble)
        }
        None if full.is_none() && sums.paid + sums.credited > Decimal::ZERO => {
            let words = "Autotask's API shows no partial amounts; it gets a paid date with the last payment.";
            (State::Partial, trouble.or_else(|| Some((Code::PartialNotVisible, words.to_owned()))))
        }
        None => (State::Nothing, trouble),
    }
}
