//! What the vendor's back end tells us: its profile, partners, accounts, packages and counts. The bundle never
//! invents any of these.

mod profile;
mod record;

pub use profile::{ProfileInput, get_profile, put_profile};
pub use record::{Account, AccountClaim, AccountPackage, Package, Partner, PartnerPackages, Usage, VendorProfile};
