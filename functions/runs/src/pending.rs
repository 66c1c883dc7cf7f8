//! What is not billed as it should be yet.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::packages::{self, PendingEntry, PendingKind};
use domain::{Code, ConnectionId};
use jiff::Timestamp;
use runtime::edge::{ApiError, Caller, Paging, Params, PathParams, ProblemBody, READERS};
use runtime::{App, cursor};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Names the listing in its cursors.
const ROUTE: &str = "/v1/connections/{cid}/pending-changes";

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PendingQuery {
    /// Rows of the page, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Something of an account that is not billed as it should be yet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PendingView {
    /// `change`: a package change was told; `remapped`: the package is mapped to another service than the one that
    /// its line holds.
    #[schema(value_type = String, example = "change")]
    kind: PendingKind,
    /// The vendor's name of the change; null for what is mapped anew.
    change_id: Option<String>,
    account: PendingAccount,
    /// The package that the account no longer has, or had in another quantity.
    from: Option<String>,
    /// The package that it has now.
    to: Option<String>,
    quantity: Option<i64>,
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// Why it waits; null where it is about to be pushed.
    #[schema(value_type = Option<String>, example = "auto_sync_off")]
    code: Option<Code>,
    /// The same in words.
    words: Option<String>,
    /// What to do about it.
    action: Option<&'static str>,
    /// Whether it is pushed by itself.
    auto: bool,
    /// When it is looked at next, where it is pushed by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Timestamp>,
    /// How many runs have tried it.
    tries: u32,
    /// The run that has it, or had it last.
    run_id: Option<String>,
}

/// Which account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PendingAccount {
    id: String,
    name: String,
}

impl From<PendingEntry> for PendingView {
    fn from(entry: PendingEntry) -> Self {
        let (code, words) = entry.why.map_or((None, None), |(code, words)| (code, Some(words)));
        Self {
            kind: entry.kind,
            change_id: entry.change.map(Into::into),
            account: PendingAccount { id: entry.account.into(), name: entry.account_name },
            from: entry.from.map(Into::into),
            to: entry.to.map(Into::into),
            quantity: entry.quantity,
            occurred_at: entry.occurred_at,
            received_at: entry.received_at,
            action: code.map(Code::action),
            code,
            words,
            auto: entry.auto,
            next_at: entry.next_at,
            tries: entry.tries,
            run_id: entry.run.map(Into::into),
        }
    }
}

/// A page of what is pending: what was told, oldest first, then what was mapped anew.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PendingPage {
    items: Vec<PendingView>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// What a cursor of the list says: where, and of which list.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    connection: ConnectionId,
    after: String,
}

/// Package changes that are not billed yet, and lines that the next sync swaps
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/pending-changes",
    tag = "runs",
    params(("cid" = String, Path), PendingQuery),
    responses(
        (status = 200, description = "A page", body = PendingPage, example = json!({"items": [{"kind": "change", "change_id": "chg-4711", "account": {"id": "a1", "name": "Blue Kite Ltd"}, "from": "basic", "to": "premium", "quantity": 10, "occurred_at": "2026-11-20T10:58:00Z", "received_at": "2026-11-20T10:58:02Z", "code": "auto_sync_off", "words": "Automatic billing sync is off; use Sync now, or switch it on for later changes.", "action": "Use Sync now, or switch automatic sync on.", "auto": false, "next_at": null, "tries": 0, "run_id": null}], "next_cursor": null})),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_pending(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    query: Params<PendingQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let query = query.read()?;
    let limit = usize::try_from(Paging::limit_of(query.limit)?).unwrap_or(usize::MAX);
    let after = match &query.cursor {
        Some(text) => {
            let position: Position = cursor::decode(&app, &caller, ROUTE, text)?;
            if position.connection != cid {
                return Err(crate::lines::foreign_cursor());
            }
            Some(position.after)
        }
        None => None,
    };
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let all = packages::list_pending(&app.ports, &scope, partner, &cid).await?;
    let mut rest = all.into_iter().filter(|entry| after.as_ref().is_none_or(|after| entry.place() > *after)).peekable();
    let page: Vec<PendingEntry> = rest.by_ref().take(limit).collect();
    let last = page.last().filter(|_| rest.peek().is_some()).map(PendingEntry::place);
    let at = |after| Position { connection: cid.clone(), after };
    let next_cursor = last.map(|after| cursor::encode(&app, &caller, ROUTE, &at(after))).transpose()?;
    Ok(Json(PendingPage { items: page.into_iter().map(Into::into).collect(), next_cursor }))
}
