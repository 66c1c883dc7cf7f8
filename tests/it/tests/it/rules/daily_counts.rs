//! Every count stays in its day, and the days explain what a counting rule makes of a month.

use domain::change::AuditRow;
use domain::records::{Collection, Key};
use domain::vendor::{Partner, Usage, UsageMonth};
use domain::{AccountId, PackageId, Role};
use serde_json::{Value, json};
use testkit::{Api, World};

fn back_end(world: &World) -> Api<'_> {
    world.api(Role::Service)
}

/// A world whose partner is in a zone, with one account and two packages.
async fn world_in(zone: &str) -> World {
    let world = World::builder().at("2026-12-01T12:00:00Z").build().await;
    let (id, name) = (world.partner.clone(), "Acme IT".to_owned());
    world.put(&Partner { id, name, time_zone: zone.to_owned(), active: true }).await;
    for package in ["training", "phishing"] {
        let body = json!({"name": package, "metric": "user"});
        back_end(&world).put(&format!("/v1/packages/{package}"), body).await.assert_status(201);
    }
    let account =
        json!({"name": "Blue Kite Ltd", "packages": [{"id": "training", "quantity": 60}, {"id": "phishing"}]});
    let path = format!("/v1/partners/{}/accounts/a1", world.partner);
    back_end(&world).put(&path, account).await.assert_status(201);
    world
}

async fn tell(world: &World, active: i64, as_of: &str) -> String {
    let path = format!("/v1/usage/{}/a1/training", world.partner);
    let reply = back_end(world).put(&path, json!({"active": active, "as_of": as_of})).await.expect(200);
    reply["outcome"].as_str().unwrap().to_owned()
}

fn key(world: &World, month: &str) -> Key {
    let (account, package) = (AccountId::new("a1").unwrap(), PackageId::new("training").unwrap());
    Key::UsageMonth(world.partner.clone(), account, package, month.parse().unwrap())
}

type Days = Vec<(i8, i64, i64)>;

/// Version, opening, and `(day, last, high)`.
async fn month(world: &World, month: &str) -> Option<(u64, Option<i64>, Days)> {
    let found = world.load::<UsageMonth>(&key(world, month)).await?;
    let days = found.days.iter().map(|(day, count)| (*day, count.last, count.high)).collect();
    Some((found.v, found.opening, days))
}

async fn audited(world: &World, action: &str) -> Vec<AuditRow> {
    let of = Collection::Audit(world.partner.clone(), None, "2026-12".to_owned());
    world.load_all::<AuditRow>(&of).await.into_iter().filter(|row| row.action == action).collect()
}

#[tokio::test]
async fn each_count_stays_in_its_day_once_however_often_and_in_whatever_order_it_comes() {
    let world = world_in("UTC").await;
    for (active, as_of, outcome) in [
        (40, "2026-11-10T08:00:00Z", "recorded"),
        (45, "2026-11-12T08:00:00Z", "recorded"),
        // Late: into days of their own, before and after what their day has.
        (52, "2026-11-11T12:00:00Z", "older_ignored"),
        (50, "2026-11-11T20:00:00Z", "older_ignored"),
        (41, "2026-11-10T07:00:00Z", "older_ignored"),
        (39, "2026-11-10T06:00:00Z", "older_ignored"),
    ] {
        assert_eq!(tell(&world, active, as_of).await, outcome, "{as_of}");
        let once = month(&world, "2026-11-01").await;
        let again = if outcome == "recorded" { "repeated" } else { outcome };
        assert_eq!(tell(&world, active, as_of).await, again, "{as_of}");
        assert_eq!(month(&world, "2026-11-01").await, once, "{as_of} said twice wrote twice");
    }
    let days = vec![(10, 40, 41), (11, 50, 52), (12, 45, 45)];
    // The count of 6 o'clock was neither last nor high.
    assert_eq!(month(&world, "2026-11-01").await, Some((5, None, days)));
    assert_eq!(audited(&world, "usage.recorded").await.len(), 2);
    let late = audited(&world, "usage.recorded_late").await;
    assert_eq!(late.len(), 3);
    assert_eq!(late.iter().filter(|row| row.before == json!({"last": 40, "high": 40})).count(), 1);
}

