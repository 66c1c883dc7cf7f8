//! Why an invoice is not here, and fetching one again.

use crate::views::{Flags, InvoiceView};
use crate::{BILLERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::connections::read_settings;
use domain::invoices::fetch::{self, Asked, Explained, Verdict};
use domain::{Code, ConnectionId, Problem, Role};
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use runtime::App;
use runtime::edge::{ApiError, Caller, Params, PathParams, ProblemBody, etag};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Who may ask Autotask about an invoice.
const ASKERS: &[Role] = &[Role::PartnerAdmin, Role::PartnerBilling, Role::VendorSupport, Role::VendorAdmin];
/// Longest number that is asked for, in characters: Autotask's bound.
const NUMBER_CHARS_MAX: usize = 100;

/// Which invoice: exactly one of the two.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplainQuery {
    /// `invoiceNumber`.
    number: Option<String>,
    /// `Invoices.id`.
    autotask_id: Option<i64>,
}

/// A filter that keeps something out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HidingFilterView {
    /// Its name in `C/filters`.
    #[schema(example = "company_types")]
    name: String,
    /// What it is set to.
    #[schema(value_type = Value)]
    value: Value,
}

/// What is known of an invoice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvoiceFindingView {
    /// `here`; `hidden` by a filter; `not_fetched_yet`; `missed` (it should be here); `unreadable` (Autotask has it without
    /// a customer, a date or a total); `customer_not_visible`, `not_visible` (the API user may not see it);
    /// `not_in_autotask`.
    verdict: &'static str,
    /// `customer_not_synced` where a filter keeps it out, `invoice_missing_upstream` where Autotask no longer returns it,
    /// `permission_missing` where the API user may not see it; else null.
    code: Option<&'static str>,
    /// In words.
    detail: String,
    /// What to do.
    action: String,
    autotask_id: Option<i64>,
    number: Option<String>,
    company_id: Option<i64>,
    company_name: Option<String>,
    /// Of an invoice that is here: `open`, `paid`, `voided` or `missing`.
    status: Option<&'static str>,
    /// Since when it is here.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Since when it is voided in Autotask.
    #[schema(value_type = Option<String>, format = Date)]
    voided_date: Option<Date>,
    /// The filter that keeps it out, or stops its updates.
    filter: Option<HidingFilterView>,
    /// When the fetch that brings it is due.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_fetch_at: Option<Timestamp>,
}

/// What is known of the invoices that were asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplainView {
    /// One; up to five where several carry the number.
    findings: Vec<InvoiceFindingView>,
}

impl From<Explained> for InvoiceFindingView {
    fn from(of: Explained) -> Self {
        let Explained { id, number, company, company_name, voided_on, verdict } = of;
        let mut view = Self {
            verdict: "",
            code: None,
            detail: String::new(),
            action: "Nothing.".to_owned(),
            autotask_id: id,
            number,
            company_id: company,
            company_name,
            status: None,
            since: None,
            voided_date: voided_on,
            filter: None,
            next_fetch_at: None,
        };
        view.judge(verdict);
        view
    }
}

