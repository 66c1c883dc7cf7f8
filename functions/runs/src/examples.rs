//! Examples of the API's description that several routes share.

use serde_json::{Map, Value, json};

const CONNECTION: &str = "con_0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e";
const RUN: &str = "0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012";

fn with(base: Value, more: Value) -> Value {
    let mut all: Map<String, Value> = base.as_object().cloned().unwrap_or_default();
    all.extend(more.as_object().cloned().unwrap_or_default());
    Value::Object(all)
}

fn status_url() -> String {
    format!("/v1/connections/{CONNECTION}/runs/{RUN}")
}

fn scheduled() -> Value {
    json!({
        "id": RUN, "kind": "seat_sync", "trigger": "schedule", "mode": "apply", "status": "partial",
        "started_by": {"who": "schedule:seat_sync", "role": "system"}, "applied_by": null, "retry_of": null,
        "undo_of": null, "approval_of": null, "accounts": null, "due_slot": "2026-12-01T00:15:00Z",
        "period": {"start": "2026-12-01", "end": "2026-12-31"}, "effective_date": "2026-12-01",
        "plan_hash": "9f2c7d0e5a1b4c3d8e6f7a9b0c1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5",
        "planned_at": "2026-12-01T00:16:02Z", "cancel_requested": false,
        "totals": {
            "lines": 60, "changed": 12, "unchanged": 44, "held": 1, "failed": 1, "skipped": 2, "superseded": 0,
            "unverified": 0,
        },
        "invoice_change": null, "autotask_calls": 16, "problem": null, "outcome": null,
        "created_at": "2026-12-01T00:15:31Z", "updated_at": "2026-12-01T00:16:40Z",
        "finished_at": "2026-12-01T00:16:40Z", "status_url": status_url(),
    })
}

pub(crate) fn runs() -> Value {
    json!({"items": [scheduled()], "next_cursor": null})
}

pub(crate) fn run() -> Value {
    let pressed = json!({
        "trigger": "manual", "due_slot": null, "applied_by": {"who": "ann", "role": "partner_billing"},
        "started_by": {"who": "ann", "role": "partner_billing"}, "invoice_change": "36.00",
    });
    with(with(scheduled(), pressed), json!({"settings": {"time_zone": "UTC", "overwrite_cost": false}}))
}

pub(crate) fn planned() -> Value {
    let waits = json!({
        "status": "planned", "mode": "preview", "trigger": "manual", "due_slot": null, "finished_at": null,
        "started_by": {"who": "ann", "role": "partner_billing"}, "invoice_change": "36.00",
    });
    with(scheduled(), waits)
}

pub(crate) fn cancelled() -> Value {
    with(scheduled(), json!({"status": "cancelled", "trigger": "manual", "due_slot": null}))
}

fn line() -> Value {
    json!({
        "no": 7, "account_id": "acc_0007", "account_name": "Umbrella", "company_id": 1007,
        "company_name": "Umbrella Corporation", "contract_id": 881, "contract_name": "Managed services 2026",
        "package_id": "training", "line_kind": "service", "service_id": 41, "contract_service_id": 5501,
        "service_name": "Security awareness training", "leaving": false, "created": false,
        "reckoning": {
            "source": "usage", "sum": 13, "units": 13, "rule": {"free": 0, "ratio": 1, "min": null, "max": null},
            "parts": [{
                "account_id": "acc_0007", "package_id": "training", "count": 13, "as_of": "2026-11-30T23:00:00Z",
                "how": "newest count",
            }],
        },
        "decision": null, "units_now": 10, "count": 13,
        "count_as_of": "2026-11-30T23:00:00Z", "units_wanted": 13, "delta": 3, "unit_cost_now": "1.50",
        "unit_cost_wanted": null, "invoice_change": "9.00", "effective_date": "2026-12-01",
        "period_already_billed": false, "changed_by_hand_from": null, "state": "changed", "code": null,
        "explanation": "10 -> 13 units from 2026-12-01.", "action": null, "units_sent": 3, "units_verified": 13,
        "adjustment_id": 90017,
    })
}