#[tokio::test]
async fn midnight_is_where_the_partner_is() {
    for (zone, last_of_november, first_of_december) in [
        ("Pacific/Auckland", "2026-11-30T10:59:59Z", "2026-11-30T11:00:00Z"),
        ("America/Los_Angeles", "2026-12-01T07:59:59Z", "2026-12-01T08:00:00Z"),
    ] {
        let world = world_in(zone).await;
        for _ in 0..2 {
            tell(&world, 7, last_of_november).await;
            tell(&world, 9, first_of_december).await;
        }
        assert_eq!(month(&world, "2026-11-01").await, Some((1, None, vec![(30, 7, 7)])), "{zone}");
        assert_eq!(month(&world, "2026-12-01").await, Some((1, Some(7), vec![(1, 9, 9)])), "{zone}");
    }
}

#[tokio::test]
async fn a_month_begins_with_the_newest_count_from_before_it_also_when_that_comes_late() {
    let world = world_in("UTC").await;
    tell(&world, 10, "2026-10-30T08:00:00Z").await;
    tell(&world, 30, "2026-12-01T00:05:00Z").await;
    assert_eq!(month(&world, "2026-12-01").await, Some((1, Some(10), vec![(1, 30, 30)])));
    for _ in 0..2 {
        assert_eq!(tell(&world, 20, "2026-11-30T23:50:00Z").await, "older_ignored");
        assert_eq!(month(&world, "2026-12-01").await, Some((2, Some(20), vec![(1, 30, 30)])));
        // One from before it says nothing of how December began.
        tell(&world, 99, "2026-11-20T23:50:00Z").await;
        assert_eq!(month(&world, "2026-12-01").await, Some((2, Some(20), vec![(1, 30, 30)])));
    }
    assert_eq!(month(&world, "2026-11-01").await, Some((2, None, vec![(20, 99, 99), (30, 20, 20)])));
}

#[tokio::test]
async fn a_count_from_before_days_were_kept_is_put_into_its_day_with_the_next() {
    let world = world_in("UTC").await;
    tell(&world, 12, "2026-11-03T08:00:00Z").await;
    world.remove(key(&world, "2026-11-01")).await;
    tell(&world, 13, "2026-11-05T08:00:00Z").await;
    assert_eq!(month(&world, "2026-11-01").await, Some((1, None, vec![(3, 12, 12), (5, 13, 13)])));
}

#[tokio::test]
async fn counts_older_than_days_are_kept_for_leave_no_record() {
    let world = world_in("UTC").await;
    tell(&world, 12, "2026-11-03T08:00:00Z").await;
    assert_eq!(tell(&world, 5, "2025-09-29T08:00:00Z").await, "older_ignored");
    assert_eq!(tell(&world, 5, "2025-10-29T08:00:00Z").await, "older_ignored");
    assert_eq!(month(&world, "2025-09-01").await, None);
    assert_eq!(month(&world, "2025-10-01").await, Some((1, None, vec![(29, 5, 5)])));
}

