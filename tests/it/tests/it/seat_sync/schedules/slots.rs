//! Slots: each connection's own day, hour and zone; ticks that come late, twice or not at all.

use super::*;
use crate::seat_sync::eve;
use domain::connections::ConnectionStatus;
use domain::connections::settings::ApprovalMode;
use domain::issues::{Issue, IssueState};
use domain::problem::Code;
use domain::records::Collection;
use domain::runs::{RunMode, RunState, StartRun, Trigger};
use jiff::civil::date;

async fn world(zone: &'static str, begin: &str, schedule: (i8, i8, i8)) -> World {
    World::builder()
        .at(begin)
        .settings(move |settings| {
            zone.clone_into(&mut settings.time_zone);
            (settings.schedule.day, settings.schedule.hour, settings.schedule.minute) = schedule;
        })
        .build()
        .await
}

#[tokio::test]
async fn each_connection_is_due_at_its_own_day_hour_and_zone_and_not_an_hour_before() {
    let begin = "2026-11-29T20:15:00Z";
    for (zone, schedule, before, at) in [
        ("UTC", (1, 0, 15), "2026-11-30T23:15:00Z", "2026-12-01T00:15:00Z"),
        ("America/New_York", (1, 0, 15), "2026-12-01T04:15:00Z", "2026-12-01T05:15:00Z"),
        ("Pacific/Auckland", (1, 0, 15), "2026-11-30T10:15:00Z", "2026-11-30T11:15:00Z"),
        ("Asia/Kolkata", (1, 0, 15), "2026-11-30T18:15:00Z", "2026-11-30T19:15:00Z"),
        ("America/New_York", (5, 6, 0), "2026-12-05T10:15:00Z", "2026-12-05T11:15:00Z"),
    ] {
        let world = world(zone, begin, schedule).await;
        let lines = world.lines(1).await;
        tick(&world, before).await;
        assert!(runs(&world).await.is_empty(), "{zone}: not yet");
        world.usage(&lines[0], 12).await;
        tick(&world, at).await;
        let run = last_run(&world).await;
        assert_eq!(
            (run.trigger.clone(), run.state, run.effective_date),
            (Trigger::Schedule, RunState::Done, Some(DECEMBER))
        );
        assert_eq!(run.period.map(|period| (period.start, period.end)), Some((DECEMBER, date(2026, 12, 31))), "{zone}");
        assert_eq!(units(&world, &lines), [12], "{zone}");
    }
}

#[tokio::test]
async fn a_late_tick_is_still_the_slots_own_months() {
    let (world, lines) = eve(1).await;
    world.clock.at_least("2026-12-03T20:00:00Z".parse().unwrap()).unwrap();
    world.usage(&lines[0], 12).await;
    tick(&world, "2026-12-03T20:15:00Z").await;
    let run = last_run(&world).await;
    assert_eq!(
        (run.trigger.clone(), run.state, run.effective_date),
        (Trigger::CatchUp, RunState::Done, Some(DECEMBER))
    );
    assert_eq!(run.due_slot, Some("2026-12-01T00:15:00Z".parse().unwrap()));
    assert_eq!(units(&world, &lines), [12]);
    assert_eq!(schedule(&world).await.due_at, "2027-01-01T00:15:00Z".parse().unwrap());
}

#[tokio::test]
async fn a_slot_that_is_made_up_for_in_the_next_month_is_for_its_own() {
    let world = world("UTC", "2026-11-20T00:00:00Z", (28, 23, 0)).await;
    let lines = world.lines(1).await;
    world.clock.at_least("2026-12-01T10:00:00Z".parse().unwrap()).unwrap();
    world.usage(&lines[0], 12).await;
    tick(&world, "2026-12-01T10:15:00Z").await;
    let run = last_run(&world).await;
    assert_eq!((run.trigger.clone(), run.effective_date), (Trigger::CatchUp, Some(date(2026, 11, 1))));
    assert_eq!(world.units_on(&lines, date(2026, 11, 15)), [Some(12)]);
}

async fn missed(world: &World) -> Option<(IssueState, String)> {
    let of = Collection::Issues(world.partner.clone(), world.connection.clone());
    let found = world.load_all::<Issue>(&of).await.into_iter().find(|issue| issue.code == Code::RunMissed)?;
    Some((found.state, found.detail))
}

#[tokio::test]
async fn a_slot_more_than_three_days_back_is_missed_until_the_next_run() {
    let (world, lines) = eve(1).await;
    tick(&world, "2026-12-04T00:15:01Z").await;
    assert!(runs(&world).await.is_empty());
    let words = "The seat sync due at 2026-12-01T00:15:00Z did not run within 72 hours.".to_owned();
    assert_eq!(missed(&world).await, Some((IssueState::Open, words)));
    assert_eq!(schedule(&world).await.due_at, "2027-01-01T00:15:00Z".parse().unwrap());

    world.usage(&lines[0], 12).await;
    started(&world, StartRun::seat_sync(RunMode::Apply, Trigger::Manual)).await;
    world.drain().await;
    assert_eq!(last_run(&world).await.state, RunState::Done);
    assert_eq!(missed(&world).await.map(|(state, _)| state), Some(IssueState::Resolved));
}

