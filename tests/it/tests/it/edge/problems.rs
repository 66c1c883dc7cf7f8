//! Everything that goes wrong is a problem with all its members, and tells nothing of ours.

use super::routes::{Effects, routes};
use super::support::{Answer, Call, SUPPORT, world};
use domain::Code;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Every code with its status.
const STATUSES: &[(u16, &[&str])] = &[
    (400, &["invalid_input"]),
    (
        403,
        &[
            "webhook_permission_missing",
            "forbidden_role",
            "not_main_account",
            "permission_missing",
            "second_person_needed",
            "secondary_no_manual",
        ],
    ),
    (404, &["not_found", "pdf_unavailable"]),
    (405, &["method_not_allowed"]),
    (
        409,
        &[
            "webhook_limit_reached",
            "webhook_duplicate",
            "webhook_not_ready",
            "webhook_disabled_by_autotask",
            "events_lost",
            "threshold_near",
            "billing_code_missing",
            "different_database",
            "already_connected",
            "account_claimed_by_other_psa",
            "automap_ambiguous",
            "mapping_unconfirmed",
            "no_contract_selected",
            "package_unmapped",
            "initial_sync_not_ready",
            "unmapped_account",
            "payment_conflict",
            "payment_writeback_failed",
            "payment_deleted",
            "payment_name_reused",
            "ledger_full",
            "mail_off",
            "failure_ticket_refused",
            "issue_not_retryable",
            "issue_needs_choice",
            "run_failed",
            "fetch_failed",
            "no_recipients",
            "invoice_voided",
            "partial_not_visible",
            "contract_ending",
            "quantity_missing",
            "swap_waiting",
            "dismissed",
            "line_moved",
            "usage_missing",
            "usage_stale",
            "held_large_change",
            "held_zero",
            "run_stopped",
            "period_already_billed",
            "period_not_visible",
            "plan_stale",
            "write_unverified",
            "drift_detected",
            "run_partial",
            "run_missed",
            "already_running",
            "package_change_pending",
            "approval_waiting",
            "auto_sync_off",
            "topology_in_use",
            "superseded",
            "run_not_writable",
            "feature_off",
            "invoice_total_mismatch",
            "invoice_number_clash",
            "platform_edit_not_sent",
            "customer_not_synced",
            "invoice_missing_upstream",
            "needs_relink",
            "connection_paused",
            "conflict",
            "idempotency_in_progress",
        ],
    ),
    (412, &["precondition_failed"]),
    (413, &["payload_too_large"]),
    (415, &["unsupported_media_type"]),
    (
        422,
        &[
            "zone_not_found",
            "credentials_invalid",
            "account_locked_or_inactive",
            "integration_vendor_mismatch",
            "cost_not_readable",
            "company_already_mapped",
            "company_inactive_or_gone",
            "contract_not_found",
            "contract_ended",
            "contract_renewed",
            "contract_not_recurring",
            "contract_not_monthly",
            "contract_service_removed",
            "service_inactive",
            "contract_service_shared",
            "product_not_billable_as_service",
            "effective_date_outside_contract",
            "duplicate_line",
            "zero_units_refused",
            "bundle_cost_unsupported",
            "cost_not_writable",
            "rejected_by_autotask",
            "mail_refused",
            "idempotency_mismatch",
        ],
    ),
    (401, &["signature_invalid"]),
    (429, &["rate_limited_manual", "test_mail_limited"]),
    (500, &["internal"]),
    (503, &["autotask_unavailable", "throttled", "secret_store_unavailable", "unavailable"]),
];

#[test]
fn every_code_has_the_status_of_the_requirements() {
    let mut listed = 0;
    for (status, codes) in STATUSES {
        for text in *codes {
            let code = Code::ALL.iter().find(|code| code.as_str() == *text);
            let code = code.unwrap_or_else(|| panic!("there is no code {text}"));
            assert_eq!(runtime::edge::status(*code).as_u16(), *status, "{text}");
            listed += 1;
        }
    }
    assert_eq!(listed, Code::ALL.len(), "a code is not in the table");
}

fn is_whole(answer: &Answer) {
    let body = answer.json();
    for member in ["title", "detail", "code", "effect", "action", "reference"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
    }
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(body["type"], format!("urn:problem:{}", answer.code()));
    assert_eq!(body["status"], answer.status);
    assert_eq!(body["support"], SUPPORT);
    assert_eq!(body["reference"].as_str(), answer.header("x-request-id"));
    assert!(body["retry"]["automatic"].is_boolean() && body["errors"].is_array(), "{body}");
    let after = body["retry"]["after"].as_u64().map(|seconds| seconds.to_string());
    assert_eq!(after.as_deref(), answer.header("retry-after"));
}

async fn send(call: Call) -> Answer {
    let answer = call.send(&world().app, routes(&Arc::default())).await;
    if answer.status >= 400 {
        is_whole(&answer);
    }
    answer
}

async fn refusal(body: &str) -> (u64, String, Value) {
    let call = Call::new("POST", "/v1/things").header("content-type", "application/json").raw(body);
    let answer = send(call.acme("partner_admin")).await;
    (answer.status, answer.code(), answer.json()["errors"][0]["pointer"].clone())
}

