//! Payments: told, deleted, shown.

use crate::views::{PaymentsView, RecordedView};
use crate::{BACK_END, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::ConnectionId;
use domain::decoding::decimal_text;
use domain::ids::PaymentId;
use domain::invoices::payments::{self, Outcome, PaymentInput, Refund, Unknown};
use domain::problem::Problem;
use http::StatusCode;
use jiff::Timestamp;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, PathParams, ProblemBody, READERS, etag};
use rust_decimal::Decimal;
use serde::Deserialize;
use utoipa::ToSchema;

/// A payment of an invoice.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PaymentBody {
    /// The connection that the invoice came by.
    #[schema(value_type = String, example = "con_0199b1c2")]
    connection: ConnectionId,
    /// `Invoices.id`.
    #[schema(example = 6100)]
    autotask_invoice_id: i64,
    /// More than 0, as a decimal string with at most 4 decimals, in the invoice's currency.
    #[schema(value_type = String, example = "150.00")]
    #[serde(default, deserialize_with = "decimal_text")]
    amount: Option<Decimal>,
    /// When it was paid; at most 24 h ahead. Its day in the connection's zone becomes the paid date.
    #[schema(value_type = String, format = DateTime, example = "2026-11-20T10:58:00Z")]
    paid_at: Timestamp,
    /// The vendor's own name of the payment: told twice, it is one payment.
    #[schema(value_type = String, example = "pay-4711")]
    payment_id: PaymentId,
    /// ISO 4217; refused where the invoice's is known and another.
    #[serde(default)]
    #[schema(example = "EUR")]
    currency: Option<String>,
}

/// The status of what was recorded: 201 for what is new.
pub(crate) fn status_of(outcome: Outcome) -> StatusCode {
    if outcome == Outcome::Recorded { StatusCode::CREATED } else { StatusCode::OK }
}

/// An amount that must be there.
pub(crate) fn required(amount: Option<Decimal>) -> Result<Decimal, ApiError> {
    amount.ok_or_else(|| Problem::field("/amount", "is required").into())
}

/// Tells a payment of an invoice
///
/// It goes into the invoice's ledger. With the one that pays the invoice in full its paid date is written into
/// Autotask, within seconds where Autotask can be reached; of what is paid in part Autotask's API knows nothing.
#[utoipa::path(
    post,
    path = "/v1/payments",
    tag = "payments",
    params(("Idempotency-Key" = Option<String>, Header), ("X-Partner-Id" = String, Header)),
    request_body(content = PaymentBody, example = examples::payment_body),
    responses(
        (status = 200, description = "Known already", body = RecordedView, example = examples::repeated),
        (status = 201, description = "Recorded; the ledger's version in `ETag`", body = RecordedView, example = examples::recorded),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such connection, or an invoice that is not here", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`payment_deleted`, `ledger_full`, `conflict`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`idempotency_mismatch`: another payment has this name", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_payment(
    State(app): State<App>,
    caller: Caller,
    body: Body<PaymentBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(BACK_END)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let PaymentBody { connection, autotask_invoice_id: invoice, amount, paid_at, payment_id: id, currency } =
        body.read()?;
    let input = PaymentInput { id: id.clone(), connection, invoice, amount: required(amount)?, paid_at, currency };
    let actor = caller.actor();
    let done = payments::record_payment(&app.ports, &scope, actor, partner, input, Unknown::Refuse).await?;
    let v = done.standing.as_ref().map_or(0, |standing| standing.v);
    Ok((status_of(done.outcome), etag(v), Json(RecordedView::of(id, done))))
}

/// Deletes a payment: it no longer counts
///
/// Where something of the invoice is outstanding again and its paid date in Autotask is from here, that is cleared.
#[utoipa::path(
    delete,
    path = "/v1/payments/{pid}",
    tag = "payments",
    params(("pid" = String, Path, description = "The vendor's name of the payment"), ("X-Partner-Id" = String, Header), ("If-Match" = Option<String>, Header)),
    responses(
        (status = 200, description = "Deleted, or deleted already; the ledger's version in `ETag`", body = RecordedView, example = examples::deleted),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete_payment(
    State(app): State<App>,
    caller: Caller,
    PathParams(pid): PathParams<PaymentId>,
    IfMatch(version): IfMatch,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(BACK_END)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let what = (&pid, Refund::Whole);
    let actor = caller.actor();
    let done = payments::delete_payment(&app.ports, &scope, actor, partner, what, Unknown::Refuse, version).await?;
    let v = done.standing.as_ref().map_or(0, |standing| standing.v);
    Ok((etag(v), Json(RecordedView::of(pid, done))))
}

/// Payments and credits of an invoice, and what Autotask knows of them
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/invoices/{iid}/payments",
    tag = "payments",
    params(("cid" = String, Path), ("iid" = i64, Path, description = "`Invoices.id`")),
    responses(
        (status = 200, description = "The ledger, with its version in `ETag`; 0 where nothing was told", body = PaymentsView, example = examples::payments),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_payments(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, iid)): PathParams<(ConnectionId, i64)>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let found = payments::read_payments(&app.ports, &scope, (partner, &cid), iid).await?;
    Ok((etag(found.v), Json(PaymentsView::of(found))))
}
