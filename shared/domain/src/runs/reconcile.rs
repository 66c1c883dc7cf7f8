//! What the vendor counts against what Autotask has, today, without writing anything.

use super::{LineState, Period, Run, RunKind, RunLine, RunMode, Trigger, orphans, start};
use crate::actor::{Actor, Scope};
use crate::billing;
use crate::calendar::month_of;
use crate::connections::{Settings, load_connection};
use crate::ids::{AccountId, ConnectionId, LineRef, PackageId, PartnerId};
use crate::mappings::{Mapping, MappingStatus};
use crate::packages::{self, PackageMapping, QuantitySource};
use crate::ports::{Ports, Read};
use crate::problem::{Code, Result};
use crate::records::{Collection, Record, load_all};
use crate::vendor::{Account, AccountClaim, Usage};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a finding says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// Units are the count.
    Match,
    /// Autotask has fewer units than the vendor counts.
    UnderBilled,
    /// Autotask has more.
    OverBilled,
    /// Units or count cannot be seen.
    NotComparable,
    /// The vendor counts seats of an account that no line bills.
    UnmappedAccount,
    /// Autotask bills a line of the vendor's that no account is mapped to.
    LineWithoutAccount,
    /// Somebody excluded the account, or another PSA bills it.
    Excluded,
}

impl Bucket {
    /// Every bucket.
    pub const ALL: &'static [Bucket] = &[
        Bucket::Match,
        Bucket::UnderBilled,
        Bucket::OverBilled,
        Bucket::NotComparable,
        Bucket::UnmappedAccount,
        Bucket::LineWithoutAccount,
        Bucket::Excluded,
    ];

    /// The bucket's text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Bucket::Match => "match",
            Bucket::UnderBilled => "under_billed",
            Bucket::OverBilled => "over_billed",
            Bucket::NotComparable => "not_comparable",
            Bucket::UnmappedAccount => "unmapped_account",
            Bucket::LineWithoutAccount => "line_without_account",
            Bucket::Excluded => "excluded",
        }
    }
}

/// One row of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What it says.
    pub bucket: Bucket,
    /// Whose count.
    pub account: Option<AccountId>,
    /// The account's name.
    pub account_name: Option<String>,
    /// `Companies.id`.
    pub company_id: Option<i64>,
    /// The company's name as last seen.
    pub company_name: Option<String>,
    /// `Contracts.id`.
    pub contract_id: Option<i64>,
    /// The contract's name as last seen.
    pub contract_name: Option<String>,
    /// Whose count.
    pub package: Option<PackageId>,
    /// Which line.
    pub line: Option<LineRef>,
    /// The service's name.
    pub service_name: Option<String>,
    /// The vendor's count.
    pub count: Option<i64>,
    /// When the vendor counted.
    pub count_as_of: Option<Timestamp>,
    /// Units that the counts come to after the package's rules, where they differ from the count.
    pub reckoned: Option<i64>,
    /// Units in Autotask today.
    pub units: Option<i64>,
    /// (count − units) × unit price, where readable: what a month's invoice lacks, or has too much of.
    pub invoice_difference: Option<Decimal>,
    /// (count − units) × unit cost, where readable.
    pub cost_difference: Option<Decimal>,
    /// Why it cannot be compared or is not billed.
    pub code: Option<Code>,
    /// In words.
    pub words: String,
}

impl Finding {
    /// What should be billed less units: the count, or what rules make of it.
    #[must_use]
    pub fn difference(&self) -> Option<i64> {
        Some(self.reckoned.or(self.count)? - self.units?)
    }
}

/// The report.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconciliation {
    /// The day that units were read for, in the connection's zone.
    pub date: Date,
    /// When it was made.
    pub at: Timestamp,
    /// All rows, by bucket, then by account or line.
    pub findings: Vec<Finding>,
    /// Contracts that were not looked into for lines without an account.
    pub contracts_left_out: usize,
    /// Calls made to Autotask.
    pub autotask_calls: u32,
}

