//! What the sequences found, each as small as it can be.

use super::{Town, next_first};
use domain::runs::LineState;
use jiff::SignedDuration;
use serde_json::{Value, json};
use testkit::World;

const BEGIN: &str = "2026-11-03T09:00:00Z";

/// One client with 8 of the first package, billed since today.
async fn billed() -> Town {
    let world = World::builder().at(BEGIN).build().await;
    let town = Town::build(world, 1, 2, 3, 0).await;
    for (package, item) in town.packages.iter().zip(&town.items) {
        town.map(package, *item, "package", json!({})).await.assert_status(200);
    }
    town.world.advance(SignedDuration::from_mins(10));
    tell(&town, "c1", (None, Some("p1")), Some(8)).await;
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 0).await, (8, 8));
    town
}

async fn tell(town: &Town, id: &str, (from, to): (Option<&str>, Option<&str>), quantity: Option<i64>) {
    town.world.advance(SignedDuration::from_secs(1));
    let body = json!({
        "partner": town.world.partner, "account_id": town.clients[0].account, "from": from, "to": to,
        "quantity": quantity, "occurred_at": town.world.clock.now(), "change_id": id,
    });
    town.tell(body).await.assert_status(202);
}

fn path(town: &Town) -> String {
    format!("/v1/partners/{}/accounts/{}", town.world.partner, town.clients[0].account)
}

async fn sync(town: &Town, kind: &str) {
    town.world.advance(SignedDuration::from_secs(1));
    town.start(kind).await.assert_status(202);
    town.world.drain().await;
}

/// Units of the client's lines of an item, today and next month.
async fn units(town: &Town, item: usize) -> (i64, i64) {
    let today = town.world.sim.today();
    let lines = town.lines();
    let own = lines.iter().filter(|line| line.spot == (0, town.items[item]));
    own.fold((0, 0), |(now, then), line| (now + line.units(today), then + line.units(next_first(today))))
}

#[tokio::test]
async fn a_package_that_the_whole_account_no_longer_lists_is_no_longer_billed() {
    let town = billed().await;
    let body = json!({"name": "Client", "packages": [{"id": "p2", "quantity": 2}]});
    town.world.advance(SignedDuration::from_secs(1));
    town.back_end().put(&path(&town), body).await.assert_status(200);
    for kind in ["package_changes", "initial"] {
        sync(&town, kind).await;
        assert_eq!((units(&town, 0).await, units(&town, 1).await), ((8, 0), (2, 2)), "a reduction, from next month on");
        assert_eq!(town.pending().await, [] as [Value; 0], "{kind}");
    }
}

#[tokio::test]
async fn an_account_that_is_no_longer_a_client_is_billed_nothing_until_it_returns() {
    let town = billed().await;
    town.world.advance(SignedDuration::from_secs(1));
    town.back_end().delete(&path(&town)).await.assert_status(204);
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 0).await, (8, 0));
    town.world.advance(SignedDuration::from_hours(24 * 40));
    assert_eq!(units(&town, 0).await, (0, 0));
    let body = json!({"name": "Client", "active": true});
    town.back_end().put(&path(&town), body).await.assert_status(200);
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 0).await, (8, 8));
    assert_eq!(town.pending().await, [] as [Value; 0]);
}

#[tokio::test]
async fn an_initial_sync_does_not_bill_the_days_before_a_package_change() {
    let town = billed().await;
    tell(&town, "c2", (Some("p1"), Some("p1")), Some(5)).await;
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 0).await, (8, 5));
    let written = town.world.writes().len();
    sync(&town, "initial").await;
    assert_eq!((town.world.writes().len(), units(&town, 0).await), (written, (8, 5)));
    let run = town.runs().await.pop().unwrap();
    assert!(town.report(&run).await.iter().all(|line| line.state == LineState::Unchanged));
}

#[tokio::test]
async fn the_line_of_a_package_that_nobody_has_any_more_is_free_for_the_next_package_of_its_service() {
    let town = billed().await;
    tell(&town, "c2", (Some("p1"), None), None).await;
    sync(&town, "package_changes").await;
    town.world.advance(SignedDuration::from_hours(24 * 40));
    for (package, item) in [("p1", 2), ("p2", 0)] {
        town.map(package, town.items[item], "package", json!({})).await.assert_status(200);
    }
    tell(&town, "c3", (None, Some("p2")), Some(3)).await;
    // The first one sees that the old package has left the line.
    sync(&town, "package_changes").await;
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 0).await, (3, 3));
    assert_eq!(town.pending().await, [] as [Value; 0]);
    assert_eq!(town.lines().len(), 1);
}

