//! An invoice, its ledger and its write-back, changed together in one transaction.

use super::due::nudge;
use super::record::Writeback;
use super::wanted::{Next, Trouble, reconsider, troubles};
use crate::actor::Scope;
use crate::change::Change;
use crate::connections::settings::{InvoiceReference, Settings, SettingsRecord};
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices::fetch::told;
use crate::invoices::{Invoice, InvoiceStatus, Ledger, OpenInvoice, status_of};
use crate::issues::{self, Issue, Subject};
use crate::ports::Ports;
use crate::problem::{Code, Result};
use crate::records::{Expect, Key, Record, Versioned, Write, load};
use serde_json::Value;
use std::time::Duration;

/// That a write-back is due now: to be sent when the change is committed. Without it the sweep finds the write-back
/// within five minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Nudge(Option<(PartnerId, ConnectionId, i64)>);

impl Nudge {
    /// Nothing is due.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Sends it, where there is something to do. A queue that is away is left to the sweep.
    pub async fn send(self, ports: &Ports) {
        if let Some((partner, connection, invoice)) = self.0 {
            nudge(ports, &partner, &connection, invoice, Duration::ZERO).await;
        }
    }
}

/// For whoever writes an invoice: brings its `ledger` and `status` to what the ledger says, and adds to the change
/// what its payments need: the write-back, issues, and that nobody tells a payment meanwhile. To be called with
/// every invoice that is written, new ones too, before the invoice's own write is made; send the nudge after the
/// commit.
///
/// # Errors
/// Records.
pub async fn in_step<'a>(
    change: Change<'a>,
    ports: &Ports,
    scope: &Scope,
    invoice: &mut Invoice,
) -> Result<(Change<'a>, Nudge)> {
    let of = (&invoice.partner.clone(), &invoice.connection.clone());
    let ledger = load_ledger(ports, scope, of, invoice.id).await?;
    let key = Key::InvoiceLedger(of.0.clone(), of.1.clone(), invoice.id);
    let Some(ledger) = ledger else {
        invoice.ledger = Ledger::empty(of.0, of.1, invoice.id).sums();
        invoice.status = status_of(invoice);
        return Ok((change.write(Write::check(key, Expect::Absent)), Nudge::none()));
    };
    invoice.ledger = ledger.sums();
    invoice.status = status_of(invoice);
    in_step_with(change, ports, scope, invoice, &ledger).await
}

/// The same where the ledger was read already, and the invoice has its sums and its status: at most
/// [`IN_STEP_WRITES_MAX`] writes.
///
/// # Errors
/// Records.
pub async fn in_step_with<'a>(
    change: Change<'a>,
    ports: &Ports,
    scope: &Scope,
    invoice: &Invoice,
    ledger: &Versioned<Ledger>,
) -> Result<(Change<'a>, Nudge)> {
    let of = (&invoice.partner, &invoice.connection);
    let writeback = load_writeback(ports, scope, of, invoice.id).await?;
    let key = Key::InvoiceLedger(of.0.clone(), of.1.clone(), invoice.id);
    let change = change.write(Write::check(key, Expect::Version(ledger.v)));
    follow(change, ports, scope, invoice, ledger, writeback).await
}

/// Most writes that [`in_step`] adds: the ledger's check, the write-back, and four issues with their events.
pub const IN_STEP_WRITES_MAX: usize = 10;

pub(super) async fn load_ledger(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId),
    invoice: i64,
) -> Result<Option<Versioned<Ledger>>> {
    let key = Key::InvoiceLedger(of.0.clone(), of.1.clone(), invoice);
    Ok(load::<Ledger>(&*ports.storage, scope, &key).await?)
}

pub(super) async fn load_writeback(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId),
    invoice: i64,
) -> Result<Option<Versioned<Writeback>>> {
    let key = Key::Writeback(of.0.clone(), of.1.clone(), invoice);
    Ok(load::<Writeback>(&*ports.storage, scope, &key).await?)
}

/// Adds the write-back and the issues that an invoice and its ledger call for.
async fn follow<'a>(
    change: Change<'a>,
    ports: &Ports,
    scope: &Scope,
    invoice: &Invoice,
    ledger: &Ledger,
    writeback: Option<Versioned<Writeback>>,
) -> Result<(Change<'a>, Nudge)> {
    let next = reconsider(invoice, ledger, writeback.as_deref(), ports.clock.now());
    let (change, nudge) = put_writeback(change, ports, scope, invoice, writeback, next).await?;
    Ok((show_troubles(change, ports, scope, invoice, ledger, None).await?, nudge))
}

