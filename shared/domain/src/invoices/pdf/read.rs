//! An invoice's PDF as it is shown and served.

use super::record::{InvoicePdf, StoredPdf};
use crate::actor::Scope;
use crate::blobs::{BlobError, BlobKey, BlobLabel};
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices::{PdfDue, load_invoice};
use crate::ports::Ports;
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Key, Versioned, load};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use url::Url;

/// How long a link to a file can be used: long enough to follow it, too short to be worth passing on.
pub const LINK_LASTS: Duration = Duration::from_secs(300);

/// Where an invoice's PDF stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PdfState {
    /// It is kept.
    Stored,
    /// It will be fetched.
    Pending,
    /// Autotask did not give it; it is tried again.
    Unavailable,
    /// Nobody asks for it: the setting is off, or the invoice is void.
    None,
}

/// What is known of an invoice's PDF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdf {
    pdf: Option<InvoicePdf>,
    due: Option<PdfDue>,
    wanted: bool,
}

impl Pdf {
    /// Where it stands. A PDF of before the invoice changed is not shown: it says something else than the invoice.
    #[must_use]
    pub fn state(&self) -> PdfState {
        let failed = self.pdf.as_ref().is_some_and(|pdf| pdf.failure.is_some());
        let stored = self.stored_whatever().is_some();
        match (&self.due, failed) {
            (Some(_), _) if !self.wanted => PdfState::None,
            (Some(_), true) => PdfState::Unavailable,
            (Some(_), false) => PdfState::Pending,
            (None, false) if stored => PdfState::Stored,
            (None, _) => PdfState::None,
        }
    }

    /// The file that may be shown.
    #[must_use]
    pub fn stored(&self) -> Option<&StoredPdf> {
        self.stored_whatever().filter(|_| self.state() == PdfState::Stored)
    }

    /// When it is fetched, or tried again.
    #[must_use]
    pub fn next_attempt_at(&self) -> Option<Timestamp> {
        let awaited = matches!(self.state(), PdfState::Pending | PdfState::Unavailable);
        self.due.as_ref().filter(|_| awaited).map(|due| due.at)
    }

    fn stored_whatever(&self) -> Option<&StoredPdf> {
        self.pdf.as_ref()?.stored.as_ref()
    }

    fn blob(&self) -> Option<BlobKey> {
        self.stored()?;
        self.pdf.as_ref()?.blob()
    }

    /// What a caller is told who asks for a file that may not be shown.
    fn problem(&self) -> Error {
        let words = match self.state() {
            PdfState::Unavailable => self.pdf.as_ref().and_then(|pdf| pdf.failure.as_ref()).map(|f| f.why.clone()),
            PdfState::Pending => Some("It is not fetched yet.".to_owned()),
            PdfState::None if !self.wanted => Some("The setting `pdf` is off.".to_owned()),
            PdfState::None | PdfState::Stored => None,
        };
        let words = words.unwrap_or_else(|| "None was fetched for this invoice.".to_owned());
        let problem = Problem::new(Code::PdfUnavailable, words);
        match self.next_attempt_at() {
            Some(at) => problem.with("next_attempt_at", at.to_string()).into(),
            None => problem.into(),
        }
    }
}

/// What is known of an invoice's PDF; `wanted` is the setting `pdf`.
///
/// # Errors
/// Storage.
pub async fn pdf_of(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId),
    invoice: i64,
    wanted: bool,
) -> Result<Pdf> {
    let (partner, connection) = of;
    let pdf = Key::InvoicePdf(partner.clone(), connection.clone(), invoice);
    let due = Key::PdfDue(partner.clone(), connection.clone(), invoice);
    let storage = &*ports.storage;
    let (pdf, due) =
        futures::try_join!(load::<InvoicePdf>(storage, scope, &pdf), load::<PdfDue>(storage, scope, &due))?;
    let value = |found: Versioned<InvoicePdf>| found.value;
    Ok(Pdf { pdf: pdf.map(value), due: due.map(|found| found.value), wanted })
}

