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

/// A package of an account that is billed on a contract of its own, of the same company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageContract {
    /// Which package.
    pub package_id: PackageId,
    /// On which contract its line is looked for, and added where it is missing.
    pub contract: ContractRef,
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
    /// Packages that are billed on another contract of the company.
    #[serde(default)]
    pub contracts: Vec<PackageContract>,
    /// The lines.
    #[serde(default)]
    pub lines: Vec<MappedLine>,
    /// Lines that their package has left for another service, until they have 0 units.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<MappedLine>,
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

    /// Whether it holds its company and lines: a proposal or a refusal holds nothing.
    #[must_use]
    pub fn holds(&self) -> bool {
        matches!(self.status, MappingStatus::Confirmed | MappingStatus::Broken)
    }

    /// The contract that a package is billed on: its own, else the mapping's.
    #[must_use]
    pub fn contract_for(&self, package: &PackageId) -> Option<&ContractRef> {
        let own = self.contracts.iter().find(|own| own.package_id == *package);
        own.map(|own| &own.contract).or(self.contract.as_ref())
    }
}

/// Uniqueness of a company within a connection: exists while a mapping holds the company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredCompanyTaken")]
pub struct CompanyTaken {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// `Companies.id`.
    pub company_id: i64,
    /// Who holds it, by id: one account, several where the connection allows it; never none.
    pub accounts: Vec<AccountId>,
}

impl Record for CompanyTaken {
    const ENTITY: &'static str = "company_taken";
    fn key(&self) -> Key {
        Key::CompanyTaken(self.partner.clone(), self.connection.clone(), self.company_id)
    }
}

/// As it may be stored: with one `account`, before companies could have several.
#[derive(Deserialize)]
struct StoredCompanyTaken {
    partner: PartnerId,
    connection: ConnectionId,
    company_id: i64,
    #[serde(default)]
    accounts: Vec<AccountId>,
    account: Option<AccountId>,
}

impl From<StoredCompanyTaken> for CompanyTaken {
    fn from(stored: StoredCompanyTaken) -> Self {
        let StoredCompanyTaken { partner, connection, company_id, mut accounts, account } = stored;
        accounts.extend(account);
        Self { partner, connection, company_id, accounts }
    }
}

/// Whose count of what goes into a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LineHolder {
    /// Whose.
    pub account: AccountId,
    /// Of which package.
    pub package_id: PackageId,
}

/// Uniqueness of a contract line within a connection: exists while a mapping holds the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredLineTaken")]
pub struct LineTaken {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Which line.
    pub line: LineRef,
    /// Who holds it, by account: one, or several accounts of one company with the same package where their counts
    /// are summed; never none.
    pub holders: Vec<LineHolder>,
}

impl Record for LineTaken {
    const ENTITY: &'static str = "line_taken";
    fn key(&self) -> Key {
        Key::LineTaken(self.partner.clone(), self.connection.clone(), self.line)
    }
}

/// As it may be stored: with one `account` and `package_id`, before lines could have several.
#[derive(Deserialize)]
struct StoredLineTaken {
    partner: PartnerId,
    connection: ConnectionId,
    line: LineRef,
    #[serde(default)]
    holders: Vec<LineHolder>,
    account: Option<AccountId>,
    package_id: Option<PackageId>,
}

impl From<StoredLineTaken> for LineTaken {
    fn from(stored: StoredLineTaken) -> Self {
        let StoredLineTaken { partner, connection, line, mut holders, account, package_id } = stored;
        holders.extend(account.zip(package_id).map(|(account, package_id)| LineHolder { account, package_id }));
        Self { partner, connection, line, holders }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn account(id: &str) -> AccountId {
        AccountId::new(id).unwrap()
    }

    fn package(id: &str) -> PackageId {
        PackageId::new(id).unwrap()
    }

    #[test]
    fn what_was_stored_with_one_holder_is_read_as_a_list_of_one() {
        let of = json!({"partner": "acme", "connection": "con_1", "company_id": 7, "account": "a1"});
        let company: CompanyTaken = serde_json::from_value(of).unwrap();
        assert_eq!(company.accounts, [account("a1")]);
        let again: CompanyTaken = serde_json::from_value(serde_json::to_value(&company).unwrap()).unwrap();
        assert_eq!(again, company);
        let of = json!({"partner": "acme", "connection": "con_1", "line": LineRef::service(7), "account": "a1", "package_id": "p1"});
        let line: LineTaken = serde_json::from_value(of).unwrap();
        assert_eq!(line.holders, [LineHolder { account: account("a1"), package_id: package("p1") }]);
        let again: LineTaken = serde_json::from_value(serde_json::to_value(&line).unwrap()).unwrap();
        assert_eq!(again, line);
    }

    #[test]
    fn a_package_is_billed_on_its_own_contract_else_on_the_mappings() {
        let contract = |id: i64| json!({"id": id, "name": "C", "start": null, "end": null});
        let stored = json!({
            "partner": "acme", "connection": "con_1", "account": "a1", "status": "confirmed",
            "company": {"id": 1, "name": "Kite"}, "contract": contract(3), "source": "manual", "broken": null,
            "confirmed_at": null, "updated_at": "2026-11-20T11:00:00Z",
        });
        let before: Mapping = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(before.contract_for(&package("p1")).map(|c| c.id), Some(3), "stored without `contracts`");
        let mut with = stored.clone();
        with["contracts"] = json!([{"package_id": "p1", "contract": contract(4)}]);
        let with: Mapping = serde_json::from_value(with).unwrap();
        assert_eq!(with.contract_for(&package("p1")).map(|c| c.id), Some(4));
        assert_eq!(with.contract_for(&package("p2")).map(|c| c.id), Some(3));
        let mut without = stored;
        without["contract"] = serde_json::Value::Null;
        let without: Mapping = serde_json::from_value(without).unwrap();
        assert_eq!(without.contract_for(&package("p1")), None);
    }
}
