//! A catalogue and contracts there, made one by one; accounts that are mapped to contracts without lines here.

use crate::build::SAAS;
use crate::lines::{account_id, names};
use crate::world::World;
use domain::mappings::CompanyRef;
use domain::vendor::Package;
use domain::{AccountId, LineKind, LineRef, PackageId};
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};

/// `useType` of billing codes for recurring services, and of those for material.
const RECURRING: i64 = 5;
const MATERIAL: i64 = 2;

/// An account whose mapping is confirmed and names a contract, and no line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Whose.
    pub account: AccountId,
    /// `Companies.id`.
    pub company_id: i64,
    /// `Contracts.id`.
    pub contract_id: i64,
}

impl World {
    fn insert(&self, entity: &str, row: Value) -> i64 {
        self.sim.insert(self.ci, entity, &[row]).unwrap()[0]
    }

    /// The billing code of this name and use, made if it is missing.
    fn billing_code(&self, name: &str, use_type: i64) -> i64 {
        let is = |row: &&Value| row["name"] == json!(name) && row["useType"] == json!(use_type);
        let there = self.sim.rows(self.ci, "BillingCodes").unwrap();
        match there.iter().find(is) {
            Some(row) => row["id"].as_i64().unwrap(),
            None => self.insert("BillingCodes", json!({"name": name, "useType": use_type})),
        }
    }

    /// A monthly service with the vendor's SaaS billing code, price and cost of one unit as decimals.
    ///
    /// # Panics
    /// If the simulator does not take it.
    pub fn service(&self, name: &str, price: &str, cost: &str) -> i64 {
        let code = self.billing_code(SAAS, RECURRING);
        self.insert(
            "Services",
            json!({
                "name": name, "billingCodeID": code, "periodType": 1, "unitPrice": price, "unitCost": cost,
                "invoiceDescription": name,
            }),
        )
    }

    /// A monthly service bundle of these services with the vendor's SaaS billing code.
    ///
    /// # Panics
    /// If the simulator does not take it.
    pub fn bundle(&self, name: &str, price: &str, services: &[i64]) -> i64 {
        let code = self.billing_code(SAAS, RECURRING);
        let row = json!({"name": name, "billingCodeID": code, "periodType": 1, "unitPrice": price});
        let bundle = self.insert("ServiceBundles", row);
        for service in services {
            self.insert("ServiceBundleServices", json!({"serviceBundleID": bundle, "serviceID": service}));
        }
        bundle
    }

    /// A product, with a stock-keeping unit if it has one.
    ///
    /// # Panics
    /// If the simulator does not take it.
    pub fn product<'a>(&self, name: &str, sku: impl Into<Option<&'a str>>) -> i64 {
        let code = self.billing_code("Hardware", MATERIAL);
        let row = json!({"name": name, "sku": sku.into(), "productBillingCodeID": code, "unitPrice": "9.00"});
        self.insert("Products", row)
    }

    /// A customer.
    ///
    /// # Panics
    /// If the simulator does not take it.
    pub fn company(&self, name: &str) -> i64 {
        self.insert("Companies", json!({"companyName": name, "companyType": 1, "phone": "555-0100"}))
    }

    /// A monthly recurring contract in effect, without lines; both days are its own.
    ///
    /// # Panics
    /// If the simulator does not take it.
    pub fn contract(&self, company: i64, start: Date, end: Date) -> i64 {
        self.insert(
            "Contracts",
            json!({
                "companyID": company, "contractName": "Managed Services", "contractType": 7,
                "startDate": start, "endDate": end, "status": 1,
            }),
        )
    }

    /// A line with a service, as a person adds it: with units in all periods of the contract, or (none) without units
    /// rows.
    ///
    /// # Panics
    /// If the simulator does not take it.
    pub fn line_on(&self, contract: i64, service: i64, units: impl Into<Option<i64>>) -> LineRef {
        self.any_line(contract, LineKind::Service, service, units.into())
    }

    /// The same with a service bundle.
    ///
    /// # Panics
    /// If the simulator does not take it.
    pub fn bundle_line_on(&self, contract: i64, bundle: i64, units: impl Into<Option<i64>>) -> LineRef {
        self.any_line(contract, LineKind::Bundle, bundle, units.into())
    }

    fn any_line(&self, contract: i64, kind: LineKind, item: i64, units: Option<i64>) -> LineRef {
        let names = names(kind);
        let mut row = json!({"contractID": contract, names.item_field: item});
        if let Some(units) = units {
            row["units"] = json!(units);
        }
        LineRef { kind, id: self.insert(names.lines, row) }
    }

    /// The lines of a contract, services first, each in the order of their ids, with their `Services.id` or
    /// `ServiceBundles.id`.
    ///
    /// # Panics
    /// If the simulator has no such entity.
    #[must_use]
    pub fn lines_of(&self, contract: i64) -> Vec<(LineRef, i64)> {
        let mut lines = Vec::new();
        for kind in [LineKind::Service, LineKind::Bundle] {
            let names = names(kind);
            for row in self.sim.rows(self.ci, names.lines).unwrap() {
                if row["contractID"] == json!(contract) {
                    let id = row["id"].as_i64().unwrap();
                    lines.push((LineRef { kind, id }, row[names.item_field].as_i64().unwrap()));
                }
            }
        }
        lines
    }

    /// A person changes a line's units from a day on, behind our back. Answers the units on that day.
    ///
    /// # Panics
    /// If a person could not do that.
    pub fn by_hand(&self, line: LineRef, from: Date, change: i64) -> i64 {
        self.sim.adjust_by_hand(self.ci, names(line.kind).lines, line.id, from, change).unwrap()
    }

    /// A package that the partner can sell, beside those it has.
    ///
    /// # Panics
    /// If it cannot be stored.
    pub async fn package(&self, id: &str, name: &str) -> PackageId {
        let id = PackageId::new(id).unwrap();
        let package = Package {
            id: id.clone(),
            name: name.to_owned(),
            metric: "user".to_owned(),
            unit_price_to_partner: None,
            currency: None,
            active: true,
        };
        self.sold(package).await;
        id
    }

    /// `count` companies, each with a recurring contract of 24 months around now and no line; here an account with
    /// these packages and a confirmed mapping to them for each. Nothing is counted yet.
    ///
    /// # Panics
    /// If they cannot be made.
    pub async fn clients(&self, count: usize, packages: &[PackageId]) -> Vec<Client> {
        let first = self.accounts_there().await;
        let month = self.sim.today().first_of_month();
        let end = month.saturating_add(13.months()).yesterday().unwrap();
        let (mut clients, mut writes) = (Vec::new(), Vec::new());
        for at in first..first + count {
            let name = format!("Client {:04}", at + 1);
            let company_id = self.company(&name);
            let contract_id = self.contract(company_id, month.saturating_sub(11.months()), end);
            let account = account_id(at);
            let address = format!("owner@client-{:04}.example", at + 1);
            let company = CompanyRef { id: company_id, name };
            let contract = self.row("Contracts", contract_id);
            writes.extend(self.mapped((&account, &address), company, &contract, Vec::new(), packages.to_vec()));
            clients.push(Client { account, company_id, contract_id });
        }
        self.put_all(&writes).await;
        clients
    }
}
