//! The queue's worker: what it fetches, when it stops, and how it goes on.

use super::fetch::{Fetched, Fetcher};
use super::judge::{Refused, of_problem};
use super::record::PdfWork;
use crate::actor::{Actor, Scope};
use crate::autotask_session;
use crate::connections::settings::SettingsRecord;
use crate::connections::{Connection, ConnectionStatus};
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices::PdfDue;
use crate::ports::{DELAY_MAX, Deadline, Order, PageRequest, Ports, QueueError, QueueName, Read, StorageError};
use crate::problem::{Error, Result};
use crate::records::{Collection, Key, Versioned, Write, load, load_page};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Largest file that can come, in bytes: what must be free in the [`Window`](super::Window) before one is asked for, as nobody knows
/// its size before.
pub(super) const SIZE_MAX: u64 = autotask::INVOICE_PDF_MAX as u64;
/// The feature of a connection that PDFs belong to.
const FEATURE: &str = "invoices";
/// How long an invocation holds the fetching: the worker's time-out of 300 s and a minute for clocks.
const HELD: SignedDuration = SignedDuration::from_secs(360);
/// What the clocks of two machines may differ by.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// What must be left besides one call's time-out: keeping a file (30 s at most), recording it, handing on.
const TIME_AFTER: Duration = Duration::from_secs(45);
/// Rows read at once.
const PAGE: u32 = 100;
/// Calls in a row without an answer after which Autotask is taken for away, and the rest left for later.
const UNANSWERED_MAX: u32 = 3;
/// For how long.
const AWAY_PAUSE: Duration = DELAY_MAX;
/// The shortest pause: nobody waits for a PDF.
const PAUSE_MIN: Duration = Duration::from_secs(30);

/// A message of the queue [`QueueName::InvoicePdf`]: whose PDFs to look after. Which ones, the records say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PdfMessage {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
}

impl PdfMessage {
    async fn send(&self, ports: &Ports, delay: Duration) -> Result<()> {
        let body = serde_json::to_string(self).map_err(|error| QueueError(Box::new(error)))?;
        Ok(ports.queue.send(QueueName::InvoicePdf, body, delay, &self.partner).await?)
    }
}

/// Has the PDFs that are due fetched, unless somebody does so already. Called after rows were written, and at the end
/// of each hour's fetch for those that are tried again. Returns whether a message was sent.
///
/// # Errors
/// Storage, queue.
pub async fn ask(ports: &Ports, scope: &Scope, partner: &PartnerId, connection: &ConnectionId) -> Result<bool> {
    let message = PdfMessage { partner: partner.clone(), connection: connection.clone() };
    let now = ports.clock.now();
    if !any_due(ports, scope, &message, now).await? {
        return Ok(false);
    }
    // The rows were written before this is read, and a worker looks for rows after it has let go: one of the two sees.
    let work = load_work(ports, scope, &message).await?;
    if work.is_some_and(|work| is_held(&work, now) || is_awaited(&work, now)) {
        return Ok(false);
    }
    message.send(ports, Duration::ZERO).await?;
    Ok(true)
}

/// Takes up a message: fetches what is due, as far as time, Autotask and its limits allow.
///
/// # Errors
/// Only where the message is to be tried again: storage, queue.
pub async fn work(ports: &Ports, scope: &Scope, deadline: &dyn Deadline, message: &PdfMessage) -> Result<()> {
    let scope = &scope.narrow(&message.partner).ok_or_else(|| Error::not_found("connection"))?;
    let Some(connection) = wanted(ports, scope, message).await? else { return Ok(()) };
    if !any_due(ports, scope, message, ports.clock.now()).await? {
        return Ok(());
    }
    let Some(work) = claim(ports, scope, message).await? else { return Ok(()) };
    let actor = &Actor::system("queue:invoice-pdf", message.connection.to_string());
    let turn = Turn { ports, scope, deadline, message, actor, connection: &connection };
    turn.take(work).await
}

