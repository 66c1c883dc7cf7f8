use super::*;
use domain::connections::{Connection, ConnectionStatus};
use domain::mappings::{Mapping, MappingStatus};
use domain::records::{Key, SHARDS};
use domain::runs::{RunState, StartRun, Trigger};
use domain::{Actor, Code};
use jiff::SignedDuration;

#[tokio::test]
async fn a_run_that_is_under_way_is_named_to_whoever_starts_another_and_a_preview_runs_beside_it() {
    let world = testkit::world().await;
    let line = &world.lines(2).await[0];
    world.usage(line, 12).await;
    let first = started(&world, sync("apply")).await;
    let refused = world.api(Role::PartnerAdmin).post(RUNS, sync("apply")).await;
    let problem = refused.assert_problem(409, "already_running");
    assert_eq!(problem["run_id"], json!(first));
    assert_eq!(problem["status_url"], json!(world.path(&format!("C/runs/{first}"))));
    let beside = started(&world, sync("preview")).await;
    world.drain().await;
    assert_eq!(shown(&world, &first).await["status"], "done");
    assert_eq!(shown(&world, &beside).await["status"], "planned");
    assert_eq!(world.units(line), Some(12));
    assert!(lease(&world).await.is_none());
    started(&world, sync("apply")).await;
    world.drain().await;
    assert_eq!(world.writes().len(), 1, "a fresh second run writes nothing");
}

#[tokio::test]
async fn the_same_idempotency_key_starts_one_run() {
    let world = testkit::world().await;
    world.lines(1).await;
    let api = world.api(Role::PartnerBilling).header("idempotency-key", "press-1");
    let first = api.post(RUNS, sync("apply")).await.expect(202);
    let second = api.post(RUNS, sync("apply")).await.expect(202);
    assert_eq!(first, second);
    assert_eq!(all_runs(&world).await.len(), 1);
    world.drain().await;
}

#[tokio::test]
async fn accounts_and_dates_that_cannot_be_are_named_by_their_place_and_nothing_is_started() {
    let world = testkit::world().await;
    let line = &world.lines(2).await[1];
    let key = Key::Mapping(world.partner.clone(), world.connection.clone(), line.account.clone());
    let mut mapping = world.load::<Mapping>(&key).await.unwrap().value;
    mapping.status = MappingStatus::Suggested;
    world.put(&mapping).await;
    let billing = world.api(Role::PartnerBilling);
    let scope = json!({"accounts": ["acc_0001", "acc_0002", "nobody"]});
    let body = json!({"kind": "seat_sync", "mode": "apply", "scope": scope, "effective_date": "2027-01-01"});
    let answer = billing.post(RUNS, body).await;
    let problem = answer.assert_problem(400, "invalid_input");
    let places: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(places, ["/scope/accounts/1", "/scope/accounts/2", "/effective_date"]);
    for (body, place) in [
        (json!({"kind": "auto_map", "mode": "apply"}), "/kind"),
        (json!({"kind": "initial", "mode": "apply"}), "/kind"),
        (json!({"kind": "seat_sync"}), "/mode"),
        (json!({"kind": "seat_sync", "mode": "apply", "scope": {"accounts": []}}), "/scope/accounts"),
        (json!({"kind": "seat_sync", "mode": "apply", "effective_date": "2026-09-30"}), "/effective_date"),
        (json!({"kind": "seat_sync", "mode": "apply", "speed": 1}), "/speed"),
    ] {
        let answer = billing.post(RUNS, body).await;
        assert_eq!(answer.assert_problem(400, "invalid_input")["errors"][0]["pointer"], place);
    }
    assert!(all_runs(&world).await.is_empty());
}

#[tokio::test]
async fn dates_reach_from_the_first_of_the_month_before_to_the_last_of_the_next() {
    let world = testkit::world().await;
    world.lines(1).await;
    for (date, period) in [("2026-10-01", "2026-10-31"), ("2026-12-31", "2026-12-31")] {
        let body = json!({"kind": "seat_sync", "mode": "preview", "effective_date": date});
        let run = shown(&world, &started(&world, body).await).await;
        assert_eq!((&run["effective_date"], &run["period"]["end"]), (&json!(date), &json!(period)));
    }
    let run = shown(&world, &started(&world, sync("preview")).await).await;
    assert_eq!(run["effective_date"], "2026-11-01");
    world.drain().await;
}

