//! Tickets in Autotask about runs that fail, where a partner wants them: off unless the settings say so.
//!
//! One ticket for each failure, however often it comes: made when a run fails, with a note for each later run that
//! fails, and closed when the failure is gone. A ticket that a person closed is that person's; what fails after that
//! gets another one.

mod hear;
mod record;
mod settings;
mod words;
mod work;

pub use hear::hear_run;
pub use record::{FailureTicket, Said, Step, TicketIntent, TicketRef};
pub use settings::{FailureTicketSettings, TicketPer, check_settings};
pub use work::tick;
