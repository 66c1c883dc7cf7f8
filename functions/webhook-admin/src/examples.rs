//! Examples of the API's description.

use serde_json::{Value, json};

pub(crate) fn install_body() -> Value {
    json!({"entities": ["companies", "contacts"]})
}

fn state(state: &str, entities: &[&str]) -> Value {
    json!({
        "state": state, "entities": entities, "generation": 1, "problem": null, "looked_at": "2026-11-20T10:17:00Z",
        "catching_up": false,
    })
}

pub(crate) fn installing() -> Value {
    state("installing", &["companies", "contacts"])
}

pub(crate) fn uninstalling() -> Value {
    state("uninstalling", &[])
}

pub(crate) fn table() -> Value {
    let mut table = state("failed", &["companies", "contacts"]);
    table["items"] = json!([
        {
            "id": "companies-12", "name": "Sentinel Awareness companies",
            "url": "https://hooks.example.net/hooks/autotask/…", "entity": "companies", "status": "active",
            "last_event_at": "2026-11-20T10:58:00Z", "errors_24h": 0, "problem": null, "skipped_fields": [],
        },
        {
            "id": null, "name": "", "url": null, "entity": "contacts", "status": "missing", "last_event_at": null,
            "errors_24h": 0,
            "problem": {
                "code": "webhook_limit_reached",
                "words": "Autotask says: There can be at most 50 active webhooks per entity.",
                "action": "Remove webhooks that nobody needs in Autotask (50 may be active per kind), or raise the security level's maximum; then install again.",
                "since": "2026-11-20T10:17:00Z",
            },
            "skipped_fields": [],
        },
    ]);
    table["stale"] = Value::Null;
    table
}

pub(crate) fn cleaned() -> Value {
    json!({"removed": 1})
}

pub(crate) fn delivery() -> Value {
    json!({
        "id": "7c9d2a10-5a0e-4b0e-9d3f-1f0a2b4c6d8e.41", "received_at": "2026-11-20T10:58:00Z",
        "webhook": "7c9d2a10-5a0e-4b0e-9d3f-1f0a2b4c6d8e", "entity": "companies", "action": "update", "sequence": 41,
        "autotask_id": 174, "person_id": 29682885, "happened_at": "2026-11-20T10:57:58Z", "signature": "valid",
        "key_generation": 1, "source": "callout", "status": "applied", "words": "", "came_again": 0, "attempts": 1,
        "handled_at": "2026-11-20T10:58:01Z", "latency_ms": 1000,
        "event_id": "0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012", "payload": {"companyName": "…", "isActive": true},
    })
}

pub(crate) fn deliveries() -> Value {
    json!({"items": [delivery()], "next_cursor": null})
}

pub(crate) fn again() -> Value {
    let mut again = delivery();
    again["status"] = json!("stored");
    json!({"was": "applied", "delivery": again})
}

pub(crate) fn replay_body() -> Value {
    json!({"since": "2026-11-20T09:00:00Z", "until": "2026-11-20T11:00:00Z", "only": "failed", "dry_run": true})
}

pub(crate) fn replayed() -> Value {
    json!({"dry_run": true, "matched": 3, "queued": 0, "next_until": null})
}
