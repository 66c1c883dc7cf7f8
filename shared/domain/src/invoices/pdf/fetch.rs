//! One invoice's PDF: asked for, checked, kept, recorded.

use super::judge::{Checked, Refused, check, of_problem, refused, retry_after};
use super::record::{InvoicePdf, PdfFailure, PdfWork, StoredPdf};
use super::work::PdfMessage;
use crate::actor::{Actor, Scope};
use crate::autotask_session::{Session, settle};
use crate::blobs::{BlobKey, BlobLabel};
use crate::change::Change;
use crate::connections::Connection;
use crate::invoices::{Invoice, InvoiceStatus, PdfDue};
use crate::issues::{self, More, Subject};
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Expect, Key, Record as _, Versioned, Write, load};
use serde_json::json;

/// Attempts without an answer after which it is told all the same: one may be Autotask's own pause.
const TELL_FROM: u32 = 2;

/// What became of one row.
pub(super) enum Fetched {
    /// A file is kept.
    Kept,
    /// The file is the one that is kept.
    Unchanged,
    /// The invoice is void or gone, and needs none.
    Dropped,
    /// The invoice has changed meanwhile; its new row stands.
    Overtaken,
    /// There is none; it is tried again.
    Failed,
    /// No answer came; it is tried again.
    Unanswered,
    /// Nothing can be fetched for a while.
    Refused(Refused),
    /// Somebody else has the fetching.
    Lost,
}

/// What fetching needs.
pub(super) struct Fetcher<'a> {
    pub(super) ports: &'a Ports,
    pub(super) scope: &'a Scope,
    pub(super) actor: &'a Actor,
    pub(super) message: &'a PdfMessage,
    pub(super) connection: &'a Connection,
    pub(super) session: &'a Session,
}

/// An invoice whose PDF is due, with what is known of that.
struct Case {
    due: Versioned<PdfDue>,
    invoice: Versioned<Invoice>,
    pdf: Option<Versioned<InvoicePdf>>,
}

impl Case {
    /// The condition that the invoice is as it was before its PDF was asked for: one that has changed meanwhile has a
    /// row of its own again, and this file, or this failure, is of before.
    fn unchanged(&self) -> Write {
        Write::check(self.invoice.value.key(), Expect::Version(self.invoice.v))
    }

    fn stored(&self) -> Option<&StoredPdf> {
        self.pdf.as_ref()?.stored.as_ref()
    }

    fn failure(&self) -> Option<&PdfFailure> {
        self.pdf.as_ref()?.failure.as_ref()
    }

    /// Writes the PDF's record, on condition that it is as it was read.
    fn record(&self, stored: Option<StoredPdf>, failure: Option<PdfFailure>) -> Result<Write, StorageError> {
        let PdfDue { partner, connection, id, .. } = self.due.value.clone();
        let record = InvoicePdf { partner, connection, invoice: id, stored, failure };
        Write::put(&record, self.pdf.as_ref().map_or(Expect::Absent, |found| Expect::Version(found.v)))
    }
}

