use super::{Desk, told};
use domain::Role;
use serde_json::json;

#[tokio::test]
async fn a_change_of_a_posted_period_rolls_to_the_next_one() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5)]).await;
    desk.run("initial").await;
    let contract = desk.clients[0].contract_id;
    desk.world.sim.post_period(desk.world.ci, contract, "2026-11-20".parse().unwrap()).unwrap();
    desk.tell("chg-1", 0, (Some("basic"), Some("basic")), 9).await;
    let run = desk.run("package_changes").await;
    assert_eq!(run["status"], "done", "{run} {:?}", desk.lines(&run).await);
    assert_eq!(desk.units(0, desk.basic, "2026-11-30"), [Some(5)]);
    assert_eq!(desk.units(0, desk.basic, "2026-12-01"), [Some(9)]);
}

#[tokio::test]
async fn both_lines_of_a_swap_roll_together() {
    let desk = Desk::new(1).await;
    desk.has(0, &[("basic", 5)]).await;
    desk.run("initial").await;
    let contract = desk.clients[0].contract_id;
    desk.world.sim.post_period(desk.world.ci, contract, "2026-11-20".parse().unwrap()).unwrap();
    desk.tell("chg-1", 0, (Some("basic"), Some("plus")), 8).await;
    let run = desk.run("package_changes").await;
    assert_eq!(run["status"], "done", "{run} {:?}", desk.lines(&run).await);
    for (day, old, new) in [("2026-11-30", Some(5), None), ("2026-12-01", Some(0), Some(8))] {
        assert_eq!(desk.units(0, desk.basic, day), [old], "{day}");
        assert_eq!(desk.units(0, desk.plus, day), [new], "{day}");
    }
}

#[tokio::test]
async fn each_policy_dates_its_own_changes() {
    for (policy, before, first) in [
        ("period_start", "2026-10-31", "2026-11-01"),
        ("actual_date", "2026-11-19", "2026-11-20"),
        ("next_period", "2026-11-30", "2026-12-01"),
    ] {
        let desk = Desk::new(1).await;
        let dates = json!({"effective_date": {
            "package_change_increase": policy, "package_change_decrease": policy
        }});
        desk.world.api(Role::PartnerAdmin).patch("C/settings", dates).await.assert_status(200);
        let line = desk.world.line_on(desk.clients[0].contract_id, desk.basic, 5);
        desk.has(0, &[("basic", 5)]).await;
        desk.run("initial").await;
        desk.world.advance(jiff::SignedDuration::from_secs(60));
        for (id, units) in [("up", 9), ("down", 2)] {
            let was = desk.world.units_at(line, first.parse().unwrap());
            desk.tell(id, 0, (Some("basic"), Some("basic")), units).await;
            let run = desk.run("package_changes").await;
            assert_eq!(run["status"], "done", "{policy} {id}: {run} {:?}", told(&desk.lines(&run).await));
            assert_eq!(desk.world.units_at(line, before.parse().unwrap()), Some(5), "{policy} {id}");
            assert_eq!(desk.world.units_at(line, first.parse().unwrap()), Some(units), "{policy} {id} after {was:?}");
            desk.world.advance(jiff::SignedDuration::from_secs(60));
        }
    }
}

#[tokio::test]
async fn a_contract_that_begins_within_the_period_bounds_the_date() {
    let desk = Desk::new(1).await;
    desk.world
        .sim
        .patch(desk.world.ci, "Contracts", desk.clients[0].contract_id, &json!({"startDate": "2026-11-10"}))
        .unwrap();
    desk.has(0, &[("basic", 5)]).await;
    let run = desk.run("initial").await;
    assert_eq!(run["status"], "done", "{run} {:?}", desk.lines(&run).await);
    assert_eq!(desk.units(0, desk.basic, "2026-11-10"), [Some(5)]);
    assert_eq!(desk.units(0, desk.basic, "2026-11-09"), [None]);
}

#[tokio::test]
async fn a_contract_that_has_not_begun_or_has_ended_says_so() {
    for (dates, code) in [
        (json!({"startDate": "2026-12-05"}), "effective_date_outside_contract"),
        (json!({"endDate": "2026-11-05"}), "contract_ended"),
    ] {
        let desk = Desk::new(1).await;
        desk.world.sim.patch(desk.world.ci, "Contracts", desk.clients[0].contract_id, &dates).unwrap();
        desk.has(0, &[("basic", 5)]).await;
        let run = desk.run("initial").await;
        assert_eq!(told(&desk.lines(&run).await), [("basic", "failed", Some(code))]);
        assert!(desk.world.writes().is_empty());
    }
}
