#![doc = include_str!("../README.md")]

use domain::connections::{Connection, probe_one, sweep_secrets};
use domain::health::{self, HealthMessage};
use domain::ids::{ConnectionId, PartnerId};
use domain::mappings::{self, Context, Watched};
use domain::ports::{Deadline, Order, PageRequest, QueueError, QueueName, Read};
use domain::records::{Collection, SHARDS, load_page};
use domain::runs::WorkMessage;
use domain::{Actor, Code, Error, Scope, billing, change, packages, runs};
use runtime::App;
use runtime::schedule::Tick;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Connections read at once.
const PAGE: u32 = 100;
/// Daily messages are spread over so many seconds, so that the API budget of no database and no queue is hit at once.
const DAILY_SPREAD: u64 = 900;
/// How often a watch that Autotask or our share of its limits does not allow is put off before the next night's.
const PUT_OFF_MAX: u32 = 8;
/// For how long it is put off each time.
const PUT_OFF: Duration = Duration::from_secs(900);

/// What the worker's queue carries: a run to take up, or a connection to probe, to watch or to check before its run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Message {
    Probe(ProbeMessage),
    Watch(WatchMessage),
    Health(HealthMessage),
    Run(WorkMessage),
}

/// A connection whose rights and credentials are to be looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbeMessage {
    partner: PartnerId,
    connection: ConnectionId,
    probe: bool,
}

/// A connection whose mappings are to be watched.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WatchMessage {
    partner: PartnerId,
    connection: ConnectionId,
    watch: bool,
    /// How often it was put off.
    #[serde(default)]
    put_off: u32,
}

/// The dispatcher: what each schedule does.
///
/// # Errors
/// What Lambda should try again; every job may be repeated.
pub async fn tick(app: &App, tick: Tick, _deadline: &dyn Deadline) -> domain::Result<()> {
    let scope = runtime::schedule::scope();
    let actor = Actor::system(format!("schedule:{}", tick.job), tick.time.to_string());
    match tick.job.as_str() {
        "seat-sync" => {
            // The slot is taken from the tick; a tick that arrives late or twice starts nothing twice.
            let ticked = billing::due::tick(&app.ports, &scope, &actor, tick.time).await?;
            tracing::info!(
                started = ticked.started,
                waiting = ticked.waiting,
                missed = ticked.missed,
                asked = ticked.asked,
                "looked for due seat syncs"
            );
            Ok(())
        }
        "package-changes" => {
            let swept = packages::sweep(&app.ports, &scope, &actor, tick.time).await?;
            if swept != packages::Swept::default() {
                tracing::info!(
                    started = swept.started,
                    waiting = swept.waiting,
                    ended = swept.ended,
                    "looked for package changes that wait"
                );
            }
            Ok(())
        }
        "sweep" => sweep(app, &scope).await,
        "probe" => {
            let message = |partner, connection| Message::Probe(ProbeMessage { partner, connection, probe: true });
            send_to_all(app, &scope, message).await
        }
        "watch" => {
            let message =
                |partner, connection| Message::Watch(WatchMessage { partner, connection, watch: true, put_off: 0 });
            send_to_all(app, &scope, message).await
        }
        "health" => {
            let sent = health::send_due(&app.ports, &scope, tick.time).await?;
            tracing::info!(connections = sent, "asked for checks before the next run");
            Ok(())
        }
        "secrets-sweep" => {
            let deleted = sweep_secrets(&app.ports, &scope).await?;
            tracing::info!(deleted, "swept secrets that no connection names");
            Ok(())
        }
        other => {
            tracing::error!(job = other, "there is no such job; check the schedule's input");
            Ok(())
        }
    }
}

