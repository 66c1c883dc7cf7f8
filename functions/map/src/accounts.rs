//! `GET /v1/connections/{cid}/accounts`.

use crate::views::AccountRowView;
use crate::{Call, READERS};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::mappings::{self, AccountQuery, MappingStatus, StatusFilter};
use domain::{ConnectionId, Problem, RunId};
use runtime::App;
use runtime::cursor;
use runtime::edge::{ApiError, Caller, Paging, Params, PathParams, ProblemBody};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Longest filter text, in characters.
const Q_CHARS_MAX: usize = 200;
/// What cursors of this listing are bound to.
const ROUTE: &str = "/v1/connections/{cid}/accounts";

/// What accounts to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountParams {
    /// Only with this status: `unmapped`, `suggested`, `confirmed`, `excluded` or `broken`.
    status: Option<String>,
    /// Part of the name, id or e-mail address.
    q: Option<String>,
    /// Read names and units of the mapped lines from Autotask.
    #[serde(default)]
    live: bool,
    /// Rows of the page, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// The `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

/// Where a listing goes on, and of what.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    connection: ConnectionId,
    status: Option<String>,
    q: Option<String>,
    after: String,
}

/// A page of accounts.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountsView {
    items: Vec<AccountRowView>,
    /// Gets the next page; null on the last one. A page may have fewer rows than asked for, and still a next one.
    next_cursor: Option<String>,
    /// The auto-map run that this first look at the accounts has started.
    #[schema(value_type = Option<String>)]
    automap_run_id: Option<RunId>,
}

/// Lists accounts with what they are mapped to
///
/// Without `live` a line's name is the one last seen and its units are null. The first call by somebody of the partner
/// starts the auto-map run that comes by itself.
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/accounts",
    tag = "map",
    params(("cid" = String, Path, example = "con_1"), AccountParams),
    responses(
        (status = 200, description = "A page of accounts, by id", body = AccountsView, example = json!({
            "items": [{
                "account_id": "a1", "name": "Blue Kite Ltd", "contact_email": "office@bluekite.example", "active": true,
                "package_ids": ["training"],
                "mapping": {
                    "status": "confirmed", "company": {"id": 4101, "name": "Blue Kite Ltd"},
                    "contract": {"id": 3300, "name": "Managed services 2026", "start": "2026-01-01", "end": "2026-12-31"},
                    "lines": [{"package_id": "training", "kind": "service", "contract_service_id": 789,
                        "name_now": "Security Awareness Training", "units_now": 47, "checked_at": "2026-11-20T09:00:00Z",
                        "overwrite_cost": null, "contract_id": 3300}], "contracts": [],
                    "source": "manual", "broken": null, "paused": false, "confirmed_at": "2026-11-01T10:00:00Z",
                    "updated_at": "2026-11-01T10:00:00Z", "version": 2, "notes": []
                }
            }],
            "next_cursor": null, "automap_run_id": null
        })),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`, with `live=true`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_accounts(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    params: Params<AccountParams>,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app.clone(), &caller, READERS, cid)?;
    let params = params.read()?;
    let query = query_of(&app, &caller, &call, &params)?;
    let page = mappings::list_accounts(call.context(), &query).await?;
    let next_cursor = match page.next {
        Some(after) => {
            let AccountParams { status, q, .. } = params;
            let position = Position { connection: call.connection.clone(), status, q, after };
            Some(cursor::encode(&app, &caller, ROUTE, &position)?)
        }
        None => None,
    };
    let automap_run_id = if caller.role().is_partner() { first_automap(&call).await } else { None };
    Ok(Json(AccountsView {
        items: page.rows.into_iter().map(AccountRowView::from).collect(),
        next_cursor,
        automap_run_id,
    }))
}

/// The accounts are shown whether or not auto-map can be started now.
async fn first_automap(call: &Call) -> Option<RunId> {
    match mappings::first_automap(call.context()).await {
        Ok(run) => run,
        Err(error) => {
            tracing::warn!(connection.id = %call.connection, error = %error, "the first auto-map could not be started");
            None
        }
    }
}

fn query_of(app: &App, caller: &Caller, call: &Call, params: &AccountParams) -> Result<AccountQuery, ApiError> {
    let limit = Paging::limit_of(params.limit)?;
    let status = params.status.as_deref().map(status_filter).transpose()?;
    if params.q.as_ref().is_some_and(|q| q.chars().count() > Q_CHARS_MAX) {
        return Err(Problem::field("q", format!("must have at most {Q_CHARS_MAX} characters")).into());
    }
    let after = match &params.cursor {
        Some(text) => {
            let position: Position = cursor::decode(app, caller, ROUTE, text)?;
            let same =
                (&position.connection, &position.status, &position.q) == (&call.connection, &params.status, &params.q);
            if !same {
                return Err(Problem::field("cursor", "belongs to another listing; start without one").into());
            }
            Some(position.after)
        }
        None => None,
    };
    Ok(AccountQuery { status, q: params.q.clone(), limit, after, live: params.live })
}

fn status_filter(text: &str) -> Result<StatusFilter, ApiError> {
    Ok(match text {
        "unmapped" => StatusFilter::Unmapped,
        "suggested" => StatusFilter::Is(MappingStatus::Suggested),
        "confirmed" => StatusFilter::Is(MappingStatus::Confirmed),
        "excluded" => StatusFilter::Is(MappingStatus::Excluded),
        "broken" => StatusFilter::Is(MappingStatus::Broken),
        _ => {
            let rule = "must be unmapped, suggested, confirmed, excluded or broken";
            return Err(Problem::field("status", rule).into());
        }
    })
}
