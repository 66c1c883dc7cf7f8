//! One fetch, and how far the fetching of a connection has come.

use super::unread::Unread;
use crate::ids::{ConnectionId, PartnerId, RunId};
use crate::problem::Code;
use crate::records::{Key, Record};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long an ended fetch is kept: a quarter, to look into what was fetched when.
pub const FETCH_KEPT: SignedDuration = SignedDuration::from_hours(24 * 92);

/// What a fetch looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchKind {
    /// Everything that the filters let through: after connecting, and when they let more through than before.
    Import,
    /// What is new or was paid or voided since the checkpoint, and changed customers.
    New,
    /// All that is open here or in Autotask.
    Open,
}

impl FetchKind {
    /// The kind as in our API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FetchKind::Import => "import",
            FetchKind::New => "new",
            FetchKind::Open => "open",
        }
    }
}

/// Why a fetch was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchTrigger {
    /// Its time had come.
    Schedule,
    /// A person pressed a button.
    Manual,
}

/// Where a fetch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchState {
    /// Nobody has begun.
    Queued,
    /// It is worked on, or waits for Autotask.
    Running,
    /// It ended; some rows could not be read.
    Partial,
    /// It ended without having seen everything.
    Failed,
    /// It ended.
    Done,
}

impl FetchState {
    /// Whether it has ended.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, FetchState::Partial | FetchState::Failed | FetchState::Done)
    }
}

/// Where a fetch goes on. `after` is the id up to which everything is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "at")]
pub enum Step {
    /// All companies that the filters let through.
    Customers {
        /// `Companies.id`.
        after: i64,
    },
    /// Companies that have changed.
    ChangedCompanies {
        /// `Companies.id`.
        after: i64,
    },
    /// Contacts that have changed.
    ChangedContacts {
        /// `Contacts.id`.
        after: i64,
    },
    /// All invoices that the filters let through, or those that are new.
    Invoices {
        /// `Invoices.id`.
        after: i64,
    },
    /// Invoices of customers that the filters let through only now.
    Backfill {
        /// `Invoices.id`.
        after: i64,
    },
    /// What is open here or there.
    Open {
        /// `Invoices.id`.
        after: i64,
    },
    /// What is closed, as much of it as a day takes.
    Closed {
        /// Pages that the day may still take.
        pages: u32,
    },
    /// Nothing is left.
    End,
}

/// How far the look at all invoices has come, a part of which is done each day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Round {
    /// `Invoices.id` up to which they were looked at.
    pub after: i64,
    /// How many were looked at.
    pub rows: u32,
    /// How many there were in the round before.
    pub rows_before: u32,
}

/// What a fetch has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Customers that Autotask returned.
    pub customers_seen: u32,
    /// Customers whose copy changed.
    pub customers_changed: u32,
    /// Invoices that Autotask returned.
    pub invoices_seen: u32,
    /// Invoices that are new here.
    pub invoices_created: u32,
    /// Invoices whose copy changed.
    pub invoices_changed: u32,
    /// Invoices that Autotask no longer returns.
    pub invoices_missing: u32,
    /// Invoices that a filter keeps out.
    pub invoices_hidden: u32,
    /// Lines read.
    pub lines: u32,
    /// Rows that lack what an invoice needs.
    pub unreadable: u32,
    /// Calls to Autotask.
    pub calls: u32,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Counts) {
        let Counts { customers_seen, customers_changed, invoices_seen, invoices_created, invoices_changed, .. } =
            *other;
        let Counts { invoices_missing, invoices_hidden, lines, unreadable, calls, .. } = *other;
        for (own, other) in [
            (&mut self.customers_seen, customers_seen),
            (&mut self.customers_changed, customers_changed),
            (&mut self.invoices_seen, invoices_seen),
            (&mut self.invoices_created, invoices_created),
            (&mut self.invoices_changed, invoices_changed),
            (&mut self.invoices_missing, invoices_missing),
            (&mut self.invoices_hidden, invoices_hidden),
            (&mut self.lines, lines),
            (&mut self.unreadable, unreadable),
            (&mut self.calls, calls),
        ] {
            *own = own.saturating_add(other);
        }
    }
}

/// Since when more than what is new is to be read. A fetch takes note of it when it is started, so that what is wanted
/// meanwhile, whatever somebody's clock says, is left to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// Everything, as the filters let more through.
    pub import: Option<Timestamp>,
    /// All customers, as the filters keep more of them out.
    pub customers: Option<Timestamp>,
}

