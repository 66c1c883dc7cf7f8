//! Calls an hour: the generic cell rate algorithm on one record per connection.
//!
//! The record holds one time, `tat`: when the bucket would be full again. A permit costs `permit` of time and is
//! granted while `tat` is at most `burst` permits ahead of now. So in any span `L` at most `burst + L / permit`
//! permits are taken, and with `permit = (period + PERMIT_KEPT) / (share − burst)` at most `share` calls are made in
//! any `period`: a permit is used within [`PERMIT_KEPT`] after it was taken.

use super::{BudgetExhausted, Denied, Limit, Place, RACES_MAX, RETRY_SOON};
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
/// Calls that may be made at once after a quiet time: a page of the portal needs a dozen, a run of 2,000 lines ten
/// to read.
pub const BURST: i64 = 300;
/// Most permits that a session takes at once: a write of the record costs as much as 50 reads of it save.
pub const BATCH_MAX: u32 = 50;
/// How long a permit is good for after it was taken; the refill is slower by as much.
pub const PERMIT_KEPT: SignedDuration = SignedDuration::from_secs(30);
/// Above this use of the database's limit, in per cent, by whomever, permits cost more.
pub const SLOW_FROM_PERCENT: i64 = 50;
/// A permit costs at most this many times its price, so that an old observation stops nobody for good.
const SLOWEST: i64 = 10;
/// Pause after the hourly limit where Autotask names none in seconds.
const PAUSE_DEFAULT: i64 = 60;
/// Longest pause, in seconds: the span that Autotask counts over.
const PAUSE_MAX: i64 = 3_600;
/// How long a bucket is kept that nobody uses: far longer than it takes to fill.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Least calls of a share that the arithmetic works with.
const SHARE_MIN: i64 = 10;

/// A connection's bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetRow {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// When the bucket would be full again.
    pub tat: Timestamp,
    /// What the database last said.
    pub database: Option<Observed>,
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
        self.tat.checked_add(KEPT).ok()
    }
}

/// What a share comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls in a period, at most.
    pub share: i64,
    /// Permits at once after a quiet time.
    pub burst: i64,
    /// What one permit adds to `tat`, at its normal price.
    pub permit: SignedDuration,
    /// What it adds at present.
    pub price: SignedDuration,
}

impl Rate {
    /// The rate of `share_percent` of the database's limit, as far as that is known.
    #[must_use]
    pub fn of(share_percent: i64, database: Option<&Observed>, now: Timestamp) -> Self {
        let limit = database.map_or(LIMIT_DEFAULT, |seen| seen.limit.clamp(1, 1_000_000));
        let period =
            SignedDuration::from_mins(database.map_or(PERIOD_DEFAULT, |seen| seen.period_minutes.clamp(1, 1_440)));
        let share = (limit * share_percent.clamp(1, 100) / 100).max(SHARE_MIN);
        let burst = BURST.min(share / 2);
        let span = nanos(period) + nanos(PERMIT_KEPT);
        let refill = share - burst;
        let permit = (span + refill - 1) / refill;
        let used = database.filter(|seen| is_recent(seen, period, now)).map_or(0, used_percent);
        // Never more than the whole bucket, or nothing would ever be granted.
        let price = price(permit, used).min(permit * burst);
        Self { share, burst, permit: SignedDuration::from_nanos(permit), price: SignedDuration::from_nanos(price) }
    }

    /// How far `tat` may be ahead of now.
    #[must_use]
    pub fn depth(&self) -> SignedDuration {
        SignedDuration::from_nanos(nanos(self.permit) * self.burst)
    }
}

/// What a request for permits comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// So many are granted, and `tat` becomes this.
    Granted {
        /// At least one, at most what was wanted.
        permits: u32,
        /// The bucket's new state.
        tat: Timestamp,
    },
    /// None before this has passed.
    Refused {
        /// Until as many are there as are worth coming back for.
        retry_after: SignedDuration,
    },
}

/// Decides on up to `wanted` permits. `worth` is how many there should be before it is worth coming back.
#[must_use]
pub fn decide(tat: Option<Timestamp>, now: Timestamp, rate: &Rate, wanted: u32, worth: u32) -> Decision {
    let base = tat.map_or(now, |tat| tat.max(now));
    let ahead = nanos(base.duration_since(now));
    let (depth, price) = (nanos(rate.depth()), nanos(rate.price));
    let room = (depth - ahead).max(0) / price;
    let permits = u32::try_from(room).unwrap_or(u32::MAX).min(wanted);
    if permits > 0 {
        let cost = SignedDuration::from_nanos(price * i64::from(permits));
        return Decision::Granted { permits, tat: base.checked_add(cost).unwrap_or(Timestamp::MAX) };
    }
    let worth = i64::from(worth).clamp(1, depth / price);
    Decision::Refused { retry_after: SignedDuration::from_nanos(ahead + price * worth - depth) }
}

