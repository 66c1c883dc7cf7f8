//! The audit trail, read by those whose things it is about.

use super::*;
use std::collections::BTreeSet;

async fn items(world: &World, query: &str) -> Vec<Value> {
    let page = world.api(Role::PartnerViewer).get(&format!("C/audit?limit=200&{query}")).await.expect(200);
    assert!(page["next_cursor"].is_null(), "{query}");
    page["items"].as_array().unwrap().clone()
}

fn actions(items: &[Value]) -> Vec<&str> {
    items.iter().map(|row| row["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_row_says_who_did_what_by_which_request_from_what_to_what() {
    let world = testkit::world().await;
    let api = world.api(Role::PartnerAdmin).header("x-request-id", "req-pause");
    api.post("C/pause", Value::Null).await.assert_status(200);
    let all = items(&world, "").await;
    let row = &all[0];
    assert_eq!(
        (&row["who"], &row["role"], &row["request_id"], &row["reason"]),
        (&json!("user-partner_admin"), &json!("partner_admin"), &json!("req-pause"), &Value::Null)
    );
    assert_eq!((&row["action"], &row["subject"]), (&json!("connection.paused"), &json!("connection")));
    assert_eq!((&row["before"]["status"], &row["after"]["status"]), (&json!("connected"), &json!("paused")));
    assert_eq!(actions(&all).last(), Some(&"connection.connected"), "the oldest comes last");
}

#[tokio::test]
async fn rows_are_found_by_day_caller_role_action_and_subject() {
    let (world, lines) = eve(2).await;
    for line in &lines {
        let path = format!("C/company-mappings/{}/pause", line.account);
        world.api(BILLING).post(&path, Value::Null).await.assert_status(200);
    }
    world.advance(jiff::SignedDuration::from_hours(36));
    world.api(Role::PartnerAdmin).post("C/pause", Value::Null).await.assert_status(200);
    let mapping = format!("mapping/{}", lines[0].account);
    for (query, expected) in [
        ("from=2026-12-01", vec!["connection.paused"]),
        ("from=2026-11-30&to=2026-11-30&action=mapping", vec!["mapping.paused", "mapping.paused"]),
        (&*format!("subject={mapping}"), vec!["mapping.paused"]),
        ("who=user-partner_admin", vec!["connection.paused"]),
        ("role=partner_billing", vec!["mapping.paused", "mapping.paused"]),
        ("role=partner_billing&action=connection", vec![]),
        ("to=2026-11-29", vec![]),
    ] {
        assert_eq!(actions(&items(&world, query).await), expected, "{query}");
    }
    let viewer = world.api(Role::PartnerViewer);
    for query in ["from=2026-12-02&to=2026-12-01", "from=yesterday", "role=boss", "limit=0", "what=else"] {
        viewer.get(&format!("C/audit?{query}")).await.assert_problem(400, "invalid_input");
    }
}

#[tokio::test]
async fn pages_go_through_months_without_a_gap_or_a_repeat_while_more_is_written() {
    let world = testkit::world().await;
    let admin = world.api(Role::PartnerAdmin);
    let mut wanted = 0;
    for _ in 0..3 {
        for act in ["pause", "resume"] {
            admin.post(&format!("C/{act}"), Value::Null).await.assert_status(200);
            wanted += 1;
        }
        world.advance(jiff::SignedDuration::from_hours(24 * 45));
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("C/audit?limit=4&who=user-partner_admin{cursor}")).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        admin.get(&format!("C/audit?limit=4&cursor={next}")).await.assert_problem(400, "invalid_input");
        cursor = format!("&cursor={next}");
        // What is written meanwhile is newer than all of this list.
        admin.post("C/pause", Value::Null).await.assert_status(200);
        admin.post("C/resume", Value::Null).await.assert_status(200);
    }
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (wanted, wanted));
    assert!(seen.is_sorted_by(|a, b| a > b), "the newest comes first");
}

#[tokio::test]
async fn the_file_has_the_same_rows_and_no_cell_that_a_spreadsheet_runs() {
    let world = testkit::world().await;
    let evil = world.api(Role::PartnerAdmin).claim("sub", json!("=HYPERLINK(\"http://evil.example\",\"x\")"));
    evil.clone().header("x-request-id", "+req").post("C/pause", Value::Null).await.assert_status(200);
    let reply = world.api(Role::PartnerViewer).get("C/audit.csv").await;
    reply.assert_status(200);
    assert_eq!(reply.header("content-disposition"), Some("attachment; filename=\"audit.csv\""));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    let rows: Vec<&str> = reply.text.lines().collect();
    assert_eq!(rows[0], "at,who,role,reason,request_id,action,subject,before,after,id");
    assert!(rows[1].contains("\"'=HYPERLINK(") && rows[1].contains("connection.paused"), "{}", rows[1]);
    assert_eq!(rows.len() - 1, items(&world, "").await.len());
    let none = world.api(Role::PartnerViewer).get("C/audit.csv?to=2026-10-01").await;
    assert_eq!(none.text.lines().count(), 1);
    world
        .api(Role::PartnerViewer)
        .get("C/audit.csv?from=2026-12-02&to=2026-12-01")
        .await
        .assert_problem(400, "invalid_input");
}

#[tokio::test]
async fn a_partners_own_trail_holds_what_belongs_to_no_connection() {
    let world = testkit::world().await;
    let path = format!("/v1/partners/{}", world.partner);
    let body = json!({"name": "Acme IT Services", "time_zone": "Europe/Berlin"});
    world.api(Role::Service).put(&path, body).await.assert_status(200);
    let path = format!("{path}/audit");
    for caller in
        [world.api(Role::PartnerViewer), world.api(Role::VendorSupport), world.api(Role::Service).of_no_partner()]
    {
        let page = caller.get(&path).await.expect(200);
        let row = &page["items"][0];
        assert_eq!((&row["action"], &row["who"]), (&json!("partner.saved"), &json!("user-service")), "{page:#}");
        assert_eq!(row["after"]["name"], "Acme IT Services");
    }
    let foreign = world.api(Role::PartnerAdmin).of_partner("globex");
    foreign.get(&path).await.assert_problem(404, "not_found");
    world.api(Role::VendorAdmin).of_partner("globex").get(&path).await.assert_problem(404, "not_found");
    let nobody = world.api(Role::VendorAdmin).of_no_partner().get("/v1/partners/globex/audit").await;
    nobody.assert_problem(404, "not_found");
    foreign.get("C/audit").await.assert_problem(404, "not_found");
    foreign.get("C/audit.csv").await.assert_problem(404, "not_found");
    world.api(Role::VendorSupport).of_partner("globex").get("C/audit").await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn the_trail_of_a_connection_outlives_it() {
    let world = testkit::world().await;
    world.api(Role::PartnerAdmin).delete("C").await.assert_status(204);
    world.api(Role::PartnerAdmin).get("C").await.assert_problem(404, "not_found");
    assert_eq!(actions(&items(&world, "").await)[0], "connection.disconnected");
}
