#![doc = include_str!("../README.md")]

mod invoices;
mod made_up;
mod nothing_kept;
mod webhook;

pub use invoices::{Report, measure as bench_invoices};
pub use webhook::measure as bench_webhook;
