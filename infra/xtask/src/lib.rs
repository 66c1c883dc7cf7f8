#![doc = include_str!("../README.md")]

mod invoices;
mod made_up;
mod nothing_kept;

pub use invoices::{Report, measure as bench_invoices};
