//! What the bus is told about lines.

use super::{preview, started, sync};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::World;

/// The lines of all events of a name, with their run.
fn told(world: &World, name: &str) -> Vec<(Value, Value)> {
    let of = |data: &Value| -> Vec<(Value, Value)> {
        data["lines"].as_array().unwrap().iter().map(|line| (data["run_id"].clone(), line.clone())).collect()
    };
    world.published(name).iter().flat_map(|event| of(&event.detail["data"])).collect()
}

#[tokio::test]
async fn written_and_held_lines_are_on_the_bus_once_and_others_are_not() {
    let world = testkit::world().await;
    let made = world.lines(10).await;
    world.usage(&made[0], 12).await;
    world.usage(&made[1], 60).await;
    preview(&world).await;
    assert!(told(&world, "billing.line_written").is_empty(), "a preview writes nothing");
    assert!(told(&world, "billing.line_held").is_empty());
    let run = started(&world, sync("apply")).await;
    world.drain().await;
    let written = told(&world, "billing.line_written");
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].0, json!(run));
    let line = &written[0].1;
    assert_eq!(
        (&line["account_id"], &line["contract_service_id"], &line["units_before"], &line["units_verified"]),
        (&json!(made[0].account), &json!(made[0].line.id), &json!(10), &json!(12))
    );
    assert!(line["adjustment_id"].is_i64());
    let held = told(&world, "billing.line_held");
    assert_eq!(held.len(), 1);
    let (line, wanted) = (&held[0].1, (json!(made[1].account), json!(60), json!("held_large_change")));
    assert_eq!((&line["account_id"], &line["units_wanted"], &line["code"]), (&wanted.0, &wanted.1, &wanted.2));

    started(&world, sync("apply")).await;
    world.drain().await;
    assert_eq!(told(&world, "billing.line_written").len(), 1, "a second run has nothing to write");
}

#[tokio::test]
async fn many_lines_share_events_and_each_line_stands_in_one() {
    let world = testkit::world().await;
    let made = world.lines_with(230, 10, 11).await;
    started(&world, sync("apply")).await;
    world.drain().await;
    assert_eq!(world.published("billing.line_written").len(), 3);
    let lines: BTreeSet<i64> = told(&world, "billing.line_written")
        .iter()
        .filter_map(|(_, line)| line["contract_service_id"].as_i64())
        .collect();
    assert_eq!(lines, made.iter().map(|line| line.line.id).collect());
}
