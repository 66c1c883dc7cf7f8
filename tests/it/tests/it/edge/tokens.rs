//! Claims, roles, partners, cursors.

use super::routes::routes;
use super::support::{Call, world};
use std::sync::Arc;

#[tokio::test]
async fn a_token_without_proper_claims_is_refused() {
    let (world, effects) = (world(), Arc::default());
    let whole = Call::get("/v1/who").acme("partner_admin");
    let cases = [
        ("no authorizer", Call::get("/v1/who")),
        ("no role", Call::get("/v1/who").claim("sub", "pat").claim("partner_id", "acme")),
        ("no sub", Call::get("/v1/who").claim("role", "partner_admin").claim("partner_id", "acme")),
        ("no partner", Call::get("/v1/who").claim("sub", "pat").claim("role", "partner_admin")),
        ("unknown role", whole.clone().claim("role", "root")),
        ("our own role", whole.clone().claim("role", "system")),
        ("another case", whole.clone().claim("role", "Partner_Admin")),
        ("impossible partner", whole.clone().claim("partner_id", "a#b")),
        ("empty sub", whole.clone().claim("sub", "")),
    ];
    for (case, call) in cases {
        let answer = call.send(&world.app, routes(&effects)).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden_role"), "{case}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{case}");
    }
    assert_eq!(whole.send(&world.app, routes(&effects)).await.status, 200);
}

#[tokio::test]
async fn claim_names_are_the_issuers() {
    let (mut world, effects) = (world(), Arc::default());
    let mut edge = (*world.app.edge).clone();
    edge.claims.role = "custom:role".into();
    edge.claims.partner_id = "custom:msp".into();
    edge.claims.main_account = "custom:main".into();
    world.app.edge = Arc::new(edge);
    let call = Call::get("/v1/admin").claim("sub", "pat").claim("custom:role", "partner_admin");
    let call = call.claim("custom:msp", "acme").claim("custom:main", "true");
    assert_eq!(call.send(&world.app, routes(&effects)).await.status, 200);
    assert_eq!(Call::get("/v1/admin").acme("partner_admin").send(&world.app, routes(&effects)).await.status, 403);
}

#[tokio::test]
async fn a_role_does_what_it_may() {
    let (world, effects) = (world(), Arc::default());
    let status = async |call: Call| {
        let answer = call.send(&world.app, routes(&effects)).await;
        (answer.status, if answer.status == 200 { String::new() } else { answer.code() })
    };
    assert_eq!(status(Call::get("/v1/admin").acme("partner_admin")).await.0, 200);
    assert_eq!(status(Call::get("/v1/admin").acme("partner_billing")).await, (403, "forbidden_role".into()));
    let sub = Call::get("/v1/admin").acme("partner_admin").claim("main_account", "false");
    assert_eq!(status(sub).await, (403, "not_main_account".into()));
    for role in ["vendor_support", "vendor_admin", "service"] {
        assert_eq!(status(Call::get("/v1/vendor").vendor(role)).await.0, 200, "{role}");
    }
    for role in ["partner_admin", "partner_billing", "partner_viewer"] {
        assert_eq!(status(Call::get("/v1/vendor").acme(role)).await, (403, "forbidden_role".into()), "{role}");
    }
}

#[tokio::test]
async fn a_partner_is_its_tokens_and_a_vendors_is_named() {
    let (world, effects) = (world(), Arc::default());
    let send = async |call: Call| call.send(&world.app, routes(&effects)).await;
    let own = Call::get("/v1/partner").acme("partner_viewer");
    assert_eq!(send(own.clone()).await.text, "Partner(acme)");
    assert_eq!(send(own.clone().header("x-partner-id", "acme")).await.text, "Partner(acme)");
    let foreign = send(own.header("x-partner-id", "umbrella")).await;
    assert_eq!((foreign.status, foreign.code().as_str()), (404, "not_found"));

    let vendor = Call::get("/v1/partner").vendor("vendor_support");
    assert_eq!(send(vendor.clone().header("x-partner-id", "umbrella")).await.text, "Partner(umbrella)");
    let unnamed = send(vendor.clone()).await;
    assert_eq!((unnamed.status, unnamed.json()["field"].as_str()), (400, Some("X-Partner-Id")));
    assert_eq!(send(vendor.header("x-partner-id", "a/b")).await.status, 400);
    // A partner in a vendor's token widens and narrows nothing.
    let both = Call::get("/v1/partner").vendor("vendor_support").claim("partner_id", "acme");
    assert_eq!(send(both).await.status, 400);
}

#[tokio::test]
async fn a_cursor_is_good_for_its_listing_alone() {
    let (world, effects) = (world(), Arc::default());
    let send = async |call: Call| call.send(&world.app, routes(&effects)).await;
    let list = |query: &str| Call::get(&format!("/v1/things{query}"));
    let first = send(list("?limit=3").acme("partner_viewer")).await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = send(list(&format!("?limit=3&cursor={cursor}")).acme("partner_viewer")).await;
    assert_eq!(second.json()["after"], 3);

    let refused = async |call: Call| {
        let answer = send(call).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_input"), "{}", answer.text);
        assert_eq!(answer.json()["field"], "cursor");
    };
    let query = format!("?cursor={cursor}");
    refused(list(&query).acme("partner_viewer").claim("partner_id", "umbrella")).await;
    refused(list(&query).vendor("vendor_admin")).await;
    for forged in
        ["", "x", "e30", "%00", &cursor[1..], &cursor[..cursor.len() - 1], &format!("{cursor}AAAA"), &"A".repeat(5_000)]
    {
        refused(list(&format!("?cursor={forged}")).acme("partner_viewer")).await;
    }
    // One changed character anywhere.
    for at in 0..cursor.len() {
        let other = if &cursor[at..=at] == "A" { "B" } else { "A" };
        let forged = format!("{}{other}{}", &cursor[..at], &cursor[at + 1..]);
        refused(list(&format!("?cursor={forged}")).acme("partner_viewer")).await;
    }
}

#[tokio::test]
async fn a_page_has_one_to_two_hundred_rows() {
    let (world, effects) = (world(), Arc::default());
    for (limit, status) in [("1", 200), ("200", 200), ("0", 400), ("201", 400), ("-1", 400), ("ten", 400), ("", 400)] {
        let call = Call::get(&format!("/v1/things?limit={limit}")).acme("partner_viewer");
        let answer = call.send(&world.app, routes(&effects)).await;
        assert_eq!(answer.status, status, "{limit:?}: {}", answer.text);
        if status == 400 {
            assert_eq!(answer.json()["field"], "limit", "{limit:?}");
        }
    }
    let default = Call::get("/v1/things").acme("partner_viewer").send(&world.app, routes(&effects)).await;
    assert_eq!(default.json()["limit"], 50);
}
