//! `POST /v1/package-changes` and `GET /v1/package-changes/{change_id}`.

use crate::{BACK_END, reach};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::ids::ChangeId;
use domain::packages::{self, ChangeInput, ChangeState, KnownChange, PackageChange, ToldOutcome};
use domain::{AccountId, Code, PackageId, PartnerId};
use http::StatusCode;
use jiff::Timestamp;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, Params, PathParams, ProblemBody};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A change of an account's packages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageChangeBody {
    /// Whose client; in an event the envelope says it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "acme")]
    pub(crate) partner: Option<PartnerId>,
    #[schema(value_type = String, example = "a1")]
    account_id: AccountId,
    /// The package that the account no longer has; the same as `to` where only its quantity changed. `from` or `to`
    /// is required.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "basic")]
    from: Option<PackageId>,
    /// The package that it has now; null where it was removed.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "premium")]
    to: Option<PackageId>,
    /// How many of it, 0 to 10,000,000; required with `to`.
    #[serde(default)]
    #[schema(example = 10)]
    quantity: Option<i64>,
    /// When it changed; at most 5 minutes ahead. Orders changes, in whatever order they arrive.
    #[schema(value_type = String, format = DateTime, example = "2026-11-20T10:58:00Z")]
    occurred_at: Timestamp,
    /// The vendor's own name of the change: told twice, it is one change.
    #[schema(value_type = String, example = "chg-4711")]
    change_id: ChangeId,
}

impl PackageChangeBody {
    pub(crate) fn of_partner(self, partner: PartnerId) -> ChangeInput {
        let Self { account_id, from, to, quantity, occurred_at, change_id, .. } = self;
        ChangeInput { partner, account: account_id, id: change_id, from, to, quantity, occurred_at }
    }
}

/// What became of a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToldChangeView {
    #[schema(value_type = String, example = "chg-4711")]
    change_id: ChangeId,
    /// `recorded`, or `repeated` where it was known already.
    #[schema(value_type = String, example = "recorded")]
    outcome: ToldOutcome,
    /// `pending` until all its lines are right; `done`; `noted` where there is nothing to push.
    #[schema(value_type = String, example = "pending")]
    state: ChangeState,
    /// Why it is not billed: `auto_sync_off`, `package_unmapped`, …; null while it is being pushed, or done.
    #[schema(value_type = Option<String>, example = "auto_sync_off")]
    code: Option<Code>,
    /// The same in words.
    words: Option<String>,
    /// The run that has it, or had it last.
    run_id: Option<String>,
}

/// A change and where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackageChangeView {
    #[schema(value_type = String, example = "acme")]
    partner_id: PartnerId,
    #[schema(value_type = String, example = "chg-4711")]
    change_id: ChangeId,
    #[schema(value_type = String, example = "a1")]
    account_id: AccountId,
    #[schema(value_type = Option<String>, example = "basic")]
    from: Option<PackageId>,
    #[schema(value_type = Option<String>, example = "premium")]
    to: Option<PackageId>,
    quantity: Option<i64>,
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// `pending`, `done` or `noted`.
    #[schema(value_type = String)]
    state: ChangeState,
    /// Why it is not billed; null while it is being pushed, or done.
    #[schema(value_type = Option<String>)]
    code: Option<Code>,
    /// The same in words.
    words: Option<String>,
    /// What to do about it.
    action: Option<&'static str>,
    /// How many runs have tried it.
    tries: u32,
    /// The run that has it, or had it last.
    run_id: Option<String>,
    /// When it was done.
    #[schema(value_type = Option<String>, format = DateTime)]
    done_at: Option<Timestamp>,
}

impl From<KnownChange> for PackageChangeView {
    fn from(known: KnownChange) -> Self {
        let KnownChange { change, why, run } = known;
        let PackageChange { partner, id, account, from, to, quantity, occurred_at, received_at, .. } = change;
        let (code, words) = why.map_or((None, None), |(code, words)| (code, Some(words)));
        Self {
            partner_id: partner,
            change_id: id,
            account_id: account,
            from,
            to,
            quantity,
            occurred_at,
            received_at,
            state: change.state,
            action: code.map(Code::action),
            code,
            words,
            tries: change.tries,
            run_id: run.map(|run| run.to_string()),
            done_at: change.done_at.filter(|_| change.state == ChangeState::Done),
        }
    }
}

/// Tells a package change
///
/// It is recorded for good; where automatic billing sync is on it is pushed at once, or, where that is not possible
/// now, within a quarter of an hour. Changes of one account may arrive late, twice and in any order.
#[utoipa::path(
    post,
    path = "/v1/package-changes",
    tag = "vendor",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body(content = PackageChangeBody, example = json!({"partner": "acme", "account_id": "a1", "from": "basic", "to": "premium", "quantity": 10, "occurred_at": "2026-11-20T10:58:00Z", "change_id": "chg-4711"})),
    responses(
        (status = 200, description = "Known already, or nothing to push", body = ToldChangeView, example = json!({"change_id": "chg-4711", "outcome": "repeated", "state": "done", "code": null, "words": null, "run_id": "0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012"})),
        (status = 202, description = "Recorded; it is pushed, or waits", body = ToldChangeView, example = json!({"change_id": "chg-4711", "outcome": "recorded", "state": "pending", "code": "auto_sync_off", "words": "Automatic billing sync is off; use Sync now, or switch it on for later changes.", "run_id": null})),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such partner or account", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`idempotency_mismatch`: another change was told under this `change_id`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_change(
    State(app): State<App>,
    caller: Caller,
    body: Body<PackageChangeBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(BACK_END)?;
    let body = body.read()?;
    let Some(partner) = body.partner.clone() else {
        return Err(domain::Problem::field("/partner", "is required").into());
    };
    let scope = reach(&caller, BACK_END, Some(&partner))?;
    let change = body.of_partner(partner);
    let (outcome, known) = packages::tell_change(&app.ports, &scope, caller.actor(), change).await?;
    let waits = outcome == ToldOutcome::Recorded && known.change.state == ChangeState::Pending;
    let view = PackageChangeView::from(known);
    let view = ToldChangeView {
        change_id: view.change_id,
        outcome,
        state: view.state,
        code: view.code,
        words: view.words,
        run_id: view.run_id,
    };
    Ok((if waits { StatusCode::ACCEPTED } else { StatusCode::OK }, Json(view)))
}

/// Whose change.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangeQuery {
    /// Whose client it is about.
    #[param(value_type = String, example = "acme")]
    partner: PartnerId,
}

/// A package change and where it stands
#[utoipa::path(
    get,
    path = "/v1/package-changes/{change_id}",
    tag = "vendor",
    params(("change_id" = String, Path, example = "chg-4711"), ChangeQuery),
    responses(
        (status = 200, description = "The change", body = PackageChangeView, example = json!({"partner_id": "acme", "change_id": "chg-4711", "account_id": "a1", "from": "basic", "to": "premium", "quantity": 10, "occurred_at": "2026-11-20T10:58:00Z", "received_at": "2026-11-20T10:58:02Z", "state": "done", "code": null, "words": null, "action": null, "tries": 1, "run_id": "0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012", "done_at": "2026-11-20T10:58:31Z"})),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_change(
    State(app): State<App>,
    caller: Caller,
    PathParams(id): PathParams<ChangeId>,
    query: Params<ChangeQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(BACK_END)?;
    let query = query.read()?;
    let scope = reach(&caller, BACK_END, Some(&query.partner))?;
    Ok(Json(PackageChangeView::from(packages::read_change(&app.ports, &scope, &query.partner, &id).await?)))
}
