//! Believable contents for a database, the same each time.

mod demo;
mod invoices;
mod lines;
mod names;

pub use demo::{DemoAccount, DemoLine, DemoMsp, demo_msp};
pub use invoices::DemoInvoices;
pub use lines::{LinesSpec, SeededLine, lines, lines_of};
