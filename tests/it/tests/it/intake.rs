//! `intake`: what the vendor's back end tells us, by HTTP and by events.

use domain::change::AuditRow;
use domain::connections::{Connection, ConnectionStatus};
use domain::mappings::{Mapping, MappingStatus};
use domain::records::{Collection, Key};
use domain::vendor::{Account, AccountClaim, Package, Partner, Usage};
use domain::{AccountId, Code, PackageId, PartnerId, Role};
use local::host::Outcome;
use serde_json::{Value, json};
use testkit::{Api, World};

fn back_end(world: &World) -> Api<'_> {
    world.api(Role::Service)
}

async fn seeded() -> World {
    let world = testkit::world().await;
    let api = back_end(&world);
    let package = json!({"name": "Training", "metric": "user", "unit_price_to_partner": "1.25", "currency": "USD"});
    api.put("/v1/packages/training", package).await.assert_status(201);
    let account =
        json!({"name": "Blue Kite Ltd", "contact_email": "office@bluekite.example", "packages": [{"id": "training"}]});
    api.put(&account_path(&world, "a1"), account).await.assert_status(201);
    world
}

fn account_path(world: &World, account: &str) -> String {
    format!("/v1/partners/{}/accounts/{account}", world.partner)
}

fn usage_path(world: &World, account: &str, package: &str) -> String {
    format!("/v1/usage/{}/{account}/{package}", world.partner)
}

async fn usage(world: &World) -> Option<Usage> {
    let key = Key::Usage(world.partner.clone(), AccountId::new("a1").unwrap(), PackageId::new("training").unwrap());
    world.load::<Usage>(&key).await.map(|u| u.value)
}

async fn account(world: &World, id: &str) -> Option<Account> {
    let key = Key::Account(world.partner.clone(), AccountId::new(id).unwrap());
    world.load::<Account>(&key).await.map(|a| a.value)
}

async fn audited(world: &World, connection: bool, action: &str) -> usize {
    let connection = connection.then(|| world.connection.clone());
    let of = Collection::Audit(world.partner.clone(), connection, "2026-11".to_owned());
    world.load_all::<AuditRow>(&of).await.into_iter().filter(|row| row.action == action).count()
}

fn event(world: &World, at: &str, data: Value) -> Value {
    json!({"version": 1, "id": "evt_1", "occurred_at": at, "partner_id": world.partner, "connection_id": null, "data": data})
}

#[tokio::test]
async fn a_put_twice_is_a_put_once() {
    let world = testkit::world().await;
    let api = back_end(&world).of_no_partner();
    for (path, body) in [
        ("/v1/partners/other".to_owned(), json!({"name": "Other", "time_zone": "Europe/London"})),
        ("/v1/packages/phishing".to_owned(), json!({"name": "Phishing", "metric": "user"})),
        (format!("/v1/partners/{}/packages", world.partner), json!({"packages": ["phishing"]})),
        (account_path(&world, "a1"), json!({"name": "Blue Kite", "packages": [{"id": "phishing", "quantity": 3}]})),
    ] {
        let first = api.put(&path, body.clone()).await;
        first.assert_status(201);
        assert_eq!((first.json["outcome"].as_str(), first.header("etag")), (Some("created"), Some("\"1\"")));
        let second = api.put(&path, body).await;
        second.assert_status(200);
        assert_eq!((second.json["outcome"].as_str(), second.header("etag")), (Some("unchanged"), Some("\"1\"")));
    }
    assert_eq!(audited(&world, false, "account.saved").await, 1);
    assert_eq!(audited(&world, false, "partner_packages.saved").await, 1);
}

#[tokio::test]
async fn a_change_must_be_of_the_version_that_was_read() {
    let world = seeded().await;
    let path = account_path(&world, "a1");
    let body = json!({"name": "Blue Kite Limited"});
    let stale = back_end(&world).header("if-match", "\"9\"").put(&path, body.clone()).await;
    stale.assert_problem(412, "precondition_failed");
    let fresh = back_end(&world).header("if-match", "\"1\"").put(&path, body).await;
    fresh.assert_status(200);
    assert_eq!(fresh.header("etag"), Some("\"2\""));
}

