//! Several accounts into one company, and one account over several contracts: off unless the settings say so.

use crate::map_function::{Msp, mapped};
use domain::connections::settings::{ManyAccounts, SettingsRecord};
use domain::mappings::{
    CompanyRef, CompanyTaken, ContractRef, LineTaken, MappedLine, Mapping, MappingSource, MappingStatus,
};
use domain::packages::{CountRule, PackageMapping, QuantityRule, QuantitySource};
use domain::records::{Collection, Key};
use domain::{AccountId, LineRef, PackageId, Role};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use testkit::{Reply, World};

mod contracts;
mod races;
mod switching;

/// A partner whose accounts are mapped beyond one to one.
async fn msp(topologies: Value) -> Msp {
    let msp = Msp::of(World::builder().build().await).await;
    set(&msp, topologies).await.assert_status(200);
    msp
}

async fn set(msp: &Msp, topologies: Value) -> Reply {
    msp.world.api(Role::PartnerAdmin).patch("C/settings", json!({"topologies": topologies})).await
}

async fn many(many: &str) -> Msp {
    msp(json!({"many_accounts_per_company": many})).await
}

/// What is stored.
async fn setting(msp: &Msp) -> ManyAccounts {
    let key = Key::Settings(msp.world.partner.clone(), msp.world.connection.clone());
    let stored = msp.world.load::<SettingsRecord>(&key).await.unwrap().value;
    stored.settings.topologies.many_accounts_per_company
}

fn account(id: &str) -> AccountId {
    AccountId::new(id).unwrap()
}

/// Who holds companies.
async fn companies(msp: &Msp) -> BTreeMap<i64, Vec<String>> {
    let of = Collection::CompaniesTaken(msp.world.partner.clone(), msp.world.connection.clone());
    let taken = msp.world.load_all::<CompanyTaken>(&of).await;
    taken.into_iter().map(|t| (t.company_id, t.accounts.iter().map(AccountId::to_string).collect())).collect()
}

/// Who holds lines, for which package.
async fn lines(msp: &Msp) -> BTreeMap<LineRef, Vec<(String, String)>> {
    let of = Collection::LinesTaken(msp.world.partner.clone(), msp.world.connection.clone());
    let taken = msp.world.load_all::<LineTaken>(&of).await;
    let holders = |t: &LineTaken| t.holders.iter().map(|h| (h.account.to_string(), h.package_id.to_string())).collect();
    taken.iter().map(|t| (t.line, holders(t))).collect()
}

fn training(accounts: &[&str]) -> Vec<(String, String)> {
    accounts.iter().map(|id| ((*id).to_owned(), "training".to_owned())).collect()
}

/// A mapping that waits for its confirmation.
async fn suggest(msp: &Msp, id: &str, (company, contract, line): (i64, i64, i64)) {
    let world = &msp.world;
    let training = PackageId::new("training").unwrap();
    world
        .put(&Mapping {
            partner: world.partner.clone(),
            connection: world.connection.clone(),
            account: account(id),
            status: MappingStatus::Suggested,
            company: Some(CompanyRef { id: company, name: "Kite".to_owned() }),
            contract: Some(ContractRef { id: contract, name: "Managed".to_owned(), start: None, end: None }),
            contracts: Vec::new(),
            leaving: Vec::new(),
            lines: vec![MappedLine {
                package_id: training,
                line: LineRef::service(line),
                service_id: msp.service,
                service_name: "Training".to_owned(),
                overwrite_cost: None,
            }],
            source: MappingSource::Email,
            broken: None,
            paused: false,
            confirmed_at: None,
            updated_at: world.clock.now(),
        })
        .await;
}

async fn confirm(msp: &Msp, id: &str) -> Reply {
    msp.billing().post(&format!("C/company-mappings/{id}/confirm"), Value::Null).await
}

async fn unmap(msp: &Msp, id: &str) -> Reply {
    msp.billing().delete(&format!("C/company-mappings/{id}")).await
}

