//! Our share of Autotask's limits, over many sessions on one engine, in virtual time.

#![allow(clippy::disallowed_methods, reason = "tests play several functions at once")]

use crate::store_contract::bench::{Bench, connection, partner};
use async_trait::async_trait;
use autotask::metadata::Threshold;
use autotask::{Method, Request, Response, Transport, TransportError};
use domain::actor::Scope;
use domain::budget::rate::BudgetRow;
use domain::budget::slots::{HELD, SLOTS};
use domain::budget::{BudgetExhausted, Governed, Limit, Mode, PATIENCE_BACKGROUND, PATIENCE_INTERACTIVE, exhausted};
use domain::ports::{
    Clock, Config, Events, EventsError, Ids, OutEvent, Ports, Queue, QueueError, QueueName, SecretName, SecretVersion,
    Secrets, SecretsError, Storage,
};
use domain::records::{Key, Record, Versioned, Write, load};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// A quarter of Autotask's default limit.
const SHARE: usize = 2_500;
/// What of it workers may use.
const WORKERS: usize = 2_450;

/// Time that passes only when somebody waits.
#[derive(Debug, Default)]
struct VirtualClock(AtomicI64);

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_millis(self.0.load(Ordering::SeqCst))
    }
    async fn pause(&self, time: Duration) {
        self.advance(time);
        tokio::task::yield_now().await;
    }
}

impl VirtualClock {
    fn advance(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

#[derive(Debug, Default)]
struct Counter(AtomicU32);

impl Ids for Counter {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::SeqCst)))
    }
}

/// An Autotask that answers when it is let, and notes when it was called and how many calls it had at once.
#[derive(Debug)]
struct Autotask {
    clock: Arc<VirtualClock>,
    gate: tokio::sync::Semaphore,
    calls: Mutex<Vec<Timestamp>>,
    under_way: Mutex<HashMap<String, (usize, usize)>>,
    answer: Mutex<(u16, &'static str)>,
}

impl Autotask {
    fn at_once(&self, object: &str) -> (usize, usize) {
        self.under_way.lock().unwrap().get(object).copied().unwrap_or_default()
    }
}

#[async_trait]
impl Transport for Autotask {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let object = domain::budget::slots::object(request.url.path());
        self.calls.lock().unwrap().push(self.clock.now());
        {
            let mut all = self.under_way.lock().unwrap();
            let (now, most) = all.entry(object.clone()).or_default();
            *now += 1;
            *most = (*most).max(*now);
        }
        let _permit = self.gate.acquire().await.unwrap();
        self.under_way.lock().unwrap().get_mut(&object).unwrap().0 -= 1;
        let (status, body) = *self.answer.lock().unwrap();
        Ok(Response { status, headers: vec![], body: body.as_bytes().to_vec().into() })
    }
}

/// The ports that the budget has no use for.
#[derive(Debug)]
struct Unused;

#[async_trait]
impl Secrets for Unused {
    async fn put(&self, _: &SecretName, _: SecretString) -> Result<SecretVersion, SecretsError> {
        Err(SecretsError::Missing)
    }
    async fn get(&self, _: &SecretName, _: &SecretVersion) -> Result<SecretString, SecretsError> {
        Err(SecretsError::Missing)
    }
    async fn delete(&self, _: &SecretName) -> Result<(), SecretsError> {
        Err(SecretsError::Missing)
    }
    async fn list(&self) -> Result<Vec<(SecretName, Timestamp)>, SecretsError> {
        Err(SecretsError::Missing)
    }
}

#[async_trait]
impl Queue for Unused {
    async fn send(&self, _: QueueName, _: String, _: Duration, _: &domain::ids::PartnerId) -> Result<(), QueueError> {
        Err(QueueError("unused".into()))
    }
}

#[async_trait]
impl Events for Unused {
    async fn publish(&self, _: &[OutEvent]) -> Result<(), EventsError> {
        Err(EventsError("unused".into()))
    }
}

struct World {
    ports: Ports,
    clock: Arc<VirtualClock>,
    autotask: Arc<Autotask>,
}

impl World {
    async fn new() -> Self {
        let bench = Bench::in_process().await;
        Self::on(Arc::new(bench.store))
    }

