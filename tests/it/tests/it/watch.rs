//! The nightly watch: what became of what mappings point at, and renewals.

use domain::Role;
use domain::change::AuditRow;
use domain::connections::Settings;
use domain::connections::settings::RenewalPolicy;
use domain::issues::{Issue, IssueState};
use domain::mappings::{LineTaken, Mapping, MappingSource, MappingStatus};
use domain::problem::Code;
use domain::records::{Collection, Expect, Key, Write};
use serde_json::{Value, json};
use simulator::{Access, Fault, FaultKind, Level, Match, Permissions};
use testkit::{Line, World};

/// The watch's slot on the day after worlds begin.
const NIGHT: &str = "2026-11-21T02:20:00Z";
const NEXT_NIGHT: &str = "2026-11-22T02:20:00Z";
const THIRD_NIGHT: &str = "2026-11-23T02:20:00Z";

async fn watch(world: &World, night: &str) {
    world.tick("watch", night).await;
    world.drain().await;
}

async fn mapping(world: &World, line: &Line) -> Mapping {
    let key = Key::Mapping(world.partner.clone(), world.connection.clone(), line.account.clone());
    world.load::<Mapping>(&key).await.unwrap().value
}

/// All issues but the connection's own: the world has no billing code until it has lines, and says so when connecting.
async fn issues(world: &World) -> Vec<Issue> {
    let of = Collection::Issues(world.partner.clone(), world.connection.clone());
    let all = world.load_all::<Issue>(&of).await;
    all.into_iter().filter(|issue| issue.subject != "connection").collect()
}

async fn open(world: &World) -> Vec<Issue> {
    issues(world).await.into_iter().filter(|issue| issue.state == IssueState::Open).collect()
}

/// Subject and code of each open issue.
async fn told(world: &World) -> Vec<(String, Code)> {
    open(world).await.into_iter().map(|issue| (issue.subject, issue.code)).collect()
}

fn of(line: &Line) -> String {
    format!("account/{}", line.account)
}

fn patch(world: &World, entity: &str, id: i64, fields: Value) {
    world.sim.patch(world.ci, entity, id, &fields).unwrap();
}

fn contract(world: &World, company: i64, fields: Value) -> i64 {
    let mut row = json!({
        "companyID": company, "contractName": "Another", "contractType": 7, "status": 1,
        "startDate": "2026-11-01", "endDate": "2027-10-31",
    });
    for (name, value) in fields.as_object().unwrap() {
        row[name] = value.clone();
    }
    world.sim.insert(world.ci, "Contracts", &[row]).unwrap()[0]
}

fn line_on(world: &World, contract: i64, service: i64) -> i64 {
    let row = json!({"contractID": contract, "serviceID": service, "units": 10});
    world.sim.insert(world.ci, "ContractServices", &[row]).unwrap()[0]
}

fn lines_of(world: &World, contract: i64) -> Vec<i64> {
    let rows = world.rows("ContractServices").into_iter().filter(|(_, row)| row["contractID"] == json!(contract));
    rows.map(|(id, _)| id).collect()
}

fn following(settings: &mut Settings) {
    settings.renewal = RenewalPolicy::AutoRemap;
}

#[tokio::test]
async fn a_healthy_connection_costs_few_calls_and_nothing_is_written_or_told() {
    let world = testkit::world().await;
    world.lines(40).await;
    world.events.clear();
    watch(&world, NIGHT).await;
    assert_eq!(issues(&world).await, []);
    assert!(world.events.all().is_empty() && world.writes().is_empty());
    let calls = world.sim.requests().len();
    assert!(calls <= 8, "{calls} calls");
}