#[tokio::test]
async fn a_batch_of_a_month_s_counts_leaves_the_days_and_the_newest_count() {
    let world = world_in("UTC").await;
    // 250 counts of one package and 250 of another, in an order that is none of time.
    let item = |n: i64| {
        let package = if n % 2 == 0 { "training" } else { "phishing" };
        let hour = (n / 2 * 97) % 250;
        let as_of: jiff::Timestamp = "2026-11-01T00:30:00Z".parse().unwrap();
        let as_of = as_of + jiff::SignedDuration::from_hours(hour * 2);
        json!({"partner": world.partner, "account_id": "a1", "package_id": package, "active": 100 + hour, "as_of": as_of})
    };
    let items: Vec<Value> = (0..500).map(item).collect();
    for _ in 0..2 {
        let reply = back_end(&world).post("/v1/usage/batch", json!({"items": items})).await.expect(200);
        assert_eq!((reply["succeeded"].as_i64(), reply["failed"].as_i64()), (Some(500), Some(0)));
        let (_, opening, days) = month(&world, "2026-11-01").await.unwrap();
        // Twelve counts a day, each larger than the one before; 250 of them reach into the 21st.
        let wanted: Days = (1..=21_i8)
            .map(|day| (day, i64::from(day), 0))
            .map(|(day, n, _)| {
                let last = 100 + (n * 12 - 1).min(249);
                (day, last, last)
            })
            .collect();
        assert_eq!((opening, days), (None, wanted));
        let (account, package) = (AccountId::new("a1").unwrap(), PackageId::new("phishing").unwrap());
        let newest = world.load::<Usage>(&Key::Usage(world.partner.clone(), account, package)).await.unwrap();
        assert_eq!(newest.active, 349);
    }
}

#[tokio::test]
async fn the_days_of_a_month_explain_what_each_rule_makes_of_them() {
    let world = world_in("Europe/London").await;
    for (active, as_of) in [
        (40, "2026-10-20T08:00:00Z"),
        (45, "2026-11-10T08:00:00Z"),
        (52, "2026-11-14T12:00:00Z"),
        (50, "2026-11-14T20:00:00Z"),
        (30, "2026-11-28T08:00:00Z"),
    ] {
        tell(&world, active, as_of).await;
    }
    let viewer = world.api(Role::PartnerViewer);
    let path = "C/usage-history?account=a1&package=training";
    // A run of 1 December bills November.
    let found = viewer.get(path).await.expect(200);
    assert_eq!(found, viewer.get(&format!("{path}&month=2026-11")).await.expect(200));
    assert_eq!((&found["month"], &found["time_zone"]), (&json!("2026-11"), &json!("Europe/London")));
    assert_eq!((&found["opening"], &found["newest_count"]), (&json!(40), &json!(30)));
    assert_eq!(found["days"].as_array().unwrap().len(), 3);
    let second = json!({"date": "2026-11-14", "last": 50, "high": 52, "as_of": "2026-11-14T20:00:00Z"});
    assert_eq!(found["days"][1], second);
    let rules: Vec<(&str, i64, &str)> = found["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            let text = |name: &str| rule[name].as_str().unwrap();
            (text("rule"), rule["count"].as_i64().unwrap(), text("explanation"))
        })
        .collect();
    assert_eq!(
        rules,
        [
            ("snapshot_on_run", 30, "newest count, of 28 November 2026"),
            ("high_water_mark", 52, "largest of 3 daily counts of November 2026: 52 on 14 November"),
            ("average_rounded_up", 45, "average of the 30 days 1 to 30 November 2026, rounded up: 1330 / 30 = 45"),
            ("fixed", 60, "prepaid quantity of the account's package"),
        ]
    );
    let empty = viewer.get("C/usage-history?account=a1&package=phishing&month=2026-10").await.expect(200);
    assert_eq!((&empty["days"], &empty["rules"][1]["count"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn what_is_not_the_partner_s_has_no_history() {
    let world = world_in("UTC").await;
    for path in [
        "C/usage-history?account=a2&package=training",
        "C/usage-history?account=a1&package=nothing",
        "/v1/connections/con_other/usage-history?account=a1&package=training",
    ] {
        world.api(Role::PartnerViewer).get(path).await.assert_problem(404, "not_found");
    }
    let path = "C/usage-history?account=a1&package=training";
    world.api(Role::PartnerViewer).of_partner("somebody").get(path).await.assert_problem(404, "not_found");
    for wrong in ["2026-13", "november", "2026-11-01", "2026-1", ""] {
        let reply = world.api(Role::PartnerViewer).get(&format!("{path}&month={wrong}")).await;
        let problem = reply.assert_problem(400, "invalid_input");
        assert_eq!(problem["errors"][0]["pointer"], "month", "{wrong}");
    }
}
