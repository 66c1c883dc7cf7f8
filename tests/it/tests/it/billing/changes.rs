use super::{Desk, told};
use serde_json::json;

#[tokio::test]
async fn after_a_swap_the_contract_bills_the_new_package_and_not_the_old_one() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5)]).await;
    desk.run("initial").await;
    let at = desk.world.advance(jiff::SignedDuration::from_secs(1));
    let told_first = json!({
        "partner": desk.world.partner, "account_id": desk.clients[0].account, "from": "basic", "to": "plus",
        "quantity": 8, "occurred_at": at, "change_id": "chg-1",
    });
    assert!(desk.world.api(domain::Role::Service).post("/v1/package-changes", told_first.clone()).await.is_success());
    assert_eq!(desk.pending().await.len(), 1);
    let run = desk.run("package_changes").await;
    assert_eq!(run["status"], "done", "{run}");
    // One date for both lines.
    assert_eq!(desk.units(0, desk.plus, "2026-11-20"), [Some(8)]);
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(0)]);
    assert_eq!(desk.units(0, desk.basic, "2026-11-19"), [Some(5)]);
    assert!(desk.pending().await.is_empty());
    let written = desk.world.writes().len();
    let again = desk.world.api(domain::Role::Service).post("/v1/package-changes", told_first).await.expect(200);
    assert_eq!(again["outcome"], "repeated");
    desk.run("package_changes").await;
    desk.run("initial").await;
    assert_eq!(desk.world.writes().len(), written, "told twice, written once");
}

#[tokio::test]
async fn up_is_from_the_day_of_the_change_and_down_from_the_next_period() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5)]).await;
    desk.run("initial").await;
    desk.tell("chg-1", 0, (Some("basic"), Some("basic")), 9).await;
    desk.run("package_changes").await;
    assert_eq!(desk.units(0, desk.basic, "2026-11-19"), [Some(5)]);
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(9)]);
    desk.world.advance(jiff::SignedDuration::from_hours(24));
    desk.tell("chg-2", 0, (Some("basic"), Some("basic")), 6).await;
    desk.run("package_changes").await;
    assert_eq!(desk.units(0, desk.basic, "2026-11-30"), [Some(9)]);
    assert_eq!(desk.units(0, desk.basic, "2026-12-01"), [Some(6)]);
    // More again, before the decrease has come: it counts from then on, the decrease does not come back.
    desk.world.advance(jiff::SignedDuration::from_hours(24));
    desk.tell("chg-3", 0, (Some("basic"), Some("basic")), 12).await;
    let run = desk.run("package_changes").await;
    assert_eq!(run["status"], "done", "{run}");
    assert_eq!(desk.units(0, desk.basic, "2026-11-21"), [Some(9)]);
    assert_eq!(desk.units(0, desk.basic, "2026-11-22"), [Some(12)]);
    assert_eq!(desk.units(0, desk.basic, "2026-12-01"), [Some(12)]);
    assert_eq!(desk.units(0, desk.basic, "2027-01-01"), [Some(12)]);
}

#[tokio::test]
async fn a_decrease_that_is_taken_back_before_it_counts_never_counts() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 9)]).await;
    desk.run("initial").await;
    desk.tell("chg-1", 0, (Some("basic"), Some("basic")), 6).await;
    desk.run("package_changes").await;
    assert_eq!(desk.units(0, desk.basic, "2026-12-01"), [Some(6)]);
    desk.world.advance(jiff::SignedDuration::from_hours(1));
    desk.tell("chg-2", 0, (Some("basic"), Some("basic")), 9).await;
    let run = desk.run("package_changes").await;
    assert_eq!(run["status"], "done", "{run}");
    assert_eq!(desk.units(0, desk.basic, "2026-11-30"), [Some(9)]);
    assert_eq!(desk.units(0, desk.basic, "2026-12-01"), [Some(9)]);
}

