//! What a package's mapping looks like, as it comes and as it goes.

use crate::views::{LineKindView, NoteView};
use domain::packages::{
    CatalogueKind, CountRule, Gate, MissingPackage, PackageMapping, PackageRow, QuantityRule, QuantitySource,
    ServiceTarget, WantedPackage, WantedTarget,
};
use domain::records::Versioned;
use domain::{Code, PackageId};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a package can be mapped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatalogueKindView {
    /// A service.
    Service,
    /// A service bundle.
    Bundle,
    /// A product, for the one active service of its name or SKU.
    Product,
}

impl From<CatalogueKindView> for CatalogueKind {
    fn from(kind: CatalogueKindView) -> Self {
        match kind {
            CatalogueKindView::Service => Self::Service,
            CatalogueKindView::Bundle => Self::Bundle,
            CatalogueKindView::Product => Self::Product,
        }
    }
}

impl From<CatalogueKind> for CatalogueKindView {
    fn from(kind: CatalogueKind) -> Self {
        match kind {
            CatalogueKind::Service => Self::Service,
            CatalogueKind::Bundle => Self::Bundle,
            CatalogueKind::Product => Self::Product,
        }
    }
}

/// Where a package's units come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuantitySourceView {
    /// The vendor's counts; written by the seat sync.
    Usage,
    /// The quantity that the account has; written when the package changes.
    Package,
}

impl From<QuantitySourceView> for QuantitySource {
    fn from(source: QuantitySourceView) -> Self {
        match source {
            QuantitySourceView::Usage => Self::Usage,
            QuantitySourceView::Package => Self::Package,
        }
    }
}

impl From<QuantitySource> for QuantitySourceView {
    fn from(source: QuantitySource) -> Self {
        match source {
            QuantitySource::Usage => Self::Usage,
            QuantitySource::Package => Self::Package,
        }
    }
}

/// Which of a month's counts is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountRuleView {
    /// The newest count when the run is made.
    SnapshotOnRun,
    /// The largest count of the month.
    HighWaterMark,
    /// The average of the month's days, rounded up.
    AverageRoundedUp,
    /// The prepaid quantity of the account's package, whatever was counted.
    Fixed,
}

impl From<CountRuleView> for CountRule {
    fn from(rule: CountRuleView) -> Self {
        match rule {
            CountRuleView::SnapshotOnRun => Self::SnapshotOnRun,
            CountRuleView::HighWaterMark => Self::HighWaterMark,
            CountRuleView::AverageRoundedUp => Self::AverageRoundedUp,
            CountRuleView::Fixed => Self::Fixed,
        }
    }
}

impl From<CountRule> for CountRuleView {
    fn from(rule: CountRule) -> Self {
        match rule {
            CountRule::SnapshotOnRun => Self::SnapshotOnRun,
            CountRule::HighWaterMark => Self::HighWaterMark,
            CountRule::AverageRoundedUp => Self::AverageRoundedUp,
            CountRule::Fixed => Self::Fixed,
        }
    }
}

/// What is made of the sum of all counts that go into a line, in this order: free, ratio, minimum, maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuantityRuleView {
    /// Units that are not billed, 0 to 1,000,000.
    #[schema(example = 0, minimum = 0, maximum = 1_000_000)]
    free: i64,
    /// Committed minimum, 0 to 1,000,000; null: none.
    #[schema(minimum = 0, maximum = 1_000_000)]
    min: Option<i64>,
    /// Cap, 0 to 1,000,000; null: none.
    #[schema(minimum = 0, maximum = 1_000_000)]
    max: Option<i64>,
    /// Counts per unit, rounded up, 1 to 100,000.
    #[schema(example = 1, minimum = 1, maximum = 100_000)]
    ratio: i64,
}

impl Default for QuantityRuleView {
    fn default() -> Self {
        QuantityRule::default().into()
    }
}

