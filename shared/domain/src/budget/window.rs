//! What was taken in the last hour, in one bucket for each minute, each small number in one small record.
//!
//! A bucket leaves the window when nothing that was taken in it can still lie within one period of a later call:
//! a period after the bucket's end, and [`PERMIT_KEPT`] later as a permit is used up to that long after it was taken,
//! and [`SKEW`] later as functions' clocks differ. So the window never holds less than was called in the last period,
//! and of a minute's calls none is counted for more than 95 seconds too long.

use super::rate::PERMIT_KEPT;
use crate::units::SKEW;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Buckets of a period. With those of the permits that may still be used there are at most two more.
const BUCKETS: i64 = 60;

/// What was taken of late, at the price of its time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Width of a bucket, in minutes.
    width: i64,
    /// Number of the first bucket, counted from 1970.
    first: i64,
    /// What was taken in the first bucket and in those after it.
    counts: Vec<i64>,
}

impl Window {
    /// The window at a time: without the buckets that have left, and with such as the period needs. A bucket that
    /// becomes part of a wider one leaves with it, so later.
    #[must_use]
    pub fn at(&self, now: Timestamp, period: SignedDuration) -> Self {
        let mut next = Self { width: width(period), first: 0, counts: Vec::new() };
        for (number, count) in self.buckets() {
            let last_minute = number.saturating_add(1).saturating_mul(self.width.max(1)) - 1;
            let number = last_minute.div_euclid(next.width);
            if count > 0 && next.leaves(number, period) > now {
                next.put(number, count);
            }
        }
        next
    }

    /// What was taken, over all buckets.
    #[must_use]
    pub fn taken(&self) -> i64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Counts what is taken at a time. Where a clock is behind the last bucket's, it is counted there.
    pub fn add(&mut self, now: Timestamp, count: i64) {
        self.put(now.as_second().div_euclid(60).div_euclid(self.width.max(1)), count);
    }

    /// When at least so much will have left.
    #[must_use]
    pub fn left(&self, amount: i64, period: SignedDuration) -> Timestamp {
        let mut sum = 0_i64;
        let enough = self.buckets().find(|(_, count)| {
            sum = sum.saturating_add(*count);
            sum >= amount
        });
        enough.map_or(Timestamp::MAX, |(number, _)| self.leaves(number, period))
    }

    /// When the last bucket ends.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        self.buckets().last().map(|(number, _)| self.ends(number))
    }

    fn buckets(&self) -> impl Iterator<Item = (i64, i64)> {
        (self.first..).zip(self.counts.iter().copied())
    }

    fn put(&mut self, number: i64, count: i64) {
        if self.counts.is_empty() {
            self.first = number;
        }
        let at = usize::try_from(number - self.first).unwrap_or(0);
        let len = self.counts.len().max(at + 1);
        self.counts.resize(len, 0);
        if let Some(last) = self.counts.last_mut() {
            *last = last.saturating_add(count);
        }
    }

    fn ends(&self, number: i64) -> Timestamp {
        let seconds = number.saturating_add(1).saturating_mul(self.width.max(1)).saturating_mul(60);
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
    }

    fn leaves(&self, number: i64, period: SignedDuration) -> Timestamp {
        self.ends(number).checked_add(period + PERMIT_KEPT + SKEW).unwrap_or(Timestamp::MAX)
    }
}

/// Minutes of a bucket: one, or more where the period is longer than an hour.
fn width(period: SignedDuration) -> i64 {
    (period.as_mins() + BUCKETS - 1).div_euclid(BUCKETS).max(1)
}