#[tokio::test]
async fn each_thing_that_is_gone_is_one_issue_that_counts_its_nights_and_closes_itself() {
    let world = testkit::world().await;
    let lines = world.lines(24).await;
    patch(&world, "Companies", lines[0].company_id, json!({"isActive": false}));
    world.sim.delete(world.ci, "Companies", lines[1].company_id).unwrap();
    world.sim.delete(world.ci, "Contracts", lines[2].contract_id).unwrap();
    patch(&world, "Contracts", lines[3].contract_id, json!({"endDate": "2026-11-19"}));
    patch(&world, "Contracts", lines[4].contract_id, json!({"contractType": 1}));
    patch(&world, "Contracts", lines[5].contract_id, json!({"endDate": "2026-12-20"}));
    world.sim.delete(world.ci, "ContractServices", lines[6].line.id).unwrap();
    patch(&world, "Contracts", lines[7].contract_id, json!({"status": 0}));
    let expected = [
        (of(&lines[0]), Code::CompanyInactiveOrGone),
        (of(&lines[1]), Code::CompanyInactiveOrGone),
        (of(&lines[2]), Code::ContractNotFound),
        (of(&lines[3]), Code::ContractEnded),
        (of(&lines[4]), Code::ContractNotRecurring),
        (of(&lines[5]), Code::ContractEnding),
        (of(&lines[6]), Code::ContractServiceRemoved),
        (of(&lines[7]), Code::ContractEnded),
    ];
    for (night, count) in [(NIGHT, 1), (NIGHT, 1), (NEXT_NIGHT, 2)] {
        watch(&world, night).await;
        assert_eq!(told(&world).await, expected);
        let counts: Vec<u32> = open(&world).await.iter().map(|issue| issue.count).collect();
        assert_eq!(counts, [count; 8], "{night}");
    }
    let words: Vec<String> = open(&world).await.into_iter().map(|issue| issue.detail).collect();
    let named = |line: &Line, words: &str| format!("{} ({}): {words}", account_name(line), line.account);
    assert_eq!(
        words[1],
        named(
            &lines[1],
            &format!(
                "the company {} ({}) is no longer in Autotask. Known since 2026-11-21.",
                account_name(&lines[1]),
                lines[1].company_id
            )
        )
    );
    assert!(words[5].ends_with("ends on 2026-12-20. Known since 2026-11-21."), "{}", words[5]);
    for (line, broken) in lines.iter().zip([true, true, true, true, true, false, true, false, false]) {
        let status = if broken { MappingStatus::Broken } else { MappingStatus::Confirmed };
        assert_eq!(mapping(&world, line).await.status, status, "{}", line.account);
    }
    assert_eq!(world.published("mapping.broken").len(), 6);

    patch(&world, "Companies", lines[0].company_id, json!({"isActive": true}));
    patch(&world, "Contracts", lines[3].contract_id, json!({"endDate": "2027-11-30"}));
    patch(&world, "Contracts", lines[4].contract_id, json!({"contractType": 7}));
    patch(&world, "Contracts", lines[5].contract_id, json!({"endDate": "2027-11-30"}));
    patch(&world, "Contracts", lines[7].contract_id, json!({"status": 1}));
    // A person takes the account off; its issue goes with it.
    let path = format!("C/company-mappings/{}", lines[6].account);
    world.api(Role::PartnerBilling).delete(&path).await.assert_status(204);
    watch(&world, THIRD_NIGHT).await;
    assert_eq!(told(&world).await, [expected[1].clone(), expected[2].clone()]);
    assert_eq!(open(&world).await[0].count, 3);
    for at in [0, 3, 4, 5, 7] {
        assert_eq!(mapping(&world, &lines[at]).await.status, MappingStatus::Confirmed, "{at}");
    }
    assert!(world.writes().is_empty());
}

fn account_name(line: &Line) -> String {
    let number: u32 = line.account.as_str().trim_start_matches("acc_").parse().unwrap();
    format!("Client {number:04}")
}

#[tokio::test]
async fn an_inactive_service_is_told_of_each_line_and_breaks_nothing() {
    let world = testkit::world().await;
    let lines = world.lines(2).await;
    patch(&world, "Services", lines[0].service_id, json!({"isActive": false}));
    watch(&world, NIGHT).await;
    let subjects: Vec<_> = lines.iter().map(|line| (format!("line/{}", line.line), Code::ServiceInactive)).collect();
    assert_eq!(told(&world).await, subjects);
    assert_eq!(mapping(&world, &lines[0]).await.status, MappingStatus::Confirmed);
    patch(&world, "Services", lines[0].service_id, json!({"isActive": true}));
    watch(&world, NEXT_NIGHT).await;
    assert!(told(&world).await.is_empty());
}

