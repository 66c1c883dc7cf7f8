//! What is still to be told Autotask of an invoice's payment.

use crate::ids::{ConnectionId, PartnerId};
use crate::problem::Code;
use crate::records::{Index, Key, Record};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A request that was about to be sent, and of which it is not known yet what became. Stored before it leaves; while
/// there is one, no other is sent: a late one could undo it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The `paidDate` that it sets; absent: it clears it.
    pub paid_on: Option<Date>,
    /// Until when it may leave.
    pub sent_by: Timestamp,
}

/// Why Autotask was not told yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastProblem {
    /// What.
    pub code: Code,
    /// In words.
    pub detail: String,
}

/// That Autotask's `paidDate` of an invoice is to be brought to what the ledger says. Gone as soon as it is, or as
/// nothing is wanted any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writeback {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Of which invoice.
    pub invoice: i64,
    /// The `paidDate` that is wanted; absent: none.
    pub desired: Option<Date>,
    /// Since when something is wanted.
    pub since: Timestamp,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// Not before this.
    pub next_at: Timestamp,
    /// The request that may be under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Intent>,
    /// Whether a PATCH was the last that was sent to clear the date: should it still be there, a PUT is next.
    #[serde(default)]
    pub patched: bool,
    /// Why it is not done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_problem: Option<LastProblem>,
    /// Whether somebody was told that it does not work.
    #[serde(default)]
    pub told: bool,
}

impl Record for Writeback {
    const ENTITY: &'static str = "payment_writeback";
    fn key(&self) -> Key {
        Key::Writeback(self.partner.clone(), self.connection.clone(), self.invoice)
    }
    fn index(&self) -> Option<Index> {
        Some(Index::Writeback { at: self.next_at })
    }
}
