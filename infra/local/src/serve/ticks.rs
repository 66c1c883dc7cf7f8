//! Schedules that fire by themselves, as EventBridge's do.

use crate::host::{Bundle, JOBS};
use jiff::Timestamp;
use std::time::Duration;

/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn fire(bundle: Bundle) {
    let mut last = bundle.host().clock.now();
    loop {
        // Whether the clock was moved or a second has passed: look what is due.
        let _ = tokio::time::timeout(LOOK_EVERY, bundle.host().clock.moved()).await;
        let now = bundle.host().clock.now();
        for (job, every) in JOBS {
            if let Some(slot) = newest_slot(every.as_secs(), last, now) {
                let outcome = bundle.tick(job, slot).await;
                tracing::info!(job, %slot, ?outcome, "a schedule fired");
            }
        }
        last = now;
    }
}

/// The newest multiple of `every` in `(last, now]`: slots that a moved clock skipped are not made up for.
fn newest_slot(every: u64, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let every = i64::try_from(every).ok().filter(|every| *every > 0)?;
    let slot = now.as_second() - now.as_second().rem_euclid(every);
    (slot > last.as_second()).then(|| Timestamp::from_second(slot).ok()).flatten()
}
