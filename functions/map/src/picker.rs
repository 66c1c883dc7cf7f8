//! The picker: companies, contracts and lines, live from Autotask.

use crate::views::{LineKindView, NoteView};
use crate::{Call, PICKERS};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::mappings::{self, CompanyContracts, CompanyFacts, CompanySearch, ContractFacts, ContractLines, LineFacts};
use domain::{AccountId, ConnectionId, PackageId};
use jiff::civil::Date;
use runtime::App;
use runtime::edge::{ApiError, Caller, Params, PathParams, ProblemBody};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What companies to search.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CompanyParams {
    /// Part of the name, or the beginning of the company's number.
    #[serde(default)]
    q: String,
    /// Label or number of the company's type; only within the connection's company scope.
    r#type: Option<String>,
    /// Label or number of its classification.
    classification: Option<String>,
}

/// A company of Autotask.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompanyView {
    /// `Companies.id`.
    #[schema(example = 4101)]
    id: i64,
    name: String,
    number: Option<String>,
    /// Label of its type.
    #[schema(example = "Customer")]
    company_type: Option<String>,
    active: bool,
    /// The account that is mapped to it already; of several the first.
    #[schema(value_type = Option<String>, example = "a7")]
    mapped_to: Option<AccountId>,
    /// All accounts that are mapped to it already, by id: several where the setting
    /// `topologies.many_accounts_per_company` lets them.
    #[schema(value_type = Vec<String>, example = json!(["a7"]))]
    taken_by: Vec<AccountId>,
}

/// Companies that were found.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompaniesView {
    /// At most 50, by name.
    items: Vec<CompanyView>,
    /// Whether there are more: refine the search.
    more: bool,
}

impl From<CompanyFacts> for CompanyView {
    fn from(facts: CompanyFacts) -> Self {
        let CompanyFacts { id, name, number, company_type, active, taken_by } = facts;
        Self { id, name, number, company_type, active, mapped_to: taken_by.first().cloned(), taken_by }
    }
}

/// Searches companies in Autotask
///
/// Within the connection's company scope; the partner's own company is never among them.
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/autotask/companies",
    tag = "map",
    params(("cid" = String, Path, example = "con_1"), CompanyParams),
    responses(
        (status = 200, description = "At most 50 companies", body = CompaniesView, example = json!({"items": [{"id": 4101, "name": "Blue Kite Ltd", "number": "BK-7", "company_type": "Customer", "active": true, "mapped_to": null, "taken_by": []}], "more": false})),
        (status = 400, description = "`invalid_input`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn search_companies(
    State(app): State<App>,
    caller: Caller,
    PathParams(cid): PathParams<ConnectionId>,
    params: Params<CompanyParams>,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, PICKERS, cid)?;
    let params = params.read()?;
    let CompanyParams { q, r#type, classification } = params;
    let search = CompanySearch { q, company_type: r#type, classification };
    let (found, more) = mappings::search_companies(call.context(), &search).await?;
    Ok(Json(CompaniesView { items: found.into_iter().map(CompanyView::from).collect(), more }))
}

/// A contract of Autotask.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContractView {
    /// `Contracts.id`.
    #[schema(example = 3300)]
    id: i64,
    name: String,
    number: Option<String>,
    /// Label of its type.
    #[schema(example = "Recurring Service")]
    contract_type: Option<String>,
    /// Label of its billing period.
    #[schema(example = "Monthly")]
    period_type: Option<String>,
    /// Label of its status.
    #[schema(example = "Active")]
    status: Option<String>,
    #[schema(value_type = Option<String>, format = Date)]
    start: Option<Date>,
    #[schema(value_type = Option<String>, format = Date)]
    end: Option<Date>,
    /// The contract that renews it.
    renewed_by: Option<i64>,
    /// Whether its lines can be mapped.
    eligible: bool,
    /// Why not: `contract_not_recurring`, `contract_ended`, `contract_renewed`.
    why_not: Vec<NoteView>,
    /// What to know otherwise: `contract_not_monthly`, `effective_date_outside_contract`, `contract_renewed`.
    warnings: Vec<NoteView>,
    /// Whether it has a line with the vendor's billing code; looked for on eligible contracts only.
    has_vendor_line: bool,
}

impl From<ContractFacts> for ContractView {
    fn from(facts: ContractFacts) -> Self {
        Self {
            id: facts.id,
            name: facts.name,
            number: facts.number,
            contract_type: facts.contract_type,
            period_type: facts.period_type,
            status: facts.status,
            start: facts.start,
            end: facts.end,
            renewed_by: facts.renewed_by,
            eligible: facts.eligible,
            why_not: facts.why_not.into_iter().map(NoteView::from).collect(),
            warnings: facts.warnings.into_iter().map(NoteView::from).collect(),
            has_vendor_line: facts.has_vendor_line,
        }
    }
}

/// A company's contracts.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContractsView {
    /// Eligible ones with the vendor's line first.
    items: Vec<ContractView>,
    /// The accounts that are mapped to the company already, by id.
    #[schema(value_type = Vec<String>, example = json!(["a7"]))]
    taken_by: Vec<AccountId>,
}