#[tokio::test]
async fn while_it_is_off_a_second_account_of_a_company_is_an_error_and_nothing_is_saved() {
    let msp = many("off").await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    for id in ["a1", "a2"] {
        msp.account(id, id, "").await;
    }
    msp.save("a1", mapped(company, contract, line)).await.assert_status(200);
    for _ in 0..2 {
        let refused = msp.save("a2", json!({"company_id": company})).await;
        let problem = refused.assert_problem(422, "company_already_mapped");
        assert_eq!((&problem["account_id"], &problem["account_ids"]), (&json!("a1"), &json!(["a1"])));
    }
    suggest(&msp, "a2", (company, contract, line)).await;
    confirm(&msp, "a2").await.assert_problem(422, "company_already_mapped");
    assert_eq!(msp.mapping("a2").await.unwrap().status, MappingStatus::Suggested);
    assert_eq!(companies(&msp).await, BTreeMap::from([(company, vec!["a1".to_owned()])]));
}

#[tokio::test]
async fn counts_that_are_summed_share_a_company_and_a_line() {
    let msp = many("sum").await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    let (other, _, foreign) = msp.client("Red Kite Ltd");
    let backup = msp.line(contract, msp.other_service);
    for id in ["a1", "a2", "a3"] {
        msp.account(id, id, "").await;
    }
    for id in ["a1", "a2", "a3"] {
        for changed in [true, false] {
            let saved = msp.save(id, mapped(company, contract, line)).await.expect(200);
            assert_eq!(saved["changed"], json!(changed), "{id}");
        }
    }
    assert_eq!(companies(&msp).await[&company], ["a1", "a2", "a3"]);
    assert_eq!(lines(&msp).await[&LineRef::service(line)], training(&["a1", "a2", "a3"]));

    let split = msp.save("a2", mapped(company, contract, backup)).await;
    let problem = split.assert_problem(422, "contract_service_shared");
    assert_eq!(problem["account_ids"], json!(["a1", "a3"]));
    let phishing = |line: i64| json!({"company_id": company, "contract_id": contract, "lines": [{"package_id": "phishing", "contract_service_id": line}]});
    msp.save("a2", phishing(line)).await.assert_problem(422, "contract_service_shared");
    msp.save("a3", mapped(other, contract, foreign)).await.assert_problem(400, "invalid_input");
    assert_eq!(lines(&msp).await[&LineRef::service(line)], training(&["a1", "a2", "a3"]));

    msp.save("a2", phishing(backup)).await.assert_status(200);
    assert_eq!(lines(&msp).await[&LineRef::service(line)], training(&["a1", "a3"]));
    unmap(&msp, "a1").await.assert_status(204);
    unmap(&msp, "a1").await.assert_problem(404, "not_found");
    msp.save("a2", json!({"excluded": true})).await.assert_status(200);
    assert_eq!(companies(&msp).await[&company], ["a3"]);
    assert_eq!(lines(&msp).await, BTreeMap::from([(LineRef::service(line), training(&["a3"]))]));
    msp.save("a3", json!({"company_id": other})).await.assert_status(200);
    assert_eq!(
        (companies(&msp).await, lines(&msp).await),
        (BTreeMap::from([(other, vec!["a3".to_owned()])]), BTreeMap::new())
    );
    assert!(msp.world.writes().is_empty(), "nothing is written to Autotask");
}

#[tokio::test]
async fn a_line_is_shared_within_one_company_only() {
    let msp = many("sum").await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    let (other, ..) = msp.client("Red Kite Ltd");
    for id in ["a1", "a2"] {
        msp.account(id, id, "").await;
    }
    msp.save("a1", mapped(company, contract, line)).await.assert_status(200);
    // The line of another company's mapping, as a suggestion might still have it after a contract was moved.
    suggest(&msp, "a2", (other, contract, line)).await;
    assert_eq!(confirm(&msp, "a2").await.assert_problem(422, "contract_service_shared")["account_ids"], json!(["a1"]));
}

