//! What issues look like, and how runs open, count and close them.

use super::*;
use jiff::SignedDuration;
use std::collections::BTreeSet;

#[tokio::test]
async fn the_same_failure_in_three_runs_is_one_issue_with_count_three_that_closes_itself() {
    let (world, lines) = eve(2).await;
    world.usage(&lines[0], 0).await;
    let mut last = String::new();
    for _ in 0..3 {
        last = run(&world).await;
    }
    let issue = one(&world, "").await;
    assert_eq!(state(&issue), ("open", 3));
    assert_eq!(issue["run_id"], json!(last));
    assert_eq!(world.published("issue.opened").len(), 1, "somebody is told once");
    let held = Code::HeldZero;
    assert_eq!(
        (&issue["code"], &issue["title"], &issue["effect"], &issue["action"]),
        (&json!(code(held)), &json!(held.title()), &json!(held.effect()), &json!(held.action()))
    );
    assert!(issue["detail"].as_str().unwrap().contains("10"), "{issue:#}");

    world.usage(&lines[0], 12).await;
    run(&world).await;
    let issue = again(&world, &issue).await;
    assert_eq!((state(&issue), issue["retryable"].clone()), (("resolved", 3), json!(false)));
    assert!(!issue["resolved_at"].is_null());
    assert_eq!(world.published("issue.resolved").len(), 1);

    world.usage(&lines[0], 0).await;
    run(&world).await;
    let issue = again(&world, &issue).await;
    assert_eq!((state(&issue), issue["reopened"].clone()), (("open", 1), json!(1)));
    assert_eq!(world.published("issue.opened").len(), 2);
}

#[tokio::test]
async fn a_line_that_fails_leads_to_its_contract_its_run_and_the_call_to_decide_it() {
    let (world, lines) = eve(2).await;
    world.usage(&lines[1], 0).await;
    let run = run(&world).await;
    let issue = one(&world, "").await;
    assert_eq!(issue["subject"], json!(format!("account/{}/{}", lines[1].account, lines[1].package)));
    let (there, id) = (&issue["autotask"], lines[1].contract_id);
    assert_eq!((&there["kind"], &there["id"]), (&json!("contract"), &json!(id)));
    let base = world.api(Role::PartnerViewer).get("C").await.expect(200)["zone"]["web_url"].clone();
    let url = format!(
        "{}/Autotask/AutotaskExtend/ExecuteCommand.aspx?Code=OpenContract&ContractID={id}",
        base.as_str().unwrap().trim_end_matches('/')
    );
    assert_eq!(there["url"], json!(url));
    let cid = &world.connection;
    let ours = issue["url"].as_str().unwrap();
    assert_eq!(ours, format!("/v1/connections/{cid}/runs/{run}/lines?account={}", lines[1].account));
    let shown = world.api(Role::PartnerViewer).get(ours).await.expect(200);
    let no = shown["items"][0]["no"].as_u64().unwrap();
    assert_eq!(shown["items"][0]["code"], issue["code"]);

    // The call that is named is one that works: a person lets the line be written.
    let fix = &issue["fix"];
    let path = format!("/v1/connections/{cid}/runs/{run}/lines/{no}/approve");
    assert_eq!((&fix["method"], &fix["path"]), (&json!("POST"), &json!(path)));
    world.api(BILLING).post(&path, Value::Null).await.assert_status(202);
    world.drain().await;
    assert_eq!(again(&world, &issue).await["state"], "resolved");
    assert_eq!(world.units_on(&lines, jiff::civil::date(2026, 11, 30)), [Some(10), Some(0)]);
}

