//! Accounts that a person has set apart for a while.

use super::{lines, shown, started, sync};
use domain::Role;
use serde_json::Value;

#[tokio::test]
async fn a_paused_account_is_left_alone_until_it_is_resumed() {
    let world = testkit::world().await;
    let made = world.lines(3).await;
    world.usage(&made[1], 12).await;
    let path = |act: &str| format!("C/company-mappings/{}/{act}", made[1].account);
    let billing = world.api(Role::PartnerBilling);
    world.api(Role::PartnerViewer).post(&path("pause"), Value::Null).await.assert_problem(403, "forbidden_role");
    let paused = billing.post(&path("pause"), Value::Null).await.expect(200);
    assert_eq!((&paused["changed"], &paused["mapping"]["paused"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(paused["mapping"]["status"], "confirmed", "what it is mapped to stays");
    let again = billing.post(&path("pause"), Value::Null).await.expect(200);
    assert_eq!((&again["changed"], &again["mapping"]["version"]), (&Value::Bool(false), &paused["mapping"]["version"]));

    let first = started(&world, sync("apply")).await;
    world.drain().await;
    let line =
        lines(&world, &first).await.into_iter().find(|line| line["account_id"] == made[1].account.as_str()).unwrap();
    assert_eq!(line["state"], "skipped");
    assert!(world.writes().is_empty() && world.units(&made[1]) == Some(10));

    let resumed = billing.post(&path("resume"), Value::Null).await.expect(200);
    assert_eq!(resumed["mapping"]["paused"], false);
    let second = started(&world, sync("apply")).await;
    world.drain().await;
    assert_eq!(shown(&world, &second).await["totals"]["changed"], 1);
    assert_eq!(world.units(&made[1]), Some(12));
}

#[tokio::test]
async fn only_a_mapped_account_can_be_paused() {
    let world = testkit::world().await;
    let billing = world.api(Role::PartnerBilling);
    billing.post("C/company-mappings/nobody/pause", Value::Null).await.assert_problem(404, "not_found");
    let foreign = billing.of_partner("other");
    foreign.post("C/company-mappings/nobody/pause", Value::Null).await.assert_problem(404, "not_found");
}
