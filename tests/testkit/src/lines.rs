//! Contract lines there and their mappings here, made directly: tests of runs need many, quickly.

use crate::world::World;
use domain::mappings::{
    CompanyRef, CompanyTaken, ContractRef, LineHolder, LineTaken, MappedLine, Mapping, MappingSource, MappingStatus,
};
use domain::records::{Expect, Key, Write};
use domain::vendor::{Account, AccountPackage, Package, PartnerPackages, Usage};
use domain::{AccountId, LineKind, LineRef, PackageId};
use jiff::civil::Date;
use serde_json::Value;
use simulator::seed::{LinesSpec, SeededLine, lines_of};
use std::collections::HashMap;

/// The package whose count goes to every line.
pub const PACKAGE: &str = "training";
/// The name that the seeded lines' service has in Autotask.
const SERVICE_NAME: &str = "Per-user service";
/// Records of one transaction, well below DynamoDB's 100 items.
const WRITES: usize = 50;

/// One mapped line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whose count it gets.
    pub account: AccountId,
    /// Which count.
    pub package: PackageId,
    /// The line.
    pub line: LineRef,
    /// `Companies.id`.
    pub company_id: i64,
    /// `Contracts.id`.
    pub contract_id: i64,
    /// `Services.id`.
    pub service_id: i64,
    /// Units in every period, as made.
    pub units: i64,
}

impl World {
    /// `count` companies, each with a recurring contract of 24 months around now and one line of 10 units; here an
    /// account with a confirmed mapping and a fresh count of 10 for each.
    ///
    /// # Panics
    /// If they cannot be made.
    pub async fn lines(&self, count: usize) -> Vec<Line> {
        self.lines_with(count, 10, 10).await
    }

    /// The same with `units` in Autotask and a count of `active`.
    ///
    /// # Panics
    /// If they cannot be made.
    pub async fn lines_with(&self, count: usize, units: i64, active: i64) -> Vec<Line> {
        let today = self.sim.today();
        let spec = LinesSpec { count, months_before: 11, months_after: 12, today, units };
        let seeded = lines_of(&self.sim, self.ci, spec).unwrap();
        let first = self.training().await;
        let lines: Vec<Line> = seeded.iter().enumerate().map(|(at, line)| of(first + at, line)).collect();
        let contracts = self.rows("Contracts");
        let mut writes = Vec::new();
        for (line, seeded) in lines.iter().zip(&seeded) {
            writes.extend(self.records(line, seeded, &contracts[&line.contract_id], active));
        }
        self.put_all(&writes).await;
        lines
    }

    pub(crate) async fn put_all(&self, writes: &[Write]) {
        for chunk in writes.chunks(WRITES) {
            self.ports().storage.write(&self.system_scope(), chunk.to_vec()).await.unwrap();
        }
    }

    /// The package, and how many accounts there are already.
    async fn training(&self) -> usize {
        let id = PackageId::new(PACKAGE).unwrap();
        self.sold(Package {
            id,
            name: "Security Awareness Training".to_owned(),
            metric: "user".to_owned(),
            unit_price_to_partner: Some("1.75".parse().unwrap()),
            currency: Some("USD".to_owned()),
            active: true,
        })
        .await;
        self.accounts_there().await
    }

    /// Puts a package that the partner can sell, beside those it has.
    pub(crate) async fn sold(&self, package: Package) {
        self.put(&package).await;
        let held = self.load::<PartnerPackages>(&Key::PartnerPackages(self.partner.clone())).await;
        let mut packages = held.map(|held| held.value.packages).unwrap_or_default();
        if !packages.contains(&package.id) {
            packages.push(package.id);
        }
        self.put(&PartnerPackages { partner: self.partner.clone(), packages }).await;
    }

    /// How many accounts the partner has.
    pub(crate) async fn accounts_there(&self) -> usize {
        let of = domain::records::Collection::Accounts(self.partner.clone());
        self.load_all::<Account>(&of).await.len()
    }

    fn records(&self, line: &Line, seeded: &SeededLine, contract: &Value, active: i64) -> Vec<Write> {
        let (account, package) = (line.account.clone(), line.package.clone());
        let mapped = MappedLine {
            package_id: package.clone(),
            line: line.line,
            service_id: line.service_id,
            service_name: SERVICE_NAME.to_owned(),
            overwrite_cost: None,
        };
        let company = CompanyRef { id: line.company_id, name: seeded.company_name.clone() };
        let packages = vec![package.clone()];
        let mut writes = self.mapped((&account, &seeded.contact_email), company, contract, vec![mapped], packages);
        let taken = LineTaken {
            partner: self.partner.clone(),
            connection: self.connection.clone(),
            line: line.line,
            holders: vec![LineHolder { account: account.clone(), package_id: package.clone() }],
        };
        writes.push(Write::put(&taken, Expect::Any).unwrap());
        writes.push(Write::put(&self.counted(&account, &package, active), Expect::Any).unwrap());
        writes
    }