#[tokio::test]
async fn a_mapping_that_broke_leads_to_its_contract_or_its_company() {
    let world = testkit::world().await;
    let lines = world.lines(24).await;
    world.sim.delete(world.ci, "Companies", lines[0].company_id).unwrap();
    world.sim.patch(world.ci, "Contracts", lines[1].contract_id, &json!({"endDate": "2026-11-19"})).unwrap();
    world.tick("watch", "2026-11-21T02:20:00Z").await;
    world.drain().await;
    for (line, what, kind, id) in [
        (&lines[0], Code::CompanyInactiveOrGone, "company", lines[0].company_id),
        (&lines[1], Code::ContractEnded, "contract", lines[1].contract_id),
    ] {
        let issue = one(&world, &format!("code={}", code(what))).await;
        assert_eq!(issue["subject"], json!(format!("account/{}", line.account)));
        assert_eq!((&issue["autotask"]["kind"], &issue["autotask"]["id"]), (&json!(kind), &json!(id)), "{issue:#}");
        let ours = world.api(Role::PartnerViewer).get(issue["url"].as_str().unwrap()).await.expect(200);
        assert_eq!(ours["items"][0]["account_id"], json!(line.account));
        assert_eq!(issue["retryable"], false);
    }
    // Looking at accounts for the first time has them mapped.
    world.drain().await;
}

#[tokio::test]
async fn the_list_is_filtered_paged_and_newest_first() {
    let (world, lines) = eve(5).await;
    forget_usage(&world, &lines[0]).await;
    run(&world).await;
    world.advance(SignedDuration::from_mins(1));
    for line in &lines[1..] {
        world.usage(line, 0).await;
    }
    run(&world).await;
    let all = listed(&world, "").await;
    let of =
        |issue: &Value| (issue["code"].as_str().unwrap().to_owned(), issue["subject"].as_str().unwrap().to_owned());
    assert_eq!(all.len(), 5);
    assert_eq!(of(&all[4]).0, "usage_missing", "the oldest comes last, although it was met again");

    assert_eq!(listed(&world, "code=held_zero").await.len(), 4);
    let account = &lines[2].account;
    assert_eq!(listed(&world, &format!("subject=account/{account}")).await.len(), 1);
    assert_eq!(listed(&world, "state=resolved,ignored").await, Vec::<Value>::new());
    assert_eq!(listed(&world, "state=open,acknowledged").await.len(), 5);

    let viewer = world.api(Role::PartnerViewer);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = viewer.get(&format!("C/issues?code=held_zero&limit=3{cursor}")).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(of));
        let Some(next) = page["next_cursor"].as_str() else { break };
        // Met again between two pages, nothing moves.
        run(&world).await;
        viewer.get(&format!("C/issues?limit=3&cursor={next}")).await.assert_problem(400, "invalid_input");
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 4);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 4);
    viewer.get("C/issues?state=closed").await.assert_problem(400, "invalid_input");
    viewer.get("C/issues?code=no_such_code").await.assert_problem(400, "invalid_input");
    viewer.get("C/issues/iss_nonsense").await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn another_partners_issues_do_not_exist_and_support_must_name_the_partner() {
    let (world, lines) = eve(1).await;
    world.usage(&lines[0], 0).await;
    run(&world).await;
    let issue = one(&world, "").await;
    let foreign = world.api(Role::PartnerAdmin).of_partner("globex");
    foreign.get("C/issues").await.assert_problem(404, "not_found");
    foreign.get(&at(&issue, "")).await.assert_problem(404, "not_found");
    for act in ["retry", "acknowledge", "dismiss", "ignore"] {
        foreign.post(&at(&issue, &format!("/{act}")), Value::Null).await.assert_problem(404, "not_found");
    }
    let bulk = json!({"ids": [issue["id"]], "action": "dismiss"});
    foreign.post("C/issues/bulk", bulk).await.assert_problem(404, "not_found");
    world.api(Role::VendorSupport).get("C/issues").await.assert_status(200);
    world.api(Role::VendorSupport).of_no_partner().get("C/issues").await.assert_problem(400, "invalid_input");
    assert_eq!(again(&world, &issue).await, issue, "nothing came of it");
}
