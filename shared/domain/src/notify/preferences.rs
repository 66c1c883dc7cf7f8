//! Whom to tell of what: a record of its own, as people edit it on a page of its own.

use super::state::NotifyState;
use crate::actor::{Actor, Scope};
use crate::change::{Change, conflict_as};
use crate::connections::{Connection, check_version, conflict, load_connection};
use crate::ids::{ConnectionId, PartnerId};
use crate::mail::Address;
use crate::ports::Ports;
use crate::problem::{FieldError, Problem, Result};
use crate::records::{Key, Record, Versioned, load};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Most addresses of one connection: a team's, not a mailing list. SES takes 50 of one mail.
pub const RECIPIENTS_MAX: usize = 20;

/// What somebody can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A run ended well: its summary and its lines.
    RunFinished,
    /// A run failed, or some of its lines did, or one that was due did not happen.
    RunFailed,
    /// Invoices could not be fetched.
    FetchFailed,
    /// Lines or a whole run wait for a person.
    Held,
    /// Autotask refuses the credentials, or the connection was ended; then every 3 days.
    Disconnected,
    /// The API user lacks a right that it needs.
    PermissionsLost,
    /// Autotask switched a webhook off.
    WebhookDisabled,
    /// A mapped contract ends, has ended, or was renewed.
    Renewal,
    /// Accounts that no company is mapped to have come. Daily.
    AccountUnmapped,
    /// A paid date cannot be written into Autotask, or does not go together with the payments here.
    PaymentFailed,
    /// Issues that opened since the day before. Daily.
    Digest,
}

impl EventKind {
    /// Every kind.
    pub const ALL: &'static [EventKind] = &[
        Self::RunFinished,
        Self::RunFailed,
        Self::FetchFailed,
        Self::Held,
        Self::Disconnected,
        Self::PermissionsLost,
        Self::WebhookDisabled,
        Self::Renewal,
        Self::AccountUnmapped,
        Self::PaymentFailed,
        Self::Digest,
    ];

    /// What people are told of who set nothing else.
    pub const DEFAULT: &'static [EventKind] =
        &[Self::RunFailed, Self::FetchFailed, Self::Held, Self::Disconnected, Self::WebhookDisabled, Self::Renewal];

    /// The kind's text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunFinished => "run_finished",
            Self::RunFailed => "run_failed",
            Self::FetchFailed => "fetch_failed",
            Self::Held => "held",
            Self::Disconnected => "disconnected",
            Self::PermissionsLost => "permissions_lost",
            Self::WebhookDisabled => "webhook_disabled",
            Self::Renewal => "renewal",
            Self::AccountUnmapped => "account_unmapped",
            Self::PaymentFailed => "payment_failed",
            Self::Digest => "digest",
        }
    }

    /// Whether it is told as soon as it may be. The others come in swarms and are gathered first; what mornings show is
    /// gathered already.
    #[must_use]
    pub(super) fn is_urgent(self) -> bool {
        match self {
            Self::RunFinished
            | Self::RunFailed
            | Self::FetchFailed
            | Self::Held
            | Self::Disconnected
            | Self::WebhookDisabled
            | Self::AccountUnmapped
            | Self::Digest => true,
            Self::PermissionsLost | Self::Renewal | Self::PaymentFailed => false,
        }
    }
}

/// Whom to tell of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notifications {
    /// Addresses; where there are none, the connection's own contact.
    pub emails: Vec<Address>,
    /// What they are told of.
    pub events: Vec<EventKind>,
}

impl Default for Notifications {
    fn default() -> Self {
        Self { emails: Vec::new(), events: EventKind::DEFAULT.to_vec() }
    }
}

impl Notifications {
    /// Whom mails go to.
    #[must_use]
    pub fn recipients(&self, connection: &Connection) -> Vec<Address> {
        if !self.emails.is_empty() {
            return self.emails.clone();
        }
        connection.email.as_deref().and_then(|email| Address::parse(email).ok()).into_iter().collect()
    }

    /// Whether they are told of this.
    #[must_use]
    pub fn wants(&self, kind: EventKind) -> bool {
        self.events.contains(&kind)
    }
}

/// The same as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationsRecord {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Whom to tell of what.
    #[serde(flatten)]
    pub notifications: Notifications,
}

impl Record for NotificationsRecord {
    const ENTITY: &'static str = "notifications";
    fn key(&self) -> Key {
        Key::Notifications(self.partner.clone(), self.connection.clone())
    }
}

/// What somebody sent: texts that are not checked yet. What is not said has its default.
#[derive(Debug, Clone, Default)]
pub struct NotificationsInput {
    /// Addresses.
    pub emails: Option<Vec<String>>,
    /// Names of [`EventKind`].
    pub events: Option<Vec<String>>,
}