/// Takes up to `wanted` permits from the connection's bucket.
pub(super) async fn take(place: &Place, share_percent: i64, wanted: u32, worth: u32) -> Result<u32, Denied> {
    for _ in 0..RACES_MAX {
        let row = row(place).await?;
        let now = place.clock.now();
        let database = row.as_ref().and_then(|row| row.database);
        let rate = Rate::of(share_percent, database.as_ref(), now);
        match decide(row.as_ref().map(|row| row.tat), now, &rate, wanted, worth) {
            Decision::Refused { retry_after } => return Err(refused(retry_after)),
            Decision::Granted { permits, tat } => {
                if put(place, row, |row| row.tat = tat).await? {
                    return Ok(permits);
                }
            }
        }
    }
    Err(refused(RETRY_SOON))
}

/// Lets nobody take a permit for `pause`.
pub(super) async fn back_off(place: &Place, share_percent: i64, pause: SignedDuration) -> Result<(), StorageError> {
    for _ in 0..RACES_MAX {
        let row = row(place).await?;
        let now = place.clock.now();
        let rate = Rate::of(share_percent, row.as_ref().and_then(|row| row.database).as_ref(), now);
        let empty_until = now.checked_add(pause + rate.depth()).unwrap_or(Timestamp::MAX);
        if put(place, row, |row| row.tat = row.tat.max(empty_until)).await? {
            return Ok(());
        }
    }
    tracing::warn!(connection.id = %place.connection, "a pause was not noted: the bucket is busy");
    Ok(())
}

/// Whether Autotask refuses calls because of the hourly limit; with the same status it also refuses a fourth call
/// at once, which says nothing of the hour.
pub(super) fn is_over_the_hourly_limit(response: &Response) -> bool {
    let text = String::from_utf8_lossy(&response.body).to_ascii_lowercase();
    response.status == 429 && !text.contains("thread") && !text.contains("itgenatr005")
}

/// How long Autotask asks us to stay away, where it says so in seconds, within reason.
pub(super) fn pause_asked_for(response: &Response) -> SignedDuration {
    let asked = response.header("retry-after").and_then(|text| text.trim().parse().ok());
    SignedDuration::from_secs(asked.unwrap_or(PAUSE_DEFAULT).clamp(1, PAUSE_MAX))
}

/// Takes note of what the database says of itself.
pub(super) async fn observe(place: &Place, threshold: &Threshold) -> Result<(), StorageError> {
    for _ in 0..RACES_MAX {
        let row = row(place).await?;
        let seen = Observed {
            limit: threshold.limit,
            period_minutes: threshold.timeframe_minutes,
            used: threshold.used,
            at: place.clock.now(),
        };
        if put(place, row, |row| row.database = Some(seen)).await? {
            return Ok(());
        }
    }
    tracing::warn!(connection.id = %place.connection, "the database's use was not noted: the bucket is busy");
    Ok(())
}

async fn row(place: &Place) -> Result<Option<Versioned<BudgetRow>>, StorageError> {
    load(&*place.storage, &place.scope, &Key::Budget(place.partner.clone(), place.connection.clone())).await
}

/// Writes a changed bucket; false where somebody else was faster.
async fn put(
    place: &Place,
    row: Option<Versioned<BudgetRow>>,
    change: impl FnOnce(&mut BudgetRow),
) -> Result<bool, StorageError> {
    let write = match row {
        Some(Versioned { v, mut value }) => {
            change(&mut value);
            Write::replace(&value, v)?
        }
        None => {
            let (partner, connection) = (place.partner.clone(), place.connection.clone());
            let mut value = BudgetRow { partner, connection, tat: place.clock.now(), database: None };
            change(&mut value);
            Write::create(&value)?
        }
    };
    match place.storage.write(&place.scope, vec![write]).await {
        Ok(()) => Ok(true),
        Err(StorageError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn refused(retry_after: SignedDuration) -> Denied {
    Denied::NotNow(BudgetExhausted { limit: Limit::Hourly, retry_after: retry_after.unsigned_abs() })
}

/// Twice the price at 75 % of the database's use, five times at 90 %.
fn price(permit: i64, used_percent: i64) -> i64 {
    if used_percent < SLOW_FROM_PERCENT {
        return permit;
    }
    let left = (100 - used_percent).max((100 - SLOW_FROM_PERCENT) / SLOWEST);
    permit * (100 - SLOW_FROM_PERCENT) / left
}

fn used_percent(seen: &Observed) -> i64 {
    seen.used.clamp(0, 1_000_000) * 100 / seen.limit.max(1)
}

fn is_recent(seen: &Observed, period: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(seen.at) < period
}

/// Nanoseconds: durations here are at most a day, times a permit's cost at most 300 of them.
fn nanos(time: SignedDuration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
