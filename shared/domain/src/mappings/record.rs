use crate::ids::{AccountId, ConnectionId, LineRef, PackageId, PartnerId};
use crate::problem::Code;
use crate::records::{Key, Record};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Where a mapping stands. An account without a record is `unmapped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MappingStatus {
    /// Proposed by auto-map; never billed.
    Suggested,
    /// A person said yes.
    Confirmed,
    /// A person said: not this account.
    Excluded,
    /// Something it points at is gone; not billed until mapped again.
    Broken,
}

/// Where a mapping came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MappingSource {
    /// The primary contact's e-mail address.
    Email,
    /// The exact company name.
    Name,
    /// A person.
    Manual,
    /// A CSV import.
    Csv,
    /// A renewal that was followed.
    Renewal,
}

/// An Autotask company, with its name as last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanyRef {
    /// `Companies.id`.
    pub id: i64,
    /// `companyName` when last read; never used to find it.
    pub name: String,
}

/// An Autotask contract, with its facts as last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractRef {
    /// `Contracts.id`.
    pub id: i64,
    /// `contractName` when last read.
    pub name: String,
    /// `startDate` as the tenant's calendar date.
    pub start: Option<Date>,
    /// `endDate` as the tenant's calendar date.
    pub end: Option<Date>,
}

/// A contract line that receives an account's count of one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedLine {
    /// Whose count.
    pub package_id: PackageId,
    /// Which line.
    pub line: LineRef,
    /// `serviceID` or `serviceBundleID` of the line.
    pub service_id: i64,
    /// The service's name when last read.
    pub service_name: String,
    /// Overwrite Cost of this line; absent: the package's, then the connection's.
    pub overwrite_cost: Option<bool>,
}

/// Why a mapping no longer works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// What is gone.
    pub code: Code,
    /// In words.
    pub detail: String,
    /// Since when we know.
    pub since: Timestamp,
}

/// An account's mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Which account.
    pub account: AccountId,
    /// Where it stands.
    pub status: MappingStatus,
    /// The company; absent only when excluded.
    pub company: Option<CompanyRef>,
    /// The contract used for billing; a mapping without one is valid and never billed.
    pub contract: Option<ContractRef>,
    /// The lines.
    #[serde(default)]
    pub lines: Vec<MappedLine>,
    /// Where it came from.
    pub source: MappingSource,
    /// Why it is broken.
    pub broken: Option<Broken>,
    /// A person paused this account.
    #[serde(default)]
    pub paused: bool,
    /// When a person confirmed it.
    pub confirmed_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Record for Mapping {
    const ENTITY: &'static str = "mapping";
    fn key(&self) -> Key {
        Key::Mapping(self.partner.clone(), self.connection.clone(), self.account.clone())
    }
}

impl Mapping {
    /// Whether its lines are written by runs.
    #[must_use]
    pub fn is_billable(&self) -> bool {
        self.status == MappingStatus::Confirmed && self.contract.is_some() && !self.lines.is_empty() && !self.paused
    }
}

/// Uniqueness of a company within a connection: exists while a mapping holds the company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanyTaken {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// `Companies.id`.
    pub company_id: i64,
    /// Who holds it.
    pub account: AccountId,
}

impl Record for CompanyTaken {
    const ENTITY: &'static str = "company_taken";
    fn key(&self) -> Key {
        Key::CompanyTaken(self.partner.clone(), self.connection.clone(), self.company_id)
    }
}

/// Uniqueness of a contract line within a connection: exists while a mapping holds the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineTaken {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Which line.
    pub line: LineRef,
    /// Who holds it.
    pub account: AccountId,
    /// For which package.
    pub package_id: PackageId,
}

impl Record for LineTaken {
    const ENTITY: &'static str = "line_taken";
    fn key(&self) -> Key {
        Key::LineTaken(self.partner.clone(), self.connection.clone(), self.line)
    }
}
