//! *Retry* does what puts an issue right, by the code and with the guards of that call's own route.

use super::*;
use domain::connections::Connection;
use domain::invoices::PdfDue;
use domain::invoices::payments::Writeback;
use jiff::SignedDuration;
use jiff::civil::date;
use simulator::{Fault, FaultKind, Match};
use testkit::SECRET;

async fn retry(world: &World, issue: &Value) -> testkit::Reply {
    world.api(BILLING).post(&at(issue, "/retry"), Value::Null).await
}

async fn retry_worked_off(world: &World, issue: &Value) -> Value {
    let reply = retry(world, issue).await.expect(202);
    world.drain().await;
    reply
}

#[tokio::test]
async fn a_line_that_autotask_refused_is_run_once_more_alone() {
    let (world, lines) = eve(3).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    let no = json!({"errors": ["The value 12 does not exist or is invalid for this contract."]});
    let refusal = FaultKind::Status { status: 500, body: no };
    world.sim.add_fault(Fault::new(Match::new("POST", "*adjustments"), refusal).times(1));
    let first = run(&world).await;
    let issue = one(&world, "").await;
    assert_eq!((issue["code"].as_str(), issue["retryable"].as_bool()), (Some("rejected_by_autotask"), Some(true)));
    let reply = retry_worked_off(&world, &issue).await;
    let started = world.api(BILLING).get(reply["status_url"].as_str().unwrap()).await.expect(200);
    assert_eq!((reply["outcome"].as_str(), started["trigger"].as_str()), (Some("started"), Some("retry")));
    assert_eq!((&started["retry_of"], &started["accounts"]), (&json!(first), &json!([lines[0].account])));
    assert_eq!(world.units_on(&lines, date(2026, 11, 30)), [Some(12), Some(12), Some(12)]);
    assert_eq!(again(&world, &issue).await["state"], "resolved");
    retry(&world, &issue).await.assert_problem(409, "issue_not_retryable");
}

#[tokio::test]
async fn a_missing_count_is_retried_when_it_came_and_many_of_them_in_one_run() {
    let (world, lines) = eve(4).await;
    for line in &lines[..3] {
        forget_usage(&world, line).await;
    }
    world.usage(&lines[3], 0).await;
    run(&world).await;
    for line in &lines[..3] {
        world.usage(line, 11).await;
    }
    let ids: Vec<Value> = listed(&world, "").await.into_iter().map(|issue| issue["id"].clone()).collect();
    let support = world.api(Role::VendorSupport);
    let body = json!({"ids": ids, "action": "retry"});
    support.post("C/issues/bulk", body.clone()).await.assert_problem(400, "invalid_input");
    let mut body = body;
    body["reason"] = json!("Ticket 4711.");
    let done = support.post("C/issues/bulk", body).await.expect(200);
    let results = done["results"].as_array().unwrap().clone();
    let runs: Vec<&Value> = results.iter().filter(|r| r["outcome"] == "started").map(|r| &r["run_id"]).collect();
    assert_eq!((runs.len(), runs.iter().all(|run| *run == runs[0])), (3, true), "{results:#?}");
    let refused = results.iter().find(|r| r["outcome"] == "refused").unwrap();
    assert_eq!(refused["error"]["code"], "issue_needs_choice");
    assert!(refused["error"]["calls"][0]["path"].as_str().unwrap().ends_with("/approve"), "{refused:#}");
    world.drain().await;
    assert_eq!(listed(&world, "state=open").await.len(), 1, "what is held waits for a person");
    assert_eq!(world.units_on(&lines, date(2026, 11, 30)), [Some(11), Some(11), Some(11), Some(10)]);
    let mut rows = trail(&world).await;
    rows.retain(|row| row.action == "run.started" && row.actor.role == Role::VendorSupport);
    let [row] = rows.as_slice() else { panic!("{rows:#?}") };
    assert_eq!((row.actor.reason.as_deref(), &row.after["reason"]), (Some("Ticket 4711."), &json!("Ticket 4711.")));
}

