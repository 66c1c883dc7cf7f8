//! What is looked at every morning: connections that still do not work, accounts without a company, new issues.

use super::hear::{TRIES, store};
use super::preferences::{EventKind, Notifications, notifications_of};
use super::state::{NOTIFY_JOB, Notice, NotifyState, after, load_state, next_morning};
use crate::actor::Scope;
use crate::connections::{Connection, ConnectionStatus};
use crate::ids::{AccountId, ConnectionId, PartnerId};
use crate::issues::{Issue, IssueState};
use crate::mappings::{Mapping, MappingStatus};
use crate::ports::{Deadline, Order, PageRequest, Ports, Read, StorageError};
use crate::problem::{Error, Result};
use crate::records::{Collection, Expect, Key, Record, SHARDS, Versioned, Write, load, load_all, load_page};
use crate::vendor::Account;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often people are reminded of a connection that does not work.
pub const REMIND_EVERY: SignedDuration = SignedDuration::from_hours(72);
/// A reminder may be so much early: it goes out in the morning, whatever hour the connection broke at.
const EARLY: SignedDuration = SignedDuration::from_hours(12);
/// Of a connection that somebody ended, people are reminded for a month; of one that needs credentials, until it works.
const REMINDERS_OF_ENDED: u32 = 10;
/// What the key of a reminder begins with.
pub(super) const REMINDER: &str = "reminder/";
/// Accounts without a company that are remembered. Somebody with more is at the very beginning, and knows.
const UNMAPPED_MAX: usize = 200;
/// What a mail names of many.
const NAMED_MAX: usize = 20;
/// States read at once.
const PAGE: u32 = 100;
/// A connection is not begun with less time than this: its reads and one mail fit in.
const TIME_MIN: Duration = Duration::from_secs(20);

/// What a tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Connections that were looked at.
    pub connections: usize,
    /// Of those, how many failed; the next tick takes them again.
    pub failed: usize,
}

/// Sends what is due and looks at the connections whose morning has come. Stops when time runs out: what is left is
/// still due at the next tick.
///
/// # Errors
/// The last of what went wrong, after everything else was done.
pub async fn tick(ports: &Ports, scope: &Scope, until: Timestamp, deadline: &dyn Deadline) -> Result<Ticked> {
    let (mut ticked, mut last) = (Ticked::default(), Ok(()));
    for shard in 0..SHARDS {
        let of = Collection::Due { job: NOTIFY_JOB.to_owned(), shard, until };
        let mut after = None;
        loop {
            let page = PageRequest { limit: PAGE, after, order: Order::Ascending, read: Read::Eventual };
            let (found, next) = load_page::<NotifyState>(&*ports.storage, scope, &of, page).await?;
            for state in found {
                if deadline.remaining() < TIME_MIN {
                    tracing::warn!(connections = ticked.connections, "no time is left; the next tick goes on");
                    return last.map(|()| ticked);
                }
                let Some(scope) = scope.narrow(&state.partner) else { continue };
                ticked.connections += 1;
                if let Err(error) = one(ports, &scope, &state.partner, &state.connection).await {
                    tracing::error!(connection.id = %state.connection, error = %error, "a connection's mails failed");
                    ticked.failed += 1;
                    last = Err(error);
                }
            }
            match next {
                Some(token) => after = Some(token),
                None => break,
            }
        }
    }
    last.map(|()| ticked)
}

