//! How many bytes of PDFs came from one database of late.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most bytes in any [`WINDOW`]. Autotask lets files of 10,000,000 bytes into one database in 5 minutes and then refuses
/// more for as long ("Thresholds and limits" of its REST API); it names no bound for what comes out. We keep to the
/// same, as nobody knows that it does not count both.
pub const WINDOW_BYTES_MAX: u64 = 10_000_000;
/// The span that [`WINDOW_BYTES_MAX`] is counted over.
pub const WINDOW: SignedDuration = SignedDuration::from_secs(300);
/// Files that came within so many seconds are one entry, counted from its end: at most 31 entries.
const STEP_SECONDS: i64 = 10;

/// What came in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Moved {
    /// The end of the step.
    until: Timestamp,
    bytes: u64,
}

/// What came within the last [`WINDOW`], oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Window(Vec<Moved>);

impl Window {
    /// Counts a file that has come by now, and forgets what no longer counts.
    pub fn add(&mut self, now: Timestamp, bytes: u64) {
        self.0.retain(|moved| counts(moved, now));
        if bytes == 0 {
            return;
        }
        let until = end_of_step(now);
        match self.0.last_mut().filter(|last| last.until >= until) {
            Some(last) => last.bytes = last.bytes.saturating_add(bytes),
            None => self.0.push(Moved { until, bytes }),
        }
    }

    /// How long to wait before a file of at most `bytes` may come. Zero: it may come now.
    #[must_use]
    pub fn wait_for(&self, now: Timestamp, bytes: u64) -> Duration {
        let counting = || self.0.iter().filter(|moved| counts(moved, now));
        let mut used: u64 = counting().map(|moved| moved.bytes).sum();
        let mut free_at = now;
        for oldest in counting() {
            if used.saturating_add(bytes) <= WINDOW_BYTES_MAX {
                break;
            }
            used -= oldest.bytes;
            free_at = oldest.until.checked_add(WINDOW).unwrap_or(Timestamp::MAX);
        }
        free_at.duration_since(now).unsigned_abs()
    }
}

fn counts(moved: &Moved, now: Timestamp) -> bool {
    now.duration_since(moved.until) < WINDOW
}

fn end_of_step(at: Timestamp) -> Timestamp {
    let end = (at.as_second().div_euclid(STEP_SECONDS) + 1) * STEP_SECONDS;
    Timestamp::from_second(end).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_file_waits_until_there_is_room_for_the_largest_that_it_can_be() {
        let mut window = Window::default();
        assert_eq!(window.wait_for(at(0), WINDOW_BYTES_MAX), secs(0));
        window.add(at(0), 6_000_000);
        window.add(at(100), 3_000_000);
        assert_eq!(window.wait_for(at(100), 1_000_000), secs(0));
        assert_eq!(window.wait_for(at(100), 1_000_001), secs(210), "the first 6 MB count until 10 s + 5 min");
        assert_eq!(window.wait_for(at(100), 7_000_001), secs(310), "all of it must have left");
        assert_eq!(window.wait_for(at(310), 7_000_000), secs(0));
        window.add(at(410), 0);
        assert_eq!(window, Window::default());
    }

    #[test]
    fn files_of_one_step_are_one_entry_that_does_not_live_on_with_each_new_file() {
        let mut window = Window::default();
        for second in 0..600 {
            window.add(at(second), 1);
            assert!(window.0.len() <= 31, "{}", window.0.len());
        }
        assert_eq!(window.wait_for(at(600), WINDOW_BYTES_MAX), secs(300));
    }

    proptest! {
        #[test]
        fn no_five_minutes_have_more_than_their_bytes(
            files in prop::collection::vec((0_i64..40, 0_u64..60, 1_u64..7_000_000), 1..120)
        ) {
            let (mut window, mut now, mut came) = (Window::default(), at(0), Vec::new());
            let most = 7_000_000;
            for (pause, lasts, bytes) in files {
                now += SignedDuration::from_secs(pause);
                now += SignedDuration::try_from(window.wait_for(now, most)).unwrap();
                prop_assert_eq!(window.wait_for(now, most), Duration::ZERO);
                let from = now;
                now += SignedDuration::try_from(secs(lasts)).unwrap();
                window.add(now, bytes);
                came.push((from, now, bytes));
            }
            for (_, end, _) in &came {
                let span = *end - WINDOW..*end;
                // A file that came partly within the span counts whole.
                let touching = |(from, to, _): &&(Timestamp, Timestamp, u64)| *from <= span.end && *to > span.start;
                let sum: u64 = came.iter().filter(touching).map(|(.., bytes)| bytes).sum();
                prop_assert!(sum <= WINDOW_BYTES_MAX, "{sum}");
            }
        }
    }
}
