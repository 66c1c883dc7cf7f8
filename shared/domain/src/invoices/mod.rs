//! Invoices in, payments back: our copy of what Autotask billed, and what was paid of it.
//!
//! Autotask keeps no payments and tells no changes of an invoice; it knows when an invoice was made, voided and
//! paid, and what it says today. So everything here is a copy that is compared again: by id, with what is read.

pub mod archive;
pub mod customer;
pub mod customers;
pub mod fetch;
pub mod filtering;
pub mod filters;
mod forget;
pub mod integrity;
pub mod ledger;
pub mod lines;
mod numbers;
pub mod outstanding;
pub mod payments;
pub mod pdf;
pub mod read;
pub mod record;

pub use archive::{archive, unarchive};
pub use customer::{Address, Contact, Customer};
pub use filters::{CompanyFilter, Filters, FiltersRecord, UdfFilter};
pub(crate) use forget::forget;
pub use ledger::{Entry, Ledger, LedgerSums, Payment, ToldPayment};
pub use lines::load_lines;
pub use outstanding::{Outstanding, OutstandingBasis, status_of};
pub use read::{InvoiceFilter, clashing, list_invoices, load_invoice, stopped};
pub use record::{
    Check, Invoice, InvoiceLine, InvoiceStatus, LinesChunk, LinesRef, NumberHolders, OpenInvoice, PdfDue,
};

/// The feature's name in our API.
pub const FEATURE: &str = "invoices";

/// Bytes as text of hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