#[tokio::test]
async fn fields_that_cannot_be_taken_are_all_named_and_nothing_is_kept() {
    let world = seeded().await;
    let api = back_end(&world).of_no_partner();
    let long = "x".repeat(201);
    for (path, body, fields) in [
        ("/v1/partners/p2".to_owned(), json!({"name": " ", "time_zone": "Mars/Base"}), vec!["/name", "/time_zone"]),
        (
            "/v1/packages/p2".to_owned(),
            json!({"name": long, "metric": "user", "unit_price_to_partner": "-1.23456"}),
            vec!["/name", "/unit_price_to_partner", "/currency"],
        ),
        (
            format!("/v1/partners/{}/packages", world.partner),
            json!({"packages": ["training", "training", "none"]}),
            vec!["/packages/1", "/packages/2"],
        ),
        (
            account_path(&world, "a9"),
            json!({"name": "A", "contact_email": "nobody", "packages": [{"id": "p", "quantity": -1}, {"id": "p"}]}),
            vec!["/contact_email", "/packages/0/quantity", "/packages/1/id"],
        ),
        (account_path(&world, "a9"), json!({"name": "A", "surprise": 1}), vec!["/surprise"]),
        (
            usage_path(&world, "a1", "training"),
            json!({"active": -1, "as_of": "2026-12-20T11:00:00Z"}),
            vec!["/active", "/as_of"],
        ),
        (
            usage_path(&world, "a1", "training"),
            json!({"active": 1.5, "as_of": "2026-11-20T11:00:00Z"}),
            vec!["/active"],
        ),
    ] {
        let reply = api.put(&path, body).await;
        let problem = reply.assert_problem(400, "invalid_input");
        let named: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
        assert_eq!(named, fields, "{path}");
    }
    assert!(account(&world, "a9").await.is_none() && usage(&world).await.is_none());
    assert!(world.load::<Partner>(&Key::Partner(PartnerId::new("p2").unwrap())).await.is_none());
    assert!(world.load::<Package>(&Key::Package(PackageId::new("p2").unwrap())).await.is_none());
}

#[tokio::test]
async fn only_the_vendors_back_end_may_tell() {
    let world = seeded().await;
    for role in [Role::PartnerAdmin, Role::PartnerBilling, Role::PartnerViewer, Role::VendorSupport, Role::VendorAdmin]
    {
        let api = world.api(role);
        let put =
            api.put(&usage_path(&world, "a1", "training"), json!({"active": 1, "as_of": "2026-11-20T10:00:00Z"})).await;
        put.assert_problem(403, "forbidden_role");
        api.post("/v1/accounts/batch", json!({"items": [{}]})).await.assert_problem(403, "forbidden_role");
    }
    let admin = world.api(Role::VendorAdmin);
    admin.put("/v1/packages/more", json!({"name": "More", "metric": "user"})).await.assert_status(201);
    let foreign = back_end(&world).of_partner("somebody").put(&account_path(&world, "a1"), json!({"name": "A"})).await;
    foreign.assert_problem(404, "not_found");
}

