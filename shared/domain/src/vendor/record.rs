use crate::ids::{AccountId, PackageId, PartnerId};
use crate::ports::SecretVersion;
use crate::records::{Key, Record};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What the vendor is in Autotask, and what its partners are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VendorProfile {
    /// The name in Autotask's list of integration vendors.
    pub integration_vendor: String,
    /// Which version of the secret holds the integration code (tracking identifier); absent until it is set.
    pub integration_code: Option<SecretVersion>,
    /// Shown wherever an error is shown.
    pub support_address: String,
    /// Name of the recurring-service billing code that lines of this vendor carry.
    pub saas_billing_code: String,
    /// Further words for the setup guide, one paragraph each.
    #[serde(default)]
    pub guide_notes: Vec<String>,
}

impl Record for VendorProfile {
    const ENTITY: &'static str = "vendor_profile";
    fn key(&self) -> Key {
        Key::VendorProfile
    }
}

/// A partner, as the vendor's back end or the first connect made it known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partner {
    /// Its id.
    pub id: PartnerId,
    /// Its name.
    pub name: String,
    /// IANA name of its time zone, checked when stored.
    pub time_zone: String,
    /// Whether it still is a customer.
    pub active: bool,
}

impl Record for Partner {
    const ENTITY: &'static str = "partner";
    fn key(&self) -> Key {
        Key::Partner(self.id.clone())
    }
}

/// A package that an account has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountPackage {
    /// Which.
    pub id: PackageId,
    /// How many, where the package is sold by quantity.
    pub quantity: Option<i64>,
}

/// The partner's end client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Whose client.
    pub partner: PartnerId,
    /// Its id at the vendor.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// E-mail address of its primary contact; auto-map compares it.
    pub contact_email: Option<String>,
    /// What it has.
    #[serde(default)]
    pub packages: Vec<AccountPackage>,
    /// Whether it still is a client.
    pub active: bool,
    /// When we were told.
    pub updated_at: Timestamp,
}

impl Record for Account {
    const ENTITY: &'static str = "account";
    fn key(&self) -> Key {
        Key::Account(self.partner.clone(), self.id.clone())
    }
}

/// An account that another PSA's integration has claimed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountClaim {
    /// Whose client.
    pub partner: PartnerId,
    /// Which account.
    pub account: AccountId,
    /// By which PSA: `connectwise`, `halo`.
    pub psa: String,
    /// Since when.
    pub at: Timestamp,
}

impl Record for AccountClaim {
    const ENTITY: &'static str = "account_claim";
    fn key(&self) -> Key {
        Key::AccountClaim(self.partner.clone(), self.account.clone())
    }
}

/// What the vendor sells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// Its id.
    pub id: PackageId,
    /// Its name.
    pub name: String,
    /// What is counted: `user`, `domain`.
    pub metric: String,
    /// What the partner pays for one unit and month; the cost written where Overwrite Cost is on.
    #[serde(default)]
    pub unit_price_to_partner: Option<Decimal>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// Whether it is still sold.
    pub active: bool,
}

impl Record for Package {
    const ENTITY: &'static str = "package";
    fn key(&self) -> Key {
        Key::Package(self.id.clone())
    }
}

/// Which packages a partner may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartnerPackages {
    /// Whose.
    pub partner: PartnerId,
    /// Which, in the vendor's order.
    pub packages: Vec<PackageId>,
}

impl Record for PartnerPackages {
    const ENTITY: &'static str = "partner_packages";
    fn key(&self) -> Key {
        Key::PartnerPackages(self.partner.clone())
    }
}

/// The newest count of one account's package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Whose.
    pub partner: PartnerId,
    /// Which account.
    pub account: AccountId,
    /// Which package.
    pub package: PackageId,
    /// Active users (or whatever the package counts).
    pub active: i64,
    /// When the vendor counted; orders counts, so that an older one never replaces a newer one.
    pub as_of: Timestamp,
    /// The vendor's own name of the count.
    pub source_id: Option<String>,
    /// When we were told.
    pub received_at: Timestamp,
}

impl Record for Usage {
    const ENTITY: &'static str = "usage";
    fn key(&self) -> Key {
        Key::Usage(self.partner.clone(), self.account.clone(), self.package.clone())
    }
}