#[tokio::test]
async fn only_a_connected_connection_with_the_feature_is_synchronised() {
    let world = testkit::world().await;
    world.lines(1).await;
    let key = Key::Connection(world.partner.clone(), world.connection.clone());
    let connected = world.load::<Connection>(&key).await.unwrap().value;
    for (status, code) in
        [(ConnectionStatus::NeedsRelink, "needs_relink"), (ConnectionStatus::Paused, "connection_paused")]
    {
        world.put(&Connection { status, ..connected.clone() }).await;
        world.api(Role::PartnerBilling).post(RUNS, sync("apply")).await.assert_problem(409, code);
    }
    world.put(&Connection { features: Vec::new(), ..connected.clone() }).await;
    world.api(Role::PartnerBilling).post(RUNS, sync("apply")).await.assert_problem(400, "invalid_input");
    assert!(all_runs(&world).await.is_empty());
}

#[tokio::test]
async fn a_role_that_may_not_and_a_partner_that_does_not_own_it_start_nothing() {
    let world = testkit::world().await;
    world.lines(1).await;
    for role in [Role::PartnerViewer, Role::VendorSupport, Role::VendorAdmin, Role::Service] {
        world.api(role).post(RUNS, sync("apply")).await.assert_problem(403, "forbidden_role");
    }
    let foreign = world.api(Role::PartnerAdmin).of_partner("other");
    foreign.post(RUNS, sync("apply")).await.assert_problem(404, "not_found");
    foreign.get(RUNS).await.assert_problem(404, "not_found");
    let run = preview(&world).await;
    let id = run["id"].as_str().unwrap();
    for path in ["", "/lines", "/lines.csv"] {
        foreign.get(&format!("C/runs/{id}{path}")).await.assert_problem(404, "not_found");
    }
    for (path, body) in
        [("apply", json!({"plan_hash": run["plan_hash"]})), ("cancel", json!(null)), ("retry-failed", json!(null))]
    {
        let path = format!("C/runs/{id}/{path}");
        foreign.post(&path, body.clone()).await.assert_problem(404, "not_found");
        world.api(Role::PartnerViewer).post(&path, body).await.assert_problem(403, "forbidden_role");
    }
    foreign.get("C/reconciliation").await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn a_slot_has_one_run_however_often_its_tick_comes() {
    let world = testkit::world().await;
    world.lines(1).await;
    let actor = Actor::system("schedule:seat_sync", "tick-1");
    let slot = "2026-12-01T00:15:00Z".parse().unwrap();
    world.clock.at_least(slot).unwrap();
    let start = || {
        let wanted = StartRun::of_slot(slot, Trigger::Schedule);
        let (ports, scope) = (world.ports().clone(), world.scope());
        let (partner, connection, actor) = (world.partner.clone(), world.connection.clone(), actor.clone());
        async move { domain::runs::start(&ports, &scope, &actor, &partner, &connection, wanted).await }
    };
    let first = start().await.unwrap();
    assert_eq!(first.effective_date.unwrap().to_string(), "2026-12-01");
    let (second, third) = futures::join!(start(), start());
    assert_eq!((&second.unwrap().id, &third.unwrap().id), (&first.id, &first.id));
    world.drain().await;
    assert_eq!(start().await.unwrap().id, first.id, "also after it has ended");
    assert_eq!(all_runs(&world).await.len(), 1);
}

#[tokio::test]
async fn of_two_starts_at_once_one_wins() {
    let world = testkit::world().await;
    world.lines(1).await;
    let api = world.api(Role::PartnerBilling);
    let answers = futures::join!(api.post(RUNS, sync("apply")), api.post(RUNS, sync("apply")));
    let mut statuses = [answers.0.status, answers.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409], "{} {}", answers.0.text, answers.1.text);
    world.drain().await;
    assert_eq!(all_runs(&world).await.len(), 1);
}

