//! What is kept of PDFs, besides the files.

use super::window::Window;
use crate::blobs::{BlobKey, Sha256Sum};
use crate::ids::{ConnectionId, PartnerId};
use crate::records::{Key, Record};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A PDF that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPdf {
    /// SHA-256 of the file, 64 hexadecimal digits. With the invoice it names the file.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// The name it is saved under, made harmless.
    pub file_name: String,
    /// When this content was fetched first.
    pub at: Timestamp,
    /// [`Invoice::digest`](super::super::Invoice) as it was then.
    pub of: String,
}

/// Why the newest PDF is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PdfFailure {
    /// In words.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

/// An invoice's PDF: where it is kept, or why it is not. When it is tried again stands in its
/// [`PdfDue`](super::super::PdfDue).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoicePdf {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Of which invoice: `Invoices.id`.
    pub invoice: i64,
    /// The file. With a failure: one of before the invoice changed.
    pub stored: Option<StoredPdf>,
    /// Why there is none, or no newer one.
    pub failure: Option<PdfFailure>,
}

impl InvoicePdf {
    /// The file's name in the store of files; none where none is kept.
    #[must_use]
    pub fn blob(&self) -> Option<BlobKey> {
        let sum = Sha256Sum::parse(&self.stored.as_ref()?.sha256)?;
        Some(BlobKey::invoice_pdf(&self.partner, &self.connection, self.invoice, sum))
    }
}

impl Record for InvoicePdf {
    const ENTITY: &'static str = "invoice_pdf";
    fn key(&self) -> Key {
        Key::InvoicePdf(self.partner.clone(), self.connection.clone(), self.invoice)
    }
}

/// How long the record of the fetching is kept that nobody uses: far longer than the window counts.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// The fetching of a connection's PDFs: who does it, and how many bytes came of late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PdfWork {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// The invocation that fetches, and until when it may.
    #[serde(default)]
    pub worker: Option<(String, Timestamp)>,
    /// When the message that goes on is to be seen, where one was sent.
    #[serde(default)]
    pub next_at: Option<Timestamp>,
    /// What came of late.
    #[serde(default)]
    pub window: Window,
    /// When the record was last written.
    pub at: Timestamp,
}

impl Record for PdfWork {
    const ENTITY: &'static str = "pdf_work";
    fn key(&self) -> Key {
        Key::PdfWork(self.partner.clone(), self.connection.clone())
    }
    fn expires(&self) -> Option<Timestamp> {
        self.at.checked_add(KEPT).ok()
    }
}
