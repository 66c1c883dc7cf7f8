use super::*;
use domain::connections::{probe_one, settings::SettingsRecord};
use domain::issues::{Issue, IssueState};
use domain::mappings::{CompanyTaken, LineTaken, Mapping};
use domain::runs::{Run, RunKind, RunMode, RunState, Trigger};
use domain::{Actor, RunId};
use simulator::DatabaseSpec;
use testkit::INTEGRATION_CODE;
use url::Url;

fn actor() -> Actor {
    Actor::system("schedule:probe", "req_probe")
}

async fn open_issues(world: &World) -> Vec<String> {
    let of = Collection::Issues(world.partner.clone(), world.connection.clone());
    let issues: Vec<Issue> = world.load_all(&of).await;
    let open = issues.into_iter().filter(|issue| issue.state == IssueState::Open);
    open.map(|issue| issue.code.as_str().to_owned()).collect()
}

#[tokio::test]
async fn a_refused_login_costs_two_further_calls_and_then_nobody_calls() {
    let world = testkit::world().await;
    world.sim.set_secret(world.ci, "another").unwrap();
    let (scope, partner, id) = (world.scope(), world.partner.clone(), world.connection.clone());
    probe_one(world.ports(), &scope, &actor(), &partner, &id).await.unwrap();
    let paths: Vec<String> = world.sim.requests().into_iter().map(|r| r.path.to_lowercase()).collect();
    assert_eq!(paths.len(), 3, "the call that was refused, the zone, one probe: {paths:?}");
    assert!(paths[1].ends_with("/zoneinformation"));
    let read = admin(&world).get("C").await.expect(200);
    assert_eq!(
        (&read["status"], &read["needs_relink_since"]),
        (&json!("needs_relink"), &json!("2026-11-20T11:00:00Z"))
    );
    assert_eq!(world.published("connection.needs_relink").len(), 1);
    assert!(open_issues(&world).await.contains(&"needs_relink".to_owned()));

    world.sim.clear_requests();
    for _ in 0..2 {
        probe_one(world.ports(), &scope, &actor(), &partner, &id).await.unwrap();
        admin(&world).post("C/permissions/probe", Value::Null).await.assert_problem(409, "needs_relink");
        admin(&world).post("C/billing-codes/ensure", Value::Null).await.assert_problem(409, "needs_relink");
    }
    assert!(world.sim.requests().is_empty());
    // A person's Test asks once, and not more.
    admin(&world).post("C/test", Value::Null).await.assert_problem(422, "credentials_invalid");
    assert_eq!(world.sim.requests().len(), 1);
    assert_eq!(world.published("connection.needs_relink").len(), 1);
}

#[tokio::test]
async fn a_test_that_works_ends_needs_relink() {
    let world = testkit::world().await;
    world.sim.set_secret(world.ci, "another").unwrap();
    admin(&world).post("C/test", Value::Null).await.assert_problem(422, "credentials_invalid");
    assert_eq!(connection(&world).await.status.as_str(), "needs_relink");
    world.sim.set_secret(world.ci, SECRET).unwrap();
    let tested = world.api(Role::VendorSupport).post("C/test", Value::Null).await.expect(200);
    assert_eq!((&tested["status"], &tested["needs_relink_since"]), (&json!("connected"), &Value::Null));
    assert!(tested["autotask_calls"].as_u64().is_some_and(|calls| (1..=14).contains(&calls)));
    assert!(!open_issues(&world).await.contains(&"needs_relink".to_owned()));
    assert_eq!(world.published("connection.connected").len(), 1);
}

#[tokio::test]
async fn a_moved_database_is_followed() {
    let world = testkit::world().await;
    world.sim.move_database(world.ci, Url::parse("https://webservices7.autotask.net/zone7/").unwrap()).unwrap();
    let tested = admin(&world).post("C/test", Value::Null).await.expect(200);
    assert_eq!(tested["zone"]["url"], "https://webservices7.autotask.net/zone7/ATServicesRest/");
    assert_eq!(tested["status"], "connected");
    assert!(world.published("connection.needs_relink").is_empty());
    world.sim.clear_requests();
    admin(&world).post("C/test", Value::Null).await.assert_status(200);
    assert!(world.sim.requests().iter().all(|request| request.status == Some(200)));
}

#[tokio::test]
async fn a_zone_that_another_host_claims_is_not_followed() {
    let world = testkit::world().await;
    world.sim.set_secret(world.ci, "another").unwrap();
    let zone = json!({"zoneName": "z", "url": "https://evil.example/", "webUrl": "", "ci": world.ci});
    fault(&world, "GET", "*/zoneInformation", answer(200, zone));
    admin(&world).post("C/test", Value::Null).await.assert_problem(503, "autotask_unavailable");
    assert!(world.transport.hosts().keys().all(|host| host.ends_with(".autotask.net")));
}

