//! A change of an account's packages.

use crate::ids::{AccountId, ChangeId, PackageId, PartnerId, RunId};
use crate::problem::Code;
use crate::records::{Key, Record};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a change that is done is remembered, so that it is not taken twice: 13 months.
const CHANGE_KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);

/// How we were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeSource {
    /// As a change, by call or event.
    Change,
    /// The account as a whole was told, and differed.
    Account,
}

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeState {
    /// Not pushed, or not wholly.
    Pending,
    /// All its lines are right.
    Done,
    /// Nothing to push: no connection bills packages.
    Noted,
}

/// One change: from a package, to a package, or another quantity of the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChange {
    /// Whose client.
    pub partner: PartnerId,
    /// The vendor's own name of the change.
    pub id: ChangeId,
    /// Which account.
    pub account: AccountId,
    /// The package that it no longer has, or had in another quantity.
    pub from: Option<PackageId>,
    /// The package that it has now.
    pub to: Option<PackageId>,
    /// How many of it.
    pub quantity: Option<i64>,
    /// When it changed at the vendor: orders changes.
    pub occurred_at: Timestamp,
    /// When we were told.
    pub received_at: Timestamp,
    /// How.
    pub source: ChangeSource,
    /// Where it stands.
    pub state: ChangeState,
    /// Why it is still pending.
    pub why: Option<(Code, String)>,
    /// The run that last tried.
    pub run: Option<RunId>,
    /// How often it was tried.
    #[serde(default)]
    pub tries: u32,
    /// When it was done.
    pub done_at: Option<Timestamp>,
}

impl PackageChange {
    /// The packages whose lines it touches.
    pub fn packages(&self) -> impl Iterator<Item = &PackageId> {
        let to = self.to.iter().filter(|to| self.from.as_ref() != Some(*to));
        self.from.iter().chain(to)
    }

    /// Whether one package is left for another.
    #[must_use]
    pub fn is_swap(&self) -> bool {
        self.from.is_some() && self.to.is_some() && self.from != self.to
    }
}

impl Record for PackageChange {
    const ENTITY: &'static str = "package_change";
    fn key(&self) -> Key {
        Key::PackageChange(self.partner.clone(), self.id.clone())
    }
    fn expires(&self) -> Option<Timestamp> {
        self.done_at?.checked_add(CHANGE_KEPT).ok()
    }
}

/// A change that is not done: listed by itself, so that finding what is pending does not read what is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PendingChange(pub PackageChange);

impl Record for PendingChange {
    const ENTITY: &'static str = "pending_change";
    fn key(&self) -> Key {
        Key::PendingChange(self.0.partner.clone(), self.0.id.clone())
    }
}