    /// An account, named like its company, with a confirmed mapping to it and a contract.
    pub(crate) fn mapped(
        &self,
        (account, address): (&AccountId, &str),
        company: CompanyRef,
        contract: &Value,
        lines: Vec<MappedLine>,
        packages: Vec<PackageId>,
    ) -> Vec<Write> {
        let (partner, connection, now) = (self.partner.clone(), self.connection.clone(), self.clock.now());
        let date = |field: &str| -> Option<Date> { contract[field].as_str()?[..10].parse().ok() };
        let record = Account {
            partner: partner.clone(),
            id: account.clone(),
            name: company.name.clone(),
            contact_email: Some(address.to_owned()),
            packages: packages.into_iter().map(|package| AccountPackage::new(package, None)).collect(),
            removed: Vec::new(),
            told: std::collections::BTreeSet::new(),
            packages_at: None,
            active: true,
            updated_at: now,
        };
        let taken = CompanyTaken {
            partner: partner.clone(),
            connection: connection.clone(),
            company_id: company.id,
            accounts: vec![account.clone()],
        };
        let mapping = Mapping {
            partner,
            connection,
            account: account.clone(),
            status: MappingStatus::Confirmed,
            company: Some(company),
            contract: Some(ContractRef {
                id: contract["id"].as_i64().unwrap(),
                name: contract["contractName"].as_str().unwrap_or_default().to_owned(),
                start: date("startDate"),
                end: date("endDate"),
            }),
            contracts: Vec::new(),
            leaving: Vec::new(),
            lines,
            source: MappingSource::Manual,
            broken: None,
            paused: false,
            confirmed_at: Some(now),
            updated_at: now,
        };
        vec![
            Write::put(&record, Expect::Any).unwrap(),
            Write::put(&mapping, Expect::Any).unwrap(),
            Write::put(&taken, Expect::Any).unwrap(),
        ]
    }

    fn counted(&self, account: &AccountId, package: &PackageId, active: i64) -> Usage {
        let now = self.clock.now();
        Usage {
            partner: self.partner.clone(),
            account: account.clone(),
            package: package.clone(),
            active,
            as_of: now,
            source_id: None,
            received_at: now,
        }
    }

    /// The vendor counts `active` for a line's account, now.
    ///
    /// # Panics
    /// If it cannot be stored.
    pub async fn usage(&self, line: &Line, active: i64) {
        self.usage_of(&line.account, &line.package, active).await;
    }

    /// The vendor counts `active` for an account and a package, now.
    ///
    /// # Panics
    /// If it cannot be stored.
    pub async fn usage_of(&self, account: &AccountId, package: &PackageId, active: i64) {
        self.put(&self.counted(account, package, active)).await;
    }

    /// Units of lines as Autotask has them on a day.
    ///
    /// # Panics
    /// If the simulator has no such entity.
    #[must_use]
    pub fn units_on(&self, lines: &[Line], day: Date) -> Vec<Option<i64>> {
        let held = self.units_there(day);
        lines.iter().map(|line| held.get(&line.line).copied()).collect()
    }

    /// Units of a line as Autotask has them on a day; none where no units row covers it.
    ///
    /// # Panics
    /// If the simulator has no such entity.
    #[must_use]
    pub fn units_at(&self, line: LineRef, day: Date) -> Option<i64> {
        self.units_there(day).get(&line).copied()
    }

    /// Units of every line that has a units row on a day.
    fn units_there(&self, day: Date) -> HashMap<LineRef, i64> {
        let (mut found, day) = (HashMap::new(), day.to_string());
        for kind in [LineKind::Service, LineKind::Bundle] {
            let Names { units, line_field, .. } = names(kind);
            for row in self.sim.rows(self.ci, units).unwrap() {
                let date = |field: &str| row[field].as_str().map(|text| text[..10].to_owned()).unwrap_or_default();
                if date("startDate") <= day && day <= date("endDate") {
                    let id = row[line_field].as_i64().unwrap();
                    found.insert(LineRef { kind, id }, row["units"].as_i64().unwrap());
                }
            }
        }
        found
    }

    /// Units of a line as Autotask has them today.
    #[must_use]
    pub fn units(&self, line: &Line) -> Option<i64> {
        self.units_on(std::slice::from_ref(line), self.sim.today())[0]
    }

    /// The rows of an entity of the simulated Autotask as they are, by id.
    ///
    /// # Panics
    /// If it has no such entity.
    #[must_use]
    pub fn rows(&self, entity: &str) -> HashMap<i64, Value> {
        let rows = self.sim.rows(self.ci, entity).unwrap();
        rows.into_iter().filter_map(|row| Some((row["id"].as_i64()?, row))).collect()
    }

    /// A row of the simulated Autotask as it is.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn row(&self, entity: &str, id: i64) -> Value {
        self.rows(entity).remove(&id).unwrap_or_else(|| panic!("no {entity} {id}"))
    }
}

/// What Autotask calls the parts of a line.
pub(crate) struct Names {
    pub(crate) lines: &'static str,
    pub(crate) units: &'static str,
    pub(crate) line_field: &'static str,
    pub(crate) item_field: &'static str,
}

pub(crate) fn names(kind: LineKind) -> Names {
    match kind {
        LineKind::Service => Names {
            lines: "ContractServices",
            units: "ContractServiceUnits",
            line_field: "contractServiceID",
            item_field: "serviceID",
        },
        LineKind::Bundle => Names {
            lines: "ContractServiceBundles",
            units: "ContractServiceBundleUnits",
            line_field: "contractServiceBundleID",
            item_field: "serviceBundleID",
        },
    }
}

/// The id of the partner's account number `at`, counted from 0.
pub(crate) fn account_id(at: usize) -> AccountId {
    AccountId::new(format!("acc_{:04}", at + 1)).unwrap()
}

fn of(at: usize, line: &SeededLine) -> Line {
    Line {
        account: account_id(at),
        package: PackageId::new(PACKAGE).unwrap(),
        line: LineRef::service(line.contract_service_id),
        company_id: line.company_id,
        contract_id: line.contract_id,
        service_id: line.service_id,
        units: line.units,
    }
}
