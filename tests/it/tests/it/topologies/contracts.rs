//! One account over several contracts of its company, by package.

use super::*;

/// A company with two contracts, a line of each service on either.
struct Two {
    company: i64,
    main: i64,
    line: i64,
    second: i64,
    second_line: i64,
}

async fn two(on: bool) -> (Msp, Two) {
    let msp = msp(json!({"contract_per_package": on})).await;
    let (company, main, line) = msp.client("Blue Kite Ltd");
    let second = msp.contract(company, json!({"contractName": "Security"}));
    let second_line = msp.line(second, msp.other_service);
    msp.account("a1", "Blue Kite", "").await;
    (msp, Two { company, main, line, second, second_line })
}

impl Two {
    /// Training on the mapping's contract, phishing on another one, with a line or without.
    fn wanted(&self, contract: i64, line: Option<i64>) -> Value {
        json!({"company_id": self.company, "contract_id": self.main, "lines": [
            {"package_id": "training", "contract_service_id": self.line},
            {"package_id": "phishing", "contract_id": contract, "contract_service_id": line}]})
    }
}

fn own(mapping: &Mapping) -> Vec<(String, i64)> {
    mapping.contracts.iter().map(|own| (own.package_id.to_string(), own.contract.id)).collect()
}

#[tokio::test]
async fn while_it_is_off_another_contract_is_a_field_error_that_names_the_setting() {
    let (msp, two) = two(false).await;
    for _ in 0..2 {
        let refused = msp.save("a1", two.wanted(two.second, Some(two.second_line))).await;
        let error = &refused.assert_problem(400, "invalid_input")["errors"][0];
        assert_eq!(error["pointer"], "/lines/1/contract_id");
        assert!(error["detail"].as_str().unwrap().contains("topologies.contract_per_package"), "{error}");
    }
    assert!(msp.world.sim.requests().is_empty(), "Autotask was not asked");
    let same = msp.save("a1", two.wanted(two.main, None)).await.expect(200);
    assert_eq!(same["mapping"]["contracts"], json!([]), "the mapping's own contract is no other one");
    let file = format!(
        "account_id,company_id,contract_id,package_id,contract_service_id,line_contract_id\n\
         a1,{},{},phishing,{},{}\n",
        two.company, two.main, two.second_line, two.second
    );
    let tried = msp.import("C/mappings/import?dry_run=true", &file).await.expect(200);
    assert_eq!(tried["results"][0]["error"]["code"], "invalid_input", "{tried}");
}

#[tokio::test]
async fn a_package_is_mapped_to_a_line_of_its_own_contract() {
    let (msp, two) = two(true).await;
    for changed in [true, false] {
        let saved = msp.save("a1", two.wanted(two.second, Some(two.second_line))).await.expect(200);
        assert_eq!(saved["changed"], json!(changed));
        let mapping = &saved["mapping"];
        assert_eq!(
            (&mapping["lines"][0]["contract_id"], &mapping["lines"][1]["contract_id"]),
            (&json!(two.main), &json!(two.second))
        );
        assert_eq!(mapping["contracts"][0]["package_id"], "phishing");
        assert_eq!(mapping["contracts"][0]["contract"]["name"], "Security");
    }
    let mapping = msp.mapping("a1").await.unwrap();
    assert_eq!(mapping.contract_for(&PackageId::new("phishing").unwrap()).unwrap().id, two.second);
    assert_eq!(mapping.contract_for(&PackageId::new("training").unwrap()).unwrap().id, two.main);
    let rows = msp.billing().get("C/accounts").await.expect(200);
    assert_eq!(rows["items"][0]["mapping"]["contracts"][0]["contract"]["id"], two.second);
    let event = &msp.world.published("mapping.confirmed")[0].detail["data"];
    assert_eq!(event["contracts"], json!([{"package_id": "phishing", "contract_id": two.second}]));
}

#[tokio::test]
async fn a_contract_of_a_package_is_checked_like_the_mappings() {
    let (msp, two) = two(true).await;
    let foreign = msp.client("Red Kite Ltd").1;
    let ended = msp.contract(two.company, json!({"startDate": "2025-01-01", "endDate": "2025-12-31"}));
    let fixed = msp.contract(two.company, json!({"contractType": 3}));
    let refused = msp.save("a1", two.wanted(foreign, None)).await;
    assert_eq!(refused.assert_problem(400, "invalid_input")["errors"][0]["pointer"], "/lines/1/contract_id");
    msp.save("a1", two.wanted(999_999, None)).await.assert_problem(422, "contract_not_found");
    msp.save("a1", two.wanted(ended, None)).await.assert_problem(422, "contract_ended");
    msp.save("a1", two.wanted(fixed, None)).await.assert_problem(422, "contract_not_recurring");
    // A line lies on the contract that is named with it.
    let elsewhere = two.wanted(two.second, Some(two.line + 1_000));
    msp.save("a1", elsewhere).await.assert_problem(422, "contract_service_removed");
    let on_main = json!({"company_id": two.company, "contract_id": two.main, "lines": [
        {"package_id": "phishing", "contract_service_id": two.second_line}]});
    msp.save("a1", on_main).await.assert_problem(422, "contract_service_removed");
    let alone = json!({"company_id": two.company, "lines": [{"package_id": "phishing", "contract_id": two.second}]});
    let refused = msp.save("a1", alone).await;
    assert_eq!(refused.assert_problem(400, "invalid_input")["errors"][0]["pointer"], "/lines/0/contract_id");
    assert!(msp.mapping("a1").await.is_none());
}