#[tokio::test]
async fn what_a_guard_holds_is_never_written_by_a_retry_but_names_what_to_decide() {
    let (world, lines) = eve(2).await;
    world.usage(&lines[0], 0).await;
    run(&world).await;
    let issue = one(&world, "").await;
    let problem = retry(&world, &issue).await.assert_problem(409, "issue_needs_choice").clone();
    let paths: Vec<&str> = problem["calls"].as_array().unwrap().iter().map(|c| c["path"].as_str().unwrap()).collect();
    assert!(paths[0].ends_with("/lines/1/approve") && paths[2].ends_with("/lines/1/dismiss"), "{paths:?}");
    world.drain().await;
    assert!(world.writes().is_empty());
}

#[tokio::test]
async fn a_stopped_run_is_run_again_under_the_same_guards() {
    let world = World::builder().at(EVE).build().await;
    let lines = world.lines(4).await;
    for line in &lines {
        world.usage(line, 0).await;
    }
    run(&world).await;
    let issue = one(&world, "").await;
    assert_eq!((issue["code"].as_str(), issue["subject"].as_str()), (Some("run_stopped"), Some("seat_sync")));
    retry_worked_off(&world, &issue).await;
    assert_eq!(state(&again(&world, &issue).await), ("open", 2), "counts are as wrong as before");
    assert!(world.writes().is_empty());
    for line in &lines {
        world.usage(line, 11).await;
    }
    retry_worked_off(&world, &issue).await;
    assert_eq!(again(&world, &issue).await["state"], "resolved");
    assert_eq!(world.units_on(&lines, date(2026, 11, 30)), [Some(11); 4]);
}

#[tokio::test]
async fn a_missed_sync_is_run_now_and_a_second_press_is_told_of_the_run() {
    let world = World::builder().at(EVE).build().await;
    let lines = world.lines(1).await;
    world.api(Role::PartnerAdmin).post("C/pause", Value::Null).await.assert_status(200);
    for day in 1..=5 {
        world.tick("seat-sync", &format!("2026-12-0{day}T00:15:00Z")).await;
    }
    world.api(Role::PartnerAdmin).post("C/resume", Value::Null).await.assert_status(200);
    world.usage(&lines[0], 12).await;
    let issue = one(&world, "code=run_missed").await;
    let first = retry(&world, &issue).await.expect(202);
    let second = retry(&world, &issue).await;
    assert_eq!(second.assert_problem(409, "already_running")["run_id"], first["run_id"]);
    world.drain().await;
    assert_eq!(again(&world, &issue).await["state"], "resolved");
    assert_eq!(world.units_on(&lines, date(2026, 12, 1)), [Some(12)]);
}

#[tokio::test]
async fn credentials_are_tested_and_a_test_that_fails_says_why() {
    let world = testkit::world().await;
    world.lines(1).await;
    world.sim.set_secret(world.ci, "another").unwrap();
    world.tick("probe", "2026-11-21T03:00:00Z").await;
    world.drain().await;
    let page = world.api(BILLING).get("C/issues?code=needs_relink").await.expect(200);
    let issue = page["items"][0].clone();
    assert_eq!((&issue["state"], &issue["retryable"]), (&json!("open"), &json!(true)));
    retry(&world, &issue).await.assert_problem(422, "credentials_invalid");
    assert_eq!(again(&world, &issue).await["state"], "open");
    world.sim.set_secret(world.ci, SECRET).unwrap();
    let done = retry(&world, &issue).await.expect(200);
    assert_eq!((&done["outcome"], &done["issue"]["state"]), (&json!("done"), &json!("resolved")));
    assert_eq!(world.api(BILLING).get("C").await.expect(200)["status"], "connected");
}

#[tokio::test]
async fn the_billing_code_is_looked_for_again() {
    let world = testkit::world().await;
    let page = world.api(BILLING).get("C/issues?code=billing_code_missing").await.expect(200);
    let issue = page["items"][0].clone();
    retry(&world, &issue).await.assert_problem(409, "billing_code_missing");
    let row = json!({"name": "Software as a Service", "useType": 5, "isActive": true});
    world.sim.insert(world.ci, "BillingCodes", &[row]).unwrap();
    assert_eq!(retry(&world, &issue).await.expect(200)["issue"]["state"], "resolved");
}

