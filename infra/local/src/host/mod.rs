//! In-process implementations of the domain's ports, and the bundle that runs on them.

pub mod blobs;
pub mod bundle;
pub mod clock;
pub mod drain;
pub mod engine;
pub mod events;
mod functions;
pub mod ids;
mod invoke;
pub mod journal;
pub mod kill;
pub mod mail;
pub mod queue;
pub mod real;
pub mod routes;
pub mod secrets;

pub use blobs::LocalBlobs;
pub use bundle::{Bundle, Outcome};
pub use clock::LocalClock;
pub use drain::{Beside, Callouts, DrainError, Drained, Limits};
pub use engine::Engine;
pub use events::{LocalEvents, Published};
pub use functions::{JOBS, functions_known};
pub use ids::LocalIds;
pub use kill::{Kill, KillableTransport, Scope as KillScope};
pub use mail::{LocalMail, MailFault};
pub use queue::{LocalQueue, Message};
pub use secrets::LocalSecrets;

use autotask::Transport;
use domain::ports::{Config, Ids, Ports, Storage};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Everything that one machine brings besides storage and the way to Autotask. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Host {
    /// The clock.
    pub clock: Arc<LocalClock>,
    /// Identifiers.
    pub ids: Arc<LocalIds>,
    /// The queues.
    pub queue: Arc<LocalQueue>,
    /// The bus.
    pub events: Arc<LocalEvents>,
    /// Credentials.
    pub secrets: Arc<LocalSecrets>,
    /// Files.
    pub blobs: Arc<LocalBlobs>,
    /// Mails.
    pub mail: Arc<LocalMail>,
    /// The kill.
    pub kill: Kill,
}

impl Host {
    /// Forgotten with the process; the same identifiers for the same seed.
    #[must_use]
    pub fn memory(clock: Arc<LocalClock>, seed: u64) -> Self {
        let ids = Arc::new(LocalIds::seeded(Arc::clone(&clock), seed));
        Self {
            queue: Arc::new(LocalQueue::memory(Arc::clone(&clock), Arc::clone(&ids) as Arc<dyn Ids>)),
            events: Arc::new(LocalEvents::memory(Arc::clone(&clock))),
            secrets: Arc::new(LocalSecrets::memory(Arc::clone(&clock))),
            blobs: Arc::new(LocalBlobs::memory()),
            mail: Arc::new(LocalMail::memory(Arc::clone(&clock))),
            kill: Kill::default(),
            clock,
            ids,
        }
    }

    /// Kept in `folder`, which exists.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let clock = Arc::new(LocalClock::open(&folder.join("clock.jsonl"))?);
        let ids = Arc::new(LocalIds::new(Arc::clone(&clock)));
        let queue =
            LocalQueue::open(Arc::clone(&clock), Arc::clone(&ids) as Arc<dyn Ids>, &folder.join("queues.jsonl"))?;
        let events = LocalEvents::open(Arc::clone(&clock), &folder.join("events.jsonl"))?;
        let secrets = LocalSecrets::open(Arc::clone(&clock), &folder.join("secrets.jsonl"))?;
        let blobs = Arc::new(LocalBlobs::open(&folder.join("files"))?);
        let mail = Arc::new(LocalMail::open(Arc::clone(&clock), &folder.join("mail"))?);
        let (queue, events, secrets) = (Arc::new(queue), Arc::new(events), Arc::new(secrets));
        Ok(Self { clock, ids, queue, events, secrets, blobs, mail, kill: Kill::default() })
    }

    /// The domain's ports on this host. Requests go to Autotask by `transport`, past the kill.
    #[must_use]
    pub fn ports(&self, storage: Arc<dyn Storage>, transport: Arc<dyn Transport>, config: Config) -> Ports {
        Ports {
            storage,
            secrets: Arc::clone(&self.secrets) as _,
            blobs: Arc::clone(&self.blobs) as _,
            queue: Arc::clone(&self.queue) as _,
            events: Arc::clone(&self.events) as _,
            mail: Arc::clone(&self.mail) as _,
            clock: Arc::clone(&self.clock) as _,
            ids: Arc::clone(&self.ids) as _,
            transport: Arc::new(KillableTransport::new(transport, self.kill.clone())),
            config: Arc::new(config),
        }
    }
}