#[tokio::test]
async fn separate_accounts_share_a_company_and_no_line() {
    let msp = many("separate").await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    let second = msp.line(contract, msp.service);
    for id in ["a1", "a2"] {
        msp.account(id, id, "").await;
    }
    msp.save("a1", mapped(company, contract, line)).await.assert_status(200);
    for _ in 0..2 {
        let shared = msp.save("a2", mapped(company, contract, line)).await;
        assert_eq!(shared.assert_problem(422, "contract_service_shared")["account_id"], "a1");
    }
    assert!(msp.mapping("a2").await.is_none());
    msp.save("a2", mapped(company, contract, second)).await.assert_status(200);
    assert_eq!(companies(&msp).await[&company], ["a1", "a2"]);
    let held = lines(&msp).await;
    assert_eq!(
        (&held[&LineRef::service(line)], &held[&LineRef::service(second)]),
        (&training(&["a1"]), &training(&["a2"]))
    );
}

#[tokio::test]
async fn a_package_that_is_summed_into_another_leaves_the_line_to_it() {
    let msp = Msp::new().await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    let other = msp.line(contract, msp.other_service);
    msp.account("a1", "Blue Kite", "").await;
    let both = |second: i64| {
        json!({"company_id": company, "contract_id": contract, "lines": [
        {"package_id": "training", "contract_service_id": line}, {"package_id": "phishing", "contract_service_id": second}]})
    };
    msp.save("a1", both(line)).await.assert_problem(422, "contract_service_shared");
    msp.world
        .put(&PackageMapping {
            partner: msp.world.partner.clone(),
            connection: msp.world.connection.clone(),
            package: PackageId::new("phishing").unwrap(),
            target: None,
            former: Vec::new(),
            sum_into: Some(PackageId::new("training").unwrap()),
            excluded: false,
            overwrite_cost: None,
            quantity_source: QuantitySource::Usage,
            count_rule: CountRule::SnapshotOnRun,
            quantity_rule: QuantityRule::default(),
            updated_at: msp.world.clock.now(),
        })
        .await;
    let refused = msp.save("a1", both(other)).await;
    assert_eq!(refused.assert_problem(400, "invalid_input")["errors"][0]["pointer"], "/lines/1/contract_service_id");
    for changed in [true, false] {
        assert_eq!(msp.save("a1", both(line)).await.expect(200)["changed"], json!(changed));
    }
    assert_eq!(lines(&msp).await, BTreeMap::from([(LineRef::service(line), training(&["a1"]))]));
    let mapping = msp.mapping("a1").await.unwrap();
    assert_eq!(mapping.lines.iter().map(|l| l.package_id.as_str()).collect::<Vec<_>>(), ["training"]);
}