#[tokio::test]
async fn a_swap_counts_today_whatever_was_planned_for_later() {
    let town = billed().await;
    tell(&town, "c2", (Some("p1"), Some("p1")), Some(3)).await;
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 0).await, (8, 3), "a reduction, from next month on");
    town.map("p1", town.items[2], "package", json!({})).await.assert_status(200);
    sync(&town, "package_changes").await;
    assert_eq!((units(&town, 0).await, units(&town, 2).await), ((0, 0), (3, 3)));
    assert_eq!(town.pending().await, [] as [Value; 0]);
    let values: Vec<i64> = town.world.sim.adjustments().iter().map(|done| done.units_after).collect();
    assert!(values.iter().all(|units| [0, 3, 8].contains(units)), "{values:?}");
}

#[tokio::test]
async fn a_counted_package_that_is_back_before_its_end_goes_on() {
    let town = billed().await;
    town.map("p2", town.items[1], "usage", json!({})).await.assert_status(200);
    counted(&town, "p2", 7).await;
    for (id, to) in [("c2", Some("p2")), ("c3", None), ("c4", Some("p2"))] {
        let from = to.is_none().then_some("p2");
        tell(&town, id, (from, to), to.map(|_| 1)).await;
        sync(&town, "package_changes").await;
        assert_eq!(units(&town, 1).await, (7, if to.is_some() { 7 } else { 0 }), "{id}");
    }
    assert_eq!(town.pending().await, [] as [Value; 0]);
}

/// Another contract begins today in the place of the client's, with its lines and their units.
async fn renew(town: &Town) {
    let (world, client) = (&town.world, &town.clients[0]);
    let next = world.sim.renew(world.ci, client.contract_id, Some(world.sim.today())).unwrap();
    let body = json!({"to_contract_id": next, "reason": "renewal"});
    let path = format!("C/company-mappings/{}/remap", client.account);
    town.billing().post(&path, body).await.assert_status(200);
}

#[tokio::test]
async fn a_line_that_a_package_leaves_later_leaves_the_contract_that_renews_its_own_as_well() {
    let town = billed().await;
    tell(&town, "c2", (Some("p1"), None), None).await;
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 0).await, (8, 0));
    town.map("p1", town.items[2], "package", json!({})).await.assert_status(200);
    sync(&town, "package_changes").await;
    assert_eq!((units(&town, 0).await, town.pending().await), ((8, 0), vec![]), "written, and due next month");
    town.world.advance(SignedDuration::from_hours(24 * 5));
    renew(&town).await;
    assert_eq!(units(&town, 0).await, (8, 8), "a new contract has the units of the day before");
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 0).await.1, 0);
    town.world.advance(SignedDuration::from_hours(24 * 40));
    sync(&town, "initial").await;
    assert_eq!((units(&town, 0).await, town.pending().await), ((0, 0), vec![]));
}

#[tokio::test]
async fn a_line_that_a_package_leaves_later_is_free_for_another_package_of_the_account_today() {
    let town = billed().await;
    tell(&town, "c2", (Some("p1"), None), None).await;
    sync(&town, "package_changes").await;
    for (package, item) in [("p1", 2), ("p2", 0)] {
        town.map(package, town.items[item], "package", json!({})).await.assert_status(200);
    }
    sync(&town, "package_changes").await;
    tell(&town, "c3", (None, Some("p2")), Some(9)).await;
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 0).await, (9, 9));
    assert_eq!((town.lines().len(), town.pending().await), (1, vec![]));
}

#[tokio::test]
async fn a_line_that_a_package_leaves_later_stays_until_then_however_often_it_is_said() {
    let town = billed().await;
    tell(&town, "c2", (Some("p1"), None), None).await;
    sync(&town, "package_changes").await;
    town.map("p1", town.items[2], "package", json!({})).await.assert_status(200);
    sync(&town, "package_changes").await;
    town.world.advance(SignedDuration::from_secs(1));
    let body = json!({"name": "Client", "packages": [{"id": "p2", "quantity": 2}]});
    town.back_end().put(&path(&town), body).await.assert_status(200);
    for kind in ["package_changes", "initial"] {
        sync(&town, kind).await;
        assert_eq!((units(&town, 0).await, units(&town, 1).await), ((8, 0), (2, 2)), "{kind}");
    }
    // Billed again, and elsewhere: now it is a swap.
    tell(&town, "c3", (None, Some("p1")), Some(3)).await;
    sync(&town, "package_changes").await;
    assert_eq!((units(&town, 0).await, units(&town, 2).await), ((0, 0), (3, 3)));
    assert_eq!(town.pending().await, [] as [Value; 0]);
}

