//! The report of what came.

use crate::examples;
use crate::views::{DeliveryView, RejectedView, ReportPage, ReportRow};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::webhooks::{self, Below, DeliveryFilter, DeliveryId, DeliveryStatus, WebhookEntity};
use domain::{ConnectionId, Problem};
use jiff::Timestamp;
use runtime::edge::{ApiError, Caller, Paging, Params, PathParams, ProblemBody, READERS, etag};
use runtime::{App, cursor};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

/// Names the listing in its cursors.
const ROUTE: &str = "/v1/connections/{cid}/webhook-deliveries";
/// The status of callouts that were refused.
const REJECTED: &str = "rejected";

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveriesQuery {
    /// `stored`, `applied`, `unchanged`, `echo`, `dropped`, `failed`; or `rejected`: callouts that were refused, a row
    /// for each minute, with no other filter.
    status: Option<String>,
    /// `companies`, `contacts`, `configuration_items`, `tickets` or `ticket_notes`.
    entity: Option<String>,
    /// Received at or after this instant.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Received before this instant.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// Rows of the page, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What a cursor of the list says: where, and of which list.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    of: Of,
    below: Below,
    after: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
struct Of {
    connection: ConnectionId,
    status: Option<String>,
    entity: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

/// What came of webhooks in the last 30 days, newest first
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/webhook-deliveries",
    tag = "webhooks",
    params(("cid" = String, Path), DeliveriesQuery),
    responses(
        (status = 200, description = "A page", body = ReportPage, example = examples::deliveries),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_deliveries(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    query: Params<DeliveriesQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let DeliveriesQuery { status, entity, from, to, limit, cursor } = query.read()?;
    let limit = Paging::limit_of(limit)?;
    let filter = filter(status.as_deref(), entity.as_deref(), from, to)?;
    let of = Of { connection: cid.clone(), status, entity, from, to };
    let (below, after) = match cursor {
        Some(cursor) => {
            let position: Position = cursor::decode(&app, &caller, ROUTE, &cursor)?;
            if position.of != of {
                let rule = "was given to another list, or with other filters; start without one";
                return Err(Problem::field("cursor", rule).into());
            }
            (position.below, position.after)
        }
        None => (Below::new(), None),
    };
    let (scope, whose) = (caller.scope()?, (caller.partner()?, &cid));
    let (items, next) = match filter {
        Some(filter) => {
            let found = webhooks::list_deliveries(&app.ports, &scope, whose, &filter, limit, below).await?;
            let row = |delivery: &domain::records::Versioned<webhooks::Delivery>| {
                ReportRow::Delivery(Box::new(DeliveryView::from(&delivery.value)))
            };
            let next = found.1.map(|below| Position { of: of.clone(), below, after: None });
            (found.0.iter().map(row).collect(), next)
        }
        None => {
            let (rows, next) = webhooks::list_rejected(&app.ports, &scope, whose, limit, after).await?;
            let next = next.map(|after| Position { of: of.clone(), below: Below::new(), after: Some(after) });
            (rows.iter().map(|row| ReportRow::Rejected(RejectedView::from(row))).collect(), next)
        }
    };
    let next_cursor = next.map(|position| cursor::encode(&app, &caller, ROUTE, &position)).transpose()?;
    Ok(Json(ReportPage { items, next_cursor }))
}

/// What passes; none: refused callouts are asked for.
fn filter(
    status: Option<&str>,
    entity: Option<&str>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<Option<DeliveryFilter>, ApiError> {
    if status == Some(REJECTED) {
        return match (entity, from, to) {
            (None, None, None) => Ok(None),
            _ => Err(Problem::field("status", "goes with no other filter where it is rejected").into()),
        };
    }
    let known = [
        DeliveryStatus::Stored,
        DeliveryStatus::Applied,
        DeliveryStatus::Unchanged,
        DeliveryStatus::Echo,
        DeliveryStatus::Dropped,
        DeliveryStatus::Failed,
    ];
    let status = match status {
        Some(name) => {
            let found = known.into_iter().find(|status| status.as_str() == name);
            let refused =
                || Problem::field("status", "must be stored, applied, unchanged, echo, dropped, failed or rejected");
            Some(found.ok_or_else(refused)?)
        }
        None => None,
    };
    let entity = match entity {
        Some(name) => {
            let found = WebhookEntity::known(name);
            Some(found.ok_or_else(|| Problem::field("entity", "is none that Autotask has webhooks for"))?)
        }
        None => None,
    };
    Ok(Some(DeliveryFilter { status, entity, from, to }))
}

/// A delivery
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/webhook-deliveries/{did}",
    tag = "webhooks",
    params(("cid" = String, Path), ("did" = String, Path)),
    responses(
        (status = 200, description = "With its version in `ETag`", body = DeliveryView, example = examples::delivery),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_delivery(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, did)): PathParams<(ConnectionId, DeliveryId)>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let found = webhooks::read_delivery(&app.ports, &scope, of, &did).await?;
    Ok((etag(found.v), Json(DeliveryView::from(&found.value))))
}