impl From<QuantityRule> for QuantityRuleView {
    fn from(rule: QuantityRule) -> Self {
        let QuantityRule { free, min, max, ratio } = rule;
        Self { free, min, max, ratio }
    }
}

impl From<QuantityRuleView> for QuantityRule {
    fn from(rule: QuantityRuleView) -> Self {
        let QuantityRuleView { free, min, max, ratio } = rule;
        Self { free, min, max, ratio }
    }
}

/// A target in Autotask's catalogue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetBody {
    kind: CatalogueKindView,
    /// `Services.id`, `ServiceBundles.id` or `Products.id`.
    #[schema(example = 55)]
    id: i64,
}

/// What a package is billed as: the whole of it. Exactly one of `target`, `sum_into` and `excluded` is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageMappingBody {
    #[serde(default)]
    target: Option<TargetBody>,
    /// The package into whose line this one's count is summed; it must have a target itself.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = json!(null))]
    sum_into: Option<PackageId>,
    /// Not billed through this connection.
    #[serde(default)]
    excluded: bool,
    /// Overwrite Cost of the package's lines; null: the connection's setting. A line's own setting goes first. Not for
    /// bundles, and not true where the API user cannot read costs.
    #[serde(default)]
    overwrite_cost: Option<bool>,
    /// Null: `usage` where a count rule is given, else what it was, else `usage` where counts of the package are known,
    /// else `package`.
    #[serde(default)]
    quantity_source: Option<QuantitySourceView>,
    /// Null: `snapshot_on_run`.
    #[serde(default)]
    count_rule: Option<CountRuleView>,
    #[serde(default)]
    quantity_rule: QuantityRuleView,
}

impl From<PackageMappingBody> for WantedPackage {
    fn from(body: PackageMappingBody) -> Self {
        Self {
            target: body.target.map(|target| WantedTarget { kind: target.kind.into(), id: target.id }),
            sum_into: body.sum_into,
            excluded: body.excluded,
            overwrite_cost: body.overwrite_cost,
            quantity_source: body.quantity_source.map(QuantitySource::from),
            count_rule: body.count_rule.map(CountRule::from),
            quantity_rule: body.quantity_rule.into(),
        }
    }
}

/// A service or bundle that a package is or was billed as.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetView {
    kind: LineKindView,
    /// `Services.id` or `ServiceBundles.id`.
    #[schema(example = 55)]
    id: i64,
    /// Its name when it was chosen.
    #[schema(example = "Security Awareness Training")]
    name: String,
    /// The product that was chosen, where this is the service of its name or SKU.
    product_id: Option<i64>,
}

impl From<ServiceTarget> for TargetView {
    fn from(target: ServiceTarget) -> Self {
        let ServiceTarget { kind, id, name, product_id } = target;
        Self { kind: kind.into(), id, name, product_id }
    }
}

/// What a package is billed as.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackageMappingView {
    target: Option<TargetView>,
    /// What it was billed as before, newest last: lines of these are swapped for the target at the next sync.
    former: Vec<TargetView>,
    /// The package into whose line its count is summed.
    #[schema(value_type = Option<String>)]
    sum_into: Option<PackageId>,
    excluded: bool,
    /// Overwrite Cost of its lines; null: the connection's setting.
    overwrite_cost: Option<bool>,
    quantity_source: QuantitySourceView,
    count_rule: CountRuleView,
    quantity_rule: QuantityRuleView,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// What `If-Match` takes, in double quotes.
    #[schema(example = 1)]
    version: u64,
}

impl From<Versioned<PackageMapping>> for PackageMappingView {
    fn from(found: Versioned<PackageMapping>) -> Self {
        let Versioned { v, value } = found;
        Self {
            target: value.target.map(TargetView::from),
            former: value.former.into_iter().map(TargetView::from).collect(),
            sum_into: value.sum_into,
            excluded: value.excluded,
            overwrite_cost: value.overwrite_cost,
            quantity_source: value.quantity_source.into(),
            count_rule: value.count_rule.into(),
            quantity_rule: value.quantity_rule.into(),
            updated_at: value.updated_at,
            version: v,
        }
    }
}

