//! Examples of the API's description.

use serde_json::{Value, json};

pub(crate) fn invoice() -> Value {
    json!({
        "autotask_id": 6100, "reference": "INV-0091", "number": "INV-0091", "number_clash": false, "status": "open",
        "company_id": 4101, "date": "2026-11-02", "due_date": "2026-12-02", "from": "2026-10-01", "to": "2026-10-31",
        "currency": "EUR", "total": "150.00", "tax": "25.00", "outstanding": "100.00", "outstanding_basis": "ledger",
        "overpaid": "0", "paid": "50.00", "credited": "0", "paid_date": null, "voided_date": null,
        "missing_since": null, "stopped_by": null, "archived_at": null, "order_number": "", "line_count": 8, "lines_match": true,
        "lines_total": null, "notes": [], "changed_at": "2026-11-02T10:15:07Z",
    })
}

pub(crate) fn one_invoice() -> Value {
    let mut one = invoice();
    one["pdf"] = json!({
        "state": "stored", "size": 48_211, "at": "2026-11-02T10:16:30Z", "next_attempt_at": null,
        "sha256": "5b7f2a6f0c5d3f1e9a8b7c6d5e4f30211203f4e5d6c7b8a99e1f3d5c0f6a2f7b",
    });
    one
}

pub(crate) fn invoices() -> Value {
    json!({"items": [invoice()], "next_cursor": null})
}

pub(crate) fn lines() -> Value {
    json!({
        "items": [{
            "autotask_id": 90210, "name": "Email Security", "description": "Email Security, per user",
            "quantity": "47", "rate": "2.50", "amount": "117.50", "tax": "23.50", "date": "2026-11-01", "kind": 11,
            "contract_id": 3300, "service_id": 41, "service_bundle_id": null,
        }],
        "next_cursor": null,
    })
}

pub(crate) fn sync_status() -> Value {
    let counts = json!({
        "customers_seen": 3, "customers_changed": 1, "invoices_seen": 12, "invoices_created": 12,
        "invoices_changed": 0, "invoices_missing": 0, "invoices_hidden": 0, "lines": 96, "unreadable": 0,
        "autotask_calls": 4,
    });
    let never = json!({
        "last_state": null, "last_started_at": null, "last_ended_at": null, "last_counts": null,
        "last_problem": null, "next_at": null, "next_manual_at": null,
    });
    json!({
        "state": "idle", "checkpoint": "2026-11-20T10:07:00Z", "running": null, "import": never,
        "new": {
            "last_state": "done", "last_started_at": "2026-11-20T10:07:00Z",
            "last_ended_at": "2026-11-20T10:07:03Z", "last_counts": counts, "last_problem": null,
            "next_at": "2026-11-20T11:07:00Z", "next_manual_at": null,
        },
        "open": never, "pdfs_waiting": 0,
    })
}

pub(crate) fn filters_body() -> Value {
    json!({
        "company_types": ["Customer"], "classifications": [], "company_ids": {"in": [], "not_in": [4102]},
        "company_udf": null, "contact_udf": {"name": "Billing Contact", "equals": "Yes"},
        "invoice_date_from": "2026-01-01", "unpaid_only": false, "include_zero": false,
    })
}

pub(crate) fn filters() -> Value {
    json!({"filters": filters_body(), "everything": false, "changed_at": "2026-11-20T10:07:00Z"})
}

fn effect() -> Value {
    json!({
        "companies": {"total": 1930, "matching": 412},
        "invoices": {"total": 9120, "matching": 2210, "open": 96, "appears": 0, "stops_updating": 6910},
        "exact": true,
    })
}

pub(crate) fn saved_filters() -> Value {
    let mut saved = filters();
    saved["changed"] = json!(true);
    saved["import"] = json!(false);
    saved["effect"] = effect();
    saved["warnings"] = json!([]);
    saved
}

pub(crate) fn previewed_filters() -> Value {
    json!({"filters": filters_body(), "import": false, "effect": effect(), "warnings": []})
}

pub(crate) fn explained() -> Value {
    json!({"findings": [{
        "verdict": "hidden", "code": "customer_not_synced", "detail": "The filter `company_types` keeps it out.",
        "action": "Change the filter that the answer names, if it is to be fetched.", "autotask_id": 6107,
        "number": "INV-0097", "company_id": 4120, "company_name": "Blue Kite Ltd", "status": null, "since": null,
        "voided_date": null, "filter": {"name": "company_types", "value": ["Customer"]}, "next_fetch_at": null,
    }]})
}

fn customer_alone() -> Value {
    json!({
        "company_id": 4101, "name": "Blue Kite Ltd", "number": "BK-7", "active": true, "phone": "0131 000 000",
        "tax_id": null, "currency": "EUR",
        "address": {"line1": "1 Quay St", "line2": "", "city": "Leith", "state": "", "postal_code": "EH6 0AA", "country_id": 232},
        "hidden_by": null, "missing_since": null, "archived_at": null, "changed_at": "2026-11-02T10:15:07Z",
    })
}

pub(crate) fn customers() -> Value {
    json!({"items": [customer_alone()], "next_cursor": null})
}

pub(crate) fn customer() -> Value {
    let mut customer = customer_alone();
    customer["contacts"] = json!([{
        "contact_id": 30682601, "first_name": "Ada", "last_name": "Byron", "email": "ada@bluekite.example",
        "phone": null, "primary": true,
    }]);
    customer
}
