//! The world that a test has in hand.

use crate::api::Api;
use crate::build::Builder;
use crate::logs::Logs;
use crate::transport::SimulatorTransport;
use domain::ports::Read;
use domain::records::{Collection, Expect, Key, Record, Versioned, Write, load, load_all};
use domain::{ConnectionId, PartnerId, Ports, Role, Scope};
use jiff::Timestamp;
use local::host::{
    Bundle, Drained, Engine, Kill, Limits, LocalBlobs, LocalClock, LocalEvents, LocalMail, LocalQueue, LocalSecrets,
    Outcome, Published,
};
use runtime::App;
use serde_json::Value;
use simulator::{LoggedRequest, Simulator};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What Autotask answers to a verb that a path does not take.
const NO_SUCH_ROUTE: u16 = 405;

/// An app, a simulated Autotask, and everything around them.
#[derive(Debug)]
pub struct World {
    /// The app that handlers get.
    pub app: App,
    /// The functions, as the platform starts them.
    pub bundle: Bundle,
    /// The simulated Autotask.
    pub sim: Simulator,
    /// How requests get there.
    pub transport: Arc<SimulatorTransport>,
    /// The clock of both.
    pub clock: Arc<LocalClock>,
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
    /// The partner.
    pub partner: PartnerId,
    /// Its connection.
    pub connection: ConnectionId,
    /// Its Autotask database.
    pub ci: u64,
    /// The database engine.
    pub engine: Engine,
    logs: Logs,
    may_leave: AtomicBool,
}

impl World {
    /// A world that differs from the usual one.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(
        bundle: Bundle,
        engine: Engine,
        sim: Simulator,
        transport: Arc<SimulatorTransport>,
        (partner, connection, ci): (PartnerId, ConnectionId, u64),
        logs: Logs,
    ) -> Self {
        let host = bundle.host().clone();
        Self {
            app: bundle.app().clone(),
            bundle,
            sim,
            transport,
            clock: host.clock,
            queue: host.queue,
            events: host.events,
            secrets: host.secrets,
            blobs: host.blobs,
            mail: host.mail,
            kill: host.kill,
            partner,
            connection,
            ci,
            engine,
            logs,
            may_leave: AtomicBool::new(false),
        }
    }

    /// A caller in this role: of the world's partner, or naming it by `X-Partner-Id`. An admin has the main account.
    #[must_use]
    pub fn api(&self, role: Role) -> Api<'_> {
        Api::new(self, role)
    }

    /// A path with `C` for the connection written out.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        let connection = || format!("/v1/connections/{}", self.connection);
        match path.strip_prefix('C') {
            Some("") => connection(),
            Some(rest) if rest.starts_with(['/', '?']) => connection() + rest,
            _ => path.to_owned(),
        }
    }

    /// The ports.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.app.ports
    }

    /// The partner's scope.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::Partner(self.partner.clone())
    }

    /// A scope over everything.
    #[must_use]
    pub fn system_scope(&self) -> Scope {
        runtime::schedule::scope()
    }

    /// Puts a record, whatever is there.
    ///
    /// # Panics
    /// If storage does not take it.
    pub async fn put<R: Record>(&self, record: &R) {
        let write = Write::put(record, Expect::Any).unwrap();
        self.ports().storage.write(&self.system_scope(), vec![write]).await.unwrap();
    }

    /// Deletes a record, whether it is there or not.
    ///
    /// # Panics
    /// If storage does not take it.
    pub async fn remove(&self, key: Key) {
        let write = Write::delete(key, Expect::Any);
        self.ports().storage.write(&self.system_scope(), vec![write]).await.unwrap();
    }

    /// Reads a record.
    ///
    /// # Panics
    /// If storage does not give it, or gives something else.
    pub async fn load<R: Record>(&self, key: &Key) -> Option<Versioned<R>> {
        load(&*self.ports().storage, &self.system_scope(), key).await.unwrap()
    }

    /// Reads a whole collection.
    ///
    /// # Panics
    /// If storage does not give it, or gives something else.
    pub async fn load_all<R: Record>(&self, of: &Collection) -> Vec<R> {
        let all = load_all(&*self.ports().storage, &self.system_scope(), of, Read::Strong).await.unwrap();
        all.into_iter().map(|record: Versioned<R>| record.value).collect()
    }

    /// Fires a schedule, with the clock moved to its time if that is later.
    ///
    /// # Panics
    /// If the job fails; use `bundle.tick` to see how.
    #[track_caller]
    pub fn tick(&self, job: &str, time: &str) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        let time: Timestamp = time.parse().unwrap();
        async move {
            self.clock.at_least(time).unwrap();
            let outcome = self.bundle.tick(job, time).await;
            assert_eq!(outcome, Outcome::Done, "schedule `{job}` of {time}, fired at {place}");
        }
    }

    /// Delivers an event of the vendor's core.
    ///
    /// # Panics
    /// If it fails; use `bundle.event` to see how.
    pub async fn event(&self, detail_type: &str, detail: Value) {
        let event = serde_json::json!({"detail-type": detail_type, "detail": detail});
        assert_eq!(self.bundle.event(&event).await, Outcome::Done, "{detail_type}");
    }

    /// Works everything off, moving the clock on to whatever waits for it.
    ///
    /// # Panics
    /// If it cannot.
    pub async fn drain(&self) -> Drained {
        self.bundle.drain(Limits::default()).await.unwrap()
    }

    /// Works one message, if one is visible.
    ///
    /// # Panics
    /// If the queue cannot be read.
    pub async fn work_one(&self) -> Option<Outcome> {
        self.bundle.work(None).await.unwrap()
    }

    /// Moves the clock on.
    ///
    /// # Panics
    /// If it would go back.
    pub fn advance(&self, by: jiff::SignedDuration) -> Timestamp {
        self.clock.advance(by).unwrap()
    }

    /// Events on the bus with this detail type, in order.
    #[must_use]
    pub fn published(&self, detail_type: &str) -> Vec<Published> {
        self.events.all().into_iter().filter(|event| event.detail_type == detail_type).collect()
    }

    /// What was logged in this process, by all worlds.
    #[must_use]
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Requests to Autotask that change something: everything but `GET` and queries.
    #[must_use]
    pub fn writes(&self) -> Vec<LoggedRequest> {
        let asks = |path: &str| path.ends_with("/query") || path.ends_with("/query/count");
        let is_write = |request: &LoggedRequest| {
            request.method != "GET" && !asks(request.path.to_ascii_lowercase().trim_end_matches('/'))
        };
        self.sim.requests().into_iter().filter(is_write).collect()
    }

    /// Messages may be left when the world ends.
    pub fn leave_messages(&self) {
        self.may_leave.store(true, Ordering::SeqCst);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() || self.may_leave.load(Ordering::SeqCst) {
            return;
        }
        let strange: Vec<_> = self.sim.requests().into_iter().filter(|r| r.status == Some(NO_SUCH_ROUTE)).collect();
        assert!(strange.is_empty(), "Autotask has no such route: {strange:#?}");
        let (waiting, dead) = (self.queue.waiting(), self.queue.dead());
        let bodies = |messages: Vec<local::host::Message>| {
            messages.into_iter().map(|message| format!("{:?} {}", message.queue, message.body)).collect::<Vec<_>>()
        };
        assert!(waiting.is_empty(), "nobody worked these messages off (see `leave_messages`): {:#?}", bodies(waiting));
        assert!(dead.is_empty(), "these messages are dead (see `leave_messages`): {:#?}", bodies(dead));
    }
}
