//! `PUT|DELETE /v1/connections/{cid}/company-mappings/{account_id}`, `…/confirm`, `…/remap`.

use crate::views::{LineKindView, MappingView, NoteView};
use crate::{Call, MAPPERS};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::mappings::{self, MappingSource, Move, Saved, SavedWithRemarks, Wanted, WantedLine};
use domain::{AccountId, ConnectionId, LineRef, PackageId};
use http::StatusCode;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, PathParams, ProblemBody, etag};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A line of a mapping.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineBody {
    /// Whose count.
    #[schema(value_type = String, example = "training")]
    package_id: PackageId,
    /// On which contract of the company: null, or the mapping's, unless the setting `topologies.contract_per_package`
    /// is on. Without a line it is where the line is looked for, or added.
    #[serde(default)]
    #[schema(example = 3300)]
    contract_id: Option<i64>,
    /// Service or bundle.
    #[serde(default)]
    #[schema(default = "service")]
    kind: LineKindView,
    /// To which line of that contract; null: to none yet.
    #[serde(default)]
    #[schema(example = 789)]
    contract_service_id: Option<i64>,
    /// Overwrite Cost of this line; null: the setting of its package's mapping, or where that has none either, the
    /// connection's. Not for bundles.
    #[serde(default)]
    overwrite_cost: Option<bool>,
}

/// What an account is mapped to: the whole of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingBody {
    /// `Companies.id`; required unless excluded.
    #[serde(default)]
    #[schema(example = 4101)]
    company_id: Option<i64>,
    /// `Contracts.id`; null: mapped and never billed.
    #[serde(default)]
    #[schema(example = 3300)]
    contract_id: Option<i64>,
    /// At most 20.
    #[serde(default)]
    lines: Vec<LineBody>,
    /// Not this account; then nothing else is given.
    #[serde(default)]
    excluded: bool,
}

impl From<MappingBody> for Wanted {
    fn from(body: MappingBody) -> Self {
        let line = |l: LineBody| WantedLine {
            package_id: l.package_id,
            contract_id: l.contract_id,
            line: l.contract_service_id.map(|id| LineRef { kind: l.kind.into(), id }),
            overwrite_cost: l.overwrite_cost,
        };
        let MappingBody { company_id, contract_id, lines, excluded } = body;
        Self { company_id, contract_id, lines: lines.into_iter().map(line).collect(), excluded }
    }
}

/// An account's mapping after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct SavedView {
    #[schema(value_type = String, example = "a1")]
    account_id: AccountId,
    mapping: MappingView,
    /// Whether this call changed it.
    changed: bool,
    /// What to know: `contract_not_monthly`, `effective_date_outside_contract`, `contract_renewed`.
    warnings: Vec<NoteView>,
}

pub(crate) type Answer = ([(http::HeaderName, String); 1], Json<SavedView>);

pub(crate) fn answer(account_id: AccountId, saved: Saved, warnings: Vec<mappings::Remark>) -> Answer {
    let Saved { mapping, changed } = saved;
    let v = mapping.v;
    let mapping = MappingView::of(Some(mapping), Vec::new(), None);
    let warnings = warnings.into_iter().map(NoteView::from).collect();
    (etag(v), Json(SavedView { account_id, mapping, changed, warnings }))
}

