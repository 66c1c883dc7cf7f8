//! Working everything off, with the clock moved on wherever something waits for it.

use super::bundle::{Bundle, Outcome};
use super::clock::MoveError;
use async_trait::async_trait;
use domain::change::{OutboxRow, sweep_shard};
use domain::ports::{Ports, Read};
use domain::records::{Collection, SHARDS, load_all};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use simulator::{Outbound, Simulator};
use std::time::Duration;

/// Where a drain stops.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Hours of clock.
    pub max_hours: u32,
    /// Deliveries.
    pub max_messages: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_hours: 48, max_messages: 100_000 }
    }
}

/// What a drain did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drained {
    /// Deliveries that were worked off.
    pub processed: u32,
    /// Deliveries that failed or were killed.
    pub failed: u32,
    /// Messages in the dead-letter queues.
    pub dead: usize,
    /// Messages, events of the outbox and callouts that are left.
    pub remaining: usize,
    /// What the clock shows.
    pub now: Timestamp,
}

/// What goes on beside the bundle and brings it work: the simulated Autotask's callouts.
#[async_trait]
pub trait Beside: Send + Sync {
    /// Does what is due; returns how much that was.
    async fn work(&self) -> usize;

    /// Whether somebody else does it at this moment.
    fn is_working(&self) -> bool;

    /// When the next is due, if there is one.
    fn next_due(&self) -> Option<Timestamp>;

    /// How much waits.
    fn waiting(&self) -> usize;
}

/// Nothing is beside the bundle.
struct Nothing;

#[async_trait]
impl Beside for Nothing {
    async fn work(&self) -> usize {
        0
    }

    fn is_working(&self) -> bool {
        false
    }

    fn next_due(&self) -> Option<Timestamp> {
        None
    }

    fn waiting(&self) -> usize {
        0
    }
}

/// Callouts of a simulated Autotask, by their way out.
#[expect(missing_debug_implementations, reason = "ways out need none")]
pub struct Callouts<'a> {
    /// Whose.
    pub simulator: &'a Simulator,
    /// Which way.
    pub outbound: &'a dyn Outbound,
}

#[async_trait]
impl Beside for Callouts<'_> {
    async fn work(&self) -> usize {
        self.simulator.deliver_due(self.outbound).await
    }

    fn is_working(&self) -> bool {
        self.simulator.is_calling_out()
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.simulator.next_callout_due()
    }

    fn waiting(&self) -> usize {
        self.simulator.pending_callouts().len()
    }
}

/// Why a drain did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// One at a time.
    #[error("another drain is running")]
    Busy,
    /// The queue's file.
    #[error("the queue cannot be written")]
    Queue(#[from] std::io::Error),
    /// The clock.
    #[error("the clock cannot be moved")]
    Clock(#[from] MoveError),
    /// The outbox.
    #[error("the outbox cannot be read")]
    Outbox(#[from] domain::Error),
}

/// How long to wait for what others work on before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Bundle {
    /// Works until nothing is ready, delayed, in flight or in the outbox.
    ///
    /// # Errors
    /// Another drain runs, or the state cannot be kept.
    pub async fn drain(&self, limits: Limits) -> Result<Drained, DrainError> {
        self.drain_beside(limits, &Nothing).await
    }

    /// The same, until nothing waits beside the bundle either.
    ///
    /// # Errors
    /// As [`Self::drain`].
    pub async fn drain_beside(&self, limits: Limits, beside: &dyn Beside) -> Result<Drained, DrainError> {
        let _alone = self.draining().try_lock().map_err(|_| DrainError::Busy)?;
        let (queue, clock) = (&self.host().queue, &self.host().clock);
        let end = clock.now().checked_add(SignedDuration::from_hours(i64::from(limits.max_hours)));
        let end = end.unwrap_or(Timestamp::MAX);
        let (mut processed, mut failed) = (0, 0);
        let mut outbox = 0;
        while processed + failed < limits.max_messages {
            match self.work(None).await? {
                Some(Outcome::Done) => processed += 1,
                Some(Outcome::Failed(_) | Outcome::Killed) => failed += 1,
                None => {
                    if beside.work().await > 0 {
                        continue;
                    }
                    outbox = empty_outbox(&self.app().ports).await?;
                    failed += self.deliver().await?.1;
                    if queue.counts().ready > 0 {
                        continue;
                    }
                    if queue.counts().working > 0 || beside.is_working() {
                        // Somebody else's, who may send more.
                        let _ = tokio::time::timeout(LOOK_AGAIN, queue.changed()).await;
                        continue;
                    }
                    match [queue.next_visible(), beside.next_due()].into_iter().flatten().min() {
                        Some(time) if time <= end => clock.at_least(time)?,
                        _ => break,
                    };
                }
            }
        }
        let counts = queue.counts();
        let remaining = counts.ready + counts.hidden + counts.working + outbox + beside.waiting();
        Ok(Drained { processed, failed, dead: counts.dead, remaining, now: clock.now() })
    }
}

/// Publishes what is committed and not on the bus yet; returns how much of it is left.
async fn empty_outbox(ports: &Ports) -> Result<usize, domain::Error> {
    let scope = runtime::schedule::scope();
    let mut left = 0;
    for shard in 0..SHARDS {
        sweep_shard(ports, &scope, shard).await?;
        let of = Collection::OutboxShard(shard);
        left += load_all::<OutboxRow>(&*ports.storage, &scope, &of, Read::Eventual).await?.len();
    }
    Ok(left)
}
