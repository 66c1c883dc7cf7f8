//! Choosing what is fetched: checking filters, saving them, and what they would make appear and stop.

mod check;
mod preview;
mod save;
mod wider;

pub use check::{FilterWarning, IDS_MAX, LABELS_MAX};
pub use preview::{Effect, InvoiceCounts};
pub use save::{Previewed, Saved, get_filters, preview_filters, save_filters};

pub(crate) use check::{Checked, below, bounds, decoded, refused, resolve};
