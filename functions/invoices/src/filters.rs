//! Which invoices and customers are fetched: `C/filters` and its preview.

use crate::{BILLERS, examples};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::ConnectionId;
use domain::Role;
use domain::invoices::filtering::{self, Effect, FilterWarning, Previewed, Saved};
use domain::invoices::{CompanyFilter, Filters, FiltersRecord, UdfFilter};
use domain::records::Versioned;
use jiff::Timestamp;
use jiff::civil::Date;
use runtime::App;
use runtime::edge::{ApiError, Body, Caller, IfMatch, PathParams, ProblemBody, READERS, etag};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who may say what is fetched.
const FILTERERS: &[Role] = &[Role::PartnerAdmin];

/// Companies by id.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CompanyIdsBody {
    /// Only these, at most 450; empty: all.
    #[serde(rename = "in")]
    only: Vec<i64>,
    /// None of these, at most 450.
    #[serde(rename = "not_in")]
    except: Vec<i64>,
}

/// A user-defined field with a value.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UdfBody {
    /// The field's name. Not one of which several values can be picked: Autotask's API does not show those.
    #[schema(example = "Billing Contact")]
    name: String,
    /// Its value, in any case; of a list, the label.
    #[schema(example = "Yes")]
    equals: String,
}

/// What is fetched. What is left out keeps nothing out: `{}` is everything, invoices over nothing included.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FiltersBody {
    /// Labels of the company type, at most 20; empty: all.
    #[schema(example = json!(["Customer"]))]
    company_types: Vec<String>,
    /// Labels of the classification, at most 20; empty: all.
    classifications: Vec<String>,
    company_ids: CompanyIdsBody,
    /// A field of the company.
    company_udf: Option<UdfBody>,
    /// A field that one of the company's active contacts has.
    contact_udf: Option<UdfBody>,
    /// Only invoices of this day or later.
    #[schema(value_type = Option<String>, format = Date)]
    invoice_date_from: Option<Date>,
    /// Of what was made before the first import only what is neither paid nor void. Later ones are fetched in any case.
    unpaid_only: bool,
    /// Whether invoices over nothing are fetched; true if left out.
    #[schema(default = true)]
    include_zero: bool,
}

impl Default for FiltersBody {
    fn default() -> Self {
        Filters::default().into()
    }
}

impl From<Filters> for FiltersBody {
    fn from(of: Filters) -> Self {
        let udf = |udf: UdfFilter| UdfBody { name: udf.name, equals: udf.equals };
        Self {
            company_types: of.company_types,
            classifications: of.classifications,
            company_ids: CompanyIdsBody { only: of.company_ids.only, except: of.company_ids.except },
            company_udf: of.company_udf.map(udf),
            contact_udf: of.contact_udf.map(udf),
            invoice_date_from: of.invoice_date_from,
            unpaid_only: of.unpaid_only,
            include_zero: of.include_zero,
        }
    }
}

impl From<FiltersBody> for Filters {
    fn from(of: FiltersBody) -> Self {
        let udf = |udf: UdfBody| UdfFilter { name: udf.name, equals: udf.equals };
        Self {
            company_types: of.company_types,
            classifications: of.classifications,
            company_ids: CompanyFilter { only: of.company_ids.only, except: of.company_ids.except },
            company_udf: of.company_udf.map(udf),
            contact_udf: of.contact_udf.map(udf),
            invoice_date_from: of.invoice_date_from,
            unpaid_only: of.unpaid_only,
            include_zero: of.include_zero,
        }
    }
}

/// The filters of a connection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FiltersView {
    filters: FiltersBody,
    /// Whether nothing is kept out.
    everything: bool,
    /// When they were last changed; null where none were ever saved.
    #[schema(value_type = Option<String>, format = DateTime)]
    changed_at: Option<Timestamp>,
}

impl From<&FiltersRecord> for FiltersView {
    fn from(of: &FiltersRecord) -> Self {
        Self {
            everything: of.filters == Filters::default(),
            filters: of.filters.clone().into(),
            changed_at: (of.changed_at != Timestamp::UNIX_EPOCH).then_some(of.changed_at),
        }
    }
}

/// Companies as Autotask counts them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CompanyCountsView {
    /// All that the API user sees.
    total: u64,
    /// Let through.
    matching: u64,
}

/// Invoices as Autotask counts them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvoiceCountsView {
    /// All that the API user sees.
    total: u64,
    /// Let through.
    matching: u64,
    /// Of those, neither paid nor void.
    open: u64,
    /// Let through by these filters and not by the present ones.
    appears: u64,
    /// Let through by the present filters and not by these. They stay here as they are: nothing is deleted.
    stops_updating: u64,
}

