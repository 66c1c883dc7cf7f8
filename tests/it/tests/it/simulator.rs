//! The simulator is held against the facts: what it serves, and how it behaves.

use std::sync::Arc;

use ::simulator::{
    Access, Allow, BadPage, Clearing, Clock, CreatedLineUnits, Database, DatabaseSpec, DateValues, Fault, FaultKind,
    FutureRows, HourlyCap, InvoiceTotal, LoggedRequest, MadeInvoice, ManualClock, Match, MaxRecordsCapital,
    MissingItem, Options, Outcome, PdfForm, PeriodTypeForm, Permissions, RenewedPoints, Response, Simulator,
    Unwritable, WireRequest, seed,
};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

mod adjustments;
mod by_hand;
mod callouts;
mod client;
mod conformance;
mod faults;
mod invoices;
mod kept;
mod lines;
mod reading;
mod webhooks;
mod writing;

const USER: &str = "api@msp.example";
const SECRET: &str = "s3cret-canary";
const CODE: &str = "CODE0000000000000000000000A";

/// A simulator with one database, and a client that knows its three headers.
struct World {
    simulator: Simulator,
    clock: Arc<ManualClock>,
    database: Database,
}

fn noon() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn world() -> World {
    world_of(DatabaseSpec::new(USER, SECRET, CODE))
}

fn world_of(spec: DatabaseSpec) -> World {
    let clock = Arc::new(ManualClock::new(noon()));
    let simulator = Simulator::new(clock.clone(), Options::default());
    let database = simulator.add_database(spec).unwrap();
    World { simulator, clock, database }
}

fn signed(request: WireRequest) -> WireRequest {
    request.header("UserName", USER).header("Secret", SECRET).header("ApiIntegrationCode", CODE)
}

impl World {
    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Outcome {
        let mut request = signed(WireRequest::new(method, &format!("/ATServicesRest/V1.0/{path}")));
        if let Some(body) = body {
            request = request.json(body);
        }
        self.simulator.handle(request)
    }

    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Response {
        self.send(method, path, body).response().cloned().expect("an answer")
    }

    fn get(&self, path: &str) -> Response {
        self.call(Method::GET, path, None)
    }

    fn post(&self, path: &str, body: &Value) -> Response {
        self.call(Method::POST, path, Some(body))
    }

    fn patch(&self, path: &str, body: &Value) -> Response {
        self.call(Method::PATCH, path, Some(body))
    }

    fn query(&self, entity: &str, filter: &Value) -> Response {
        self.post(&format!("{entity}/query"), &json!({ "filter": filter }))
    }

    fn ids(&self, entity: &str, filter: &Value) -> Vec<i64> {
        let response = self.query(entity, filter);
        assert_eq!(response.status, 200, "{}", response.value());
        response.value()["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
    }

    fn insert(&self, entity: &str, row: Value) -> i64 {
        self.simulator.insert(self.database.ci, entity, &[row]).unwrap()[0]
    }

    fn company(&self, name: &str) -> i64 {
        self.insert("Companies", json!({ "companyName": name, "companyType": 1, "phone": "1" }))
    }

    /// A recurring contract for October to December 2026 with one line.
    fn line(&self, units: i64) -> Line {
        let company = self.company("Alpha");
        let contract = self.insert(
            "Contracts",
            json!({
                "companyID": company, "contractName": "Managed", "contractType": 7,
                "startDate": "2026-10-01", "endDate": "2026-12-31", "status": 1,
            }),
        );
        let code = self.insert("BillingCodes", json!({ "name": "Software as a Service", "useType": 5 }));
        let service = self.insert(
            "Services",
            json!({
                "name": "Seats", "billingCodeID": code, "periodType": 1, "unitPrice": 12.5, "unitCost": 7,
            }),
        );
        let line =
            self.insert("ContractServices", json!({ "contractID": contract, "serviceID": service, "units": units }));
        Line { contract, service, line }
    }

    /// An invoice of a company of its own, made by a person: `(itemName, quantity, rate)` and no tax.
    fn invoice(&self, lines: &[(&str, &str, &str)]) -> MadeInvoice {
        let company = self.company("Alpha");
        let lines: Vec<Value> = lines
            .iter()
            .map(|(name, quantity, rate)| json!({ "itemName": name, "quantity": quantity, "rate": rate }))
            .collect();
        let invoice = json!({ "companyID": company, "lines": lines });
        self.simulator.make_invoices(self.database.ci, &[invoice]).unwrap().remove(0)
    }

    /// `start..end units` for each units row of a line, in order.
    fn units(&self, line: i64) -> Vec<String> {
        let response =
            self.query("ContractServiceUnits", &json!([{ "op": "eq", "field": "contractServiceID", "value": line }]));
        let mut rows: Vec<String> = response.value()["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let day = |field: &str| row[field].as_str().unwrap()[..10].to_owned();
                format!("{}..{} {}", day("startDate"), day("endDate"), row["units"])
            })
            .collect();
        rows.sort();
        rows
    }

    fn adjust(&self, body: &Value) -> Response {
        self.post("ContractServiceAdjustments", body)
    }
}

struct Line {
    contract: i64,
    service: i64,
    line: i64,
}

fn text(response: &Response) -> String {
    response.value()["errors"][0].as_str().unwrap_or_default().to_owned()
}

fn match_all() -> Value {
    json!([{ "op": "gte", "field": "id", "value": 0 }])
}