#[tokio::test]
async fn what_the_api_user_may_not_see_is_not_called_gone() {
    let unseen = Access { view: Level::None, ..Access::ALL };
    for entity in ["Contracts", "ContractServices", "Companies"] {
        let world = testkit::world().await;
        let lines = world.lines(2).await;
        world.sim.set_permissions(world.ci, Permissions::default().with(entity, unseen)).unwrap();
        for night in [NIGHT, NEXT_NIGHT] {
            watch(&world, night).await;
            assert_eq!(told(&world).await, [("mappings".to_owned(), Code::PermissionMissing)], "{entity}");
            assert_eq!(mapping(&world, &lines[0]).await.status, MappingStatus::Confirmed);
        }
        world.sim.set_permissions(world.ci, Permissions::default()).unwrap();
        watch(&world, THIRD_NIGHT).await;
        assert!(told(&world).await.is_empty(), "{entity}");
    }
}

#[tokio::test]
async fn many_that_vanish_at_once_are_one_issue_and_none_is_marked() {
    let world = testkit::world().await;
    let lines = world.lines(6).await;
    for line in &lines[..3] {
        world.sim.delete(world.ci, "Contracts", line.contract_id).unwrap();
    }
    watch(&world, NIGHT).await;
    assert_eq!(told(&world).await, [("mappings".to_owned(), Code::PermissionMissing)]);
    assert_eq!(open(&world).await[0].detail, "3 of 6 mapped contracts cannot be seen.");
    assert_eq!(mapping(&world, &lines[0]).await.status, MappingStatus::Confirmed);
}

#[tokio::test]
async fn names_are_kept_as_last_seen_without_counting_as_a_change() {
    let world = testkit::world().await;
    let lines = world.lines(1).await;
    let before = mapping(&world, &lines[0]).await;
    patch(&world, "Companies", lines[0].company_id, json!({"companyName": "Renamed"}));
    patch(&world, "Contracts", lines[0].contract_id, json!({"contractName": "Renamed too", "endDate": "2028-11-30"}));
    patch(&world, "Services", lines[0].service_id, json!({"name": "Renamed as well"}));
    for night in [NIGHT, NEXT_NIGHT] {
        watch(&world, night).await;
        let now = mapping(&world, &lines[0]).await;
        assert_eq!(now.company.unwrap().name, "Renamed");
        let contract = now.contract.unwrap();
        assert_eq!(
            (contract.name.as_str(), contract.end.unwrap().to_string()),
            ("Renamed too", "2028-11-30".to_owned())
        );
        assert_eq!(now.lines[0].service_name, "Renamed as well");
        assert_eq!(now.updated_at, before.updated_at);
    }
    let of = Collection::Audit(world.partner.clone(), Some(world.connection.clone()), "2026-11".to_owned());
    let rows = world.load_all::<AuditRow>(&of).await;
    let renamed: Vec<_> = rows.iter().filter(|row| row.action == "mapping.renamed").collect();
    assert_eq!((renamed.len(), renamed[0].actor.who.as_str()), (1, "schedule:watch"));
    assert!(told(&world).await.is_empty());
}

#[tokio::test]
async fn a_renewed_contract_is_proposed_with_the_one_call_that_follows_it() {
    for linked in [true, false] {
        let world = testkit::world().await;
        let lines = world.lines(1).await;
        let (old, company) = (lines[0].contract_id, lines[0].company_id);
        let next = match linked {
            true => world.sim.renew(world.ci, old, Some("2026-11-20".parse().unwrap())).unwrap(),
            false => {
                patch(&world, "Contracts", old, json!({"endDate": "2026-10-31"}));
                let next = contract(&world, company, json!({"startDate": "2026-11-02"}));
                line_on(&world, next, lines[0].service_id);
                next
            }
        };
        let line = lines_of(&world, next)[0];
        for night in [NIGHT, NEXT_NIGHT] {
            watch(&world, night).await;
            assert_eq!(told(&world).await, [(of(&lines[0]), Code::ContractRenewed)]);
        }
        assert_eq!(mapping(&world, &lines[0]).await.status, MappingStatus::Broken);
        let issue = open(&world).await.remove(0);
        assert_eq!(issue.data["successor"]["contract_id"], json!(next));
        assert_eq!(issue.data["successor"]["linked"], json!(linked));
        assert_eq!(issue.data["successor"]["lines"][0]["to"], json!(line));
        assert_eq!(issue.data["ambiguous"], json!(false));
        let events = world.published("contract.renewal_detected");
        assert_eq!(events.len(), 1, "once for the successor");
        assert_eq!(events[0].detail["data"]["successor"]["contract_id"], json!(next));

        let fix = issue.fix.unwrap();
        assert_eq!((fix.method.as_str(), &fix.body), ("POST", &json!({"to_contract_id": next, "reason": "renewal"})));
        assert_eq!(fix.path, world.path(&format!("C/company-mappings/{}/remap", lines[0].account)));
        world.api(Role::PartnerBilling).post(&fix.path, fix.body).await.assert_status(200);
        assert!(told(&world).await.is_empty(), "the call closes the issue");
        watch(&world, THIRD_NIGHT).await;
        assert!(told(&world).await.is_empty());
        let now = mapping(&world, &lines[0]).await;
        assert_eq!((now.contract.unwrap().id, now.lines[0].line.id), (next, line));
    }
}

