//! What a worker does with a message: one fetch after the other, each page after page, as long as there is time.

use super::closed;
use super::customers;
use super::invoices::{self, headers};
use super::open;
use super::place::{Place, Rows, filters_of};
use super::record::{Counts, Fetch, FetchKind, FetchState, FetchTrigger, Last, Progress, Step};
use super::start::{NONE_YET, progress_of, settings_of};
use super::unread;
use super::upsert::{self, How, Known};
use super::work::{FetchMessage, FetchRef};
use crate::actor::{Actor, Scope};
use crate::autotask_session::{self, Session, Verdict};
use crate::budget::{Mode, exhausted};
use crate::change::Change;
use crate::connections::{Connection, load_connection};
use crate::invoices::customer::Customer;
use crate::invoices::pdf;
use crate::issues::{self, Met, More, Subject};
use crate::ports::{DELAY_MAX, Deadline, Ports, Read, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, Key, Versioned, Write, load, load_all};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a claim of an invocation on a fetch lasts: the worker's time-out of 300 s and a minute for clocks.
const INVOCATION_MAX: SignedDuration = SignedDuration::from_secs(360);
/// A fetch that could not be done for so long is given up: the next tick starts a new one.
const FETCH_AGE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// An import may take longer: a large database within a small share of its limits.
const IMPORT_AGE_MAX: SignedDuration = SignedDuration::from_hours(24 * 7);
/// Pause before a fetch that Autotask or the store could not serve is taken up again.
const LATER: Duration = Duration::from_secs(60);
/// A page is not begun with less time than this: two pages of invoices, some twenty of lines, and their writes.
const PAGE_TIME_MIN: Duration = Duration::from_secs(100);
/// Pages that a fetch may take while others wait for the same invocation.
const SHARED_PAGES_MAX: u32 = 8;

/// Works through the fetches of a message. One that needs long goes on by a message of its own; one that fails for a
/// reason of our own comes back alone.
///
/// # Errors
/// Only where nothing could be handed on: storage, queue.
pub async fn work(ports: &Ports, scope: &Scope, deadline: &dyn Deadline, message: &FetchMessage) -> Result<()> {
    let alone = message.fetches.len() == 1;
    for (at, fetch) in message.fetches.iter().enumerate() {
        if at > 0 && deadline.remaining() < PAGE_TIME_MIN {
            let rest = FetchMessage { fetches: message.fetches[at..].to_vec() };
            return rest.send(ports, Duration::ZERO).await;
        }
        let pages = if alone { u32::MAX } else { SHARED_PAGES_MAX };
        match one(ports, scope, deadline, fetch, pages).await {
            Ok(None) => {}
            Ok(Some(wait)) => FetchMessage::of(fetch.clone()).send(ports, wait.min(DELAY_MAX)).await?,
            Err(error) if alone => return Err(error),
            Err(error) => {
                broke_off(fetch, &error);
                FetchMessage::of(fetch.clone()).send(ports, LATER).await?;
            }
        }
    }
    Ok(())
}

fn broke_off(fetch: &FetchRef, error: &Error) {
    let cause = std::error::Error::source(error);
    tracing::error!(fetch.id = %fetch.fetch, error = %error, ?cause, "a fetch broke off; it is taken up again");
}

/// Works on one fetch. The answer says when to go on, if it is not over.
async fn one(
    ports: &Ports,
    scope: &Scope,
    deadline: &dyn Deadline,
    of: &FetchRef,
    pages: u32,
) -> Result<Option<Duration>> {
    let Some(scope) = scope.narrow(&of.partner) else { return Ok(None) };
    let (fetch, wait) = claim(ports, &scope, of).await?;
    let Some(fetch) = fetch else { return Ok(wait) };
    let actor = Actor::system(format!("invoices:{}", fetch.kind.as_str()), fetch.id.to_string());
    let calls_before = fetch.counts.calls;
    let mut work = Work { ports, scope: &scope, actor: &actor, deadline, fetch, pages, calls_before };
    work.work().await
}

