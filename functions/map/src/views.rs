//! What answers look like.

use domain::mappings::{self, AccountRow, ContractRef, LineNow, MappedLine, Mapping, MappingSource, Remark};
use domain::records::Versioned;
use domain::runs::Run;
use domain::{AccountId, Code, LineKind, PackageId, RunId};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something to know, with its code.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoteView {
    /// Which.
    #[schema(value_type = String, example = "mapping_unconfirmed")]
    code: Code,
    /// In words.
    #[schema(example = "The mapping waits for your confirmation.")]
    detail: String,
    /// What to do.
    #[schema(example = "Confirm the mapping.")]
    action: &'static str,
}

impl NoteView {
    fn of(code: Code) -> Self {
        Self { code, detail: code.title().to_owned(), action: code.action() }
    }
}

impl From<Remark> for NoteView {
    fn from(remark: Remark) -> Self {
        Self { code: remark.code, detail: remark.detail, action: remark.code.action() }
    }
}

/// An Autotask company by id, with its name as last seen.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompanyRefView {
    /// `Companies.id`.
    #[schema(example = 4101)]
    id: i64,
    #[schema(example = "Blue Kite Ltd")]
    name: String,
}

/// An Autotask contract by id, with its facts as last seen.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContractRefView {
    /// `Contracts.id`.
    #[schema(example = 3300)]
    id: i64,
    #[schema(example = "Managed services 2026")]
    name: String,
    #[schema(value_type = Option<String>, format = Date, example = "2026-01-01")]
    start: Option<Date>,
    #[schema(value_type = Option<String>, format = Date, example = "2026-12-31")]
    end: Option<Date>,
}

impl From<ContractRef> for ContractRefView {
    fn from(contract: ContractRef) -> Self {
        let ContractRef { id, name, start, end } = contract;
        Self { id, name, start, end }
    }
}

/// What kind of line: `contract_service_id` counts services and bundles apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineKindView {
    /// A contract service.
    #[default]
    Service,
    /// A contract service bundle.
    Bundle,
}

impl From<LineKind> for LineKindView {
    fn from(kind: LineKind) -> Self {
        match kind {
            LineKind::Service => Self::Service,
            LineKind::Bundle => Self::Bundle,
        }
    }
}

impl From<LineKindView> for LineKind {
    fn from(kind: LineKindView) -> Self {
        match kind {
            LineKindView::Service => Self::Service,
            LineKindView::Bundle => Self::Bundle,
        }
    }
}

/// A line that receives a package's count.
#[derive(Debug, Serialize, ToSchema)]
pub struct MappedLineView {
    #[schema(value_type = String, example = "training")]
    package_id: PackageId,
    kind: LineKindView,
    /// `ContractServices.id`, or of a bundle `ContractServiceBundles.id`.
    #[schema(example = 789)]
    contract_service_id: i64,
    /// The service's name: as Autotask has it at `checked_at`; null where the line is gone or out of sight.
    #[schema(example = "Security Awareness Training")]
    name_now: Option<String>,
    /// Units today; only with `live=true`, and null where no period covers today.
    #[schema(example = 47)]
    units_now: Option<i64>,
    /// When this was read from Autotask.
    #[schema(value_type = String, format = DateTime)]
    checked_at: Timestamp,
    /// Overwrite Cost of this line; null: its package's mapping decides, else the connection's setting.
    overwrite_cost: Option<bool>,
    /// On which contract it lies: the package's own, else the mapping's.
    #[schema(example = 3300)]
    contract_id: Option<i64>,
}

/// A package that is billed on another contract than the mapping's.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackageContractView {
    #[schema(value_type = String, example = "phishing")]
    package_id: PackageId,
    contract: ContractRefView,
}

/// Why a mapping no longer works.
#[derive(Debug, Serialize, ToSchema)]
pub struct BrokenView {
    #[schema(value_type = String, example = "contract_renewed")]
    code: Code,
    detail: String,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// What to do.
    action: &'static str,
}

/// An account's mapping.
#[derive(Debug, Serialize, ToSchema)]
pub struct MappingView {
    /// `unmapped`, `suggested`, `confirmed`, `excluded` or `broken`.
    #[schema(example = "confirmed")]
    status: &'static str,
    company: Option<CompanyRefView>,
    contract: Option<ContractRefView>,
    lines: Vec<MappedLineView>,
    /// Packages that are billed on other contracts of the company, with or without a line yet.
    contracts: Vec<PackageContractView>,
    /// Where it came from: `email`, `name`, `manual`, `csv` or `renewal`.
    #[schema(value_type = Option<String>, example = "manual")]
    source: Option<MappingSource>,
    /// Why it is broken.
    broken: Option<BrokenView>,
    /// Whether a person paused the account.
    paused: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    confirmed_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    updated_at: Option<Timestamp>,
    /// What `If-Match` takes, in double quotes; null for an account without a mapping.
    #[schema(example = 3)]
    version: Option<u64>,
    /// What to know: `mapping_unconfirmed`, `no_contract_selected`, `account_claimed_by_other_psa`.
    notes: Vec<NoteView>,
}