/// The connection, where its PDFs are to be fetched at all. Its rows wait until they are.
async fn wanted(ports: &Ports, scope: &Scope, message: &PdfMessage) -> Result<Option<Versioned<Connection>>> {
    let key = Key::Connection(message.partner.clone(), message.connection.clone());
    let found = load::<Connection>(&*ports.storage, scope, &key).await?;
    let fits =
        |found: &Versioned<Connection>| found.status == ConnectionStatus::Connected && found.has_feature(FEATURE);
    let Some(connection) = found.filter(fits) else { return Ok(None) };
    let key = Key::Settings(message.partner.clone(), message.connection.clone());
    let settings = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
    Ok(settings.filter(|found| found.settings.pdf).map(|_| connection))
}

/// Whether any row's time has come.
async fn any_due(ports: &Ports, scope: &Scope, message: &PdfMessage, now: Timestamp) -> Result<bool> {
    let mut after = None;
    loop {
        let (rows, next) = page(ports, scope, message, after).await?;
        if rows.iter().any(|row| row.at <= now) {
            return Ok(true);
        }
        match next {
            Some(token) => after = Some(token),
            None => return Ok(false),
        }
    }
}

type Page = (Vec<Versioned<PdfDue>>, Option<String>);

async fn page(ports: &Ports, scope: &Scope, message: &PdfMessage, after: Option<String>) -> Result<Page> {
    let of = Collection::PdfsDue(message.partner.clone(), message.connection.clone());
    let page = PageRequest { limit: PAGE, after, order: Order::Ascending, read: Read::Strong };
    Ok(load_page::<PdfDue>(&*ports.storage, scope, &of, page).await?)
}

async fn load_work(ports: &Ports, scope: &Scope, message: &PdfMessage) -> Result<Option<Versioned<PdfWork>>> {
    let key = Key::PdfWork(message.partner.clone(), message.connection.clone());
    Ok(load::<PdfWork>(&*ports.storage, scope, &key).await?)
}

fn is_held(work: &PdfWork, now: Timestamp) -> bool {
    work.worker.as_ref().is_some_and(|(_, until)| *until > now)
}

/// Whether another message goes on later than this one.
fn is_awaited(work: &PdfWork, now: Timestamp) -> bool {
    work.next_at.is_some_and(|next| next.duration_since(now) > SKEW)
}

