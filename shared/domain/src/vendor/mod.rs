//! What the vendor's back end tells us: its profile, partners, accounts, packages and counts. The bundle never
//! invents any of these.

mod record;

pub use record::{Account, AccountClaim, AccountPackage, Package, Partner, PartnerPackages, Usage, VendorProfile};