#[tokio::test]
async fn the_picker_shows_everybody_who_has_a_company_or_a_line() {
    let msp = many("sum").await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    for id in ["a2", "a1"] {
        msp.account(id, id, "").await;
        msp.save(id, mapped(company, contract, line)).await.assert_status(200);
    }
    let found = msp.billing().get("C/autotask/companies?q=blue").await.expect(200);
    assert_eq!((&found["items"][0]["taken_by"], &found["items"][0]["mapped_to"]), (&json!(["a1", "a2"]), &json!("a1")));
    let path = format!("C/autotask/companies/{company}/contracts");
    assert_eq!(msp.billing().get(&path).await.expect(200)["taken_by"], json!(["a1", "a2"]));
    let services = msp.billing().get(&format!("C/autotask/contracts/{contract}/services")).await.expect(200);
    let by = |id: &str| json!({"account_id": id, "package_id": "training"});
    assert_eq!(services["items"][0]["taken_by"], json!([by("a1"), by("a2")]));
    assert_eq!(services["items"][0]["mapped_to"], by("a1"));
    msp.billing().of_partner("stranger").get(&path).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn automap_joins_nobody_and_a_person_or_a_file_may() {
    let msp = many("sum").await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    msp.contact(company, "office@bluekite.example", true);
    for id in ["a1", "a2", "a3", "a4"] {
        msp.account(id, id, "office@bluekite.example").await;
    }
    msp.save("a1", mapped(company, contract, line)).await.assert_status(200);
    for _ in 0..2 {
        assert_eq!(msp.automap(true).await.outcome["suggested"].as_u64(), Some(0));
    }
    assert!(msp.mapping("a2").await.is_none(), "a company that is taken is not proposed");

    let file = format!(
        "account_id,company_id,contract_id,package_id,contract_service_id\n\
         a2,{company},{contract},training,{line}\n"
    );
    let tried = msp.import("C/mappings/import?dry_run=true", &file).await.expect(200);
    assert_eq!(tried["results"][0]["outcome"], "saved", "{tried}");
    for outcome in ["saved", "unchanged"] {
        let started = msp.import("C/mappings/import", &file).await.expect(202);
        msp.world.drain().await;
        assert_eq!(msp.run(&started["run_id"]).await.outcome[outcome].as_u64(), Some(1), "{outcome}");
    }
    for id in ["a3", "a4"] {
        suggest(&msp, id, (company, contract, line)).await;
    }
    let body = json!({"account_ids": ["a3", "a4"]});
    for outcome in ["confirmed", "unchanged"] {
        let bulk = msp.billing().post("C/company-mappings/bulk-confirm", body.clone()).await.expect(200);
        let outcomes: Vec<_> = bulk["results"].as_array().unwrap().iter().map(|r| r["outcome"].clone()).collect();
        assert_eq!(outcomes, [outcome, outcome]);
    }
    assert_eq!(companies(&msp).await[&company], ["a1", "a2", "a3", "a4"]);
    assert_eq!(lines(&msp).await[&LineRef::service(line)], training(&["a1", "a2", "a3", "a4"]));
}

#[tokio::test]
async fn the_rows_of_a_file_share_what_the_settings_allow() {
    for (setting, outcomes) in [
        ("off", ["saved", "refused", "refused"]),
        ("separate", ["saved", "refused", "saved"]),
        ("sum", ["saved", "saved", "refused"]),
    ] {
        let msp = many(setting).await;
        let (company, contract, line) = msp.client("Blue Kite Ltd");
        let second = msp.line(contract, msp.service);
        for id in ["a1", "a2", "a3"] {
            msp.account(id, id, "").await;
        }
        let file = format!(
            "account_id,company_id,contract_id,package_id,contract_service_id\n\
             a1,{company},{contract},training,{line}\n\
             a2,{company},{contract},training,{line}\n\
             a3,{company},{contract},training,{second}\n"
        );
        let tried = msp.import("C/mappings/import?dry_run=true", &file).await.expect(200);
        let told: Vec<_> = tried["results"].as_array().unwrap().iter().map(|r| r["outcome"].clone()).collect();
        assert_eq!(told, outcomes, "{setting}: {tried}");
        let started = msp.import("C/mappings/import", &file).await.expect(202);
        msp.world.drain().await;
        let saved = outcomes.iter().filter(|outcome| **outcome == "saved").count();
        assert_eq!(msp.run(&started["run_id"]).await.outcome["saved"].as_u64(), u64::try_from(saved).ok(), "{setting}");
    }
}

#[tokio::test]
async fn a_hundred_accounts_are_the_most_of_one_company() {
    let msp = many("sum").await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    let ids: Vec<String> = (0..=domain::mappings::HOLDERS_MAX).map(|n| format!("a{n:03}")).collect();
    let (last, first) = ids.split_last().unwrap();
    msp.world
        .put(&CompanyTaken {
            partner: msp.world.partner.clone(),
            connection: msp.world.connection.clone(),
            company_id: company,
            accounts: first.iter().map(|id| account(id)).collect(),
        })
        .await;
    suggest(&msp, last, (company, contract, line)).await;
    confirm(&msp, last).await.assert_problem(422, "company_already_mapped");
    unmap(&msp, last).await.assert_status(204);
    assert_eq!(companies(&msp).await[&company].len(), domain::mappings::HOLDERS_MAX);
}