#[tokio::test]
async fn an_undone_swap_is_undone_for_good_also_where_less_was_planned_for_later() {
    let town = billed().await;
    tell(&town, "c2", (Some("p1"), Some("p1")), Some(3)).await;
    sync(&town, "package_changes").await;
    tell(&town, "c3", (Some("p1"), Some("p2")), Some(3)).await;
    sync(&town, "package_changes").await;
    assert_eq!((units(&town, 0).await, units(&town, 1).await), ((0, 0), (3, 3)));
    let swap = town.runs().await.pop().unwrap();
    let reply = town.billing().post(&format!("C/runs/{}/undo", swap.id), json!({"mode": "apply"})).await;
    reply.assert_status(202);
    town.world.drain().await;
    assert_eq!((units(&town, 0).await, units(&town, 1).await), ((8, 8), (0, 0)), "as billed before the swap");
    let undone = reply.json["run_id"].as_str().unwrap().to_owned();
    town.billing().post(&format!("C/runs/{undone}/undo"), json!({"mode": "apply"})).await.assert_status(202);
    town.world.drain().await;
    assert_eq!((units(&town, 0).await, units(&town, 1).await), ((0, 0), (3, 3)), "undone as well");
}

#[tokio::test]
async fn what_is_told_of_an_account_that_has_left_is_newer_than_what_was_taken_back_before() {
    let town = billed().await;
    town.world.advance(SignedDuration::from_secs(1));
    town.back_end().delete(&path(&town)).await.assert_status(204);
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 0).await, (8, 0));
    let left = town.runs().await.pop().unwrap();
    let reply = town.billing().post(&format!("C/runs/{}/undo", left.id), json!({"mode": "apply"})).await;
    reply.assert_status(202);
    town.world.drain().await;
    assert_eq!(units(&town, 0).await, (8, 8));
    tell(&town, "c2", (Some("p1"), None), None).await;
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 0).await, (8, 0));
    assert_eq!(town.pending().await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_counted_package_that_is_listed_no_longer_is_not_billed_again_on_another_line() {
    let town = billed().await;
    let list = async |packages: Value| {
        town.world.advance(SignedDuration::from_secs(1));
        let body = json!({"name": "Client", "packages": packages});
        town.back_end().put(&path(&town), body).await.assert_status(200);
    };
    town.map("p2", town.items[1], "usage", json!({})).await.assert_status(200);
    list(json!([{"id": "p1", "quantity": 8}, {"id": "p2", "quantity": 1}])).await;
    counted(&town, "p2", 7).await;
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 1).await, (7, 7));
    list(json!([{"id": "p1", "quantity": 8}])).await;
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 1).await, (7, 0));
    town.world.advance(SignedDuration::from_secs(1));
    town.map("p2", town.items[2], "usage", json!({})).await.assert_status(200);
    sync(&town, "initial").await;
    assert_eq!((units(&town, 1).await.1, units(&town, 2).await), (0, (0, 0)));
    assert_eq!(town.pending().await, [] as [Value; 0], "there is nothing left to swap");
}

async fn counted(town: &Town, package: &str, count: i64) {
    town.world.advance(SignedDuration::from_secs(1));
    let path = format!("/v1/usage/{}/{}/{package}", town.world.partner, town.clients[0].account);
    let body = json!({"active": count, "as_of": town.world.clock.now()});
    town.back_end().put(&path, body).await.assert_status(200);
}