/// A file to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PdfFile {
    /// By a link that lasts [`LINK_LASTS`].
    Link(Url),
    /// As it is.
    Bytes {
        /// The file.
        bytes: Bytes,
        /// What it is, and its name.
        label: BlobLabel,
        /// Its SHA-256 in hexadecimal digits.
        sha256: String,
    },
}

/// An invoice's PDF, to be served; `wanted` is the setting `pdf`.
///
/// # Errors
/// `not_found` for an invoice that is not there; `pdf_unavailable` where its PDF is not, with `next_attempt_at` if it
/// is tried again; `unavailable`.
pub async fn pdf_file(
    ports: &Ports,
    scope: &Scope,
    of: (&PartnerId, &ConnectionId),
    invoice: i64,
    wanted: bool,
) -> Result<PdfFile> {
    load_invoice(ports, scope, of.0, of.1, invoice).await?;
    let pdf = pdf_of(ports, scope, of, invoice, wanted).await?;
    let (Some(key), Some(stored)) = (pdf.blob(), pdf.stored()) else { return Err(pdf.problem()) };
    if let Some(link) = ports.blobs.link(scope, &key, LINK_LASTS).await.map_err(blob_problem)? {
        return Ok(PdfFile::Link(link));
    }
    let bytes = ports.blobs.get(scope, &key).await.map_err(blob_problem)?;
    let label = BlobLabel { content_type: "application/pdf", file_name: stored.file_name.clone() };
    Ok(PdfFile::Bytes { bytes, label, sha256: stored.sha256.clone() })
}

/// A failure of the file store as a caller is told.
/// What a caller is told of a file that cannot be had.
pub(in crate::invoices) fn blob_problem(error: BlobError) -> Error {
    match error {
        BlobError::Missing => Error::problem(Code::PdfUnavailable, "The file is not where it was kept."),
        BlobError::OutOfScope => Error::not_found("invoice"),
        BlobError::Unavailable(cause) => {
            tracing::warn!(error = %cause, "the file store is unavailable");
            Error::problem(Code::Unavailable, "The store of files does not answer.")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::blobs::Sha256Sum;
    use crate::invoices::pdf::PdfFailure;

    fn pdf(stored: bool, failed: bool, due: bool, wanted: bool) -> Pdf {
        let (partner, connection) = (PartnerId::new("acme").unwrap(), ConnectionId::new("con_1").unwrap());
        let (at, sha256) = (Timestamp::UNIX_EPOCH, Sha256Sum::of(b"x").to_string());
        let file = StoredPdf { sha256, size: 1, file_name: "a.pdf".to_owned(), at, of: String::new() };
        let failure = PdfFailure { why: "Gone.".to_owned(), since: at };
        let record = InvoicePdf {
            partner: partner.clone(),
            connection: connection.clone(),
            invoice: 1,
            stored: stored.then_some(file),
            failure: failed.then_some(failure),
        };
        let due = due.then_some(PdfDue { partner, connection, id: 1, at, attempts: 0 });
        Pdf { pdf: Some(record), due, wanted }
    }

    #[test]
    fn a_pdf_is_shown_only_while_nothing_newer_is_awaited() {
        use PdfState as S;
        for (stored, failed, due, wanted, state) in [
            (true, false, false, true, S::Stored),
            (true, false, false, false, S::Stored),
            (true, false, true, true, S::Pending),
            (true, true, true, true, S::Unavailable),
            (true, false, true, false, S::None),
            (true, true, false, true, S::None),
            (false, false, true, true, S::Pending),
            (false, true, true, true, S::Unavailable),
            (false, true, true, false, S::None),
            (false, false, false, true, S::None),
        ] {
            let pdf = pdf(stored, failed, due, wanted);
            let shown = (stored, failed, due, wanted);
            assert_eq!(pdf.state(), state, "{shown:?}");
            assert_eq!(pdf.blob().is_some(), state == S::Stored, "{shown:?}");
            assert_eq!(pdf.next_attempt_at().is_some(), matches!(state, S::Pending | S::Unavailable), "{shown:?}");
            assert_eq!(pdf.problem().code(), Some(Code::PdfUnavailable));
        }
    }
}
