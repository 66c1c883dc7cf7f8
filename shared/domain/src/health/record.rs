use crate::ids::{ConnectionId, PartnerId};
use crate::issues::Fix;
use crate::problem::Code;
use crate::records::{Key, Record};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A line, or the whole run, would not be written.
    Blocking,
    /// Lines are written; something else is not as it should be.
    Warning,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct About {
    /// `connection`, `permission`, `setting`, `account`, `line`, `package`, `package_change` or `run`.
    pub kind: String,
    /// Its id: of an account, a setting's name, `svc-789`.
    pub id: String,
    /// Its name, where it has one.
    pub name: Option<String>,
}

/// Something that stands in the way of the next run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// On what.
    pub about: About,
    /// On what, as issues name it.
    #[serde(default)]
    pub subject: String,
    /// In words.
    pub words: String,
    /// How much it matters.
    pub severity: Severity,
    /// The call that puts it right, where one does.
    #[serde(default)]
    pub fix: Option<Fix>,
}

/// The newest answer to "is everything ready for the next run?".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthReport {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// When it was made.
    pub checked_at: Timestamp,
    /// The run that it looks ahead to; none where none is due by itself.
    pub slot: Option<Timestamp>,
    /// The newest slot that was checked by itself: once for each.
    pub checked_slot: Option<Timestamp>,
    /// Share of billable lines that nothing blocks, 0 to 100, rounded down.
    pub score: u8,
    /// Lines that the run is to write.
    pub lines: u32,
    /// Lines that nothing blocks.
    pub ready: u32,
    /// Blocking findings.
    pub blocking: u32,
    /// Other findings.
    pub warnings: u32,
    /// Blocking ones first.
    pub findings: Vec<Finding>,
    /// Findings that are counted and not listed.
    pub findings_left_out: u32,
    /// Accounts whose mappings were not looked at in Autotask: there are too many for somebody who waits.
    pub accounts_left_out: u32,
    /// Calls made to Autotask.
    pub autotask_calls: u32,
}

impl Record for HealthReport {
    const ENTITY: &'static str = "health_report";
    fn key(&self) -> Key {
        Key::HealthReport(self.partner.clone(), self.connection.clone())
    }
}
