//! Calls an hour: a sliding window on one record per connection.
//!
//! The record holds what was taken in each minute of the last hour ([`Window`]), and permits are granted while the
//! sum is within our share. So no span of an hour has more calls than the share, whoever makes them and however they
//! are spread, and a share that nobody has used is there at once: a run of 2,000 changes needs no pause. (A bucket
//! that fills at a steady rate can promise the former only if it is small, and then breaks long runs off that are
//! well within the share; whoever is broken off reads again what it had read.)
//!
//! The price: where a long run has used the whole share, the next permit comes when that run's first minute leaves
//! the window, up to an hour later, for people too. At steady use at least 95 % of the share are made in an hour.

use super::told::{self, Tells};
use super::window::Window;
use super::{BudgetExhausted, Denied, Limit, Mode, Place, RACES_MAX, RETRY_SOON};
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::StorageError;
use crate::records::{Key, Record, Versioned, Write, load};
use autotask::Response;
use autotask::metadata::Threshold;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Calls an hour that Autotask allows a database by default, over all integrations.
pub const LIMIT_DEFAULT: i64 = 10_000;
/// The span that Autotask counts over, in minutes, by default.
pub const PERIOD_DEFAULT: i64 = 60;
/// Most permits that a session takes at once: a write of the record costs as much as 50 reads of it save.
pub const BATCH_MAX: u32 = 50;
/// How long a permit is good for after it was taken; it is counted for as much longer.
pub const PERMIT_KEPT: SignedDuration = SignedDuration::from_secs(30);
/// Above this use of the database's limit, in per cent, by whomever, permits cost more.
pub const SLOW_FROM_PERCENT: i64 = 50;
/// A permit's normal price, in hundredths of a call.
const PRICE: i64 = 100;
/// A permit costs at most this many times its price, so that an old observation stops nobody for good.
const SLOWEST: i64 = 10;
/// Pause after the hourly limit where Autotask names none, in seconds.
const PAUSE_DEFAULT: i64 = 60;
/// Longest pause, in seconds: the span that Autotask counts over.
const PAUSE_MAX: i64 = 3_600;
/// How long the record is kept that nobody uses: far longer than the window.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Least calls of a share that the arithmetic works with.
const SHARE_MIN: i64 = 10;

/// What a connection has used. Rows of before the window had a time `tat` instead: they are read as an empty window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetRow {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// What was taken of late.
    #[serde(default)]
    pub window: Window,
    /// Nobody takes a permit before, as Autotask has asked for a pause.
    #[serde(default)]
    pub paused_until: Option<Timestamp>,
    /// What the database last said.
    pub database: Option<Observed>,
    /// Whether an issue says that the limit is near or reached.
    #[serde(default)]
    pub told: bool,
}

/// What the database said of its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Calls in a period.
    pub limit: i64,
    /// The period, in minutes.
    pub period_minutes: i64,
    /// Calls made in the last one, by everybody.
    pub used: i64,
    /// When it said so.
    pub at: Timestamp,
}

impl Record for BudgetRow {
    const ENTITY: &'static str = "budget";
    fn key(&self) -> Key {
        Key::Budget(self.partner.clone(), self.connection.clone())
    }
    fn expires(&self) -> Option<Timestamp> {
        let latest =
            [self.window.end(), self.paused_until, self.database.map(|seen| seen.at)].into_iter().flatten().max();
        latest.and_then(|latest| latest.checked_add(KEPT).ok())
    }
}

/// Part of a share, in per cent, that workers leave to people: a page works while a very long run waits for its next
/// hour. A run of 2,000 changes still fits the default share's rest.
pub const KEPT_PERCENT: i64 = 2;

/// What a share comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls in a period, at most.
    pub share: i64,
    /// The period.
    pub period: SignedDuration,
    /// What a permit counts for at present, in hundredths of a call.
    pub price: i64,
}