impl MappingView {
    /// An account's mapping, with its lines as they are now where that was read.
    pub(crate) fn of(mapping: Option<Versioned<Mapping>>, now: Vec<LineNow>, claimed_by: Option<&str>) -> Self {
        let mut notes = Vec::new();
        if let Some(psa) = claimed_by {
            let detail = format!("The account is synchronised by {psa}.");
            notes.push(NoteView { detail, ..NoteView::of(Code::AccountClaimedByOtherPsa) });
        }
        let Some(Versioned { v, value: mapping }) = mapping else { return Self::unmapped(notes) };
        notes.extend(note(&mapping).map(NoteView::of));
        let mut now = now.into_iter();
        let seen_at = mapping.updated_at;
        let contract_of = |line: &MappedLine| mapping.contract_for(&line.package_id).map(|contract| contract.id);
        let on: Vec<Option<i64>> = mapping.lines.iter().map(contract_of).collect();
        let lines = mapping.lines.into_iter().zip(on);
        let lines = lines.map(|(line, contract)| line_view(line, contract, now.next(), seen_at)).collect();
        let own = mapping.contracts.into_iter();
        Self {
            status: mappings::status_text(mapping.status),
            company: mapping.company.map(|c| CompanyRefView { id: c.id, name: c.name }),
            contract: mapping.contract.map(ContractRefView::from),
            lines,
            contracts: own
                .map(|own| PackageContractView { package_id: own.package_id, contract: own.contract.into() })
                .collect(),
            source: Some(mapping.source),
            broken: mapping.broken.map(|b| BrokenView {
                code: b.code,
                detail: b.detail,
                since: b.since,
                action: b.code.action(),
            }),
            paused: mapping.paused,
            confirmed_at: mapping.confirmed_at,
            updated_at: Some(mapping.updated_at),
            version: Some(v),
            notes,
        }
    }

    fn unmapped(notes: Vec<NoteView>) -> Self {
        Self {
            status: "unmapped",
            company: None,
            contract: None,
            lines: Vec::new(),
            contracts: Vec::new(),
            source: None,
            broken: None,
            paused: false,
            confirmed_at: None,
            updated_at: None,
            version: None,
            notes,
        }
    }
}

fn note(mapping: &Mapping) -> Option<Code> {
    match mapping.status {
        mappings::MappingStatus::Suggested => Some(Code::MappingUnconfirmed),
        mappings::MappingStatus::Confirmed if mapping.contract.is_none() || mapping.lines.is_empty() => {
            Some(Code::NoContractSelected)
        }
        _ => None,
    }
}

fn line_view(line: MappedLine, contract_id: Option<i64>, now: Option<LineNow>, seen_at: Timestamp) -> MappedLineView {
    let (name_now, units_now, checked_at) =
        now.map_or((Some(line.service_name), None, seen_at), |now| (now.name, now.units, now.checked_at));
    MappedLineView {
        package_id: line.package_id,
        kind: line.line.kind.into(),
        contract_service_id: line.line.id,
        name_now,
        units_now,
        checked_at,
        overwrite_cost: line.overwrite_cost,
        contract_id,
    }
}

/// An account with its mapping.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountRowView {
    #[schema(value_type = String, example = "a1")]
    account_id: AccountId,
    #[schema(example = "Blue Kite Ltd")]
    name: String,
    #[schema(example = "office@bluekite.example")]
    contact_email: Option<String>,
    /// Whether it still is a client; inactive ones are listed while they have a mapping.
    active: bool,
    #[schema(value_type = Vec<String>, example = json!(["training"]))]
    package_ids: Vec<PackageId>,
    mapping: MappingView,
}

impl From<AccountRow> for AccountRowView {
    fn from(row: AccountRow) -> Self {
        let AccountRow { account, mapping, lines_now, claimed_by } = row;
        Self {
            account_id: account.id,
            name: account.name,
            contact_email: account.contact_email,
            active: account.active,
            package_ids: account.packages.into_iter().map(|p| p.id).collect(),
            mapping: MappingView::of(mapping, lines_now, claimed_by.as_deref()),
        }
    }
}

/// Long work that has begun.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunStarted {
    #[schema(value_type = String, example = "0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e")]
    run_id: RunId,
    /// Where its state can be read.
    #[schema(example = "/v1/connections/con_1/runs/0199a7c0-b1f0-7c3e-9d3f-1f0a2b4c6d8e")]
    status_url: String,
}

impl From<&Run> for RunStarted {
    fn from(run: &Run) -> Self {
        Self { run_id: run.id.clone(), status_url: run.status_url() }
    }
}
