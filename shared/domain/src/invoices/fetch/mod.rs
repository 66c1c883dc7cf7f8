//! Fetching: one path for the first import, the hourly look at what is new, the daily look at what is open, and the
//! same at the press of a button.
//!
//! A fetch goes from step to step and from page to page, in the order of Autotask's ids, and remembers after each page
//! up to which id everything is done: whoever takes it up again repeats at most that page. What it finds is compared
//! with our copy by id and written with the event that tells of it, so that a page that is read twice changes nothing
//! the second time. The checkpoint moves only when a fetch has ended, to the instant at which it was started.

mod closed;
mod currencies;
mod customers;
mod due;
mod invoices;
mod lines;
mod one;
mod open;
mod place;
mod record;
mod refresh;
mod run;
mod start;
mod status;
mod theirs;
mod unread;
mod upsert;
mod vanished;
mod visit;
mod work;

pub use due::{Ticked, tick};
pub use one::{Asked, Explained, Resynced, Verdict, explain, resync};
pub use record::{Active, Counts, Fetch, FetchKind, FetchState, FetchTrigger, Last, Progress, Round, Step, Wanted};
pub use run::work;
pub use start::{next_allowed, press, progress_of};
pub use status::{SyncStatus, sync_status};
pub use unread::Unread;
pub use work::{FetchMessage, FetchRef};

pub(crate) use refresh::refresh_customers;
pub(crate) use unread::UnreadCustomer;

pub(super) use customers::told as told_of_customer;
pub(crate) use upsert::told;
