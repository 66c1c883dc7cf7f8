//! What the domain needs from outside, as small object-safe traits, and the one struct that carries them.

use crate::actor::Scope;
use crate::blobs::Blobs;
use crate::ids::{ConnectionId, PartnerId};
use crate::mail::Mailer;
use crate::records::{Collection, Key, Stored, Write};
use crate::webhooks::HookMaster;
use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Everything a flow may use. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ports {
    /// Records.
    pub storage: Arc<dyn Storage>,
    /// Credentials.
    pub secrets: Arc<dyn Secrets>,
    /// Files.
    pub blobs: Arc<dyn Blobs>,
    /// Work for later.
    pub queue: Arc<dyn Queue>,
    /// The bus that tells the vendor's core what happened.
    pub events: Arc<dyn Events>,
    /// Mails to people.
    pub mail: Arc<dyn Mailer>,
    /// The only clock.
    pub clock: Arc<dyn Clock>,
    /// The only source of identifiers.
    pub ids: Arc<dyn Ids>,
    /// The way to Autotask.
    pub transport: Arc<dyn autotask::Transport>,
    /// What a deployment sets.
    pub config: Arc<Config>,
}

/// What a deployment sets for the domain; read from the environment by `runtime`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where `zoneInformation` is asked: `https://webservices.autotask.net/`.
    pub zone_entry: url::Url,
    /// Hosts that credentials may be sent to.
    pub hosts: autotask::zone::HostPolicy,
    /// What webhooks' URLs and keys are made of; none where the function has nothing to do with them.
    pub hooks: Option<HookConfig>,
    /// How long one call to Autotask may take, from sending to the last byte. 60 s in the cloud.
    pub request_timeout: Duration,
}

/// What webhooks' URLs and keys are made of.
#[derive(Debug, Clone)]
pub struct HookConfig {
    /// The stack's secret.
    pub master: HookMaster,
    /// Where Autotask reaches the receiver: `https://…/`; none where no URL is made.
    pub base: Option<url::Url>,
}

/// Strength of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// May be a moment old; half the price.
    Eventual,
    /// Sees every write that was answered before it.
    Strong,
}

/// Order of a listing by its sort key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Oldest or smallest first.
    Ascending,
    /// Newest or largest first.
    Descending,
}

/// One page to read of a collection.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// At most this many records; the store may return fewer together with a `next`.
    pub limit: u32,
    /// Where the page before ended. Opaque outside the store.
    pub after: Option<String>,
    /// Direction.
    pub order: Order,
    /// Strength; indexes are always eventual.
    pub read: Read,
}

impl PageRequest {
    /// The first page, ascending, strongly consistent.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { limit, after: None, order: Order::Ascending, read: Read::Strong }
    }
}

/// A page of records; `next` is absent on the last one.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The records, in order.
    pub items: Vec<Stored>,
    /// Token of the next page.
    pub next: Option<String>,
}

/// Why a storage call failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A condition did not hold: somebody else wrote first. `at` is the index into the writes;
    /// `current` is the record as it is, where the engine told.
    #[error("the record was changed by somebody else (write {at})")]
    Conflict {
        /// Which write was refused.
        at: usize,
        /// What is there instead, if anything.
        current: Option<Box<Stored>>,
    },
    /// The scope does not admit the key. Shown to callers as if it did not exist.
    #[error("the key is outside the caller's scope")]
    OutOfScope,
    /// Throttled, timed out or away, after the store's own retries. The write may or may not have happened.
    #[error("storage is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored record cannot be read as what it should be.
    #[error("the stored record `{key}` is malformed")]
    Corrupt {
        /// Which one.
        key: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Records, by typed key, with conditional writes.
#[async_trait]
pub trait Storage: Send + Sync + Debug {
    /// Reads one record.
    async fn get(&self, scope: &Scope, key: &Key, read: Read) -> Result<Option<Stored>, StorageError>;

    /// Reads one page of a collection.
    async fn list(&self, scope: &Scope, of: &Collection, page: PageRequest) -> Result<Listing, StorageError>;

    /// Carries out all writes or none. One write is a single conditional put; several are a transaction
    /// of at most [`crate::records::WRITES_MAX`]. An answer lost on the way is recognised: repeating is the store's business.
    async fn write(&self, scope: &Scope, writes: Vec<Write>) -> Result<(), StorageError>;
}

/// Whose secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretName {
    /// A connection's Autotask user and secret.
    Connection(PartnerId, ConnectionId),
    /// The vendor's integration code (tracking identifier), the same for every partner.
    Vendor,
}

