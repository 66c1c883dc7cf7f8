use crate::ids::{AccountId, ChangeId, PackageId, PartnerId};
use crate::ports::SecretVersion;
use crate::records::{Key, Record};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// How often partners may fetch invoices by hand.
    #[serde(default)]
    pub manual_limits: ManualLimits,
}

/// How often the two buttons of the invoice import may be pressed, in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManualLimits {
    /// *Fetch New Data*: minutes between two presses.
    pub fetch_new_minutes: i64,
    /// *Fetch Unpaid Invoices*: minutes between two presses.
    pub fetch_unpaid_minutes: i64,
}

impl Default for ManualLimits {
    fn default() -> Self {
        Self { fetch_new_minutes: 60, fetch_unpaid_minutes: 12 * 60 }
    }
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

/// When something was said of an account's package, and by which change: of two, the later one counts, in whatever
/// order they arrive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// When it was so at the vendor.
    pub at: Timestamp,
    /// The change that said it; decides between two of the same time.
    pub change: ChangeId,
}

/// A package that an account has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountPackage {
    /// Which.
    pub id: PackageId,
    /// How many, where the package is sold by quantity.
    pub quantity: Option<i64>,
    /// Who said so last; absent: the account as a whole, when it was last updated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
}

impl AccountPackage {
    /// A package as the whole account tells it.
    #[must_use]
    pub fn new(id: PackageId, quantity: Option<i64>) -> Self {
        Self { id, quantity, stamp: None }
    }
}

/// A package that an account no longer has: an older change that arrives late must not bring it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedPackage {
    /// Which.
    pub id: PackageId,
    /// Who said so.
    pub stamp: Stamp,
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
    /// What it no longer has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<RemovedPackage>,
    /// Every package that anything was ever told of. Of one that is not among them nothing is known: it may be counted
    /// and never told.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub told: BTreeSet<PackageId>,
    /// When all of its packages were last told together: what was not among them was not there then. Absent: when it
    /// was last updated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages_at: Option<Timestamp>,
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

/// The counts of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCount {
    /// The newest count of the day.
    pub last: i64,
    /// When that was counted.
    pub as_of: Timestamp,
    /// The largest count of the day.
    pub high: i64,
}

/// The daily counts of an account's package in one month of the partner's time zone: they explain every number that a
/// counting rule makes of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageMonth {
    /// Whose.
    pub partner: PartnerId,
    /// Which account.
    pub account: AccountId,
    /// Which package.
    pub package: PackageId,
    /// The month's first day.
    pub month: Date,
    /// The newest count from before the month, where there was one: it stands until the first count of the month.
    pub opening: Option<i64>,
    /// The counts, by day of the month.
    pub days: BTreeMap<i8, DayCount>,
}

/// How long daily counts are kept after their month: 13 months.
const USAGE_MONTH_KEPT: SignedDuration = SignedDuration::from_hours(24 * 430);

impl Record for UsageMonth {
    const ENTITY: &'static str = "usage_month";
    fn key(&self) -> Key {
        Key::UsageMonth(self.partner.clone(), self.account.clone(), self.package.clone(), self.month)
    }
    fn expires(&self) -> Option<Timestamp> {
        let midnight = self.month.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        midnight.checked_add(USAGE_MONTH_KEPT).ok()
    }
}