impl Rate {
    /// The rate of `share_percent` of the database's limit, as far as that is known.
    #[must_use]
    pub fn of(share_percent: i64, database: Option<&Observed>, now: Timestamp) -> Self {
        let limit = database.map_or(LIMIT_DEFAULT, |seen| seen.limit.clamp(1, 1_000_000));
        let minutes = database.map_or(PERIOD_DEFAULT, |seen| seen.period_minutes.clamp(1, 1_440));
        let period = SignedDuration::from_mins(minutes);
        let share = (limit * share_percent.clamp(1, 100) / 100).max(SHARE_MIN);
        let used = database.filter(|seen| is_recent(seen, period, now)).map_or(0, used_percent);
        Self { share, period, price: price(used) }
    }

    /// The part of it that is open to this kind of work: workers leave [`KEPT_PERCENT`] to people.
    #[must_use]
    pub fn open_to(self, mode: Mode) -> Self {
        match mode {
            Mode::Interactive => self,
            Mode::Background => Self { share: (self.share - self.share * KEPT_PERCENT / 100).max(SHARE_MIN), ..self },
        }
    }

    /// Whether permits count for more than a call, as the database is busy.
    #[must_use]
    pub fn is_slowed(&self) -> bool {
        self.price > PRICE
    }

    /// What so many permits count for, in calls.
    #[must_use]
    pub fn cost(&self, permits: u32) -> i64 {
        (i64::from(permits) * self.price + PRICE - 1) / PRICE
    }

    /// How many permits there are for so many calls.
    #[must_use]
    pub fn permits(&self, calls: i64) -> u32 {
        u32::try_from(calls.max(0) * PRICE / self.price).unwrap_or(u32::MAX)
    }
}

/// What a request for permits comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// So many are granted, and the window becomes this.
    Granted {
        /// At least one, at most what was wanted.
        permits: u32,
        /// What was taken of late, with these.
        window: Window,
    },
    /// None before this has passed.
    Refused {
        /// Until so much has left the window that as many are there as are worth coming back for.
        retry_after: SignedDuration,
    },
}

/// Decides on up to `wanted` permits. `worth` is how many there should be before it is worth coming back.
#[must_use]
pub fn decide(window: &Window, now: Timestamp, rate: &Rate, wanted: u32, worth: u32) -> Decision {
    let mut window = window.at(now, rate.period);
    let taken = window.taken();
    let permits = rate.permits(rate.share - taken).min(wanted);
    if permits > 0 {
        window.add(now, rate.cost(permits));
        return Decision::Granted { permits, window };
    }
    // Never more than the share, or no window would ever be empty enough.
    let room = rate.cost(worth.max(1)).min(rate.share);
    Decision::Refused { retry_after: window.left(taken + room - rate.share, rate.period).duration_since(now) }
}

/// Takes up to `wanted` permits out of the connection's share.
pub(super) async fn take(place: &Place, share_percent: i64, wanted: u32, mode: Mode) -> Result<u32, Denied> {
    for _ in 0..RACES_MAX {
        let row = row(place).await?;
        let now = place.clock.now();
        let rate = Rate::of(share_percent, row.as_ref().and_then(|row| row.database).as_ref(), now).open_to(mode);
        let pause = row.as_ref().and_then(|row| row.paused_until).map(|until| until.duration_since(now));
        let empty = Window::default();
        let window = row.as_ref().map_or(&empty, |row| &row.window);
        match (pause.filter(SignedDuration::is_positive), decide(window, now, &rate, wanted, mode.worth())) {
            (Some(pause), Decision::Refused { retry_after }) => return Err(refused(pause.max(retry_after))),
            (Some(pause), Decision::Granted { .. }) => return Err(refused(pause)),
            (None, Decision::Refused { retry_after }) => return Err(refused(retry_after)),
            (None, Decision::Granted { permits, window }) => {
                let taken = |row: &mut BudgetRow| {
                    row.window = window;
                    told::granted(row, &rate, now)
                };
                if put(place, row, taken).await? {
                    return Ok(permits);
                }
            }
        }
    }
    Err(refused(RETRY_SOON))
}

