//! Overwrite Cost. Lines cost 2.00 in Autotask; the vendor's price to the partner is 1.75.

use super::super::{adjustments, last_run, units};
use super::{edit_mapping, erase_rows, eve_with, said, sync, worked_off};
use crate::seat_sync::manual;
use domain::LineRef;
use domain::problem::Code;
use domain::runs::{LineState, RunMode, RunState};
use jiff::civil::date;
use serde_json::{Value, json};
use simulator::{DatabaseSpec, Fault, FaultKind, Match};
use testkit::{Line, World};

fn cost(world: &World, line: &Line) -> f64 {
    world.row("ContractServices", line.line.id)["unitCost"].as_f64().unwrap()
}

fn costs(world: &World, lines: &[Line]) -> Vec<String> {
    lines.iter().map(|line| cost(world, line).to_string()).collect()
}

fn patches(world: &World) -> Vec<Value> {
    adjustments(world).into_iter().filter(|request| request.method == "PATCH").map(|request| request.body).collect()
}

fn posts(world: &World) -> Vec<Value> {
    adjustments(world).into_iter().filter(|request| request.method == "POST").map(|request| request.body).collect()
}

#[tokio::test]
async fn with_overwrite_cost_the_cost_rides_on_the_adjustment_or_is_set_by_itself() {
    let (world, lines) = eve_with(3, |settings| settings.overwrite_cost = true).await;
    world.usage(&lines[0], 12).await;
    world.sim.patch(world.ci, "ContractServices", lines[2].line.id, &json!({"unitCost": 1.75})).unwrap();
    let report = sync(&world).await;
    assert_eq!(costs(&world, &lines), ["1.75", "1.75", "1.75"]);
    assert_eq!(units(&world, &lines), [12, 10, 10]);
    let (posts, patches) = (posts(&world), patches(&world));
    assert_eq!(
        (posts.len(), posts[0]["adjustedUnitCost"].clone(), posts[0]["unitChange"].clone()),
        (1, json!(1.75), json!(2))
    );
    assert_eq!(patches.len(), 1, "no adjustment of nothing: {patches:?}");
    assert_eq!((patches[0]["id"].clone(), patches[0]["unitCost"].clone()), (json!(lines[1].line.id), json!(1.75)));
    assert!(
        patches[0].as_object().unwrap().keys().all(|field| ["id", "unitCost"].contains(&field.as_str())),
        "{patches:?}"
    );
    let words = "10 -> 12 units from 2026-12-01, seen in Autotask. Unit cost is 1.75.";
    assert_eq!(said(&report[0]), (LineState::Changed, None, words));
    assert_eq!(said(&report[1]), (LineState::Changed, None, "Already 10 units. Unit cost is 1.75."));
    assert_eq!(said(&report[2]), (LineState::Unchanged, None, "Already 10 units."));

    manual(&world, RunMode::Apply).await;
    let again = worked_off(&world).await;
    assert!(again.iter().all(|line| line.state == LineState::Unchanged), "{again:?}");
    assert_eq!(adjustments(&world).len(), 2);
}

#[tokio::test]
async fn the_lines_own_switch_counts_before_the_connections() {
    for connection in [true, false] {
        let (world, lines) = eve_with(3, move |settings| settings.overwrite_cost = connection).await;
        edit_mapping(&world, &lines[0], |mapping| mapping.lines[0].overwrite_cost = Some(true)).await;
        edit_mapping(&world, &lines[1], |mapping| mapping.lines[0].overwrite_cost = Some(false)).await;
        for line in &lines {
            world.usage(line, 12).await;
        }
        sync(&world).await;
        let inherited = if connection { "1.75" } else { "2" };
        assert_eq!(costs(&world, &lines), ["1.75", "2", inherited]);
        assert_eq!(units(&world, &lines), [12, 12, 12]);
    }
}

#[tokio::test]
async fn without_overwrite_cost_no_cost_is_read_or_written() {
    let (world, lines) = eve_with(1, |_| ()).await;
    world.usage(&lines[0], 12).await;
    let report = sync(&world).await;
    assert_eq!((costs(&world, &lines), report[0].cost_wanted), (vec!["2".to_owned()], None));
    assert!(posts(&world)[0]["adjustedUnitCost"].is_null());
    assert!(world.sim.requests().iter().all(|request| !request.path.contains("ContractServices/")));
}

#[tokio::test]
async fn a_cost_that_cannot_be_read_is_never_called_done() {
    let hidden = |spec: &mut DatabaseSpec| spec.costs_readable = false;
    let world = World::builder()
        .at(super::EVE)
        .database(hidden)
        .settings(|settings| {
            settings.overwrite_cost = true;
            settings.guards.stop_run_percent = 100;
        })
        .build()
        .await;
    let lines = world.lines(2).await;
    world.usage(&lines[0], 12).await;
    let report = sync(&world).await;
    for line in &report {
        assert_eq!((line.state, line.code), (LineState::Failed, Some(Code::CostNotWritable)), "{}", line.words);
    }
    let words = "10 -> 12 units from 2026-12-01, seen in Autotask. The unit cost could not be set: Autotask shows this user no costs.";
    assert_eq!((report[0].words.as_str(), report[0].verified_units), (words, Some(12)));
    assert_eq!(units(&world, &lines), [12, 10]);
    assert_eq!(last_run(&world).await.state, RunState::Partial);
}

