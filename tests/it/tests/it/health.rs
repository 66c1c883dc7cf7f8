//! Ready for the 1st: each thing that is wrong is exactly one finding, and a healthy world has none.

use domain::Role;
use domain::change::AuditRow;
use domain::connections::Connection;
use domain::connections::settings::{FreezeWindow, RenewalPolicy, Settings, SettingsRecord};
use domain::ids::ChangeId;
use domain::mappings::{Mapping, MappingStatus};
use domain::packages::{ChangeSource, ChangeState, PackageChange, PendingChange};
use domain::records::{Collection, Expect, Key, Write};
use domain::vendor::{Account, AccountPackage, Usage};
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulator::{Access, Level, Permissions};
use testkit::{Line, World};

/// So many lines are billable in a healthy world.
const LINES: usize = 5;

async fn healthy() -> (World, Vec<Line>) {
    let world = testkit::world().await;
    let lines = world.lines(LINES).await;
    (world, lines)
}

async fn check(world: &World) -> Value {
    world.api(Role::PartnerBilling).post("C/health/run", Value::Null).await.expect(200)
}

/// The only finding, and the score.
async fn only(world: &World) -> (Value, i64) {
    let report = check(world).await;
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{report:#}");
    (findings[0].clone(), report["score"].as_i64().unwrap())
}

/// Code, kind and severity of the only finding, and the score.
async fn told(world: &World) -> (String, String, String, i64) {
    let (finding, score) = only(world).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert!(!text(&finding["words"]).is_empty() && !text(&finding["effect"]).is_empty());
    (text(&finding["code"]), text(&finding["subject"]["kind"]), text(&finding["severity"]), score)
}

fn is(told: (String, String, String, i64), code: &str, kind: &str, severity: &str, score: i64) {
    assert_eq!(told, (code.to_owned(), kind.to_owned(), severity.to_owned(), score));
}

async fn set(world: &World, change: impl FnOnce(&mut Settings)) {
    let key = Key::Settings(world.partner.clone(), world.connection.clone());
    let mut record = world.load::<SettingsRecord>(&key).await.unwrap().value;
    change(&mut record.settings);
    world.put(&record).await;
}

async fn edit_mapping(world: &World, line: &Line, change: impl FnOnce(&mut Mapping)) {
    let key = Key::Mapping(world.partner.clone(), world.connection.clone(), line.account.clone());
    let mut mapping = world.load::<Mapping>(&key).await.unwrap().value;
    change(&mut mapping);
    world.put(&mapping).await;
}

async fn edit_account(world: &World, line: &Line, change: impl FnOnce(&mut Account)) {
    let mut account =
        world.load::<Account>(&Key::Account(world.partner.clone(), line.account.clone())).await.unwrap().value;
    change(&mut account);
    world.put(&account).await;
}

async fn forget(world: &World, key: Key) {
    world.ports().storage.write(&world.system_scope(), vec![Write::delete(key, Expect::Any)]).await.unwrap();
}

async fn bills_packages(world: &World) {
    let key = Key::Connection(world.partner.clone(), world.connection.clone());
    let mut connection = world.load::<Connection>(&key).await.unwrap().value;
    connection.features.push("package_billing".to_owned());
    world.put(&connection).await;
}

fn patch(world: &World, entity: &str, id: i64, fields: Value) {
    world.sim.patch(world.ci, entity, id, &fields).unwrap();
}

#[tokio::test]
async fn a_healthy_world_has_no_finding_and_before_the_first_check_there_is_none_either() {
    let (world, _) = healthy().await;
    let viewer = world.api(Role::PartnerViewer);
    let before = viewer.get("C/health").await.expect(200);
    assert_eq!(
        (&before["checked_at"], &before["score"], &before["findings"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    let made = check(&world).await;
    assert_eq!((&made["score"], &made["findings"]), (&json!(100), &json!([])), "{made:#}");
    assert_eq!(made["counts"], json!({"lines": LINES, "ready": LINES, "blocking": 0, "warnings": 0}));
    assert_eq!(made["slot"], "2026-12-01T00:15:00Z");
    assert_eq!(viewer.get("C/health").await.expect(200), made, "it is stored");
    assert!(world.writes().is_empty());
    let events = world.published("connection.health_checked");
    assert_eq!((events.len(), &events[0].detail["data"]["score"]), (1, &json!(100)));
    check(&world).await;
    assert_eq!(world.published("connection.health_checked").len(), 2);
    world.api(Role::PartnerViewer).post("C/health/run", Value::Null).await.assert_problem(403, "forbidden_role");
    viewer.of_partner("other").get("C/health").await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn a_connection_that_cannot_be_used_is_one_finding_and_costs_no_call() {
    let (world, _) = healthy().await;
    world.api(Role::PartnerAdmin).post("C/pause", Value::Null).await.assert_status(200);
    world.sim.clear_requests();
    is(told(&world).await, "connection_paused", "connection", "blocking", 0);
    assert!(world.sim.requests().is_empty());
    world.api(Role::PartnerAdmin).post("C/resume", Value::Null).await.assert_status(200);
    // The secret was changed in Autotask: the check itself finds out.
    world.sim.set_secret(world.ci, "another").unwrap();
    for _ in 0..2 {
        is(told(&world).await, "needs_relink", "connection", "blocking", 0);
    }
}

#[tokio::test]
async fn each_setting_that_stops_the_run_is_one_finding() {
    let (world, _) = healthy().await;
    set(&world, |settings| settings.kill_switch = true).await;
    is(told(&world).await, "run_stopped", "setting", "blocking", 0);
    set(&world, |settings| {
        settings.kill_switch = false;
        settings.freeze = Some(FreezeWindow { from: "2026-11-28".parse().unwrap(), to: "2026-12-01".parse().unwrap() });
    })
    .await;
    is(told(&world).await, "run_stopped", "setting", "blocking", 0);
    set(&world, |settings| settings.freeze.as_mut().unwrap().to = "2026-11-30".parse().unwrap()).await;
    assert_eq!(check(&world).await["score"], 100, "the window ends before the run");
}

#[tokio::test]
async fn a_missing_right_is_one_finding_however_many_features_need_it() {
    let none = |entity: &str, access: Access| Permissions::default().with(entity, access);
    let (unseen, read_only) = (Access { view: Level::None, ..Access::ALL }, Access { add: Level::None, ..Access::ALL });
    for (permissions, severity, score) in [
        (none("Contracts", unseen), "blocking", 0),
        (none("ContractServiceAdjustments", read_only), "blocking", 0),
        (none("Contacts", unseen), "warning", 100),
    ] {
        let (world, _) = healthy().await;
        world.sim.set_permissions(world.ci, permissions).unwrap();
        is(told(&world).await, "permission_missing", "permission", severity, score);
    }
    let (world, _) = healthy().await;
    for (id, row) in world.rows("BillingCodes") {
        if row["name"] == "Software as a Service" {
            patch(&world, "BillingCodes", id, json!({"isActive": false}));
        }
    }
    is(told(&world).await, "billing_code_missing", "connection", "warning", 100);
}

#[tokio::test]
async fn each_thing_that_a_mapping_has_lost_is_one_finding_and_blocks_its_lines() {
    type Break = fn(&World, &Line);
    let breaks: [(&str, &str, Break); 8] = [
        ("company_inactive_or_gone", "account", |w, l| patch(w, "Companies", l.company_id, json!({"isActive": false}))),
        ("company_inactive_or_gone", "account", |w, l| w.sim.delete(w.ci, "Companies", l.company_id).unwrap()),
        ("contract_not_found", "account", |w, l| w.sim.delete(w.ci, "Contracts", l.contract_id).unwrap()),
        ("contract_ended", "account", |w, l| patch(w, "Contracts", l.contract_id, json!({"endDate": "2026-11-19"}))),
        ("contract_ending", "account", |w, l| patch(w, "Contracts", l.contract_id, json!({"endDate": "2026-11-30"}))),
        ("contract_not_recurring", "account", |w, l| patch(w, "Contracts", l.contract_id, json!({"contractType": 1}))),
        ("contract_service_removed", "account", |w, l| w.sim.delete(w.ci, "ContractServices", l.line.id).unwrap()),
        ("contract_renewed", "account", |w, l| {
            w.sim.renew(w.ci, l.contract_id, Some("2026-11-20".parse().unwrap())).unwrap();
        }),
    ];
    for (code, kind, breaking) in breaks {
        let (world, lines) = healthy().await;
        breaking(&world, &lines[1]);
        is(told(&world).await, code, kind, "blocking", 80);
        let (finding, _) = only(&world).await;
        assert_eq!(
            (&finding["subject"]["id"], &finding["subject"]["name"]),
            (&json!(lines[1].account), &json!("Client 0002"))
        );
    }
    let (world, lines) = healthy().await;
    patch(&world, "Contracts", lines[1].contract_id, json!({"endDate": "2026-12-01"}));
    assert_eq!(check(&world).await["findings"], json!([]), "it lasts to the run's day");
    patch(&world, "Contracts", lines[1].contract_id, json!({"endDate": "2027-11-30", "contractPeriodType": 5}));
    is(told(&world).await, "contract_not_monthly", "account", "warning", 100);
}

#[tokio::test]
async fn an_inactive_service_is_a_finding_of_each_line_and_blocks_it() {
    let (world, lines) = healthy().await;
    let own = world.service("Its own", "4.00", "2.00");
    patch(&world, "ContractServices", lines[2].line.id, json!({"serviceID": own}));
    patch(&world, "Services", own, json!({"isActive": false}));
    is(told(&world).await, "service_inactive", "line", "blocking", 80);
}

#[tokio::test]
async fn a_renewal_that_follows_itself_in_time_is_a_warning() {
    let (world, lines) = healthy().await;
    world.sim.renew(world.ci, lines[0].contract_id, Some("2026-12-01".parse().unwrap())).unwrap();
    is(told(&world).await, "contract_renewed", "account", "blocking", 80);
    let (finding, _) = only(&world).await;
    assert_eq!(finding["fix"]["not_before"], "2026-12-01");
    assert!(finding["fix"]["path"].as_str().unwrap().ends_with("/remap"));
    set(&world, |settings| settings.renewal = RenewalPolicy::AutoRemap).await;
    is(told(&world).await, "contract_renewed", "account", "warning", 100);
}

#[tokio::test]
async fn an_account_that_is_not_billed_is_one_finding_where_it_has_something_to_bill() {
    let (world, lines) = healthy().await;
    edit_mapping(&world, &lines[0], |mapping| mapping.status = MappingStatus::Suggested).await;
    is(told(&world).await, "mapping_unconfirmed", "account", "warning", 100);
    edit_mapping(&world, &lines[0], |mapping| {
        mapping.status = MappingStatus::Confirmed;
        mapping.contract = None;
        mapping.lines.clear();
    })
    .await;
    is(told(&world).await, "no_contract_selected", "account", "warning", 100);
    edit_mapping(&world, &lines[0], |mapping| mapping.paused = true).await;
    assert_eq!(check(&world).await["findings"], json!([]), "somebody paused it");
    forget(&world, Key::Mapping(world.partner.clone(), world.connection.clone(), lines[0].account.clone())).await;
    is(told(&world).await, "unmapped_account", "account", "warning", 100);
    world.usage(&lines[0], 0).await;
    assert_eq!(check(&world).await["findings"], json!([]), "an account without seats");
    world.usage(&lines[0], 5).await;
    edit_account(&world, &lines[0], |account| account.active = false).await;
    assert_eq!(check(&world).await["findings"], json!([]), "an account that has left");
}

#[tokio::test]
async fn a_count_that_is_missing_or_old_blocks_its_line() {
    let (world, lines) = healthy().await;
    let key = Key::Usage(world.partner.clone(), lines[3].account.clone(), lines[3].package.clone());
    let mut usage = world.load::<Usage>(&key).await.unwrap().value;
    usage.as_of -= SignedDuration::from_hours(49);
    world.put(&usage).await;
    is(told(&world).await, "usage_stale", "line", "blocking", 80);
    forget(&world, key).await;
    is(told(&world).await, "usage_missing", "line", "blocking", 80);
}

#[tokio::test]
async fn packages_matter_only_where_packages_are_billed() {
    let (world, lines) = healthy().await;
    let package = world.package("phishing", "Phishing").await;
    edit_account(&world, &lines[0], |account| account.packages.push(AccountPackage::new(package.clone(), Some(5))))
        .await;
    let change = PackageChange {
        partner: world.partner.clone(),
        id: ChangeId::new("ch-1").unwrap(),
        account: lines[1].account.clone(),
        from: None,
        to: Some(lines[1].package.clone()),
        quantity: Some(5),
        occurred_at: world.clock.now(),
        received_at: world.clock.now() - SignedDuration::from_hours(25),
        source: ChangeSource::Change,
        state: ChangeState::Pending,
        why: None,
        run: None,
        tries: 0,
        done_at: None,
    };
    world.put(&PendingChange(change.clone())).await;
    assert_eq!(check(&world).await["findings"], json!([]));
    bills_packages(&world).await;
    let codes = |report: Value| -> Vec<String> {
        report["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(codes(check(&world).await), ["package_unmapped", "package_change_pending"]);
    edit_account(&world, &lines[0], |account| account.packages.retain(|own| own.id != package)).await;
    is(told(&world).await, "package_change_pending", "package_change", "warning", 100);
    world.put(&PendingChange(PackageChange { received_at: world.clock.now(), ..change })).await;
    assert_eq!(check(&world).await["findings"], json!([]), "a change of today is on its way");
}

#[tokio::test]
async fn a_run_that_waits_for_approval_or_is_under_way_is_one_finding() {
    let (world, lines) = healthy().await;
    set(&world, |settings| settings.approval_mode = domain::connections::settings::ApprovalMode::ApproveAll).await;
    world.clock.at_least("2026-12-01T00:00:00Z".parse().unwrap()).unwrap();
    for line in &lines {
        world.usage(line, 10).await;
    }
    world.tick("seat-sync", "2026-12-01T00:15:00Z").await;
    is(told(&world).await, "already_running", "run", "warning", 100);
    world.drain().await;
    is(told(&world).await, "approval_waiting", "run", "warning", 100);
}

#[tokio::test]
async fn three_days_before_its_slot_a_connection_is_checked_once() {
    let (world, _) = healthy().await;
    for (time, checks) in [
        ("2026-11-28T08:05:00Z", 0),
        ("2026-11-28T09:05:00Z", 1),
        ("2026-11-28T10:05:00Z", 1),
        ("2026-12-01T00:05:00Z", 1),
    ] {
        world.tick("health", time).await;
        world.drain().await;
        assert_eq!(world.published("connection.health_checked").len(), checks, "{time}");
    }
    let shown = world.api(Role::PartnerViewer).get("C/health").await.expect(200);
    assert_eq!(shown["counts"]["blocking"], LINES, "all counts are old by then: {shown:#}");
    let of = Collection::Audit(world.partner.clone(), Some(world.connection.clone()), "2026-11".to_owned());
    let rows = world.load_all::<AuditRow>(&of).await;
    let made: Vec<_> =
        rows.iter().filter(|row| row.action == "health.checked").map(|row| row.actor.who.as_str()).collect();
    assert_eq!(made, ["schedule:health"]);
}

#[tokio::test]
async fn a_check_that_was_missed_or_asked_for_twice_is_made_once_and_a_persons_own_does_not_replace_it() {
    let (world, _) = healthy().await;
    world.clock.at_least("2026-11-30T12:00:00Z".parse().unwrap()).unwrap();
    check(&world).await;
    for time in ["2026-11-30T12:05:00Z", "2026-11-30T13:05:00Z"] {
        world.tick("health", time).await;
    }
    world.drain().await;
    assert_eq!(world.published("connection.health_checked").len(), 2, "the person's and the schedule's");
    check(&world).await;
    world.tick("health", "2026-11-30T14:05:00Z").await;
    world.drain().await;
    assert_eq!(world.published("connection.health_checked").len(), 3);
}

#[tokio::test]
async fn an_autotask_that_is_away_fails_a_persons_check_and_keeps_the_last_one() {
    let (world, _) = healthy().await;
    let made = check(&world).await;
    let away = simulator::FaultKind::Status { status: 503, body: Value::Null };
    world.sim.add_fault(simulator::Fault::new(simulator::Match::new("POST", "*Companies/query"), away));
    let answer = world.api(Role::PartnerBilling).post("C/health/run", Value::Null).await;
    answer.assert_problem(503, "autotask_unavailable");
    assert_eq!(world.api(Role::PartnerViewer).get("C/health").await.expect(200), made);
}

#[tokio::test]
async fn a_check_costs_a_bounded_number_of_calls() {
    let world = testkit::world().await;
    world.lines(40).await;
    let report = check(&world).await;
    let calls = world.sim.requests().len();
    assert!(calls <= 20, "{calls} calls");
    assert_eq!(report["autotask_calls"], json!(calls));
}

/// State and count of the one issue of a subject.
async fn issue(world: &World, subject: &str, code: &str) -> (String, u64) {
    let found = shown(world, subject, code).await;
    (found["state"].as_str().unwrap().to_owned(), found["count"].as_u64().unwrap())
}

async fn shown(world: &World, subject: &str, code: &str) -> Value {
    let read = world.api(Role::PartnerViewer).get(&format!("C/issues?subject={subject}&code={code}")).await.expect(200);
    assert_eq!(read["items"].as_array().unwrap().len(), 1, "{subject} {code}: {read}");
    read["items"][0].clone()
}

fn is_at(issue: (String, u64), state: &str, count: u64) {
    assert_eq!((issue.0.as_str(), issue.1), (state, count));
}

#[tokio::test]
async fn what_blocks_is_an_issue_with_its_fix_that_each_check_counts_and_the_first_without_it_closes() {
    let (world, lines) = healthy().await;
    check(&world).await;
    let opened = world.published("issue.opened").len();
    set(&world, |settings| settings.kill_switch = true).await;
    for count in 1..=2 {
        world.advance(SignedDuration::from_mins(1));
        check(&world).await;
        is_at(issue(&world, "setting/kill_switch", "run_stopped").await, "open", count);
    }
    let found = shown(&world, "setting/kill_switch", "run_stopped").await;
    assert_eq!((&found["fix"]["method"], &found["fix"]["body"]), (&json!("PATCH"), &json!({"kill_switch": false})));
    assert_eq!((&found["run_id"], &found["retryable"]), (&Value::Null, &json!(false)), "{found}");
    set(&world, |settings| settings.kill_switch = false).await;
    patch(&world, "Contracts", lines[0].contract_id, json!({"status": 0}));
    check(&world).await;
    is_at(issue(&world, "setting/kill_switch", "run_stopped").await, "resolved", 2);
    world.advance(SignedDuration::from_mins(1));
    let report = check(&world).await;
    let code = report["findings"][0]["code"].as_str().unwrap().to_owned();
    let subject = format!("account/{}", lines[0].account);
    is_at(issue(&world, &subject, &code).await, "open", 2);
    assert_eq!(world.published("issue.opened").len(), opened + 2);
    patch(&world, "Contracts", lines[0].contract_id, json!({"status": 1}));
    // What only Autotask can show is not closed by a check that does not get to ask it.
    world.api(Role::PartnerAdmin).post("C/pause", Value::Null).await.assert_status(200);
    check(&world).await;
    is_at(issue(&world, &subject, &code).await, "open", 2);
    is_at(issue(&world, "connection", "connection_paused").await, "open", 1);
    world.api(Role::PartnerAdmin).post("C/resume", Value::Null).await.assert_status(200);
    assert_eq!(check(&world).await["score"], 100);
    is_at(issue(&world, &subject, &code).await, "resolved", 2);
    is_at(issue(&world, "connection", "connection_paused").await, "resolved", 1);
}

#[tokio::test]
async fn a_warning_is_no_issue_and_what_a_run_has_met_is_left_to_runs() {
    let (world, lines) = healthy().await;
    edit_mapping(&world, &lines[0], |mapping| mapping.status = MappingStatus::Suggested).await;
    let key = Key::Usage(world.partner.clone(), lines[3].account.clone(), lines[3].package.clone());
    let usage = world.load::<Usage>(&key).await.unwrap().value;
    forget(&world, key).await;
    check(&world).await;
    let read = world.api(Role::PartnerViewer).get("C/issues?state=open").await.expect(200);
    let items = read["items"].as_array().unwrap();
    // A world's connection has an issue of its own: no billing code until there are lines.
    let codes: Vec<&Value> =
        items.iter().filter(|found| found["subject"] != "connection").map(|found| &found["code"]).collect();
    assert_eq!(codes, [&json!("usage_missing")], "{read}");
    let subject = format!("account/{}/{}", lines[3].account, lines[3].package);
    is_at(issue(&world, &subject, "usage_missing").await, "open", 1);
    let body = json!({"kind": "seat_sync", "mode": "apply"});
    world.api(Role::PartnerBilling).post("C/runs", body.clone()).await.assert_status(202);
    world.drain().await;
    is_at(issue(&world, &subject, "usage_missing").await, "open", 2);
    world.put(&usage).await;
    assert_eq!(check(&world).await["counts"]["blocking"], 0);
    is_at(issue(&world, &subject, "usage_missing").await, "open", 2);
    world.api(Role::PartnerBilling).post("C/runs", body).await.assert_status(202);
    world.drain().await;
    is_at(issue(&world, &subject, "usage_missing").await, "resolved", 2);
}