#[tokio::test]
async fn a_renewal_is_followed_where_one_successor_is_proposed_and_has_begun() {
    let world = testkit::world().await;
    let lines = world.lines(20).await;
    let (old, company) = (lines[0].contract_id, lines[0].company_id);
    let row = json!({
        "companyID": company, "contractName": "Successor", "contractType": 7, "status": 1,
        "startDate": "2026-11-25", "endDate": "2027-10-31",
    });
    let new = world.sim.insert(world.ci, "Contracts", &[row]).unwrap()[0];
    let row = json!({"contractID": new, "serviceID": lines[0].service_id, "units": 10});
    world.sim.insert(world.ci, "ContractServices", &[row]).unwrap();
    let fields = json!({"endDate": "2026-11-24", "renewedContractID": new});
    world.sim.patch(world.ci, "Contracts", old, &fields).unwrap();
    world.tick("watch", "2026-11-21T02:20:00Z").await;
    world.drain().await;
    let issue = one(&world, "state=open").await;
    assert_eq!(
        (&issue["retryable"], &issue["fix"]["body"]["to_contract_id"]),
        (&json!(true), &json!(new)),
        "{issue:#}"
    );
    let early = retry(&world, &issue).await;
    assert_eq!(early.assert_problem(409, "issue_not_retryable")["not_before"], "2026-11-25");
    world.advance(SignedDuration::from_hours(24 * 5));
    assert_eq!(retry(&world, &issue).await.expect(200)["issue"]["state"], "resolved");
    let accounts = world.api(BILLING).get(&format!("C/accounts?q={}", lines[0].account)).await.expect(200);
    assert_eq!(accounts["items"][0]["mapping"]["contract"]["id"], json!(new));
    // Looking at accounts for the first time has them mapped.
    world.drain().await;
}

#[tokio::test]
async fn a_mapping_without_a_successor_names_the_calls_that_choose_one() {
    let world = testkit::world().await;
    let lines = world.lines(20).await;
    let ended = json!({"endDate": "2026-11-19"});
    world.sim.patch(world.ci, "Contracts", lines[0].contract_id, &ended).unwrap();
    world.tick("watch", "2026-11-21T02:20:00Z").await;
    world.drain().await;
    let issue = one(&world, "").await;
    let problem = retry(&world, &issue).await.assert_problem(409, "issue_needs_choice").clone();
    let mapping = format!("/v1/connections/{}/company-mappings/{}", world.connection, lines[0].account);
    assert_eq!(problem["calls"][0]["path"], json!(format!("{mapping}/remap")));
    assert_eq!((&problem["calls"][1]["method"], &problem["calls"][1]["path"]), (&json!("PUT"), &json!(mapping)));
}

#[tokio::test]
async fn a_package_change_is_pushed_once_its_package_is_mapped() {
    let world = World::builder().at("2026-11-20T10:00:00Z").build().await;
    let features = json!({"features": ["seat_sync", "package_billing"], "billing_auto_sync": true});
    world.api(Role::PartnerAdmin).patch("C/settings", features).await.assert_status(200);
    world.package("basic", "Basic").await;
    world.clients(1, &[]).await;
    world.advance(SignedDuration::from_mins(60));
    let change = json!({"partner": world.partner, "account_id": "acc_0001", "from": null, "to": "basic",
        "quantity": 4, "occurred_at": "2026-11-20T10:30:00Z", "change_id": "chg-1"});
    world.api(Role::Service).post("/v1/package-changes", change).await.assert_status(202);
    world.drain().await;
    let sync = json!({"kind": "package_changes", "mode": "apply"});
    world.api(BILLING).post("C/runs", sync).await.assert_status(202);
    world.drain().await;
    let issue = one(&world, "code=package_unmapped").await;
    assert_eq!(issue["subject"], "account/acc_0001/basic");
    let problem = retry(&world, &issue).await.assert_problem(409, "issue_needs_choice").clone();
    assert!(problem["calls"][0]["path"].as_str().unwrap().ends_with("/package-mappings/basic"));
    let service = world.service("Basic", "10", "4");
    let body = json!({"target": {"kind": "service", "id": service}, "quantity_source": "package"});
    world.api(BILLING).put("C/package-mappings/basic", body).await.assert_status(200);
    let reply = retry_worked_off(&world, &issue).await;
    let run = world.api(BILLING).get(reply["status_url"].as_str().unwrap()).await.expect(200);
    assert_eq!((&run["kind"], &run["accounts"]), (&json!("package_changes"), &json!(["acc_0001"])));
    assert_eq!(again(&world, &issue).await["state"], "resolved");
}

