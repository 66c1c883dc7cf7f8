//! Payments back: what was paid of invoices, and telling Autotask of it.
//!
//! Autotask's API has no payments. Of an invoice it takes one date, `paidDate`: absolute, so that writing it twice is
//! writing it once. The ledger says what was paid; what Autotask should have follows from it ([`wanted`]); a
//! [`Writeback`] stands while Autotask does not have it yet.

mod books;
mod compare;
mod due;
mod fail;
mod read;
mod record;
mod retold;
mod send;
mod tell;
mod wanted;

pub use books::{IN_STEP_WRITES_MAX, Nudge, in_step, in_step_with};
pub use due::{PaymentsMessage, sweep, work, write_now};
pub use read::{Standing, State, read_payments};
pub use record::{Intent, LastProblem, Writeback};
pub use tell::{
    AMOUNT_MAX, AMOUNT_PLACES_MAX, CreditInput, ENTRIES_MAX, Outcome, PaymentInput, Recorded, Refund, Unknown,
    delete_credit, delete_payment, record_credit, record_payment,
};
pub use wanted::{Next, Trouble, Wanted, paid_in_full_on, reconsider, troubles, wanted};