/// Claims a fetch for this invocation. None: there is nothing to do, or somebody else does it and may be asked again
/// after a while.
async fn claim(ports: &Ports, scope: &Scope, of: &FetchRef) -> Result<(Option<Versioned<Fetch>>, Option<Duration>)> {
    let key = Key::Fetch(of.partner.clone(), of.connection.clone(), of.fetch.clone());
    let Some(found) = load::<Fetch>(&*ports.storage, scope, &key).await? else { return Ok((None, None)) };
    if found.state.is_final() {
        return Ok((None, None));
    }
    let now = ports.clock.now();
    if let Some((_, until)) = found.worker.as_ref().filter(|(_, until)| *until > now) {
        return Ok((None, Some(Duration::try_from(until.duration_since(now)).unwrap_or(LATER))));
    }
    let (v, mut fetch) = (found.v, found.value);
    fetch.worker = Some((ports.ids.uuid().to_string(), now + INVOCATION_MAX));
    fetch.touched_at = now;
    fetch.state = FetchState::Running;
    match ports.storage.write(scope, vec![Write::replace(&fetch, v)?]).await {
        Ok(()) => Ok((Some(Versioned { v: v + 1, value: fetch }), None)),
        Err(StorageError::Conflict { .. }) => Ok((None, Some(LATER))),
        Err(error) => Err(error.into()),
    }
}

/// One invocation's work on its fetch.
struct Work<'a> {
    ports: &'a Ports,
    scope: &'a Scope,
    actor: &'a Actor,
    deadline: &'a dyn Deadline,
    fetch: Versioned<Fetch>,
    /// Pages that it may still take.
    pages: u32,
    /// Calls of earlier invocations.
    calls_before: u32,
}