impl NotificationsInput {
    /// What it says, or every entry that is wrong. Doubles are dropped.
    fn check(self) -> Result<Notifications, Problem> {
        let mut errors = Vec::new();
        let mut refuse = |pointer: String, detail: String| errors.push(FieldError { pointer, detail });
        let mut emails: Vec<Address> = Vec::new();
        let given = self.emails.unwrap_or_default();
        if given.len() > RECIPIENTS_MAX {
            refuse("/emails".to_owned(), format!("has at most {RECIPIENTS_MAX} addresses"));
        }
        for (at, text) in given.iter().enumerate().take(RECIPIENTS_MAX) {
            match Address::parse(text) {
                Ok(address) if emails.iter().any(|known| known.as_str().eq_ignore_ascii_case(address.as_str())) => {}
                Ok(address) => emails.push(address),
                Err(no) => refuse(format!("/emails/{at}"), no.to_string()),
            }
        }
        let mut events = Vec::new();
        let given = self.events.unwrap_or_else(|| EventKind::DEFAULT.iter().map(|kind| kind.as_str().into()).collect());
        let names = || EventKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
        if given.len() > EventKind::ALL.len() {
            refuse("/events".to_owned(), format!("has at most {} entries", EventKind::ALL.len()));
        }
        for (at, name) in given.iter().enumerate().take(EventKind::ALL.len()) {
            match EventKind::ALL.iter().find(|kind| kind.as_str() == name) {
                Some(kind) if events.contains(kind) => {}
                Some(kind) => events.push(*kind),
                None => refuse(format!("/events/{at}"), format!("is none of {}", names())),
            }
        }
        match Problem::fields(errors) {
            Some(problem) => Err(problem),
            None => Ok(Notifications { emails, events }),
        }
    }
}

/// Whom a connection tells of what, as stored; version 0 and the defaults where nothing ever was.
///
/// # Errors
/// Storage.
pub async fn notifications_of(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<Versioned<Notifications>> {
    let key = Key::Notifications(partner.clone(), id.clone());
    let found = load::<NotificationsRecord>(&*ports.storage, scope, &key).await?;
    Ok(match found {
        Some(found) => Versioned { v: found.v, value: found.value.notifications },
        None => Versioned { v: 0, value: Notifications::default() },
    })
}

/// Whom to tell of what, and how that goes.
#[derive(Debug, Clone)]
pub struct Shown {
    /// With their version, for `ETag`.
    pub notifications: Versioned<Notifications>,
    /// Whom mails go to.
    pub recipients: Vec<Address>,
    /// The address that mails come from; none: this deployment sends no mail.
    pub sender: Option<Address>,
    /// How it goes; none where nothing was ever to be told.
    pub state: Option<NotifyState>,
}

/// Reads them.
///
/// # Errors
/// `not_found`.
pub async fn read_notifications(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<Shown> {
    let connection = load_connection(ports, scope, partner, id).await?;
    let notifications = notifications_of(ports, scope, partner, id).await?;
    let state = super::state::load_state(ports, scope, partner, id).await?.map(|found| found.value);
    let recipients = notifications.recipients(&connection);
    Ok(Shown { notifications, recipients, sender: ports.mail.sender().cloned(), state })
}

/// Saves them. What is so already is not written.
///
/// # Errors
/// `invalid_input` with every wrong entry, `precondition_failed`, `conflict`.
pub async fn put_notifications(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &ConnectionId),
    if_match: Option<u64>,
    input: NotificationsInput,
) -> Result<Shown> {
    let mut shown = read_notifications(ports, scope, partner, id).await?;
    let connection = load_connection(ports, scope, partner, id).await?;
    let present = &shown.notifications;
    check_version(if_match, present.v)?;
    let after = input.check()?;
    if present.v > 0 && after == present.value {
        return Ok(shown);
    }
    let record = NotificationsRecord { partner: partner.clone(), connection: id.clone(), notifications: after.clone() };
    let change = Change::of_connection(ports, actor, partner, id);
    let change = if present.v == 0 { change.create(&record)? } else { change.replace(&record, present.v)? };
    let mut change =
        change.audit("notifications.changed", "notifications", json!(present.value), json!(after.clone()))?;
    if shown.state.is_none() {
        change = change.create(&super::state::armed(ports, scope, partner, id).await?)?;
    }
    change.commit(scope).await.map_err(|error| conflict_as(error, conflict))?;
    shown.recipients = after.recipients(&connection);
    shown.notifications = Versioned { v: present.v + 1, value: after };
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(emails: &[&str], events: Option<&[&str]>) -> Result<Notifications, Vec<String>> {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let input = NotificationsInput { emails: Some(texts(emails)), events: events.map(texts) };
        input.check().map_err(|problem| problem.errors.into_iter().map(|error| error.pointer).collect())
    }

    #[test]
    fn every_wrong_entry_is_told_and_doubles_are_dropped() {
        let bad = checked(&["a@b.example", "nobody", "c@d.example\nBcc: e@f.example"], Some(&["held", "fire"]));
        assert_eq!(bad, Err(vec!["/emails/1".to_owned(), "/emails/2".to_owned(), "/events/1".to_owned()]));
        let good = checked(&["a@b.example", "A@B.example"], Some(&["held", "held"])).unwrap();
        assert_eq!((good.emails.len(), good.events), (1, vec![EventKind::Held]));
        assert_eq!(checked(&[], None).unwrap(), Notifications::default());
    }

    #[test]
    fn there_is_a_bound_of_recipients() {
        let many: Vec<String> = (0..=RECIPIENTS_MAX).map(|at| format!("a{at}@b.example")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(checked(&many, None), Err(vec!["/emails".to_owned()]));
        assert_eq!(checked(&many[1..], None).unwrap().emails.len(), RECIPIENTS_MAX);
    }

    #[test]
    fn a_kind_is_named_as_it_is_stored() {
        for kind in EventKind::ALL {
            assert_eq!(json!(kind), json!(kind.as_str()));
        }
    }
}