impl InvoiceFindingView {
    fn judge(&mut self, verdict: Verdict) {
        let resync = "Fetch it by hand: POST …/invoices/{autotask_id}/resync.";
        let rights = "Give the API user View of all invoices and companies; one outside the invoice's line of business \
                      sees nothing of it.";
        match verdict {
            Verdict::Here { invoice, stopped } => {
                (self.verdict, self.status, self.since) =
                    ("here", Some(invoice.status.as_str()), Some(invoice.first_seen_at));
                let archived = if invoice.archived_at.is_some() { " and was archived by hand" } else { "" };
                self.detail = format!("It is here{archived}: {}.", invoice.status.as_str());
                if invoice.missing_since.is_some() {
                    self.say(Code::InvoiceMissingUpstream);
                }
                if let Some((name, value)) = stopped {
                    self.detail = format!("It is here, and the filter `{name}` keeps it from being updated.");
                    self.say(Code::CustomerNotSynced);
                    self.filter = Some(HidingFilterView { name, value });
                }
            }
            Verdict::Hidden(name, value) => {
                self.verdict = "hidden";
                self.detail = format!("The filter `{name}` keeps it out.");
                self.say(Code::CustomerNotSynced);
                self.filter = Some(HidingFilterView { name, value });
            }
            Verdict::NotFetchedYet { next_at } => {
                (self.verdict, self.next_fetch_at) = ("not_fetched_yet", next_at);
                self.detail = "Autotask has it, and the next fetch brings it.".to_owned();
                self.action = "Wait for that, or press Fetch New Data.".to_owned();
            }
            Verdict::Missed => {
                self.verdict = "missed";
                self.detail = "Autotask has it, no filter keeps it out, and it should be here.".to_owned();
                self.action = resync.to_owned();
            }
            Verdict::Unreadable => {
                self.verdict = "unreadable";
                self.detail = "Autotask returns it without a customer, a date or a total.".to_owned();
                self.action = "Complete it in Autotask; the daily look brings it.".to_owned();
            }
            Verdict::CustomerNotVisible => {
                self.verdict = "customer_not_visible";
                self.detail = "The API user does not see its customer.".to_owned();
                (self.code, self.action) = (Some(Code::PermissionMissing.as_str()), rights.to_owned());
            }
            Verdict::NotInAutotask => {
                self.verdict = "not_in_autotask";
                self.detail = "Autotask has no such invoice.".to_owned();
                self.action = "Check the number; an invoice that was deleted in Autotask is gone.".to_owned();
            }
            Verdict::NotVisible => {
                self.verdict = "not_visible";
                self.detail = "Autotask shows no such invoice, and the API user may not see all.".to_owned();
                (self.code, self.action) = (Some(Code::PermissionMissing.as_str()), rights.to_owned());
            }
        }
    }

    fn say(&mut self, code: Code) {
        (self.code, self.action) = (Some(code.as_str()), code.action().to_owned());
    }
}

/// Why is this invoice not here? Looks here, then in Autotask
///
/// At most three calls to Autotask, none for what is here.
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/invoices/explain",
    tag = "invoices",
    params(("cid" = String, Path), ExplainQuery),
    responses(
        (status = 200, description = "What is known of it", body = ExplainView, example = examples::explained),
        (status = 400, description = "`invalid_input`: not exactly one of `number` and `autotask_id`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`, `permission_missing`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`feature_off`, `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn explain_invoice(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    query: Params<ExplainQuery>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(ASKERS)?;
    let query = query.read()?;
    let number = query.number.map(|number| number.trim().to_owned()).filter(|number| !number.is_empty());
    let asked = match (number, query.autotask_id) {
        (Some(number), None) if number.chars().count() <= NUMBER_CHARS_MAX => Asked::Number(number),
        (Some(_), None) => return Err(Problem::field("number", "has at most 100 characters").into()),
        (None, Some(id)) => Asked::Id(id),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::field("number", "give either this or `autotask_id`").into());
        }
    };
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let found = fetch::explain(&app.ports, &scope, caller.actor(), of, &asked).await?;
    Ok(Json(ExplainView { findings: found.into_iter().map(InvoiceFindingView::from).collect() }))
}

/// Fetches one invoice with its lines again, now; also one that was never here
///
/// One that Autotask no longer returns becomes `missing`. Invoices and customers that are deleted in Autotask are not
/// archived here: delete there, then archive here by hand.
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/invoices/{iid}/resync",
    tag = "invoices",
    params(("cid" = String, Path), ("iid" = i64, Path, description = "`Invoices.id`"), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "The invoice as it is now", body = InvoiceView, example = examples::invoice),
        (status = 201, description = "The invoice, which was not here before", body = InvoiceView, example = examples::invoice),
        (status = 403, description = "`forbidden_role`; `permission_missing`: Autotask does not show it or its customer, and the API user may not see all", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: neither here nor in Autotask", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`customer_not_synced` with `filter` and `company_id`; `feature_off`, `needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn resync_invoice(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, iid)): PathParams<(ConnectionId, i64)>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(BILLERS)?;
    let (scope, partner) = (caller.scope()?, caller.partner()?);
    let of = (partner, &cid);
    let done = fetch::resync(&app.ports, &scope, caller.actor(), of, iid).await?;
    let settings = read_settings(&app.ports, &scope, partner, &cid).await?.settings;
    let flags = Flags::of(&app, &scope, of, std::iter::once(&done.invoice.value)).await?;
    let view = InvoiceView::of(&done.invoice, settings.invoice_reference, &flags);
    let status = if done.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, etag(done.invoice.v), Json(view)))
}
