//! The next step of a ticket, carried out. Creates have no idempotency key: the intent is stored first, under a
//! reference that Autotask keeps (`externalID`); by it a ticket is looked for before it is made, and an answer that is
//! lost is waited out before anything is sent again.

use super::hear::TIME_MIN;
use super::record::{FailureTicket, Step, TICKETS_JOB, TicketRef};
use super::settings::FailureTicketSettings;
use super::words;
use crate::actor::{Actor, Scope};
use crate::autotask_session::{Session, open, settle};
use crate::change::Change;
use crate::connections::settings::SettingsRecord;
use crate::connections::{Connection, ConnectionStatus};
use crate::ids::{ConnectionId, PartnerId};
use crate::issues::{self, Subject};
use crate::mail::one_line;
use crate::ports::{Deadline, Order, PageRequest, Ports, Read, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, Expect, Key, SHARDS, Versioned, Write, load, load_page};
use crate::units::{SETTLE, SKEW};
use autotask::{DateValue, Field, Filter, Id, NewTicket, NewTicketNote, Ticket, TicketNote, TicketPatch};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Steps of one ticket at a time: look up, note, close, and once more.
const STEPS_MAX: u32 = 4;
/// How soon a step is tried again; each time twice as long.
const RETRY_FIRST: SignedDuration = SignedDuration::from_mins(15);
/// How late at most.
const RETRY_MAX: SignedDuration = SignedDuration::from_hours(6);
/// By when somebody should have looked at a ticket.
const DUE_IN: SignedDuration = SignedDuration::from_hours(24);
/// `Tickets.status` of a ticket that is done, in every database.
const COMPLETE: i64 = 5;
/// `Tickets.status` of a new ticket, where the picklist does not say.
const NEW: i64 = 1;
/// Records read at once.
const PAGE: u32 = 100;
/// Creates whose outcome stays unclear before that is an issue.
const UNCLEAR_MAX: u32 = 2;

/// Goes on with every ticket that is due.
///
/// # Errors
/// Records; what Autotask does not take is on record and tried again.
pub async fn tick(ports: &Ports, scope: &Scope, until: Timestamp, deadline: &dyn Deadline) -> Result<usize> {
    let actor = Actor::system("schedule:notify", until.to_string());
    let mut done = 0;
    for shard in 0..SHARDS {
        let of = Collection::Due { job: TICKETS_JOB.to_owned(), shard, until };
        let mut after = None;
        loop {
            let page = PageRequest { limit: PAGE, after, order: Order::Ascending, read: Read::Eventual };
            let (found, next) = load_page::<FailureTicket>(&*ports.storage, scope, &of, page).await?;
            for record in found {
                if deadline.remaining() < TIME_MIN {
                    return Ok(done);
                }
                let Some(scope) = scope.narrow(&record.partner) else { continue };
                work_one(ports, &scope, &actor, &record.partner, &record.connection, &record.subject).await?;
                done += 1;
            }
            match next {
                Some(token) => after = Some(token),
                None => break,
            }
        }
    }
    Ok(done)
}