#[tokio::test]
async fn a_run_that_no_queue_took_ends_and_frees_the_way() {
    let world = testkit::world().await;
    world.lines(1).await;
    world.queue.set_away(true);
    world.api(Role::PartnerBilling).post(RUNS, sync("apply")).await.assert_problem(503, "unavailable");
    world.queue.set_away(false);
    assert_eq!(all_runs(&world).await[0].state, RunState::Failed);
    started(&world, sync("apply")).await;
    world.drain().await;
    assert_eq!(all_runs(&world).await[1].state, RunState::Done);
}

#[tokio::test]
async fn a_lost_run_is_ended_with_an_issue_once_and_the_next_one_may_start() {
    let world = testkit::world().await;
    world.lines(1).await;
    let lost = started(&world, sync("apply")).await;
    world.queue.purge().unwrap();
    world.advance(SignedDuration::from_mins(119));
    assert_eq!(sweep(&world).await, 0);
    world.api(Role::PartnerBilling).post(RUNS, sync("apply")).await.assert_problem(409, "already_running");
    world.advance(SignedDuration::from_mins(2));
    assert_eq!(sweep(&world).await, 1);
    assert_eq!(sweep(&world).await, 0);
    let run = shown(&world, &lost).await;
    assert_eq!((&run["status"], &run["problem"]["code"]), (&json!("failed"), &json!("internal")));
    assert_eq!(world.published("issue.opened").len(), 1);
    assert_eq!(world.published("billing.run_failed").len(), 1);
    started(&world, sync("apply")).await;
    world.drain().await;
    assert_eq!(world.published("issue.resolved").len(), 1);
}

/// The threshold and one read of the lines' units.
const REQUESTS_BEFORE_WRITES: u32 = 2;

#[tokio::test]
async fn a_lost_runs_lines_say_what_became_of_each_and_not_what_was_planned() {
    let world = testkit::world().await;
    let lines = world.lines(4).await;
    for line in &lines {
        world.usage(line, 12).await;
    }
    let id = started(&world, sync("apply")).await;
    // The threshold and the reads come before the first adjustment; the second adjustment dies with its worker.
    world.kill.arm(REQUESTS_BEFORE_WRITES + 2, local::host::KillScope::Background);
    world.work_one().await;
    assert!(world.kill.status().1, "the worker was killed");
    world.queue.purge().unwrap();
    world.advance(SignedDuration::from_mins(121));
    assert_eq!(sweep(&world).await, 1);

    let run = shown(&world, &id).await;
    assert_eq!(run["status"], "failed");
    let told = super::lines(&world, &id).await;
    let state = |state: &str| told.iter().filter(|line| line["state"] == state).count();
    assert_eq!(run["totals"]["lines"], 4, "{run}");
    for name in ["changed", "failed", "unverified"] {
        assert_eq!(run["totals"][name], state(name), "{name}: {told:?}");
    }
    assert_eq!(state("changed"), 0, "nothing was seen in Autotask: {told:?}");
    assert!(state("unverified") >= 1 && state("failed") >= 1, "some were sent, some were not: {told:?}");
    started(&world, sync("apply")).await;
    world.drain().await;
}

#[tokio::test]
async fn a_start_takes_the_way_over_from_a_lost_run_without_waiting_for_the_sweep() {
    let world = testkit::world().await;
    world.lines(1).await;
    let lost = started(&world, sync("apply")).await;
    world.queue.purge().unwrap();
    world.advance(SignedDuration::from_mins(121));
    started(&world, sync("apply")).await;
    world.drain().await;
    let runs = all_runs(&world).await;
    assert_eq!((runs[0].id.as_str(), runs[0].state), (lost.as_str(), RunState::Failed));
    assert_eq!(runs[0].problem.as_ref().unwrap().0, Code::Internal);
    assert_eq!(runs[1].state, RunState::Done);
}

#[tokio::test]
async fn a_queued_run_whose_message_was_lost_gets_it_again() {
    let world = testkit::world().await;
    world.lines(1).await;
    let id = started(&world, sync("apply")).await;
    world.queue.purge().unwrap();
    world.advance(SignedDuration::from_mins(12));
    assert_eq!(sweep(&world).await, 0);
    world.drain().await;
    assert_eq!(shown(&world, &id).await["status"], "done");
}

async fn sweep(world: &World) -> usize {
    let mut ended = 0;
    for shard in 0..SHARDS {
        ended += domain::runs::sweep_lost(world.ports(), &world.system_scope(), shard).await.unwrap();
    }
    ended
}
