//! The audit trail: a list, and a file.

use crate::{examples, foreign_cursor};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::audit::{self, After, AuditFilter, Of};
use domain::change::AuditRow;
use domain::{ConnectionId, Error, PartnerId, Problem, Role, Scope};
use http::{HeaderName, HeaderValue, header};
use jiff::Timestamp;
use jiff::civil::Date;
use runtime::edge::{ApiError, Caller, Paging, Params, PathParams, ProblemBody, READERS};
use runtime::{App, cursor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Names the connection's listing in its cursors.
const ROUTE: &str = "/v1/connections/{cid}/audit";
/// Names the partner's own.
const PARTNERS_ROUTE: &str = "/v1/partners/{partner}/audit";
/// Longest text of a filter, in characters.
const FILTER_CHARS_MAX: usize = 300;
/// Headers of a file that is saved and never shown as a page.
const FILE_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
    (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"audit.csv\"")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// From this day on, in the zone of the connection (or partner); all that is kept (400 days) where it is left out.
    #[param(value_type = Option<String>, format = Date, example = "2026-12-01")]
    from: Option<Date>,
    /// Up to this day.
    #[param(value_type = Option<String>, format = Date, example = "2026-12-31")]
    to: Option<Date>,
    /// Only by this caller (a token's `sub`), schedule or queue.
    #[param(example = "ann")]
    who: Option<String>,
    /// Only in this role; `system` is what acts by itself.
    #[param(value_type = Option<String>, example = "partner_billing")]
    role: Option<Role>,
    /// Only this action (`mapping.saved`), or all that begin so (`mapping`).
    #[param(example = "mapping")]
    action: Option<String>,
    /// Only on this subject and what is below it.
    #[param(example = "mapping/acc_0007")]
    subject: Option<String>,
    /// Rows of the page, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which rows go into the file.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditCsvQuery {
    /// From this day on, in the connection's zone; 31 days before the end where it is left out.
    #[param(value_type = Option<String>, format = Date, example = "2026-12-01")]
    from: Option<Date>,
    /// Up to this day.
    #[param(value_type = Option<String>, format = Date, example = "2026-12-31")]
    to: Option<Date>,
    /// As for the list.
    who: Option<String>,
    /// As for the list.
    #[param(value_type = Option<String>)]
    role: Option<Role>,
    /// As for the list.
    action: Option<String>,
    /// As for the list.
    subject: Option<String>,
}

/// One change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditRowView {
    /// UUID v7: rows sort by time.
    #[schema(example = "0199b1c2-7d3e-7f00-8a4b-5c6d7e8f9012")]
    id: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// A token's `sub`, or what acted by itself: `schedule:probe`, `queue:seat_sync`, `event:account.updated`.
    #[schema(example = "ann")]
    who: String,
    #[schema(example = "partner_billing")]
    role: &'static str,
    /// Why, where somebody said so.
    reason: Option<String>,
    /// `X-Request-Id` of the request, or what stands for it.
    #[schema(example = "req_0199a7c0b1f07c3e9d3f1f0a2b4c6d8e")]
    request_id: String,
    #[schema(example = "mapping.saved")]
    action: String,
    #[schema(example = "mapping/acc_0007")]
    subject: String,
    /// As it was.
    #[schema(value_type = Option<Object>)]
    before: Value,
    /// As it is.
    #[schema(value_type = Option<Object>)]
    after: Value,
}

impl From<AuditRow> for AuditRowView {
    fn from(row: AuditRow) -> Self {
        let AuditRow { id, at, actor, action, subject, before, after, .. } = row;
        let domain::Actor { who, role, request_id, reason } = actor;
        Self { id, at, who, role: role.as_str(), reason, request_id, action, subject, before, after }
    }
}

/// A page of the audit trail, the newest row first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditPage {
    items: Vec<AuditRowView>,
    /// Where the next page begins; null on the last one. With a filter a page may be short, or empty, and not the
    /// last.
    next_cursor: Option<String>,
}

/// What a cursor of a list says: where, and of which list.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    partner: PartnerId,
    connection: Option<ConnectionId>,
    filter: AuditFilter,
    after: After,
}

