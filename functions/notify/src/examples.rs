//! Examples of the document.

use serde_json::{Value, json};

pub(crate) fn notifications_body() -> Value {
    json!({
        "emails": ["billing@msp.example", "lead@msp.example"],
        "events": ["run_finished", "run_failed", "held", "disconnected"]
    })
}

pub(crate) fn notifications() -> Value {
    json!({
        "emails": ["billing@msp.example", "lead@msp.example"],
        "events": ["run_finished", "run_failed", "held", "disconnected"],
        "recipients": ["billing@msp.example", "lead@msp.example"],
        "sends_mail": true,
        "sender": "autotask@vendor.example",
        "mailed_at": "2026-12-01T00:21:07Z",
        "waiting": 1,
        "next_at": "2026-12-01T01:21:07Z",
        "trouble": null
    })
}

pub(crate) fn tested() -> Value {
    json!({"sent_to": ["billing@msp.example", "lead@msp.example"]})
}
