//! Identifiers: UUIDs v7 of the clock's time, in strictly rising order.

use super::clock::LocalClock;
use super::real;
use domain::ports::Ids;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// UUIDs v7 in the order of their making; the same ones for the same seed and clock.
#[derive(Debug)]
pub struct LocalIds {
    clock: Arc<LocalClock>,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    /// Milliseconds since the epoch.
    millis: u64,
    /// Counts within a millisecond, in the 12 bits that follow the time.
    count: u16,
    /// SplitMix64's state, for the rest.
    state: u64,
}

/// Largest count within a millisecond: what fits in 12 bits.
const COUNT_MAX: u16 = 0x0fff;

impl LocalIds {
    /// Different ones in every process.
    #[must_use]
    pub fn new(clock: Arc<LocalClock>) -> Self {
        Self::seeded(clock, real::seed())
    }

    /// The same ones for the same seed.
    #[must_use]
    pub fn seeded(clock: Arc<LocalClock>, seed: u64) -> Self {
        Self { clock, last: Mutex::new(Last { millis: 0, count: 0, state: seed }) }
    }
}

impl Ids for LocalIds {
    fn uuid(&self) -> Uuid {
        let now = u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.step(now);
        let mut random = [0_u8; 10];
        random[..2].copy_from_slice(&last.count.to_be_bytes());
        random[2..].copy_from_slice(&last.random().to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(last.millis, &random).into_uuid()
    }
}

impl Last {
    fn step(&mut self, now: u64) {
        if now > self.millis {
            (self.millis, self.count) = (now, 0);
        } else if self.count < COUNT_MAX {
            self.count += 1;
        } else {
            (self.millis, self.count) = (self.millis + 1, 0);
        }
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
