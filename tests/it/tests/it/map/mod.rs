//! `map`: accounts, the picker, mappings, auto-map, CSV.

mod failed;

use domain::connections::Connection;
use domain::mappings::{CompanyTaken, LineTaken, Mapping, MappingStatus};
use domain::records::{Collection, Key};
use domain::runs::{Run, RunState};
use domain::vendor::{Account, AccountPackage, Package};
use domain::{AccountId, LineRef, PackageId, Role, RunId};
use serde_json::{Value, json};
use simulator::{Access, Fault, FaultKind, Level, Match, Permissions};
use testkit::{Api, Reply, World};

/// Autotask as a small MSP has it, and the vendor's accounts beside it.
pub(crate) struct Msp {
    pub(crate) world: World,
    owner: Value,
    /// The vendor's service.
    pub(crate) service: i64,
    pub(crate) other_service: i64,
}

impl Msp {
    pub(crate) async fn new() -> Self {
        Self::of(World::builder().build().await).await
    }

    pub(crate) async fn of(world: World) -> Self {
        let owner = world.sim.rows(world.ci, "Resources").unwrap()[0]["id"].clone();
        let insert = |entity: &str, row: Value| world.sim.insert(world.ci, entity, &[row]).unwrap()[0];
        let code = insert("BillingCodes", json!({"name": "Software as a Service", "useType": 5, "isActive": true}));
        let plain = insert("BillingCodes", json!({"name": "Managed", "useType": 5, "isActive": true}));
        let service = insert(
            "Services",
            json!({"name": "Training", "billingCodeID": code, "periodType": 1, "unitPrice": "4.00", "unitCost": "2.00", "isActive": true}),
        );
        let other_service = insert(
            "Services",
            json!({"name": "Backup", "billingCodeID": plain, "periodType": 1, "unitPrice": "9.00", "isActive": true}),
        );
        for id in ["training", "phishing"] {
            let id = PackageId::new(id).unwrap();
            let name = id.to_string();
            world
                .put(&Package {
                    id,
                    name,
                    metric: "user".to_owned(),
                    unit_price_to_partner: None,
                    currency: None,
                    active: true,
                })
                .await;
        }
        let msp = Self { world, owner, service, other_service };
        msp.ran().await;
        msp
    }

    /// Auto-map does not come by itself any more.
    pub(crate) async fn ran(&self) {
        let key = Key::Connection(self.world.partner.clone(), self.world.connection.clone());
        let mut connection = self.world.load::<Connection>(&key).await.unwrap().value;
        connection.automap_ran = true;
        self.world.put(&connection).await;
    }

    pub(crate) fn insert(&self, entity: &str, row: Value) -> i64 {
        self.world.sim.insert(self.world.ci, entity, &[row]).unwrap()[0]
    }

    pub(crate) fn company(&self, name: &str) -> i64 {
        self.insert("Companies", json!({"companyName": name, "companyType": 1, "phone": "555", "ownerResourceID": self.owner, "isActive": true}))
    }

    pub(crate) fn contact(&self, company: i64, email: &str, primary: bool) -> i64 {
        self.insert("Contacts", json!({"companyID": company, "firstName": "A", "lastName": "B", "emailAddress": email, "primaryContact": primary, "isActive": 1}))
    }

    pub(crate) fn contract(&self, company: i64, change: Value) -> i64 {
        let mut row = json!({"companyID": company, "contractName": "Managed", "contractType": 7, "contractPeriodType": 1, "status": 1, "startDate": "2026-01-01", "endDate": "2026-12-31"});
        for (name, value) in change.as_object().unwrap() {
            row[name] = value.clone();
        }
        self.insert("Contracts", row)
    }

    pub(crate) fn line(&self, contract: i64, service: i64) -> i64 {
        self.insert("ContractServices", json!({"contractID": contract, "serviceID": service, "units": 10}))
    }

    /// A company with a contract with a line of the vendor's service.
    pub(crate) fn client(&self, name: &str) -> (i64, i64, i64) {
        let company = self.company(name);
        let contract = self.contract(company, json!({}));
        (company, contract, self.line(contract, self.service))
    }

    pub(crate) async fn account(&self, id: &str, name: &str, email: &str) {
        let package = AccountPackage::new(PackageId::new("training").unwrap(), None);
        self.world
            .put(&Account {
                partner: self.world.partner.clone(),
                id: AccountId::new(id).unwrap(),
                name: name.to_owned(),
                contact_email: Some(email.to_owned()).filter(|e| !e.is_empty()),
                packages: vec![package],
                removed: Vec::new(),
                told: std::collections::BTreeSet::new(),
                packages_at: None,
                active: true,
                updated_at: self.world.clock.now(),
            })
            .await;
    }

