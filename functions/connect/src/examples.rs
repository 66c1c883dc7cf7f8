//! Examples of the API's description that several routes share.

use serde_json::{Map, Value, json};

fn joined(parts: [Value; 2]) -> Value {
    let mut all = Map::new();
    for part in parts {
        all.extend(part.as_object().cloned().unwrap_or_default());
    }
    Value::Object(all)
}

fn connection() -> Value {
    json!({
        "id": "con_0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e", "psa": "autotask", "status": "connected",
        "username": "k3***@MSP.EXAMPLE",
        "zone": {
            "url": "https://webservices15.autotask.net/ATServicesRest/", "web_url": "https://ww15.autotask.net/",
            "ci": 700_123, "discovered_at": "2026-11-20T09:00:00Z",
        },
        "priority": "primary", "email": null, "features": ["seat_sync"], "profile": "seat_count",
        "permissions": [
            {"feature": "mapping", "state": "ready", "missing": []},
            {"feature": "seat_sync", "state": "read_only", "missing": ["Contracts › Contract Services › Add"]},
        ],
        "costs_readable": true, "billing_code_present": false,
        "probed_at": "2026-11-20T09:00:00Z", "last_ok_at": "2026-11-20T09:00:00Z", "needs_relink_since": null,
        "created_at": "2026-11-20T09:00:00Z", "updated_at": "2026-11-20T09:00:00Z",
    })
}

fn warnings() -> Value {
    json!([{
        "code": "billing_code_missing",
        "detail": "There is no active recurring-service billing code named \"Software as a Service\".",
        "action": "Create it in Admin > Finance, Accounting & Invoicing > Billing Codes, then check again.",
    }])
}

pub(crate) fn settings() -> Value {
    json!({
        "priority": "primary", "features": ["seat_sync"], "email": null,
        "time_zone": "Europe/London", "billing_auto_sync": false,
        "schedule": {
            "kind": "monthly", "day": 1, "weekday": "monday", "hour": 0, "minute": 15, "enabled": true,
        },
        "approval_mode": "auto",
        "guards": {
            "max_units": 25, "max_percent": 50, "max_money": "250.00", "hold_zero": true, "stop_run_percent": 30,
            "usage_max_age_hours": 48,
        },
        "drift": "overwrite", "overwrite_cost": false,
        "effective_date": {
            "increase": "period_start", "decrease": "period_start", "package_change_increase": "actual_date",
            "package_change_decrease": "next_period",
        },
        "create_missing_lines": true, "initial_sync_gate": "in_use", "second_approver": false, "renewal": "propose",
        "renewal_notice_days": 30,
        "lookback_days": 7,
        "topologies": {"many_accounts_per_company": "off", "contract_per_package": false},
        "company_scope": {"types": ["Customer"], "active": true},
        "automap": {"email": true, "exact_name": false},
        "api_share_percent": 25, "pilot_accounts": [], "freeze": null, "kill_switch": false,
        "invoice_reference": "invoice_number", "pdf": true,
        "invoice_reference": "invoice_number",
        "payment_writeback": true,
        "failure_ticket": {"enabled": false, "queue": null, "priority": null, "source": null, "company_id": 0, "per": "run"},
        "notifications": {"emails": [], "events": ["run_failed", "fetch_failed", "held", "disconnected", "webhook_disabled", "renewal"]},
        "webhooks": {"entities": ["companies", "contacts"]},
    })
}

pub(crate) fn created() -> Value {
    joined([connection(), json!({"warnings": warnings(), "settings": settings()})])
}

pub(crate) fn overview() -> Value {
    let glance = json!({
        "counters": {
            "accounts": 40, "unmapped": 1, "unconfirmed": 3, "broken": 0, "confirmed": 36, "not_billed": 0,
            "issues": 1, "held": 0,
        },
        "next_run_at": "2026-12-01T00:15:00Z", "last_run": null,
    });
    joined([connection(), glance])
}

pub(crate) fn tested() -> Value {
    joined([connection(), json!({"warnings": warnings(), "autotask_calls": 11})])
}

pub(crate) fn relinked() -> Value {
    joined([connection(), json!({"warnings": [], "started_fresh": false})])
}

pub(crate) fn vendor_profile() -> Value {
    json!({
        "integration_vendor": "Example - Security Training", "integration_code_set": true,
        "support_address": "support@vendor.example", "saas_billing_code": "Software as a Service", "guide_notes": [],
        "manual_limits": {"fetch_new_minutes": 60, "fetch_unpaid_minutes": 720},
    })
}

pub(crate) fn guide() -> Value {
    json!({
        "profile": "seat_count", "available": true, "integration_vendor": "Example - Security Training",
        "support": "support@vendor.example", "security_level": "API User (system)",
        "security_note": "A copy with only the rights of the matrix is recommended, not required.",
        "steps": [{
            "no": 6, "id": "tracking_identifier", "place": "New API User > API Tracking Identifier",
            "text": "Choose Integration Vendor and pick the vendor from the list.",
            "value": "Example - Security Training", "warning": null,
        }],
        "fields": [{
            "field": "Username (Key)", "value": "", "how": "Press Generate Key and copy the result.", "copy": false,
        }],
        "form": [{
            "name": "username", "label": "Username (Key)", "required": true,
            "how": "The generated key, not somebody's own login.",
        }],
        "matrix": [{
            "module": "Contracts", "object": "Contract Services", "view": true, "add": true, "edit": true,
            "delete": true, "why": "Units are read and adjusted.",
        }],
        "never": [{"id": "tickets", "text": "No ticket is ever created.", "supported": false, "planned": false}],
        "notes": [],
    })
}
