//! Examples of the API's description that several routes share.

use serde_json::{Map, Value, json};

const CONNECTION: &str = "con_0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e";
const RUN: &str = "0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012";
const HELD: &str = "iss_aGVsZF96ZXJvL2FjY291bnQvYWNjXzAwMDcvdHJhaW5pbmc";
const MISSING: &str = "iss_dXNhZ2VfbWlzc2luZy9hY2NvdW50L2FjY18wMDA4L3RyYWluaW5n";

fn with(base: Value, more: Value) -> Value {
    let mut all: Map<String, Value> = base.as_object().cloned().unwrap_or_default();
    all.extend(more.as_object().cloned().unwrap_or_default());
    Value::Object(all)
}

pub(crate) fn issue() -> Value {
    let code = domain::Code::HeldZero;
    let web = "https://ww5.autotask.net/Autotask/AutotaskExtend/ExecuteCommand.aspx";
    json!({
        "id": HELD, "code": code.as_str(), "subject": "account/acc_0007/training", "state": "open",
        "title": code.title(), "detail": "The count fell from 10 to 0.", "effect": code.effect(),
        "action": code.action(), "retryable": false,
        "fix": {
            "method": "POST", "path": format!("/v1/connections/{CONNECTION}/runs/{RUN}/lines/7/approve"),
            "body": null, "not_before": null,
        },
        "autotask": {"kind": "contract", "id": 881, "url": format!("{web}?Code=OpenContract&ContractID=881")},
        "url": format!("/v1/connections/{CONNECTION}/runs/{RUN}/lines?account=acc_0007"),
        "count": 3, "reopened": 0, "opened_at": "2026-10-01T00:16:40Z", "last_at": "2026-12-01T00:16:40Z",
        "resolved_at": null, "run_id": RUN, "decision": null,
        "data": {
            "account_id": "acc_0007", "account_name": "Umbrella", "package_id": "training", "line_no": 7,
            "company_id": 1007, "contract_id": 881, "line": "svc-5501", "units_now": 10, "units_wanted": 0,
            "effective_date": "2026-12-01",
        },
    })
}

pub(crate) fn issues() -> Value {
    json!({"items": [issue()], "next_cursor": null})
}

fn decided(state: &str, action: &str) -> Value {
    let decision = json!({
        "action": action, "who": "ann", "role": "partner_billing", "at": "2026-12-01T08:02:11Z", "reason": null,
    });
    with(issue(), json!({"state": state, "decision": decision}))
}

pub(crate) fn acknowledged() -> Value {
    decided("acknowledged", "acknowledge")
}

pub(crate) fn dismissed() -> Value {
    decided("dismissed", "dismiss")
}

pub(crate) fn ignored() -> Value {
    decided("ignored", "ignore")
}

fn missing() -> Value {
    let code = domain::Code::UsageMissing;
    let own = json!({
        "id": MISSING, "code": code.as_str(), "subject": "account/acc_0008/training", "title": code.title(),
        "detail": "There is no count for this account and package.", "effect": code.effect(),
        "action": code.action(), "retryable": true, "data": null, "autotask": null,
        "fix": {
            "method": "POST", "path": format!("/v1/connections/{CONNECTION}/issues/{MISSING}/retry"), "body": null,
            "not_before": null,
        },
    });
    with(issue(), own)
}

pub(crate) fn started() -> Value {
    json!({
        "outcome": "started", "run_id": RUN, "status_url": format!("/v1/connections/{CONNECTION}/runs/{RUN}"),
        "issue": missing(),
    })
}

pub(crate) fn retried() -> Value {
    let code = domain::Code::NeedsRelink;
    let own = json!({
        "id": "iss_bmVlZHNfcmVsaW5rL2Nvbm5lY3Rpb24", "code": code.as_str(), "subject": "connection",
        "state": "resolved", "title": code.title(), "detail": "Autotask refused the credentials.",
        "effect": code.effect(), "action": code.action(), "retryable": false, "count": 1,
        "resolved_at": "2026-12-01T08:02:11Z", "run_id": null, "data": null, "autotask": null,
        "url": format!("/v1/connections/{CONNECTION}"),
        "fix": {
            "method": "POST", "path": format!("/v1/connections/{CONNECTION}/test"), "body": null, "not_before": null,
        },
    });
    json!({"outcome": "done", "run_id": null, "status_url": null, "issue": with(issue(), own)})
}

pub(crate) fn bulk() -> Value {
    json!({
        "results": [
            {
                "id": MISSING, "outcome": "started", "state": "open", "run_id": RUN,
                "status_url": format!("/v1/connections/{CONNECTION}/runs/{RUN}"), "error": null,
            },
            {
                "id": HELD, "outcome": "refused", "state": null, "run_id": null, "status_url": null,
                "error": {
                    "code": "issue_needs_choice", "detail": "Check the count; allow 0 in the guards, or correct it.",
                    "calls": [{
                        "method": "POST", "path": format!("/v1/connections/{CONNECTION}/runs/{RUN}/lines/7/approve"),
                        "body": null,
                    }],
                },
            },
        ],
        "left": 0,
    })
}

pub(crate) fn audit() -> Value {
    let row = json!({
        "id": RUN, "at": "2026-12-01T08:02:11Z", "who": "ann", "role": "partner_billing", "reason": null,
        "request_id": "req_0199a7c0b1f07c3e9d3f1f0a2b4c6d8e", "action": "mapping.paused",
        "subject": "mapping/acc_0007", "before": {"paused": false}, "after": {"paused": true},
    });
    json!({"items": [row], "next_cursor": null})
}

pub(crate) fn audit_csv() -> Value {
    let header = domain::audit::COLUMNS.join(",");
    let row = "2026-12-01T08:02:11Z,ann,partner_billing,,req_1,mapping.paused,mapping/acc_0007,\"{\"\"paused\"\":false}\",\"{\"\"paused\"\":true}\"";
    json!(format!("{header}\n{row},{RUN}\n"))
}

pub(crate) fn board() -> Value {
    let run = json!({
        "run_id": RUN, "state": "partial", "kind": "seat_sync", "started_at": "2026-12-01T00:15:31Z",
        "ended_at": "2026-12-01T00:16:40Z", "failed": 1, "problem": null,
        "status_url": format!("/v1/connections/{CONNECTION}/runs/{RUN}"),
    });
    let client = json!({
        "account_id": "acc_0007", "name": "Umbrella", "company_id": 1007, "company_name": "Umbrella Corporation",
        "mapping": "confirmed",
    });
    let row = json!({
        "partner_id": "acme", "partner_name": "Acme IT", "connection_id": CONNECTION, "state": "connected",
        "features": ["seat_sync"], "last_ok_at": "2026-12-01T02:10:00Z", "needs_relink_since": null, "issues": 2,
        "held": 1, "seat_sync": run, "package_changes": null, "invoices": null, "clients": [client],
        "day": {
            "lines": 1, "troubled": 1, "truncated": false,
            "url": "/v1/vendor/lines?client=umbrella&date=2026-12-01",
        },
    });
    json!({"items": [row], "next_cursor": null})
}