    fn on(storage: Arc<dyn Storage>) -> Self {
        let clock = Arc::new(VirtualClock::default());
        let autotask = Arc::new(Autotask {
            clock: clock.clone(),
            gate: tokio::sync::Semaphore::new(1_000),
            calls: Mutex::default(),
            under_way: Mutex::default(),
            answer: Mutex::new((200, "{}")),
        });
        let zone_entry: url::Url = "https://webservices.autotask.net/".parse().unwrap();
        let config = Config {
            hosts: autotask::HostPolicy::default(),
            zone_entry,
            request_timeout: Duration::from_secs(60),
            hooks: None,
        };
        let ports = Ports {
            storage,
            secrets: Arc::new(Unused),
            blobs: Arc::new(store::Files::memory()),
            queue: Arc::new(Unused),
            events: Arc::new(Unused),
            mail: Arc::new(domain::mail::NoMail),
            clock: clock.clone(),
            ids: Arc::new(Counter::default()),
            transport: autotask.clone(),
            config: Arc::new(config),
        };
        Self { ports, clock, autotask }
    }

    fn session(&self, mode: Mode) -> Governed {
        let scope = Scope::Partner(partner("acme"));
        Governed::new(&self.ports, &scope, &partner("acme"), &connection("con_1"), 25, mode)
    }

    fn calls(&self) -> usize {
        self.autotask.calls.lock().unwrap().len()
    }

    async fn budget(&self) -> Versioned<BudgetRow> {
        let (key, scope) = (Key::Budget(partner("acme"), connection("con_1")), Scope::Partner(partner("acme")));
        load(&*self.ports.storage, &scope, &key).await.unwrap().unwrap()
    }
}

fn call(object: &str) -> Request {
    Request {
        method: Method::Post,
        url: format!("https://webservices1.autotask.net/atservicesrest/V1.0/{object}/query").parse().unwrap(),
        headers: vec![],
        body: None,
        timeout: Duration::from_secs(60),
    }
}

#[track_caller]
fn not_now(result: Result<Response, TransportError>) -> BudgetExhausted {
    let error = result.expect_err("it was sent");
    assert!(matches!(error, TransportError::NotSent { .. }), "{error:?}");
    *exhausted(&error).unwrap_or_else(|| panic!("not our own budget: {error:?}"))
}

