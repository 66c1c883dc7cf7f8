//! Counts against units, today, read-only.

use crate::lines::file;
use crate::{READERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::runs::{self, Bucket, Finding, Reconciliation};
use domain::{ConnectionId, LineKind};
use jiff::Timestamp;
use jiff::civil::Date;
use runtime::App;
use runtime::edge::{ApiError, Caller, PathParams, ProblemBody};
use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

/// The report.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReconciliationView {
    /// The day that units were read for, in the connection's time zone.
    #[schema(value_type = String, format = Date)]
    date: Date,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    made_at: Timestamp,
    /// What each bucket comes to; every bucket is there.
    totals: Vec<BucketTotalView>,
    /// Every row, by bucket.
    items: Vec<FindingView>,
    /// Contracts that were not looked into for lines without an account: there are more than 2,000.
    contracts_left_out: usize,
    /// Calls made to Autotask.
    autotask_calls: u32,
}

/// Rows and sums of one bucket.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BucketTotalView {
    /// `match`, `under_billed`, `over_billed`, `not_comparable`, `unmapped_account`, `line_without_account` or
    /// `excluded`.
    #[schema(value_type = String, example = "under_billed")]
    bucket: Bucket,
    /// Rows.
    lines: u32,
    /// Sum of count less units, where both are known.
    seats: i64,
    /// Sum of the invoice differences, where prices are readable.
    #[schema(value_type = Option<String>, example = "18.00")]
    invoice_difference: Option<Decimal>,
}

/// One row.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FindingView {
    /// What it says.
    #[schema(value_type = String, example = "under_billed")]
    bucket: Bucket,
    /// Whose count.
    account_id: Option<String>,
    /// The account's name.
    account_name: Option<String>,
    /// `Companies.id`.
    company_id: Option<i64>,
    /// The company's name as last seen.
    company_name: Option<String>,
    /// `Contracts.id`.
    contract_id: Option<i64>,
    /// The contract's name as last seen.
    contract_name: Option<String>,
    /// Whose count.
    package_id: Option<String>,
    /// `service` or `bundle`.
    #[schema(value_type = Option<String>)]
    line_kind: Option<LineKind>,
    /// `ContractServices.id` or `ContractServiceBundles.id`.
    contract_service_id: Option<i64>,
    /// The service's name.
    service_name: Option<String>,
    /// The vendor's count.
    count: Option<i64>,
    /// When the vendor counted.
    #[schema(value_type = Option<String>, format = DateTime)]
    count_as_of: Option<Timestamp>,
    /// Units in Autotask today.
    units: Option<i64>,
    /// Count less units.
    difference: Option<i64>,
    /// Difference × unit price, where readable.
    #[schema(value_type = Option<String>)]
    invoice_difference: Option<Decimal>,
    /// Difference × unit cost, where readable.
    #[schema(value_type = Option<String>)]
    cost_difference: Option<Decimal>,
    /// Why it cannot be compared or is not billed.
    code: Option<&'static str>,
    /// In words.
    explanation: String,
}

impl From<&Finding> for FindingView {
    fn from(found: &Finding) -> Self {
        Self {
            bucket: found.bucket,
            account_id: found.account.as_ref().map(ToString::to_string),
            account_name: found.account_name.clone(),
            company_id: found.company_id,
            company_name: found.company_name.clone(),
            contract_id: found.contract_id,
            contract_name: found.contract_name.clone(),
            package_id: found.package.as_ref().map(ToString::to_string),
            line_kind: found.line.map(|line| line.kind),
            contract_service_id: found.line.map(|line| line.id),
            service_name: found.service_name.clone(),
            count: found.count,
            count_as_of: found.count_as_of,
            units: found.units,
            difference: found.difference(),
            invoice_difference: found.invoice_difference,
            cost_difference: found.cost_difference,
            code: found.code.map(domain::Code::as_str),
            explanation: found.words.clone(),
        }
    }
}

fn totals(report: &Reconciliation) -> Vec<BucketTotalView> {
    let total = |bucket: &Bucket| {
        let total = report.total(*bucket);
        BucketTotalView {
            bucket: *bucket,
            lines: total.lines,
            seats: total.seats,
            invoice_difference: total.invoice_difference,
        }
    };
    Bucket::ALL.iter().map(total).collect()
}

async fn report(app: &App, caller: &Caller, cid: &ConnectionId) -> Result<Reconciliation, ApiError> {
    caller.require(READERS)?;
    Ok(runs::reconcile(&app.ports, &caller.scope()?, caller.actor(), caller.partner()?, cid).await?)
}

/// Counts against units, today
///
/// Reads Autotask and writes nothing there.
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/reconciliation",
    tag = "runs",
    params(("cid" = String, Path)),
    responses(
        (status = 200, description = "The report", body = ReconciliationView, example = examples::reconciliation),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`, `throttled`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_reconciliation(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    let report = report(&app, &caller, &cid).await?;
    Ok(Json(ReconciliationView {
        date: report.date,
        made_at: report.at,
        totals: totals(&report),
        items: report.findings.iter().map(Into::into).collect(),
        contracts_left_out: report.contracts_left_out,
        autotask_calls: report.autotask_calls,
    }))
}

/// Counts against units, today, as CSV
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/reconciliation.csv",
    tag = "runs",
    params(("cid" = String, Path)),
    responses(
        (status = 200, description = "RFC 4180, with a header line", body = String, content_type = "text/csv", example = examples::reconciliation_csv),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`, `throttled`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn reconciliation_csv(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    let report = report(&app, &caller, &cid).await?;
    Ok((file(&format!("reconciliation-{}.csv", report.date)), runs::findings_csv(&report.findings)))
}