    pub(crate) fn billing(&self) -> Api<'_> {
        self.world.api(Role::PartnerBilling)
    }

    pub(crate) async fn save(&self, account: &str, body: Value) -> Reply {
        self.billing().put(&format!("C/company-mappings/{account}"), body).await
    }

    pub(crate) async fn mapping(&self, account: &str) -> Option<Mapping> {
        let key =
            Key::Mapping(self.world.partner.clone(), self.world.connection.clone(), AccountId::new(account).unwrap());
        self.world.load::<Mapping>(&key).await.map(|m| m.value)
    }

    pub(crate) async fn taken(&self) -> (Vec<i64>, Vec<LineRef>) {
        let (partner, connection) = (self.world.partner.clone(), self.world.connection.clone());
        let companies =
            self.world.load_all::<CompanyTaken>(&Collection::CompaniesTaken(partner.clone(), connection.clone())).await;
        let lines = self.world.load_all::<LineTaken>(&Collection::LinesTaken(partner, connection)).await;
        (companies.iter().map(|c| c.company_id).collect(), lines.iter().map(|l| l.line).collect())
    }

    pub(crate) async fn run(&self, id: &Value) -> Run {
        let id = RunId::new(id.as_str().unwrap()).unwrap();
        let key = Key::Run(self.world.partner.clone(), self.world.connection.clone(), id);
        self.world.load::<Run>(&key).await.unwrap().value
    }

    /// Auto-maps to the end.
    pub(crate) async fn automap(&self, rerun: bool) -> Run {
        let started = self.billing().post("C/company-mappings/auto-map", json!({"rerun": rerun})).await.expect(202);
        self.world.drain().await;
        self.run(&started["run_id"]).await
    }

    pub(crate) async fn import(&self, path: &str, text: &str) -> Reply {
        self.billing().header("content-type", "text/csv").send("POST", path, text.as_bytes()).await
    }
}

pub(crate) fn mapped(company: i64, contract: i64, line: i64) -> Value {
    json!({"company_id": company, "contract_id": contract, "lines": [{"package_id": "training", "contract_service_id": line}]})
}

#[tokio::test]
async fn a_persons_save_is_confirmed_at_once_and_saving_it_again_changes_nothing() {
    let msp = Msp::new().await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    msp.account("a1", "Blue Kite", "").await;
    let first = msp.save("a1", mapped(company, contract, line)).await;
    first.assert_status(200);
    assert_eq!(first.header("etag"), Some("\"1\""));
    assert_eq!(first.json["mapping"]["status"], "confirmed");
    assert_eq!(first.json["mapping"]["contract"]["end"], "2026-12-31");
    assert_eq!(first.json["mapping"]["lines"][0]["name_now"], "Training");
    assert_eq!((&first.json["changed"], &first.json["warnings"]), (&json!(true), &json!([])));
    let second = msp.save("a1", mapped(company, contract, line)).await;
    assert_eq!((second.header("etag"), &second.json["changed"]), (Some("\"1\""), &json!(false)));
    assert_eq!(msp.taken().await, (vec![company], vec![LineRef::service(line)]));
    assert_eq!(msp.world.published("mapping.confirmed").len(), 1);
    assert_eq!(msp.world.writes().len(), 0, "nothing is written to Autotask");
}

#[tokio::test]
async fn a_mapping_without_a_contract_is_valid_and_says_that_it_is_not_billed() {
    let msp = Msp::new().await;
    let company = msp.company("Blue Kite Ltd");
    msp.account("a1", "Blue Kite", "").await;
    let saved = msp.save("a1", json!({"company_id": company})).await.expect(200);
    assert_eq!(saved["mapping"]["notes"][0]["code"], "no_contract_selected");
    assert!(!msp.mapping("a1").await.unwrap().is_billable());
}

#[tokio::test]
async fn one_company_and_one_line_belong_to_one_account() {
    let msp = Msp::new().await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    let (other, ..) = msp.client("Red Kite Ltd");
    msp.account("a1", "Blue Kite", "").await;
    msp.account("a2", "Red Kite", "").await;
    msp.save("a1", mapped(company, contract, line)).await.assert_status(200);
    let refused = msp.save("a2", json!({"company_id": company})).await;
    let problem = refused.assert_problem(422, "company_already_mapped");
    assert_eq!(problem["account_id"], "a1");
    assert!(problem["detail"].as_str().unwrap().contains("Blue Kite"), "{problem}");
    let shared = msp.save("a2", mapped(other, contract, line)).await;
    assert_eq!(shared.assert_problem(422, "contract_service_shared")["account_id"], "a1");
    let twice = json!({"company_id": company, "contract_id": contract, "lines": [
        {"package_id": "training", "contract_service_id": line}, {"package_id": "phishing", "contract_service_id": line}]});
    msp.save("a1", twice).await.assert_problem(422, "contract_service_shared");
    assert!(msp.mapping("a2").await.is_none());

    msp.save("a1", json!({"company_id": other})).await.assert_status(200);
    assert_eq!(msp.taken().await, (vec![other], vec![]), "what was held before is free");
    msp.save("a2", mapped(company, contract, line)).await.assert_status(200);
}