/// Goes on with one ticket as far as that is possible now.
pub(super) async fn work_one(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
    subject: &str,
) -> Result<()> {
    let Some(work) = Work::of(ports, scope, actor, (partner, id), subject).await? else { return Ok(()) };
    for _ in 0..STEPS_MAX {
        let Some(found) = work.load().await? else { return Ok(()) };
        if found.due_at.is_none_or(|due| due > ports.clock.now()) {
            return Ok(());
        }
        match work.step(found).await {
            Ok(()) => {}
            // Somebody else works on it, and has done this step or another.
            Err(Error::Storage(StorageError::Conflict { .. })) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

struct Work<'a> {
    ports: &'a Ports,
    scope: &'a Scope,
    actor: &'a Actor,
    connection: Connection,
    settings: FailureTicketSettings,
    key: Key,
}

impl<'a> Work<'a> {
    /// What there is to work with; none where tickets are off, which also ends what is on record.
    async fn of(
        ports: &'a Ports,
        scope: &'a Scope,
        actor: &'a Actor,
        (partner, id): (&PartnerId, &ConnectionId),
        subject: &str,
    ) -> Result<Option<Self>> {
        let key = Key::FailureTicket(partner.clone(), id.clone(), subject.to_owned());
        let (connection, settings) = (
            load::<Connection>(&*ports.storage, scope, &Key::Connection(partner.clone(), id.clone())).await?,
            load::<SettingsRecord>(&*ports.storage, scope, &Key::Settings(partner.clone(), id.clone())).await?,
        );
        match (connection, settings) {
            (Some(connection), Some(settings)) if settings.settings.failure_ticket.enabled => {
                let settings = settings.value.settings.failure_ticket;
                Ok(Some(Self { ports, scope, actor, connection: connection.value, settings, key }))
            }
            _ => {
                ports.storage.write(scope, vec![Write::delete(key, Expect::Any)]).await?;
                Ok(None)
            }
        }
    }

    async fn load(&self) -> Result<Option<Versioned<FailureTicket>>> {
        Ok(load::<FailureTicket>(&*self.ports.storage, self.scope, &self.key).await?)
    }

    /// Stores the record; returns its new version.
    async fn store(&self, record: &FailureTicket, v: u64) -> Result<u64> {
        self.ports.storage.write(self.scope, vec![Write::put(record, Expect::Version(v))?]).await?;
        Ok(v + 1)
    }

    /// Stores what was done, with its row in the audit trail and the end of the issue that it could not be.
    async fn did(&self, record: &FailureTicket, v: u64, action: &str, after: Value) -> Result<()> {
        let on = Subject { partner: &record.partner, connection: &record.connection, subject: &self.issue(record) };
        let change = Change::of_connection(self.ports, self.actor, &record.partner, &record.connection)
            .replace(record, v)?
            .audit(action, format!("failure_ticket/{}", record.subject), Value::Null, after)?;
        let change = issues::resolve(change, self.ports, self.scope, on, Code::FailureTicketRefused).await?;
        Ok(change.commit(self.scope).await?)
    }

    fn issue(&self, record: &FailureTicket) -> String {
        format!("failure_ticket/{}", record.subject)
    }

    /// One step.
    async fn step(&self, found: Versioned<FailureTicket>) -> Result<()> {
        let (v, mut record) = (found.v, found.value);
        let now = self.ports.clock.now();
        let next = record.next(now);
        match &next {
            Step::Forget => {
                record.over();
                record.due_at = None;
                return self.store(&record, v).await.map(drop);
            }
            Step::Nothing => {
                record.due_at = None;
                return self.store(&record, v).await.map(drop);
            }
            Step::Wait(at) => {
                record.due_at = Some(*at);
                return self.store(&record, v).await.map(drop);
            }
            Step::Create { .. } | Step::Note(_) | Step::Close(_) => {}
        }
        if self.connection.status != ConnectionStatus::Connected {
            // No call until it works again; then it goes on.
            record.due_at = Some(later(now, RETRY_MAX));
            return self.store(&record, v).await.map(drop);
        }
        let session = match open(self.ports, self.scope, &self.connection).await {
            Ok(session) => session,
            Err(Error::Problem(problem)) => return self.put_off(record, v, &problem.detail, None, now).await,
            Err(error) => return Err(error),
        };
        let done = match next {
            Step::Create { reference, may_send } => self.create(&session, record, v, &reference, may_send).await,
            Step::Note(ticket) => self.note(&session, record, v, &ticket).await,
            Step::Close(ticket) => self.close(&session, record, v, &ticket).await,
            Step::Forget | Step::Nothing | Step::Wait(_) => Ok(()),
        };
        session.close().await;
        done
    }

    /// Looks for the ticket, and makes it where there is none.
    async fn create(
        &self,
        session: &Session,
        mut record: FailureTicket,
        v: u64,
        reference: &str,
        may_send: bool,
    ) -> Result<()> {
        let by_reference = Filter::eq("externalID", reference);
        let seen =
            session.client.query::<Ticket>().filter(by_reference).include(&["id", "externalID", "status"]).first();
        match seen.await {
            Ok(Some(ticket)) => return self.made(record, v, ticket.id.get(), "found").await,
            Ok(None) if !may_send => {
                record.over();
                record.due_at = None;
                return self.store(&record, v).await.map(drop);
            }
            Ok(None) => {}
            Err(error) => return self.failed(record, v, error).await,
        }
        let status = match session.client.fields::<Ticket>().await {
            Ok(fields) => fields.picklist("status").and_then(|list| list.value_of_label("New")).unwrap_or(NEW),
            Err(error) => return self.failed(record, v, error).await,
        };
        let words = words::of(self.ports, self.scope, &self.connection, &record).await?;
        // Stored before it leaves: from now on, and until it is settled, nobody makes another.
        let sent_by = record.sends(self.ports.clock.now());
        record.due_at = Some(later(sent_by, SETTLE));
        let v = self.store(&record, v).await?;
        let now = self.ports.clock.now();
        if now >= sent_by - SKEW {
            record.refused();
            record.due_at = Some(now);
            return self.store(&record, v).await.map(drop);
        }
        let mut ticket = NewTicket::new(
            Id::new(self.settings.company_id),
            words.title,
            status,
            self.settings.priority.unwrap_or_default(),
        );
        ticket.description = Some(words.description);
        ticket.queue_id = self.settings.queue;
        ticket.source = self.settings.source;
        ticket.external_id = Some(reference.to_owned());
        ticket.due_date_time = Some(DateValue::from_instant(later(now, DUE_IN)));
        match session.client.create(&ticket).await {
            Ok(id) => self.made(record, v, id, "made").await,
            Err(error) if error.may_have_been_applied() => {
                // It is looked for when it is there or cannot come any more. What stays unclear again and again is told.
                let code = (record.tries >= UNCLEAR_MAX).then_some(Code::FailureTicketRefused);
                let words = one_line(&error.texts().join("; "), 200);
                let why = format!("Nobody knows whether the ticket was made. {words}");
                self.put_off(record, v, &why, code, later(sent_by, SETTLE)).await
            }
            Err(error) => {
                record.refused();
                self.failed(record, v, error).await
            }
        }
    }

    async fn made(&self, mut record: FailureTicket, v: u64, id: i64, how: &str) -> Result<()> {
        record.made(id);
        (record.due_at, record.tries, record.trouble) = (Some(self.ports.clock.now()), 0, None);
        self.did(&record, v, "failure_ticket.created", json!({"ticket_id": id, "run_id": record.told, "how": how}))
            .await
    }

    /// Says on the ticket that the failure came again, once for each run.
    async fn note(&self, session: &Session, mut record: FailureTicket, v: u64, ticket: &TicketRef) -> Result<()> {
        match session.client.get::<Ticket>(Id::new(ticket.id)).await {
            Ok(Some(found)) if found.status != Some(COMPLETE) => {}
            Ok(_) => {
                // Somebody closed it and it fails still, or again: that is a ticket of its own.
                record.closed();
                record.intend(format!("run-failure-{}", self.ports.ids.uuid()));
                return self.store(&record, v).await.map(drop);
            }
            Err(error) => return self.failed(record, v, error).await,
        }
        let words = words::of(self.ports, self.scope, &self.connection, &record).await?;
        let title = format!("Run {}", record.failed_run);
        let there = Filter::all([Filter::eq("ticketID", ticket.id), Filter::eq("title", title.as_str())]);
        match session.client.query::<TicketNote>().filter(there).include(&["id", "ticketID", "title"]).first().await {
            Ok(Some(_)) => {}
            Ok(None) => {
                let parent = Id::<Ticket>::new(ticket.id);
                let (kind, publish) = match note_kind(session).await {
                    Ok(found) => found,
                    Err(error) => return self.failed(record, v, error).await,
                };
                let mut note = NewTicketNote::new(parent, words.description, kind, publish);
                note.title = Some(title);
                if let Err(error) = session.client.create_under(parent, &note).await {
                    // Looked for by its title before it is written again.
                    return self.failed(record, v, error).await;
                }
            }
            Err(error) => return self.failed(record, v, error).await,
        }
        record.noted();
        (record.due_at, record.tries, record.trouble) = (None, 0, None);
        let after = json!({"ticket_id": ticket.id, "run_id": record.failed_run});
        self.did(&record, v, "failure_ticket.noted", after).await
    }

    /// Closes the ticket; one that somebody has closed is left as it is.
    async fn close(&self, session: &Session, mut record: FailureTicket, v: u64, ticket: &TicketRef) -> Result<()> {
        let is_open = match session.client.get::<Ticket>(Id::new(ticket.id)).await {
            Ok(found) => found.is_some_and(|found| found.status != Some(COMPLETE)),
            Err(error) => return self.failed(record, v, error).await,
        };
        if is_open {
            let complete = match session.client.fields::<Ticket>().await {
                Ok(fields) => {
                    fields.picklist("status").and_then(|list| list.value_of_label("Complete")).unwrap_or(COMPLETE)
                }
                Err(error) => return self.failed(record, v, error).await,
            };
            let mut patch = TicketPatch::new(ticket.id);
            patch.status = Field::Set(complete);
            patch.resolution = Field::Set("The failure is gone: a later run went through.".to_owned());
            // Absolute, so that it may be sent again.
            if let Err(error) = session.client.patch(&patch).await {
                return self.failed(record, v, error).await;
            }
        }
        record.over();
        (record.due_at, record.tries, record.trouble) = (None, 0, None);
        self.did(&record, v, "failure_ticket.closed", json!({"ticket_id": ticket.id, "by_us": is_open})).await
    }

    /// A call failed: it is tried again later. What Autotask refuses is an issue.
    async fn failed(&self, record: FailureTicket, v: u64, error: autotask::Error) -> Result<()> {
        let now = self.ports.clock.now();
        let refused = matches!(error, autotask::Error::Rejected { .. } | autotask::Error::Forbidden { .. });
        match settle(self.ports, self.scope, self.actor, &self.connection, error).await {
            Error::Problem(problem) => {
                self.put_off(record, v, &problem.detail, refused.then_some(Code::FailureTicketRefused), now).await
            }
            Error::Autotask { source, .. } => self.put_off(record, v, &source.to_string(), None, now).await,
            other => Err(other),
        }
    }

    /// It is tried again later, not before `earliest`; with a code, people are told.
    async fn put_off(
        &self,
        mut record: FailureTicket,
        v: u64,
        why: &str,
        code: Option<Code>,
        earliest: Timestamp,
    ) -> Result<()> {
        let wait = RETRY_FIRST * i32::try_from(1_u32 << record.tries.min(5)).unwrap_or(1);
        record.tries = record.tries.saturating_add(1);
        record.trouble = Some(one_line(why, 300));
        record.due_at = Some(later(self.ports.clock.now(), wait.min(RETRY_MAX)).max(earliest));
        tracing::warn!(connection.id = %self.connection.id, subject = record.subject, why, "a ticket about a failure waits");
        let Some(code) = code else { return self.store(&record, v).await.map(drop) };
        let on = Subject { partner: &record.partner, connection: &record.connection, subject: &self.issue(&record) };
        let change =
            Change::of_connection(self.ports, self.actor, &record.partner, &record.connection).replace(&record, v)?;
        let change = issues::open(change, self.ports, self.scope, on, code, why).await?;
        Ok(change.commit(self.scope).await?)
    }
}

/// The kind of note and who sees it: the first ones of the database's lists, which people see on every ticket.
async fn note_kind(session: &Session) -> autotask::Result<(i64, i64)> {
    let fields = session.client.fields::<TicketNote>().await?;
    let first = |name: &str| {
        let entries = fields.picklist(name).map(|list| list.entries()).unwrap_or_default();
        entries
            .iter()
            .filter(|entry| entry.is_active != Some(false))
            .find_map(autotask::metadata::PicklistEntry::number)
    };
    Ok((first("noteType").unwrap_or(1), first("publish").unwrap_or(1)))
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
