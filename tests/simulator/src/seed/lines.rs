//! Many lines, for measurements and for faults.

use jiff::ToSpan;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};

use crate::sim::{Simulator, SimulatorError};

/// What [`lines_of`] makes.
#[derive(Clone, Copy, Debug)]
pub struct LinesSpec {
    /// Companies, each with a primary contact, a recurring contract and one line.
    pub count: usize,
    /// Months with units rows before the month of `today`.
    pub months_before: i32,
    /// Months with units rows after the month of `today`.
    pub months_after: i32,
    /// The day it is.
    pub today: Date,
    /// Units of each line.
    pub units: i64,
}

/// One line and what it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeededLine {
    /// The company, named `Client 0001` and so on.
    pub company_id: i64,
    /// Its name.
    pub company_name: String,
    /// Its primary contact's address.
    pub contact_email: String,
    /// Its recurring contract.
    pub contract_id: i64,
    /// The contract's only line.
    pub contract_service_id: i64,
    /// The vendor's service.
    pub service_id: i64,
    /// Units in every period.
    pub units: i64,
}

/// `count` lines of 10 units with 24 monthly rows each, around the simulator's present day.
pub fn lines(simulator: &Simulator, ci: u64, count: usize) -> Result<Vec<SeededLine>, SimulatorError> {
    let today = simulator.today();
    lines_of(simulator, ci, LinesSpec { count, months_before: 11, months_after: 12, today, units: 10 })
}

/// Lines as told.
pub fn lines_of(simulator: &Simulator, ci: u64, spec: LinesSpec) -> Result<Vec<SeededLine>, SimulatorError> {
    let owner = simulator.rows(ci, "Resources")?.first().map(|row| row["id"].clone());
    let code = simulator.insert(ci, "BillingCodes", &[json!({ "name": "Software as a Service", "useType": 5 })])?[0];
    let service_id = simulator.insert(
        ci,
        "Services",
        &[json!({
            "name": "Per-user service", "billingCodeID": code, "periodType": 1, "unitPrice": "4.00", "unitCost": "2.00",
        })],
    )?[0];

    let month = spec.today.first_of_month();
    let start = month.saturating_sub(spec.months_before.months());
    let end = month.saturating_add((spec.months_after + 1).months());
    let end = end.yesterday().unwrap_or(end);
    let numbers = 1..=spec.count;
    let name = |number: usize| format!("Client {number:04}");
    let address = |number: usize| format!("owner@client-{number:04}.example");

    let companies: Vec<Value> = numbers
        .clone()
        .map(|number| json!({ "companyName": name(number), "companyType": 1, "phone": "555-0100", "ownerResourceID": owner }))
        .collect();
    let companies = simulator.insert(ci, "Companies", &companies)?;
    let contacts: Vec<Value> = numbers
        .clone()
        .zip(&companies)
        .map(|(number, company)| {
            json!({
                "companyID": company, "firstName": "Owner", "lastName": name(number),
                "emailAddress": address(number), "primaryContact": true,
            })
        })
        .collect();
    simulator.insert(ci, "Contacts", &contacts)?;
    let contracts: Vec<Value> = companies
        .iter()
        .map(|company| {
            json!({
                "companyID": company, "contractName": "Managed Services", "contractType": 7,
                "startDate": start, "endDate": end, "status": 1,
            })
        })
        .collect();
    let contracts = simulator.insert(ci, "Contracts", &contracts)?;
    let rows: Vec<Value> = contracts
        .iter()
        .map(|contract| json!({ "contractID": contract, "serviceID": service_id, "units": spec.units }))
        .collect();
    let lines = simulator.insert(ci, "ContractServices", &rows)?;

    Ok(numbers
        .zip(companies.into_iter().zip(contracts.into_iter().zip(lines)))
        .map(|(number, (company_id, (contract_id, contract_service_id)))| SeededLine {
            company_id,
            company_name: name(number),
            contact_email: address(number),
            contract_id,
            contract_service_id,
            service_id,
            units: spec.units,
        })
        .collect())
}
