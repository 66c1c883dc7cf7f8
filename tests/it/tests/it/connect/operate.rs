//! The budget's gauge and the health of the API.

use super::{Role, admin, json};
use domain::budget::rate::BudgetRow;
use domain::budget::window::Window;
use domain::records::Key;
use testkit::World;

#[tokio::test]
async fn the_gauge_shows_what_is_left_of_the_share_and_asks_nobody() {
    let world = testkit::world().await;
    let viewer = world.api(Role::PartnerViewer);
    let before = viewer.get("C/budget").await.expect(200);
    assert_eq!((&before["share_percent"], &before["share"]), (&json!(25), &json!(2_500)));
    let left = before["available_now"].as_u64().unwrap();
    assert_eq!(left, 2_500, "nobody has called by this connection yet: {before}");
    world.sim.clear_requests();
    assert_eq!(viewer.get("C/budget").await.expect(200), before);
    assert!(world.sim.requests().is_empty());

    world.lines(3).await;
    world
        .api(Role::PartnerBilling)
        .post("C/runs", json!({"kind": "seat_sync", "mode": "preview"}))
        .await
        .assert_status(202);
    world.drain().await;
    let after = viewer.get("C/budget").await.expect(200);
    assert_eq!(after["database"]["limit"], 10_000, "a run asks the database once: {after}");
    assert!(after["available_now"].as_u64().unwrap() < left, "the run took some: {after}");

    admin(&world).patch("C/settings", json!({"api_share_percent": 50})).await.assert_status(200);
    assert_eq!(viewer.get("C/budget").await.expect(200)["share"], 5_000);
    viewer.of_partner("other").get("C/budget").await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn a_pause_that_autotask_asked_for_says_when_the_next_call_may_be_made() {
    let world = testkit::world().await;
    let until = world.clock.now() + jiff::SignedDuration::from_mins(5);
    let key = Key::Budget(world.partner.clone(), world.connection.clone());
    let (partner, connection) = (world.partner.clone(), world.connection.clone());
    let row = BudgetRow {
        partner,
        connection,
        window: Window::default(),
        paused_until: Some(until),
        database: None,
        told: false,
    };
    world.put(&row).await;
    let shown = world.api(Role::PartnerBilling).get("C/budget").await.expect(200);
    assert_eq!((&shown["available_now"], &shown["retry_after_seconds"]), (&json!(0), &json!(301)));
    assert_eq!(world.load::<BudgetRow>(&key).await.unwrap().value, row, "looking takes nothing");
}

#[tokio::test]
async fn whoever_has_a_token_can_ask_whether_the_api_works() {
    let world = World::builder().without_vendor().build().await;
    for role in [Role::PartnerViewer, Role::VendorSupport, Role::Service] {
        let health = world.api(role).of_no_partner().get("/v1/healthz").await.expect(200);
        assert_eq!((&health["status"], &health["version"]), (&json!("ok"), &json!(env!("CARGO_PKG_VERSION"))));
    }
}