/// Lists a company's contracts in Autotask, and why one cannot be used
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/autotask/companies/{company_id}/contracts",
    tag = "map",
    params(("cid" = String, Path, example = "con_1"), ("company_id" = i64, Path, example = 4101)),
    responses(
        (status = 200, description = "Its contracts", body = ContractsView, example = json!({"items": [{
            "id": 3300, "name": "Managed services 2026", "number": null, "contract_type": "Recurring Service", "period_type": "Monthly",
            "status": "Active", "start": "2026-01-01", "end": "2026-12-31", "renewed_by": null, "eligible": true, "why_not": [],
            "warnings": [], "has_vendor_line": true
        }], "taken_by": ["a7"]})),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_contracts(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, company)): PathParams<(ConnectionId, i64)>,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, PICKERS, cid)?;
    let CompanyContracts { contracts, taken_by } = mappings::contracts_of(call.context(), company).await?;
    Ok(Json(ContractsView { items: contracts.into_iter().map(ContractView::from).collect(), taken_by }))
}

/// Who a line is mapped to already.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TakenView {
    #[schema(value_type = String, example = "a7")]
    account_id: AccountId,
    #[schema(value_type = String, example = "training")]
    package_id: PackageId,
}

/// A contract's line.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceView {
    kind: LineKindView,
    /// `ContractServices.id`, or of a bundle `ContractServiceBundles.id`.
    #[schema(example = 789)]
    contract_service_id: i64,
    /// `serviceID` or `serviceBundleID`.
    #[schema(example = 41)]
    service_id: i64,
    /// The service's name; null where the API user may not read it.
    name: Option<String>,
    service_active: bool,
    /// Units today in the connection's zone; null where no period covers today.
    #[schema(example = 10)]
    units: Option<i64>,
    /// Whether that period is approved and posted.
    period_billed: bool,
    /// As a decimal string, where readable.
    #[schema(value_type = Option<String>, example = "12.50")]
    unit_price: Option<Decimal>,
    /// As a decimal string, where readable; never of a bundle.
    #[schema(value_type = Option<String>, example = "7.00")]
    unit_cost: Option<Decimal>,
    /// Whether the service has the vendor's billing code.
    vendor_line: bool,
    /// Whether the contract holds the same service more than once.
    duplicate_line: bool,
    /// Who it is mapped to already; of several the first.
    mapped_to: Option<TakenView>,
    /// All who are mapped to it already, by account: several where their counts are summed.
    taken_by: Vec<TakenView>,
}

/// A contract with its lines.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServicesView {
    contract: ContractView,
    /// Lines with the vendor's billing code first.
    items: Vec<ServiceView>,
}

impl From<ContractLines> for ServicesView {
    fn from(found: ContractLines) -> Self {
        let ContractLines { contract, lines, mut taken } = found;
        let view = |line: LineFacts| {
            let holders = taken.remove(&line.line).unwrap_or_default().into_iter();
            let by = holders.map(|held| TakenView { account_id: held.account, package_id: held.package_id });
            service(line, by.collect())
        };
        let items = lines.into_iter().map(view).collect();
        Self { contract: contract.into(), items }
    }
}

fn service(line: LineFacts, taken_by: Vec<TakenView>) -> ServiceView {
    ServiceView {
        kind: line.line.kind.into(),
        contract_service_id: line.line.id,
        service_id: line.service_id,
        name: line.name,
        service_active: line.service_active,
        units: line.units,
        period_billed: line.period_billed,
        unit_price: line.unit_price,
        unit_cost: line.unit_cost,
        vendor_line: line.vendor_line,
        duplicate_line: line.duplicate_line,
        mapped_to: taken_by.first().cloned(),
        taken_by,
    }
}

/// Lists a contract's lines in Autotask with today's units
#[utoipa::path(
    get,
    path = "/v1/connections/{cid}/autotask/contracts/{contract_id}/services",
    tag = "map",
    params(("cid" = String, Path, example = "con_1"), ("contract_id" = i64, Path, example = 3300)),
    responses(
        (status = 200, description = "Its lines", body = ServicesView, example = json!({
            "contract": {
                "id": 3300, "name": "Managed services 2026", "number": null, "contract_type": "Recurring Service", "period_type": "Monthly",
                "status": "Active", "start": "2026-01-01", "end": "2026-12-31", "renewed_by": null, "eligible": true, "why_not": [],
                "warnings": [], "has_vendor_line": true
            },
            "items": [{
                "kind": "service", "contract_service_id": 789, "service_id": 41, "name": "Security Awareness Training",
                "service_active": true, "units": 10, "period_billed": false, "unit_price": "12.50", "unit_cost": "7.00",
                "vendor_line": true, "duplicate_line": false, "mapped_to": null, "taken_by": []
            }]
        })),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`needs_relink`, `connection_paused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`autotask_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_services(
    State(app): State<App>,
    caller: Caller,
    PathParams((cid, contract)): PathParams<(ConnectionId, i64)>,
) -> Result<impl IntoResponse, ApiError> {
    let call = Call::new(app, &caller, PICKERS, cid)?;
    Ok(Json(ServicesView::from(mappings::lines_of(call.context(), contract).await?)))
}