#[tokio::test]
async fn of_two_saves_at_once_for_one_company_one_wins() {
    let msp = Msp::new().await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    let ids: Vec<String> = (0..6).map(|n| format!("a{n}")).collect();
    for id in &ids {
        msp.account(id, id, "").await;
    }
    let saves = ids.iter().map(|id| msp.save(id, mapped(company, contract, line)));
    let replies = futures::future::join_all(saves).await;
    let won: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(won.len(), 1, "{:?}", replies.iter().map(|r| &r.text).collect::<Vec<_>>());
    for (id, lost) in ids.iter().zip(&replies).filter(|(_, reply)| reply.status != 200) {
        // Autotask takes few calls at once: who got no turn is told to come back, and then that it is too late.
        match lost.status {
            503 => msp.save(id, mapped(company, contract, line)).await.assert_problem(422, "company_already_mapped"),
            _ => lost.assert_problem(422, "company_already_mapped"),
        };
    }
    assert_eq!(msp.taken().await, (vec![company], vec![LineRef::service(line)]));
}

#[tokio::test]
async fn a_contract_that_cannot_be_billed_is_refused_with_its_reason() {
    let msp = Msp::new().await;
    let company = msp.company("Blue Kite Ltd");
    let foreign = msp.client("Red Kite Ltd").1;
    msp.account("a1", "Blue Kite", "").await;
    let fixed = msp.contract(company, json!({"contractType": 3}));
    let ended = msp.contract(company, json!({"startDate": "2025-01-01", "endDate": "2025-12-31"}));
    let renewed = msp.contract(company, json!({"contractName": "Old"}));
    let next =
        msp.contract(company, json!({"contractName": "New", "startDate": "2026-11-01", "endDate": "2027-10-31"}));
    msp.world.sim.patch(msp.world.ci, "Contracts", renewed, &json!({"renewedContractID": next})).unwrap();
    let with = |contract: i64| json!({"company_id": company, "contract_id": contract});
    msp.save("a1", with(fixed)).await.assert_problem(422, "contract_not_recurring");
    msp.save("a1", with(ended)).await.assert_problem(422, "contract_ended");
    assert_eq!(msp.save("a1", with(renewed)).await.assert_problem(422, "contract_renewed")["renewed_by"], next);
    msp.save("a1", with(999_999)).await.assert_problem(422, "contract_not_found");
    msp.save("a1", with(foreign)).await.assert_problem(400, "invalid_input");
    assert!(msp.mapping("a1").await.is_none());

    let yearly = msp.contract(company, json!({"contractPeriodType": 4, "startDate": "2026-06-01"}));
    let saved = msp.save("a1", with(yearly)).await.expect(200);
    assert_eq!(saved["warnings"][0]["code"], "contract_not_monthly");
}

#[tokio::test]
async fn companies_and_lines_that_are_gone_are_told_from_those_out_of_sight() {
    let msp = Msp::new().await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    msp.account("a1", "Blue Kite", "").await;
    let inactive = msp.company("Gone Ltd");
    msp.world.sim.patch(msp.world.ci, "Companies", inactive, &json!({"isActive": false})).unwrap();
    msp.save("a1", json!({"company_id": inactive})).await.assert_problem(422, "company_inactive_or_gone");
    msp.save("a1", json!({"company_id": 999_999})).await.assert_problem(422, "company_inactive_or_gone");
    msp.save("a1", mapped(company, contract, 999_999)).await.assert_problem(422, "contract_service_removed");
    msp.world.sim.patch(msp.world.ci, "Services", msp.service, &json!({"isActive": false})).unwrap();
    msp.save("a1", mapped(company, contract, line)).await.assert_problem(422, "service_inactive");
    let rights = Permissions::default().with("Companies", Access { view: Level::None, ..Access::ALL });
    msp.world.sim.set_permissions(msp.world.ci, rights).unwrap();
    msp.save("a1", json!({"company_id": 999_999})).await.assert_problem(403, "permission_missing");
}

