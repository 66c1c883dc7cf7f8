//! The demo's MSP: 40 companies and everything that can go wrong with them once.

use jiff::ToSpan;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};

use super::invoices::{self, DemoInvoices};
use super::names::{COMPANIES, PEOPLE};
use crate::sim::{Simulator, SimulatorError};

/// A client as the vendor's own portal knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DemoAccount {
    /// The vendor's id.
    pub account_id: String,
    /// The client's name in the vendor's portal; not always spelt as in Autotask.
    pub name: String,
    /// The address that auto-mapping goes by.
    pub contact_email: String,
    /// Active users now.
    pub seats: i64,
}

/// What [`demo_msp`] made.
#[derive(Clone, Debug, Serialize)]
pub struct DemoMsp {
    /// The vendor's side of it.
    pub accounts: Vec<DemoAccount>,
    /// For each account with a match, in the order of `accounts`, where its seats are billed.
    pub lines: Vec<DemoLine>,
    /// The billing code "Software as a Service".
    pub billing_code_id: i64,
    /// The vendor's service.
    pub service_id: i64,
    /// The account that no company matches.
    pub account_without_company: String,
    /// A company that no account matches.
    pub company_without_account: i64,
    /// The company with two contacts of one address.
    pub company_with_twin_contacts: i64,
    /// The inactive company.
    pub inactive_company: i64,
    /// Old and new contract of the renewal.
    pub renewed_contract: (i64, i64),
    /// The contract service whose present and next periods are posted already.
    pub billed_line: i64,
    /// Further monthly services with the vendor's billing code, on no contract yet.
    pub spare_services: Vec<i64>,
    /// A product with the name of the first of them.
    pub product_with_service: i64,
    /// A product with the vendor's billing code and the name of no service.
    pub product_without_service: i64,
    /// What was invoiced.
    pub invoices: DemoInvoices,
}

/// Where an account is billed in truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DemoLine {
    /// The vendor's id.
    pub account_id: String,
    /// Autotask's ids.
    pub company_id: i64,
    /// The contract in force.
    pub contract_id: i64,
    /// Its line with the vendor's service.
    pub contract_service_id: i64,
    /// Units in the period of today.
    pub units: i64,
}

/// Companies with the vendor's line; the rest are special.
const CLIENTS: usize = 35;
const TWINS: usize = 5;
const RENEWED: usize = 2;
const BILLED: usize = 7;
const WITHOUT_ACCOUNT: usize = 35;
/// A client that is billed by the hour only.
const ONLY_HOURS: usize = 36;
const INACTIVE: usize = 37;
const VENDOR: usize = 39;

/// The service that is also a product.
const SPARE: &str = "Phishing Simulation (per user)";

/// Fills a database for a demo on `today`: 40 companies, contacts, contracts of several types,
/// services, bundles, products, units rows from January of this year to December of the next, and the
/// invoices of this month and the two before it.
pub fn demo_msp(simulator: &Simulator, ci: u64, today: Date) -> Result<DemoMsp, SimulatorError> {
    let seeder = Seeder { simulator, ci, today };
    let companies = seeder.companies()?;
    seeder.contacts(&companies)?;
    let catalogue = seeder.catalogue(companies[VENDOR])?;
    let contracts = seeder.recurring_contracts(&companies)?;
    seeder.other_contracts(&companies)?;
    let lines = seeder.lines(&contracts, &catalogue)?;
    seeder.post_past_periods()?;
    let renewed = seeder.renew(contracts[RENEWED])?;
    seeder.post(lines[BILLED], today.first_of_month().saturating_add(1.month()))?;
    let invoices = invoices::seed(simulator, ci, today, companies[ONLY_HOURS])?;
    seeder.report(&companies, &contracts, &lines, &catalogue, (renewed, invoices))
}

struct Seeder<'a> {
    simulator: &'a Simulator,
    ci: u64,
    today: Date,
}

struct Catalogue {
    billing_code: i64,
    saas: i64,
    others: Vec<i64>,
    bundle: i64,
    spare: Vec<i64>,
    product_with_service: i64,
    product_without_service: i64,
}

