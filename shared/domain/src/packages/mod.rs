//! The vendor's packages on Autotask's contracts: which service a package is billed as, and what changed.

mod catalogue;
mod change;
pub mod counting;
mod gate;
mod history;
mod list;
mod mapping;
mod pending;
mod push;
mod put;
mod quantity;
pub mod registers;
mod save;
mod settle;
mod shown;
mod standing;
mod target;
pub(crate) mod tell;

pub use catalogue::{
    CATALOGUE_MAX, CATALOGUE_Q_CHARS_MAX, CatalogueItem, CatalogueKind, NamedService, search_catalogue,
};
pub use change::{ChangeSource, ChangeState, PackageChange, PendingChange};
pub use gate::{Gate, MissingPackage, gate};
pub use history::{UsageHistory, prepaid, usage_history};
pub use list::{InUse, PackageList, PackageRow, list_packages};
pub use mapping::{CountRule, PackageMapping, QuantitySource, ServiceTarget};
pub use pending::{Backlog, Biller, FEATURE, PendingEntry, PendingKind, Standing, Waits, biller, list_pending};
pub(crate) use push::push_told;
pub use push::{JOB, SWEEP_EVERY, Swept, next_sweep, push, sweep};
pub use put::{SavedPackage, unmap_package};
pub use quantity::QuantityRule;
pub use save::{RATIO_MAX, RULE_UNITS_MAX, SavedWithWarnings, WantedPackage, package_mapping, save_package};
pub use settle::{Facts, Judged, judge, settle};
pub use target::WantedTarget;
pub use tell::{ChangeInput, KnownChange, OCCURRED_AHEAD_MAX, ToldOutcome, read_change, tell_change};