#[tokio::test]
async fn a_renewal_is_followed_by_itself_where_the_settings_say_so_and_the_old_link_stays_in_the_trail() {
    let world = World::builder().settings(following).build().await;
    let lines = world.lines(1).await;
    let next = world.sim.renew(world.ci, lines[0].contract_id, Some("2026-11-20".parse().unwrap())).unwrap();
    for night in [NIGHT, NEXT_NIGHT] {
        watch(&world, night).await;
        let now = mapping(&world, &lines[0]).await;
        assert_eq!((now.status, now.source), (MappingStatus::Confirmed, MappingSource::Renewal));
        assert_eq!(now.contract.as_ref().unwrap().id, next);
        assert_eq!(now.lines[0].line.id, lines_of(&world, next)[0]);
        assert!(told(&world).await.is_empty());
    }
    let taken = Collection::LinesTaken(world.partner.clone(), world.connection.clone());
    let taken: Vec<i64> = world.load_all::<LineTaken>(&taken).await.into_iter().map(|taken| taken.line.id).collect();
    assert_eq!(taken, lines_of(&world, next), "the new line is taken, the old one is free");
    let of = Collection::Audit(world.partner.clone(), Some(world.connection.clone()), "2026-11".to_owned());
    let rows = world.load_all::<AuditRow>(&of).await;
    let moved: Vec<_> = rows.iter().filter(|row| row.action == "mapping.remapped").collect();
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].before["contract_id"], json!(lines[0].contract_id));
    assert_eq!((&moved[0].after["contract_id"], moved[0].actor.who.as_str()), (&json!(next), "schedule:watch"));
    assert_eq!(world.published("contract.renewal_detected").len(), 1);
}

#[tokio::test]
async fn a_successor_that_has_not_begun_is_proposed_and_taken_on_the_night_it_begins() {
    let world = World::builder().settings(following).build().await;
    let lines = world.lines(1).await;
    let next = world.sim.renew(world.ci, lines[0].contract_id, Some("2026-12-01".parse().unwrap())).unwrap();
    watch(&world, NIGHT).await;
    assert_eq!(told(&world).await, [(of(&lines[0]), Code::ContractRenewed)]);
    let issue = open(&world).await.remove(0);
    assert_eq!(issue.fix.unwrap().not_before.unwrap().to_string(), "2026-12-01");
    let now = mapping(&world, &lines[0]).await;
    assert_eq!((now.status, now.contract.unwrap().id), (MappingStatus::Confirmed, lines[0].contract_id));
    watch(&world, "2026-11-30T02:20:00Z").await;
    assert_eq!(mapping(&world, &lines[0]).await.contract.unwrap().id, lines[0].contract_id);
    watch(&world, "2026-12-01T02:20:00Z").await;
    let now = mapping(&world, &lines[0]).await;
    assert_eq!((now.status, now.contract.unwrap().id), (MappingStatus::Confirmed, next));
    assert!(told(&world).await.is_empty());
    assert_eq!(world.published("contract.renewal_detected").len(), 1);
}

