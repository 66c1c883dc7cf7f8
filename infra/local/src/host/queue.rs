//! The queues: messages with a time from which they are visible, receipts and a dead-letter queue, like SQS.

use super::clock::LocalClock;
use super::journal::{Access, Journal};
use super::real;
use async_trait::async_trait;
use domain::ids::PartnerId;
use domain::ports::{DELAY_MAX, Ids, Queue, QueueError, QueueName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a received message is hidden: longer than any invocation that works on it (design, section 4).
pub const VISIBILITY: Duration = Duration::from_secs(1_800);
/// How often a message is received before it goes to the dead-letter queue.
pub const RECEIVES_MAX: u32 = 3;

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Where it lies.
    pub queue: QueueName,
    /// What it says.
    pub body: String,
    /// `MessageGroupId`: the partner.
    pub group: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// From when it can be received.
    pub visible_at: Timestamp,
    /// How often it was received.
    pub receives: u32,
}

/// How many messages there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Can be received now.
    pub ready: usize,
    /// Cannot be received yet: delayed, or received and not finished.
    pub hidden: usize,
    /// Worked on at this moment.
    pub working: usize,
    /// In the dead-letter queues.
    pub dead: usize,
}

/// One machine's SQS: both queues and their dead-letter queues.
#[derive(Debug)]
pub struct LocalQueue {
    clock: Arc<LocalClock>,
    ids: Arc<dyn Ids>,
    state: Mutex<State>,
    changed: Notify,
    away: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Message>,
    dead: Vec<Message>,
    working: HashSet<String>,
    journal: Journal,
}

/// One change, as it lies in the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Sent(Message),
    Received { id: String, visible_at: Timestamp },
    Done(String),
    Dead(String),
}

impl LocalQueue {
    /// Forgotten with the process.
    #[must_use]
    pub fn memory(clock: Arc<LocalClock>, ids: Arc<dyn Ids>) -> Self {
        Self::new(clock, ids, State::default())
    }