async fn put_writeback<'a>(
    change: Change<'a>,
    ports: &Ports,
    scope: &Scope,
    invoice: &Invoice,
    present: Option<Versioned<Writeback>>,
    next: Next,
) -> Result<(Change<'a>, Nudge)> {
    let key = Key::Writeback(invoice.partner.clone(), invoice.connection.clone(), invoice.id);
    let expect = present.as_ref().map_or(Expect::Absent, |present| Expect::Version(present.v));
    Ok(match next {
        // What was read decided: it must still be so.
        Next::Keep => (change.write(Write::check(key, expect)), Nudge::none()),
        Next::Drop => {
            let change = change.write(Write::delete(key, expect));
            let on = subject(invoice);
            let on = Subject { partner: &invoice.partner, connection: &invoice.connection, subject: &on };
            (issues::resolve(change, ports, scope, on, Code::PaymentWritebackFailed).await?, Nudge::none())
        }
        Next::Put(writeback) => {
            let of = (writeback.partner.clone(), writeback.connection.clone(), writeback.invoice);
            let due = writeback.next_at <= ports.clock.now();
            (change.write(Write::put(&writeback, expect)?), Nudge(due.then_some(of)))
        }
    })
}

/// Opens and closes the issues of an invoice's payments. One that is open with the same words stays as it is. `found` is
/// a conflict that was just found in Autotask and that the records alone do not show.
async fn show_troubles<'a>(
    mut change: Change<'a>,
    ports: &Ports,
    scope: &Scope,
    invoice: &Invoice,
    ledger: &Ledger,
    found: Option<&str>,
) -> Result<Change<'a>> {
    for (code, trouble) in troubles(invoice, ledger) {
        let subject = subject_of(invoice, code);
        let on = Subject { partner: &invoice.partner, connection: &invoice.connection, subject: &subject };
        let trouble = match (trouble, found) {
            (Trouble::May, Some(words)) if code == Code::PaymentConflict => Trouble::Is(words.to_owned()),
            (trouble, _) => trouble,
        };
        change = match trouble {
            Trouble::Is(words) if !says(ports, scope, on, code, &words).await? => {
                issues::open(change, ports, scope, on, code, &words).await?
            }
            Trouble::Is(_) | Trouble::May => change,
            Trouble::Not => issues::resolve(change, ports, scope, on, code).await?,
        };
    }
    Ok(change)
}

async fn says(ports: &Ports, scope: &Scope, on: Subject<'_>, code: Code, words: &str) -> Result<bool> {
    let key = Key::Issue(on.partner.clone(), on.connection.clone(), on.subject.to_owned(), code.as_str().to_owned());
    let found = load::<Issue>(&*ports.storage, scope, &key).await?;
    Ok(found.is_some_and(|issue| issue.stands() && issue.detail == words))
}

/// What issues of an invoice are about.
pub(super) fn subject(invoice: &Invoice) -> String {
    format!("invoice/{}", invoice.id)
}

/// That an invoice is voided or missing is told of the invoice; that payments stand on it, of its payments.
fn subject_of(invoice: &Invoice, code: Code) -> String {
    match code {
        Code::InvoiceVoided | Code::InvoiceMissingUpstream => format!("invoice/{}/payments", invoice.id),
        _ => subject(invoice),
    }
}

/// What is there of one invoice's payments.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) partner: PartnerId,
    pub(super) connection: ConnectionId,
    pub(super) id: i64,
    pub(super) ledger: Option<Versioned<Ledger>>,
    pub(super) invoice: Option<Versioned<Invoice>>,
    pub(super) writeback: Option<Versioned<Writeback>>,
    pub(super) settings: Settings,
}

impl Books {
    pub(super) async fn load(
        ports: &Ports,
        scope: &Scope,
        of: (&PartnerId, &ConnectionId),
        invoice: i64,
    ) -> Result<Self> {
        let (partner, connection) = (of.0.clone(), of.1.clone());
        let key = Key::Settings(partner.clone(), connection.clone());
        let settings = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
        let key = Key::Invoice(partner.clone(), connection.clone(), invoice);
        Ok(Self {
            settings: settings.map_or_else(Settings::default, |found| found.value.settings),
            ledger: load_ledger(ports, scope, of, invoice).await?,
            invoice: load::<Invoice>(&*ports.storage, scope, &key).await?,
            writeback: load_writeback(ports, scope, of, invoice).await?,
            partner,
            connection,
            id: invoice,
        })
    }