#[tokio::test]
async fn what_belongs_to_nothing_known_is_refused() {
    let world = seeded().await;
    let api = back_end(&world).of_no_partner();
    api.put("/v1/partners/nobody/accounts/a1", json!({"name": "A"})).await.assert_problem(404, "not_found");
    let count = json!({"active": 1, "as_of": "2026-11-20T10:00:00Z"});
    api.put(&usage_path(&world, "a2", "training"), count.clone()).await.assert_problem(404, "not_found");
    api.put(&usage_path(&world, "a1", "nothing"), count).await.assert_problem(404, "not_found");
    api.delete(&account_path(&world, "a2")).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn the_newest_count_stays_whatever_arrives_when() {
    let world = seeded().await;
    let api = back_end(&world);
    let path = usage_path(&world, "a1", "training");
    for (active, as_of, outcome, now) in [
        (47, "2026-11-20T10:00:00Z", "recorded", 47),
        (47, "2026-11-20T10:00:00Z", "repeated", 47),
        (99, "2026-11-20T09:00:00Z", "older_ignored", 47),
        (48, "2026-11-20T10:30:00Z", "recorded", 48),
        (47, "2026-11-20T10:00:00Z", "older_ignored", 48),
    ] {
        let reply = api.put(&path, json!({"active": active, "as_of": as_of})).await;
        reply.assert_status(200);
        assert_eq!(
            (reply.json["outcome"].as_str(), reply.json["active"].as_i64()),
            (Some(outcome), Some(now)),
            "{as_of}"
        );
    }
    let other = api.put(&path, json!({"active": 50, "as_of": "2026-11-20T10:30:00Z"})).await;
    other.assert_problem(400, "invalid_input");
    assert_eq!(usage(&world).await.unwrap().active, 48);
    assert_eq!(audited(&world, false, "usage.recorded").await, 2);
}

#[tokio::test]
async fn a_bad_item_stops_no_batch() {
    let world = seeded().await;
    let at = "2026-11-20T10:00:00Z";
    let item = |account: &str, active: Value| json!({"partner": world.partner, "account_id": account, "package_id": "training", "active": active, "as_of": at});
    let items = json!({"items": [item("a1", json!(5)), item("a1", json!("many")), {"partner": "#"}, item("a2", json!(1)), item("a1", json!(5))]});
    let reply = back_end(&world).of_no_partner().post("/v1/usage/batch", items).await;
    reply.assert_status(200);
    assert_eq!((reply.json["succeeded"].as_i64(), reply.json["failed"].as_i64()), (Some(2), Some(3)));
    let codes: Vec<_> = reply.json["results"].as_array().unwrap().iter().map(|r| r["error"]["code"].as_str()).collect();
    assert_eq!(codes, [None, Some("invalid_input"), Some("invalid_input"), Some("not_found"), None]);
    assert_eq!(usage(&world).await.unwrap().active, 5);

    let accounts = json!({"items": [
        {"partner": world.partner, "account_id": "b1", "name": "One"},
        {"partner": world.partner, "account_id": "b2", "name": ""},
        {"partner": "nobody", "account_id": "b3", "name": "Three"},
    ]});
    let reply = back_end(&world).post("/v1/accounts/batch", accounts.clone()).await.expect(200);
    assert_eq!((reply["succeeded"].as_i64(), reply["failed"].as_i64()), (Some(1), Some(2)));
    let again = back_end(&world).post("/v1/accounts/batch", accounts).await.expect(200);
    assert_eq!(again["results"][0]["outcome"], "unchanged");
    let many: Vec<_> = (0..501).map(|_| json!({})).collect();
    back_end(&world).post("/v1/accounts/batch", json!({"items": many})).await.assert_problem(400, "invalid_input");
    back_end(&world).post("/v1/usage/batch", json!({"items": []})).await.assert_problem(400, "invalid_input");
}

#[tokio::test]
async fn a_deleted_account_stays_known_and_is_no_longer_active() {
    let world = seeded().await;
    for _ in 0..2 {
        back_end(&world).delete(&account_path(&world, "a1")).await.assert_status(204);
    }
    let found = account(&world, "a1").await.unwrap();
    assert!(!found.active && found.packages.len() == 1);
    assert_eq!(audited(&world, false, "account.saved").await, 2);
}

#[tokio::test]
async fn events_end_in_the_same_calls_and_an_older_one_changes_nothing() {
    let world = seeded().await;
    let data =
        json!({"account_id": "a1", "name": "Blue Kite plc", "contact_email": "new@bluekite.example", "active": true});
    world.advance(jiff::SignedDuration::from_hours(1));
    world.event("account.updated", event(&world, "2026-11-20T11:30:00Z", data)).await;
    let old = json!({"account_id": "a1", "name": "Long ago", "active": true});
    world.event("account.updated", event(&world, "2026-11-20T10:00:00Z", old)).await;
    assert_eq!(account(&world, "a1").await.unwrap().name, "Blue Kite plc");

    let count = json!({"account_id": "a1", "package_id": "training", "active": 12, "as_of": "2026-11-20T11:00:00Z"});
    for _ in 0..2 {
        world.event("usage.recorded", event(&world, "2026-11-20T11:31:00Z", count.clone())).await;
    }
    assert_eq!(usage(&world).await.unwrap().active, 12);

    let package = json!({"package_id": "phishing", "name": "Phishing", "metric": "user", "active": true});
    world.event("package.catalogue_changed", event(&world, "2026-11-20T11:32:00Z", package)).await;
    world
        .event("package.catalogue_changed", event(&world, "2026-11-20T11:33:00Z", json!({"packages": ["phishing"]})))
        .await;
    assert!(world.load::<Package>(&Key::Package(PackageId::new("phishing").unwrap())).await.is_some());

    world.event("account.deleted", event(&world, "2026-11-20T11:34:00Z", json!({"account_id": "a1"}))).await;
    assert!(!account(&world, "a1").await.unwrap().active);
}

#[tokio::test]
async fn what_can_never_be_right_is_dropped_and_what_may_come_later_is_tried_again() {
    let world = seeded().await;
    world.event("weather.changed", json!({"any": 1})).await;
    world.event("usage.recorded", json!({"no": "envelope"})).await;
    world
        .event("account.updated", event(&world, "2026-11-20T10:00:00Z", json!({"account_id": "a1", "name": ""})))
        .await;
    assert_eq!(account(&world, "a1").await.unwrap().name, "Blue Kite Ltd");
    let early = json!({"account_id": "a9", "package_id": "training", "active": 1, "as_of": "2026-11-20T10:00:00Z"});
    let early = json!({"detail-type": "usage.recorded", "detail": event(&world, "2026-11-20T10:00:00Z", early)});
    assert!(matches!(world.bundle.event(&early).await, Outcome::Failed(_)));
}

#[tokio::test]
async fn a_partner_that_leaves_has_its_connections_paused() {
    let world = seeded().await;
    for _ in 0..2 {
        world.event("partner.deactivated", event(&world, "2026-11-20T10:00:00Z", json!({}))).await;
    }
    let key = Key::Connection(world.partner.clone(), world.connection.clone());
    assert_eq!(world.load::<Connection>(&key).await.unwrap().status, ConnectionStatus::Paused);
    assert!(!world.load::<Partner>(&Key::Partner(world.partner.clone())).await.unwrap().active);
    assert_eq!(world.published("connection.paused").len(), 1);
}

#[tokio::test]
async fn an_account_that_another_psa_claims_is_not_billed_here_until_it_is_released() {
    let world = testkit::world().await;
    let line = world.lines(1).await.remove(0);
    let claim =
        |world: &World| event(world, "2026-11-20T10:00:00Z", json!({"account_id": line.account, "psa": "ConnectWise"}));
    for _ in 0..2 {
        world.event("psa.account_claimed", claim(&world)).await;
    }
    let key = Key::Mapping(world.partner.clone(), world.connection.clone(), line.account.clone());
    let broken = world.load::<Mapping>(&key).await.unwrap();
    assert_eq!(broken.status, MappingStatus::Broken);
    assert_eq!(broken.broken.as_ref().unwrap().code, Code::AccountClaimedByOtherPsa);
    assert_eq!(world.published("mapping.broken").len(), 1);
    assert_eq!(world.published("issue.opened").len(), 1);
    let path = format!("C/company-mappings/{}", line.account);
    let save = world.api(Role::PartnerBilling).put(&path, json!({"company_id": line.company_id})).await;
    assert_eq!(save.assert_problem(409, "account_claimed_by_other_psa")["psa"], "connectwise");

    let other = json!({"account_id": line.account, "psa": "halo"});
    world.event("psa.account_released", event(&world, "2026-11-20T10:01:00Z", other)).await;
    assert!(
        world.load::<AccountClaim>(&Key::AccountClaim(world.partner.clone(), line.account.clone())).await.is_some()
    );
    for _ in 0..2 {
        world.event("psa.account_released", claim(&world)).await;
    }
    let works = world.load::<Mapping>(&key).await.unwrap();
    assert_eq!((works.status, works.broken.clone()), (MappingStatus::Confirmed, None));
    assert_eq!(world.published("issue.resolved").len(), 1);
    let own = json!({"account_id": line.account, "psa": "autotask"});
    world.event("psa.account_claimed", event(&world, "2026-11-20T10:02:00Z", own)).await;
    assert_eq!(world.load::<Mapping>(&key).await.unwrap().status, MappingStatus::Confirmed);
}
