//! Saving filters. What lets more through asks for an import, what keeps more out for a look at all customers; both
//! with the filters, in one transaction, and at the next tick. Nothing is deleted.

use super::check::{Checked, FilterWarning, asks, bounds, plain, refused, resolve};
use super::preview::{Effect, effect};
use super::wider::{Step, step};
use crate::actor::{Actor, Scope};
use crate::autotask_session::{self, Session};
use crate::budget::Mode;
use crate::change::Change;
use crate::connections::settings::SettingsRecord;
use crate::connections::{Connection, INVOICE_FETCH_JOB, Schedule, check_version, load_connection};
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices::fetch::{Progress, Wanted};
use crate::invoices::filters::{Filters, FiltersRecord};
use crate::ports::Ports;
use crate::problem::{FieldError, Result};
use crate::records::{Expect, Key, Record, Versioned, Write, load};
use crate::vendor::check::unless_overtaken;
use jiff::civil::Date;
use serde_json::{Value, json};

/// Filters after a save.
#[derive(Debug, Clone)]
pub struct Saved {
    /// As they are now.
    pub record: Versioned<FiltersRecord>,
    /// Whether this call changed them.
    pub changed: bool,
    /// Whether everything is read again because of it.
    pub import: bool,
    /// What they make of what Autotask has; none where it could not be asked.
    pub effect: Option<Effect>,
    /// What may not be meant.
    pub warnings: Vec<FilterWarning>,
}

/// What filters would do.
#[derive(Debug, Clone)]
pub struct Previewed {
    /// The filters, with labels as Autotask spells them.
    pub filters: Filters,
    /// Whether everything would be read again.
    pub import: bool,
    /// What they would make of what Autotask has.
    pub effect: Effect,
    /// What may not be meant.
    pub warnings: Vec<FilterWarning>,
}