    /// The ledger's version; 0 where nothing was told.
    pub(super) fn v(&self) -> u64 {
        self.ledger.as_ref().map_or(0, |found| found.v)
    }

    /// The ledger as it is; empty where nothing was told.
    pub(super) fn ledger(&self) -> Ledger {
        let empty = || Ledger::empty(&self.partner, &self.connection, self.id);
        self.ledger.as_ref().map_or_else(empty, |found| found.value.clone())
    }

    /// Adds a changed ledger with all that follows of it: the invoice, its marker, its event, write-back and issues.
    /// `paid_on` is what Autotask was seen to have, where it was looked at; `told` goes into the event.
    pub(super) async fn write<'a>(
        self,
        change: Change<'a>,
        ports: &Ports,
        scope: &Scope,
        ledger: &Ledger,
        with: With,
    ) -> Result<(Change<'a>, Nudge)> {
        let expect = self.ledger.as_ref().map_or(Expect::Absent, |found| Expect::Version(found.v));
        let mut change = change.write(Write::put(ledger, expect)?);
        let Some(found) = self.invoice else {
            let key = Key::Invoice(self.partner.clone(), self.connection.clone(), self.id);
            return Ok((change.write(Write::check(key, Expect::Absent)), Nudge::none()));
        };
        let (v, before) = (found.v, found.value);
        let mut after = before.clone();
        if let Some(seen) = with.seen {
            after.paid_on = seen;
        }
        after.ledger = ledger.sums();
        after.status = status_of(&after);
        if after == before {
            change = change.write(Write::check(after.key(), Expect::Version(v)));
        } else {
            after.changed_at = ports.clock.now();
            change = change.replace(&after, v)?;
            change = mark(change, &before, &after)?;
        }
        let shows = if with.quiet { after.status != before.status } else { after != before };
        if let Some(told) = with.told.filter(|_| shows) {
            let (kind, data) = event_of(&before, &after, self.settings.invoice_reference, told);
            change = change.event(kind, data)?;
        }
        let closes = with.closes;
        let mut writeback = self.writeback;
        if let (Some(found), true) = (&mut writeback, closes) {
            found.value.open = None;
        }
        let next = match (with.leave_alone, reconsider(&after, ledger, writeback.as_deref(), ports.clock.now())) {
            (true, _) if writeback.is_some() => Next::Drop,
            // The request that was under way is over: that is to be written, too.
            (_, Next::Keep) if closes => match &writeback {
                Some(found) => Next::Put(Writeback { next_at: ports.clock.now(), ..found.value.clone() }),
                None => Next::Keep,
            },
            (_, next) => next,
        };
        let (change, nudge) = put_writeback(change, ports, scope, &after, writeback, next).await?;
        let found = with.conflict.as_deref();
        Ok((show_troubles(change, ports, scope, &after, ledger, found).await?, nudge))
    }
}

/// How [`Books::write`] goes about it.
#[derive(Debug, Default)]
pub(super) struct With {
    /// Autotask's `paidDate`, where it was just read.
    pub(super) seen: Option<Option<jiff::civil::Date>>,
    /// What the invoice's event says besides; without it there is none.
    pub(super) told: Option<Value>,
    /// Whether the invoice has an event only where its status changes.
    pub(super) quiet: bool,
    /// What was found in Autotask that does not go together with the ledger.
    pub(super) conflict: Option<String>,
    /// Whether the request that was under way is over.
    pub(super) closes: bool,
    /// Whether the write-back ends, whatever the ledger says.
    pub(super) leave_alone: bool,
}

/// Keeps the marker of open invoices in step.
fn mark<'a>(change: Change<'a>, before: &Invoice, after: &Invoice) -> Result<Change<'a>> {
    // The invoice's own version keeps two writers apart.
    Ok(if before.status == after.status { change } else { change.write(OpenInvoice::fit(after)?) })
}

/// The one event of a change of an invoice's ledger.
fn event_of(before: &Invoice, after: &Invoice, reference: InvoiceReference, besides: Value) -> (&'static str, Value) {
    let kind = match (before.status, after.status) {
        (was, InvoiceStatus::Paid) if was != InvoiceStatus::Paid => "invoice.paid",
        (InvoiceStatus::Paid, InvoiceStatus::Open) => "invoice.reopened",
        _ => "invoice.updated",
    };
    let mut data = told(after, Some(before), reference);
    if let (Some(data), Value::Object(besides)) = (data.as_object_mut(), besides) {
        data.extend(besides);
    }
    (kind, data)
}
