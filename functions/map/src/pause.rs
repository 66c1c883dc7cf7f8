//! `POST /v1/connections/{cid}/company-mappings/{account_id}/pause` and `…/resume`.

use crate::mappings::{Answer, SavedView, answer};
use crate::{Call, MAPPERS};
use axum::extract::State;
use domain::{AccountId, ConnectionId, mappings};
use runtime::App;
use runtime::edge::{ApiError, Caller, IfMatch, PathParams, ProblemBody};
use serde_json::{Value, json};

fn paused() -> Value {
    example(true)
}

fn resumed() -> Value {
    example(false)
}

fn example(paused: bool) -> Value {
    json!({
        "account_id": "a1", "changed": true, "warnings": [],
        "mapping": {
            "status": "confirmed", "company": {"id": 4101, "name": "Blue Kite Ltd"},
            "contract": {"id": 3300, "name": "Managed services 2026", "start": "2026-01-01", "end": "2026-12-31"},
            "lines": [{"package_id": "training", "kind": "service", "contract_service_id": 789,
                "name_now": "Security Awareness Training", "units_now": null, "checked_at": "2026-11-20T09:00:00Z",
                "overwrite_cost": null, "contract_id": 3300}], "contracts": [],
            "source": "manual", "broken": null, "paused": paused, "confirmed_at": "2026-11-01T10:00:00Z",
            "updated_at": "2026-11-20T09:00:00Z", "version": 3, "notes": []
        }
    })
}

/// Sets an account apart: no run writes its lines until it is resumed; its mapping stays
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/company-mappings/{account_id}/pause",
    tag = "map",
    params(
        ("cid" = String, Path, example = "con_1"),
        ("account_id" = String, Path, example = "a1"),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "Paused now, or already", body = SavedView, example = paused),
        (status = 404, description = "`not_found`: it has no mapping", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn pause_account(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, account)): PathParams<(ConnectionId, AccountId)>,
    IfMatch(version): IfMatch,
) -> Result<Answer, ApiError> {
    set(app, &caller, (cid, account), true, version).await
}

/// Ends an account's pause: the next run writes its lines again
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/company-mappings/{account_id}/resume",
    tag = "map",
    params(
        ("cid" = String, Path, example = "con_1"),
        ("account_id" = String, Path, example = "a1"),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "Resumed now, or never paused", body = SavedView, example = resumed),
        (status = 404, description = "`not_found`: it has no mapping", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn resume_account(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, account)): PathParams<(ConnectionId, AccountId)>,
    IfMatch(version): IfMatch,
) -> Result<Answer, ApiError> {
    set(app, &caller, (cid, account), false, version).await
}

async fn set(
    app: App,
    caller: &Caller,
    (cid, account): (ConnectionId, AccountId),
    to: bool,
    version: Option<u64>,
) -> Result<Answer, ApiError> {
    let call = Call::new(app, caller, MAPPERS, cid)?;
    let saved = mappings::set_paused(call.context(), &account, to, version).await?;
    Ok(answer(account, saved, Vec::new()))
}
