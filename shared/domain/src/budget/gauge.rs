//! What a person sees of the budget.

use super::rate::{BudgetRow, Decision, Observed, Rate, decide};
use crate::actor::Scope;
use crate::connections::read_settings;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::Ports;
use crate::problem::Result;
use crate::records::{Key, load};
use jiff::SignedDuration;
use std::time::Duration;

/// How much of Autotask's hourly limit there is for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauge {
    /// The setting: our share of the database's limit, in per cent.
    pub share_percent: i64,
    /// Our calls in a period, at most.
    pub share: i64,
    /// Calls that are left of it now.
    pub available: u32,
    /// When the next call may be made, where none may be now.
    pub retry_after: Option<Duration>,
    /// Whether calls come slower because of the database's use, by whomever.
    pub slowed: bool,
    /// What the database last said of itself; a run asks it once.
    pub database: Option<Observed>,
}

/// The gauge of a connection. Takes nothing and asks Autotask nothing.
///
/// # Errors
/// `not_found`.
pub async fn gauge(ports: &Ports, scope: &Scope, partner: &PartnerId, connection: &ConnectionId) -> Result<Gauge> {
    let share_percent = read_settings(ports, scope, partner, connection).await?.settings.api_share_percent;
    let key = Key::Budget(partner.clone(), connection.clone());
    let row = load::<BudgetRow>(&*ports.storage, scope, &key).await?.map(|found| found.value);
    let (now, database) = (ports.clock.now(), row.as_ref().and_then(|row| row.database));
    let rate = Rate::of(share_percent, database.as_ref(), now);
    let pause = row.as_ref().and_then(|row| row.paused_until).map(|until| until.duration_since(now));
    let pause = pause.filter(SignedDuration::is_positive);
    let window = row.map(|row| row.window).unwrap_or_default();
    let (available, retry_after) = match (pause, decide(&window, now, &rate, u32::MAX, 1)) {
        (None, Decision::Granted { permits, .. }) => (permits, None),
        (None, Decision::Refused { retry_after }) => (0, Some(retry_after)),
        (Some(pause), Decision::Granted { .. }) => (0, Some(pause)),
        (Some(pause), Decision::Refused { retry_after }) => (0, Some(pause.max(retry_after))),
    };
    let (retry_after, slowed) = (retry_after.map(SignedDuration::unsigned_abs), rate.is_slowed());
    Ok(Gauge { share_percent, share: rate.share, available, retry_after, slowed, database })
}
