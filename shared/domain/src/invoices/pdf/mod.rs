//! PDFs of invoices: fetched on a queue of their own, one connection at a time and one file after the other, so that no
//! invoice waits for its PDF.
//!
//! What is to be fetched stands in [`PdfDue`](super::PdfDue) rows, written with the invoice; whoever writes them calls
//! [`ask`] afterwards. A file is kept first and recorded then, in one transaction with the end of its row: a kill in
//! between leaves a file that the next fetch overwrites with itself.

mod again;
mod fetch;
mod judge;
mod read;
mod record;
mod window;
mod work;

pub use again::again;
pub use judge::{RETRY_DAILY, RETRY_DAILY_AFTER, RETRY_HOURLY};
pub(super) use read::blob_problem;
pub use read::{LINK_LASTS, Pdf, PdfFile, PdfState, pdf_file, pdf_of};
pub use record::{InvoicePdf, PdfFailure, PdfWork, StoredPdf};
pub use window::{WINDOW, WINDOW_BYTES_MAX, Window};
pub use work::{PdfMessage, ask, work};
