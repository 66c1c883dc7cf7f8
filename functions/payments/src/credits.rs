//! Credits on an invoice, by hand or by the vendor's back end.

use crate::payments::{required, status_of};
use crate::views::RecordedView;
use crate::{CREDITORS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::ConnectionId;
use domain::decoding::decimal_text;
use domain::ids::PaymentId;
use domain::invoices::payments::{self, CreditInput, Unknown};
use jiff::Timestamp;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, PathParams, ProblemBody, etag};
use rust_decimal::Decimal;
use serde::Deserialize;
use utoipa::ToSchema;

/// A credit on an invoice.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreditBody {
    /// Its name on this invoice: told twice, it is one credit.
    #[schema(value_type = String, example = "credit-12")]
    credit_id: PaymentId,
    /// More than 0, as a decimal string with at most 4 decimals, in the invoice's currency.
    #[schema(value_type = String, example = "25.00")]
    #[serde(default, deserialize_with = "decimal_text")]
    amount: Option<Decimal>,
    /// When it was given; now, if not told.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    credited_at: Option<Timestamp>,
    /// ISO 4217; refused where the invoice's is known and another.
    #[serde(default)]
    currency: Option<String>,
}

/// Records a credit on an invoice: less is to be paid of it
///
/// Autotask is not told of credits; they count when payments are held against the total.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/invoices/{iid}/credits",
    tag = "payments",
    params(("cid" = String, Path), ("iid" = i64, Path, description = "`Invoices.id`"), ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = CreditBody, example = examples::credit_body),
    responses(
        (status = 200, description = "Known already", body = RecordedView, example = examples::repeated),
        (status = 201, description = "Recorded; the ledger's version in `ETag`", body = RecordedView, example = examples::recorded),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`payment_deleted`, `ledger_full`, `conflict`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`idempotency_mismatch`: another credit has this name", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_credit(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, iid)): PathParams<(ConnectionId, i64)>,
    body: Body<CreditBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(CREDITORS)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let CreditBody { credit_id: id, amount, credited_at: at, currency } = body.read()?;
    let input = CreditInput { id: id.clone(), amount: required(amount)?, at, currency };
    let (actor, of) = (caller.actor(), (partner, &cid, iid));
    let done = payments::record_credit(&app.ports, &scope, actor, of, input, Unknown::Refuse).await?;
    let v = done.standing.as_ref().map_or(0, |standing| standing.v);
    Ok((status_of(done.outcome), etag(v), Json(RecordedView::of(id, done))))
}

/// Deletes a credit: it no longer counts
#[utoipa::path(
    delete,
    path = "/v1/connections/{cid}/invoices/{iid}/credits/{credit_id}",
    tag = "payments",
    params(
        ("cid" = String, Path), ("iid" = i64, Path, description = "`Invoices.id`"), ("credit_id" = String, Path),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "Deleted, or deleted already; the ledger's version in `ETag`", body = RecordedView, example = examples::deleted),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete_credit(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, iid, credit)): PathParams<(ConnectionId, i64, PaymentId)>,
    IfMatch(version): IfMatch,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(CREDITORS)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let (actor, of) = (caller.actor(), (partner, &cid, iid));
    let done = payments::delete_credit(&app.ports, &scope, actor, of, &credit, Unknown::Refuse, version).await?;
    let v = done.standing.as_ref().map_or(0, |standing| standing.v);
    Ok((etag(v), Json(RecordedView::of(credit, done))))
}