impl Work<'_> {
    async fn work(&mut self) -> Result<Option<Duration>> {
        let (partner, id) = (self.fetch.partner.clone(), self.fetch.connection.clone());
        let connection = match load_connection(self.ports, self.scope, &partner, &id).await {
            Err(Error::Problem(problem)) => return self.fail(problem.code, problem.detail).await,
            other => other?.value,
        };
        let session = match autotask_session::open_as(self.ports, self.scope, &connection, Mode::Background).await {
            Err(Error::Problem(problem)) => return self.refused(problem.code, problem.detail).await,
            other => other?,
        };
        let ended = self.with(&connection, &session).await;
        self.count_calls(&session);
        session.close().await;
        match ended {
            Err(Error::Autotask { source, doing }) => self.autotask_failed(&connection, doing, source).await,
            Err(Error::Problem(problem)) => self.refused(problem.code, problem.detail).await,
            // Somebody else took the fetch up: it is theirs.
            Err(Error::Storage(StorageError::Conflict { .. })) => Ok(Some(LATER)),
            other => other,
        }
    }

    /// Goes from step to step until the end, or until there is no time left.
    async fn with(&mut self, connection: &Connection, session: &Session) -> Result<Option<Duration>> {
        let settings = settings_of(self.ports, self.scope, connection).await?;
        let filters = filters_of(self.ports, self.scope, connection).await?;
        let zone = settings.zone();
        let place = Place {
            ports: self.ports,
            scope: self.scope,
            actor: self.actor,
            connection,
            settings: &settings,
            zone: &zone,
            filters: &filters,
            session,
            reads_all: self.fetch.kind == FetchKind::Import,
        };
        let mut known = Known::default();
        loop {
            let done = match self.fetch.step.clone() {
                Step::Customers { after } => self.customers(&place, after).await?,
                Step::ChangedCompanies { after } => self.changed_companies(&place, after).await?,
                Step::ChangedContacts { after } => self.changed_contacts(&place, after).await?,
                Step::Invoices { after } => self.invoices(&place, &mut known, after).await?,
                Step::Backfill { after } => self.backfill(&place, &mut known, after).await?,
                Step::Open { after } => self.open(&place, &mut known, after).await?,
                Step::Closed { pages } => self.closed(&place, &mut known, pages).await?,
                Step::End => {
                    self.count_calls(session);
                    self.end().await?;
                    return Ok(None);
                }
            };
            if !done {
                return Ok(Some(Duration::ZERO));
            }
        }
    }

    fn count_calls(&mut self, session: &Session) {
        self.fetch.value.counts.calls = self.calls_before + session.calls();
    }

    /// Keeps what a page came to, so that it is not done again. Whether there is time for another.
    async fn keep(&mut self, place: &Place<'_>, next: Step, counts: Counts) -> Result<bool> {
        self.count_calls(place.session);
        let now = self.ports.clock.now();
        let fetch = &mut self.fetch.value;
        fetch.counts.add(&counts);
        fetch.step = next;
        fetch.first_page_at.get_or_insert(now);
        fetch.touched_at = now;
        fetch.worker = fetch.worker.take().map(|(who, _)| (who, now + INVOCATION_MAX));
        fetch.problem = None;
        self.pages = self.pages.saturating_sub(1);
        // A fetch that is about to end is not handed on: that would cost more than ending it.
        let over = self.fetch.step == Step::End;
        let goes_on = over || (self.pages > 0 && self.deadline.remaining() >= PAGE_TIME_MIN);
        if !goes_on {
            self.fetch.value.worker = None;
        }
        if !over {
            self.save().await?;
            if goes_on {
                self.refuse_once_stopped(place).await?;
            }
        }
        Ok(goes_on)
    }

    /// A connection that is paused, or ended, or sent to another database, ends its fetch after the page.
    async fn refuse_once_stopped(&self, place: &Place<'_>) -> Result<()> {
        let connection = load_connection(self.ports, self.scope, place.partner(), place.id()).await?;
        autotask_session::refuse_unless_connected(&connection)
    }

    async fn save(&mut self) -> Result<()> {
        self.ports.storage.write(self.scope, vec![Write::replace(&self.fetch.value, self.fetch.v)?]).await?;
        self.fetch.v += 1;
        Ok(())
    }

    async fn customers(&mut self, place: &Place<'_>, mut after: i64) -> Result<bool> {
        let mut rows = Rows::of(customers::all_companies(place, after), "reading companies");
        loop {
            let page = rows.next(customers::PAGE).await?;
            let last = page.len() < customers::PAGE;
            let to = if last { i64::MAX } else { page.last().map_or(after, |row| row.id.get()) };
            let mut took = customers::take_companies(place, &page, true).await?;
            let seen: BTreeSet<i64> = page.iter().map(|row| row.id.get()).collect();
            let of = Collection::CustomersBetween(place.partner().clone(), place.id().clone(), after, to);
            let ours = load_all::<Customer>(&*self.ports.storage, self.scope, &of, Read::Strong).await?;
            let others: Vec<i64> = ours.iter().map(|customer| customer.id).filter(|id| !seen.contains(id)).collect();
            let missing = customers::take_others(place, &others, false).await?;
            took.add(&missing);
            let next = match (last, self.fetch.kind) {
                (false, _) => Step::Customers { after: to },
                (true, FetchKind::Import | FetchKind::New) => Step::Invoices { after: NONE_YET },
                (true, FetchKind::Open) => Step::Open { after: NONE_YET },
            };
            let goes_on = self.keep(place, next, took).await?;
            if last || !goes_on {
                return Ok(goes_on);
            }
            after = to;
        }
    }

    async fn changed_companies(&mut self, place: &Place<'_>, after: i64) -> Result<bool> {
        let query = customers::changed_companies(place, self.since(), after);
        let mut rows = Rows::of(query, "reading changed companies");
        loop {
            let page = rows.next(customers::PAGE).await?;
            let last = page.len() < customers::PAGE;
            let took = customers::take_companies(place, &page, false).await?;
            let next = match page.last() {
                Some(row) if !last => Step::ChangedCompanies { after: row.id.get() },
                _ => Step::ChangedContacts { after: NONE_YET },
            };
            let goes_on = self.keep(place, next, took).await?;
            if last || !goes_on {
                return Ok(goes_on);
            }
        }
    }

    async fn changed_contacts(&mut self, place: &Place<'_>, after: i64) -> Result<bool> {
        let query = customers::changed_contacts(place, self.since(), after);
        let mut rows = Rows::of(query, "reading changed contacts");
        loop {
            let page = rows.next(customers::CONTACTS_PAGE).await?;
            let last = page.len() < customers::CONTACTS_PAGE;
            let took = customers::take_contacts(place, &page).await?;
            let next = match page.last() {
                Some(row) if !last => Step::ChangedContacts { after: row.id.get() },
                _ => Step::Invoices { after: NONE_YET },
            };
            let goes_on = self.keep(place, next, took).await?;
            if last || !goes_on {
                return Ok(goes_on);
            }
        }
    }

    async fn invoices(&mut self, place: &Place<'_>, known: &mut Known, after: i64) -> Result<bool> {
        let how = How { dense: invoices::is_dense(place, &self.fetch), ..self.how() };
        let mut rows = Rows::of(invoices::wanted(place, &self.fetch, after), "reading invoices");
        loop {
            let page = rows.next(invoices::PAGE).await?;
            let last = page.len() < invoices::PAGE;
            let mut counts = Counts::default();
            let read = headers(place, &page, &mut counts);
            counts.add(&upsert::take(place, known, read, how).await?);
            let next = match page.last() {
                Some(row) if !last => Step::Invoices { after: row.id.get() },
                _ => self.after_invoices(place).await?,
            };
            let goes_on = self.keep(place, next, counts).await?;
            if last || !goes_on {
                return Ok(goes_on);
            }
        }
    }

    async fn after_invoices(&mut self, place: &Place<'_>) -> Result<Step> {
        if !place.reads_all {
            self.fetch.value.backfill = unread::some(place).await?;
        }
        Ok(if self.fetch.backfill.is_empty() { Step::End } else { Step::Backfill { after: NONE_YET } })
    }

    /// All invoices of customers that the filters let through only now, some customers at a time.
    async fn backfill(&mut self, place: &Place<'_>, known: &mut Known, after: i64) -> Result<bool> {
        let some: Vec<i64> = self.fetch.backfill.iter().map(|unread| unread.company).collect();
        // Somebody else may have let them in meanwhile.
        known.forget(&some);
        let mut rows =
            Rows::of(invoices::of_customers(place, &self.fetch, &some, after), "reading invoices of customers");
        loop {
            let page = rows.next(invoices::PAGE).await?;
            let last = page.len() < invoices::PAGE;
            let mut counts = Counts::default();
            let read = headers(place, &page, &mut counts);
            counts.add(&upsert::take(place, known, read, self.how()).await?);
            let next = match page.last() {
                Some(row) if !last => Step::Backfill { after: row.id.get() },
                _ => {
                    unread::done(place, &self.fetch.backfill).await?;
                    self.after_invoices(place).await?
                }
            };
            let goes_on = self.keep(place, next, counts).await?;
            if last || !goes_on {
                return Ok(goes_on);
            }
        }
    }

    async fn open(&mut self, place: &Place<'_>, known: &mut Known, mut after: i64) -> Result<bool> {
        let mut rows = Rows::of(invoices::open(place, after), "reading open invoices");
        loop {
            let page = rows.next(invoices::PAGE).await?;
            let last = page.len() < invoices::PAGE;
            let to = if last { i64::MAX } else { page.last().map_or(after, |row| row.id.get()) };
            let mut counts = Counts::default();
            let seen: BTreeSet<i64> = page.iter().map(|row| row.id.get()).collect();
            let read = headers(place, &page, &mut counts);
            counts.add(&upsert::take(place, known, read, self.how()).await?);
            let gone_before = self.fetch.counts.invoices_missing;
            counts.add(&open::take_others(place, known, (after, to), &seen, gone_before, self.how()).await?);
            let next = if last { self.after_open(place).await? } else { Step::Open { after: to } };
            let goes_on = self.keep(place, next, counts).await?;
            if last || !goes_on {
                return Ok(goes_on);
            }
            after = to;
        }
    }

    /// After what is open comes, on the daily look, a part of what is closed.
    async fn after_open(&mut self, place: &Place<'_>) -> Result<Step> {
        if self.fetch.trigger == FetchTrigger::Manual {
            return self.after_invoices(place).await;
        }
        let progress = progress_of(self.ports, self.scope, place.partner(), place.id()).await?;
        let imported =
            |progress: &Progress| progress.last.get(&FetchKind::Import).map(|last| last.counts.invoices_seen);
        let here = progress.as_deref().and_then(imported).unwrap_or_default();
        let round = progress.map(|progress| progress.round).unwrap_or_default();
        self.fetch.value.round = Some(round);
        Ok(Step::Closed { pages: closed::pages_of(round, here) })
    }

    async fn closed(&mut self, place: &Place<'_>, known: &mut Known, mut pages: u32) -> Result<bool> {
        loop {
            let round = self.fetch.round.unwrap_or_default();
            let (round, last, counts) = closed::look(place, known, round, self.how()).await?;
            self.fetch.value.round = Some(round);
            pages = pages.saturating_sub(1);
            let over = last || pages == 0;
            let next = if over { self.after_invoices(place).await? } else { Step::Closed { pages } };
            let goes_on = self.keep(place, next, counts).await?;
            if over || !goes_on {
                return Ok(goes_on);
            }
        }
    }

    fn how(&self) -> How {
        How { dense: false, history_until: self.fetch.history_until, lines_anyway: false }
    }

    fn since(&self) -> Timestamp {
        self.fetch.since.unwrap_or(Timestamp::UNIX_EPOCH)
    }

    async fn end(&mut self) -> Result<()> {
        let state = if self.fetch.counts.unreadable > 0 { FetchState::Partial } else { FetchState::Done };
        self.finish(state, None).await
    }

    /// Ends the fetch together with what is remembered of it.
    async fn finish(&mut self, state: FetchState, problem: Option<(Code, String)>) -> Result<()> {
        let now = self.ports.clock.now();
        let fetch = &mut self.fetch.value;
        (fetch.state, fetch.ended_at, fetch.touched_at) = (state, Some(now), now);
        (fetch.worker, fetch.problem) = (None, problem);
        let key = Key::FetchState(fetch.partner.clone(), fetch.connection.clone());
        let found = load::<Progress>(&*self.ports.storage, self.scope, &key).await?;
        let change = Change::of_connection(self.ports, self.actor, &fetch.partner, &fetch.connection);
        let mut change = change.replace(&*fetch, self.fetch.v)?;
        if let Some(found) = found.filter(|progress| progress.active.as_ref().is_some_and(|a| a.id == fetch.id)) {
            let (v, mut progress) = (found.v, found.value);
            conclude(&mut progress, fetch, now);
            change = change.replace(&progress, v)?;
        }
        change = told(change, self.ports, self.scope, fetch).await?;
        change.commit(self.scope).await?;
        // PDFs come by a queue of their own: those that are new, and those that are to be tried again.
        pdf::ask(self.ports, self.scope, &fetch.partner, &fetch.connection).await?;
        let Counts { invoices_created, invoices_changed, calls, .. } = fetch.counts;
        tracing::info!(
            connection.id = %fetch.connection,
            kind = fetch.kind.as_str(),
            state = ?state,
            created = invoices_created,
            changed = invoices_changed,
            autotask.calls = calls,
            "fetched invoices"
        );
        Ok(())
    }

    async fn fail(&mut self, code: Code, detail: String) -> Result<Option<Duration>> {
        match self.finish(FetchState::Failed, Some((code, detail))).await {
            // Somebody else took the fetch up, or ended it.
            Ok(()) | Err(Error::Storage(StorageError::Conflict { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives the fetch back for another invocation to take up.
    async fn rest(&mut self, wait: Duration, problem: Option<(Code, String)>) -> Result<Option<Duration>> {
        self.fetch.value.worker = None;
        self.fetch.value.touched_at = self.ports.clock.now();
        self.fetch.value.problem = problem;
        match self.save().await {
            Ok(()) | Err(Error::Storage(StorageError::Conflict { .. })) => Ok(Some(wait)),
            Err(error) => Err(error),
        }
    }

    /// A problem that may pass is waited out; any other ends the fetch.
    async fn refused(&mut self, code: Code, detail: String) -> Result<Option<Duration>> {
        let passing = matches!(
            code,
            Code::Throttled | Code::AutotaskUnavailable | Code::SecretStoreUnavailable | Code::Unavailable
        );
        if passing && !self.is_too_old() {
            return self.rest(LATER, Some((code, detail))).await;
        }
        self.fail(code, detail).await
    }

    fn is_too_old(&self) -> bool {
        let most = if self.fetch.kind == FetchKind::Import { IMPORT_AGE_MAX } else { FETCH_AGE_MAX };
        self.ports.clock.now().duration_since(self.fetch.started_at) > most
    }

    async fn autotask_failed(
        &mut self,
        connection: &Connection,
        doing: &'static str,
        error: autotask::Error,
    ) -> Result<Option<Duration>> {
        let ours = exhausted(&error).map(|budget| budget.retry_after);
        if error.is_transient() && !self.is_too_old() {
            tracing::warn!(connection.id = %connection.id, doing, error = %error, "Autotask cannot serve the fetch now");
            let wait = ours.or(error.retry_after()).unwrap_or(LATER);
            let code = if ours.is_some() { Code::Throttled } else { Code::AutotaskUnavailable };
            return self.rest(wait, Some((code, error.to_string()))).await;
        }
        if matches!(error, autotask::Error::Unauthorised { .. }) {
            let (partner, id) = (&connection.partner, &connection.id);
            let words = match autotask_session::unauthorised(self.ports, self.scope, self.actor, partner, id).await {
                Ok(Verdict::NeedsRelink) => {
                    let words = "Autotask refused the stored credentials.".to_owned();
                    return self.fail(Code::NeedsRelink, words).await;
                }
                Ok(Verdict::Works | Verdict::ZoneMoved) => {
                    "Autotask refused a call and then took the same login again.".to_owned()
                }
                Err(Error::Problem(problem)) => return self.refused(problem.code, problem.detail).await,
                Err(other) => return Err(other),
            };
            return self.refused(Code::AutotaskUnavailable, words).await;
        }
        match autotask_session::explain(error) {
            Error::Problem(problem) => self.refused(problem.code, problem.detail).await,
            Error::Autotask { source, .. } => self.fail(Code::AutotaskUnavailable, source.to_string()).await,
            other => Err(other),
        }
    }
}

/// What the issue of a fetch that failed is about: one for all kinds, as each brings what the others lack.
const SUBJECT: &str = "invoices";

/// Opens the issue of a fetch that failed, and closes it with one that did not. Credentials that were refused have an
/// issue of their own; what somebody paused or switched off is none.
async fn told<'a>(change: Change<'a>, ports: &Ports, scope: &Scope, fetch: &Fetch) -> Result<Change<'a>> {
    let on = Subject { partner: &fetch.partner, connection: &fetch.connection, subject: SUBJECT };
    match &fetch.problem {
        Some((Code::NeedsRelink | Code::ConnectionPaused | Code::FeatureOff, _)) => Ok(change),
        Some((why, detail)) if fetch.state == FetchState::Failed => {
            let data = json!({"code": why, "kind": fetch.kind.as_str()});
            let met = Met { detail, more: Some(More { data, fix: None }), by: Some(fetch.id.as_str()) };
            issues::open_in(change, ports, scope, on, Code::FetchFailed, met).await
        }
        _ => issues::resolve(change, ports, scope, on, Code::FetchFailed).await,
    }
}

/// What is remembered of a fetch that has ended.
fn conclude(progress: &mut Progress, fetch: &Fetch, now: Timestamp) {
    progress.active = None;
    let last = Last {
        id: fetch.id.clone(),
        state: fetch.state,
        started_at: fetch.started_at,
        ended_at: now,
        counts: fetch.counts,
        problem: fetch.problem.clone(),
    };
    progress.last.insert(fetch.kind, last);
    if fetch.state == FetchState::Failed {
        // A press that came to nothing does not count.
        if fetch.trigger == FetchTrigger::Manual && fetch.first_page_at.is_none() {
            match fetch.kind {
                FetchKind::Open => progress.fetch_unpaid_at = None,
                FetchKind::Import | FetchKind::New => progress.fetch_new_at = None,
            }
        }
        return;
    }
    // Filters that were changed while it ran ask for another one.
    match fetch.kind {
        FetchKind::Import => {
            progress.checkpoint = Some(fetch.started_at);
            progress.first_import_at.get_or_insert(fetch.started_at);
            progress.import_wanted_at = progress.import_wanted_at.filter(|at| fetch.wanted.import != Some(*at));
            progress.customers_wanted_at =
                progress.customers_wanted_at.filter(|at| fetch.wanted.customers != Some(*at));
        }
        FetchKind::New => {
            progress.checkpoint = Some(fetch.started_at);
            progress.customers_wanted_at =
                progress.customers_wanted_at.filter(|at| fetch.wanted.customers != Some(*at));
        }
        FetchKind::Open => progress.round = fetch.round.unwrap_or(progress.round),
    }
}
