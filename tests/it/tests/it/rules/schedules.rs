//! When the seat sync runs by itself: each kind of schedule, from the settings to the run.

use super::admin;
use domain::connections::{SEAT_SYNC_JOB, Schedule};
use domain::records::{Collection, Key};
use domain::runs::{Run, Trigger};
use domain::{Role, connections::Settings};
use serde_json::{Value, json};
use testkit::World;

fn key(world: &World) -> Key {
    Key::Schedule(world.partner.clone(), world.connection.clone(), SEAT_SYNC_JOB.to_owned())
}

async fn due_at(world: &World) -> Option<String> {
    world.load::<Schedule>(&key(world)).await.map(|found| found.due_at.to_string())
}

async fn set(world: &World, schedule: Value) {
    admin(world).patch("C/settings", json!({"schedule": schedule})).await.assert_status(200);
}

async fn tick(world: &World, time: &str) {
    world.tick("seat-sync", time).await;
    world.drain().await;
}

/// Slot, trigger, and from when units count.
async fn runs(world: &World) -> Vec<(String, Trigger, String)> {
    let runs: Vec<Run> = world.load_all(&Collection::Runs(world.partner.clone(), world.connection.clone())).await;
    let told = |run: Run| (run.due_slot.unwrap().to_string(), run.trigger, run.effective_date.unwrap().to_string());
    runs.into_iter().map(told).collect()
}

fn run(slot: &str, trigger: Trigger, effective: &str) -> (String, Trigger, String) {
    (slot.to_owned(), trigger, effective.to_owned())
}

#[tokio::test]
async fn each_kind_of_schedule_is_due_on_its_own_days() {
    // Worlds begin on Friday, 20 November 2026, at 11:00 in UTC.
    let world = testkit::world().await;
    for (schedule, due) in [
        (json!({"kind": "last_day"}), Some("2026-11-30T00:15:00Z")),
        (json!({"kind": "weekly", "weekday": "friday"}), Some("2026-11-27T00:15:00Z")),
        (json!({"kind": "weekly", "weekday": "friday", "hour": 12}), Some("2026-11-20T12:15:00Z")),
        (json!({"kind": "daily", "hour": 11, "minute": 0}), Some("2026-11-21T11:00:00Z")),
        (json!({"kind": "manual"}), None),
        (json!({"kind": "monthly", "day": 28, "hour": 0, "minute": 15}), Some("2026-11-28T00:15:00Z")),
    ] {
        for _ in 0..2 {
            set(&world, schedule.clone()).await;
            assert_eq!(due_at(&world).await.as_deref(), due, "{schedule}");
            let shown = admin(&world).get("C").await.expect(200);
            assert_eq!(shown["next_run_at"].as_str(), due, "{schedule}");
        }
    }
}

#[tokio::test]
async fn a_weekly_run_starts_once_in_each_week_and_for_the_month_of_its_day() {
    let world = testkit::world().await;
    world.lines(1).await;
    set(&world, json!({"kind": "weekly", "weekday": "monday"})).await;
    for _ in 0..2 {
        tick(&world, "2026-11-30T00:20:00Z").await;
    }
    assert_eq!(due_at(&world).await.as_deref(), Some("2026-12-07T00:15:00Z"));
    tick(&world, "2026-12-07T00:20:00Z").await;
    let wanted = [
        run("2026-11-30T00:15:00Z", Trigger::Schedule, "2026-11-01"),
        run("2026-12-07T00:15:00Z", Trigger::Schedule, "2026-12-01"),
    ];
    assert_eq!(runs(&world).await, wanted);
}

#[tokio::test]
async fn days_that_no_tick_came_are_made_up_for_by_one_run() {
    let world = testkit::world().await;
    world.lines(1).await;
    set(&world, json!({"kind": "daily"})).await;
    for _ in 0..2 {
        tick(&world, "2026-11-25T06:00:00Z").await;
    }
    assert_eq!(runs(&world).await, [run("2026-11-25T00:15:00Z", Trigger::CatchUp, "2026-11-01")]);
    assert_eq!(due_at(&world).await.as_deref(), Some("2026-11-26T00:15:00Z"));
}

#[tokio::test]
async fn what_only_people_start_never_starts_by_itself() {
    let world = testkit::world().await;
    world.lines(1).await;
    set(&world, json!({"kind": "manual"})).await;
    tick(&world, "2026-12-01T00:20:00Z").await;
    assert_eq!(runs(&world).await, []);
    let pressed = world.api(Role::PartnerBilling).post("C/runs", json!({"kind": "seat_sync", "mode": "preview"})).await;
    pressed.assert_status(202);
    assert_eq!(world.drain().await.failed, 0);
    // Switched back, it takes up the next slot and none that has passed.
    set(&world, json!({"kind": null})).await;
    assert_eq!(due_at(&world).await.as_deref(), Some("2027-01-01T00:15:00Z"));
}

#[tokio::test]
async fn a_slot_that_outlived_its_schedule_is_taken_off_and_starts_nothing() {
    let world = World::builder().settings(|settings: &mut Settings| {
        settings.schedule = serde_json::from_value(json!({"kind": "manual"})).unwrap();
    });
    let world = world.build().await;
    assert_eq!(due_at(&world).await, None);
    let (partner, connection) = (world.partner.clone(), world.connection.clone());
    let due_at_first = "2026-12-01T00:15:00Z".parse().unwrap();
    world.put(&Schedule { partner, connection, job: SEAT_SYNC_JOB.to_owned(), due_at: due_at_first }).await;
    for _ in 0..2 {
        tick(&world, "2026-12-01T00:20:00Z").await;
        assert_eq!((due_at(&world).await, runs(&world).await), (None, vec![]));
    }
}