/// A package's mapping.
#[derive(Debug, Serialize, ToSchema)]
pub struct MappedPackageView {
    #[schema(value_type = String, example = "training")]
    pub(crate) package_id: PackageId,
    pub(crate) mapping: PackageMappingView,
}

/// A package's mapping after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct SavedPackageView {
    #[schema(value_type = String, example = "training")]
    pub(crate) package_id: PackageId,
    pub(crate) mapping: PackageMappingView,
    /// Whether this call changed it.
    pub(crate) changed: bool,
    /// What to know: `contract_not_monthly`, where the service is billed by another period.
    pub(crate) warnings: Vec<NoteView>,
}

/// Who has a package.
#[derive(Debug, Serialize, ToSchema)]
pub struct InUseView {
    /// Active accounts that have it.
    #[schema(example = 12)]
    accounts: u32,
    /// Those of them whose mapping is confirmed and has a contract.
    #[schema(example = 10)]
    confirmed_accounts: u32,
    /// What these accounts have of it together, by the newest counts or the packages' quantities; null where neither is
    /// known.
    #[schema(example = 480)]
    seats: Option<i64>,
}

/// Contract lines of a package.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackageLinesView {
    /// How many it is mapped to.
    #[schema(example = 10)]
    count: u32,
}

/// A package that the partner may use.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackageRowView {
    #[schema(value_type = String, example = "training")]
    package_id: PackageId,
    #[schema(example = "Security Awareness Training")]
    name: String,
    /// What is counted.
    #[schema(example = "user")]
    metric: String,
    /// What the partner pays for one unit and month.
    #[schema(value_type = Option<String>, example = "1.75")]
    unit_price_to_partner: Option<Decimal>,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: Option<String>,
    /// Whether it is still sold.
    active: bool,
    in_use: InUseView,
    /// Null: not mapped.
    mapping: Option<PackageMappingView>,
    lines: PackageLinesView,
}

impl From<PackageRow> for PackageRowView {
    fn from(row: PackageRow) -> Self {
        let PackageRow { package, in_use, mapping, lines } = row;
        Self {
            package_id: package.id,
            name: package.name,
            metric: package.metric,
            unit_price_to_partner: package.unit_price_to_partner,
            currency: package.currency,
            active: package.active,
            in_use: InUseView {
                accounts: in_use.accounts,
                confirmed_accounts: in_use.confirmed_accounts,
                seats: in_use.seats,
            },
            mapping: mapping.map(PackageMappingView::from),
            lines: PackageLinesView { count: lines },
        }
    }
}

/// A package that stands in the way of the initial sync.
#[derive(Debug, Serialize, ToSchema)]
pub struct MissingPackageView {
    #[schema(value_type = String, example = "phishing")]
    package_id: PackageId,
    #[schema(example = "Phishing Simulation")]
    name: String,
    /// How many confirmed accounts with a contract have it.
    #[schema(example = 4)]
    accounts: u32,
    /// False: clients have it, and the vendor has not made it available to the partner, who cannot map it.
    available: bool,
}

/// Whether the initial sync may be started.
#[derive(Debug, Serialize, ToSchema)]
pub struct InitialSyncView {
    ready: bool,
    /// What is to be mapped, summed or excluded first.
    missing: Vec<MissingPackageView>,
    /// What to do; null where it is ready.
    action: Option<&'static str>,
}

impl From<Gate> for InitialSyncView {
    fn from(gate: Gate) -> Self {
        let view = |package: MissingPackage| {
            let MissingPackage { package_id, name, accounts, available } = package;
            MissingPackageView { package_id, name, accounts, available }
        };
        Self {
            ready: gate.ready,
            missing: gate.missing.into_iter().map(view).collect(),
            action: (!gate.ready).then(|| Code::InitialSyncNotReady.action()),
        }
    }
}
