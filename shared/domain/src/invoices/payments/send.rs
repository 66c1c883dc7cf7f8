//! Bringing Autotask's `paidDate` to what is wanted: read, store the intent, write once, read back.
//!
//! The write is absolute, so that doing it twice does no harm. What could do harm is one that arrives late, after
//! something else is wanted; so nothing is sent while a request may be under way whose end is not known.

use super::books::{Books, With};
use super::compare::{Step, compare, settled_at};
use super::fail::{Failure, failed, held};
use super::record::{Intent, Writeback};
use crate::actor::{Actor, Scope};
use crate::autotask_session::{self, Session};
use crate::change::Change;
use crate::connections::{Connection, load_connection};
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Expect, Key, Versioned, Write};
use crate::units::SEND_WINDOW;
use crate::vendor::check::unless_overtaken;
use autotask::{Field, Id, InvoicePatch, InvoiceReplacement};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::json;

/// How often one message looks again because what was wanted changed under it.
const ROUNDS_MAX: u32 = 4;
/// When the write-back is to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Later {
    /// Then.
    At(Timestamp),
    /// When the sweep finds it due, if there is anything left.
    Never,
}

/// How one look ended.
pub(super) enum Round {
    /// Something changed under it.
    Again,
    /// It is over for now.
    Over(Later),
}

/// Carries out an invoice's write-back, if one is due.
///
/// # Errors
/// Records. What Autotask says is in the write-back, and in issues.
pub(super) async fn carry_out(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    invoice: i64,
) -> Result<Later> {
    for _ in 0..ROUNDS_MAX {
        match round(ports, scope, actor, of, invoice).await? {
            Round::Again => {}
            Round::Over(later) => return Ok(later),
        }
    }
    Ok(Later::At(ports.clock.now()))
}

async fn round(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    invoice: i64,
) -> Result<Round> {
    let books = Books::load(ports, scope, of, invoice).await?;
    let Some(writeback) = &books.writeback else { return Ok(Round::Over(Later::Never)) };
    if writeback.next_at > ports.clock.now() {
        return Ok(Round::Over(Later::Never));
    }
    let connection = match load_connection(ports, scope, of.0, of.1).await {
        Ok(found) => found.value,
        Err(error) if error.code() == Some(Code::NotFound) => return end(ports, scope, writeback).await,
        Err(error) => return Err(error),
    };
    if books.invoice.is_none() {
        return end(ports, scope, writeback).await;
    }
    if let Some(wait) = held(&connection, &books.settings, ports.clock.now()) {
        return wait.store(ports, scope, writeback).await;
    }
    let desk = Desk { ports, scope, actor, connection, zone: books.settings.zone() };
    let session = match autotask_session::open(ports, scope, &desk.connection).await {
        Ok(session) => session,
        Err(error) => return desk.failed(writeback, error, Keep::Intent).await,
    };
    let ended = desk.look(&session, &books).await;
    session.close().await;
    ended
}

/// A write-back that nobody can carry out any more.
async fn end(ports: &Ports, scope: &Scope, writeback: &Versioned<Writeback>) -> Result<Round> {
    let key = Key::Writeback(writeback.partner.clone(), writeback.connection.clone(), writeback.invoice);
    over(ports.storage.write(scope, vec![Write::delete(key, Expect::Version(writeback.v))]).await, Later::Never)
}

/// A look is over unless somebody else wrote meanwhile.
pub(super) fn over(written: Result<(), StorageError>, later: Later) -> Result<Round> {
    match written {
        Ok(()) => Ok(Round::Over(later)),
        Err(StorageError::Conflict { .. }) => Ok(Round::Again),
        Err(error) => Err(error.into()),
    }
}

/// What becomes of the intent of a write that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// It may still take effect, or it is of an earlier look.
    Intent,
    /// It surely did not.
    Nothing,
}

/// How a write ended.
enum Sent {
    /// Autotask took it.
    Taken,
    /// It is not known.
    Unknown(autotask::Error),
    /// It surely was not done.
    Refused(autotask::Error),
}

struct Desk<'a> {
    ports: &'a Ports,
    scope: &'a Scope,
    actor: &'a Actor,
    connection: Connection,
    zone: TimeZone,
}

