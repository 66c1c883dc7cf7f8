//! The hourly threshold and the thread limit.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::json;

use crate::switches::HourlyCap;
use crate::wire::Response;

/// Concurrent requests per integration, database and object endpoint.
pub const THREADS_MAX: usize = 3;
/// The rolling window of the hourly threshold.
pub const THRESHOLD_MINUTES: i64 = 60;

/// Requests per minute of clock, the last hour's only.
#[derive(Debug, Default)]
pub(crate) struct Usage(VecDeque<(i64, u32)>);

impl Usage {
    pub(crate) fn count(&mut self, now: Timestamp) {
        let minute = now.as_second().div_euclid(60);
        match self.0.back_mut() {
            Some((last, calls)) if *last >= minute => *calls += 1,
            _ => self.0.push_back((minute, 1)),
        }
    }

    pub(crate) fn in_last_hour(&mut self, now: Timestamp) -> u32 {
        let oldest = now.as_second().div_euclid(60) - THRESHOLD_MINUTES;
        while self.0.front().is_some_and(|(minute, _)| *minute <= oldest) {
            self.0.pop_front();
        }
        self.0.iter().map(|(_, calls)| calls).sum()
    }
}

pub(crate) fn threshold_answer(threshold: u32, used: u32) -> Response {
    Response::json(
        200,
        &json!({
            "externalRequestThreshold": threshold,
            "requestThresholdTimeframe": THRESHOLD_MINUTES,
            "currentTimeframeRequestCount": used,
        }),
    )
}

pub(crate) fn over_the_hour(answer: HourlyCap, threshold: u32) -> Response {
    let text = format!("The request threshold of {threshold} requests per hour has been exceeded.");
    match answer {
        HourlyCap::TooManyRequests => Response::error(429, text),
        HourlyCap::ServerError => Response::error(500, text),
        HourlyCap::Unavailable => Response::html(503, "<html><body><h1>Service Unavailable</h1></body></html>"),
        HourlyCap::Unauthorized => Response::new(401, "application/json", ""),
    }
}

pub(crate) fn thread_limit(status: u16) -> Response {
    Response::error(
        status,
        format!("Itgenatr005: the API thread threshold of {THREADS_MAX} threads has been exceeded for this endpoint."),
    )
}

/// Requests that are being worked on, by integration, user and endpoint.
pub(crate) type InFlight = Arc<Mutex<HashMap<String, usize>>>;

/// A place among the requests in flight, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    in_flight: InFlight,
    key: Option<String>,
    /// Whether there was no place left.
    pub(crate) over: bool,
}

impl Slot {
    pub(crate) fn take(in_flight: &InFlight, key: Option<String>) -> Self {
        let over = key.as_ref().is_some_and(|key| {
            let mut held = in_flight.lock().unwrap_or_else(PoisonError::into_inner);
            let count = held.entry(key.clone()).or_default();
            *count += 1;
            *count > THREADS_MAX
        });
        Self { in_flight: Arc::clone(in_flight), key, over }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            let mut held = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = held.get_mut(key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    held.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_forgotten_after_an_hour() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).expect("in range");
        let mut usage = Usage::default();
        usage.count(at(0));
        usage.count(at(30));
        usage.count(at(30));
        assert_eq!(usage.in_last_hour(at(59)), 3);
        assert_eq!(usage.in_last_hour(at(60)), 2);
        assert_eq!(usage.in_last_hour(at(90)), 0);
    }

    #[test]
    fn the_fourth_request_in_flight_is_over_and_a_finished_one_makes_room() {
        let in_flight = InFlight::default();
        let take = || Slot::take(&in_flight, Some("code/user/Companies".to_owned()));
        let held: Vec<Slot> = (0..3).map(|_| take()).collect();
        assert!(held.iter().all(|slot| !slot.over));
        assert!(take().over);
        drop(held);
        assert!(!take().over);
    }
}
