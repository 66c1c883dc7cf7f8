//! What we remember of one contract line.

use crate::ids::{ConnectionId, LineRef, PartnerId, RunId};
use crate::records::{Key, Record};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The order of targets: by what they were computed from. Compared field by field, so that a target computed from
/// newer sources is newer, and one computed from the same sources is neither older nor newer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seq {
    /// The newest of all sources: the count's `as_of`, the mapping's change, a person's press.
    pub at: Timestamp,
    /// The count's `as_of`.
    pub count_as_of: Timestamp,
    /// The vendor's own name of the count, as the last resort.
    pub id: String,
}

/// The newest target of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Units.
    pub units: i64,
    /// From when.
    pub effective_date: Date,
    /// Unit cost, where it is overwritten too.
    pub cost: Option<Decimal>,
    /// Its place in the order of targets.
    pub seq: Seq,
}

/// Why an adjustment is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The run's own target.
    Target,
    /// What we had set for one of our own later dates is taken back, before the run's own target, which counts there,
    /// too.
    Levelling,
    /// A change before one of our own later dates moved the units there; this moves them back.
    Correction,
}

/// A POST that may be on its way. While it is open nobody posts for this line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Counts the line's intents; closing names it.
    pub attempt: u64,
    /// Who.
    pub run: RunId,
    /// How often this run has tried, this time included.
    pub tries: u32,
    /// Why.
    pub purpose: Purpose,
    /// Units read before.
    pub units_before: i64,
    /// Units wanted.
    pub target: i64,
    /// From when.
    pub effective_date: Date,
    /// Until when the POST may leave.
    pub sent_by: Timestamp,
    /// Autotask answered 2xx: never posted again, whatever reads show.
    #[serde(default)]
    pub acked: bool,
    /// What Autotask said, where its answer leaves open whether it was applied.
    #[serde(default)]
    pub heard: Option<String>,
}

/// How an intent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered and seen.
    Verified,
    /// Not answered, and seen after the settling time.
    Applied,
    /// Not answered, and not seen after the settling time.
    NotApplied,
    /// Did not leave, or was refused before anything was done.
    NotSent,
    /// Autotask said no.
    Refused,
    /// Units are neither as before nor as wanted, or an answered change is not seen: for a person.
    Held,
}

/// The last intent that was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Which.
    pub attempt: u64,
    /// Whose.
    pub run: RunId,
    /// How often that run had tried.
    pub tries: u32,
    /// Units before it.
    pub units_before: i64,
    /// Units it wanted.
    pub target: i64,
    /// From when.
    pub effective_date: Date,
    /// How it ended.
    pub outcome: Outcome,
    /// What Autotask had said.
    #[serde(default)]
    pub heard: Option<String>,
    /// When it was closed.
    pub at: Timestamp,
}

/// Units to be restored at one of our own later dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// From when.
    pub date: Date,
    /// To how many.
    pub units: i64,
    /// How often that was tried.
    #[serde(default)]
    pub tries: u32,
}

/// One contract line in our ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitLine {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Which line.
    pub line: LineRef,
    /// How many intents it has had.
    pub attempts: u64,
    /// The newest target.
    pub desired: Option<Desired>,
    /// The intent that is open.
    pub open: Option<Intent>,
    /// The last intent of a run's own target that was closed, and what was in its way.
    pub last: Option<Closed>,
    /// Dates at which we changed units, newest last.
    #[serde(default)]
    pub kept: Vec<Date>,
    /// A correction that is still to be made.
    #[serde(default)]
    pub owed: Option<Owed>,
    /// The run that has taken back what was set for later, and has not written its own target yet.
    #[serde(default)]
    pub levelled_by: Option<RunId>,
}

impl Record for UnitLine {
    const ENTITY: &'static str = "unit_line";
    fn key(&self) -> Key {
        Key::UnitLine(self.partner.clone(), self.connection.clone(), self.line)
    }
}

impl UnitLine {
    /// Since when, or from when on, the line has nothing, if that is what we wrote last.
    #[must_use]
    pub fn empty_from(&self) -> Option<Date> {
        let last = self.last.as_ref().filter(|_| self.open.is_none() && self.levelled_by.is_none())?;
        let done = matches!(last.outcome, Outcome::Verified | Outcome::Applied) && last.target == 0;
        let newest = self.desired.as_ref().is_some_and(|desired| desired.units == 0);
        (done && newest).then_some(last.effective_date)
    }

    /// Whether a run has sent anything for the line that matters to what it does next.
    #[must_use]
    pub fn begun_by(&self, run: &RunId) -> bool {
        let open = self.open.as_ref().is_some_and(|open| open.run == *run);
        open || self.levelled_by.as_ref() == Some(run) || self.last.as_ref().is_some_and(|last| last.run == *run)
    }

    /// A line that we have never changed.
    #[must_use]
    pub fn new(partner: &PartnerId, connection: &ConnectionId, line: LineRef) -> Self {
        Self {
            partner: partner.clone(),
            connection: connection.clone(),
            line,
            attempts: 0,
            desired: None,
            open: None,
            last: None,
            kept: Vec::new(),
            owed: None,
            levelled_by: None,
        }
    }
}