#[tokio::test]
async fn a_seat_sync_does_not_end_the_removal_of_a_package_that_it_still_counts() {
    for remapped in [false, true] {
        let town = billed().await;
        town.map("p2", town.items[1], "usage", json!({})).await.assert_status(200);
        tell(&town, "c2", (None, Some("p2")), Some(1)).await;
        counted(&town, "p2", 7).await;
        sync(&town, "package_changes").await;
        assert_eq!(units(&town, 1).await, (7, 7));
        tell(&town, "c3", (Some("p2"), None), None).await;
        if remapped {
            town.map("p2", town.items[2], "usage", json!({})).await.assert_status(200);
        }
        sync(&town, "seat_sync").await;
        assert_eq!(town.pending().await.len(), 1, "{remapped}");
        sync(&town, "package_changes").await;
        assert_eq!((units(&town, 1).await.1, units(&town, 2).await.1), (0, 0), "{remapped}");
        assert_eq!(town.pending().await, [] as [Value; 0], "{remapped}");
    }
}

#[tokio::test]
async fn a_count_of_before_a_package_was_removed_bills_nothing_of_it_once_that_is_done() {
    for item in [1, 2] {
        let town = billed().await;
        town.map("p2", town.items[1], "usage", json!({})).await.assert_status(200);
        tell(&town, "c2", (None, Some("p2")), Some(1)).await;
        counted(&town, "p2", 7).await;
        sync(&town, "package_changes").await;
        tell(&town, "c3", (Some("p2"), None), None).await;
        sync(&town, "package_changes").await;
        assert_eq!(units(&town, 1).await, (7, 0));
        town.world.advance(SignedDuration::from_secs(1));
        town.map("p2", town.items[item], "usage", json!({})).await.assert_status(200);
        for kind in ["seat_sync", "initial", "seat_sync"] {
            sync(&town, kind).await;
            assert_eq!((units(&town, 1).await, units(&town, 2).await), ((7, 0), (0, 0)), "{item} {kind}");
        }
    }
}

#[tokio::test]
async fn a_swap_that_is_told_while_a_run_is_on_its_way_is_a_swap() {
    let world = World::builder().at(BEGIN).build().await;
    let town = Town::build(world, 1, 3, 4, 0).await;
    for (package, item) in town.packages.iter().zip(&town.items) {
        town.map(package, *item, "package", json!({})).await.assert_status(200);
    }
    town.world.advance(SignedDuration::from_mins(10));
    tell(&town, "c1", (None, Some("p1")), Some(8)).await;
    tell(&town, "c2", (None, Some("p2")), Some(2)).await;
    sync(&town, "package_changes").await;
    town.map("p1", town.items[3], "package", json!({})).await.assert_status(200);
    town.auto_sync(true).await;
    // The run of the first takes along what the first package leaves.
    tell(&town, "c3", (Some("p2"), Some("p2")), Some(3)).await;
    tell(&town, "c4", (Some("p1"), Some("p3")), Some(4)).await;
    town.world.drain().await;
    let (old, anew) = (units(&town, 0).await, units(&town, 3).await);
    assert_eq!((old, anew, units(&town, 2).await), ((0, 0), (0, 0), (4, 4)));
    assert_eq!(town.pending().await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_line_that_is_left_later_does_not_put_off_a_swap() {
    let town = billed().await;
    let remap = async |item: usize| {
        town.map("p1", town.items[item], "package", json!({})).await.assert_status(200);
        sync(&town, "package_changes").await;
    };
    // A line of it is there, and has 0 units.
    remap(2).await;
    remap(0).await;
    tell(&town, "c2", (Some("p1"), None), None).await;
    sync(&town, "package_changes").await;
    assert_eq!((units(&town, 0).await, units(&town, 2).await), ((8, 0), (0, 0)));
    remap(2).await;
    tell(&town, "c3", (Some("p1"), Some("p2")), Some(5)).await;
    sync(&town, "package_changes").await;
    assert_eq!((units(&town, 0).await, units(&town, 1).await), ((8, 0), (5, 5)));
    assert_eq!(town.pending().await, [] as [Value; 0]);
}

#[tokio::test]
async fn the_newest_count_of_a_month_counts_also_after_a_day_from_which_an_older_one_was_written() {
    let town = billed().await;
    town.map("p2", town.items[1], "usage", json!({})).await.assert_status(200);
    tell(&town, "c2", (None, Some("p2")), Some(1)).await;
    counted(&town, "p2", 7).await;
    sync(&town, "package_changes").await;
    assert_eq!(units(&town, 1).await, (7, 7));
    counted(&town, "p2", 4).await;
    sync(&town, "seat_sync").await;
    assert_eq!(units(&town, 1).await, (4, 4), "{:?}", town.lines());
}
