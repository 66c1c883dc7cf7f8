use super::relink::running;
use super::*;
use domain::connections::settings::SettingsRecord;
use domain::connections::{SEAT_SYNC_JOB, Schedule};
use domain::mappings::Mapping;
use domain::runs::RunState;
use domain::units::{Intent, Purpose, UnitLine};
use domain::{LineRef, RunId};
use jiff::SignedDuration;

fn schedule_key(world: &World) -> Key {
    Key::Schedule(world.partner.clone(), world.connection.clone(), SEAT_SYNC_JOB.to_owned())
}

#[tokio::test]
async fn pausing_and_resuming_twice_is_pausing_and_resuming_once() {
    let world = testkit::world().await;
    for _ in 0..2 {
        assert_eq!(admin(&world).post("C/pause", Value::Null).await.expect(200)["status"], "paused");
    }
    assert_eq!(world.published("connection.paused").len(), 1);
    admin(&world).post("C/permissions/probe", Value::Null).await.assert_problem(409, "connection_paused");
    assert!(world.sim.requests().is_empty());
    for _ in 0..2 {
        assert_eq!(admin(&world).post("C/resume", Value::Null).await.expect(200)["status"], "connected");
    }
    assert_eq!(world.published("connection.connected").len(), 1);
    world.api(Role::PartnerBilling).post("C/pause", Value::Null).await.assert_problem(403, "forbidden_role");
    let stale = admin(&world).header("if-match", "\"1\"");
    stale.post("C/pause", Value::Null).await.assert_problem(412, "precondition_failed");
}

#[tokio::test]
async fn a_slot_missed_in_a_pause_is_made_up_for_within_72_hours_only() {
    for (hours, due) in [(10 * 24 + 14, "2026-12-01T00:15:00Z"), (20 * 24, "2027-01-01T00:15:00Z")] {
        let world = testkit::world().await;
        admin(&world).post("C/pause", Value::Null).await.assert_status(200);
        world.advance(SignedDuration::from_hours(hours));
        let resumed = admin(&world).post("C/resume", Value::Null).await.expect(200);
        assert_eq!(resumed["next_run_at"], due, "after {hours} h");
    }
}

#[tokio::test]
async fn a_pause_outlives_new_credentials_and_refused_ones_outlive_a_pause() {
    let world = testkit::world().await;
    admin(&world).post("C/pause", Value::Null).await.assert_status(200);
    assert_eq!(admin(&world).post("C/relink", login()).await.expect(200)["status"], "paused");
    admin(&world).post("C/resume", Value::Null).await.assert_status(200);
    world.sim.set_secret(world.ci, "another").unwrap();
    admin(&world).post("C/test", Value::Null).await.assert_problem(422, "credentials_invalid");
    admin(&world).post("C/pause", Value::Null).await.assert_status(200);
    assert_eq!(admin(&world).post("C/resume", Value::Null).await.expect(200)["status"], "needs_relink");
}

#[tokio::test]
async fn the_end_of_a_connection_leaves_nothing_but_history() {
    let world = testkit::world().await;
    world.lines(2).await;
    let (id, path) = (world.connection.clone(), world.path("C"));
    world.api(Role::PartnerBilling).delete(&path).await.assert_problem(403, "forbidden_role");
    admin(&world).header("if-match", "\"99\"").delete(&path).await.assert_problem(412, "precondition_failed");
    admin(&world).delete("C?keep=everything").await.assert_problem(400, "invalid_input");
    admin(&world).delete(&path).await.assert_status(204);
    admin(&world).get(&path).await.assert_problem(404, "not_found");
    admin(&world).delete(&path).await.assert_problem(404, "not_found");
    assert_eq!(connections_of(&world).await, []);
    assert_eq!(connection_secrets(&world), []);
    assert!(world.load::<Schedule>(&schedule_key(&world)).await.is_none());
    assert!(world.load::<SettingsRecord>(&Key::Settings(world.partner.clone(), id.clone())).await.is_none());
    let mappings = Collection::Mappings(world.partner.clone(), id.clone());
    assert!(world.load_all::<Mapping>(&mappings).await.is_empty());
    assert_eq!(world.published("connection.disconnected").len(), 1);
    assert!(world.sim.requests().is_empty(), "Autotask is left as it is");
    let again = admin(&world).post(CONNECTIONS, login()).await.expect(201);
    assert_ne!(id_of(&again), id);
}

#[tokio::test]
async fn kept_mappings_are_found_again_by_a_relink() {
    let world = testkit::world().await;
    world.lines(2).await;
    for _ in 0..2 {
        admin(&world).delete("C?keep=mappings").await.assert_status(204);
    }
    assert_eq!(admin(&world).get("C").await.expect(200)["status"], "disconnected");
    assert_eq!(connection_secrets(&world), []);
    assert!(world.load::<Schedule>(&schedule_key(&world)).await.is_none());
    assert_eq!(world.published("connection.disconnected").len(), 1);
    for path in ["C/test", "C/pause", "C/resume", "C/permissions/probe"] {
        admin(&world).post(path, Value::Null).await.assert_problem(409, "needs_relink");
    }
    let relinked = admin(&world).post("C/relink", login()).await.expect(200);
    assert_eq!(relinked["status"], "connected");
    assert!(world.load::<Schedule>(&schedule_key(&world)).await.is_some());
    let mappings = Collection::Mappings(world.partner.clone(), world.connection.clone());
    assert_eq!(world.load_all::<Mapping>(&mappings).await.len(), 2);
    admin(&world).post(CONNECTIONS, login()).await.assert_problem(409, "already_connected");
}

#[tokio::test]
async fn a_kept_connection_does_not_take_the_place_of_its_successor() {
    let world = testkit::world().await;
    admin(&world).delete("C?keep=mappings").await.assert_status(204);
    let second = admin(&world).post(CONNECTIONS, login()).await.expect(201);
    let reply = admin(&world).post("C/relink", login()).await;
    assert_eq!(reply.assert_problem(409, "already_connected")["connection_id"], second["id"]);
    assert_eq!(admin(&world).get(CONNECTIONS).await.expect(200)["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_change_that_may_still_take_effect_keeps_its_ledger() {
    let world = testkit::world().await;
    let now = world.ports().clock.now();
    let mut line = UnitLine::new(&world.partner, &world.connection, LineRef::service(7));
    line.open = Some(Intent {
        attempt: 1,
        run: RunId::new("r1").unwrap(),
        tries: 1,
        purpose: Purpose::Target,
        units_before: 1,
        target: 2,
        effective_date: "2026-11-01".parse().unwrap(),
        sent_by: now,
        acked: false,
        heard: None,
    });
    world.put(&line).await;
    world.put(&running(&world, RunState::Cancelled)).await;
    let reply = admin(&world).delete("C").await;
    assert_eq!(reply.assert_problem(409, "already_running")["retry"]["after"], 601);
    world.advance(SignedDuration::from_secs(601));
    admin(&world).delete("C").await.assert_status(204);
    let of = Collection::UnitLines(world.partner.clone(), world.connection.clone());
    assert!(world.load_all::<UnitLine>(&of).await.is_empty());
}