/// Lets nobody take a permit for `pause`.
pub(super) async fn back_off(place: &Place, session: &str, pause: SignedDuration) -> Result<(), StorageError> {
    for _ in 0..RACES_MAX {
        let row = row(place).await?;
        let until = place.clock.now().checked_add(pause).unwrap_or(Timestamp::MAX);
        let paused = |row: &mut BudgetRow| {
            row.paused_until = row.paused_until.max(Some(until));
            told::refused(row, until, session)
        };
        if put(place, row, paused).await? {
            return Ok(());
        }
    }
    tracing::warn!(connection.id = %place.connection, "a pause was not noted: the budget's record is busy");
    Ok(())
}

/// Whether Autotask refuses calls because of the hourly limit; with the same status it also refuses a fourth call
/// at once, which says nothing of the hour.
pub(super) fn is_over_the_hourly_limit(response: &Response) -> bool {
    let text = String::from_utf8_lossy(&response.body).to_ascii_lowercase();
    response.status == 429 && !text.contains("thread") && !text.contains("itgenatr005")
}

/// How long Autotask asks us to stay away, within reason.
pub(super) fn pause_asked_for(response: &Response) -> SignedDuration {
    let asked = autotask::retry_after(response).and_then(|asked| i64::try_from(asked.as_secs()).ok());
    SignedDuration::from_secs(asked.unwrap_or(PAUSE_DEFAULT).clamp(1, PAUSE_MAX))
}

/// Takes note of what the database says of itself.
pub(super) async fn observe(
    place: &Place,
    share_percent: i64,
    session: &str,
    threshold: &Threshold,
) -> Result<(), StorageError> {
    for _ in 0..RACES_MAX {
        let row = row(place).await?;
        let seen = Observed {
            limit: threshold.limit,
            period_minutes: threshold.timeframe_minutes,
            used: threshold.used,
            at: place.clock.now(),
        };
        let noted = |row: &mut BudgetRow| {
            row.database = Some(seen);
            told::observed(row, share_percent, &seen, session)
        };
        if put(place, row, noted).await? {
            return Ok(());
        }
    }
    tracing::warn!(connection.id = %place.connection, "the database's use was not noted: the budget's record is busy");
    Ok(())
}

async fn row(place: &Place) -> Result<Option<Versioned<BudgetRow>>, StorageError> {
    load(&*place.storage, &place.scope, &Key::Budget(place.partner.clone(), place.connection.clone())).await
}

/// Writes a changed record with what it tells; false where somebody else was faster.
async fn put(
    place: &Place,
    row: Option<Versioned<BudgetRow>>,
    change: impl FnOnce(&mut BudgetRow) -> Tells,
) -> Result<bool, StorageError> {
    let (write, tells) = match row {
        Some(Versioned { v, mut value }) => {
            let tells = change(&mut value);
            (Write::replace(&value, v)?, tells)
        }
        None => {
            let (partner, connection) = (place.partner.clone(), place.connection.clone());
            let window = Window::default();
            let mut value = BudgetRow { partner, connection, window, paused_until: None, database: None, told: false };
            let tells = change(&mut value);
            (Write::create(&value)?, tells)
        }
    };
    let written = match tells {
        Tells::Nothing => place.storage.write(&place.scope, vec![write]).await,
        tells => told::write(place, write, tells).await,
    };
    match written {
        Ok(()) => Ok(true),
        Err(StorageError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn refused(retry_after: SignedDuration) -> Denied {
    Denied::NotNow(BudgetExhausted { limit: Limit::Hourly, retry_after: retry_after.unsigned_abs() })
}

/// Twice the price at 75 % of the database's use, five times at 90 %.
fn price(used_percent: i64) -> i64 {
    if used_percent < SLOW_FROM_PERCENT {
        return PRICE;
    }
    let left = (100 - used_percent).max((100 - SLOW_FROM_PERCENT) / SLOWEST);
    PRICE * (100 - SLOW_FROM_PERCENT) / left
}

pub(super) fn used_percent(seen: &Observed) -> i64 {
    seen.used.clamp(0, 1_000_000) * 100 / seen.limit.max(1)
}

fn is_recent(seen: &Observed, period: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(seen.at) < period
}
