//! What a package is billed as.

use super::QuantityRule;
use crate::ids::{ConnectionId, LineKind, PackageId, PartnerId};
use crate::records::{Key, Record};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a package's units come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum QuantitySource {
    /// The vendor's counts; written by the seat sync.
    #[default]
    Usage,
    /// The quantity that the account has; written when the package changes.
    Package,
}

/// Which of a month's counts is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum CountRule {
    /// The newest count when the run is made.
    #[default]
    SnapshotOnRun,
    /// The largest count of the month.
    HighWaterMark,
    /// The average of the month's days, rounded up.
    AverageRoundedUp,
    /// The prepaid quantity of the account's package, whatever was counted.
    Fixed,
}

impl CountRule {
    /// All of them.
    pub const ALL: &[CountRule] = &[Self::SnapshotOnRun, Self::HighWaterMark, Self::AverageRoundedUp, Self::Fixed];
}

/// A service or bundle of Autotask's catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceTarget {
    /// Service or bundle.
    pub kind: LineKind,
    /// `Services.id` or `ServiceBundles.id`.
    pub id: i64,
    /// Its name when last read.
    pub name: String,
    /// The product that was chosen, where the service was found by its name or SKU.
    #[serde(default)]
    pub product_id: Option<i64>,
}

impl ServiceTarget {
    /// Whether a contract line holds it.
    #[must_use]
    pub fn is(&self, kind: LineKind, service_id: i64) -> bool {
        self.kind == kind && self.id == service_id
    }
}

/// What a package is billed as on a connection's contracts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageMapping {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Which package.
    pub package: PackageId,
    /// As what; none where it is excluded, or summed into another package.
    pub target: Option<ServiceTarget>,
    /// What it was billed as before, newest last: lines of these are swapped for the target at the next sync.
    #[serde(default)]
    pub former: Vec<ServiceTarget>,
    /// The package into whose line its count is summed.
    #[serde(default)]
    pub sum_into: Option<PackageId>,
    /// Not billed through this connection.
    #[serde(default)]
    pub excluded: bool,
    /// Overwrite Cost where the line does not say; absent: the connection's.
    pub overwrite_cost: Option<bool>,
    /// Where units come from.
    pub quantity_source: QuantitySource,
    /// Which of the counts.
    pub count_rule: CountRule,
    /// What is made of the sum.
    pub quantity_rule: QuantityRule,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Record for PackageMapping {
    const ENTITY: &'static str = "package_mapping";
    fn key(&self) -> Key {
        Key::PackageMapping(self.partner.clone(), self.connection.clone(), self.package.clone())
    }
}
