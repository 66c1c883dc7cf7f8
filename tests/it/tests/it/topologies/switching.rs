//! A topology is not switched off while mappings use it.

use super::*;

#[tokio::test]
async fn sharing_a_company_cannot_be_switched_off_while_somebody_does() {
    let msp = many("sum").await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    for id in ["a1", "a2"] {
        msp.account(id, id, "").await;
        msp.save(id, mapped(company, contract, line)).await.assert_status(200);
    }
    for setting in ["off", "separate"] {
        for _ in 0..2 {
            let refused = set(&msp, json!({"many_accounts_per_company": setting})).await;
            let problem = refused.assert_problem(409, "topology_in_use");
            assert_eq!(problem["account_ids"], json!(["a1", "a2"]), "{setting}");
        }
    }
    assert_eq!(setting(&msp).await, ManyAccounts::Sum);
    set(&msp, Value::Null).await.assert_problem(409, "topology_in_use");
    unmap(&msp, "a2").await.assert_status(204);
    for _ in 0..2 {
        set(&msp, json!({"many_accounts_per_company": "off"})).await.assert_status(200);
    }
    msp.save("a2", json!({"company_id": company})).await.assert_problem(422, "company_already_mapped");
}

#[tokio::test]
async fn separate_lines_cannot_be_summed_by_a_switch_alone() {
    let msp = many("separate").await;
    let (company, contract, line) = msp.client("Blue Kite Ltd");
    let second = msp.line(contract, msp.service);
    for (id, line) in [("a1", line), ("a2", second)] {
        msp.account(id, id, "").await;
        msp.save(id, mapped(company, contract, line)).await.assert_status(200);
    }
    let refused = set(&msp, json!({"many_accounts_per_company": "sum"})).await;
    let problem = refused.assert_problem(409, "topology_in_use");
    assert!(problem["detail"].as_str().unwrap().contains("training"), "{problem}");
    msp.save("a2", json!({"company_id": company, "contract_id": contract})).await.assert_status(200);
    set(&msp, json!({"many_accounts_per_company": "sum"})).await.assert_status(200);
    msp.save("a2", mapped(company, contract, second)).await.assert_problem(422, "contract_service_shared");
    msp.save("a2", mapped(company, contract, line)).await.assert_status(200);
}

#[tokio::test]
async fn contracts_per_package_cannot_be_switched_off_while_a_mapping_has_them() {
    let msp = msp(json!({"contract_per_package": true})).await;
    let (company, contract, _) = msp.client("Blue Kite Ltd");
    let second = msp.contract(company, json!({"contractName": "Security"}));
    msp.account("a1", "Blue Kite", "").await;
    let wanted = |own: i64| json!({"company_id": company, "contract_id": contract, "lines": [{"package_id": "training", "contract_id": own}]});
    msp.save("a1", wanted(second)).await.assert_status(200);
    let refused = set(&msp, json!({"contract_per_package": false})).await;
    assert_eq!(refused.assert_problem(409, "topology_in_use")["account_ids"], json!(["a1"]));
    msp.save("a1", wanted(contract)).await.assert_status(200);
    set(&msp, json!({"contract_per_package": false})).await.assert_status(200);
}

#[tokio::test]
async fn only_an_administrator_switches_topologies() {
    let msp = Msp::new().await;
    let body = json!({"topologies": {"many_accounts_per_company": "sum"}});
    for role in [Role::PartnerBilling, Role::PartnerViewer] {
        msp.world.api(role).patch("C/settings", body.clone()).await.assert_problem(403, "forbidden_role");
    }
    let stranger = msp.world.api(Role::PartnerAdmin).of_partner("stranger");
    stranger.patch("C/settings", body).await.assert_problem(404, "not_found");
    let wrong = set(&msp, json!({"many_accounts_per_company": "both"})).await;
    assert_eq!(
        wrong.assert_problem(400, "invalid_input")["errors"][0]["pointer"],
        "/topologies/many_accounts_per_company"
    );
}