async fn one(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<()> {
    for _ in 0..TRIES {
        let Some(found) = load_state(ports, scope, partner, id).await? else { return Ok(()) };
        if found.daily_at.is_none_or(|at| at > ports.clock.now()) {
            break;
        }
        match look(ports, scope, &found).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    super::send::flush(ports, scope, partner, id).await
}

/// Puts what the morning shows into the state, with the next morning, in one write: what is told is told once.
async fn look(ports: &Ports, scope: &Scope, found: &Versioned<NotifyState>) -> Result<()> {
    let (partner, id) = (&found.partner, &found.connection);
    let key = Key::Connection(partner.clone(), id.clone());
    let Some(connection) = load::<Connection>(&*ports.storage, scope, &key).await? else {
        return Ok(ports.storage.write(scope, vec![Write::delete(found.key(), Expect::Any)]).await?);
    };
    let mut state = found.value.clone();
    let now = ports.clock.now();
    let notifications = notifications_of(ports, scope, partner, id).await?.value;
    let somebody = ports.mail.sender().is_some() && !notifications.recipients(&connection).is_empty();
    let mut notices = Vec::new();
    if somebody && notifications.wants(EventKind::Disconnected) {
        notices.extend(remind(&mut state, &connection, now));
    }
    if somebody && connection.status == ConnectionStatus::Connected {
        notices.extend(unmapped(ports, scope, &mut state, &notifications, now).await?);
        notices.extend(digest(ports, scope, &mut state, &notifications, now).await?);
    }
    for notice in notices {
        state.take(notice, now);
    }
    let ended = connection.status == ConnectionStatus::Disconnected && state.reminders >= REMINDERS_OF_ENDED;
    state.daily_at = if ended { None } else { next_morning(ports, scope, partner, id).await? };
    store(ports, scope, &state, Some(found.v)).await
}

/// The reminder that the connection still does not work, every three days.
fn remind(state: &mut NotifyState, connection: &Connection, now: Timestamp) -> Option<Notice> {
    let since = match connection.status {
        ConnectionStatus::NeedsRelink => connection.needs_relink_since.unwrap_or(connection.updated_at),
        ConnectionStatus::Disconnected if state.reminders < REMINDERS_OF_ENDED => connection.updated_at,
        ConnectionStatus::Connected => {
            state.works_again();
            return None;
        }
        ConnectionStatus::Disconnected | ConnectionStatus::Paused => return None,
    };
    let told = state.down_told_at.filter(|told| *told >= since).unwrap_or(since);
    if now < after(told, REMIND_EVERY - EARLY) {
        return None;
    }
    state.reminders += 1;
    state.down_told_at = Some(now);
    let days = now.duration_since(since).as_hours() / 24;
    let words = match connection.status {
        ConnectionStatus::NeedsRelink => format!(
            "Autotask has refused the credentials of this connection for {days} days. Everything is paused, mappings \
             are kept: enter new credentials."
        ),
        _ => format!("The connection to Autotask was ended {days} days ago. Nothing is billed through it."),
    };
    Some(Notice::new(format!("{REMINDER}{since}/{}", state.reminders), EventKind::Disconnected, now, &words))
}

/// Accounts that have no company and were not among those at the last look. The first look only takes note.
async fn unmapped(
    ports: &Ports,
    scope: &Scope,
    state: &mut NotifyState,
    notifications: &Notifications,
    now: Timestamp,
) -> Result<Option<Notice>> {
    if !notifications.wants(EventKind::AccountUnmapped) {
        state.unmapped = None;
        return Ok(None);
    }
    let (partner, id) = (state.partner.clone(), state.connection.clone());
    let of = Collection::Accounts(partner.clone());
    let accounts = load_all::<Account>(&*ports.storage, scope, &of, Read::Eventual).await?;
    let of = Collection::Mappings(partner, id);
    let mapped: BTreeSet<AccountId> = load_all::<Mapping>(&*ports.storage, scope, &of, Read::Eventual)
        .await?
        .into_iter()
        .filter(|mapping| mapping.status != MappingStatus::Suggested)
        .map(|mapping| mapping.value.account)
        .collect();
    let open: Vec<&Account> =
        accounts.iter().map(|found| &found.value).filter(|a| a.active && !mapped.contains(&a.id)).collect();
    if open.len() > UNMAPPED_MAX {
        state.unmapped = None;
        return Ok(None);
    }
    let known = state.unmapped.replace(open.iter().map(|account| account.id.clone()).collect());
    let Some(known) = known else { return Ok(None) };
    let new: Vec<&&Account> = open.iter().filter(|account| !known.contains(&account.id)).collect();
    if new.is_empty() {
        return Ok(None);
    }
    let words = format!(
        "{} new accounts have no Autotask company ({} in all). They are not billed until they are mapped.",
        new.len(),
        open.len()
    );
    let mut notice = Notice::new(format!("unmapped/{now}"), EventKind::AccountUnmapped, now, &words);
    notice.more = new.iter().take(NAMED_MAX).map(|account| format!("{} ({})", account.name, account.id)).collect();
    Ok(Some(notice))
}

/// Issues that opened since the last digest and are open; in the first one, all that are open.
async fn digest(
    ports: &Ports,
    scope: &Scope,
    state: &mut NotifyState,
    notifications: &Notifications,
    now: Timestamp,
) -> Result<Option<Notice>> {
    if !notifications.wants(EventKind::Digest) {
        return Ok(None);
    }
    let of = Collection::Issues(state.partner.clone(), state.connection.clone());
    let issues = load_all::<Issue>(&*ports.storage, scope, &of, Read::Eventual).await?;
    let since = state.digested_at.replace(now);
    let mut open: Vec<Issue> =
        issues.into_iter().map(|issue| issue.value).filter(|issue| issue.state == IssueState::Open).collect();
    let all = open.len();
    open.retain(|issue| since.is_none_or(|since| issue.opened_at > since) && issue.opened_at <= now);
    if open.is_empty() {
        return Ok(None);
    }
    open.sort_by_key(|issue| issue.opened_at);
    let words = match since {
        Some(since) => format!("{} issues opened since {since}; {all} are open.", open.len()),
        None => format!("{all} issues are open."),
    };
    let mut notice = Notice::new(format!("digest/{now}"), EventKind::Digest, now, &words);
    notice.more =
        open.iter().take(NAMED_MAX).map(|issue| format!("{}: {}", issue.subject, issue.code.title())).collect();
    Ok(Some(notice))
}