#[tokio::test]
async fn a_cost_that_autotask_refuses_or_cannot_take_is_that_lines_failure_alone() {
    for (status, body) in [
        (403, json!({"errors": ["You may not change costs."]})),
        (
            500,
            json!({"errors": ["The reference value on field: unitCost of type: decimal does not exist or is invalid."]}),
        ),
        (500, json!({"errors": ["An unheard-of trouble."]})),
        (503, Value::Null),
    ] {
        let (world, lines) = eve_with(3, |settings| settings.overwrite_cost = true).await;
        world.usage(&lines[0], 12).await;
        let fault = FaultKind::Status { status, body: body.clone() };
        world.sim.add_fault(Fault::new(Match::new("PATCH", "*"), fault).times(1));
        let report = sync(&world).await;
        assert_eq!((report[1].state, report[1].code), (LineState::Failed, Some(Code::CostNotWritable)), "{body}");
        assert!(
            report[1].words.starts_with("Already 10 units. The unit cost could not be set: "),
            "{}",
            report[1].words
        );
        let heard = body["errors"][0].as_str().unwrap_or_default();
        assert!(report[1].words.contains(heard), "{}", report[1].words);
        assert_eq!((report[0].state, report[2].state), (LineState::Changed, LineState::Changed), "{body}");
        assert_eq!(costs(&world, &lines), ["1.75", "2", "1.75"]);
        assert_eq!(last_run(&world).await.state, RunState::Partial);
    }
}

#[tokio::test]
async fn a_cost_whose_answer_is_lost_is_read_back() {
    let (world, lines) = eve_with(1, |settings| settings.overwrite_cost = true).await;
    world.sim.add_fault(Fault::new(Match::new("PATCH", "*"), FaultKind::ApplyThenReset).times(1));
    let report = sync(&world).await;
    assert_eq!((report[0].state, patches(&world).len()), (LineState::Changed, 1));
    assert_eq!(costs(&world, &lines), ["1.75"]);
}

#[tokio::test]
async fn a_held_line_keeps_its_cost_too() {
    let (world, lines) = eve_with(1, |settings| settings.overwrite_cost = true).await;
    world.usage(&lines[0], 0).await;
    let report = sync(&world).await;
    assert_eq!((report[0].code, costs(&world, &lines)), (Some(Code::HeldZero), vec!["2".to_owned()]));
    assert!(adjustments(&world).is_empty());
}

/// A bundle of 10 units on the line's contract, mapped in the line's place.
async fn bundled(world: &World, line: &Line) -> Line {
    let billing = world.row("Services", line.service_id)["billingCodeID"].clone();
    let bundle =
        json!({"name": "Bundle", "billingCodeID": billing, "periodType": 1, "unitPrice": "38.00", "unitCost": "15.30"});
    let bundle = world.sim.insert(world.ci, "ServiceBundles", &[bundle]).unwrap()[0];
    let row = json!({"contractID": line.contract_id, "serviceBundleID": bundle, "units": 10});
    let id = world.sim.insert(world.ci, "ContractServiceBundles", &[row]).unwrap()[0];
    let new = Line { line: LineRef::bundle(id), service_id: bundle, ..line.clone() };
    edit_mapping(world, line, |mapping| {
        mapping.lines[0].line = new.line;
        mapping.lines[0].service_id = bundle;
        mapping.lines[0].overwrite_cost = Some(true);
    })
    .await;
    new
}

#[tokio::test]
async fn bundles_are_counted_and_their_cost_is_never_touched() {
    let (world, mut lines) = eve_with(3, |settings| settings.overwrite_cost = true).await;
    for line in &mut lines[..2] {
        *line = bundled(&world, line).await;
    }
    world.usage(&lines[0], 12).await;
    let report = sync(&world).await;
    assert_eq!(units(&world, &lines), [12, 10, 10]);
    assert_eq!((report[0].state, report[1].state), (LineState::Changed, LineState::Unchanged));
    assert_eq!((report[0].cost_wanted, report[1].cost_wanted), (None, None));
    let post = &posts(&world)[0];
    assert_eq!(post["contractServiceBundleID"], json!(lines[0].line.id));
    assert!(post.get("adjustedUnitCost").is_none_or(Value::is_null), "{post}");
    assert_eq!(patches(&world).len(), 1, "the service's own");

    manual(&world, RunMode::Apply).await;
    assert!(worked_off(&world).await.iter().all(|line| line.state == LineState::Unchanged));
}

#[tokio::test]
async fn a_missing_bundle_and_a_missing_service_are_told_apart_from_rights() {
    let (world, mut lines) = eve_with(4, |_| ()).await;
    lines[0] = bundled(&world, &lines[0]).await;
    for (id, ..) in super::rows_of(&world, &lines[0]) {
        world.sim.delete(world.ci, "ContractServiceBundleUnits", id).unwrap();
    }
    erase_rows(&world, &lines[1], date(2000, 1, 1));
    let none = simulator::Permissions::default().with("ContractServiceUnits", simulator::Access::NONE);
    world.sim.set_permissions(world.ci, none).unwrap();
    let report = sync(&world).await;
    assert!(adjustments(&world).is_empty(), "nothing is known of the services' units");
    assert!(report[1..].iter().all(|line| line.code == Some(Code::PermissionMissing)), "{report:?}");
}
