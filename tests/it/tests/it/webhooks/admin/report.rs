//! What came, as people see it.

use super::*;

async fn list(world: &World, query: &str) -> Value {
    world.api(Role::PartnerViewer).get(&format!("C/webhook-deliveries{query}")).await.expect(200)
}

fn sequences(page: &Value) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|row| row["sequence"].as_u64().unwrap()).collect()
}

/// Nine events in turn of companies and contacts, a minute apart.
async fn came(world: &World) {
    let (companies, contacts) = (guid(world, "companies").await, guid(world, "contacts").await);
    for sequence in 1..=9 {
        world.advance(SignedDuration::from_mins(1));
        let (guid, entity) = if sequence % 3 == 0 { (&contacts, "Contact") } else { (&companies, "Account") };
        assert_eq!(call(world, 1, 1, &callout(guid, entity, 0, sequence)).await, 200);
        world.drain().await;
    }
}

#[tokio::test]
async fn deliveries_of_all_webhooks_are_listed_newest_first_in_pages_and_by_what_became_of_them() {
    let world = world().await;
    came(&world).await;
    assert_eq!(sequences(&list(&world, "").await), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..9 {
        let page = list(&world, &format!("?limit=2{cursor}")).await;
        seen.extend(sequences(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(sequences(&list(&world, "?entity=contacts").await), [9, 6, 3]);
    assert_eq!(sequences(&list(&world, "?status=failed").await), [0_u64; 0]);
    assert_eq!(sequences(&list(&world, "?status=unchanged&limit=1").await), [9]);
    let (from, to) = ("2026-11-20T11:00:00Z", "2999-01-01T00:00:00Z");
    assert_eq!(sequences(&list(&world, &format!("?from={from}&to={to}")).await).len(), 9);
    assert_eq!(sequences(&list(&world, &format!("?to={from}")).await), [0_u64; 0]);
    let viewer = world.api(Role::PartnerViewer);
    for query in ["?status=done", "?entity=contracts", "?status=rejected&entity=contacts", "?limit=0", "?cursor=x"] {
        viewer.get(&format!("C/webhook-deliveries{query}")).await.assert_problem(400, "invalid_input");
    }
    viewer.of_partner("other").get("C/webhook-deliveries").await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn a_delivery_says_what_came_and_what_became_of_it_without_personal_values() {
    let world = world().await;
    came(&world).await;
    let row = list(&world, "?limit=1&entity=companies").await["items"][0].clone();
    let shown =
        world.api(Role::VendorSupport).get(&format!("C/webhook-deliveries/{}", row["id"].as_str().unwrap())).await;
    assert_eq!(shown.header("etag"), Some("\"2\""));
    assert_eq!(shown.json, row);
    for (field, value) in [
        ("entity", json!("companies")),
        ("action", json!("update")),
        ("sequence", json!(8)),
        ("signature", json!("valid")),
        ("key_generation", json!(1)),
        ("source", json!("callout")),
        ("status", json!("unchanged")),
        ("attempts", json!(1)),
        ("latency_ms", json!(0)),
        ("person_id", json!(4)),
        ("payload", json!({"companyName": "…", "isActive": true})),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
    let viewer = world.api(Role::PartnerViewer);
    viewer.get("C/webhook-deliveries/nothing.1").await.assert_problem(404, "not_found");
    let id = row["id"].as_str().unwrap();
    let foreign = viewer.clone().of_partner("other").get(&format!("C/webhook-deliveries/{id}")).await;
    foreign.assert_problem(404, "not_found");
    let table = table(&world).await;
    assert_eq!(table["items"][0]["last_event_at"], row["received_at"]);
}

#[tokio::test]
async fn refused_callouts_are_told_by_minute_and_reason() {
    let world = world().await;
    let guid = guid(&world, "companies").await;
    for _ in 0..3 {
        assert_eq!(call(&world, 1, 9, &callout(&guid, "Account", 0, 1)).await, 401);
    }
    world.advance(SignedDuration::from_mins(2));
    assert_eq!(call(&world, 1, 1, &callout(&guid, "Account", 0, 1)).await, 200);
    world.drain().await;
    let page = list(&world, "?status=rejected").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(page["items"][0]["counts"], json!({"signature_invalid": 3}));
    assert_eq!(sequences(&list(&world, "").await), [1]);
}
