//! Units that a person changed since we wrote them.

use super::super::{DECEMBER, adjustments, units};
use super::{eve_with, patch_row, said, sync, worked_off};
use crate::seat_sync::manual;
use domain::Role;
use domain::connections::settings::DriftPolicy;
use domain::problem::Code;
use domain::runs::{LineState, RunLine, RunMode};
use jiff::civil::date;
use serde_json::json;
use testkit::{Line, World};

/// 12 units were written on the 1st; then somebody made them 15 in Autotask.
async fn edited(policy: DriftPolicy) -> (World, Vec<Line>) {
    let (world, lines) = eve_with(1, move |settings| settings.drift = policy).await;
    world.usage(&lines[0], 12).await;
    sync(&world).await;
    for month in [DECEMBER, date(2027, 1, 1)] {
        patch_row(&world, &lines[0], month, &json!({"units": 15}));
    }
    (world, lines)
}

async fn manual_run(world: &World) -> Vec<RunLine> {
    manual(world, RunMode::Apply).await;
    worked_off(world).await
}

#[tokio::test]
async fn by_default_an_edit_is_overwritten_and_told() {
    let (world, lines) = edited(DriftPolicy::Overwrite).await;
    let report = manual_run(&world).await;
    let words = "15 -> 12 units from 2026-12-01, seen in Autotask. Somebody had changed our 12 to 15.";
    assert_eq!(said(&report[0]), (LineState::Changed, Some(Code::DriftDetected), words));
    assert_eq!((report[0].drift_from, units(&world, &lines)), (Some(12), vec![12]));
    // It is the run that tells it: nothing is left for anybody to do.
    let viewer = world.api(Role::PartnerViewer);
    let runs = viewer.get("C/runs").await.expect(200);
    let told = viewer.get(&format!("C/runs/{}/lines", runs["items"][0]["id"].as_str().unwrap())).await.expect(200);
    let line = &told["items"][0];
    assert_eq!((&line["code"], &line["changed_by_hand_from"]), (&json!("drift_detected"), &json!(12)), "{line}");
    assert!(line["explanation"].as_str().unwrap().ends_with("Somebody had changed our 12 to 15."), "{line}");
    let issues = viewer.get("C/issues?code=drift_detected").await.expect(200);
    assert_eq!(issues["items"], json!([]));
}

#[tokio::test]
async fn an_edit_that_was_held_and_is_overwritten_now_is_an_issue_no_longer() {
    let (world, lines) = edited(DriftPolicy::Hold).await;
    manual_run(&world).await;
    let viewer = world.api(Role::PartnerViewer);
    let issue = async || viewer.get("C/issues?code=drift_detected").await.expect(200)["items"][0]["state"].clone();
    assert_eq!(issue().await, "open");
    let policy = json!({"drift": "overwrite"});
    world.api(Role::PartnerAdmin).patch("C/settings", policy).await.assert_status(200);
    manual_run(&world).await;
    assert_eq!((issue().await, units(&world, &lines)), (json!("resolved"), vec![12]));
}

#[tokio::test]
async fn an_edit_can_be_held_for_a_person() {
    let (world, lines) = edited(DriftPolicy::Hold).await;
    let report = manual_run(&world).await;
    let words = "Somebody changed 12 to 15 in Autotask; the count is 12.";
    assert_eq!(said(&report[0]), (LineState::Held, Some(Code::DriftDetected), words));
    assert_eq!((units(&world, &lines), adjustments(&world).len()), (vec![15], 1));
}

#[tokio::test]
async fn an_edit_can_be_respected_until_the_next_month() {
    let (world, lines) = edited(DriftPolicy::RespectUntilNextMonth).await;
    let report = manual_run(&world).await;
    assert_eq!((report[0].state, report[0].code), (LineState::Skipped, Some(Code::DriftDetected)));
    assert_eq!(units(&world, &lines), [15]);

    world.clock.at_least("2026-12-31T12:00:00Z".parse().unwrap()).unwrap();
    world.usage(&lines[0], 12).await;
    world.tick("seat-sync", "2027-01-01T00:15:00Z").await;
    let report = worked_off(&world).await;
    assert_eq!((report[0].state, report[0].code), (LineState::Changed, Some(Code::DriftDetected)));
    assert_eq!(report[0].drift_from, Some(12), "overwritten on the 1st, with drift shown");
    assert_eq!(world.units_on(&lines, date(2027, 1, 1)), [Some(12)]);
    assert_eq!(units(&world, &lines), [15], "December stays as the partner made it");
}

#[tokio::test]
async fn an_edit_of_last_month_is_held_on_the_first_where_edits_are_held() {
    let (world, lines) = edited(DriftPolicy::Hold).await;
    world.clock.at_least("2026-12-31T12:00:00Z".parse().unwrap()).unwrap();
    world.usage(&lines[0], 13).await;
    world.tick("seat-sync", "2027-01-01T00:15:00Z").await;
    let report = worked_off(&world).await;
    assert_eq!((report[0].state, report[0].code), (LineState::Held, Some(Code::DriftDetected)));
    assert_eq!(adjustments(&world).len(), 1);
}

#[tokio::test]
async fn a_line_that_still_has_what_we_wrote_did_not_drift() {
    let (world, lines) = eve_with(1, |settings| settings.drift = DriftPolicy::Hold).await;
    for active in [12, 13, 11] {
        world.usage(&lines[0], active).await;
        if active == 12 {
            sync(&world).await;
        } else {
            manual_run(&world).await;
        }
        assert_eq!(units(&world, &lines), [active]);
    }
    assert_eq!(adjustments(&world).len(), 3);
}