/// Which version of a secret a record means.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretVersion(pub String);

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// No such secret or version.
    #[error("there is no such secret")]
    Missing,
    /// Secrets Manager did not answer as it should.
    #[error("the secret store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Credentials at rest.
#[async_trait]
pub trait Secrets: Send + Sync + Debug {
    /// Stores a new version and returns its id; earlier versions stay readable by id for a while.
    async fn put(&self, name: &SecretName, value: SecretString) -> Result<SecretVersion, SecretsError>;
    /// Reads the version that a record names. May come from a cache with a TTL.
    async fn get(&self, name: &SecretName, version: &SecretVersion) -> Result<SecretString, SecretsError>;
    /// Deletes a secret with all versions. Deleting what is not there is success.
    async fn delete(&self, name: &SecretName) -> Result<(), SecretsError>;
    /// All connection secrets of this deployment with their creation time, for the sweep of orphans.
    async fn list(&self) -> Result<Vec<(SecretName, Timestamp)>, SecretsError>;
}

/// Our queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueName {
    /// Work of the seat sync's worker: runs to plan, apply and settle.
    SeatSync,
    /// Work of the mapper: auto-map and CSV import runs.
    Map,
    /// Fetches of invoices.
    InvoiceFetch,
    /// PDFs of invoices to fetch: a queue of their own, so that no invoice waits for its PDF.
    InvoicePdf,
    /// Work of the payments' worker: invoices whose paid date is to be written.
    Payments,
    /// Deliveries of webhooks to work off.
    Webhooks,
    /// Webhooks to look after in Autotask.
    WebhookAdmin,
}

/// Longest delay that a queue takes, SQS's own bound.
pub const DELAY_MAX: Duration = Duration::from_secs(900);

/// The queue did not take the message.
#[derive(Debug, thiserror::Error)]
#[error("the queue is unavailable")]
pub struct QueueError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Work for later. Delivery is at least once and in no order.
#[async_trait]
pub trait Queue: Send + Sync + Debug {
    /// Sends a message that becomes visible after `delay` (at most [`DELAY_MAX`]); `group` is for fairness only.
    async fn send(&self, queue: QueueName, body: String, delay: Duration, group: &PartnerId) -> Result<(), QueueError>;
}

/// One event on the bus, in its envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutEvent {
    /// For example `billing.run_completed`; EventBridge's `detail-type`.
    pub detail_type: String,
    /// `{version, id, occurred_at, partner_id, connection_id, data}`.
    pub detail: serde_json::Value,
}

/// The bus did not take the events.
#[derive(Debug, thiserror::Error)]
#[error("the event bus is unavailable")]
pub struct EventsError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The bus. Delivery is at least once; consumers dedupe by the envelope's `id`.
#[async_trait]
pub trait Events: Send + Sync + Debug {
    /// Publishes all of them, or fails and is asked again with all of them.
    async fn publish(&self, events: &[OutEvent]) -> Result<(), EventsError>;
}

/// The only clock.
#[async_trait]
pub trait Clock: Send + Sync + Debug {
    /// Now, UTC.
    fn now(&self) -> Timestamp;
    /// Waits for a short while (a pause between reads); never used where a delayed message does.
    async fn pause(&self, time: Duration);
}

/// The only source of identifiers and nonces.
pub trait Ids: Send + Sync + Debug {
    /// A UUID v7 of the clock's time.
    fn uuid(&self) -> Uuid;
}

/// How much time is left for the present invocation; real time, whatever the clock says.
pub trait Deadline: Send + Sync + Debug {
    /// What is left until the platform ends the invocation.
    fn remaining(&self) -> Duration;
}

/// A deadline that never comes, for callers without one.
#[derive(Debug, Clone, Copy)]
pub struct NoDeadline;

impl Deadline for NoDeadline {
    fn remaining(&self) -> Duration {
        Duration::MAX
    }
}