    /// Kept in `path`.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(clock: Arc<LocalClock>, ids: Arc<dyn Ids>, path: &Path) -> io::Result<Self> {
        let (mut state, journal) = Journal::open(path, Access::Private, |lines: Vec<Line>| {
            let mut state = State::default();
            lines.into_iter().for_each(|line| state.replay(line));
            let lines = state.lines();
            (state, lines)
        })?;
        state.journal = journal;
        Ok(Self::new(clock, ids, state))
    }

    fn new(clock: Arc<LocalClock>, ids: Arc<dyn Ids>, state: State) -> Self {
        Self { clock, ids, state: Mutex::new(state), changed: Notify::new(), away: AtomicBool::new(false) }
    }

    /// From now on (or no longer) nothing can be sent, as when SQS is away.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Takes the message of one queue (or any) that has been visible for longest and hides it for [`VISIBILITY`].
    /// Messages that were received too often go to the dead-letter queue on the way.
    ///
    /// # Errors
    /// The change cannot be written down.
    pub fn receive(&self, from: Option<QueueName>) -> io::Result<Option<Message>> {
        let now = self.clock.now();
        let mut state = self.lock();
        loop {
            let Some(at) = state.next_ready(from, now) else { return Ok(None) };
            if state.waiting[at].receives >= RECEIVES_MAX {
                state.bury(at)?;
                continue;
            }
            let visible_at = now.checked_add(real::signed(VISIBILITY)).unwrap_or(Timestamp::MAX);
            let id = state.waiting[at].id.clone();
            state.journal.append(&Line::Received { id: id.clone(), visible_at })?;
            let message = &mut state.waiting[at];
            message.visible_at = visible_at;
            message.receives += 1;
            let message = message.clone();
            state.working.insert(id);
            return Ok(Some(message));
        }
    }

    /// Deletes a message that was worked off.
    ///
    /// # Errors
    /// The change cannot be written down.
    pub fn done(&self, id: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.journal.append(&Line::Done(id.to_owned()))?;
        state.waiting.retain(|message| message.id != id);
        state.working.remove(id);
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Lets go of a message that was not worked off: it comes back after the visibility time.
    pub fn let_go(&self, id: &str) {
        self.lock().working.remove(id);
        self.changed.notify_waiters();
    }

    /// Delivers a waiting message once more, as SQS may: a copy that is visible at once.
    ///
    /// # Errors
    /// The change cannot be written down.
    pub fn duplicate(&self, id: &str) -> io::Result<bool> {
        let now = self.clock.now();
        let mut state = self.lock();
        let Some(original) = state.waiting.iter().find(|message| message.id == id) else { return Ok(false) };
        let copy = Message { id: self.ids.uuid().to_string(), visible_at: now, receives: 0, ..original.clone() };
        state.send(copy)?;
        Ok(true)
    }

    /// When the next message that nobody works on becomes visible.
    #[must_use]
    pub fn next_visible(&self) -> Option<Timestamp> {
        let state = self.lock();
        state.waiting.iter().filter(|m| !state.working.contains(&m.id)).map(|m| m.visible_at).min()
    }

    /// How many messages there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let now = self.clock.now();
        let state = self.lock();
        let working = state.working.len();
        let ready = state.waiting.iter().filter(|m| m.visible_at <= now && !state.working.contains(&m.id)).count();
        Counts { ready, hidden: state.waiting.len() - ready - working, working, dead: state.dead.len() }
    }

    /// All messages that are not dead.
    #[must_use]
    pub fn waiting(&self) -> Vec<Message> {
        self.lock().waiting.clone()
    }

    /// The dead-letter queues.
    #[must_use]
    pub fn dead(&self) -> Vec<Message> {
        self.lock().dead.clone()
    }

    /// Drops all messages, dead ones too.
    ///
    /// # Errors
    /// The change cannot be written down.
    pub fn purge(&self) -> io::Result<()> {
        let mut state = self.lock();
        let gone: Vec<String> = state.waiting.iter().chain(&state.dead).map(|message| message.id.clone()).collect();
        for id in gone {
            state.journal.append(&Line::Done(id))?;
        }
        state.waiting.clear();
        state.dead.clear();
        Ok(())
    }

    /// Returns once something was sent or finished.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Queue for LocalQueue {
    async fn send(&self, queue: QueueName, body: String, delay: Duration, group: &PartnerId) -> Result<(), QueueError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(QueueError("the queue is away".into()));
        }
        if delay > DELAY_MAX {
            return Err(QueueError(format!("a delay of {} s is longer than SQS takes", delay.as_secs()).into()));
        }
        let sent_at = self.clock.now();
        let visible_at = sent_at.checked_add(real::signed(delay)).unwrap_or(Timestamp::MAX);
        let (id, group) = (self.ids.uuid().to_string(), group.as_str().to_owned());
        let message = Message { id, queue, body, group, sent_at, visible_at, receives: 0 };
        self.lock().send(message).map_err(|error| QueueError(Box::new(error)))?;
        self.changed.notify_waiters();
        Ok(())
    }
}

impl State {
    fn send(&mut self, message: Message) -> io::Result<()> {
        let line = Line::Sent(message);
        self.journal.append(&line)?;
        self.replay(line);
        Ok(())
    }

    fn bury(&mut self, at: usize) -> io::Result<()> {
        let line = Line::Dead(self.waiting[at].id.clone());
        self.journal.append(&line)?;
        self.replay(line);
        Ok(())
    }

    fn next_ready(&self, from: Option<QueueName>, now: Timestamp) -> Option<usize> {
        let ready = |message: &Message| {
            message.visible_at <= now
                && from.is_none_or(|queue| message.queue == queue)
                && !self.working.contains(&message.id)
        };
        let found = self.waiting.iter().enumerate().filter(|(_, message)| ready(message));
        found.min_by_key(|(at, message)| (message.visible_at, *at)).map(|(at, _)| at)
    }

    fn replay(&mut self, line: Line) {
        match line {
            Line::Sent(message) => self.waiting.push(message),
            Line::Received { id, visible_at } => {
                if let Some(message) = self.waiting.iter_mut().find(|message| message.id == id) {
                    message.visible_at = visible_at;
                    message.receives += 1;
                }
            }
            Line::Done(id) => {
                self.waiting.retain(|message| message.id != id);
                self.dead.retain(|message| message.id != id);
            }
            Line::Dead(id) => {
                if let Some(at) = self.waiting.iter().position(|message| message.id == id) {
                    self.dead.push(self.waiting.remove(at));
                }
            }
        }
    }

    fn lines(&self) -> Vec<Line> {
        let waiting = self.waiting.iter().cloned().map(Line::Sent);
        let dead = self.dead.iter().flat_map(|message| [Line::Sent(message.clone()), Line::Dead(message.id.clone())]);
        waiting.chain(dead).collect()
    }
}
