//! Examples of the API's description.

use serde_json::{Value, json};

pub(crate) fn payment_body() -> Value {
    json!({
        "connection": "con_0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012", "autotask_invoice_id": 6100, "amount": "150.00",
        "paid_at": "2026-11-20T10:58:00Z", "payment_id": "pay-4711", "currency": "EUR",
    })
}

pub(crate) fn credit_body() -> Value {
    json!({"credit_id": "credit-12", "amount": "25.00", "credited_at": "2026-11-20T10:58:00Z", "currency": "EUR"})
}

fn writeback() -> Value {
    json!({
        "state": "waiting", "code": null, "words": null, "action": null, "wanted_paid_date": "2026-11-20",
        "autotask_paid_date": null, "written_paid_date": null, "attempts": 0, "since": "2026-11-20T11:00:00Z",
        "next_at": "2026-11-20T11:00:00Z",
    })
}

fn standing() -> Value {
    json!({
        "autotask_id": 6100, "status": "paid", "currency": "EUR", "total": "150.00", "paid": "150.00", "credited": "0",
        "outstanding": "0.00", "outstanding_basis": "ledger", "overpaid": "0", "writeback": writeback(),
    })
}

pub(crate) fn recorded() -> Value {
    json!({"id": "pay-4711", "outcome": "recorded", "invoice": standing()})
}

pub(crate) fn repeated() -> Value {
    json!({"id": "pay-4711", "outcome": "repeated", "invoice": standing()})
}

pub(crate) fn deleted() -> Value {
    let mut invoice = standing();
    invoice["status"] = json!("open");
    invoice["paid"] = json!("0");
    invoice["outstanding"] = json!("150.00");
    invoice["writeback"]["wanted_paid_date"] = Value::Null;
    json!({"id": "pay-4711", "outcome": "deleted", "invoice": invoice})
}

pub(crate) fn payments() -> Value {
    json!({
        "invoice": standing(),
        "payments": [{
            "id": "pay-4711", "amount": "150.00", "refunded": "0", "counts": "150.00", "currency": "EUR",
            "at": "2026-11-20T10:58:00Z", "day": "2026-11-20", "recorded_at": "2026-11-20T11:00:00Z",
            "deleted_at": null,
        }],
        "credits": [],
    })
}

pub(crate) fn archived() -> Value {
    json!({"autotask_id": 6100, "status": "missing", "archived_at": "2026-11-20T11:00:00Z"})
}

pub(crate) fn unarchived() -> Value {
    json!({"autotask_id": 6100, "status": "missing", "archived_at": null})
}
