//! What Autotask should say of an invoice's payment, and what does not go together. Pure: from the invoice and its
//! ledger alone, so that the same payments come to the same, in whatever order they were told.

use super::record::{Intent, Writeback};
use crate::invoices::{Entry, Invoice, Ledger};
use crate::problem::Code;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

/// Which `paidDate` an invoice should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Whatever it has.
    Nothing,
    /// This one.
    Set(Date),
    /// None: we set the one that it has.
    Clear,
}

/// The day on which the invoice was paid in full: that of the payment, by the time of payments, with which payments
/// reach what credits leave of the total. None where they do not, where nothing was to be paid, where there is no
/// payment, and where an entry is in another currency.
#[must_use]
pub fn paid_in_full_on(invoice: &Invoice, ledger: &Ledger) -> Option<Date> {
    if invoice.total <= Decimal::ZERO || in_other_currency(invoice, ledger).is_some() {
        return None;
    }
    let left = invoice.total - ledger.credits.iter().map(Entry::counts).sum::<Decimal>();
    let mut payments: Vec<&Entry> = ledger.payments.iter().filter(|entry| entry.stands()).collect();
    payments.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    let mut paid = Decimal::ZERO;
    payments
        .into_iter()
        .find(|entry| {
            paid += entry.counts();
            paid >= left
        })
        .map(|entry| entry.on)
}

/// An entry that is not in the invoice's currency, where both are known.
fn in_other_currency<'a>(invoice: &Invoice, ledger: &'a Ledger) -> Option<&'a Entry> {
    let known = invoice.currency.as_deref()?;
    let other = |entry: &&Entry| entry.currency.as_deref().is_some_and(|own| !own.eq_ignore_ascii_case(known));
    ledger.payments.iter().chain(&ledger.credits).filter(|entry| entry.stands()).find(other)
}

/// What Autotask should have. `open` is the request that may be under way: what it sets counts as ours.
#[must_use]
pub fn wanted(invoice: &Invoice, ledger: &Ledger, open: Option<&Intent>) -> Wanted {
    if invoice.voided_on.is_some() || invoice.missing_since.is_some() {
        return Wanted::Nothing;
    }
    match paid_in_full_on(invoice, ledger) {
        Some(day) if ledger.disputed == Some(day) => Wanted::Nothing,
        Some(day) => Wanted::Set(day),
        None if ledger.written_paid_on.is_some() || open.is_some_and(|open| open.paid_on.is_some()) => Wanted::Clear,
        None => Wanted::Nothing,
    }
}

/// What becomes of an invoice's write-back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It stays as it is, also where there is none.
    Keep,
    /// This one, over what is there.
    Put(Writeback),
    /// There is one, and it is not needed any more.
    Drop,
}

/// What becomes of the write-back with an invoice and its ledger as they are now.
#[must_use]
pub fn reconsider(invoice: &Invoice, ledger: &Ledger, present: Option<&Writeback>, now: Timestamp) -> Next {
    let open = present.and_then(|present| present.open.as_ref());
    let desired = match wanted(invoice, ledger, open) {
        // What became of a request that is under way is found out in any case, but for an invoice that is gone.
        Wanted::Nothing if open.is_some() && invoice.voided_on.is_none() && invoice.missing_since.is_none() => {
            return Next::Keep;
        }
        Wanted::Nothing => return drop_any(present),
        // Autotask has it, whoever wrote it; or it has a date that is not ours, which is left alone.
        Wanted::Set(day)
            if open.is_none() && invoice.paid_on.is_some_and(|on| on == day || Some(on) != ledger.written_paid_on) =>
        {
            return drop_any(present);
        }
        Wanted::Set(day) => Some(day),
        Wanted::Clear => None,
    };
    match present {
        Some(present) if present.desired == desired => Next::Keep,
        Some(present) => Next::Put(Writeback {
            desired,
            attempts: 0,
            patched: false,
            last_problem: None,
            // A request that is under way is waited for.
            next_at: if open.is_some() { present.next_at } else { now },
            ..present.clone()
        }),
        None => Next::Put(Writeback {
            partner: invoice.partner.clone(),
            connection: invoice.connection.clone(),
            invoice: invoice.id,
            desired,
            since: now,
            attempts: 0,
            next_at: now,
            open: None,
            patched: false,
            last_problem: None,
            told: false,
        }),
    }
}

fn drop_any(present: Option<&Writeback>) -> Next {
    if present.is_some() { Next::Drop } else { Next::Keep }
}

/// What stands open about an invoice's payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It is there, in words.
    Is(String),
    /// It may be there: what found it out stands.
    May,
    /// It is not.
    Not,
}

/// What does not go together between an invoice and its ledger, by code.
#[must_use]
pub fn troubles(invoice: &Invoice, ledger: &Ledger) -> [(Code, Trouble); 3] {
    let standing = ledger.payments.iter().any(Entry::stands);
    let paid = ledger.sums().paid;
    let gone = |is: bool, words: String| if is && standing { Trouble::Is(words) } else { Trouble::Not };
    [
        (Code::PaymentConflict, conflict(invoice, ledger, standing)),
        (
            Code::InvoiceVoided,
            gone(invoice.voided_on.is_some(), format!("Payments of {paid} stand on an invoice that was voided.")),
        ),
        (
            Code::InvoiceMissingUpstream,
            gone(
                invoice.missing_since.is_some(),
                format!("Payments of {paid} stand on an invoice that Autotask no longer returns."),
            ),
        ),
    ]
}

fn conflict(invoice: &Invoice, ledger: &Ledger, standing: bool) -> Trouble {
    if let Some(entry) = in_other_currency(invoice, ledger) {
        let (own, theirs) = (entry.currency.as_deref().unwrap_or_default(), invoice.currency.as_deref());
        let words = format!("{} is in {own}, the invoice in {}.", entry.id, theirs.unwrap_or_default());
        return Trouble::Is(words);
    }
    if invoice.voided_on.is_some() || invoice.missing_since.is_some() {
        return Trouble::Not;
    }
    let full = paid_in_full_on(invoice, ledger);
    let foreign = invoice.paid_on.filter(|day| Some(*day) != ledger.written_paid_on && Some(*day) != full);
    let sums = ledger.sums();
    let over = sums.paid + sums.credited - invoice.total;
    match foreign {
        Some(day) if standing => {
            let words = format!(
                "Autotask has the invoice as paid on {day}, which is not from here, and payments of {} stand here.",
                sums.paid
            );
            Trouble::Is(words)
        }
        _ if standing && over > Decimal::ZERO && invoice.total >= Decimal::ZERO => {
            let words = format!("{over} more than the total of {} was paid or credited.", invoice.total);
            Trouble::Is(words)
        }
        _ if ledger.disputed.is_some() && ledger.disputed == full => {
            let words = "Somebody took the paid date out in Autotask that was written for payments which stand here.";
            Trouble::Is(words.to_owned())
        }
        Some(_) => Trouble::May,
        None => Trouble::Not,
    }
}

#[cfg(test)]
mod tests;