impl Desk<'_> {
    async fn read(&self, session: &Session, invoice: i64) -> Result<Option<autotask::Invoice>, autotask::Error> {
        match session.client.get::<autotask::Invoice>(Id::new(invoice)).await {
            Err(autotask::Error::NotFound { .. }) => Ok(None),
            other => other,
        }
    }

    fn day(&self, row: &autotask::Invoice) -> Option<Date> {
        row.paid_date.map(|date| date.calendar_date(&self.zone))
    }

    /// Looks at what Autotask has, and acts.
    async fn look(&self, session: &Session, books: &Books) -> Result<Round> {
        let Some(writeback) = &books.writeback else { return Ok(Round::Over(Later::Never)) };
        let row = match self.read(session, books.id).await {
            Ok(Some(row)) => row,
            Ok(None) => {
                let words = "Autotask returns no invoice of this id to the API user.";
                let failure = Failure::new(Code::InvoiceMissingUpstream, words);
                return failure.store(self.ports, self.scope, self.actor, writeback, false).await;
            }
            Err(error) => {
                let error = self.explained(error).await;
                return self.failed(writeback, error, Keep::Intent).await;
            }
        };
        if row.is_voided == Some(true) {
            return self.voided(books).await;
        }
        let (seen, ledger) = (self.day(&row), books.ledger());
        let open = writeback.open.as_ref();
        match compare(seen, writeback.desired, ledger.written_paid_on, open, self.ports.clock.now()) {
            Step::Wait(until) => self.wait(writeback, until).await,
            Step::Done { ours } => self.conclude(writeback, Found { seen, ours, conflict: None }).await,
            Step::Landed => self.conclude(writeback, Found { seen, ours: seen, conflict: None }).await,
            Step::Foreign(day) => {
                let words = format!("Autotask has the invoice as paid on {day}, which is not from here.");
                self.conclude(writeback, Found { seen, ours: None, conflict: Some(words) }).await
            }
            Step::TakenOut => {
                let words = "Somebody took the paid date out in Autotask that was written for payments here.";
                self.conclude(writeback, Found { seen, ours: None, conflict: Some(words.to_owned()) }).await
            }
            Step::Write => {
                let sums = ledger.sums();
                if writeback.desired.is_some() && row.invoice_total > Some(sums.paid + sums.credited) {
                    let total = row.invoice_total.unwrap_or(Decimal::ZERO);
                    return super::fail::outgrown(total, self.ports.clock.now())
                        .store(self.ports, self.scope, writeback)
                        .await;
                }
                self.write(session, writeback, &row).await
            }
        }
    }

    /// The request that is under way is looked for when it can no longer be.
    async fn wait(&self, writeback: &Versioned<Writeback>, until: Timestamp) -> Result<Round> {
        let next = Writeback { next_at: until, ..writeback.value.clone() };
        let write = Write::replace(&next, writeback.v)?;
        over(self.ports.storage.write(self.scope, vec![write]).await, Later::At(until))
    }

    /// Stores the intent and sends, once; a date that Autotask does not let go by PATCH is cleared by PUT.
    async fn write(
        &self,
        session: &Session,
        writeback: &Versioned<Writeback>,
        row: &autotask::Invoice,
    ) -> Result<Round> {
        if writeback.desired.is_none() && writeback.patched {
            return self.clear_by_put(session, writeback, row).await;
        }
        let Some((present, intent)) = self.intend(writeback, true).await? else { return Ok(Round::Again) };
        if self.ports.clock.now() > intent.sent_by {
            return self.unsent(&present).await;
        }
        let mut patch = InvoicePatch::new(writeback.invoice);
        patch.paid_date = intent.paid_on.map_or(Field::Null, Field::Set);
        let sent = ended(session.client.patch(&patch).await);
        match self.verify(session, &present, sent).await? {
            Verified::Round(round) => Ok(round),
            Verified::NotThere(_, why) if intent.paid_on.is_some() => self.failed(&present, why, Keep::Nothing).await,
            Verified::NotThere(fresh, _) => self.clear_by_put(session, &present, fresh.as_deref().unwrap_or(row)).await,
        }
    }

    /// The second way to clear the date: number and `webServiceDate` go along as they were just read.
    async fn clear_by_put(
        &self,
        session: &Session,
        writeback: &Versioned<Writeback>,
        row: &autotask::Invoice,
    ) -> Result<Round> {
        let Some(replacement) = InvoiceReplacement::of(row, None) else {
            let words = "Autotask did not clear the date by PATCH, and shows no number to keep by PUT.";
            let failure = Failure::new(Code::PaymentWritebackFailed, words).at_once();
            return failure.store(self.ports, self.scope, self.actor, writeback, true).await;
        };
        let Some((present, intent)) = self.intend(writeback, false).await? else { return Ok(Round::Again) };
        if self.ports.clock.now() > intent.sent_by {
            return self.unsent(&present).await;
        }
        let sent = ended(session.client.replace(&replacement).await);
        match self.verify(session, &present, sent).await? {
            Verified::Round(round) => Ok(round),
            Verified::NotThere(_, why) => {
                let failure = Failure::new(Code::PaymentWritebackFailed, super::fail::words(&why)).at_once();
                failure.store(self.ports, self.scope, self.actor, &present, true).await
            }
        }
    }

    /// Stores that a request is about to leave; none where somebody else wrote meanwhile.
    async fn intend(
        &self,
        writeback: &Versioned<Writeback>,
        by_patch: bool,
    ) -> Result<Option<(Versioned<Writeback>, Intent)>> {
        let sent_by = self.ports.clock.now().checked_add(SEND_WINDOW).unwrap_or(Timestamp::MAX);
        let intent = Intent { paid_on: writeback.desired, sent_by };
        let mut value = writeback.value.clone();
        value.next_at = settled_at(&intent);
        value.open = Some(intent.clone());
        value.patched = by_patch;
        let write = Write::replace(&value, writeback.v)?;
        match self.ports.storage.write(self.scope, vec![write]).await {
            Ok(()) => Ok(Some((Versioned { v: writeback.v + 1, value }, intent))),
            Err(StorageError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The time in which the request might have left is over, and it did not.
    async fn unsent(&self, writeback: &Versioned<Writeback>) -> Result<Round> {
        let next = Writeback { open: None, next_at: self.ports.clock.now(), ..writeback.value.clone() };
        let write = Write::replace(&next, writeback.v)?;
        self.ports.storage.write(self.scope, vec![write]).await.or_else(|error| match error {
            StorageError::Conflict { .. } => Ok(()),
            other => Err(other),
        })?;
        Ok(Round::Again)
    }

    /// Reads back after a write.
    async fn verify(&self, session: &Session, writeback: &Versioned<Writeback>, sent: Sent) -> Result<Verified> {
        let round = |round: Round| Ok(Verified::Round(round));
        let (keep, why) = match sent {
            Sent::Refused(error @ (autotask::Error::Rejected { .. } | autotask::Error::NotFound { .. })) => {
                return Ok(Verified::NotThere(None, self.explained(error).await));
            }
            Sent::Refused(error) => {
                let error = self.explained(error).await;
                return round(self.failed(writeback, error, Keep::Nothing).await?);
            }
            Sent::Unknown(error) => (Keep::Intent, Some(error)),
            Sent::Taken => (Keep::Nothing, None),
        };
        match self.read(session, writeback.invoice).await {
            Ok(Some(row)) if self.day(&row) == writeback.desired => {
                let seen = writeback.desired;
                round(self.conclude(writeback, Found { seen, ours: seen, conflict: None }).await?)
            }
            Ok(row) if keep == Keep::Nothing => {
                let shows = row.as_ref().and_then(|row| self.day(row));
                let shows = shows.map_or_else(|| "none".to_owned(), |day| day.to_string());
                let words = format!("Autotask took the change of the paid date, and shows {shows}.");
                Ok(Verified::NotThere(row.map(Box::new), Error::problem(Code::PaymentWritebackFailed, words)))
            }
            // Not there yet, or it cannot be seen: what became of it is looked for when it is over.
            Ok(_) => {
                let error = match why {
                    Some(error) => self.explained(error).await,
                    None => Error::problem(Code::AutotaskUnavailable, "Autotask did not say what it did."),
                };
                round(self.failed(writeback, error, Keep::Intent).await?)
            }
            Err(error) => {
                let error = self.explained(error).await;
                round(self.failed(writeback, error, Keep::Intent).await?)
            }
        }
    }

    async fn explained(&self, error: autotask::Error) -> Error {
        autotask_session::settle(self.ports, self.scope, self.actor, &self.connection, error).await
    }

    async fn failed(&self, writeback: &Versioned<Writeback>, error: Error, keep: Keep) -> Result<Round> {
        failed(self.ports, self.scope, self.actor, writeback, error, keep == Keep::Nothing).await
    }

    /// Autotask says that the invoice is void before our copy does: nothing is written.
    async fn voided(&self, books: &Books) -> Result<Round> {
        let Some(writeback) = &books.writeback else { return Ok(Round::Over(Later::Never)) };
        tracing::info!(connection.id = %books.connection, invoice = books.id, "a voided invoice is not written to");
        end(self.ports, self.scope, writeback).await
    }

    /// Puts what was seen on record; the write-back ends, unless something else is wanted by now.
    async fn conclude(&self, looked: &Writeback, found: Found) -> Result<Round> {
        unless_overtaken!(None, self.try_conclude(looked, &found).await)
    }

    async fn try_conclude(&self, looked: &Writeback, found: &Found) -> Result<Round> {
        let invoice = looked.invoice;
        let of = (&self.connection.partner, &self.connection.id);
        let books = Books::load(self.ports, self.scope, of, invoice).await?;
        // Somebody else found out first.
        let Some(writeback) = books.writeback.clone() else { return Ok(Round::Over(Later::Never)) };
        // Somebody else has sent something since this was seen.
        if writeback.open != looked.open {
            return Ok(Round::Over(Later::Never));
        }
        let before = books.ledger();
        let mut ledger = before.clone();
        ledger.written_paid_on = found.ours;
        if found.conflict.is_some() {
            // A date of theirs stands in the invoice itself.
            ledger.disputed = writeback.desired.filter(|_| found.seen.is_none());
        }
        let mut change = Change::of_connection(self.ports, self.actor, of.0, of.1);
        let told = json!({"autotask_invoice_id": invoice, "paid_date": found.seen, "since": writeback.since});
        let event = match (before.written_paid_on, found.ours) {
            _ if found.conflict.is_some() => None,
            (was, Some(is)) if was != Some(is) => Some("payment.written_back"),
            (Some(_), None) if found.seen.is_none() => Some("payment.writeback_deleted"),
            (None, None) if found.seen.is_some() && found.seen == writeback.desired => Some("payment.written_back"),
            _ => None,
        };
        if let Some(kind) = event {
            let mut data = told;
            if kind == "payment.written_back" {
                data["already"] = json!(found.ours.is_none());
            }
            let was = json!({"written_paid_date": before.written_paid_on});
            change = change.audit(kind, format!("invoice/{invoice}"), was, data.clone())?.event(kind, data)?;
        }
        let with = With {
            seen: Some(found.seen),
            told: Some(json!({})),
            quiet: found.conflict.is_none(),
            conflict: found.conflict.clone(),
            closes: true,
            leave_alone: found.conflict.is_some(),
        };
        let (change, nudge) = books.write(change, self.ports, self.scope, &ledger, with).await?;
        change.commit(self.scope).await?;
        Ok(if nudge == super::books::Nudge::none() { Round::Over(Later::Never) } else { Round::Again })
    }
}

/// What was found in Autotask.
struct Found {
    seen: Option<Date>,
    /// What of it we wrote.
    ours: Option<Date>,
    /// Why nothing is written.
    conflict: Option<String>,
}

/// What reading back said.
enum Verified {
    /// The look is over.
    Round(Round),
    /// What was sent was not done: the row, where it was read, and why.
    NotThere(Option<Box<autotask::Invoice>>, Error),
}

fn ended(answer: Result<i64, autotask::Error>) -> Sent {
    match answer {
        Ok(_) => Sent::Taken,
        Err(error) if error.may_have_been_applied() => Sent::Unknown(error),
        Err(error) => Sent::Refused(error),
    }
}
