#![doc = include_str!("../README.md")]

mod adjust;
mod api;
mod auth;
mod behaviour;
mod by_hand;
mod callouts;
mod cell;
mod clock;
mod faults;
mod filter;
mod inspect;
mod limits;
mod metadata;
mod periods;
mod persist;
mod query;
mod refusal;
mod routes;
mod rows;
mod schema;
pub mod seed;
mod server;
mod show;
mod sim;
mod spans;
mod spec;
mod state;
mod switches;
mod table;
mod tables;
mod transport;
mod units;
mod webhooks;
mod wire;
mod write;

pub use api::GET_URL_MAX;
pub use by_hand::MadeInvoice;
pub use callouts::{
    CALLOUT_ATTEMPTS, CALLOUT_FAILURES_MAX, CALLOUT_RETRY_SECONDS, Callout, CalloutOutcome, Delivery, HttpOutbound,
    LOGGED_PAYLOAD_MAX, Outbound, Reach,
};
pub use clock::{Clock, ManualClock};
pub use faults::{ActiveFault, BadPage, Fault, FaultKind, Match};
pub use filter::OR_CONDITIONS_MAX;
pub use limits::{THREADS_MAX, THRESHOLD_MINUTES};
pub use schema::{MODELS, OPERATIONS, operations, served_fields};
pub use sim::{CALLOUT_TIMEOUT, Options, Simulator, SimulatorError};
pub use spec::{Access, Database, DatabaseSpec, HOURLY_THRESHOLD, LOCKED_AFTER, Level, PAGE_SIZE_MAX, Permissions};
pub use state::{AppliedAdjustment, LoggedRequest};
pub use switches::{
    Allow, Clearing, CreatedLineUnits, DateValues, DeactivatedQueue, FutureRows, HourlyCap, InvoiceTotal,
    MaxRecordsCapital, MissingItem, PdfForm, PeriodStart, PeriodTypeForm, RenewedPoints, Switches, Unwritable,
    UserAccessForm,
};
pub use wire::{Answer, Outcome, Response, WireRequest};
