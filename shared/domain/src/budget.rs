//! Autotask's limits, shared by everything of ours that calls one database: [`Governed`] stands between the
//! client and the network and sends nothing without a permit and a slot.
//!
//! * **Calls an hour.** Autotask suspends *every* integration of a database that passes its limit (10,000 an hour
//!   by default). We keep to a share of it, by one record per connection that counts the last hour: see [`rate`].
//! * **Calls at once.** Autotask refuses the fourth call on one object. We make at most two, by one record per
//!   connection and object: see [`slots`].
//!
//! What cannot be sent for now fails as [`TransportError::NotSent`] with [`BudgetExhausted`] as its source;
//! [`exhausted`] finds it in a client's error. That is ours, not Autotask's: interactive callers answer it with
//! `throttled` and `Retry-After`, workers with a delayed message.

mod gauge;
pub mod rate;
pub mod slots;
mod told;
pub mod window;

pub use gauge::{Gauge, gauge};
pub use told::NEAR_PERCENT;

use crate::actor::Scope;
use crate::ids::{ConnectionId, PartnerId};
use crate::ports::{Clock, Ports, Storage, StorageError};
use async_trait::async_trait;
use autotask::metadata::Threshold;
use autotask::{Request, Response, Transport, TransportError};
use futures::lock::Mutex;
use jiff::{SignedDuration, Timestamp};
use rate::{BATCH_MAX, PERMIT_KEPT};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long a person's call waits for a permit or a slot: the page is waiting, too.
pub const PATIENCE_INTERACTIVE: Duration = Duration::from_secs(2);
/// How long a worker waits: interactive work holds a slot for a few seconds, and a delayed message costs more.
pub const PATIENCE_BACKGROUND: Duration = Duration::from_secs(5);
/// The step in which a slot is waited for; each ends with a read of one record.
const STEP: Duration = Duration::from_millis(250);
/// The shortest pause.
const STEP_MIN: Duration = Duration::from_millis(10);
/// Permits that a session takes first: a short one wastes few.
const BATCH_FIRST: u32 = 4;
/// How often a change of a shared record is tried again when somebody else was faster.
const RACES_MAX: u32 = 10;
/// When to try again after losing that many races, or when all slots are taken.
const RETRY_SOON: SignedDuration = SignedDuration::from_secs(5);

/// Who waits for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A person.
    Interactive,
    /// A worker, which can come back later.
    Background,
}

impl Mode {
    fn patience(self) -> Duration {
        match self {
            Mode::Interactive => PATIENCE_INTERACTIVE,
            Mode::Background => PATIENCE_BACKGROUND,
        }
    }

    /// How many permits there should be before it is worth coming back.
    fn worth(self) -> u32 {
        match self {
            Mode::Interactive => 1,
            Mode::Background => 10,
        }
    }
}

/// Which of Autotask's limits our own share stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Calls an hour.
    Hourly,
    /// Calls at once on one object.
    Threads,
}

/// Our own share is used up for now. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("our share of Autotask's limit ({limit:?}) is used up for {} s", .retry_after.as_secs().max(1))]
pub struct BudgetExhausted {
    /// Which limit.
    pub limit: Limit,
    /// When it makes sense to come back.
    pub retry_after: Duration,
}

/// The records behind the budget cannot be read or written: nothing was sent, as nobody can say whether it may be.
#[derive(Debug, thiserror::Error)]
#[error("the budget of calls to Autotask cannot be read or written")]
pub struct BudgetUnavailable(#[source] pub StorageError);

/// Finds our own "not now" in an error and its causes: `exhausted(&error)` for an [`autotask::Error`].
#[must_use]
pub fn exhausted<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a BudgetExhausted> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<BudgetExhausted>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Why there is no permit or slot.
pub(crate) enum Denied {
    NotNow(BudgetExhausted),
    Storage(StorageError),
}

impl From<StorageError> for Denied {
    fn from(error: StorageError) -> Self {
        Denied::Storage(error)
    }
}

impl From<Denied> for TransportError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotNow(exhausted) => TransportError::not_sent(exhausted),
            Denied::Storage(error) => TransportError::not_sent(BudgetUnavailable(error)),
        }
    }
}

/// What both limits need to know.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) ports: Ports,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) scope: Scope,
    pub(crate) partner: PartnerId,
    pub(crate) connection: ConnectionId,
}

