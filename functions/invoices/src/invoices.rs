//! Invoices: a list, and one.

use crate::pdf::OneInvoiceView;
use crate::views::{Flags, InvoiceView};
use crate::{examples, foreign_cursor};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::connections::read_settings;
use domain::invoices::pdf::pdf_of;
use domain::invoices::{self, InvoiceFilter, InvoiceStatus};
use domain::{Code, ConnectionId, Error};
use jiff::civil::Date;
use runtime::edge::{ApiError, Caller, Paging, Params, PathParams, ProblemBody, READERS, etag};
use runtime::{App, cursor};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Names the listing in its cursors.
const ROUTE: &str = "/v1/connections/{cid}/invoices";

/// Which invoices.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InvoicesQuery {
    /// Only `open`, `paid`, `voided` or `missing`.
    #[param(value_type = Option<String>)]
    status: Option<InvoiceStatus>,
    /// Only of this customer (`Companies.id`).
    company: Option<i64>,
    /// Only of this day or later.
    #[param(value_type = Option<String>, format = Date)]
    since: Option<Date>,
    /// Also those that were archived here.
    archived: Option<bool>,
    /// Rows of the page, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of invoices, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvoicesPage {
    items: Vec<InvoiceView>,
    /// Where the next page begins; null on the last one. With a filter a page may be short, or empty, and not the
    /// last.
    next_cursor: Option<String>,
}

/// What a cursor of the list says: where, and of which list.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Position {
    connection: ConnectionId,
    status: Option<InvoiceStatus>,
    company: Option<i64>,
    since: Option<Date>,
    archived: bool,
    after: String,
}

/// Invoices of the connection, newest first
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/invoices",
    tag = "invoices",
    params(("cid" = String, Path), InvoicesQuery),
    responses(
        (status = 200, description = "A page", body = InvoicesPage, example = examples::invoices),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_invoices(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    query: Params<InvoicesQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let query = query.read()?;
    let limit = Paging::limit_of(query.limit)?;
    let archived = query.archived.unwrap_or(false);
    let at = |after| Position {
        connection: cid.clone(),
        status: query.status,
        company: query.company,
        since: query.since,
        archived,
        after,
    };
    let after = match &query.cursor {
        Some(text) => {
            let position: Position = cursor::decode(&app, &caller, ROUTE, text)?;
            if position != at(position.after.clone()) {
                return Err(foreign_cursor());
            }
            Some(position.after)
        }
        None => None,
    };
    let filter = InvoiceFilter { status: query.status, company: query.company, since: query.since, archived };
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let settings = read_settings(&app.ports, &scope, partner, &cid).await?.settings;
    let of = (partner, &cid);
    let (found, next) = invoices::list_invoices(&app.ports, &scope, of, &filter, limit, after).await?;
    let next_cursor = next.map(|after| cursor::encode(&app, &caller, ROUTE, &at(after))).transpose()?;
    let flags = Flags::of(&app, &scope, of, found.iter().map(|invoice| &invoice.value)).await?;
    let items = found.iter().map(|invoice| InvoiceView::of(invoice, settings.invoice_reference, &flags)).collect();
    Ok(Json(InvoicesPage { items, next_cursor }))
}

/// Refused: invoices are edited in Autotask
///
/// Amounts and due dates follow Autotask; nothing of them is ever sent there. Payments and credits have routes of their
/// own.
#[utoipa::path(
    patch,
    path = "/v1/connections/{cid}/invoices/{iid}",
    tag = "invoices",
    params(("cid" = String, Path), ("iid" = i64, Path, description = "`Invoices.id`"), ("If-Match" = Option<String>, Header)),
    responses(
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`platform_edit_not_sent`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn edit_invoice(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, iid)): PathParams<(ConnectionId, i64)>,
) -> Result<(), ApiError> {
    caller.require(READERS)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let invoice = invoices::load_invoice(&app.ports, &scope, partner, &cid, iid).await?;
    let words = format!("Invoice {} stays as Autotask has it.", invoice.number);
    Err(Error::problem(Code::PlatformEditNotSent, words).into())
}

/// An invoice, with what is outstanding and how we know, and where its PDF stands
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/invoices/{iid}",
    tag = "invoices",
    params(("cid" = String, Path), ("iid" = i64, Path, description = "`Invoices.id`")),
    responses(
        (status = 200, description = "The invoice; its version, without the PDF's, in `ETag`", body = OneInvoiceView, example = examples::one_invoice),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_invoice(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, iid)): PathParams<(ConnectionId, i64)>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let settings = read_settings(&app.ports, &scope, partner, &cid).await?.settings;
    let found = invoices::load_invoice(&app.ports, &scope, partner, &cid, iid).await?;
    let flags = Flags::of(&app, &scope, (partner, &cid), std::iter::once(&found.value)).await?;
    let pdf = pdf_of(&app.ports, &scope, (partner, &cid), iid, settings.pdf).await?;
    let invoice = InvoiceView::of(&found, settings.invoice_reference, &flags);
    Ok((etag(found.v), Json(OneInvoiceView::of(invoice, &pdf))))
}