/// Takes the fetching for this invocation. `None`: somebody else has it, or goes on later.
async fn claim(ports: &Ports, scope: &Scope, message: &PdfMessage) -> Result<Option<Versioned<PdfWork>>> {
    let found = load_work(ports, scope, message).await?;
    let now = ports.clock.now();
    if found.as_ref().is_some_and(|work| is_held(work, now) || is_awaited(work, now)) {
        return Ok(None);
    }
    let mut window = found.as_ref().map(|work| work.window.clone()).unwrap_or_default();
    if found.as_ref().is_some_and(|work| work.worker.is_some()) {
        // Whoever had it died, perhaps with a file on the way.
        window.add(now, SIZE_MAX);
    }
    let worker = Some((ports.ids.uuid().to_string(), now + HELD));
    let (partner, connection) = (message.partner.clone(), message.connection.clone());
    let work = PdfWork { partner, connection, worker, next_at: None, window, at: now };
    let (write, v) = match found {
        Some(found) => (Write::replace(&work, found.v)?, found.v + 1),
        None => (Write::create(&work)?, 1),
    };
    match ports.storage.write(scope, vec![write]).await {
        Ok(()) => Ok(Some(Versioned { v, value: work })),
        Err(StorageError::Conflict { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// How a turn ends.
enum Ended {
    /// Everything that was due has been looked at.
    Through,
    /// The rest is for another message, not before this.
    HandOn(Duration),
    /// The rest is for the next hour, or for after somebody has acted.
    Stopped,
    /// Somebody else has the fetching.
    Lost,
}

/// One invocation's turn at a connection's PDFs.
struct Turn<'a> {
    ports: &'a Ports,
    scope: &'a Scope,
    deadline: &'a dyn Deadline,
    message: &'a PdfMessage,
    actor: &'a Actor,
    connection: &'a Versioned<Connection>,
}

impl Turn<'_> {
    async fn take(&self, mut work: Versioned<PdfWork>) -> Result<()> {
        let Turn { ports, scope, connection, .. } = *self;
        let ended = match autotask_session::open(ports, scope, connection).await {
            Ok(session) => {
                let fetcher =
                    Fetcher { ports, scope, actor: self.actor, message: self.message, connection, session: &session };
                let ended = self.all(&fetcher, &mut work).await;
                session.close().await;
                ended?
            }
            Err(Error::Problem(problem)) => after(&of_problem(problem.code, problem.retry_after)),
            Err(error) => return Err(error),
        };
        match ended {
            Ended::Lost => Ok(()),
            Ended::Stopped => self.let_go(work, None).await.map(|_| ()),
            Ended::HandOn(delay) => self.hand_on(work, delay).await,
            Ended::Through => {
                let held = self.let_go(work, None).await?;
                // What was written while this one held it, and was left to it: see `ask`.
                if held && any_due(ports, scope, self.message, ports.clock.now()).await? {
                    self.message.send(ports, Duration::ZERO).await?;
                }
                Ok(())
            }
        }
    }

    /// Looks after one row after the other.
    async fn all(&self, fetcher: &Fetcher<'_>, work: &mut Versioned<PdfWork>) -> Result<Ended> {
        let Turn { ports, scope, message, .. } = *self;
        let needed = ports.config.request_timeout + TIME_AFTER;
        let (mut token, mut unanswered) = (None, 0);
        let mut done = Done::default();
        let ended = 'through: loop {
            let (rows, next) = page(ports, scope, message, token).await?;
            for row in rows {
                let now = ports.clock.now();
                if row.at > now {
                    continue;
                }
                if self.deadline.remaining() < needed {
                    break 'through Ended::HandOn(Duration::ZERO);
                }
                let wait = work.window.wait_for(now, SIZE_MAX);
                if !wait.is_zero() {
                    break 'through Ended::HandOn(wait);
                }
                match fetcher.fetch(row, work).await? {
                    Fetched::Kept => done.kept += 1,
                    Fetched::Unchanged | Fetched::Dropped | Fetched::Overtaken => {}
                    Fetched::Failed => done.failed += 1,
                    Fetched::Unanswered => {
                        unanswered += 1;
                        done.failed += 1;
                        if unanswered >= UNANSWERED_MAX {
                            break 'through Ended::HandOn(AWAY_PAUSE);
                        }
                        continue;
                    }
                    Fetched::Refused(refused) => break 'through after(&refused),
                    Fetched::Lost => break 'through Ended::Lost,
                }
                unanswered = 0;
            }
            match next {
                Some(next) => token = Some(next),
                None => break Ended::Through,
            }
        };
        let calls = fetcher.session.calls();
        let Done { kept, failed } = done;
        tracing::info!(connection.id = %message.connection, kept, failed, autotask.calls = calls, "fetched PDFs of invoices");
        Ok(ended)
    }

    /// Lets go of the fetching. False: somebody else has it by now.
    async fn let_go(&self, work: Versioned<PdfWork>, next_at: Option<Timestamp>) -> Result<bool> {
        let after = PdfWork { worker: None, next_at, at: self.ports.clock.now(), ..work.value };
        match self.ports.storage.write(self.scope, vec![Write::replace(&after, work.v)?]).await {
            Ok(()) => Ok(true),
            Err(StorageError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Leaves the rest to a message of its own: "not now" is no failure.
    async fn hand_on(&self, work: Versioned<PdfWork>, delay: Duration) -> Result<()> {
        let delay = delay.min(DELAY_MAX);
        let next =
            SignedDuration::try_from(delay).ok().and_then(|delay| self.ports.clock.now().checked_add(delay).ok());
        if self.let_go(work, next).await? {
            self.message.send(self.ports, delay).await?;
        }
        Ok(())
    }
}

/// What a turn did.
#[derive(Debug, Default)]
struct Done {
    kept: u32,
    failed: u32,
}

fn after(refused: &Refused) -> Ended {
    match refused {
        Refused::NotNow(wait) => Ended::HandOn((*wait).max(PAUSE_MIN)),
        Refused::Stop(code) => {
            tracing::warn!(code = code.as_str(), "PDFs of invoices are not fetched until somebody has acted");
            Ended::Stopped
        }
        Refused::Unauthorised | Refused::Unavailable { .. } => Ended::Stopped,
    }
}