/// The filters of a connection; in version 0 where none were ever saved.
///
/// # Errors
/// `not_found`.
pub async fn get_filters(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<Versioned<FiltersRecord>> {
    load_connection(ports, scope, partner, connection).await?;
    present(ports, scope, partner, connection).await
}

async fn present(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<Versioned<FiltersRecord>> {
    let key = Key::InvoiceFilters(partner.clone(), connection.clone());
    let found = load::<FiltersRecord>(&*ports.storage, scope, &key).await?;
    Ok(found.unwrap_or_else(|| Versioned { v: 0, value: FiltersRecord::none(partner, connection) }))
}

/// Says what filters would do. Nothing is changed.
///
/// # Errors
/// `not_found`; `invalid_input` with every refused field; those of a call to Autotask.
pub async fn preview_filters(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    filters: Filters,
) -> Result<Previewed> {
    let ask = Ask::new(ports, scope, actor, of).await?;
    let errors = bounds(&filters, ask.today);
    if let Some(problem) = refused(errors) {
        return Err(problem.into());
    }
    let session = autotask_session::open_as(ports, scope, &ask.connection, Mode::Interactive).await?;
    let answer = ask.preview(&session, &filters).await;
    session.close().await;
    answer
}

/// Saves filters and says what they do.
///
/// # Errors
/// `not_found`; `invalid_input` with every refused field; `precondition_failed`; `conflict`; those of a call to
/// Autotask, where the filters name what only Autotask knows.
pub async fn save_filters(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    of: (&PartnerId, &ConnectionId),
    if_match: Option<u64>,
    filters: Filters,
) -> Result<Saved> {
    let ask = Ask::new(ports, scope, actor, of).await?;
    let before = present(ports, scope, of.0, of.1).await?;
    check_version(if_match, before.v)?;
    let (checked, effect) = ask.check(&filters, &before).await?;
    let written = unless_overtaken!(if_match, ask.write(&checked, if_match).await)?;
    Ok(Saved { effect, warnings: checked.warnings, ..written })
}

/// What a look at filters needs.
struct Ask<'a> {
    ports: &'a Ports,
    scope: &'a Scope,
    actor: &'a Actor,
    connection: Versioned<Connection>,
    today: Date,
}

impl<'a> Ask<'a> {
    async fn new(
        ports: &'a Ports,
        scope: &'a Scope,
        actor: &'a Actor,
        (partner, id): (&PartnerId, &ConnectionId),
    ) -> Result<Ask<'a>> {
        let connection = load_connection(ports, scope, partner, id).await?;
        let key = Key::Settings(partner.clone(), id.clone());
        let settings = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
        let zone = settings.map(|found| found.value.settings).unwrap_or_default().zone();
        let today = ports.clock.now().to_zoned(zone).date();
        Ok(Ask { ports, scope, actor, connection, today })
    }

    async fn told(&self, error: autotask::Error) -> crate::problem::Error {
        tracing::warn!(connection.id = %self.connection.id, %error, "Autotask did not answer about filters");
        autotask_session::settle(self.ports, self.scope, self.actor, &self.connection, error).await
    }

    async fn first(&self) -> Result<bool> {
        let key = Key::FetchState(self.connection.partner.clone(), self.connection.id.clone());
        let progress = load::<Progress>(&*self.ports.storage, self.scope, &key).await?;
        Ok(progress.is_none_or(|progress| progress.checkpoint.is_none()))
    }

    /// Every refused field at once, or the filters as Autotask understands them, with what they do where it can be
    /// asked.
    async fn check(&self, filters: &Filters, before: &FiltersRecord) -> Result<(Checked, Option<Effect>)> {
        let mut errors = bounds(filters, self.today);
        let session = autotask_session::open_as(self.ports, self.scope, &self.connection, Mode::Interactive).await;
        let session = match session {
            Ok(session) => session,
            Err(error) => {
                return match refused(errors) {
                    Some(problem) => Err(problem.into()),
                    None if asks(filters) => Err(error),
                    None => Ok((plain(filters), None)),
                };
            }
        };
        let checked = match resolve(&session.client, filters).await {
            Ok(Ok(checked)) => Some(checked),
            Ok(Err(more)) => {
                add(&mut errors, more);
                None
            }
            Err(error) => {
                session.close().await;
                return Err(self.told(error).await);
            }
        };
        let (Some(checked), None) = (checked, refused(errors.clone())) else {
            session.close().await;
            let problem = refused(errors).map(crate::problem::Error::from);
            return Err(problem.unwrap_or_else(crate::connections::conflict));
        };
        let next = checked.record(&self.connection.partner, &self.connection.id, self.ports.clock.now());
        let counted = effect(&session.client, before, &next, self.first().await?).await;
        session.close().await;
        let counted = counted.inspect_err(|error| {
            tracing::warn!(connection.id = %self.connection.id, %error, "what filters do could not be counted");
        });
        Ok((checked, counted.ok()))
    }

    async fn preview(&self, session: &Session, filters: &Filters) -> Result<Previewed> {
        let (partner, id) = (&self.connection.partner, &self.connection.id);
        let checked = match resolve(&session.client, filters).await {
            Ok(Ok(checked)) => checked,
            Ok(Err(errors)) => {
                let problem = refused(errors).map(crate::problem::Error::from);
                return Err(problem.unwrap_or_else(crate::connections::conflict));
            }
            Err(error) => return Err(self.told(error).await),
        };
        let before = present(self.ports, self.scope, partner, id).await?;
        let next = checked.record(partner, id, self.ports.clock.now());
        let effect = match effect(&session.client, &before, &next, self.first().await?).await {
            Ok(effect) => effect,
            Err(error) => return Err(self.told(error).await),
        };
        let import = step(&before, &next) == Step::Import;
        Ok(Previewed { filters: next.filters, import, effect, warnings: checked.warnings })
    }

    /// One attempt.
    async fn write(&self, checked: &Checked, if_match: Option<u64>) -> Result<Saved> {
        let (ports, scope) = (self.ports, self.scope);
        let (partner, id) = (&self.connection.partner, &self.connection.id);
        let before = present(ports, scope, partner, id).await?;
        check_version(if_match, before.v)?;
        let now = ports.clock.now();
        let next = checked.record(partner, id, now);
        let saved = |record, changed, import| Saved { record, changed, import, effect: None, warnings: Vec::new() };
        let same = FiltersRecord { changed_at: before.changed_at, ..next.clone() } == before.value;
        if same {
            return Ok(saved(before, false, false));
        }
        let step = step(&before, &next);
        let expect = if before.v == 0 { Expect::Absent } else { Expect::Version(before.v) };
        let mut change = Change::of_connection(ports, self.actor, partner, id)
            .write(Write::put(&next, expect)?)
            .audit("filters.saved", "filters", shown(&before), shown(&next))?;
        if step != Step::None {
            change = self.ask_for(change, step).await?;
        }
        change.commit(scope).await?;
        Ok(saved(Versioned { v: before.v + 1, value: next }, true, step == Step::Import))
    }

    /// Has the next tick read what is wanted.
    async fn ask_for<'c>(&self, mut change: Change<'c>, step: Step) -> Result<Change<'c>> {
        let (ports, scope) = (self.ports, self.scope);
        let (partner, id) = (&self.connection.partner, &self.connection.id);
        let now = ports.clock.now();
        let key = Key::FetchState(partner.clone(), id.clone());
        let found = load::<Progress>(&*ports.storage, scope, &key).await?;
        let expect = found.as_ref().map_or(Expect::Absent, |found| Expect::Version(found.v));
        let mut progress = found.map_or_else(|| Progress::new(partner, id), |found| found.value);
        match step {
            Step::Import => progress.import_wanted_at = Some(Wanted::mark(progress.import_wanted_at, now)),
            Step::Customers | Step::None => {
                progress.customers_wanted_at = Some(Wanted::mark(progress.customers_wanted_at, now));
            }
        }
        change = change.write(Write::put(&progress, expect)?);
        let row = Schedule {
            partner: partner.clone(),
            connection: id.clone(),
            job: INVOICE_FETCH_JOB.to_owned(),
            due_at: now,
        };
        // Absent while the feature is off: it comes due at once when that is switched on.
        let present = load::<Schedule>(&*ports.storage, scope, &row.key()).await?;
        if let Some(present) = present.filter(|present| present.due_at > now) {
            change = change.replace(&row, present.v)?;
        }
        Ok(change)
    }
}

/// Adds refusals of fields that are not refused yet.
fn add(errors: &mut Vec<FieldError>, more: Vec<FieldError>) {
    for error in more {
        if !errors.iter().any(|known| known.pointer == error.pointer) {
            errors.push(error);
        }
    }
}

fn shown(of: &FiltersRecord) -> Value {
    json!(of.filters)
}