impl Seeder<'_> {
    fn insert(&self, entity: &str, rows: &[Value]) -> Result<Vec<i64>, SimulatorError> {
        self.simulator.insert(self.ci, entity, rows)
    }

    fn companies(&self) -> Result<Vec<i64>, SimulatorError> {
        let owner = self.simulator.rows(self.ci, "Resources")?.first().map(|row| row["id"].clone());
        let rows: Vec<Value> = COMPANIES
            .iter()
            .enumerate()
            .map(|(number, (name, domain, city))| {
                json!({
                    "companyName": name,
                    "companyNumber": format!("C-{:03}", number + 1),
                    "companyType": match number { VENDOR => 7, WITHOUT_ACCOUNT => 1, 38 => 3, _ => 1 },
                    "phone": format!("01632 96{:04}", number * 37 + 11),
                    "address1": format!("{} High Street", number * 3 + 1),
                    "city": city,
                    "webAddress": format!("https://www.{domain}"),
                    "ownerResourceID": owner,
                    "isActive": number != INACTIVE,
                    "createDate": format!("{}-03-02T09:15:00Z", self.today.year() - 3),
                })
            })
            .collect();
        self.insert("Companies", &rows)
    }

    fn contacts(&self, companies: &[i64]) -> Result<(), SimulatorError> {
        let mut rows = Vec::new();
        for (number, company) in companies.iter().enumerate() {
            for nth in 0..(2 + number % 2) {
                let (first, last) = PEOPLE[(number * 3 + nth * 7) % PEOPLE.len()];
                // A shared mailbox: two people, one address.
                let email = match (number, nth) {
                    (TWINS, 1) => address(number, 0),
                    _ => address(number, nth),
                };
                rows.push(json!({
                    "companyID": company,
                    "firstName": first,
                    "lastName": last,
                    "emailAddress": email,
                    "title": if nth == 0 { "Office Manager" } else { "IT Contact" },
                    "primaryContact": nth == 0,
                    "isActive": i32::from(number != INACTIVE),
                }));
            }
        }
        self.insert("Contacts", &rows).map(drop)
    }

    fn catalogue(&self, vendor: i64) -> Result<Catalogue, SimulatorError> {
        let codes = self.insert(
            "BillingCodes",
            &[
                json!({ "name": "Software as a Service", "useType": 5, "unitPrice": 0.0, "unitCost": 0.0 }),
                json!({ "name": "Managed Services", "useType": 5, "unitPrice": 0.0, "unitCost": 0.0 }),
                json!({ "name": "Hardware", "useType": 2, "unitPrice": 0.0, "unitCost": 0.0 }),
                json!({ "name": "Remote Support", "useType": 1, "unitPrice": 0.0, "unitCost": 0.0 }),
            ],
        )?;
        let service = |name: &str, code: i64, price: &str, cost: &str, vendor: Option<i64>| {
            json!({
                "name": name, "billingCodeID": code, "periodType": 1, "unitPrice": price, "unitCost": cost,
                "vendorCompanyID": vendor, "invoiceDescription": name,
            })
        };
        let services = self.insert(
            "Services",
            &[
                service("Security Awareness Training (per user)", codes[0], "3.50", "1.75", Some(vendor)),
                service("Managed Workstation", codes[1], "32.00", "11.40", None),
                service("Managed Server", codes[1], "145.00", "52.00", None),
                service("Cloud Backup (per 100 GB)", codes[1], "9.90", "4.20", None),
                service("Mailbox Protection", codes[1], "2.75", "1.10", None),
            ],
        )?;
        let bundle = self.insert("ServiceBundles", &[
            json!({ "name": "Essentials Bundle", "billingCodeID": codes[1], "periodType": 1, "unitPrice": "38.00", "unitCost": "15.30" }),
        ])?[0];
        self.insert(
            "ServiceBundleServices",
            &[
                json!({ "serviceBundleID": bundle, "serviceID": services[1] }),
                json!({ "serviceBundleID": bundle, "serviceID": services[4] }),
            ],
        )?;
        // Last, so that the ids above stay as they were.
        let spare = self.insert(
            "Services",
            &[
                service(SPARE, codes[0], "1.20", "0.55", Some(vendor)),
                service("Compliance Courses (per user)", codes[0], "2.10", "0.95", Some(vendor)),
                service("E-mail Authentication (per domain)", codes[0], "14.00", "6.50", Some(vendor)),
            ],
        )?;
        let products = self.insert("Products", &[
            json!({ "name": "Firewall FW-40", "productBillingCodeID": codes[2], "unitPrice": "420.00", "unitCost": "310.00", "sku": "FW-40" }),
            json!({ "name": "Access Point AP-7", "productBillingCodeID": codes[2], "unitPrice": "160.00", "unitCost": "118.50", "sku": "AP-7" }),
            json!({ "name": "Awareness Starter Package", "productBillingCodeID": codes[0], "unitPrice": "3.50", "unitCost": "1.75", "defaultVendorID": vendor }),
            json!({ "name": SPARE, "productBillingCodeID": codes[0], "unitPrice": "1.20", "unitCost": "0.55", "sku": "PHISH-1", "defaultVendorID": vendor }),
            json!({ "name": "Onboarding Workshop", "productBillingCodeID": codes[0], "unitPrice": "250.00", "unitCost": "90.00", "sku": "OW-1", "defaultVendorID": vendor }),
        ])?;
        Ok(Catalogue {
            billing_code: codes[0],
            saas: services[0],
            others: services[1..].to_vec(),
            bundle,
            spare,
            product_with_service: products[3],
            product_without_service: products[4],
        })
    }

    /// One recurring contract for each client and for the company that no account matches.
    fn recurring_contracts(&self, companies: &[i64]) -> Result<Vec<i64>, SimulatorError> {
        let year = self.today.year();
        let rows: Vec<Value> = companies[..=WITHOUT_ACCOUNT]
            .iter()
            .map(|company| {
                json!({
                    "companyID": company, "contractName": format!("Managed Services {year}"), "contractType": 7,
                    "startDate": format!("{year}-01-01"), "endDate": format!("{}-12-31", year + 1), "status": 1,
                })
            })
            .collect();
        self.insert("Contracts", &rows)
    }

    fn other_contracts(&self, companies: &[i64]) -> Result<(), SimulatorError> {
        let year = self.today.year();
        let mut rows = Vec::new();
        for (number, company) in companies.iter().enumerate().filter(|(number, _)| *number != VENDOR) {
            let (kind, name) = match number {
                36 | 38 => (1, "Time & Materials"),
                INACTIVE => (3, "Office Move"),
                _ if number % 4 == 1 => (4, "Prepaid Support Hours"),
                _ if number % 9 == 2 => (6, "Retainer"),
                _ => continue,
            };
            let ends = if number == INACTIVE { year - 1 } else { year + 1 };
            rows.push(json!({
                "companyID": company, "contractName": name, "contractType": kind,
                "startDate": format!("{}-01-01", year - 1), "endDate": format!("{ends}-12-31"),
                "status": i32::from(number != INACTIVE),
            }));
        }
        self.insert("Contracts", &rows).map(drop)
    }

    /// The vendor's line of every recurring contract, in the order of the contracts; others besides.
    fn lines(&self, contracts: &[i64], catalogue: &Catalogue) -> Result<Vec<i64>, SimulatorError> {
        let line = |contract: &i64, service: i64, units: i64| json!({ "contractID": contract, "serviceID": service, "units": units });
        let saas: Vec<Value> = contracts
            .iter()
            .enumerate()
            .map(|(number, contract)| line(contract, catalogue.saas, units(number)))
            .collect();
        let lines = self.insert("ContractServices", &saas)?;
        let mut others = Vec::new();
        let mut bundles = Vec::new();
        for (number, contract) in contracts.iter().enumerate() {
            for nth in 0..=(number % 3) {
                let service = catalogue.others[(number + nth) % catalogue.others.len()];
                others.push(line(contract, service, 1 + units(number + nth) / 3));
            }
            if number % 6 == 4 {
                bundles.push(json!({
                    "contractID": contract, "serviceBundleID": catalogue.bundle, "units": units(number) / 2,
                }));
            }
        }
        self.insert("ContractServices", &others)?;
        self.insert("ContractServiceBundles", &bundles)?;
        Ok(lines)
    }

    /// Periods that ended before this month are approved and posted.
    fn post_past_periods(&self) -> Result<(), SimulatorError> {
        let this_month = format!("{}T", self.today.first_of_month());
        for entity in ["ContractServiceUnits", "ContractServiceBundleUnits"] {
            for row in self.simulator.rows(self.ci, entity)? {
                let end = row["endDate"].as_str().unwrap_or_default();
                if end < this_month.as_str() {
                    self.simulator.patch(
                        self.ci,
                        entity,
                        row["id"].as_i64().unwrap_or_default(),
                        &json!({ "approveAndPostDate": end }),
                    )?;
                }
            }
        }
        Ok(())
    }

    /// The contract was renewed this month: the old one ended with the month before.
    fn renew(&self, contract: i64) -> Result<(i64, i64), SimulatorError> {
        let year_began = jiff::civil::date(self.today.year(), 1, 1);
        // In January the month before lies outside the contract: then it is renewed in February.
        let start = self.today.first_of_month().max(year_began.saturating_add(1.month()));
        let renewed = self.simulator.renew(self.ci, contract, Some(start))?;
        let name = json!({ "contractName": format!("Managed Services {} (renewal)", self.today.year()) });
        self.simulator.patch(self.ci, "Contracts", renewed, &name)?;
        Ok((contract, renewed))
    }

    /// Posts the periods of a line from this month to the one that begins on `last`.
    fn post(&self, line: i64, last: Date) -> Result<(), SimulatorError> {
        let (from, to) = (format!("{}T", self.today.first_of_month()), format!("{last}T24"));
        for row in self.simulator.rows(self.ci, "ContractServiceUnits")? {
            let start = row["startDate"].as_str().unwrap_or_default();
            if row["contractServiceID"] == json!(line) && start >= from.as_str() && start < to.as_str() {
                let posted = json!({ "approveAndPostDate": format!("{}T08:30:00Z", self.today) });
                self.simulator.patch(
                    self.ci,
                    "ContractServiceUnits",
                    row["id"].as_i64().unwrap_or_default(),
                    &posted,
                )?;
            }
        }
        Ok(())
    }

    fn report(
        &self,
        companies: &[i64],
        contracts: &[i64],
        lines: &[i64],
        catalogue: &Catalogue,
        (renewed, invoices): ((i64, i64), DemoInvoices),
    ) -> Result<DemoMsp, SimulatorError> {
        let services = self.simulator.rows(self.ci, "ContractServices")?;
        let successor = services
            .iter()
            .find(|row| row["contractID"] == json!(renewed.1) && row["serviceID"] == json!(catalogue.saas))
            .and_then(|row| row["id"].as_i64())
            .unwrap_or_default();
        let lines_of_accounts = (0..CLIENTS)
            .map(|number| DemoLine {
                account_id: account_id(number),
                company_id: companies[number],
                contract_id: if number == RENEWED { renewed.1 } else { contracts[number] },
                contract_service_id: if number == RENEWED { successor } else { lines[number] },
                units: units(number),
            })
            .collect();
        let mut accounts: Vec<DemoAccount> = (0..CLIENTS).map(account).collect();
        let stranger = DemoAccount {
            account_id: account_id(CLIENTS),
            name: "Juniper Yachts".to_owned(),
            contact_email: "accounts@juniperyachts.example".to_owned(),
            seats: 11,
        };
        let account_without_company = stranger.account_id.clone();
        accounts.push(stranger);
        Ok(DemoMsp {
            accounts,
            lines: lines_of_accounts,
            billing_code_id: catalogue.billing_code,
            service_id: catalogue.saas,
            account_without_company,
            company_without_account: companies[WITHOUT_ACCOUNT],
            company_with_twin_contacts: companies[TWINS],
            inactive_company: companies[INACTIVE],
            renewed_contract: renewed,
            billed_line: lines[BILLED],
            spare_services: catalogue.spare.clone(),
            product_with_service: catalogue.product_with_service,
            product_without_service: catalogue.product_without_service,
            invoices,
        })
    }
}

fn account_id(number: usize) -> String {
    format!("acc_{:03}", number + 1)
}

fn address(number: usize, nth: usize) -> String {
    let (first, last) = PEOPLE[(number * 3 + nth * 7) % PEOPLE.len()];
    let (_, domain, _) = COMPANIES[number];
    format!("{}.{}@{domain}", first.to_lowercase(), last.to_lowercase())
}

/// Between 5 and 41 units, the same each time.
fn units(number: usize) -> i64 {
    i64::try_from((number * 13) % 37 + 5).unwrap_or(5)
}

/// A client whose seats are near its units: every third as billed, the others a few more or less.
fn account(number: usize) -> DemoAccount {
    let (name, ..) = COMPANIES[number];
    let drift = [0, 1, 2, 0, -1, 3][number % 6];
    DemoAccount {
        account_id: account_id(number),
        name: if number % 5 == 2 { name.to_uppercase() } else { name.to_owned() },
        contact_email: address(number, 0),
        seats: units(number) + drift,
    }
}
