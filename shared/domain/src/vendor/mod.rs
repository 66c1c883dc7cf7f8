//! What the vendor's back end tells us: its profile, partners, accounts, packages and counts. The bundle never
//! invents any of these. Each call may be repeated: what is already known is answered and not written again.

mod accounts;
pub(crate) mod check;
mod claims;
mod daily;
mod packages;
mod partners;
mod profile;
mod record;
mod usage;

pub use accounts::{ACCOUNT_PACKAGES_MAX, AccountInput, AccountItem, deactivate_account, put_account, put_accounts};
pub use check::{BATCH_ITEMS_MAX, Put, PutOutcome};
pub use claims::{OWN_PSA, claim_account, release_account};
pub use packages::{PARTNER_PACKAGES_MAX, PackageInput, put_package, put_partner_packages};
pub use partners::{PartnerInput, deactivate_partner, put_partner};
pub use profile::{ProfileInput, get_profile, put_profile};
pub use record::{
    Account, AccountClaim, AccountPackage, DayCount, ManualLimits, Package, Partner, PartnerPackages, RemovedPackage,
    Stamp, Usage, UsageMonth, VendorProfile,
};
pub use usage::{
    AS_OF_AHEAD_MAX, COUNT_MAX, UsageInput, UsageItem, UsageOutcome, partner_zone, record_usage, record_usages,
};
