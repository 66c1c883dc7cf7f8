//! That a person left an account's package alone for a period.

use super::{Decision, Period, Run};
use crate::actor::{Actor, Role};
use crate::calendar::month_of;
use crate::ids::{AccountId, ConnectionId, PackageId, PartnerId};
use crate::records::{Key, Record};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a dismissal is kept after its period: until nobody runs that period any more, which is two months after
/// its end at the latest, with room.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 100);

/// An account's package that is not written in a period. In the next one it comes up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dismissal {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Whose lines.
    pub account: AccountId,
    /// Which package's.
    pub package: PackageId,
    /// In which period.
    pub period: Period,
    /// Who said so.
    pub who: String,
    /// In which role.
    pub role: Role,
    /// Why.
    pub note: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Dismissal {
    /// A person's word on an account's package in the period that a run is for.
    #[must_use]
    pub fn new(actor: &Actor, run: &Run, (account, package): (&AccountId, &PackageId), decision: &Decision) -> Self {
        Self {
            partner: run.partner.clone(),
            connection: run.connection.clone(),
            account: account.clone(),
            package: package.clone(),
            period: period_of(run),
            who: actor.who.clone(),
            role: actor.role,
            note: decision.note.clone(),
            at: decision.at,
        }
    }

    /// Whether it is about the period of this run.
    #[must_use]
    pub fn binds(&self, run: &Run) -> bool {
        self.period == period_of(run)
    }

    /// Who said so and when, for a report.
    #[must_use]
    pub fn words(&self) -> String {
        let note = self.note.as_ref().map_or_else(String::new, |note| format!(" `{note}`"));
        format!("{} dismissed this line for {} to {}.{note}", self.who, self.period.start, self.period.end)
    }
}

/// The month that a run is for.
fn period_of(run: &Run) -> Period {
    let zone = || run.settings.as_ref().map_or(TimeZone::UTC, crate::connections::Settings::zone);
    let started = || run.created_at.to_zoned(zone()).date();
    run.period.unwrap_or_else(|| month_of(run.effective_date.unwrap_or_else(started)))
}

impl Record for Dismissal {
    const ENTITY: &'static str = "dismissal";
    fn key(&self) -> Key {
        Key::Dismissal(self.partner.clone(), self.connection.clone(), self.account.clone(), self.package.clone())
    }
    fn expires(&self) -> Option<Timestamp> {
        let end = self.period.end.to_zoned(TimeZone::UTC).ok()?.timestamp();
        end.max(self.at).checked_add(KEPT).ok()
    }
}