async fn with_invoices(world: &World) {
    let key = Key::Connection(world.partner.clone(), world.connection.clone());
    let mut connection = world.load::<Connection>(&key).await.unwrap().value;
    connection.features.push("invoices".to_owned());
    world.put(&connection).await;
}

#[tokio::test]
async fn a_paid_date_that_was_not_taken_is_written_now() {
    let world = testkit::world().await;
    let invoice = world.synced_invoice("150.00").await;
    let kind = FaultKind::Status { status: 500, body: json!({"errors": ["The field is read-only."]}) };
    let fault = world.sim.add_fault(Fault::new(Match::new("PATCH", "*Invoices"), kind));
    let body = json!({"connection": world.connection, "autotask_invoice_id": invoice, "amount": "150.00",
        "paid_at": "2026-11-19T15:00:00Z", "payment_id": "pay-1"});
    world.api(Role::Service).post("/v1/payments", body).await.assert_status(201);
    let key = Key::Writeback(world.partner.clone(), world.connection.clone(), invoice);
    // Until somebody is told.
    for _ in 0..4 {
        world.drain().await;
        world.advance(SignedDuration::from_mins(30));
        world.tick("payments", &world.clock.now().to_string()).await;
    }
    world.drain().await;
    let issue = one(&world, "code=payment_writeback_failed").await;
    assert_eq!(issue["autotask"]["kind"], "company");
    world.sim.remove_fault(fault);
    let waits = world.load::<Writeback>(&key).await.unwrap().next_at;
    assert!(waits > world.clock.now(), "its turn has not come");
    retry_worked_off(&world, &issue).await;
    assert_eq!(world.paid_there(invoice), Some(date(2026, 11, 19)));
    assert_eq!(again(&world, &issue).await["state"], "resolved");
    let row = audited(&world, "payment.writeback_asked").await;
    assert_eq!(row.actor.who, "user-partner_billing");
}

#[tokio::test]
async fn a_pdf_that_was_not_there_is_asked_for_now() {
    let world = testkit::world().await;
    with_invoices(&world).await;
    let invoice = world.synced_invoice("150.00").await;
    let due = PdfDue {
        partner: world.partner.clone(),
        connection: world.connection.clone(),
        id: invoice,
        at: world.clock.now(),
        attempts: 0,
    };
    world.put(&due).await;
    let kind = FaultKind::Status { status: 500, body: json!({"errors": ["No template."]}) };
    let fault = world.sim.add_fault(Fault::new(Match::new("GET", "*/invoicepdf"), kind));
    domain::invoices::pdf::ask(world.ports(), &world.scope(), &world.partner, &world.connection).await.unwrap();
    world.drain().await;
    world.sim.remove_fault(fault);
    let issue = one(&world, "code=pdf_unavailable").await;
    let api = world.api(BILLING);
    assert_ne!(api.get(&format!("C/invoices/{invoice}")).await.expect(200)["pdf"]["state"], "stored");
    retry_worked_off(&world, &issue).await;
    assert_eq!(again(&world, &issue).await["state"], "resolved");
    audited(&world, "invoice.pdf_asked").await;
}