/// A transport that keeps to our share of Autotask's limits. One for each session with one connection; calls on the
/// same object go one at a time. [`close`](Governed::close) it, or its slots stay taken for
/// [`slots::HELD`].
pub struct Governed {
    inner: Arc<dyn Transport>,
    place: Place,
    share_percent: i64,
    mode: Mode,
    owner: String,
    calls: AtomicU32,
    permits: Mutex<Permits>,
    objects: Mutex<HashMap<String, Arc<Mutex<Held>>>>,
}

/// The permits that a session has left.
#[derive(Debug)]
struct Permits {
    left: u32,
    taken: Timestamp,
    granted: u32,
    refused: Option<(Timestamp, BudgetExhausted)>,
}

impl Permits {
    /// How many to take next: twice as many where the last ones were all used in half their time, else as many as
    /// were used. What is left over counts against the share for an hour.
    fn wanted(&self, now: Timestamp) -> u32 {
        match (self.granted, self.left) {
            (0, _) => BATCH_FIRST,
            (granted, 0) if now.duration_since(self.taken) * 2 <= PERMIT_KEPT => (granted * 2).min(BATCH_MAX),
            (granted, left) => granted - left,
        }
    }
}

/// A session's slot of one object.
#[derive(Debug, Default)]
struct Held {
    until: Option<Timestamp>,
    refused: Option<(Timestamp, BudgetExhausted)>,
}

impl fmt::Debug for Governed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Governed")
            .field("connection", &self.place.connection)
            .field("mode", &self.mode)
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}

impl Governed {
    /// The way to the Autotask database of a connection, with `share_percent` of its limit
    /// ([`Settings::api_share_percent`](crate::connections::Settings)).
    #[must_use]
    pub fn new(
        ports: &Ports,
        scope: &Scope,
        partner: &PartnerId,
        connection: &ConnectionId,
        share_percent: i64,
        mode: Mode,
    ) -> Self {
        let place = Place {
            ports: ports.clone(),
            storage: ports.storage.clone(),
            clock: ports.clock.clone(),
            scope: scope.clone(),
            partner: partner.clone(),
            connection: connection.clone(),
        };
        Self {
            inner: ports.transport.clone(),
            share_percent,
            mode,
            owner: ports.ids.uuid().to_string(),
            calls: AtomicU32::new(0),
            permits: Mutex::new(Permits { left: 0, taken: place.clock.now(), granted: 0, refused: None }),
            objects: Mutex::default(),
            place,
        }
    }

    /// Requests handed to the network so far.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Takes note of what the database says of its limit and use; every session with it goes by that for an hour.
    ///
    /// # Errors
    /// Those of the storage. The budget then stays as it was.
    pub async fn observe(&self, threshold: &Threshold) -> Result<(), StorageError> {
        rate::observe(&self.place, self.share_percent, &self.owner, threshold).await
    }

    /// Gives the slots back. What cannot be given back expires by itself.
    pub async fn close(&self) {
        let objects = std::mem::take(&mut *self.objects.lock().await);
        for (object, held) in objects {
            if held.lock().await.until.take().is_none() {
                continue;
            }
            if let Err(error) = slots::release(&self.place, &object, &self.owner).await {
                tracing::warn!(error = %error, object, "a slot stays taken until it expires");
            }
        }
    }

    /// One permit, out of those at hand or of a new batch.
    async fn permit(&self) -> Result<(), Denied> {
        let mut permits = self.permits.lock().await;
        let now = self.place.clock.now();
        if permits.left > 0 && now.duration_since(permits.taken) < PERMIT_KEPT {
            permits.left -= 1;
            return Ok(());
        }
        still_refused(permits.refused, now)?;
        match self.batch(permits.wanted(now)).await {
            Ok(granted) => {
                // From before the record was read: a permit must not live longer than the record allows for.
                *permits = Permits { left: granted - 1, taken: now, granted, refused: None };
                Ok(())
            }
            Err(denied) => {
                permits.refused = remembered(&denied, self.place.clock.now());
                Err(denied)
            }
        }
    }