/// Who changed what, in which role, by which request, from what to what
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/audit",
    tag = "ops",
    params(("cid" = String, Path), AuditQuery),
    responses(
        (status = 200, description = "A page; also of a connection that was deleted", body = AuditPage, example = examples::audit),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_audit(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    query: Params<AuditQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let query = query.read()?;
    let of = Of { partner: caller.partner()?, connection: Some(&cid) };
    page(&app, &caller, &caller.scope()?, ROUTE, of, query).await
}

/// What was changed of a partner's own things, which belong to no connection
///
/// Its name and zone, its accounts, counts and packages, told by the vendor's back end.
#[utoipa::path(
    get,
    path = "/v1/partners/{partner}/audit",
    tag = "ops",
    params(("partner" = String, Path), AuditQuery),
    responses(
        (status = 200, description = "A page", body = AuditPage, example = examples::audit),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_partner_audit(
    State(app): State<App>,
    caller: Caller,
    PathParams(partner): PathParams<PartnerId>,
    query: Params<AuditQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let query = query.read()?;
    // A partner role names its own by its token; whoever names one by header must mean the same.
    if caller.partner_if_named().is_some_and(|named| *named != partner) {
        return Err(Error::not_found("partner").into());
    }
    let scope = if caller.role().is_partner() { caller.scope()? } else { caller.system_scope()? };
    page(&app, &caller, &scope, PARTNERS_ROUTE, Of { partner: &partner, connection: None }, query).await
}

async fn page(
    app: &App,
    caller: &Caller,
    scope: &Scope,
    route: &str,
    of: Of<'_>,
    query: AuditQuery,
) -> Result<Json<AuditPage>, ApiError> {
    let limit = Paging::limit_of(query.limit)?;
    let AuditQuery { from, to, who, role, action, subject, cursor, .. } = query;
    let filter = filter(AuditFilter { from, to, who, role, action, subject })?;
    let after = match &cursor {
        Some(text) => {
            let position: Position = cursor::decode(app, caller, route, text)?;
            let same = position.partner == *of.partner
                && position.connection.as_ref() == of.connection
                && position.filter == filter;
            if !same {
                return Err(foreign_cursor());
            }
            Some(position.after)
        }
        None => None,
    };
    let (rows, next) = audit::list(&app.ports, scope, of, &filter, limit, after).await?;
    let (partner, connection) = (of.partner.clone(), of.connection.cloned());
    let at = |after| Position { partner, connection, filter, after };
    let next_cursor = next.map(|after| cursor::encode(app, caller, route, &at(after))).transpose()?;
    Ok(Json(AuditPage { items: rows.into_iter().map(Into::into).collect(), next_cursor }))
}

/// The audit trail as CSV
///
/// A cell that a spreadsheet would take for a formula begins with an apostrophe. `before` and `after` are JSON.
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/audit.csv",
    tag = "ops",
    params(("cid" = String, Path), AuditCsvQuery),
    responses(
        (status = 200, description = "RFC 4180, with a header line; the newest row first", body = String, content_type = "text/csv", example = examples::audit_csv),
        (status = 400, description = "`invalid_input`; also where it is more than a file holds (10,000 rows, 4 MB)", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn audit_csv(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    query: Params<AuditCsvQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let AuditCsvQuery { from, to, who, role, action, subject } = query.read()?;
    let filter = filter(AuditFilter { from, to, who, role, action, subject })?;
    let of = Of { partner: caller.partner()?, connection: Some(&cid) };
    Ok((FILE_HEADERS, audit::csv(&app.ports, &caller.scope()?, of, &filter).await?))
}

/// The filter without what says nothing.
fn filter(given: AuditFilter) -> Result<AuditFilter, ApiError> {
    let said = |name: &str, text: Option<String>| match text {
        Some(text) if text.chars().count() > FILTER_CHARS_MAX => {
            Err(Problem::field(name, format!("must have at most {FILTER_CHARS_MAX} characters")))
        }
        text => Ok(text.filter(|text| !text.is_empty())),
    };
    Ok(AuditFilter {
        who: said("who", given.who)?,
        action: said("action", given.action)?,
        subject: said("subject", given.subject)?,
        ..given
    })
}
