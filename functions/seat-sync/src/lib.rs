#![doc = include_str!("../README.md")]

use domain::connections::{Connection, probe_one, sweep_secrets};
use domain::ids::{ConnectionId, PartnerId};
use domain::ports::{Deadline, Order, PageRequest, QueueError, QueueName, Read};
use domain::records::{Collection, SHARDS, load_page};
use domain::runs::WorkMessage;
use domain::{Actor, Error, Scope, billing, change, runs};
use runtime::App;
use runtime::schedule::Tick;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Connections read at once.
const PAGE: u32 = 100;
/// Daily probes are spread over so many seconds, so that the API budget of no database and no queue is hit at once.
const PROBE_SPREAD: u64 = 900;

/// What the worker's queue carries: a run to take up, or a connection to probe.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Message {
    Probe(ProbeMessage),
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
        "sweep" => sweep(app, &scope).await,
        "probe" => send_probes(app, &scope).await,
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
    }
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

/// One message per connection: a dispatcher has no time to probe itself.
async fn send_probes(app: &App, scope: &Scope) -> domain::Result<()> {
    let mut sent: u64 = 0;
    for shard in 0..SHARDS {
        let mut after = None;
        loop {
            let page = PageRequest { limit: PAGE, after, order: Order::Ascending, read: Read::Eventual };
            let (found, next) =
                load_page::<Connection>(&*app.ports.storage, scope, &Collection::Board(shard), page).await?;
            for connection in found {
                let Connection { partner, id, .. } = connection.value;
                let message = ProbeMessage { partner: partner.clone(), connection: id, probe: true };
                let body = serde_json::to_string(&message).map_err(|error| QueueError(Box::new(error)))?;
                let delay = Duration::from_secs(sent % PROBE_SPREAD);
                app.ports.queue.send(QueueName::SeatSync, body, delay, &partner).await?;
                sent += 1;
            }
            match next {
                Some(token) => after = Some(token),
                None => break,
            }
        }
    }
    tracing::info!(connections = sent, "asked for probes");
    Ok(())
}