#[tokio::test]
async fn an_unknown_path_and_an_unknown_method_are_problems() {
    let lost = send(Call::get("/v1/nowhere").acme("partner_admin")).await;
    assert_eq!((lost.status, lost.code().as_str()), (404, "not_found"));
    let wrong = send(Call::new("DELETE", "/v1/things").acme("partner_admin")).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (405, "method_not_allowed"));
    assert_eq!(wrong.header("allow"), Some("GET,HEAD,POST"));
    let impossible = send(Call::new("PUT", "/v1/things/a%23b").acme("partner_admin")).await;
    assert_eq!((impossible.status, impossible.code().as_str()), (404, "not_found"));
}

#[tokio::test]
async fn a_body_is_refused_at_the_place_that_is_wrong() {
    for (body, pointer) in [
        ("", ""),
        ("  \n", ""),
        ("{", ""),
        ("{\"name\":\"a\"} {}", ""),
        ("{\"name\":\"a\",}", ""),
        ("null", ""),
        ("[]", ""),
        ("{}", "/name"),
        ("{\"name\":5}", "/name"),
        ("{\"name\":null}", "/name"),
        ("{\"name\":\"a\",\"nmae\":1}", "/nmae"),
        ("{\"name\":\"a\",\"a/b~c\":1}", "/a~1b~0c"),
        ("{\"name\":\"a\",\"name\":\"b\"}", "/name"),
        ("{\"name\":\"a\",\"lines\":[{\"units\":1},{\"units\":\"2\"}]}", "/lines/1/units"),
        ("{\"name\":\"a\",\"lines\":[{\"units\":1.5}]}", "/lines/0/units"),
        ("{\"name\":\"a\",\"lines\":[{\"units\":1,\"cost\":2}]}", "/lines/0/cost"),
    ] {
        assert_eq!(refusal(body).await, (400, "invalid_input".into(), json!(pointer)), "{body}");
    }
}

#[tokio::test]
async fn a_refusal_never_repeats_the_value() {
    for body in [
        r#"{"name":"a","lines":"canary-1"}"#,
        r#"{"name":"a","lines":[{"units":"canary-2, expected canary-2"}]}"#,
        r#"{"name":["canary-3"]}"#,
        r#"{"name":"canary-4"#,
        r#""canary-5""#,
    ] {
        let call = Call::new("POST", "/v1/things").header("content-type", "application/json").raw(body);
        let answer = send(call.acme("partner_admin")).await;
        assert_eq!(answer.status, 400);
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let call = |kind: &str| Call::new("POST", "/v1/things").raw(r#"{"name":"a"}"#).header("content-type", kind);
    for (kind, status) in [
        ("application/json", 201),
        ("Application/JSON; charset=utf-8", 201),
        ("application/merge-patch+json", 201),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/csv", 415),
    ] {
        assert_eq!(send(call(kind).acme("partner_admin")).await.status, status, "{kind}");
    }
    let csv =
        |kind: &str| Call::new("POST", "/v1/csv").raw("\u{feff}a,b").header("content-type", kind).acme("partner_admin");
    assert_eq!(send(csv("text/csv")).await.text, "a,b");
    assert_eq!(send(csv("application/json")).await.status, 415);
}

#[tokio::test]
async fn a_body_may_be_left_out_where_the_route_says_so() {
    assert_eq!(send(Call::new("POST", "/v1/maybe")).await.text, "false");
    assert_eq!(send(Call::post("/v1/maybe", &json!({"name": "a"}))).await.text, "true");
    assert_eq!(send(Call::post("/v1/maybe", &json!({"nmae": "a"}))).await.status, 400);
}

#[tokio::test]
async fn two_megabytes_are_too_large_and_never_parsed() {
    let (world, effects) = (world(), Arc::<Effects>::default());
    let name = "x".repeat(2 * 1024 * 1024);
    let call = Call::post("/v1/things", &json!({"name": name})).acme("partner_admin");
    let answer = call.send(&world.app, routes(&effects)).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "payload_too_large"));
    is_whole(&answer);
    // Broken JSON of that size is too large, too: nothing looked into it.
    let broken = Call::new("POST", "/v1/things").raw(&name).acme("partner_admin");
    assert_eq!(broken.send(&world.app, routes(&effects)).await.status, 413);
    let most = "x".repeat(1024 * 1024 - r#"{"name":""}"#.len());
    let fits = Call::post("/v1/things", &json!({"name": most})).acme("partner_admin");
    assert_eq!(fits.send(&world.app, routes(&effects)).await.status, 201);
    assert_eq!(effects.count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_panic_costs_one_request_and_tells_nothing() {
    let (world, effects) = (world(), Arc::<Effects>::default());
    let answer = Call::get("/v1/panics").acme("partner_admin").send(&world.app, routes(&effects)).await;
    is_whole(&answer);
    assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
    assert!(answer.json()["reference"].as_str().unwrap().starts_with("req_"));
    assert!(!answer.text.contains("canary"), "{}", answer.text);
    assert_eq!(Call::get("/v1/who").acme("partner_admin").send(&world.app, routes(&effects)).await.status, 200);
}

#[tokio::test]
async fn storage_failures_have_their_codes_and_keep_their_causes() {
    let corrupt = send(Call::get("/v1/corrupt")).await;
    assert_eq!((corrupt.status, corrupt.code().as_str()), (500, "internal"));
    assert!(!corrupt.text.contains("canary"), "{}", corrupt.text);
    let foreign = send(Call::get("/v1/foreign")).await;
    assert_eq!((foreign.status, foreign.code().as_str()), (404, "not_found"));
    let raced = send(Call::get("/v1/raced")).await;
    assert_eq!((raced.status, raced.code().as_str()), (409, "conflict"));
}
