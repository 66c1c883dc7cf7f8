//! The vendor's packages on Autotask's contracts: which service a package is billed as, and what changed.

mod change;
pub mod counting;
mod history;
mod mapping;
mod quantity;
mod settle;

pub use change::{ChangeSource, ChangeState, PackageChange, PendingChange};
pub use history::{UsageHistory, prepaid, usage_history};
pub use mapping::{CountRule, PackageMapping, QuantitySource, ServiceTarget};
pub use quantity::QuantityRule;
pub use settle::{Facts, Judged, judge, settle};