/// Compares counts with units, line by line, as of today.
///
/// # Errors
/// `not_found`, what is wrong with the connection, and a failed call as explained.
pub async fn reconcile(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<Reconciliation> {
    // An initial sync would look at everything that is billed; without packages only counts are.
    let all = load_connection(ports, scope, partner, connection).await?.has_feature(packages::FEATURE);
    let kind = if all { RunKind::Initial } else { RunKind::SeatSync };
    let settings = start::ready(ports, scope, partner, connection, kind).await?;
    let date = ports.clock.now().to_zoned(settings.zone()).date();
    let run = looking(ports, actor, (partner, connection), &settings, (date, kind));
    let computed = billing::compute(ports, scope, partner, connection, &run).await?;
    let ours = Ours::load(ports, scope, partner, connection).await?;
    let compared: BTreeSet<(AccountId, PackageId)> =
        computed.lines.iter().map(|line| (line.account.clone(), line.package.clone())).collect();
    let mut findings: Vec<Finding> = computed.lines.into_iter().map(compare).collect();
    findings.extend(ours.unbilled(&compared));
    let (orphans, left_out, calls) =
        orphans::find(ports, scope, actor, (partner, connection), &settings, &ours, date).await?;
    findings.extend(orphans);
    findings.sort_by_key(|found| found.bucket);
    Ok(Reconciliation {
        date,
        at: ports.clock.now(),
        findings,
        contracts_left_out: left_out,
        autotask_calls: computed.calls + calls,
    })
}

/// A run that is never stored: what a plan for today is made for.
fn looking(
    ports: &Ports,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    settings: &Settings,
    (today, kind): (Date, RunKind),
) -> Run {
    let period: Period = month_of(today);
    Run {
        mode: RunMode::Preview,
        period: Some(period),
        effective_date: Some(today),
        settings: Some(settings.clone()),
        ..Run::queued(ports, actor, of, kind, Trigger::Manual)
    }
}

fn compare(line: RunLine) -> Finding {
    let reckoned = line.reckoning.as_ref().map(|reckoning| reckoning.units).or(line.leaving.then_some(0));
    let difference = reckoned.or(line.count).zip(line.units_now).map(|(wanted, units)| wanted - units);
    let bucket = match difference {
        _ if line.code == Some(Code::AccountClaimedByOtherPsa) => Bucket::Excluded,
        None => Bucket::NotComparable,
        Some(0) => Bucket::Match,
        Some(1..) => Bucket::UnderBilled,
        Some(_) => Bucket::OverBilled,
    };
    let after_rules = reckoned.filter(|reckoned| line.count != Some(*reckoned));
    let is_plain = line.state == LineState::Changed || line.state == LineState::Unchanged;
    Finding {
        bucket,
        account: Some(line.account),
        account_name: Some(line.account_name),
        company_id: line.company_id,
        company_name: line.company_name,
        contract_id: line.contract_id,
        contract_name: line.contract_name,
        package: Some(line.package),
        line: line.line,
        service_name: Some(line.service_name),
        count: line.count,
        count_as_of: line.count_as_of,
        reckoned,
        units: line.units_now,
        invoice_difference: line.invoice_change,
        cost_difference: line.cost_now.zip(difference).map(|(cost, units)| cost * Decimal::from(units)),
        code: if is_plain { None } else { line.code },
        // A plan's words about a change that nobody makes here would mislead.
        words: match (is_plain, after_rules) {
            (true, Some(units)) => format!("{units} units after the package's rules."),
            (true, None) => String::new(),
            (false, _) => line.words,
        },
    }
}

/// Everything of ours that says who is billed.
pub(super) struct Ours {
    accounts: BTreeMap<AccountId, Account>,
    mappings: BTreeMap<AccountId, Mapping>,
    usage: Vec<Usage>,
    claims: BTreeMap<AccountId, AccountClaim>,
    packages: BTreeMap<PackageId, PackageMapping>,
}

impl Ours {
    async fn load(ports: &Ports, scope: &Scope, partner: &PartnerId, connection: &ConnectionId) -> Result<Self> {
        let p = || partner.clone();
        let accounts = all::<Account>(ports, scope, Collection::Accounts(p())).await?;
        let mappings = all::<Mapping>(ports, scope, Collection::Mappings(p(), connection.clone())).await?;
        let claims = all::<AccountClaim>(ports, scope, Collection::AccountClaims(p())).await?;
        let of = Collection::PackageMappings(p(), connection.clone());
        let packages = all::<PackageMapping>(ports, scope, of).await?;
        Ok(Self {
            packages: packages.into_iter().map(|package| (package.package.clone(), package)).collect(),
            accounts: accounts.into_iter().map(|account| (account.id.clone(), account)).collect(),
            mappings: mappings.into_iter().map(|mapping| (mapping.account.clone(), mapping)).collect(),
            usage: all::<Usage>(ports, scope, Collection::Usage(p())).await?,
            claims: claims.into_iter().map(|claim| (claim.account.clone(), claim)).collect(),
        })
    }

    /// Counted seats that no compared line bills, and accounts that are excluded.
    fn unbilled(&self, compared: &BTreeSet<(AccountId, PackageId)>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for usage in &self.usage {
            let by_quantity = |own: &PackageMapping| own.quantity_source == QuantitySource::Package;
            let told = self.packages.get(&usage.package).is_some_and(by_quantity);
            let is_billed = told || compared.contains(&(usage.account.clone(), usage.package.clone()));
            let inactive = self.accounts.get(&usage.account).is_none_or(|account| !account.active);
            if is_billed || (inactive && usage.active == 0) {
                continue;
            }
            let package = self.packages.get(&usage.package);
            if package.is_some_and(|package| package.sum_into.is_some()) {
                continue; // Its count stands in the other package's line.
            }
            let excluded = package.is_some_and(|package| package.excluded);
            let (bucket, code, words) = match excluded {
                true => (Bucket::Excluded, None, "Somebody excluded the package.".to_owned()),
                false => self.why_not(&usage.account),
            };
            if bucket == Bucket::Excluded || usage.active > 0 {
                let mut found = self.about(&usage.account, bucket, code, words);
                found.package = Some(usage.package.clone());
                found.count = Some(usage.active);
                found.count_as_of = Some(usage.as_of);
                findings.push(found);
            }
        }
        findings.extend(self.untold(compared));
        findings
    }

    /// Quantities that no compared line bills.
    fn untold(&self, compared: &BTreeSet<(AccountId, PackageId)>) -> Vec<Finding> {
        let told = |package: &PackageId| {
            let own = self.packages.get(package);
            own.is_some_and(|own| own.quantity_source == QuantitySource::Package && own.target.is_some())
        };
        let mut findings = Vec::new();
        for account in self.accounts.values().filter(|account| account.active) {
            for package in account.packages.iter().filter(|package| told(&package.id)) {
                let quantity = package.quantity.filter(|quantity| *quantity > 0);
                let is_billed = compared.contains(&(account.id.clone(), package.id.clone()));
                if let Some(quantity) = quantity.filter(|_| !is_billed) {
                    let (bucket, code, words) = self.why_not(&account.id);
                    let mut found = self.about(&account.id, bucket, code, words);
                    found.package = Some(package.id.clone());
                    found.count = Some(quantity);
                    found.count_as_of = Some(package.stamp.as_ref().map_or(account.updated_at, |stamp| stamp.at));
                    findings.push(found);
                }
            }
        }
        findings
    }

    fn why_not(&self, account: &AccountId) -> (Bucket, Option<Code>, String) {
        if let Some(claim) = self.claims.get(account) {
            let words = format!("{} synchronises this account.", claim.psa);
            return (Bucket::Excluded, Some(Code::AccountClaimedByOtherPsa), words);
        }
        let unmapped = |code, words: &str| (Bucket::UnmappedAccount, code, words.to_owned());
        let Some(mapping) = self.mappings.get(account) else {
            return unmapped(None, "The account is not mapped to a company.");
        };
        match mapping.status {
            MappingStatus::Excluded => (Bucket::Excluded, None, "Somebody excluded the account.".to_owned()),
            MappingStatus::Suggested => {
                unmapped(Some(Code::MappingUnconfirmed), "The mapping waits for somebody to confirm it.")
            }
            MappingStatus::Confirmed | MappingStatus::Broken if mapping.contract.is_none() => {
                unmapped(Some(Code::NoContractSelected), "The account is mapped without a contract.")
            }
            MappingStatus::Confirmed | MappingStatus::Broken => unmapped(
                None,
                "No line of the contract is chosen for this package, or the account is not in the pilot.",
            ),
        }
    }

    fn about(&self, account: &AccountId, bucket: Bucket, code: Option<Code>, words: String) -> Finding {
        let mapping = self.mappings.get(account);
        let company = mapping.and_then(|mapping| mapping.company.as_ref());
        let contract = mapping.and_then(|mapping| mapping.contract.as_ref());
        Finding {
            account: Some(account.clone()),
            account_name: self.accounts.get(account).map(|account| account.name.clone()),
            company_id: company.map(|company| company.id),
            company_name: company.map(|company| company.name.clone()),
            contract_id: contract.map(|contract| contract.id),
            contract_name: contract.map(|contract| contract.name.clone()),
            ..blank(bucket, code, words)
        }
    }

    /// Mappings that a person confirmed.
    pub(super) fn in_use(&self) -> impl Iterator<Item = &Mapping> {
        let billed = |status| matches!(status, MappingStatus::Confirmed | MappingStatus::Broken);
        self.mappings.values().filter(move |mapping| billed(mapping.status))
    }
}

/// A row that says nothing yet but its bucket.
pub(super) fn blank(bucket: Bucket, code: Option<Code>, words: String) -> Finding {
    Finding {
        bucket,
        account: None,
        account_name: None,
        company_id: None,
        company_name: None,
        contract_id: None,
        contract_name: None,
        package: None,
        line: None,
        service_name: None,
        count: None,
        count_as_of: None,
        reckoned: None,
        units: None,
        invoice_difference: None,
        cost_difference: None,
        code,
        words,
    }
}

async fn all<R: Record>(ports: &Ports, scope: &Scope, of: Collection) -> Result<Vec<R>> {
    let records = load_all::<R>(&*ports.storage, scope, &of, Read::Eventual).await?;
    Ok(records.into_iter().map(|record| record.value).collect())
}

/// Rows of one report, counted and summed for one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BucketTotal {
    /// Rows.
    pub lines: u32,
    /// Sum of the seat differences that are known.
    pub seats: i64,
    /// Sum of what invoices lack, where readable.
    pub invoice_difference: Option<Decimal>,
}

impl Reconciliation {
    /// Rows and sums of one bucket.
    #[must_use]
    pub fn total(&self, bucket: Bucket) -> BucketTotal {
        let mut total = BucketTotal::default();
        for found in self.findings.iter().filter(|found| found.bucket == bucket) {
            total.lines += 1;
            total.seats += found.difference().unwrap_or(0);
            if let Some(money) = found.invoice_difference {
                total.invoice_difference = Some(total.invoice_difference.unwrap_or_default() + money);
            }
        }
        total
    }
}