    /// Autotask has had enough of this database's calls: nobody of ours makes another one for a while.
    async fn back_off(&self, response: &Response) {
        {
            let mut permits = self.permits.lock().await;
            (permits.left, permits.granted) = (0, 0);
        }
        let pause = rate::pause_asked_for(response);
        tracing::warn!(connection.id = %self.place.connection, seconds = pause.as_secs(), "Autotask's hourly limit is reached");
        if let Err(error) = rate::back_off(&self.place, &self.owner, pause).await {
            tracing::warn!(error = %error, "other sessions do not know that Autotask's hourly limit is reached");
        }
    }

    async fn batch(&self, wanted: u32) -> Result<u32, Denied> {
        let mut patience = Patience(self.mode.patience());
        loop {
            match rate::take(&self.place, self.share_percent, wanted, self.mode).await {
                Ok(granted) => return Ok(granted),
                Err(denied) => patience.wait(&*self.place.clock, denied).await?,
            }
        }
    }

    async fn held(&self, object: &str, call: Duration) -> Result<Timestamp, Denied> {
        let mut patience = Patience(self.mode.patience());
        loop {
            match slots::acquire(&self.place, object, &self.owner, call).await {
                Ok(until) => return Ok(until),
                Err(denied) => patience.wait(&*self.place.clock, denied).await?,
            }
        }
    }

    /// The session's slot of an object, taken or prolonged so that it outlasts the call.
    async fn slot(&self, object: &str, held: &mut Held, call: Duration) -> Result<(), Denied> {
        let now = self.place.clock.now();
        let needed = add(now, call);
        if held.until.is_some_and(|until| until > needed) {
            return Ok(());
        }
        still_refused(held.refused, now)?;
        match self.held(object, call).await {
            Ok(until) => {
                *held = Held { until: Some(until), refused: None };
                Ok(())
            }
            Err(denied) => {
                // What is not prolonged may be somebody else's by now.
                *held = Held { until: None, refused: remembered(&denied, self.place.clock.now()) };
                Err(denied)
            }
        }
    }
}

#[async_trait]
impl Transport for Governed {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let object = slots::object(request.url.path());
        let held = self.objects.lock().await.entry(object.clone()).or_default().clone();
        // Held while the call is under way: one session makes one call at a time on an object.
        let mut held = held.lock().await;
        self.slot(&object, &mut held, request.timeout).await?;
        self.permit().await?;
        self.calls.fetch_add(1, Ordering::Relaxed);
        let response = self.inner.send(request).await?;
        if rate::is_over_the_hourly_limit(&response) {
            self.back_off(&response).await;
        }
        Ok(response)
    }
}

/// What is left of the time that a call may wait.
struct Patience(Duration);

impl Patience {
    /// Waits a step before the next try, or fails: no patience left, or it will take longer anyhow.
    async fn wait(&mut self, clock: &dyn Clock, denied: Denied) -> Result<(), Denied> {
        let Denied::NotNow(exhausted) = &denied else { return Err(denied) };
        let too_long = exhausted.limit == Limit::Hourly && exhausted.retry_after > self.0;
        if self.0.is_zero() || too_long {
            return Err(denied);
        }
        // A permit comes when it was said to come; a slot when its holder is done.
        let step = match exhausted.limit {
            Limit::Hourly => exhausted.retry_after,
            Limit::Threads => STEP,
        };
        let step = step.clamp(STEP_MIN, self.0.max(STEP_MIN));
        clock.pause(step).await;
        self.0 = self.0.saturating_sub(step);
        Ok(())
    }
}

/// A client repeats a read that was not sent; it need not wait for the same refusal again.
fn still_refused(refused: Option<(Timestamp, BudgetExhausted)>, now: Timestamp) -> Result<(), Denied> {
    match refused {
        Some((until, exhausted)) if now < until => {
            let left = until.duration_since(now).unsigned_abs();
            Err(Denied::NotNow(BudgetExhausted { retry_after: left, ..exhausted }))
        }
        _ => Ok(()),
    }
}

fn remembered(denied: &Denied, now: Timestamp) -> Option<(Timestamp, BudgetExhausted)> {
    match denied {
        Denied::NotNow(exhausted) => Some((add(now, exhausted.retry_after), *exhausted)),
        Denied::Storage(_) => None,
    }
}

pub(crate) fn add(at: Timestamp, time: Duration) -> Timestamp {
    SignedDuration::try_from(time).ok().and_then(|time| at.checked_add(time).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
