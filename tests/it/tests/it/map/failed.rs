//! Auto-map runs and imports that fail after somebody started them: in the inbox, with what puts them right.

use super::*;
use domain::records::SHARDS;
use jiff::SignedDuration;

fn refuses(path: &str) -> Fault {
    let no = FaultKind::Status { status: 403, body: json!({"errors": ["You do not have permission."]}) };
    Fault::new(Match::new("POST", path), no)
}

async fn issues(msp: &Msp, query: &str) -> Vec<Value> {
    let read = msp.billing().get(&format!("C/issues?{query}")).await.expect(200);
    read["items"].as_array().unwrap().clone()
}

async fn issue(msp: &Msp, query: &str) -> Value {
    let mut found = issues(msp, query).await;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Presses *Retry*, and works off what it started.
async fn retried(msp: &Msp, issue: &Value) -> Run {
    let path = issue["fix"]["path"].as_str().unwrap();
    let started = msp.billing().post(path, Value::Null).await.expect(202);
    msp.world.drain().await;
    msp.run(&started["run_id"]).await
}

/// An account that auto-map finds a company for.
async fn found() -> Msp {
    let msp = Msp::new().await;
    let blue = msp.company("Blue Kite Ltd");
    msp.contact(blue, "office@bluekite.example", true);
    msp.account("a1", "Blue Kite", "office@bluekite.example").await;
    msp
}

#[tokio::test]
async fn an_auto_map_that_fails_is_one_issue_and_one_mail_until_a_retry_gets_through() {
    let msp = found().await;
    let told = json!({"emails": ["billing@msp.example"], "events": ["run_failed"]});
    msp.world.api(Role::PartnerAdmin).put("C/notifications", told).await.assert_status(200);
    let fault = msp.world.sim.add_fault(refuses("*Contacts/query"));
    assert_eq!(msp.automap(false).await.state, RunState::Failed);
    let last = msp.automap(false).await;
    let shown = issue(&msp, "code=run_failed").await;
    assert_eq!((&shown["subject"], &shown["count"]), (&json!("mappings/auto_map"), &json!(2)), "{shown}");
    assert_eq!((&shown["data"]["code"], &shown["retryable"]), (&json!("permission_missing"), &json!(true)));
    assert_eq!(shown["url"].as_str().unwrap(), last.status_url());
    assert_eq!(msp.world.mail.sent().len(), 1);

    assert_eq!(retried(&msp, &shown).await.state, RunState::Failed);
    assert_eq!(issue(&msp, "code=run_failed").await["count"], 3);
    msp.world.sim.remove_fault(fault);
    let run = retried(&msp, &shown).await;
    assert_eq!((run.state, run.outcome["suggested"].as_u64()), (RunState::Done, Some(1)), "{:?}", run.problem);
    assert_eq!(issue(&msp, "code=run_failed").await["state"], "resolved");
    assert_eq!(msp.world.published("issue.opened").len(), 1);
}

#[tokio::test]
async fn an_import_that_failed_is_repeated_with_its_file_and_leaves_alone_what_a_person_mapped_since() {
    let msp = Msp::new().await;
    let (blue, red) = (msp.company("Blue Kite Ltd"), msp.company("Red Kite Ltd"));
    let green = msp.company("Green Kite Ltd");
    for id in ["a1", "a2"] {
        msp.account(id, id, "").await;
    }
    let fault = msp.world.sim.add_fault(refuses("*Companies/query"));
    let file = format!("account_id,company_id\na1,{blue}\na2,{red}\n");
    let started = msp.import("C/mappings/import", &file).await.expect(202);
    msp.world.drain().await;
    assert_eq!(msp.run(&started["run_id"]).await.state, RunState::Failed);
    let shown = issue(&msp, "code=run_failed").await;
    assert_eq!(shown["subject"], "mappings/csv_import");
    // An auto-map that gets through says nothing about imports.
    msp.automap(false).await;
    assert_eq!(issue(&msp, "code=run_failed").await["state"], "open");

    msp.world.sim.remove_fault(fault);
    msp.world.advance(SignedDuration::from_mins(1));
    msp.save("a2", json!({"company_id": green})).await.assert_status(200);
    let run = retried(&msp, &shown).await;
    let counts = (run.outcome["saved"].as_u64(), run.outcome["skipped"].as_u64());
    assert_eq!((run.state, counts), (RunState::Done, (Some(1), Some(1))), "{:?}", run.problem);
    assert_eq!(msp.mapping("a1").await.unwrap().company.unwrap().id, blue);
    assert_eq!(msp.mapping("a2").await.unwrap().company.unwrap().id, green, "a person's word is newer than the file");
    assert_eq!(issue(&msp, "code=run_failed").await["state"], "resolved");
}

#[tokio::test]
async fn an_import_that_refuses_rows_is_an_issue_until_one_refuses_none() {
    let msp = Msp::new().await;
    let blue = msp.company("Blue Kite Ltd");
    msp.account("a1", "a1", "").await;
    let import = async |file: String| {
        msp.import("C/mappings/import", &file).await.assert_status(202);
        msp.world.drain().await;
    };
    import(format!("account_id,company_id\na1,{blue}\nzz,{blue}\n")).await;
    let shown = issue(&msp, "code=run_partial").await;
    assert_eq!((&shown["subject"], &shown["data"]["refused"]), (&json!("mappings/csv_import"), &json!(1)));
    let no = msp.billing().post(&format!("C/issues/{}/retry", shown["id"].as_str().unwrap()), Value::Null).await;
    let problem = no.assert_problem(409, "issue_needs_choice");
    assert!(problem["calls"][0]["path"].as_str().unwrap().ends_with("/mappings/import"), "{problem}");
    import(format!("account_id,company_id\na1,{blue}\n")).await;
    assert_eq!(issue(&msp, "code=run_partial").await["state"], "resolved");
}

#[tokio::test]
async fn an_auto_map_whose_message_is_lost_is_told_and_one_whose_credentials_are_refused_has_that_issue_alone() {
    let msp = found().await;
    msp.billing().post("C/company-mappings/auto-map", json!({})).await.assert_status(202);
    msp.world.queue.purge().unwrap();
    msp.world.advance(SignedDuration::from_mins(121));
    for shard in 0..SHARDS {
        domain::runs::sweep_lost(msp.world.ports(), &msp.world.system_scope(), shard).await.unwrap();
    }
    let shown = issue(&msp, "code=run_failed").await;
    assert_eq!(shown["data"]["code"], "internal");
    assert_eq!(retried(&msp, &shown).await.state, RunState::Done);
    assert_eq!(issue(&msp, "code=run_failed").await["state"], "resolved");

    msp.world.sim.set_secret(msp.world.ci, "another").unwrap();
    assert_eq!(msp.automap(true).await.state, RunState::Failed);
    assert_eq!(issues(&msp, "state=open&code=run_failed").await, Vec::<Value>::new());
    assert_eq!(issues(&msp, "state=open&code=needs_relink").await.len(), 1);
}