#[tokio::test]
async fn wrong_new_credentials_leave_those_of_before_in_use() {
    let world = testkit::world().await;
    let before = connection(&world).await;
    let wrong = json!({"username": USERNAME, "secret": "wrong"});
    for _ in 0..2 {
        admin(&world).post("C/relink", wrong.clone()).await.assert_problem(422, "credentials_invalid");
    }
    let unknown = json!({"username": "nobody@msp.example", "secret": SECRET});
    admin(&world).post("C/relink", unknown).await.assert_problem(422, "zone_not_found");
    admin(&world).post("C/relink", json!({})).await.assert_problem(400, "invalid_input");
    assert_eq!(connection(&world).await, before);
    admin(&world).post("C/test", Value::Null).await.assert_status(200);
}

#[tokio::test]
async fn rotation_has_no_gap() {
    let world = testkit::world().await;
    world.sim.set_secret(world.ci, "rotated").unwrap();
    admin(&world).post("C/test", Value::Null).await.assert_problem(422, "credentials_invalid");
    let new = json!({"username": USERNAME, "secret": "rotated"});
    let relinked = admin(&world).post("C/relink", new.clone()).await.expect(200);
    assert_eq!((&relinked["status"], &relinked["started_fresh"]), (&json!("connected"), &json!(false)));
    assert!(!open_issues(&world).await.contains(&"needs_relink".to_owned()));
    admin(&world).post("C/test", Value::Null).await.assert_status(200);
    // Twice is once more: the same credentials are proven and kept again.
    admin(&world).post("C/relink", new).await.assert_status(200);
    admin(&world).post("C/test", Value::Null).await.assert_status(200);
}

#[tokio::test]
async fn only_the_main_accounts_admin_relinks_and_only_the_version_it_read() {
    let world = testkit::world().await;
    world.api(Role::PartnerBilling).post("C/relink", login()).await.assert_problem(403, "forbidden_role");
    let sub_account = admin(&world).claim("main_account", json!(false));
    sub_account.post("C/relink", login()).await.assert_problem(403, "not_main_account");
    let stale = admin(&world).header("if-match", "\"99\"");
    stale.post("C/relink", login()).await.assert_problem(412, "precondition_failed");
    assert!(world.sim.requests().is_empty());
}

pub(crate) fn other_database(world: &World) -> (u64, Value) {
    let spec = DatabaseSpec::new("other@msp.example", "other-secret", INTEGRATION_CODE);
    let other = world.sim.add_database(spec).unwrap();
    (other.ci, json!({"username": "other@msp.example", "secret": "other-secret"}))
}

#[tokio::test]
async fn another_database_is_refused_unless_everything_starts_fresh() {
    let world = testkit::world().await;
    world.lines(3).await;
    let (ci, mut new) = other_database(&world);
    let before = connection(&world).await;
    admin(&world).post("C/relink", new.clone()).await.assert_problem(409, "different_database");
    assert_eq!(connection(&world).await, before);
    let of = |make: fn(_, _) -> Collection| make(world.partner.clone(), world.connection.clone());
    assert_eq!(world.load_all::<Mapping>(&of(Collection::Mappings)).await.len(), 3);

    new["start_fresh"] = json!(true);
    let fresh = admin(&world).post("C/relink", new).await.expect(200);
    assert_eq!((&fresh["started_fresh"], &fresh["zone"]["ci"]), (&json!(true), &json!(ci)));
    assert_eq!(fresh["status"], "connected");
    assert!(world.load_all::<Mapping>(&of(Collection::Mappings)).await.is_empty());
    assert!(world.load_all::<CompanyTaken>(&of(Collection::CompaniesTaken)).await.is_empty());
    assert!(world.load_all::<LineTaken>(&of(Collection::LinesTaken)).await.is_empty());
    let key = Key::Settings(world.partner.clone(), world.connection.clone());
    assert!(world.load::<SettingsRecord>(&key).await.is_some());
}

pub(super) fn running(world: &World, state: RunState) -> Run {
    let now = world.ports().clock.now();
    Run {
        partner: world.partner.clone(),
        connection: world.connection.clone(),
        id: RunId::new(world.ports().ids.uuid().to_string()).unwrap(),
        kind: RunKind::SeatSync,
        trigger: Trigger::Manual,
        mode: RunMode::Apply,
        state,
        ..serde_json::from_value(json!({
            "partner": world.partner, "connection": world.connection, "id": "r1", "kind": "seat_sync",
            "trigger": "manual", "mode": "apply", "state": "queued", "actor": actor(), "accounts": null,
            "due_slot": null, "period": null, "effective_date": null, "settings": null, "plan_hash": null,
            "planned_at": null, "problem": null, "created_at": now, "touched_at": now, "finished_at": null,
        }))
        .unwrap()
    }
}

#[tokio::test]
async fn nothing_is_torn_from_under_a_run() {
    let world = testkit::world().await;
    world.put(&running(&world, RunState::Settling)).await;
    let (_, mut new) = other_database(&world);
    new["start_fresh"] = json!(true);
    admin(&world).post("C/relink", new).await.assert_problem(409, "already_running");
    admin(&world).delete("C").await.assert_problem(409, "already_running");
    assert_eq!(connection(&world).await.status.as_str(), "connected");
}