/// The worker: one message.
///
/// # Errors
/// What brings the message back after the visibility time.
pub async fn work(app: &App, body: &str, deadline: &dyn Deadline) -> domain::Result<()> {
    let message: Message = serde_json::from_str(body).map_err(|error| Error::Queue(QueueError(Box::new(error))))?;
    let scope = runtime::queue::scope();
    match message {
        Message::Run(message) => billing::work(&app.ports, &scope, deadline, &message).await,
        Message::Probe(ProbeMessage { partner, connection, .. }) => {
            let Some(scope) = scope.narrow(&partner) else { return Ok(()) };
            let actor = Actor::system("schedule:probe", connection.to_string());
            probe_one(&app.ports, &scope, &actor, &partner, &connection).await
        }
        Message::Watch(message) => {
            let Some(scope) = scope.narrow(&message.partner) else { return Ok(()) };
            watch_one(app, &scope, message).await
        }
        Message::Health(message) => {
            let Some(scope) = scope.narrow(&message.partner) else { return Ok(()) };
            let actor = Actor::system("schedule:health", message.health_for.to_string());
            match health::check_slot(&app.ports, &scope, &actor, &message).await {
                // The next hour's tick asks for it again.
                Err(Error::Problem(problem)) => {
                    tracing::warn!(connection.id = %message.connection, code = problem.code.as_str(), "the check is put off");
                    Ok(())
                }
                other => other,
            }
        }
    }
}

/// Watches one connection. What passes by itself is put off; what a person must put right first is said elsewhere.
async fn watch_one(app: &App, scope: &Scope, message: WatchMessage) -> domain::Result<()> {
    let actor = Actor::system("schedule:watch", message.connection.to_string());
    let WatchMessage { partner, connection, put_off, .. } = &message;
    let context = Context { ports: &app.ports, scope, actor: &actor, partner, connection };
    match mappings::watch(context).await {
        Ok(done) => {
            let Watched { mappings, troubled, remapped, calls, .. } = done;
            tracing::info!(connection.id = %connection, mappings, troubled, remapped, autotask.calls = calls, "watched mappings");
            Ok(())
        }
        Err(Error::Problem(problem)) if passes(problem.code) && *put_off < PUT_OFF_MAX => {
            tracing::info!(connection.id = %connection, code = problem.code.as_str(), "the watch is put off");
            let later = Message::Watch(WatchMessage { put_off: put_off + 1, ..message.clone() });
            send(app, &later, PUT_OFF, partner).await
        }
        Err(Error::Problem(problem)) => {
            tracing::warn!(connection.id = %connection, code = problem.code.as_str(), "the watch did not see everything");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Whether a problem passes by itself.
fn passes(code: Code) -> bool {
    matches!(code, Code::AutotaskUnavailable | Code::Throttled | Code::Unavailable | Code::SecretStoreUnavailable)
}

async fn send(app: &App, message: &Message, delay: Duration, partner: &PartnerId) -> domain::Result<()> {
    let body = serde_json::to_string(message).map_err(|error| QueueError(Box::new(error)))?;
    Ok(app.ports.queue.send(QueueName::SeatSync, body, delay, partner).await?)
}

/// Publishes what is left in outboxes and ends runs that nobody works on any more.
async fn sweep(app: &App, scope: &Scope) -> domain::Result<()> {
    let (mut published, mut lost) = (0, 0);
    for shard in 0..SHARDS {
        published += change::sweep_shard(&app.ports, scope, shard).await?;
        lost += runs::sweep_lost(&app.ports, scope, shard).await?;
    }
    if published > 0 || lost > 0 {
        tracing::info!(published, lost, "swept outboxes and runs");
    }
    Ok(())
}

/// One message per connection: a dispatcher has no time to look itself.
async fn send_to_all(
    app: &App,
    scope: &Scope,
    message: impl Fn(PartnerId, ConnectionId) -> Message,
) -> domain::Result<()> {
    let mut sent: u64 = 0;
    for shard in 0..SHARDS {
        let mut after = None;
        loop {
            let page = PageRequest { limit: PAGE, after, order: Order::Ascending, read: Read::Eventual };
            let (found, next) =
                load_page::<Connection>(&*app.ports.storage, scope, &Collection::Board(shard), page).await?;
            for connection in found {
                let Connection { partner, id, .. } = connection.value;
                let delay = Duration::from_secs(sent % DAILY_SPREAD);
                send(app, &message(partner.clone(), id), delay, &partner).await?;
                sent += 1;
            }
            match next {
                Some(token) => after = Some(token),
                None => break,
            }
        }
    }
    tracing::info!(connections = sent, "asked for a look at every connection");
    Ok(())
}