#[tokio::test]
async fn an_invoice_that_was_gone_is_fetched_again_and_a_conflict_waits_for_a_person() {
    let world = testkit::world().await;
    with_invoices(&world).await;
    let company = world.company("Northwind");
    let invoice = world.invoice(company, &[("Seats", 4, "2.50")]).id;
    world.sim.patch(world.ci, "Invoices", invoice, &json!({"invoiceTotal": 12.5})).unwrap();
    let api = world.api(BILLING);
    api.post(&format!("C/invoices/{invoice}/resync"), Value::Null).await.assert_status(201);
    let issue = one(&world, "code=invoice_total_mismatch").await;
    assert_eq!((&issue["autotask"]["kind"], &issue["autotask"]["id"]), (&json!("company"), &json!(company)));
    world.sim.patch(world.ci, "Invoices", invoice, &json!({"invoiceTotal": 10})).unwrap();
    assert_eq!(retry(&world, &issue).await.expect(200)["issue"]["state"], "resolved");

    world.sim.patch(world.ci, "Invoices", invoice, &json!({"paidDate": "2026-11-10"})).unwrap();
    api.post(&format!("C/invoices/{invoice}/resync"), Value::Null).await.assert_status(200);
    let body = json!({"connection": world.connection, "autotask_invoice_id": invoice, "amount": "10.00",
        "paid_at": "2026-11-19T15:00:00Z", "payment_id": "pay-1"});
    world.api(Role::Service).post("/v1/payments", body).await.assert_status(201);
    world.drain().await;
    let conflict = one(&world, "code=payment_conflict").await;
    let problem = retry(&world, &conflict).await.assert_problem(409, "issue_needs_choice").clone();
    assert_eq!(problem["calls"][0]["path"], "/v1/payments/{payment_id}");
}

#[tokio::test]
async fn a_press_while_the_connection_is_paused_says_so_and_starts_nothing() {
    let (world, lines) = eve(1).await;
    forget_usage(&world, &lines[0]).await;
    run(&world).await;
    let issue = one(&world, "").await;
    world.api(Role::PartnerAdmin).post("C/pause", Value::Null).await.assert_status(200);
    retry(&world, &issue).await.assert_problem(409, "connection_paused");
    world.drain().await;
    assert!(world.writes().is_empty());
}

#[tokio::test]
async fn a_run_that_fails_as_a_whole_three_times_is_one_issue_that_a_run_of_the_same_closes() {
    let (world, lines) = eve(2).await;
    world.usage(&lines[0], 12).await;
    let no = FaultKind::Status { status: 403, body: json!({"errors": ["You do not have permission."]}) };
    let fault = world.sim.add_fault(Fault::new(Match::new("POST", "*ContractServiceUnits/query"), no));
    for _ in 0..3 {
        run(&world).await;
    }
    let issue = one(&world, "code=run_failed").await;
    assert_eq!((state(&issue), issue["subject"].as_str()), (("open", 3), Some("seat_sync")));
    assert_eq!((&issue["data"]["code"], &issue["retryable"]), (&json!("permission_missing"), &json!(true)));
    assert_eq!(world.published("issue.opened").len(), 1);
    world.sim.remove_fault(fault);
    retry_worked_off(&world, &issue).await;
    assert_eq!(again(&world, &issue).await["state"], "resolved");
    assert_eq!(world.units_on(&lines, date(2026, 11, 30)), [Some(12), Some(10)]);
}

#[tokio::test]
async fn a_fetch_of_invoices_that_fails_is_an_issue_that_the_next_good_one_closes() {
    let world = testkit::world().await;
    let features = json!({"features": ["seat_sync", "invoices"]});
    world.api(Role::PartnerAdmin).patch("C/settings", features).await.assert_status(200);
    let hour = async || {
        world.advance(SignedDuration::from_mins(70));
        world.tick("invoice-fetch", &world.clock.now().to_string()).await;
        world.drain().await;
    };
    hour().await;
    assert_eq!(listed(&world, "code=fetch_failed").await, Vec::<Value>::new());
    let no = FaultKind::Status { status: 403, body: json!({"errors": ["You do not have permission."]}) };
    let fault = world.sim.add_fault(Fault::new(Match::new("POST", "*Invoices/query"), no));
    hour().await;
    hour().await;
    let issue = one(&world, "code=fetch_failed").await;
    assert_eq!((state(&issue), issue["subject"].as_str()), (("open", 2), Some("invoices")));
    world.sim.remove_fault(fault);
    let reply = retry_worked_off(&world, &issue).await;
    assert_eq!(reply["outcome"], "queued");
    assert_eq!(again(&world, &issue).await["state"], "resolved");
    let shown = world.api(BILLING).get(issue["url"].as_str().unwrap()).await.expect(200);
    assert_eq!(shown["new"]["last_state"], "done");
}
