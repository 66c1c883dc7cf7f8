//! Reading runs and their lines.

use super::{LineState, Run, RunKind, RunLine, RunState, lines};
use crate::actor::Scope;
use crate::connections::settings::SettingsRecord;
use crate::connections::{Connection, load_connection};
use crate::ids::{AccountId, ConnectionId, PartnerId, RunId};
use crate::ports::{Order, PageRequest, Ports, Read};
use crate::problem::{Error, Result};
use crate::records::{Collection, Key, Versioned, load, load_all, load_page};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

/// Pages of storage that one filtered page of runs may read: a filter that fits rarely gives a short page and a
/// cursor rather than a slow answer.
const PAGES_MAX: u32 = 20;
/// Runs that are read at once when a filter or a date is looked for.
const RUNS_AT_ONCE: u32 = 100;
/// Runs of one connection that a search by date looks into, newest first: two a day for a month, with room.
const SEARCH_RUNS_MAX: usize = 100;
/// Lines that a search finds; a client has a handful on one day.
pub const FOUND_MAX: usize = 200;
/// How many days before its date a run may have been started: effective dates reach to the end of the next month.
const AHEAD_DAYS_MAX: i32 = 62;

/// Which runs are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only this kind.
    pub kind: Option<RunKind>,
    /// Only in this state.
    pub state: Option<RunState>,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineFilter {
    /// Only in this state.
    pub state: Option<LineState>,
    /// Only of this account.
    pub account: Option<AccountId>,
}

/// A line that a search found, with its run.
#[derive(Debug, Clone)]
pub struct FoundLine {
    /// The run.
    pub run: Run,
    /// The line.
    pub line: RunLine,
}

/// What a search found.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Lines, those of the newest run first.
    pub lines: Vec<FoundLine>,
    /// Whether there were more than [`FOUND_MAX`], or more runs than are looked into.
    pub truncated: bool,
}

/// Reads a run; one of another partner or connection does not exist.
///
/// # Errors
/// `not_found`.
pub async fn load_run(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    id: &RunId,
) -> Result<Versioned<Run>> {
    let key = Key::Run(partner.clone(), connection.clone(), id.clone());
    load::<Run>(&*ports.storage, scope, &key).await?.ok_or_else(|| Error::not_found("run"))
}

/// Reads a page of a connection's runs, newest first, with where the next one begins.
///
/// # Errors
/// `not_found` for a connection that is not there.
pub async fn list_runs(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    filter: RunFilter,
    limit: u32,
    mut after: Option<String>,
) -> Result<(Vec<Versioned<Run>>, Option<String>)> {
    load_connection(ports, scope, partner, connection).await?;
    let of = Collection::Runs(partner.clone(), connection.clone());
    let mut found = Vec::new();
    for _ in 0..PAGES_MAX {
        let left = limit - u32::try_from(found.len()).unwrap_or(limit).min(limit);
        if left == 0 {
            break;
        }
        let page = PageRequest { limit: left, after, order: Order::Descending, read: Read::Strong };
        let (runs, next) = load_page::<Run>(&*ports.storage, scope, &of, page).await?;
        found.extend(runs.into_iter().filter(|run| filter.admits(run)));
        after = next;
        if after.is_none() {
            break;
        }
    }
    Ok((found, after))
}

/// Reads the lines of a run that are wanted, in the plan's order.
///
/// # Errors
/// `not_found`.
pub async fn run_lines(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    id: &RunId,
    filter: &LineFilter,
) -> Result<(Run, Vec<RunLine>)> {
    let run = load_run(ports, scope, partner, connection, id).await?.value;
    let lines = lines::load_lines(ports, scope, partner, connection, id).await?;
    Ok((run, lines.into_iter().filter(|line| filter.admits(line)).collect()))
}

/// The estimate of what a run changes on the month's invoices: the sum of its lines' `invoice_change` that it changes
/// or would change; none where no line has one.
#[must_use]
pub fn invoice_change(lines: &[RunLine]) -> Option<Decimal> {
    let changed = lines.iter().filter(|line| matches!(line.state, LineState::Changed | LineState::Unverified));
    changed.filter_map(|line| line.invoice_change).reduce(|sum, change| sum + change)
}

/// Finds the lines of a client in the runs of a day: by a part of the account's or company's name, whatever its case,
/// and the day on which a run was started or due, or from which its units count, in the connection's zone.
///
/// # Errors
/// Storage.
pub async fn search_lines(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    client: &str,
    date: Date,
) -> Result<Search> {
    let of = Collection::Connections(partner.clone());
    let mut search = Search::default();
    for connection in load_all::<Connection>(&*ports.storage, scope, &of, Read::Eventual).await? {
        let key = Key::Settings(partner.clone(), connection.id.clone());
        let settings = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
        let zone = settings.map(|record| record.value.settings).unwrap_or_default().zone();
        let runs = runs_of_day(ports, scope, &connection, date, &zone, &mut search.truncated).await?;
        for run in runs {
            let lines = lines::load_lines(ports, scope, partner, &run.connection, &run.id).await?;
            let named = lines.into_iter().filter(|line| is_named(line, client));
            search.lines.extend(named.map(|line| FoundLine { run: run.clone(), line }));
        }
    }
    search.truncated |= search.lines.len() > FOUND_MAX;
    search.lines.truncate(FOUND_MAX);
    Ok(search)
}

async fn runs_of_day(
    ports: &Ports,
    scope: &Scope,
    connection: &Connection,
    date: Date,
    zone: &TimeZone,
    truncated: &mut bool,
) -> Result<Vec<Run>> {
    let of = Collection::Runs(connection.partner.clone(), connection.id.clone());
    let oldest = date.checked_sub(jiff::Span::new().days(AHEAD_DAYS_MAX)).unwrap_or(Date::MIN);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: RUNS_AT_ONCE, after, order: Order::Descending, read: Read::Eventual };
        let (runs, next) = load_page::<Run>(&*ports.storage, scope, &of, page).await?;
        let past = runs.last().is_some_and(|run| run.created_at.to_zoned(zone.clone()).date() < oldest);
        found.extend(runs.into_iter().map(|run| run.value).filter(|run| is_of_day(run, date, zone)));
        if found.len() > SEARCH_RUNS_MAX {
            *truncated = true;
            found.truncate(SEARCH_RUNS_MAX);
            return Ok(found);
        }
        match next {
            Some(token) if !past => after = Some(token),
            _ => return Ok(found),
        }
    }
}

fn is_of_day(run: &Run, date: Date, zone: &TimeZone) -> bool {
    let on = |at: jiff::Timestamp| at.to_zoned(zone.clone()).date() == date;
    on(run.created_at) || run.due_slot.is_some_and(on) || run.effective_date == Some(date)
}

fn is_named(line: &RunLine, client: &str) -> bool {
    let part = client.to_lowercase();
    let holds = |name: &str| name.to_lowercase().contains(&part);
    holds(&line.account_name) || line.company_name.as_deref().is_some_and(holds)
}

impl RunFilter {
    fn admits(&self, run: &Run) -> bool {
        self.kind.is_none_or(|kind| run.kind == kind) && self.state.is_none_or(|state| run.state == state)
    }
}

impl LineFilter {
    fn admits(&self, line: &RunLine) -> bool {
        self.state.is_none_or(|state| line.state == state)
            && self.account.as_ref().is_none_or(|account| line.account == *account)
    }
}
