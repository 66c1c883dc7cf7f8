//! What a connection's people are still to be told, and when: one record, written on condition. What becomes of it is
//! decided here, purely.

use super::preferences::EventKind;
use crate::actor::Scope;
use crate::calendar::next_slot;
use crate::connections::settings::{RunSchedule, ScheduleKind, SettingsRecord};
use crate::ids::{AccountId, ConnectionId, PartnerId, RunId};
use crate::mail::one_line;
use crate::ports::Ports;
use crate::problem::Result;
use crate::records::{Index, Key, Record, Versioned, load};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// The job in the index.
pub const NOTIFY_JOB: &str = "notify";
/// A connection gets at most one mail of what happened in so long; what comes meanwhile goes into the next.
pub const MAIL_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// For how long what comes in swarms is gathered before its mail.
pub const GATHER: SignedDuration = SignedDuration::from_mins(10);
/// How long an invocation may take to send a mail before another one sends it: its own time-out, twice.
pub const SENDING: SignedDuration = SignedDuration::from_mins(10);
/// How soon a mail is tried again while the mail service is away.
pub const RETRY_AWAY: SignedDuration = SignedDuration::from_mins(15);
/// How soon after it was refused: somebody has to verify or unblock an address first.
pub const RETRY_REFUSED: SignedDuration = SignedDuration::from_hours(6);
/// What could not be mailed for so long is given up: the issues still say it.
pub const GIVE_UP: SignedDuration = SignedDuration::from_hours(72);
/// Events of which it is known that they were heard: some more than a first of the month has, where the bus delivers
/// one twice within moments.
const HEARD_MAX: usize = 100;
/// What one mail tells in words; of the rest it tells how many there were.
pub const NOTICES_MAX: usize = 40;
/// Longest text of one notice, in characters.
const WORDS_MAX: usize = 400;
/// The hour at which people are told of the day before, in the connection's time zone: when an office opens.
const MORNING: i8 = 8;

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is: told twice, it is one.
    pub key: String,
    /// Of which kind.
    pub kind: EventKind,
    /// When it happened.
    pub at: Timestamp,
    /// In words; of a run the mail itself says more.
    pub words: String,
    /// Further lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<String>,
    /// The run that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

impl Notice {
    /// A notice; its words on one line.
    #[must_use]
    pub fn new(key: impl Into<String>, kind: EventKind, at: Timestamp, words: &str) -> Self {
        Self { key: key.into(), kind, at, words: one_line(words, WORDS_MAX), more: Vec::new(), run: None }
    }
}

/// A mail that somebody is sending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// The mail's name, the same when it is sent again.
    pub mail: String,
    /// After this somebody else sends it.
    pub until: Timestamp,
    /// How many of the notices it tells.
    pub notices: usize,
    /// Of those beyond, how many.
    pub beyond: u32,
}

/// How a connection's mails stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotifyState {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// What was heard last, told or waiting.
    #[serde(default)]
    pub heard: VecDeque<String>,
    /// What is to be told, oldest first.
    #[serde(default)]
    pub pending: Vec<Notice>,
    /// How much more there is than that.
    #[serde(default)]
    pub beyond: u32,
    /// When the next mail may go out.
    #[serde(default)]
    pub due_at: Option<Timestamp>,
    /// The mail that is being sent, or was when its sender died.
    #[serde(default)]
    pub sending: Option<Sending>,
    /// When the last mail of what happened went out.
    #[serde(default)]
    pub mailed_at: Option<Timestamp>,
    /// Why the last mail did not go out.
    #[serde(default)]
    pub trouble: Option<String>,
    /// When the day before is looked at.
    #[serde(default)]
    pub daily_at: Option<Timestamp>,
    /// When people were last told that the connection does not work.
    #[serde(default)]
    pub down_told_at: Option<Timestamp>,
    /// How often they were reminded since.
    #[serde(default)]
    pub reminders: u32,
    /// The accounts without a company that were there at the last look; none before the first.
    #[serde(default)]
    pub unmapped: Option<BTreeSet<AccountId>>,
    /// Issues opened up to this are in a digest.
    #[serde(default)]
    pub digested_at: Option<Timestamp>,
    /// When a test mail was last asked for.
    #[serde(default)]
    pub tested_at: Option<Timestamp>,
}

impl Record for NotifyState {
    const ENTITY: &'static str = "notify_state";
    fn key(&self) -> Key {
        Key::NotifyState(self.partner.clone(), self.connection.clone())
    }
    fn index(&self) -> Option<Index> {
        let mail = match &self.sending {
            Some(sending) => Some(sending.until),
            None if self.pending.is_empty() => None,
            None => self.due_at,
        };
        let at = mail.into_iter().chain(self.daily_at).min()?;
        Some(Index::Due { job: NOTIFY_JOB.to_owned(), at })
    }
}

