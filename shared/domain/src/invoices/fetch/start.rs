//! Starting a fetch: claimed and remembered in one transaction, then a message.

use super::record::{Active, Counts, Fetch, FetchKind, FetchState, FetchTrigger, Progress, Step, Wanted};
use super::work::{FetchMessage, FetchRef};
use crate::actor::{Actor, Scope};
use crate::autotask_session::refuse_unless_connected;
use crate::change::{Change, conflict_as};
use crate::connections::settings::SettingsRecord;
use crate::connections::{Connection, Priority, Settings, load_connection};
use crate::ids::{ConnectionId, PartnerId, RunId};
use crate::invoices::FEATURE;
use crate::ports::Ports;
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Expect, Key, Versioned, Write, load};
use crate::vendor::{ManualLimits, VendorProfile};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::time::Duration;

/// How far the fetching of a connection has come.
///
/// # Errors
/// `not_found`.
pub async fn progress_of(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<Option<Versioned<Progress>>> {
    let key = Key::FetchState(partner.clone(), connection.clone());
    Ok(load::<Progress>(&*ports.storage, scope, &key).await?)
}

/// From when on the button of a kind may be pressed again; none: at once.
#[must_use]
pub fn next_allowed(progress: &Progress, kind: FetchKind, limits: ManualLimits, now: Timestamp) -> Option<Timestamp> {
    let (taken, minutes) = match kind {
        FetchKind::Import | FetchKind::New => (progress.fetch_new_at, limits.fetch_new_minutes),
        FetchKind::Open => (progress.fetch_unpaid_at, limits.fetch_unpaid_minutes),
    };
    taken.and_then(|at| at.checked_add(SignedDuration::from_mins(minutes)).ok()).filter(|next| *next > now)
}

/// A person presses *Fetch New Data* ([`FetchKind::New`]) or *Fetch Unpaid Invoices* ([`FetchKind::Open`]). Its turn is
/// taken with the claim, and given back where the fetch fails before its first page.
///
/// # Errors
/// `secondary_no_manual`; `rate_limited_manual` with `next_allowed_at`; `already_running` with `run_id`; what is wrong
/// with the connection.
pub async fn press(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    connection: &ConnectionId,
    kind: FetchKind,
) -> Result<Fetch> {
    let found = load_connection(ports, scope, partner, connection).await?;
    refuse_unless_connected(&found)?;
    if !found.has_feature(FEATURE) {
        return Err(Problem::new(Code::FeatureOff, "The feature `invoices` is off for this connection.").into());
    }
    if found.priority == Priority::Secondary {
        let words = "Autotask is this partner's second integration; the hourly and the daily fetch go on.";
        return Err(Error::problem(Code::SecondaryNoManual, words));
    }
    let present = progress_of(ports, scope, partner, connection).await?;
    let (expect, mut progress) = seen(present, partner, connection);
    let now = ports.clock.now();
    let limits = manual_limits(ports, scope).await?;
    if let Some(next) = next_allowed(&progress, kind, limits, now) {
        let seconds = u64::try_from(next.duration_since(now).as_secs()).unwrap_or(1).max(1);
        let words = format!("It was pressed less than the set time ago; the next press is taken at {next}.");
        let problem = Problem::new(Code::RateLimitedManual, words).with("next_allowed_at", next.to_string());
        return Err(problem.retry_after(seconds).into());
    }
    if let Some(active) = &progress.active {
        return Err(already_running(connection, active));
    }
    match kind {
        FetchKind::Open => progress.fetch_unpaid_at = Some(now),
        FetchKind::Import | FetchKind::New => progress.fetch_new_at = Some(now),
    }
    let settings = settings_of(ports, scope, &found).await?;
    let started = claim(ports, scope, actor, (expect, progress), &settings, (kind, FetchTrigger::Manual), None).await;
    let fetch = started.map_err(|error| match error {
        Error::Storage(error) => conflict_as(error, || {
            Error::problem(Code::Conflict, "Another fetch was started or ended at the same moment.")
        }),
        other => other,
    })?;
    FetchMessage::of(reference(&fetch)).send(ports, Duration::ZERO).await?;
    Ok(fetch)
}

/// How often the vendor lets partners fetch by hand.
pub(super) async fn manual_limits(ports: &Ports, scope: &Scope) -> Result<ManualLimits> {
    let profile = load::<VendorProfile>(&*ports.storage, scope, &Key::VendorProfile).await?;
    Ok(profile.map(|profile| profile.value.manual_limits).unwrap_or_default())
}

pub(super) fn reference(fetch: &Fetch) -> FetchRef {
    FetchRef { partner: fetch.partner.clone(), connection: fetch.connection.clone(), fetch: fetch.id.clone() }
}

fn already_running(connection: &ConnectionId, active: &Active) -> Error {
    let words = format!("A fetch ({}) is under way; it sees what you ask for.", active.kind.as_str());
    Problem::new(Code::AlreadyRunning, words)
        .with("run_id", active.id.to_string())
        .with("status_url", format!("/v1/connections/{connection}/sync-status"))
        .into()
}

/// The settings of a connection.
pub(super) async fn settings_of(ports: &Ports, scope: &Scope, connection: &Connection) -> Result<Settings> {
    let key = Key::Settings(connection.partner.clone(), connection.id.clone());
    let found = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
    Ok(found.map(|record| record.value.settings).unwrap_or_default())
}

/// The progress as seen, and what a write may rest on.
pub(super) fn seen(
    present: Option<Versioned<Progress>>,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> (Expect, Progress) {
    match present {
        Some(found) => (Expect::Version(found.v), found.value),
        None => (Expect::Absent, Progress::new(partner, connection)),
    }
}

/// Claims the connection for a new fetch, on condition that nobody else has; `with` goes into the same transaction. A
/// fetch of what is new becomes an import where one is wanted.
///
/// # Errors
/// A conflict where somebody else was faster.
pub(super) async fn claim(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (expect, mut progress): (Expect, Progress),
    settings: &Settings,
    (kind, trigger): (FetchKind, FetchTrigger),
    with: Option<Write>,
) -> Result<Fetch> {
    let import = progress.import_wanted_at.is_some() || progress.checkpoint.is_none();
    let kind = if kind == FetchKind::New && import { FetchKind::Import } else { kind };
    let id = RunId::new(ports.ids.uuid().to_string()).map_err(|_| Error::not_found("fetch"))?;
    let now = ports.clock.now();
    let wanted = Wanted { import: progress.import_wanted_at, customers: progress.customers_wanted_at };
    let since = progress.checkpoint.filter(|_| kind == FetchKind::New).map(|at| looked_back(at, settings));
    let fetch = Fetch {
        partner: progress.partner.clone(),
        connection: progress.connection.clone(),
        id: id.clone(),
        kind,
        trigger,
        who: actor.who.clone(),
        state: FetchState::Queued,
        step: first_step(kind, trigger, wanted),
        since,
        first_import: progress.checkpoint.is_none(),
        wanted,
        history_until: progress.first_import_at.or(progress.checkpoint.is_none().then_some(now)),
        backfill: Vec::new(),
        round: None,
        counts: Counts::default(),
        started_at: now,
        first_page_at: None,
        touched_at: now,
        worker: None,
        ended_at: None,
        problem: None,
    };
    progress.active = Some(Active { id, kind });
    let mut change = Change::of_connection(ports, actor, &fetch.partner, &fetch.connection)
        .create(&fetch)?
        .write(Write::put(&progress, expect)?);
    if trigger == FetchTrigger::Manual {
        let what = json!({"kind": kind.as_str(), "fetch": fetch.id});
        change = change.audit("invoices.fetch_started", "invoices", json!(null), what)?;
    }
    if let Some(write) = with {
        change = change.write(write);
    }
    change.commit(scope).await?;
    Ok(fetch)
}

/// Before the checkpoint by the overlap: what Autotask shows late is not lost, nor what an outage hid.
fn looked_back(checkpoint: Timestamp, settings: &Settings) -> Timestamp {
    let overlap = SignedDuration::from_hours(24 * settings.lookback_days);
    checkpoint.checked_sub(overlap).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn first_step(kind: FetchKind, trigger: FetchTrigger, wanted: Wanted) -> Step {
    match (kind, trigger) {
        (FetchKind::New, _) if wanted.customers.is_some() => Step::Customers { after: NONE_YET },
        (FetchKind::Import, _) | (FetchKind::Open, FetchTrigger::Schedule) => Step::Customers { after: NONE_YET },
        (FetchKind::New, _) => Step::ChangedCompanies { after: NONE_YET },
        (FetchKind::Open, FetchTrigger::Manual) => Step::Open { after: NONE_YET },
    }
}

/// Below every id of Autotask's; 0 is the tenant's own company.
pub(super) const NONE_YET: i64 = -1;