#[tokio::test]
async fn bad_input_is_refused_whole() {
    let msp = Msp::new().await;
    msp.account("a1", "Blue Kite", "").await;
    for (body, pointer) in [
        (json!({}), "/company_id"),
        (json!({"company_id": 0}), "/company_id"),
        (
            json!({"company_id": 1, "lines": [{"package_id": "training", "contract_service_id": 1}]}),
            "/lines/0/contract_service_id",
        ),
        (
            json!({"company_id": 1, "contract_id": 2, "lines": [{"package_id": "none", "contract_service_id": 1}]}),
            "/lines/0/package_id",
        ),
        (json!({"company_id": 1, "excluded": true}), "/excluded"),
        (json!({"company_id": "1"}), "/company_id"),
    ] {
        let reply = msp.save("a1", body).await;
        assert_eq!(reply.assert_problem(400, "invalid_input")["errors"][0]["pointer"], pointer);
    }
    let bundle = json!({"company_id": 1, "contract_id": 2, "lines": [{"package_id": "training", "kind": "bundle", "contract_service_id": 1, "overwrite_cost": true}]});
    msp.save("a1", bundle).await.assert_problem(422, "bundle_cost_unsupported");
    assert!(msp.world.sim.requests().is_empty(), "Autotask was not asked");
    assert!(msp.mapping("a1").await.is_none());
}

#[tokio::test]
async fn foreign_ids_do_not_exist_and_roles_are_kept() {
    let msp = Msp::new().await;
    let (company, ..) = msp.client("Blue Kite Ltd");
    msp.account("a1", "Blue Kite", "").await;
    let body = json!({"company_id": company});
    for path in ["C/accounts", "C/autotask/companies", "C/mappings.csv"] {
        msp.billing().of_partner("stranger").get(path).await.assert_problem(404, "not_found");
        assert!(msp.world.api(Role::VendorSupport).get(path).await.is_success(), "{path}");
    }
    msp.billing()
        .of_partner("stranger")
        .put("C/company-mappings/a1", body.clone())
        .await
        .assert_problem(404, "not_found");
    msp.billing().put("C/company-mappings/a9", body.clone()).await.assert_problem(404, "not_found");
    msp.billing().put("/v1/connections/con_9/company-mappings/a1", body.clone()).await.assert_problem(404, "not_found");
    msp.billing().get("C/autotask/contracts/999999/services").await.assert_problem(404, "not_found");
    for role in [Role::PartnerViewer, Role::VendorSupport, Role::Service] {
        let api = msp.world.api(role);
        api.put("C/company-mappings/a1", body.clone()).await.assert_problem(403, "forbidden_role");
        api.delete("C/company-mappings/a1").await.assert_problem(403, "forbidden_role");
        api.post("C/company-mappings/auto-map", json!({})).await.assert_problem(403, "forbidden_role");
    }
    msp.world.api(Role::PartnerViewer).get("C/autotask/companies").await.assert_problem(403, "forbidden_role");
    msp.world.api(Role::PartnerViewer).get("C/accounts").await.assert_status(200);
}