/// Reads how a connection's mails stand.
///
/// # Errors
/// Storage.
pub(super) async fn load_state(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<Option<Versioned<NotifyState>>> {
    let key = Key::NotifyState(partner.clone(), id.clone());
    Ok(load::<NotifyState>(&*ports.storage, scope, &key).await?)
}

/// A state in which nothing is to be told yet and the next morning is looked forward to.
pub(super) async fn armed(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<NotifyState> {
    let mut state = NotifyState::new(partner, id);
    state.daily_at = next_morning(ports, scope, partner, id).await?;
    Ok(state)
}

/// The next morning at a connection.
pub(super) async fn next_morning(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<Option<Timestamp>> {
    let key = Key::Settings(partner.clone(), id.clone());
    let settings = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
    let zone = settings.map_or(jiff::tz::TimeZone::UTC, |found| found.settings.zone());
    let daily = RunSchedule { kind: ScheduleKind::Daily, hour: MORNING, minute: 0, ..RunSchedule::default() };
    Ok(next_slot(&daily, &zone, ports.clock.now()))
}

impl NotifyState {
    /// Nothing told, nothing to tell.
    #[must_use]
    pub fn new(partner: &PartnerId, connection: &ConnectionId) -> Self {
        Self {
            partner: partner.clone(),
            connection: connection.clone(),
            heard: VecDeque::new(),
            pending: Vec::new(),
            beyond: 0,
            due_at: None,
            sending: None,
            mailed_at: None,
            trouble: None,
            daily_at: None,
            down_told_at: None,
            reminders: 0,
            unmapped: None,
            digested_at: None,
            tested_at: None,
        }
    }

    /// Takes something to tell. False: it was taken before.
    pub fn take(&mut self, notice: Notice, now: Timestamp) -> bool {
        if self.heard.contains(&notice.key) {
            return false;
        }
        self.heard.push_back(notice.key.clone());
        if self.heard.len() > HEARD_MAX {
            self.heard.pop_front();
        }
        let soon = if notice.kind.is_urgent() { now } else { after(now, GATHER) };
        let allowed = self.mailed_at.map_or(now, |mailed| after(mailed, MAIL_EVERY));
        let due = soon.max(allowed);
        // While the mail service is in trouble, what comes now waits with the rest.
        self.due_at = Some(match self.due_at {
            Some(before) if self.trouble.is_some() || before < due => before,
            _ => due,
        });
        if self.pending.len() < NOTICES_MAX {
            self.pending.push(notice);
        } else {
            self.beyond += 1;
        }
        true
    }

    /// Whether a mail is to go out now that nobody is sending.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        match &self.sending {
            Some(sending) => sending.until <= now,
            None => !self.pending.is_empty() && self.due_at.is_none_or(|due| due <= now),
        }
    }

    /// Marks what is pending as being sent. What a sender that died had marked goes out as the same mail: whoever got
    /// it already can tell.
    pub fn claim(&mut self, mail: String, now: Timestamp) -> Sending {
        let until = after(now, SENDING);
        let sending = match self.sending.take() {
            Some(died) => Sending { until, ..died },
            None => Sending { mail, until, notices: self.pending.len(), beyond: self.beyond },
        };
        self.sending = Some(sending.clone());
        sending
    }

    /// The mail went out.
    pub fn sent(&mut self, sending: &Sending, now: Timestamp) {
        self.pending.drain(..sending.notices.min(self.pending.len()));
        self.beyond = self.beyond.saturating_sub(sending.beyond);
        self.sending = None;
        self.trouble = None;
        self.mailed_at = Some(now);
        self.due_at = (!self.pending.is_empty()).then(|| after(now, MAIL_EVERY));
    }

    /// The mail did not go out. What is too old is given up; returns how much.
    pub fn failed(&mut self, why: &str, retry: SignedDuration, now: Timestamp) -> usize {
        let before = self.pending.len();
        self.pending.retain(|notice| now.duration_since(notice.at) < GIVE_UP);
        self.sending = None;
        self.trouble = Some(one_line(why, WORDS_MAX));
        self.due_at = (!self.pending.is_empty()).then(|| after(now, retry));
        before - self.pending.len()
    }

    /// There is nobody to tell.
    pub fn forget(&mut self) {
        self.pending.clear();
        self.beyond = 0;
        self.sending = None;
        self.due_at = None;
    }

    /// The connection works again: nobody is reminded of what is no more.
    pub fn works_again(&mut self) {
        self.down_told_at = None;
        self.reminders = 0;
        if self.sending.is_none() {
            self.pending.retain(|notice| !notice.key.starts_with(super::daily::REMINDER));
        }
    }
}

/// `at` and so much later; the end of time where there is none.
pub(super) fn after(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> NotifyState {
        NotifyState::new(&PartnerId::new("acme").unwrap(), &ConnectionId::new("con_1").unwrap())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn notice(key: &str, kind: EventKind, time: Timestamp) -> Notice {
        Notice::new(key, kind, time, "something")
    }

    #[test]
    fn the_first_goes_at_once_and_what_comes_within_the_hour_goes_together_when_it_is_over() {
        let (mut state, start) = (fresh(), at("2026-12-01T00:20:00Z"));
        assert!(state.take(notice("a", EventKind::RunFailed, start), start));
        assert!(state.is_due(start));
        let sending = state.claim("m1".to_owned(), start);
        assert!(!state.is_due(start), "somebody is sending it");
        state.sent(&sending, start);
        for (key, minutes) in [("b", 1), ("c", 59)] {
            let now = after(start, SignedDuration::from_mins(minutes));
            state.take(notice(key, EventKind::Held, now), now);
            assert!(!state.is_due(now), "{minutes} minutes later");
        }
        let hour = after(start, MAIL_EVERY);
        assert!(state.is_due(hour));
        assert_eq!(state.claim("m2".to_owned(), hour).notices, 2);
    }

    #[test]
    fn what_is_told_twice_is_one_even_after_it_was_mailed() {
        let (mut state, now) = (fresh(), at("2026-12-01T00:20:00Z"));
        assert!(state.take(notice("a", EventKind::Held, now), now));
        assert!(!state.take(notice("a", EventKind::Held, now), now));
        let sending = state.claim("m1".to_owned(), now);
        state.sent(&sending, now);
        assert!(!state.take(notice("a", EventKind::Held, now), now));
        assert!(state.pending.is_empty());
    }

    #[test]
    fn what_comes_in_swarms_is_gathered_and_something_urgent_takes_it_along() {
        let (mut state, now) = (fresh(), at("2026-12-01T00:20:00Z"));
        for key in ["a", "b", "c"] {
            state.take(notice(key, EventKind::Renewal, now), now);
        }
        assert!(!state.is_due(now) && state.is_due(after(now, GATHER)));
        state.take(notice("d", EventKind::Held, now), now);
        assert!(state.is_due(now));
        assert_eq!(state.claim("m1".to_owned(), now).notices, 4);
    }

    #[test]
    fn what_a_dead_sender_had_is_sent_again_as_the_same_mail_and_what_came_later_is_not_lost() {
        let (mut state, now) = (fresh(), at("2026-12-01T00:20:00Z"));
        state.take(notice("a", EventKind::Held, now), now);
        state.claim("m1".to_owned(), now);
        state.take(notice("b", EventKind::Held, now), now);
        let later = after(now, SENDING);
        assert!(!state.is_due(after(now, SENDING - SignedDuration::from_secs(1))) && state.is_due(later));
        let again = state.claim("m2".to_owned(), later);
        assert_eq!((again.mail.as_str(), again.notices), ("m1", 1));
        state.sent(&again, later);
        assert_eq!(state.pending.iter().map(|notice| notice.key.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn there_is_a_bound_of_notices_and_the_rest_is_counted() {
        let (mut state, now) = (fresh(), at("2026-12-01T00:20:00Z"));
        for number in 0..250 {
            state.take(notice(&format!("n{number}"), EventKind::Renewal, now), now);
        }
        assert_eq!((state.pending.len(), state.beyond as usize), (NOTICES_MAX, 250 - NOTICES_MAX));
        assert!(state.heard.len() <= HEARD_MAX);
        let sending = state.claim("m1".to_owned(), now);
        state.sent(&sending, now);
        assert_eq!((state.pending.len(), state.beyond), (0, 0));
    }

    #[test]
    fn what_cannot_be_mailed_is_kept_for_three_days_and_then_given_up() {
        let (mut state, now) = (fresh(), at("2026-12-01T00:20:00Z"));
        state.take(notice("a", EventKind::Held, now), now);
        state.claim("m1".to_owned(), now);
        assert_eq!(state.failed("away", RETRY_AWAY, now), 0);
        state.take(notice("b", EventKind::Held, now), now);
        assert!(!state.is_due(now) && state.is_due(after(now, RETRY_AWAY)));
        let late = after(now, GIVE_UP);
        state.take(notice("c", EventKind::Held, late), late);
        state.claim("m2".to_owned(), late);
        assert_eq!(state.failed("refused", RETRY_REFUSED, late), 2);
        assert_eq!(state.pending.len(), 1);
    }
}