#[tokio::test]
async fn an_ambiguous_successor_is_never_chosen() {
    let ended = json!({"endDate": "2026-10-31"});
    // Two contracts that follow; one with two lines of the service; one without any.
    for (contracts, lines_each, why) in
        [(2, 1, Value::Null), (1, 2, json!("duplicate_line")), (1, 0, json!("contract_service_removed"))]
    {
        let world = World::builder().settings(following).build().await;
        let lines = world.lines(1).await;
        patch(&world, "Contracts", lines[0].contract_id, ended.clone());
        for _ in 0..contracts {
            let next = contract(&world, lines[0].company_id, json!({}));
            for _ in 0..lines_each {
                line_on(&world, next, lines[0].service_id);
            }
        }
        for night in [NIGHT, NEXT_NIGHT] {
            watch(&world, night).await;
            let issue = open(&world).await.remove(0);
            assert_eq!((issue.code, issue.fix), (Code::ContractRenewed, None));
            assert_eq!((&issue.data["ambiguous"], &issue.data["successor"]), (&json!(true), &Value::Null));
            assert_eq!(issue.data["candidates"].as_array().unwrap().len(), contracts);
            assert_eq!(issue.data["candidates"][0]["lines"][0]["why"]["code"], why);
            let now = mapping(&world, &lines[0]).await;
            assert_eq!((now.status, now.contract.unwrap().id), (MappingStatus::Broken, lines[0].contract_id));
        }
        assert_eq!(world.published("contract.renewal_detected").len(), contracts);
    }
}

#[tokio::test]
async fn a_run_and_the_watch_agree_about_an_ended_contract() {
    let world = testkit::world().await;
    let lines = world.lines(4).await;
    patch(&world, "Contracts", lines[0].contract_id, json!({"endDate": "2026-10-31"}));
    let rows = world.rows("ContractServiceUnits").into_iter();
    for (id, _) in rows.filter(|(_, row)| {
        row["contractServiceID"] == json!(lines[0].line.id) && row["startDate"].as_str() >= Some("2026-11-01")
    }) {
        world.sim.delete(world.ci, "ContractServiceUnits", id).unwrap();
    }
    let next = contract(&world, lines[0].company_id, json!({}));
    line_on(&world, next, lines[0].service_id);
    let sync = json!({"kind": "seat_sync", "mode": "apply"});
    for night in [NIGHT, NEXT_NIGHT] {
        world.api(Role::PartnerBilling).post("C/runs", sync.clone()).await.assert_status(202);
        world.drain().await;
        watch(&world, night).await;
        assert_eq!(told(&world).await, [(of(&lines[0]), Code::ContractRenewed)]);
    }
    world.api(Role::PartnerBilling).post("C/runs", sync).await.assert_status(202);
    world.drain().await;
    assert_eq!(told(&world).await, [(of(&lines[0]), Code::ContractRenewed)], "a run does not unsay it");
    assert!(open(&world).await[0].fix.is_some(), "nor its fix");
}

#[tokio::test]
async fn a_watch_that_autotask_does_not_allow_is_put_off_and_one_of_a_paused_connection_makes_no_call() {
    let world = testkit::world().await;
    let lines = world.lines(1).await;
    world.sim.delete(world.ci, "ContractServices", lines[0].line.id).unwrap();
    let away = FaultKind::Status { status: 503, body: Value::Null };
    world.sim.add_fault(Fault::new(Match::new("POST", "*Companies/query"), away).times(8));
    watch(&world, NIGHT).await;
    assert_eq!(told(&world).await, [(of(&lines[0]), Code::ContractServiceRemoved)]);
    assert!(world.clock.now() >= "2026-11-21T02:35:00Z".parse().unwrap());

    world.api(Role::PartnerAdmin).post("C/pause", Value::Null).await.assert_status(200);
    let calls = world.sim.requests().len();
    watch(&world, NEXT_NIGHT).await;
    assert_eq!((world.sim.requests().len(), open(&world).await[0].count), (calls, 1));
}

#[tokio::test]
async fn issues_of_accounts_that_lost_their_mapping_behind_our_back_are_closed() {
    let world = testkit::world().await;
    let lines = world.lines(1).await;
    world.sim.delete(world.ci, "ContractServices", lines[0].line.id).unwrap();
    watch(&world, NIGHT).await;
    assert_eq!(told(&world).await.len(), 1);
    let key = Key::Mapping(world.partner.clone(), world.connection.clone(), lines[0].account.clone());
    world.ports().storage.write(&world.system_scope(), vec![Write::delete(key, Expect::Any)]).await.unwrap();
    watch(&world, NEXT_NIGHT).await;
    assert!(told(&world).await.is_empty());
}
