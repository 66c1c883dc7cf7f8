//! Taking back a swap: the new line goes, the old one comes back, and nobody is billed twice afterwards.

use super::*;
use domain::mappings::Mapping;
use domain::packages::{CountRule, PackageMapping, QuantityRule, QuantitySource, ServiceTarget};
use domain::{LineKind, LineRef};
use simulator::{Fault, FaultKind, Match};

fn target(id: i64, name: &str) -> ServiceTarget {
    ServiceTarget { kind: LineKind::Service, id, name: name.to_owned(), product_id: None }
}

/// Maps the package to another service than that of its lines.
async fn mapped_elsewhere(world: &World, line: &Line) -> i64 {
    let service = world.service("Awareness, the new one", "5.00", "2.00");
    world
        .put(&PackageMapping {
            partner: world.partner.clone(),
            connection: world.connection.clone(),
            package: line.package.clone(),
            target: Some(target(service, "Awareness, the new one")),
            former: vec![target(line.service_id, "Per-user service")],
            sum_into: None,
            excluded: false,
            overwrite_cost: None,
            quantity_source: QuantitySource::Usage,
            count_rule: CountRule::SnapshotOnRun,
            quantity_rule: QuantityRule::default(),
            updated_at: world.clock.now(),
        })
        .await;
    service
}

/// The line of a service on a contract.
fn placed(world: &World, line: &Line, service: i64) -> LineRef {
    let lines = world.lines_of(line.contract_id);
    lines.into_iter().find(|(_, of)| *of == service).expect("the line is on the contract").0
}

fn both(world: &World, old: LineRef, new: LineRef) -> (Option<i64>, Option<i64>) {
    (world.units_at(old, NOVEMBER), world.units_at(new, NOVEMBER))
}

async fn left(world: &World, line: &Line) -> Vec<LineRef> {
    let key = Key::Mapping(world.partner.clone(), world.connection.clone(), line.account.clone());
    let mapping = world.load::<Mapping>(&key).await.unwrap().value;
    mapping.leaving.iter().map(|left| left.line).collect()
}

#[tokio::test]
async fn a_swap_is_taken_back_whole_and_the_next_run_does_not_bill_both() {
    let (world, lines) = lenient(1).await;
    let (line, old) = (&lines[0], lines[0].line);
    let service = mapped_elsewhere(&world, line).await;
    let id = run(&world, "apply").await;
    let new = placed(&world, line, service);
    assert_eq!(both(&world, old, new), (Some(0), Some(10)));
    assert!(left(&world, line).await.is_empty(), "the old line has left");

    let back = undone(&world, &id, Value::Null).await;
    let told = shown(&world, &back).await;
    assert_eq!((&told["status"], &told["totals"]["changed"]), (&json!("done"), &json!(2)), "{told}");
    assert_eq!(both(&world, old, new), (Some(10), Some(0)));
    assert_eq!(left(&world, line).await, [old], "a later run knows of it");
    let again = undone(&world, &id, Value::Null).await;
    assert_eq!(shown(&world, &again).await["totals"]["unchanged"], 2);

    // Counts of before the undo leave both as they are; a newer one moves both.
    world.advance(jiff::SignedDuration::from_hours(1));
    run(&world, "apply").await;
    assert_eq!(both(&world, old, new), (Some(10), Some(0)));
    world.usage(line, 11).await;
    run(&world, "apply").await;
    assert_eq!(both(&world, old, new), (Some(0), Some(11)));
}

#[tokio::test]
async fn the_new_line_of_a_swap_keeps_its_units_until_the_old_one_has_its_own_back() {
    let (world, lines) = lenient(1).await;
    let (line, old) = (&lines[0], lines[0].line);
    let service = mapped_elsewhere(&world, line).await;
    let id = run(&world, "apply").await;
    let new = placed(&world, line, service);
    let refusal = FaultKind::Status {
        status: 500,
        body: json!({"errors": ["The value 10 does not exist or is invalid for this contract."]}),
    };
    world.sim.add_fault(Fault::new(Match::new("POST", "*ContractServiceAdjustments"), refusal).times(1));
    let back = undone(&world, &id, Value::Null).await;
    assert_eq!(both(&world, old, new), (Some(0), Some(10)), "billed as before, not nowhere");
    let told = lines_of(&world, &back).await;
    let codes: Vec<&str> = told.iter().filter_map(|line| line["code"].as_str()).collect();
    assert!(codes.contains(&"swap_waiting") && codes.contains(&"rejected_by_autotask"), "{codes:?}");
    undone(&world, &id, Value::Null).await;
    assert_eq!(both(&world, old, new), (Some(10), Some(0)));
}

#[tokio::test]
async fn one_line_of_a_swap_is_taken_back_where_it_is_named() {
    let (world, lines) = lenient(1).await;
    let (line, old) = (&lines[0], lines[0].line);
    let service = mapped_elsewhere(&world, line).await;
    let id = run(&world, "apply").await;
    let new = placed(&world, line, service);
    let told = lines_of(&world, &id).await;
    let no = |leaving: bool| told.iter().find(|line| line["leaving"] == json!(leaving)).unwrap()["no"].clone();
    undone(&world, &id, json!({"lines": [no(false)]})).await;
    assert_eq!(both(&world, old, new), (Some(0), Some(0)));
}