pub(crate) fn lines() -> Value {
    json!({"items": [line()], "next_cursor": null})
}

pub(crate) fn found_lines() -> Value {
    let of_run = json!({
        "connection_id": CONNECTION, "run_id": RUN, "run_mode": "apply", "run_status": "partial",
        "run_trigger": "schedule", "run_created_at": "2026-12-01T00:15:31Z", "status_url": status_url(),
    });
    json!({"items": [with(of_run, line())], "truncated": false})
}

pub(crate) fn lines_csv() -> Value {
    json!("no,account_id,account_name,…\r\n7,acc_0007,Umbrella,…\r\n")
}

pub(crate) fn reconciliation() -> Value {
    json!({
        "date": "2026-12-14", "made_at": "2026-12-14T09:30:00Z",
        "totals": [
            {"bucket": "match", "lines": 58, "seats": 0, "invoice_difference": "0.00"},
            {"bucket": "under_billed", "lines": 1, "seats": 3, "invoice_difference": "9.00"},
        ],
        "items": [{
            "bucket": "under_billed", "account_id": "acc_0007", "account_name": "Umbrella", "company_id": 1007,
            "company_name": "Umbrella Corporation", "contract_id": 881, "contract_name": "Managed services 2026",
            "package_id": "training", "line_kind": "service", "contract_service_id": 5501,
            "service_name": "Security awareness training", "count": 13, "count_as_of": "2026-12-14T07:00:00Z",
            "units": 10, "difference": 3, "invoice_difference": "9.00", "cost_difference": "4.50", "code": null,
            "explanation": "",
        }],
        "contracts_left_out": 0, "autotask_calls": 7,
    })
}

pub(crate) fn reconciliation_csv() -> Value {
    json!("bucket,account_id,account_name,…\r\nunder_billed,acc_0007,Umbrella,…\r\n")
}

pub(crate) fn usage_history() -> Value {
    let newest = "2026-11-28T07:00:00Z";
    let rule = |rule: &str, count: i64, how: &str| json!({"rule": rule, "count": count, "count_as_of": newest, "explanation": how});
    json!({
        "account_id": "acc_0007", "package_id": "training", "month": "2026-11", "time_zone": "Europe/London",
        "newest_count": 30, "newest_as_of": newest, "opening": 40,
        "days": [
            {"date": "2026-11-10", "last": 45, "high": 45, "as_of": "2026-11-10T07:00:00Z"},
            {"date": "2026-11-14", "last": 50, "high": 52, "as_of": "2026-11-14T19:00:00Z"},
            {"date": "2026-11-28", "last": 30, "high": 30, "as_of": newest},
        ],
        "rules": [
            rule("snapshot_on_run", 30, "newest count, of 28 November 2026"),
            rule("high_water_mark", 52, "largest of 3 daily counts of November 2026: 52 on 14 November"),
            rule("average_rounded_up", 45, "average of the 30 days 1 to 30 November 2026, rounded up: 1330 / 30 = 45"),
            {"rule": "fixed", "count": null, "count_as_of": null, "explanation": null},
        ],
    })
}

pub(crate) fn health() -> Value {
    json!({
        "checked_at": "2026-11-28T09:05:40Z", "slot": "2026-12-01T00:15:00Z", "score": 98,
        "counts": {"lines": 60, "ready": 59, "blocking": 1, "warnings": 0},
        "findings": [{
            "code": "contract_ending", "subject": {"kind": "account", "id": "acc_0007", "name": "Umbrella"},
            "words": "Umbrella (acc_0007): the contract Managed services 2026 (881) ends on 2026-11-30.",
            "effect": "Until its end it is billed as ever; after it nothing is.",
            "action": "Renew or extend the contract in Autotask, then map the account to the successor.",
            "fix": null, "severity": "blocking",
        }],
        "findings_left_out": 0, "accounts_left_out": 0, "autotask_calls": 21,
    })
}
