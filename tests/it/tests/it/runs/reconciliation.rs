use super::*;
use domain::mappings::{Mapping, MappingStatus};
use domain::records::Key;
use std::collections::BTreeMap;
use testkit::Line;

async fn mapping_of(world: &World, line: &Line) -> Mapping {
    let key = Key::Mapping(world.partner.clone(), world.connection.clone(), line.account.clone());
    world.load::<Mapping>(&key).await.unwrap().value
}

/// A line of the same service on the same contract that no account is mapped to.
fn second_line(world: &World, line: &Line, units: i64) -> i64 {
    let row = json!({"contractID": line.contract_id, "serviceID": line.service_id, "units": units});
    world.sim.insert(world.ci, "ContractServices", &[row]).unwrap()[0]
}

/// Somebody takes the line off its contract.
fn remove(world: &World, line: &Line) {
    let rows = world.rows("ContractServiceUnits").into_iter();
    for (id, _) in rows.filter(|(_, row)| row["contractServiceID"] == json!(line.line.id)) {
        world.sim.delete(world.ci, "ContractServiceUnits", id).unwrap();
    }
    world.sim.delete(world.ci, "ContractServices", line.line.id).unwrap();
}

async fn report(world: &World) -> Value {
    world.api(Role::PartnerViewer).get("C/reconciliation").await.expect(200)
}

fn by_bucket(report: &Value) -> BTreeMap<&str, Vec<&Value>> {
    let mut found: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for row in report["items"].as_array().unwrap() {
        found.entry(row["bucket"].as_str().unwrap()).or_default().push(row);
    }
    found
}

#[tokio::test]
async fn each_line_and_each_unbilled_account_stands_in_one_bucket_and_nothing_is_written() {
    let world = testkit::world().await;
    let made = world.lines(6).await;
    world.usage(&made[1], 13).await;
    world.usage(&made[2], 4).await;
    world.put(&Mapping { status: MappingStatus::Suggested, ..mapping_of(&world, &made[3]).await }).await;
    world.put(&Mapping { status: MappingStatus::Excluded, ..mapping_of(&world, &made[4]).await }).await;
    remove(&world, &made[5]);
    let orphan = second_line(&world, &made[0], 7);
    second_line(&world, &made[0], 0);
    let report = report(&world).await;
    let found = by_bucket(&report);
    let account = |bucket: &str| found[bucket].iter().map(|row| row["account_id"].clone()).collect::<Vec<_>>();
    assert_eq!(account("match"), [json!(made[0].account)], "{report:#}");
    assert_eq!(account("under_billed"), [json!(made[1].account)]);
    assert_eq!(account("over_billed"), [json!(made[2].account)]);
    assert_eq!(account("unmapped_account"), [json!(made[3].account)]);
    assert_eq!(account("excluded"), [json!(made[4].account)]);
    assert_eq!(account("not_comparable"), [json!(made[5].account)]);
    assert_eq!(found["not_comparable"][0]["code"], "contract_service_removed");
    assert_eq!(found["unmapped_account"][0]["code"], "mapping_unconfirmed");
    assert_eq!(found["line_without_account"].len(), 1);
    assert_eq!(found["line_without_account"][0]["contract_service_id"], json!(orphan));
    assert_eq!(found["line_without_account"][0]["units"], 7);
    let under = found["under_billed"][0];
    assert_eq!((&under["difference"], &under["invoice_difference"]), (&json!(3), &json!("12")));
    assert_eq!(under["cost_difference"], "6");
    let total = report["totals"].as_array().unwrap().iter().find(|total| total["bucket"] == "over_billed").unwrap();
    assert_eq!((&total["lines"], &total["seats"]), (&json!(1), &json!(-6)));
    assert!(world.writes().is_empty());
    assert!(all_runs(&world).await.is_empty());
}

#[tokio::test]
async fn the_report_is_the_same_as_csv_and_support_may_read_it() {
    let world = testkit::world().await;
    let made = world.lines(3).await;
    world.usage(&made[1], 13).await;
    let answer = world.api(Role::VendorSupport).get("C/reconciliation.csv").await;
    answer.assert_status(200);
    assert!(answer.header("content-type").unwrap().starts_with("text/csv"));
    let rows: Vec<&str> = answer.text.lines().collect();
    assert_eq!(rows.len(), 1 + report(&world).await["items"].as_array().unwrap().len());
    assert!(rows.iter().any(|row| row.starts_with("under_billed,acc_0002,")), "{}", answer.text);
}

#[tokio::test]
async fn the_report_costs_a_bounded_number_of_calls() {
    let world = testkit::world().await;
    world.lines(40).await;
    let report = report(&world).await;
    assert_eq!(report["items"].as_array().unwrap().len(), 40);
    let calls = world.sim.requests().len();
    assert!(calls <= 6, "{calls} calls");
    assert_eq!(report["autotask_calls"], json!(calls));
}

#[tokio::test]
async fn an_excluded_package_is_excluded_and_a_line_that_its_package_has_left_is_no_stranger() {
    let world = testkit::world().await;
    let made = world.lines(2).await;
    let package = world.package("phishing", "=HYPERLINK(1)").await;
    world.usage_of(&made[0].account, &package, 4).await;
    let left = second_line(&world, &made[0], 7);
    let mapping = mapping_of(&world, &made[0]).await;
    let line = domain::mappings::MappedLine { line: domain::LineRef::service(left), ..mapping.lines[0].clone() };
    world.put(&Mapping { leaving: vec![line], ..mapping }).await;
    let found = |report: &Value, bucket: &str| by_bucket(report).get(bucket).map_or(0, Vec::len);
    let before = report(&world).await;
    assert_eq!((found(&before, "unmapped_account"), found(&before, "line_without_account")), (1, 0), "{before:#}");
    world
        .put(&domain::packages::PackageMapping {
            partner: world.partner.clone(),
            connection: world.connection.clone(),
            package,
            target: None,
            former: Vec::new(),
            sum_into: None,
            excluded: true,
            overwrite_cost: None,
            quantity_source: domain::packages::QuantitySource::Usage,
            count_rule: domain::packages::CountRule::SnapshotOnRun,
            quantity_rule: domain::packages::QuantityRule::default(),
            updated_at: world.clock.now(),
        })
        .await;
    let after = report(&world).await;
    assert_eq!((found(&after, "unmapped_account"), found(&after, "excluded"), found(&after, "match")), (0, 1, 2));
}