/// What filters make of what Autotask has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EffectView {
    companies: CompanyCountsView,
    invoices: InvoiceCountsView,
    /// Whether the numbers were counted. Else more than 450 companies or 1,000 contacts match, and invoices are
    /// estimated by the companies' share.
    exact: bool,
}

impl From<Effect> for EffectView {
    fn from(of: Effect) -> Self {
        let invoices = of.invoices;
        Self {
            companies: CompanyCountsView { total: of.companies_total, matching: of.companies_matching },
            invoices: InvoiceCountsView {
                total: invoices.total,
                matching: invoices.matching,
                open: invoices.open,
                appears: invoices.appears,
                stops_updating: invoices.stops_updating,
            },
            exact: of.exact,
        }
    }
}

/// Something that is taken and may not be what was meant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FilterWarningView {
    /// Where in the filters.
    pointer: String,
    /// In words.
    detail: String,
}

fn warnings(of: Vec<FilterWarning>) -> Vec<FilterWarningView> {
    of.into_iter().map(|of| FilterWarningView { pointer: of.pointer, detail: of.detail }).collect()
}

/// Filters that were saved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SavedFiltersView {
    #[serde(flatten)]
    saved: FiltersView,
    /// Whether this call changed anything.
    changed: bool,
    /// Whether the next fetch, within minutes, reads everything again, as more is let through.
    import: bool,
    /// What they make of what Autotask has, beside the filters of before; null where it cannot be asked now.
    effect: Option<EffectView>,
    warnings: Vec<FilterWarningView>,
}

/// What filters would do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewView {
    /// The filters, with labels and names as Autotask spells them.
    filters: FiltersBody,
    /// Whether everything would be read again, as more is let through.
    import: bool,
    effect: EffectView,
    warnings: Vec<FilterWarningView>,
}

/// The filters of the invoice import; none saved: everything is fetched
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/filters",
    tag = "invoices",
    params(("cid" = String, Path)),
    responses(
        (status = 200, description = "With `ETag`, `\"0\"` where none were ever saved", body = FiltersView, example = examples::filters),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_filters(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(READERS)?;
    let found = filtering::get_filters(&app.ports, &caller.scope()?, caller.partner()?, &cid).await?;
    Ok((etag(found.v), Json(FiltersView::from(&found.value))))
}

/// Saves filters; takes effect with the next fetch, without connecting again
///
/// What lets more through has everything read again, from the next tick on. What keeps more out has customers decided
/// anew with the next fetch: invoices of those that are kept out stay here and are no longer updated. Labels and
/// user-defined fields are looked up in Autotask now.
#[utoipa::path(
    put,
    path = "/v1/connections/{cid}/filters",
    tag = "invoices",
    params(("cid" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body(content = FiltersBody, example = examples::filters_body),
    responses(
        (status = 200, description = "Saved, or already so; with `ETag`", body = SavedFiltersView, example = examples::saved_filters),
        (status = 400, description = "`invalid_input`, every refused field at once", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`, `not_main_account`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`; `needs_relink`, `connection_paused` where labels or fields must be looked up", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put_filters(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    IfMatch(version): IfMatch,
    body: Body<FiltersBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(FILTERERS)?;
    caller.require_main()?;
    let filters = body.read()?.into();
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let done = filtering::save_filters(&app.ports, &scope, caller.actor(), of, version, filters).await?;
    let Saved { record: Versioned { v, value }, changed, import, effect, warnings: unsure } = done;
    let view = SavedFiltersView {
        saved: FiltersView::from(&value),
        changed,
        import,
        effect: effect.map(EffectView::from),
        warnings: warnings(unsure),
    };
    Ok((etag(v), Json(view)))
}

/// Counts what filters would let through, and what would appear and stop; changes nothing
#[utoipa::path(
    post,
    path = "/v1/connections/{cid}/filters/preview",
    tag = "invoices",
    params(("cid" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = FiltersBody, example = examples::filters_body),
    responses(
        (status = 200, description = "The counts", body = PreviewView, example = examples::previewed_filters),
        (status = 400, description = "`invalid_input`, every refused field at once", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden_role`, `permission_missing`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn preview_filters(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    body: Body<FiltersBody>,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(BILLERS)?;
    let filters = body.read()?.into();
    let (scope, of) = (caller.scope()?, (caller.partner()?, &cid));
    let done = filtering::preview_filters(&app.ports, &scope, caller.actor(), of, filters).await?;
    let Previewed { filters, import, effect, warnings: unsure } = done;
    Ok(Json(PreviewView { filters: filters.into(), import, effect: effect.into(), warnings: warnings(unsure) }))
}