impl Wanted {
    /// A mark that differs from the present one.
    #[must_use]
    pub fn mark(present: Option<Timestamp>, now: Timestamp) -> Timestamp {
        match present {
            Some(at) if at >= now => at.checked_add(SignedDuration::from_nanos(1)).unwrap_or(at),
            _ => now,
        }
    }
}

/// One fetch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fetch {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Its id; UUID v7.
    pub id: RunId,
    /// What it looks for.
    pub kind: FetchKind,
    /// Why it was started.
    pub trigger: FetchTrigger,
    /// Who started it.
    pub who: String,
    /// Where it stands.
    pub state: FetchState,
    /// Where it goes on.
    pub step: Step,
    /// What changed from this instant on is looked for; absent: everything.
    pub since: Option<Timestamp>,
    /// Whether nothing had been fetched before.
    #[serde(default)]
    pub first_import: bool,
    /// What was wanted when it was started, and is there when it has ended.
    #[serde(default)]
    pub wanted: Wanted,
    /// What was made before this was made before anything was fetched.
    #[serde(default)]
    pub history_until: Option<Timestamp>,
    /// Customers that the filters let through only now, and whose invoices are being read.
    #[serde(default)]
    pub backfill: Vec<Unread>,
    /// How far its look at closed invoices has come; absent where it has not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<Round>,
    /// What it has done.
    pub counts: Counts,
    /// When it was started: what it has seen, it has seen not before this.
    pub started_at: Timestamp,
    /// When a page was first done.
    #[serde(default)]
    pub first_page_at: Option<Timestamp>,
    /// When somebody last worked on it.
    pub touched_at: Timestamp,
    /// Which invocation works on it, and until when it may.
    #[serde(default)]
    pub worker: Option<(String, Timestamp)>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// Why it failed, or what it waits for.
    #[serde(default)]
    pub problem: Option<(Code, String)>,
}

impl Record for Fetch {
    const ENTITY: &'static str = "fetch";
    fn key(&self) -> Key {
        Key::Fetch(self.partner.clone(), self.connection.clone(), self.id.clone())
    }
    fn expires(&self) -> Option<Timestamp> {
        self.ended_at.and_then(|at| at.checked_add(FETCH_KEPT).ok())
    }
}

/// The fetch that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// Which.
    pub id: RunId,
    /// Of what kind.
    pub kind: FetchKind,
}

/// How a fetch of a kind last ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Last {
    /// Which.
    pub id: RunId,
    /// How.
    pub state: FetchState,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What it did.
    pub counts: Counts,
    /// Why it failed.
    #[serde(default)]
    pub problem: Option<(Code, String)>,
}

/// How far the fetching of a connection has come. At most one fetch is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Everything that was so in Autotask at this instant is here; absent until the first import has ended.
    pub checkpoint: Option<Timestamp>,
    /// Since when everything is to be read again, as the filters let more through.
    #[serde(default)]
    pub import_wanted_at: Option<Timestamp>,
    /// Since when all customers are to be read again, as the filters keep more of them out.
    #[serde(default)]
    pub customers_wanted_at: Option<Timestamp>,
    /// When the first import was started; absent until it has ended.
    #[serde(default)]
    pub first_import_at: Option<Timestamp>,
    /// How far the daily look at closed invoices has come.
    #[serde(default)]
    pub round: Round,
    /// The fetch that is under way.
    pub active: Option<Active>,
    /// How each kind last ended.
    #[serde(default)]
    pub last: BTreeMap<FetchKind, Last>,
    /// When *Fetch New Data* was last pressed and taken.
    #[serde(default)]
    pub fetch_new_at: Option<Timestamp>,
    /// When *Fetch Unpaid Invoices* was last pressed and taken.
    #[serde(default)]
    pub fetch_unpaid_at: Option<Timestamp>,
}

impl Progress {
    /// Of a connection for which nothing was fetched yet.
    #[must_use]
    pub fn new(partner: &PartnerId, connection: &ConnectionId) -> Self {
        Self {
            partner: partner.clone(),
            connection: connection.clone(),
            checkpoint: None,
            import_wanted_at: None,
            customers_wanted_at: None,
            first_import_at: None,
            round: Round::default(),
            active: None,
            last: BTreeMap::new(),
            fetch_new_at: None,
            fetch_unpaid_at: None,
        }
    }
}

impl Record for Progress {
    const ENTITY: &'static str = "fetch_state";
    fn key(&self) -> Key {
        Key::FetchState(self.partner.clone(), self.connection.clone())
    }
}