/// Maps an account to a company, and where wanted to a contract and its lines
///
/// A person's save is confirmed at once. Nothing in Autotask is changed.
#[utoipa::path(
    put,
    path = "/v1/connections/{cid}/company-mappings/{account_id}",
    tag = "map",
    params(
        ("cid" = String, Path, example = "con_1"),
        ("account_id" = String, Path, example = "a1"),
        ("If-Match" = Option<String>, Header),
    ),
    request_body(content = MappingBody, example = json!({"company_id": 4101, "contract_id": 3300, "lines": [{"package_id": "training", "contract_service_id": 789}], "excluded": false})),
    responses(
        (status = 200, description = "Saved", body = SavedView, example = json!({
            "account_id": "a1", "changed": true, "warnings": [],
            "mapping": {
                "status": "confirmed", "company": {"id": 4101, "name": "Blue Kite Ltd"},
                "contract": {"id": 3300, "name": "Managed services 2026", "start": "2026-01-01", "end": "2026-12-31"},
                "lines": [{"package_id": "training", "kind": "service", "contract_service_id": 789,
                    "name_now": "Security Awareness Training", "units_now": null, "checked_at": "2026-11-20T09:00:00Z",
                    "overwrite_cost": null, "contract_id": 3300}], "contracts": [],
                "source": "manual", "broken": null, "paused": false, "confirmed_at": "2026-11-20T09:00:00Z",
                "updated_at": "2026-11-20T09:00:00Z", "version": 1, "notes": []
            }
        })),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`account_claimed_by_other_psa`, `needs_relink`, `connection_paused`, `conflict`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`company_already_mapped`, `contract_service_shared` (both with `account_ids`), `company_inactive_or_gone`, `contract_not_found`, `contract_not_recurring`, `contract_ended`, `contract_renewed`, `contract_service_removed`, `service_inactive`, `bundle_cost_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put_mapping(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, account)): PathParams<(ConnectionId, AccountId)>,
    IfMatch(version): IfMatch,
    body: Body<MappingBody>,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, MAPPERS, cid)?;
    let body = body.read()?;
    let saved = mappings::save(call.context(), &account, body.into(), version).await?;
    let SavedWithRemarks { saved, warnings } = saved;
    Ok(answer(account, saved, warnings))
}

/// Removes an account's mapping: it is not billed any more
///
/// Autotask stays as it is, units included.
#[utoipa::path(
    delete,
    path = "/v1/connections/{cid}/company-mappings/{account_id}",
    tag = "map",
    params(
        ("cid" = String, Path, example = "con_1"),
        ("account_id" = String, Path, example = "a1"),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "`not_found`: it has no mapping", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete_mapping(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, account)): PathParams<(ConnectionId, AccountId)>,
    IfMatch(version): IfMatch,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, MAPPERS, cid)?;
    mappings::unmap(call.context(), &account, version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Confirms a suggested mapping
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/company-mappings/{account_id}/confirm",
    tag = "map",
    params(
        ("cid" = String, Path, example = "con_1"),
        ("account_id" = String, Path, example = "a1"),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "Confirmed now, or already", body = SavedView, example = json!({
            "account_id": "a1", "changed": true, "warnings": [],
            "mapping": {
                "status": "confirmed", "company": {"id": 4101, "name": "Blue Kite Ltd"}, "contract": null, "lines": [], "contracts": [],
                "source": "email", "broken": null, "paused": false, "confirmed_at": "2026-11-20T09:00:00Z",
                "updated_at": "2026-11-20T09:00:00Z", "version": 2,
                "notes": [{"code": "no_contract_selected", "detail": "The account is mapped without a contract.", "action": "Choose a contract and a line."}]
            }
        })),
        (status = 404, description = "`not_found`: it has no mapping", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict` (excluded), `account_claimed_by_other_psa`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`company_already_mapped`, `contract_service_shared`; a broken mapping's own code", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn confirm_mapping(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, account)): PathParams<(ConnectionId, AccountId)>,
    IfMatch(version): IfMatch,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, MAPPERS, cid)?;
    let saved = mappings::confirm(call.context(), &account, version).await?;
    Ok(answer(account, saved, Vec::new()))
}

/// Why a mapping moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RemapReason {
    /// The contract was renewed by the other one.
    Renewal,
    /// Anything else.
    #[default]
    Other,
}

/// To which contract a mapping moves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemapBody {
    /// `Contracts.id`, of the same company.
    #[schema(example = 3400)]
    to_contract_id: i64,
    /// The contract that is left: one that packages of the mapping have of their own; null: the mapping's.
    #[serde(default)]
    #[schema(example = 3300)]
    from_contract_id: Option<i64>,
    #[serde(default)]
    reason: RemapReason,
}

/// Moves a mapping to another contract of its company
///
/// Each line goes to the one line of the same service there; packages on other contracts stay. It is confirmed.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/company-mappings/{account_id}/remap",
    tag = "map",
    params(
        ("cid" = String, Path, example = "con_1"),
        ("account_id" = String, Path, example = "a1"),
        ("If-Match" = Option<String>, Header),
    ),
    request_body(content = RemapBody, example = json!({"to_contract_id": 3400, "reason": "renewal"})),
    responses(
        (status = 200, description = "Moved", body = SavedView, example = json!({
            "account_id": "a1", "changed": true, "warnings": [],
            "mapping": {
                "status": "confirmed", "company": {"id": 4101, "name": "Blue Kite Ltd"},
                "contract": {"id": 3400, "name": "Managed services 2027", "start": "2027-01-01", "end": "2027-12-31"},
                "lines": [{"package_id": "training", "kind": "service", "contract_service_id": 901,
                    "name_now": "Security Awareness Training", "units_now": null, "checked_at": "2027-01-02T09:00:00Z",
                    "overwrite_cost": null, "contract_id": 3400}], "contracts": [],
                "source": "renewal", "broken": null, "paused": false, "confirmed_at": "2027-01-02T09:00:00Z",
                "updated_at": "2027-01-02T09:00:00Z", "version": 4, "notes": []
            }
        })),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: it has no mapping", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`, `account_claimed_by_other_psa`, `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`duplicate_line`, `contract_service_removed`, `contract_not_found`, `contract_not_recurring`, `contract_ended`, `contract_service_shared`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn remap_mapping(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, account)): PathParams<(ConnectionId, AccountId)>,
    IfMatch(version): IfMatch,
    body: Body<RemapBody>,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, MAPPERS, cid)?;
    let body = body.read()?;
    let source = match body.reason {
        RemapReason::Renewal => MappingSource::Renewal,
        RemapReason::Other => MappingSource::Manual,
    };
    let moved = Move { from: body.from_contract_id, to: body.to_contract_id };
    let saved = mappings::remap_from(call.context(), &account, moved, source, version).await?;
    let SavedWithRemarks { saved, warnings } = saved;
    Ok(answer(account, saved, warnings))
}