/// Most calls in any span of an hour; `calls` are in order.
fn busiest_hour(calls: &[Timestamp]) -> usize {
    let (mut first, mut most) = (0, 0);
    for (last, call) in calls.iter().enumerate() {
        while call.duration_since(calls[first]) > SignedDuration::from_hours(1) {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

#[tokio::test]
async fn no_rolling_hour_passes_the_share_whoever_calls() {
    let world = World::new().await;
    let sessions = [0, 1, 2].map(|_| world.session(Mode::Background));
    let hours = 3;
    let end = world.clock.now() + SignedDuration::from_hours(hours);
    let objects = ["Companies", "Contracts", "Services"];
    while world.clock.now() < end {
        let mut wait = Duration::MAX;
        for (session, object) in sessions.iter().zip(objects) {
            match session.send(call(object)).await {
                Ok(_) => wait = Duration::ZERO,
                refused => wait = wait.min(not_now(refused).retry_after),
            }
        }
        world.clock.advance(wait.max(Duration::from_millis(50)));
    }
    let calls = world.autotask.calls.lock().unwrap().clone();
    let most = busiest_hour(&calls);
    assert!(most <= SHARE, "{most} calls in an hour");
    let allowed = usize::try_from(hours).unwrap() * SHARE;
    assert!(calls.len() * 100 >= allowed * 95, "{} of {allowed} used", calls.len());
    let counted: u32 = sessions.iter().map(Governed::calls).sum();
    assert_eq!(usize::try_from(counted).unwrap(), calls.len());
}

#[tokio::test]
async fn one_worker_may_use_the_share_at_once_and_leaves_people_some() {
    let world = World::new().await;
    let session = world.session(Mode::Background);
    let begun = world.clock.now();
    for _ in 0..WORKERS {
        session.send(call("Companies")).await.unwrap();
    }
    assert_eq!(world.clock.now(), begun, "nothing was waited for");
    // 4, 8, 16, 32, then 50 at a time.
    assert_eq!(world.budget().await.v, 4 + 48);
    let person = world.session(Mode::Interactive);
    for _ in WORKERS..SHARE {
        person.send(call("Companies")).await.unwrap();
    }
    let refused = not_now(session.send(call("Companies")).await);
    assert!((Duration::from_secs(3_600)..Duration::from_secs(3_700)).contains(&refused.retry_after), "{refused:?}");
    world.clock.advance(refused.retry_after);
    session.send(call("Companies")).await.unwrap();
    assert_eq!(busiest_hour(&world.autotask.calls.lock().unwrap()), SHARE);
}

#[tokio::test]
async fn a_session_with_slow_calls_wastes_few_permits() {
    let world = World::new().await;
    let session = world.session(Mode::Background);
    for _ in 0..600 {
        session.send(call("Companies")).await.unwrap();
        world.clock.advance(Duration::from_millis(900));
    }
    let taken = world.budget().await.value.window.taken();
    assert!((600..=660).contains(&taken), "{taken} permits for 600 calls");
}

#[tokio::test]
async fn a_record_of_before_the_window_stops_nobody() {
    /// As it was stored.
    #[derive(Debug, Serialize, Deserialize)]
    struct Old {
        partner: domain::PartnerId,
        connection: domain::ConnectionId,
        tat: Timestamp,
        database: Option<domain::budget::rate::Observed>,
    }
    impl Record for Old {
        const ENTITY: &'static str = "budget";
        fn key(&self) -> Key {
            Key::Budget(self.partner.clone(), self.connection.clone())
        }
    }
    let world = World::new().await;
    let tat = world.clock.now() + SignedDuration::from_hours(1);
    let old = Old { partner: partner("acme"), connection: connection("con_1"), tat, database: None };
    world.ports.storage.write(&Scope::Partner(partner("acme")), vec![Write::create(&old).unwrap()]).await.unwrap();
    world.session(Mode::Interactive).send(call("Companies")).await.unwrap();
    let row = world.budget().await;
    assert_eq!((row.v, row.value.window.taken()), (2, 4));
}

#[tokio::test]
async fn ten_functions_at_once_make_two_calls_at_once() {
    let world = World::new().await;
    let sessions: Vec<Governed> = (0..10).map(|_| world.session(Mode::Background)).collect();
    let work = sessions.iter().map(|session| async {
        let mut done = 0;
        for _ in 0..12 {
            if session.send(call("Companies")).await.is_ok() {
                done += 1;
                session.close().await;
            }
            tokio::task::yield_now().await;
        }
        done
    });
    let done: Vec<u32> = futures::future::join_all(work).await;
    let (now, most) = world.autotask.at_once("companies");
    assert_eq!(now, 0);
    assert!(most <= SLOTS, "{most} calls at once");
    assert!(done.iter().sum::<u32>() > 12, "{done:?}");
}

#[tokio::test]
async fn a_session_makes_one_call_at_a_time_on_an_object_and_several_on_several() {
    let world = World::new().await;
    world.autotask.gate.forget_permits(1_000);
    let session = world.session(Mode::Background);
    let calls = ["Companies", "Companies", "Companies", "Contracts"].map(|object| session.send(call(object)));
    let all = futures::future::join_all(calls);
    let look = async {
        while world.calls() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!((world.autotask.at_once("companies").0, world.autotask.at_once("contracts").0), (1, 1));
        world.autotask.gate.add_permits(1_000);
    };
    let (answers, ()) = tokio::join!(all, look);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(world.autotask.at_once("companies"), (0, 1));
    assert_eq!(session.calls(), 4);
}

#[tokio::test]
async fn a_third_session_waits_as_long_as_its_caller_can_and_then_is_told_when_to_come_back() {
    for (mode, patience) in [(Mode::Interactive, PATIENCE_INTERACTIVE), (Mode::Background, PATIENCE_BACKGROUND)] {
        let world = World::new().await;
        let holders = [0, 1].map(|_| world.session(Mode::Background));
        for holder in &holders {
            holder.send(call("Companies")).await.unwrap();
        }
        let third = world.session(mode);
        let before = world.clock.now();
        let refused = not_now(third.send(call("Companies")).await);
        assert_eq!(refused.limit, Limit::Threads);
        assert!(!refused.retry_after.is_zero());
        assert_eq!(world.clock.now().duration_since(before).unsigned_abs(), patience);
        // A client repeats what was not sent: the same answer, and at once.
        let before = world.clock.now();
        not_now(third.send(call("Companies")).await);
        assert_eq!(world.clock.now(), before);
        third.send(call("Contracts")).await.unwrap();
        assert_eq!((world.calls(), third.calls()), (3, 1));

        holders[0].close().await;
        world.clock.advance(refused.retry_after);
        third.send(call("Companies")).await.unwrap();
    }
}

#[tokio::test]
async fn a_slot_that_nobody_gives_back_comes_free_by_itself_and_not_during_a_call() {
    let world = World::new().await;
    let killed = [0, 1].map(|_| world.session(Mode::Background));
    for holder in &killed {
        holder.send(call("Companies")).await.unwrap();
    }
    drop(killed);
    world.clock.advance(Duration::from_secs(60) + HELD - Duration::from_secs(10));
    let next = world.session(Mode::Background);
    not_now(next.send(call("Companies")).await);
    world.clock.advance(Duration::from_secs(10));
    next.send(call("Companies")).await.unwrap();
}

#[tokio::test]
async fn a_long_stretch_of_calls_keeps_its_slot() {
    let world = World::new().await;
    let long = [0, 1].map(|_| world.session(Mode::Background));
    for _ in 0..20 {
        for session in &long {
            session.send(call("Companies")).await.unwrap();
        }
        world.clock.advance(Duration::from_secs(50));
        not_now(world.session(Mode::Interactive).send(call("Companies")).await);
    }
}

#[tokio::test]
async fn a_used_up_share_is_told_at_once_and_says_when_it_has_something() {
    let world = World::new().await;
    let background = world.session(Mode::Background);
    let refused = loop {
        match background.send(call("Companies")).await {
            Ok(_) => world.clock.advance(Duration::from_millis(700)),
            refused => break not_now(refused),
        }
    };
    assert_eq!(refused.limit, Limit::Hourly);
    // The first minutes leave an hour after they were: what the run itself took is taken into account.
    let first = world.autotask.calls.lock().unwrap()[0];
    let comes = (world.clock.now() + SignedDuration::try_from(refused.retry_after).unwrap()).duration_since(first);
    assert!((SignedDuration::from_mins(60)..SignedDuration::from_mins(62)).contains(&comes), "{refused:?}");
    assert!(world.calls() >= SHARE * 95 / 100);
    world.clock.advance(refused.retry_after);
    let before = world.calls();
    for _ in 0..10 {
        background.send(call("Companies")).await.unwrap();
    }
    assert_eq!(world.calls(), before + 10);
}

#[tokio::test]
async fn a_busy_database_slows_every_session_down() {
    let world = World::new().await;
    let seen = |used| Threshold { limit: 10_000, timeframe_minutes: 60, used };
    let session = world.session(Mode::Background);
    session.observe(&seen(9_000)).await.unwrap();
    let mut sent = 0;
    while world.session(Mode::Interactive).send(call(&format!("Object{sent}"))).await.is_ok() {
        sent += 1;
    }
    // The share at five times the price, in batches of four of which each session uses one.
    assert_eq!(sent, SHARE / 5 / 4);
    session.observe(&seen(0)).await.unwrap();
    world.clock.advance(Duration::from_secs(3_700));
    session.send(call("Companies")).await.unwrap();
}

#[tokio::test]
async fn after_autotasks_own_refusal_nobody_calls_for_as_long_as_it_asks() {
    let world = World::new().await;
    let (first, second) = (world.session(Mode::Background), world.session(Mode::Background));
    *world.autotask.answer.lock().unwrap() = (429, r#"{"errors":["thread threshold of 3 threads has been exceeded"]}"#);
    first.send(call("Companies")).await.unwrap();
    second.send(call("Companies")).await.unwrap();
    *world.autotask.answer.lock().unwrap() = (429, r#"{"errors":["too many requests"]}"#);
    assert_eq!(first.send(call("Companies")).await.unwrap().status, 429);
    *world.autotask.answer.lock().unwrap() = (200, "{}");
    let refused = not_now(world.session(Mode::Interactive).send(call("Services")).await);
    assert!((Duration::from_secs(59)..Duration::from_secs(63)).contains(&refused.retry_after), "{refused:?}");
    not_now(first.send(call("Contracts")).await);
    world.clock.advance(refused.retry_after);
    world.session(Mode::Interactive).send(call("Services")).await.unwrap();
}

#[tokio::test]
async fn permits_do_not_keep() {
    let world = World::new().await;
    let session = world.session(Mode::Background);
    session.send(call("Companies")).await.unwrap();
    assert_eq!(world.budget().await.v, 1);
    session.send(call("Companies")).await.unwrap();
    assert_eq!(world.budget().await.v, 1, "out of the first batch");
    world.clock.advance(Duration::from_secs(30));
    session.send(call("Companies")).await.unwrap();
    assert_eq!(world.budget().await.v, 2, "what was left is too old");
}

#[tokio::test]
async fn without_its_records_nothing_is_sent() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = store::Aws::new(&store::Settings::local(format!("http://{port}"))).await.dynamodb();
    let world = World::on(Arc::new(store::Dynamo::new(client, "table")));
    let error = world.session(Mode::Interactive).send(call("Companies")).await.unwrap_err();
    assert!(matches!(error, TransportError::NotSent { .. }), "{error:?}");
    assert_eq!((exhausted(&error), world.calls()), (None, 0));
}

#[tokio::test]
async fn a_foreign_scope_gets_no_permit() {
    let world = World::new().await;
    let scope = Scope::Partner(partner("acme1"));
    let session = Governed::new(&world.ports, &scope, &partner("acme"), &connection("con_1"), 25, Mode::Interactive);
    assert!(session.send(call("Companies")).await.is_err());
    assert_eq!(world.calls(), 0);
}