impl Fetcher<'_> {
    /// Looks after one row. Whatever has come is counted in `work`.
    pub(super) async fn fetch(&self, due: Versioned<PdfDue>, work: &mut Versioned<PdfWork>) -> Result<Fetched> {
        let PdfMessage { partner, connection } = self.message;
        let storage = &*self.ports.storage;
        let key = Key::Invoice(partner.clone(), connection.clone(), due.id);
        let invoice = load::<Invoice>(storage, self.scope, &key).await?;
        let is_live =
            |found: &Versioned<Invoice>| !matches!(found.status, InvoiceStatus::Voided | InvoiceStatus::Missing);
        let Some(invoice) = invoice.filter(is_live) else { return self.drop_row(&due).await };
        let key = Key::InvoicePdf(partner.clone(), connection.clone(), due.id);
        let pdf = load::<InvoicePdf>(storage, self.scope, &key).await?;
        let case = Case { due, invoice, pdf };
        let file = match self.session.client.invoice_pdf(autotask::Id::new(case.due.id)).await {
            Ok(file) => check(file),
            Err(error @ autotask::Error::Unauthorised { .. }) => return self.unauthorised(error).await,
            Err(error) => Err(refused(error)),
        };
        match file {
            Ok(file) => self.keep(case, file, work).await,
            Err(Refused::Unavailable { why, told, moved }) => self.put_off(case, why, told, moved, work).await,
            Err(refused) => Ok(Fetched::Refused(refused)),
        }
    }

    /// Ends a row whose invoice needs no PDF.
    async fn drop_row(&self, due: &Versioned<PdfDue>) -> Result<Fetched> {
        let change = self.change().write(Write::delete(due.value.key(), Expect::Version(due.v)));
        let change = self.resolved(change, due.id).await?;
        match change.commit(self.scope).await {
            Ok(()) => Ok(Fetched::Dropped),
            Err(StorageError::Conflict { .. }) => Ok(Fetched::Overtaken),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps a file and records it, or finds that it is the one that is kept.
    async fn keep(&self, case: Case, file: Checked, work: &mut Versioned<PdfWork>) -> Result<Fetched> {
        let size = u64::try_from(file.bytes.len()).unwrap_or(u64::MAX);
        let sha256 = file.sum.to_string();
        let is_kept = case.stored().is_some_and(|stored| stored.sha256 == sha256);
        let label = BlobLabel::pdf(&name(&case.invoice, file.file_name.as_deref()));
        let next = self.counted(work, size);
        if !is_kept {
            let key = self.key(case.due.id, file.sum);
            // Before the record: what is recorded is there.
            if let Err(error) = self.ports.blobs.put(self.scope, &key, file.bytes.into(), &label).await {
                tracing::warn!(error = %error, invoice = case.due.id, "a PDF could not be kept");
                let held = self.count(work, next).await?;
                let later = Fetched::Refused(of_problem(Code::Unavailable, None));
                return Ok(if held { later } else { Fetched::Lost });
            }
        }
        let due = Write::delete(case.due.value.key(), Expect::Version(case.due.v));
        let mut change = self.change().replace(&next, work.v)?.write(due).write(case.unchanged());
        if !is_kept {
            let at = self.ports.clock.now();
            let stored = StoredPdf { sha256, size, file_name: label.file_name, at, of: case.invoice.digest.clone() };
            change = change.write(case.record(Some(stored), None)?);
        } else if case.failure().is_some() {
            change = change.write(case.record(case.stored().cloned(), None)?);
        }
        let change = self.resolved(change, case.due.id).await?;
        if let Some(other) = self.commit(change, work, next).await? {
            return Ok(other);
        }
        if is_kept {
            return Ok(Fetched::Unchanged);
        }
        self.delete_replaced(&case).await;
        Ok(Fetched::Kept)
    }

    /// Puts a row off, and says why.
    async fn put_off(
        &self,
        case: Case,
        why: String,
        told: bool,
        moved: u64,
        work: &mut Versioned<PdfWork>,
    ) -> Result<Fetched> {
        let now = self.ports.clock.now();
        let attempts = case.due.attempts.saturating_add(1);
        let next = self.counted(work, moved);
        let later = PdfDue { attempts, at: now + retry_after(attempts), ..case.due.value.clone() };
        let since = case.failure().map_or(now, |failure| failure.since);
        let failure = PdfFailure { why: why.clone(), since };
        let mut change = self.change().replace(&next, work.v)?.replace(&later, case.due.v)?.write(case.unchanged());
        if case.failure() != Some(&failure) {
            change = change.write(case.record(case.stored().cloned(), Some(failure))?);
        }
        if told || attempts >= TELL_FROM {
            let subject = subject(case.due.id);
            let data = json!({"attempts": attempts, "next_attempt_at": later.at});
            let more = Some(More { data, fix: None });
            let on = self.on(&subject);
            change = issues::open_with(change, self.ports, self.scope, on, Code::PdfUnavailable, &why, more).await?;
        }
        tracing::info!(connection.id = %self.message.connection, invoice = case.due.id, attempts, why, "a PDF is put off");
        let other = self.commit(change, work, next).await?;
        Ok(other.unwrap_or(if told { Fetched::Failed } else { Fetched::Unanswered }))
    }

    async fn unauthorised(&self, error: autotask::Error) -> Result<Fetched> {
        match settle(self.ports, self.scope, self.actor, self.connection, error).await {
            Error::Problem(problem) => Ok(Fetched::Refused(of_problem(problem.code, problem.retry_after))),
            other => Err(other),
        }
    }

    /// Commits what became of a row, `next` first. `None`: done. What came counts all the same where it is not.
    async fn commit(
        &self,
        change: Change<'_>,
        work: &mut Versioned<PdfWork>,
        next: PdfWork,
    ) -> Result<Option<Fetched>> {
        match change.commit(self.scope).await {
            Ok(()) => {
                *work = Versioned { v: work.v + 1, value: next };
                Ok(None)
            }
            Err(StorageError::Conflict { at: WORK_AT, .. }) => Ok(Some(Fetched::Lost)),
            Err(StorageError::Conflict { .. }) => {
                Ok(Some(if self.count(work, next).await? { Fetched::Overtaken } else { Fetched::Lost }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Writes what has come, and nothing else. False: somebody else has the fetching.
    async fn count(&self, work: &mut Versioned<PdfWork>, next: PdfWork) -> Result<bool> {
        match self.change().replace(&next, work.v)?.commit(self.scope).await {
            Ok(()) => {
                *work = Versioned { v: work.v + 1, value: next };
                Ok(true)
            }
            Err(StorageError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The work's record once so many bytes have come.
    fn counted(&self, work: &PdfWork, moved: u64) -> PdfWork {
        let mut next = work.clone();
        next.at = self.ports.clock.now();
        next.window.add(next.at, moved);
        next
    }

    fn change(&self) -> Change<'_> {
        Change::of_connection(self.ports, self.actor, &self.message.partner, &self.message.connection)
    }

    fn key(&self, invoice: i64, sum: crate::blobs::Sha256Sum) -> BlobKey {
        BlobKey::invoice_pdf(&self.message.partner, &self.message.connection, invoice, sum)
    }

    fn on<'a>(&'a self, subject: &'a str) -> Subject<'a> {
        Subject { partner: &self.message.partner, connection: &self.message.connection, subject }
    }

    async fn resolved<'a>(&'a self, change: Change<'a>, invoice: i64) -> Result<Change<'a>> {
        let subject = subject(invoice);
        issues::resolve(change, self.ports, self.scope, self.on(&subject), Code::PdfUnavailable).await
    }

    /// Deletes the file that a newer one has replaced: no record names it any more. What stays when this fails is lost
    /// space; a link to it that was given out within the last minutes ends early.
    async fn delete_replaced(&self, case: &Case) {
        let Some(old) = case.pdf.as_ref().and_then(|pdf| pdf.blob()) else { return };
        if let Err(error) = self.ports.blobs.delete(self.scope, &old).await {
            tracing::warn!(error = %error, invoice = case.due.id, "the PDF before stays in the store of files");
        }
    }
}

/// Where the work's record stands among a change's writes.
const WORK_AT: usize = 0;

fn subject(invoice: i64) -> String {
    format!("invoice/{invoice}")
}

/// What the file is called: as Autotask calls it, else by the invoice's number, else by its id.
fn name(invoice: &Invoice, given: Option<&str>) -> String {
    let given = given.map(|name| name.strip_suffix(".pdf").or(name.strip_suffix(".PDF")).unwrap_or(name));
    let candidates = [given.unwrap_or_default(), &invoice.number];
    let named = candidates.into_iter().find(|name| name.chars().any(|c| c.is_ascii_alphanumeric()));
    named.map_or_else(|| format!("invoice-{}", invoice.id), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invoices::record::sample;

    #[test]
    fn a_file_is_called_as_autotask_calls_it_or_by_the_invoice() {
        let mut invoice = sample(6100);
        assert_eq!(name(&invoice, Some("INV-0091.pdf")), "INV-0091");
        assert_eq!(name(&invoice, Some("INV-0091.PDF")), "INV-0091");
        assert_eq!(name(&invoice, Some("  ")), "INV-6100");
        assert_eq!(name(&invoice, None), "INV-6100");
        invoice.number = String::new();
        assert_eq!(name(&invoice, Some("…")), "invoice-6100");
    }
}