#[tokio::test]
async fn the_picker_shows_companies_in_scope_and_never_the_partners_own() {
    let msp = Msp::new().await;
    let blue = msp.company("Blue Kite Ltd");
    msp.company("Red Kite Ltd");
    let vendor = msp.company("Kite Vendor");
    msp.world.sim.patch(msp.world.ci, "Companies", vendor, &json!({"companyType": 7})).unwrap();
    msp.account("a1", "Blue Kite", "").await;
    msp.save("a1", json!({"company_id": blue})).await.assert_status(200);
    let found = msp.billing().get("C/autotask/companies?q=kITe").await.expect(200);
    let names: Vec<_> = found["items"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Blue Kite Ltd", "Red Kite Ltd"]);
    assert_eq!(
        (&found["items"][0]["mapped_to"], &found["items"][0]["company_type"]),
        (&json!("a1"), &json!("Customer"))
    );
    for n in 0..60 {
        msp.company(&format!("Many {n:02}"));
    }
    let all = msp.billing().get("C/autotask/companies").await.expect(200);
    assert_eq!((all["items"].as_array().unwrap().len(), &all["more"]), (50, &json!(true)));
    assert!(all["items"].as_array().unwrap().iter().all(|c| c["id"] != 0));
    let none = msp.billing().get("C/autotask/companies?q=kite&type=Vendor").await.expect(200);
    assert_eq!(none["items"], json!([]));
    msp.billing().get("C/autotask/companies?type=Unheard").await.assert_problem(400, "invalid_input");
}

#[tokio::test]
async fn the_picker_says_why_a_contract_cannot_be_used_and_what_its_lines_hold_today() {
    let msp = Msp::new().await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    let backup = msp.line(contract, msp.other_service);
    let fixed = msp.contract(company, json!({"contractType": 3}));
    let plain = msp.contract(company, json!({"contractName": "Plain"}));
    let found = msp.billing().get(&format!("C/autotask/companies/{company}/contracts")).await.expect(200);
    let of = |id: i64| found["items"].as_array().unwrap().iter().find(|c| c["id"] == id).unwrap();
    assert_eq!(found["items"][0]["id"], contract);
    assert_eq!((&of(contract)["eligible"], &of(contract)["has_vendor_line"]), (&json!(true), &json!(true)));
    assert_eq!(
        (&of(contract)["period_type"], &of(contract)["contract_type"]),
        (&json!("Monthly"), &json!("Recurring Service"))
    );
    assert_eq!((&of(plain)["eligible"], &of(plain)["has_vendor_line"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&of(fixed)["eligible"], &of(fixed)["why_not"][0]["code"]),
        (&json!(false), &json!("contract_not_recurring"))
    );

    let path = format!("C/autotask/contracts/{contract}/services");
    let lines = msp.billing().get(&path).await.expect(200);
    let first = &lines["items"][0];
    assert_eq!(
        (&first["contract_service_id"], &first["units"], &first["vendor_line"]),
        (&json!(line), &json!(10), &json!(true))
    );
    assert_eq!((&first["name"], &first["duplicate_line"]), (&json!("Training"), &json!(false)));
    assert_eq!(lines["items"][1]["contract_service_id"], backup);
    msp.line(contract, msp.service);
    let lines = msp.billing().get(&path).await.expect(200);
    assert_eq!(lines["items"].as_array().unwrap().iter().filter(|l| l["duplicate_line"] == true).count(), 2);
}

#[tokio::test]
async fn a_change_is_of_the_version_that_was_read_and_an_unmapped_account_is_free_again() {
    let msp = Msp::new().await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    msp.account("a1", "Blue Kite", "").await;
    msp.save("a1", mapped(company, contract, line)).await.assert_status(200);
    let path = "C/company-mappings/a1";
    let stale = msp.billing().header("if-match", "\"7\"");
    stale.put(path, json!({"company_id": company})).await.assert_problem(412, "precondition_failed");
    stale.delete(path).await.assert_problem(412, "precondition_failed");
    msp.billing().header("if-match", "\"1\"").delete(path).await.assert_status(204);
    msp.billing().delete(path).await.assert_problem(404, "not_found");
    assert_eq!(msp.taken().await, (vec![], vec![]));
    assert_eq!(msp.world.published("mapping.removed").len(), 1);

    msp.save("a1", mapped(company, contract, line)).await.assert_status(200);
    let excluded = msp.save("a1", json!({"excluded": true})).await.expect(200);
    assert_eq!(excluded["mapping"]["status"], "excluded");
    assert_eq!(msp.taken().await, (vec![], vec![]));
    msp.billing().post("C/company-mappings/a1/confirm", Value::Null).await.assert_problem(409, "conflict");
    assert_eq!(msp.world.writes().len(), 0);
}

#[tokio::test]
async fn a_renewal_is_followed_line_by_line() {
    let msp = Msp::new().await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    msp.account("a1", "Blue Kite", "").await;
    msp.save("a1", mapped(company, contract, line)).await.assert_status(200);
    let next =
        msp.contract(company, json!({"contractName": "Next", "startDate": "2026-11-01", "endDate": "2027-10-31"}));
    let remap = |to: i64| {
        let body = json!({"to_contract_id": to, "reason": "renewal"});
        let api = msp.billing();
        async move { api.post("C/company-mappings/a1/remap", body).await }
    };
    remap(next).await.assert_problem(422, "contract_service_removed");
    let there = msp.line(next, msp.service);
    let moved = remap(next).await.expect(200);
    assert_eq!(moved["mapping"]["lines"][0]["contract_service_id"], there);
    assert_eq!((&moved["mapping"]["source"], &moved["mapping"]["status"]), (&json!("renewal"), &json!("confirmed")));
    assert_eq!(msp.taken().await.1, [LineRef::service(there)]);
    let third = msp.contract(company, json!({"contractName": "Third"}));
    msp.line(third, msp.service);
    msp.line(third, msp.service);
    remap(third).await.assert_problem(422, "duplicate_line");
}

#[tokio::test]
async fn automap_proposes_what_is_clear_and_confirms_nothing() {
    let msp = Msp::new().await;
    let (blue, contract, line) = msp.client("Blue Kite Ltd");
    msp.contact(blue, "Office@BlueKite.example", true);
    let red = msp.company("Red Kite Ltd");
    msp.contact(red, "office@redkite.example", true);
    msp.contact(red, "blue@redkite.example", false);
    for name in ["Twin One", "Twin Two"] {
        let twin = msp.company(name);
        msp.contact(twin, "twin@twin.example", true);
    }
    for (id, email) in [
        ("a1", "office@bluekite.example"),
        ("a2", "office@redkite.example"),
        ("a3", "twin@twin.example"),
        ("a4", "nobody@none.example"),
        ("a5", "blue@redkite.example"),
        ("a6", ""),
    ] {
        msp.account(id, id, email).await;
    }
    let run = msp.automap(false).await;
    assert_eq!(run.state, RunState::Done, "{:?}", run.problem);
    let count = |name: &str| run.outcome[name].as_u64().unwrap();
    assert_eq!((count("accounts"), count("suggested"), count("ambiguous"), count("no_match")), (6, 2, 1, 3));
    assert_eq!((count("with_contract"), count("with_lines")), (1, 1));
    assert_eq!(run.outcome["ambiguous_accounts"][0]["account_id"], "a3");
    assert_eq!(run.outcome["ambiguous_accounts"][0]["code"], "automap_ambiguous");
    assert_eq!(run.outcome["ambiguous_accounts"][0]["candidates"].as_array().unwrap().len(), 2);
    let first = msp.mapping("a1").await.unwrap();
    assert_eq!(
        (first.status, first.company.unwrap().id, first.contract.unwrap().id),
        (MappingStatus::Suggested, blue, contract)
    );
    assert_eq!(first.lines[0].line, LineRef::service(line));
    assert_eq!(msp.taken().await, (vec![], vec![]), "a suggestion holds nothing");
    assert_eq!(msp.world.published("mapping.suggested").len(), 2);

    let again = msp.automap(true).await;
    assert_eq!((again.outcome["suggested"].as_u64(), again.outcome["unchanged"].as_u64()), (Some(0), Some(2)));
    assert_eq!(msp.world.published("mapping.suggested").len(), 2);
    assert_eq!(msp.world.writes().len(), 0);
    assert!(run.autotask_calls <= 14, "{} calls", run.autotask_calls);
}

#[tokio::test]
async fn automap_never_touches_what_a_person_decided() {
    let msp = Msp::new().await;
    let blue = msp.company("Blue Kite Ltd");
    msp.contact(blue, "office@bluekite.example", true);
    let red = msp.company("Red Kite Ltd");
    for id in ["a1", "a2", "a3"] {
        msp.account(id, id, "office@bluekite.example").await;
    }
    msp.save("a1", json!({"company_id": red})).await.assert_status(200);
    msp.save("a2", json!({"excluded": true})).await.assert_status(200);
    msp.automap(true).await;
    assert_eq!(msp.mapping("a1").await.unwrap().company.unwrap().id, red);
    assert_eq!(msp.mapping("a2").await.unwrap().status, MappingStatus::Excluded);
    assert_eq!(msp.mapping("a3").await.unwrap().company.unwrap().id, blue);
    msp.save("a1", json!({"company_id": blue})).await.assert_status(200);
    let late = msp.billing().post("C/company-mappings/a3/confirm", Value::Null).await;
    assert_eq!(late.assert_problem(422, "company_already_mapped")["account_id"], "a1");
}

#[tokio::test]
async fn the_first_look_at_the_accounts_starts_automap_once() {
    let world = testkit::world().await;
    let empty = world.api(Role::PartnerViewer).get("C/accounts").await.expect(200);
    assert_eq!(empty["automap_run_id"], Value::Null);
    let msp = Msp::of(world).await;
    let key = Key::Connection(msp.world.partner.clone(), msp.world.connection.clone());
    let mut connection = msp.world.load::<Connection>(&key).await.unwrap().value;
    connection.automap_ran = false;
    msp.world.put(&connection).await;
    let blue = msp.company("Blue Kite Ltd");
    msp.contact(blue, "office@bluekite.example", true);
    msp.account("a1", "Blue Kite", "office@bluekite.example").await;
    let support = msp.world.api(Role::VendorSupport).get("C/accounts").await.expect(200);
    assert_eq!(support["automap_run_id"], Value::Null);
    let viewer = msp.world.api(Role::PartnerViewer);
    let (one, two) = futures::join!(viewer.get("C/accounts"), viewer.get("C/accounts"));
    let started: Vec<_> = [&one, &two]
        .iter()
        .filter(|reply| !reply.json["automap_run_id"].is_null())
        .map(|r| r.json["automap_run_id"].clone())
        .collect();
    assert_eq!(started.len(), 1);
    msp.world.drain().await;
    assert_eq!(msp.run(&started[0]).await.outcome["suggested"], 1);
    let rows = viewer.get("C/accounts?status=suggested").await.expect(200);
    assert_eq!(rows["items"][0]["mapping"]["notes"][0]["code"], "mapping_unconfirmed");
    assert_eq!(rows["automap_run_id"], Value::Null);
}

#[tokio::test]
async fn automap_outlives_an_autotask_that_is_away_and_gives_up_on_refused_credentials() {
    let msp = Msp::new().await;
    let blue = msp.company("Blue Kite Ltd");
    msp.contact(blue, "office@bluekite.example", true);
    msp.account("a1", "Blue Kite", "office@bluekite.example").await;
    let away = FaultKind::Status { status: 503, body: json!({}) };
    msp.world.sim.add_fault(Fault { times: Some(6), ..Fault::new(Match::new("POST", "*Contacts/query"), away) });
    let run = msp.automap(false).await;
    assert_eq!((run.state, run.outcome["suggested"].as_u64()), (RunState::Done, Some(1)), "{:?}", run.problem);
    msp.world.sim.set_secret(msp.world.ci, "another").unwrap();
    let run = msp.automap(true).await;
    assert_eq!(run.state, RunState::Failed);
    msp.billing().get("C/autotask/companies").await.assert_problem(409, "needs_relink");
}

#[tokio::test]
async fn suggestions_are_confirmed_one_by_one_or_many_at_once() {
    let msp = Msp::new().await;
    let (blue, _, line) = msp.client("Blue Kite Ltd");
    msp.contact(blue, "a1@x.example", true);
    let red = msp.company("Red Kite Ltd");
    msp.contact(red, "a2@x.example", true);
    for id in ["a1", "a2", "a3"] {
        msp.account(id, id, &format!("{id}@x.example")).await;
    }
    msp.automap(false).await;
    for changed in [true, false] {
        let reply = msp.billing().post("C/company-mappings/a1/confirm", Value::Null).await.expect(200);
        assert_eq!((&reply["mapping"]["status"], &reply["changed"]), (&json!("confirmed"), &json!(changed)));
    }
    assert_eq!(msp.taken().await, (vec![blue], vec![LineRef::service(line)]));
    assert!(msp.mapping("a1").await.unwrap().is_billable());
    let bulk = msp
        .billing()
        .post("C/company-mappings/bulk-confirm", json!({"account_ids": ["a1", "a2", "a3"]}))
        .await
        .expect(200);
    let outcomes: Vec<_> = bulk["results"].as_array().unwrap().iter().map(|r| r["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["unchanged", "confirmed", "refused"]);
    assert_eq!(bulk["results"][2]["error"]["code"], "not_found");
    let many: Vec<String> = (0..201).map(|n| format!("a{n}")).collect();
    msp.billing()
        .post("C/company-mappings/bulk-confirm", json!({"account_ids": many}))
        .await
        .assert_problem(400, "invalid_input");
}

#[tokio::test]
async fn accounts_come_in_pages_that_can_be_filtered_and_looked_at_live() {
    let msp = Msp::new().await;
    for n in 0..7 {
        msp.account(&format!("a{n}"), &format!("Client {n}"), "").await;
    }
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    msp.save("a3", mapped(company, contract, line)).await.assert_status(200);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = msp.billing().get(&format!("C/accounts?limit=3{cursor}")).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|a| a["account_id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["a0", "a1", "a2", "a3", "a4", "a5", "a6"]);
    let first = msp.billing().get("C/accounts?limit=3").await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let other = msp.billing().get(&format!("C/accounts?limit=3&status=confirmed&cursor={cursor}")).await;
    other.assert_problem(400, "invalid_input");
    msp.billing().get("C/accounts?cursor=AAAA").await.assert_problem(400, "invalid_input");
    msp.billing().get("C/accounts?limit=201").await.assert_problem(400, "invalid_input");
    msp.billing().get("C/accounts?status=odd").await.assert_problem(400, "invalid_input");
    let found = msp.billing().get("C/accounts?q=CLIENT%206").await.expect(200);
    assert_eq!(found["items"][0]["account_id"], "a6");
    assert_eq!(msp.billing().get("C/accounts?status=unmapped").await.expect(200)["items"].as_array().unwrap().len(), 6);

    msp.world.sim.patch(msp.world.ci, "Services", msp.service, &json!({"name": "Renamed"})).unwrap();
    let line_of = |page: &Value| page["items"][0]["mapping"]["lines"][0].clone();
    msp.world.sim.clear_requests();
    let seen = line_of(&msp.billing().get("C/accounts?status=confirmed").await.expect(200));
    assert_eq!((&seen["name_now"], &seen["units_now"]), (&json!("Training"), &Value::Null));
    assert!(msp.world.sim.requests().is_empty());
    let live = line_of(&msp.billing().get("C/accounts?status=confirmed&live=true").await.expect(200));
    assert_eq!((&live["name_now"], &live["units_now"]), (&json!("Renamed"), &json!(10)));
}

#[tokio::test]
async fn what_is_exported_can_be_imported_and_changes_nothing() {
    let msp = Msp::new().await;
    let (company, contract, line) = msp.client("=HYPERLINK(\"http://x\")");
    msp.account("a1", "@Kite, \"Blue\"", "").await;
    msp.account("a2", "Red", "").await;
    msp.account("a3", "Green", "").await;
    msp.save("a1", mapped(company, contract, line)).await.assert_status(200);
    msp.save("a2", json!({"excluded": true})).await.assert_status(200);
    let file = msp.billing().get("C/mappings.csv").await;
    file.assert_status(200);
    assert!(file.header("content-type").unwrap().starts_with("text/csv"));
    assert!(file.text.contains("\"'@Kite, \"\"Blue\"\"\"") && file.text.contains("'=HYPERLINK"), "{}", file.text);
    let tried = msp.import("C/mappings/import?dry_run=true", &file.text).await.expect(200);
    let outcomes: Vec<_> =
        tried["results"].as_array().unwrap().iter().map(|r| r["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["unchanged", "unchanged", "skipped"]);
    let started = msp.import("C/mappings/import", &file.text).await.expect(202);
    msp.world.drain().await;
    let run = msp.run(&started["run_id"]).await;
    assert_eq!(
        (run.state, run.outcome["unchanged"].as_u64(), run.outcome["saved"].as_u64()),
        (RunState::Done, Some(2), Some(0))
    );
    assert_eq!(msp.world.published("mapping.confirmed").len(), 1);
}

#[tokio::test]
async fn an_import_takes_an_accounts_rows_together_or_not_at_all() {
    let msp = Msp::new().await;
    let (blue, contract, line) = msp.client("Blue Kite Ltd");
    let backup = msp.line(contract, msp.other_service);
    let (red, red_contract, _) = msp.client("Red Kite Ltd");
    let fixed = msp.contract(red, json!({"contractType": 3}));
    for id in ["a1", "a2", "a3", "a4"] {
        msp.account(id, id, "").await;
    }
    let file = format!(
        "account_id,company_id,contract_id,package_id,contract_service_id\n\
         a1,{blue},{contract},training,{line}\n\
         a1,{blue},{contract},phishing,{backup}\n\
         a2,{red},{red_contract},training,{line}\n\
         a3,{red},{fixed},,\n\
         a4,{blue},,,\n\
         zz,{red},,,\n\
         a9 9,{red},,,\n"
    );
    let tried = msp.import("C/mappings/import?dry_run=true", &file).await.expect(200);
    assert_eq!(tried["refused"], 5, "{tried}");
    assert_eq!(tried["results"][0]["lines"], json!([2, 3]));
    assert!(msp.mapping("a1").await.is_none(), "a dry run saves nothing");
    let started = msp.import("C/mappings/import", &file).await.expect(202);
    msp.world.drain().await;
    let run = msp.run(&started["run_id"]).await;
    assert_eq!((run.outcome["saved"].as_u64(), run.outcome["refused"].as_u64()), (Some(1), Some(5)));
    let codes: Vec<_> = run.outcome["errors"].as_array().unwrap().iter().map(|e| e["code"].as_str().unwrap()).collect();
    assert_eq!(
        codes,
        ["contract_service_removed", "contract_not_recurring", "company_already_mapped", "not_found", "invalid_input"]
    );
    assert_eq!(msp.mapping("a1").await.unwrap().lines.len(), 2);
    assert!(msp.mapping("a2").await.is_none() && msp.mapping("a3").await.is_none());

    msp.import("C/mappings/import", "account_id\na1\n").await.assert_problem(400, "invalid_input");
    msp.import("C/mappings/import", &"x".repeat(1024 * 1024 + 1)).await.assert_problem(413, "payload_too_large");
    msp.billing().post("C/mappings/import", json!({})).await.assert_problem(415, "unsupported_media_type");
}