#[tokio::test]
async fn a_package_without_a_line_keeps_its_contract_until_the_line_is_there() {
    let (msp, two) = two(true).await;
    for changed in [true, false] {
        assert_eq!(msp.save("a1", two.wanted(two.second, None)).await.expect(200)["changed"], json!(changed));
    }
    let mapping = msp.mapping("a1").await.unwrap();
    assert_eq!(own(&mapping), [("phishing".to_owned(), two.second)]);
    assert_eq!(mapping.lines.len(), 1);
    msp.save("a1", two.wanted(two.main, None)).await.assert_status(200);
    assert!(msp.mapping("a1").await.unwrap().contracts.is_empty());
}

#[tokio::test]
async fn a_renewal_moves_the_packages_of_one_contract_and_no_others() {
    let (msp, two) = two(true).await;
    msp.save("a1", two.wanted(two.second, Some(two.second_line))).await.assert_status(200);
    let next =
        msp.contract(two.company, json!({"contractName": "Next", "startDate": "2026-11-01", "endDate": "2027-10-31"}));
    let remap = |from: Option<i64>, to: i64| {
        let body = json!({"from_contract_id": from, "to_contract_id": to, "reason": "renewal"});
        let api = msp.billing();
        async move { api.post("C/company-mappings/a1/remap", body).await }
    };
    let refused = remap(Some(next), next).await;
    assert_eq!(refused.assert_problem(400, "invalid_input")["errors"][0]["pointer"], "/from_contract_id");
    remap(Some(two.second), next).await.assert_problem(422, "contract_service_removed");
    let there = msp.line(next, msp.other_service);
    let moved = remap(Some(two.second), next).await.expect(200);
    assert_eq!(moved["mapping"]["contract"]["id"], two.main);
    assert_eq!(moved["mapping"]["contracts"][0]["contract"]["id"], next);
    let of = |view: &Value| -> Vec<i64> {
        view["mapping"]["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l["contract_service_id"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(of(&moved), [two.line, there]);
    remap(Some(two.second), next).await.assert_problem(400, "invalid_input");

    // The mapping's own contract moves onto the other one: nothing needs a contract of its own any more.
    let training = msp.line(next, msp.service);
    let moved = remap(None, next).await.expect(200);
    assert_eq!((&moved["mapping"]["contract"]["id"], &moved["mapping"]["contracts"]), (&json!(next), &json!([])));
    assert_eq!(of(&moved), [training, there]);
    assert_eq!(lines(&msp).await.keys().map(|l| l.id).collect::<BTreeSet<_>>(), BTreeSet::from([training, there]));
    let viewer = msp.world.api(Role::PartnerViewer);
    let body = json!({"from_contract_id": next, "to_contract_id": two.main});
    viewer.post("C/company-mappings/a1/remap", body.clone()).await.assert_problem(403, "forbidden_role");
    let stranger = msp.billing().of_partner("stranger");
    stranger.post("C/company-mappings/a1/remap", body).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn contracts_of_packages_go_out_and_come_in_again_as_csv() {
    let (msp, two) = two(true).await;
    msp.save("a1", two.wanted(two.second, None)).await.assert_status(200);
    let file = msp.billing().get("C/mappings.csv").await.text;
    assert!(file.lines().next().unwrap().ends_with(",source,line_contract_id"), "{file}");
    assert!(file.contains(&format!(",phishing,,,,,manual,{}", two.second)), "{file}");
    let tried = msp.import("C/mappings/import?dry_run=true", &file).await.expect(200);
    assert_eq!(tried["results"][0]["outcome"], "unchanged", "{tried}");

    msp.save("a1", two.wanted(two.second, Some(two.second_line))).await.assert_status(200);
    let file = msp.billing().get("C/mappings.csv").await.text;
    unmap(&msp, "a1").await.assert_status(204);
    for outcome in ["saved", "unchanged"] {
        let started = msp.import("C/mappings/import", &file).await.expect(202);
        msp.world.drain().await;
        assert_eq!(msp.run(&started["run_id"]).await.outcome[outcome].as_u64(), Some(1), "{outcome}");
    }
    let mapping = msp.mapping("a1").await.unwrap();
    assert_eq!((own(&mapping), mapping.lines.len()), (vec![("phishing".to_owned(), two.second)], 2));
}
