//! An invoice's PDF.

use crate::views::InvoiceView;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::ConnectionId;
use domain::connections::read_settings;
use domain::invoices::pdf::{Pdf, PdfFile, PdfState, pdf_file};
use http::{HeaderName, StatusCode, header};
use jiff::Timestamp;
use runtime::App;
use runtime::edge::{ApiError, Caller, PathParams, ProblemBody, READERS};
use serde::Serialize;
use utoipa::ToSchema;

/// Nobody on the way keeps an invoice, or a link to one.
const NOT_KEPT: (HeaderName, &str) = (header::CACHE_CONTROL, "private, no-store");

/// An invoice's PDF
///
/// In the cloud a link to the file that can be used for five minutes, without a token; on one machine the file itself.
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/invoices/{iid}/pdf",
    tag = "invoices",
    params(("cid" = String, Path), ("iid" = i64, Path, description = "`Invoices.id`")),
    responses(
        (status = 200, description = "The file; its SHA-256 in `ETag`", content_type = "application/pdf", body = String),
        (status = 302, description = "The file is at `Location` for five minutes"),
        (status = 404, description = "`not_found`; `pdf_unavailable`, with `next_attempt_at` where it is asked for again", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_pdf(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, iid)): PathParams<(ConnectionId, i64)>,
) -> Result<Response, ApiError> {
    caller.require(READERS)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let wanted = read_settings(&app.ports, &scope, partner, &cid).await?.settings.pdf;
    let file = pdf_file(&app.ports, &scope, (partner, &cid), iid, wanted).await?;
    Ok(match file {
        PdfFile::Link(link) => {
            (StatusCode::FOUND, [NOT_KEPT], [(header::LOCATION, String::from(link))]).into_response()
        }
        PdfFile::Bytes { bytes, label, sha256 } => {
            let headers = [
                (header::CONTENT_TYPE, label.content_type.to_owned()),
                (header::CONTENT_DISPOSITION, label.disposition()),
                (header::ETAG, format!("\"{sha256}\"")),
                // What a browser shows must be a PDF and nothing that it takes it for.
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            ];
            ([NOT_KEPT], headers, bytes).into_response()
        }
    })
}

/// An invoice together with where its PDF stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneInvoiceView {
    #[serde(flatten)]
    invoice: InvoiceView,
    pdf: PdfView,
}

impl OneInvoiceView {
    pub(crate) fn of(invoice: InvoiceView, pdf: &Pdf) -> Self {
        Self { invoice, pdf: PdfView::of(pdf) }
    }
}

/// Where an invoice's PDF stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PdfView {
    /// `stored`, `pending` (it will be fetched), `unavailable` (Autotask did not give it; it is tried again) or `none`
    /// (nobody asks for it: the setting `pdf` is off, or the invoice is void). A PDF of before the invoice changed is
    /// not shown.
    #[schema(value_type = String, example = "stored")]
    state: PdfState,
    /// Its size in bytes.
    size: Option<u64>,
    /// SHA-256 of the file, 64 hexadecimal digits.
    sha256: Option<String>,
    /// When it was fetched.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// When it is fetched, or tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
}

impl PdfView {
    fn of(pdf: &Pdf) -> Self {
        let stored = pdf.stored();
        Self {
            state: pdf.state(),
            size: stored.map(|stored| stored.size),
            sha256: stored.map(|stored| stored.sha256.clone()),
            at: stored.map(|stored| stored.at),
            next_attempt_at: pdf.next_attempt_at(),
        }
    }
}