#[tokio::test]
async fn ticks_that_come_twice_or_at_once_start_one_run() {
    let (world, lines) = eve(2).await;
    world.usage(&lines[0], 12).await;
    let slot = schedule(&world).await;
    world.clock.at_least(slot.due_at).unwrap();
    let (one, other) =
        tokio::join!(world.bundle.tick("seat-sync", slot.due_at), world.bundle.tick("seat-sync", slot.due_at));
    assert_eq!((one, other), (local::host::Outcome::Done, local::host::Outcome::Done));
    // As after a dispatcher that died before it moved the schedule on.
    world.put(&slot).await;
    tick(&world, "2026-12-01T00:15:00Z").await;
    tick(&world, "2026-12-01T01:15:00Z").await;
    world.put(&slot).await;
    tick(&world, "2026-12-01T02:15:00Z").await;
    let runs = runs(&world).await;
    assert_eq!(runs.len(), 1, "{runs:#?}");
    assert_eq!((units(&world, &lines), adjustments(&world).len()), (vec![12, 10], 1));
    assert_eq!(schedule(&world).await.due_at, "2027-01-01T00:15:00Z".parse().unwrap());
}

#[tokio::test]
async fn a_connection_that_needs_credentials_or_is_paused_stays_due_and_catches_up() {
    for status in [ConnectionStatus::NeedsRelink, ConnectionStatus::Paused] {
        let (world, lines) = eve(1).await;
        world.usage(&lines[0], 12).await;
        edit_connection(&world, |connection| connection.status = status).await;
        for time in ["2026-12-01T00:15:00Z", "2026-12-01T01:15:00Z"] {
            tick(&world, time).await;
        }
        assert!(runs(&world).await.is_empty());
        assert!(world.sim.requests().is_empty(), "nobody calls Autotask meanwhile");
        edit_connection(&world, |connection| connection.status = ConnectionStatus::Connected).await;
        tick(&world, "2026-12-01T09:15:00Z").await;
        let run = last_run(&world).await;
        assert_eq!(
            (run.trigger.clone(), run.state, run.effective_date),
            (Trigger::CatchUp, RunState::Done, Some(DECEMBER))
        );
        assert_eq!(units(&world, &lines), [12]);
    }
}

#[tokio::test]
async fn what_is_switched_off_neither_runs_nor_asks_for_counts() {
    for feature_off in [true, false] {
        let world = World::builder()
            .at(crate::seat_sync::EVE)
            .settings(move |settings| settings.schedule.enabled = feature_off)
            .build()
            .await;
        let lines = world.lines(1).await;
        world.usage(&lines[0], 12).await;
        if feature_off {
            edit_connection(&world, |connection| connection.features.clear()).await;
        }
        for time in ["2026-11-30T23:15:00Z", "2026-12-01T00:15:00Z"] {
            tick(&world, time).await;
        }
        assert!(runs(&world).await.is_empty());
        assert!(world.published("usage.requested").is_empty());
        assert!(world.sim.requests().is_empty());
    }
}

#[tokio::test]
async fn with_approval_a_scheduled_run_stops_at_its_plan() {
    let world = World::builder()
        .at(crate::seat_sync::EVE)
        .settings(|settings| settings.approval_mode = ApprovalMode::ApproveAll)
        .build()
        .await;
    let lines = world.lines(2).await;
    world.usage(&lines[0], 12).await;
    tick(&world, "2026-12-01T00:15:00Z").await;
    let run = last_run(&world).await;
    assert_eq!((run.state, run.mode, run.totals.changed), (RunState::Planned, RunMode::Preview, 1));
    assert!(adjustments(&world).is_empty());
    assert_eq!(world.published("billing.run_planned").len(), 1);

    let billing = world.api(domain::Role::PartnerBilling);
    let body = serde_json::json!({"plan_hash": run.plan_hash});
    billing.post(&format!("C/runs/{}/apply", run.id), body).await.assert_status(202);
    world.drain().await;
    assert_eq!((last_run(&world).await.state, units(&world, &lines)), (RunState::Done, vec![12, 10]));
}

#[tokio::test]
async fn counts_are_asked_for_once_in_the_hour_before_the_slot() {
    let (world, _) = eve(1).await;
    for (time, asked) in [("2026-11-30T22:15:00Z", 0), ("2026-11-30T23:15:00Z", 1), ("2026-12-01T00:15:00Z", 1)] {
        tick(&world, time).await;
        assert_eq!(world.published("usage.requested").len(), asked, "{time}");
    }
    let event = &world.published("usage.requested")[0].detail;
    assert_eq!(event["data"]["due_at"], serde_json::json!("2026-12-01T00:15:00Z"));
    assert_eq!(event["partner_id"], serde_json::json!(world.partner));
}
