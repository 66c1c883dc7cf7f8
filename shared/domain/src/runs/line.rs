//! A line of a run: what was, what is wanted, how that was reckoned, what a person decided, and the result.

use super::LineState;
use crate::actor::Role;
use crate::ids::{AccountId, LineKind, LineRef, PackageId};
use crate::packages::{QuantityRule, QuantitySource};
use crate::problem::Code;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What names a line of a run from its plan to its report, also while it has no id in Autotask yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineName {
    /// Whose.
    pub account: AccountId,
    /// Which package's.
    pub package: PackageId,
    /// Service or bundle.
    pub kind: LineKind,
    /// `serviceID` or `serviceBundleID`.
    pub service_id: i64,
    /// The line, where it is one of several of the same service.
    pub leaving: Option<LineRef>,
}

/// One count that goes into a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Whose.
    pub account: AccountId,
    /// Of which package.
    pub package: PackageId,
    /// What it adds, after the counting rule.
    pub count: i64,
    /// When the vendor counted or said so.
    pub as_of: Timestamp,
    /// How the count was made, in words: `newest of 20 daily counts`.
    pub how: String,
}

/// How a line's units were reckoned: the sum of its parts, then free, ratio, minimum, maximum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reckoning {
    /// Counted or told.
    pub source: QuantitySource,
    /// What goes into the line.
    pub parts: Vec<Part>,
    /// The rule.
    pub rule: QuantityRule,
    /// The sum of the parts.
    pub sum: i64,
    /// What the rule makes of it.
    pub units: i64,
}

/// What a person decided about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// Write it, whatever the guards say.
    Approve,
    /// Write this many units, or from this date.
    Adjust,
    /// Leave it alone in this period.
    Dismiss,
}

impl DecisionKind {
    /// The kind's text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DecisionKind::Approve => "approve",
            DecisionKind::Adjust => "adjust",
            DecisionKind::Dismiss => "dismiss",
        }
    }
}

/// A line of a plan as it was before anybody decided about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undecided {
    /// Where it stood.
    pub state: LineState,
    /// The code of its state.
    pub code: Option<Code>,
    /// In words.
    pub words: String,
    /// Units in Autotask at its date.
    pub units_now: Option<i64>,
    /// Units wanted.
    pub units_wanted: Option<i64>,
    /// From when.
    pub effective_date: Date,
    /// Estimate of the change of the monthly invoice.
    #[serde(default)]
    pub invoice_change: Option<Decimal>,
}

/// A person's word on a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What.
    pub kind: DecisionKind,
    /// Units, where adjusted.
    #[serde(default)]
    pub units: Option<i64>,
    /// From when, where adjusted.
    #[serde(default)]
    pub effective_date: Option<Date>,
    /// Why.
    #[serde(default)]
    pub note: Option<String>,
    /// Who.
    pub who: String,
    /// In which role.
    pub role: Role,
    /// When.
    pub at: Timestamp,
    /// The line before it, where the decision changed the line.
    #[serde(default)]
    pub was: Option<Box<Undecided>>,
}

/// One line of a run's plan and report: what was, what is wanted, and the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunLine {
    /// Its number, in the plan's order, from 1.
    pub no: u32,
    /// Whose count.
    pub account: AccountId,
    /// The account's name when planned.
    pub account_name: String,
    /// `Companies.id`.
    pub company_id: Option<i64>,
    /// The company's name as last seen.
    pub company_name: Option<String>,
    /// `Contracts.id`.
    pub contract_id: Option<i64>,
    /// The contract's name as last seen.
    pub contract_name: Option<String>,
    /// Whose count.
    pub package: PackageId,
    /// Service or bundle.
    pub kind: LineKind,
    /// `serviceID` or `serviceBundleID` of the line.
    pub service_id: i64,
    /// Which line; none while it is not on the contract yet.
    pub line: Option<LineRef>,
    /// Whether the package no longer belongs on this line: it goes to 0 units.
    #[serde(default)]
    pub leaving: bool,
    /// Whether this run added the line to the contract.
    #[serde(default)]
    pub created: bool,
    /// The service's name as last seen.
    pub service_name: String,
    /// How the units wanted were reckoned.
    #[serde(default)]
    pub reckoning: Option<Reckoning>,
    /// What a person decided.
    #[serde(default)]
    pub decision: Option<Decision>,
    /// Units in Autotask when planned.
    pub units_now: Option<i64>,
    /// The vendor's count.
    pub count: Option<i64>,
    /// When the vendor counted: orders targets.
    pub count_as_of: Option<Timestamp>,
    /// Units wanted.
    pub units_wanted: Option<i64>,
    /// Unit cost in Autotask when planned, where read.
    #[serde(default)]
    pub cost_now: Option<Decimal>,
    /// Unit cost wanted, where Overwrite Cost is on.
    #[serde(default)]
    pub cost_wanted: Option<Decimal>,
    /// Estimate of the change of the monthly invoice: units difference × unit price, where readable.
    #[serde(default)]
    pub invoice_change: Option<Decimal>,
    /// From when.
    pub effective_date: Date,
    /// Whether the covering row is approved and posted.
    pub period_billed: bool,
    /// Units that we last wrote, where Autotask now shows others.
    pub drift_from: Option<i64>,
    /// Where it stands.
    pub state: LineState,
    /// The code of its state, where there is one.
    pub code: Option<Code>,
    /// In words a partner understands.
    pub words: String,
    /// The unit change that was sent, if any.
    pub sent: Option<i64>,
    /// Units as read after the write.
    pub verified_units: Option<i64>,
    /// `itemId` of the adjustment, where Autotask told.
    pub adjustment_id: Option<i64>,
}

impl RunLine {
    /// What names the line.
    #[must_use]
    pub fn name(&self) -> LineName {
        LineName {
            account: self.account.clone(),
            package: self.package.clone(),
            kind: self.kind,
            service_id: self.service_id,
            leaving: self.line.filter(|_| self.leaving),
        }
    }
}
