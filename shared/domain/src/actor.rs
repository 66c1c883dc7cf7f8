//! Who does something, and whose things it may touch.

use crate::ids::PartnerId;
use serde::{Deserialize, Serialize};

/// The roles that a token can carry, and ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything for its own partner; credentials only with the main account.
    PartnerAdmin,
    /// Mappings, previews, approvals, runs, reports, issues.
    PartnerBilling,
    /// Reads.
    PartnerViewer,
    /// Reads every partner; tests, replays, retries with a reason. Never secrets.
    VendorSupport,
    /// Support, and the vendor's profile.
    VendorAdmin,
    /// The vendor's back end.
    Service,
    /// A schedule, a queue worker, a sweeper.
    System,
}

impl Role {
    /// Whether callers with this role belong to one partner only.
    #[must_use]
    pub fn is_partner(self) -> bool {
        matches!(self, Role::PartnerAdmin | Role::PartnerBilling | Role::PartnerViewer)
    }

    /// The claim's text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::PartnerAdmin => "partner_admin",
            Role::PartnerBilling => "partner_billing",
            Role::PartnerViewer => "partner_viewer",
            Role::VendorSupport => "vendor_support",
            Role::VendorAdmin => "vendor_admin",
            Role::Service => "service",
            Role::System => "system",
        }
    }
}

/// Who made a change. Every mutating domain call takes one, and the audit trail keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The token's `sub`, or what acted by itself: `schedule:seat_sync`, `queue:seat_sync`.
    pub who: String,
    /// The role it acted in.
    pub role: Role,
    /// The request or message that caused the change.
    pub request_id: String,
    /// Why, where somebody who had to say so, or wanted to, did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Actor {
    /// Something of ours that acts without a person.
    #[must_use]
    pub fn system(who: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self { who: who.into(), role: Role::System, request_id: request_id.into(), reason: None }
    }

    /// The same, saying why.
    #[must_use]
    pub fn because(&self, reason: Option<String>) -> Self {
        Self { reason, ..self.clone() }
    }
}

/// Whose records a storage call may touch. There is no storage call without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One partner's records, and nothing else: any other key is as if it did not exist.
    Partner(PartnerId),
    /// Every partner's, for dispatchers, sweepers and vendor roles.
    System(SystemReason),
}

/// Why a call may cross partners. Built by [`Scope::system`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemReason(&'static str);

impl Scope {
    /// A scope over all partners. `clippy.toml` bans this call outside `runtime` and tests, so that a
    /// route cannot widen its own reach.
    #[must_use]
    pub fn system(reason: &'static str) -> Self {
        Scope::System(SystemReason(reason))
    }

    /// Whether a record of `partner` (none: the vendor's own) may be touched.
    #[must_use]
    pub fn admits(&self, partner: Option<&PartnerId>) -> bool {
        match self {
            Scope::System(_) => true,
            Scope::Partner(own) => partner == Some(own),
        }
    }

    /// The same call, narrowed to one partner: what a worker uses once it knows whose message it has.
    #[must_use]
    pub fn narrow(&self, partner: &PartnerId) -> Option<Scope> {
        self.admits(Some(partner)).then(|| Scope::Partner(partner.clone()))
    }
}

impl SystemReason {
    /// The reason, for logs and the audit trail.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        self.0
    }
}