#[tokio::test]
async fn the_last_package_leaves_by_a_reduction_to_zero_and_the_line_stays() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5)]).await;
    desk.run("initial").await;
    desk.tell("chg-1", 0, (Some("basic"), None), 0).await;
    desk.run("package_changes").await;
    assert_eq!(desk.units(0, desk.basic, "2026-11-30"), [Some(5)]);
    assert_eq!(desk.units(0, desk.basic, "2026-12-01"), [Some(0)]);
    assert!(desk.pending().await.is_empty());
}

#[tokio::test]
async fn a_swap_to_a_package_that_nobody_mapped_waits_and_the_old_line_goes_on() {
    let desk = Desk::new(1).await;
    desk.world.package("other", "Other").await;
    desk.has(0, &[("basic", 5)]).await;
    desk.run("initial").await;
    desk.tell("chg-1", 0, (Some("basic"), Some("other")), 4).await;
    let run = desk.run("package_changes").await;
    let lines = desk.lines(&run).await;
    assert_eq!(
        told(&lines),
        [("basic", "skipped", Some("swap_waiting")), ("other", "failed", Some("package_unmapped"))]
    );
    assert_eq!(desk.units(0, desk.basic, "2026-12-01"), [Some(5)]);
    let pending = desk.pending().await;
    assert_eq!(pending.len(), 1, "{pending:?}");
    let service = desk.world.service("Other", "5", "1");
    desk.map("other", service).await;
    let run = desk.run("package_changes").await;
    assert_eq!(run["status"], "done", "{run}");
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(0)]);
    assert_eq!(desk.units(0, service, "2026-11-20"), [Some(4)]);
    assert!(desk.pending().await.is_empty());
}

#[tokio::test]
async fn a_half_done_swap_is_repaired() {
    use simulator::{Fault, FaultKind, Match};
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5)]).await;
    desk.run("initial").await;
    let no = json!({"errors": ["The logged in Resource does not have the adequate permissions to create this entity type."]});
    let refuse = FaultKind::Status { status: 500, body: no };
    // The second adjustment of the swap, that of the old line, is refused.
    desk.tell("chg-1", 0, (Some("basic"), Some("plus")), 8).await;
    let old = desk.lines_of(0, desk.basic)[0];
    let before = desk.adjustments();
    let path = format!("*Contracts/{}/Services", desk.clients[0].contract_id);
    desk.world.sim.add_fault(Fault::new(Match::new("POST", &path), refuse).times(1));
    let run = desk.run("package_changes").await;
    let lines = desk.lines(&run).await;
    assert_eq!(told(&lines)[0], ("basic", "skipped", Some("swap_waiting")), "{lines:?}");
    assert_eq!(told(&lines)[1].1, "failed");
    assert_eq!(desk.adjustments(), before, "the old line goes on being billed while the new one cannot be");
    assert_eq!(desk.world.units_at(old, "2026-12-01".parse().unwrap()), Some(5));
    let run = desk.run("package_changes").await;
    assert_eq!(run["status"], "done", "{run}");
    assert_eq!(desk.units(0, desk.plus, "2026-11-20"), [Some(8)]);
    assert_eq!(desk.units(0, desk.basic, "2026-11-20"), [Some(0)]);
}

#[tokio::test]
async fn a_package_that_leaves_after_a_reduction_was_planned_leaves_today() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 8)]).await;
    desk.run("initial").await;
    desk.tell("chg-1", 0, (Some("basic"), Some("basic")), 5).await;
    desk.run("package_changes").await;
    desk.tell("chg-2", 0, (Some("basic"), Some("plus")), 3).await;
    let run = desk.run("package_changes").await;
    assert_eq!(run["status"], "done", "{run} {:?}", desk.lines(&run).await);
    // 8 now and 5 later cannot both fall by 8: what was planned for later is taken back first.
    for (day, old, new) in [("2026-11-30", Some(0), Some(3)), ("2026-12-01", Some(0), Some(3))] {
        assert_eq!(desk.units(0, desk.basic, day), [old], "{day}");
        assert_eq!(desk.units(0, desk.plus, day), [new], "{day}");
    }
    assert!(desk.pending().await.is_empty());
}
