//! The vendor's board: every connection of every partner, how it stands and how it went last. For support, who do not
//! know yet whose client somebody calls about.

use crate::actor::Scope;
use crate::connections::{Connection, ConnectionStatus};
use crate::ids::{AccountId, PartnerId};
use crate::invoices::fetch::{FetchKind, Last, Progress};
use crate::issues::Issue;
use crate::mappings::{Mapping, MappingStatus};
use crate::ports::{Order, PageRequest, Ports, Read};
use crate::problem::Result;
use crate::records::{Collection, Key, SHARDS, Versioned, load, load_all, load_page};
use crate::runs::{self, LineState, Run, RunKind, RunMode};
use crate::vendor::{Account, Partner};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Connections that one request looks at: each costs a handful of reads, with a client's name all of its partner's
/// accounts.
const LOOKED_AT_MAX: u32 = 400;
/// Rows that are made at once.
const AT_ONCE: usize = 8;
/// Newest runs among which the last of each kind is looked for.
const RUNS_LOOKED_AT: u32 = 50;
/// Most clients that are shown of a partner.
pub const CLIENTS_MAX: usize = 20;

/// Which connections.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BoardFilter {
    /// Of this partner.
    pub partner: Option<PartnerId>,
    /// In this state.
    pub status: Option<ConnectionStatus>,
    /// With a client whose name, or whose company's name, holds this; whatever its case.
    pub client: Option<String>,
    /// The day that the clients' lines are looked for.
    pub date: Option<Date>,
}

/// A place on the board: where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    shard: u8,
    token: Option<String>,
}

/// A client that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The vendor's account.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// `Companies.id` and name, where it is mapped.
    pub company: Option<(i64, String)>,
    /// Where its mapping stands; none: it has none.
    pub mapping: Option<MappingStatus>,
}

/// What runs did about the clients on the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Day {
    /// Lines.
    pub lines: usize,
    /// Of these, failed, held or unverified.
    pub troubled: usize,
    /// Whether there were more than are looked at.
    pub truncated: bool,
}

/// A connection on the board.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its record.
    pub connection: Connection,
    /// The partner's record; none where only its own people have named it.
    pub partner: Option<Partner>,
    /// Issues at which somebody should look.
    pub issues: usize,
    /// The newest seat sync that was to write.
    pub seat_sync: Option<Run>,
    /// The newest initial sync or run of package changes that was to write.
    pub packages: Option<Run>,
    /// How the newest fetch of invoices ended, whatever its kind.
    pub invoices: Option<(FetchKind, Last)>,
    /// The clients that were looked for, at most [`CLIENTS_MAX`].
    pub clients: Vec<Client>,
    /// Their lines of the day, where a day was given.
    pub day: Option<Day>,
}

impl Row {
    /// Held lines of the newest seat sync.
    #[must_use]
    pub fn held(&self) -> u32 {
        self.seat_sync.as_ref().map_or(0, |run| run.totals.held)
    }
}

/// A page of the board. With a filter it may be short, or empty, and not the last.
///
/// # Errors
/// Storage.
pub async fn board(
    ports: &Ports,
    scope: &Scope,
    filter: &BoardFilter,
    limit: u32,
    after: Option<After>,
) -> Result<(Vec<Row>, Option<After>)> {
    let mut at = Some(after.unwrap_or(After { shard: 0, token: None }));
    let (mut rows, mut looked_at) = (Vec::new(), 0);
    while let Some(After { shard, token }) =
        at.take_if(|_| rows.len() < usize::try_from(limit).unwrap_or(usize::MAX) && looked_at < LOOKED_AT_MAX)
    {
        let left = limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(limit));
        let of = match &filter.partner {
            Some(partner) => Collection::Connections(partner.clone()),
            None => Collection::Board(shard),
        };
        let page = PageRequest { limit: left, after: token, order: Order::Ascending, read: Read::Eventual };
        let (found, next) = load_page::<Connection>(&*ports.storage, scope, &of, page).await?;
        looked_at += u32::try_from(found.len()).unwrap_or(left);
        rows.extend(rows_of(ports, scope, filter, found).await?);
        at = match next {
            Some(token) => Some(After { shard, token: Some(token) }),
            None if filter.partner.is_none() && shard + 1 < SHARDS => Some(After { shard: shard + 1, token: None }),
            None => None,
        };
    }
    Ok((rows, at))
}

async fn rows_of(
    ports: &Ports,
    scope: &Scope,
    filter: &BoardFilter,
    found: Vec<Versioned<Connection>>,
) -> Result<Vec<Row>> {
    let fit = found.into_iter().map(|found| found.value);
    let fit = fit.filter(|connection| filter.status.is_none_or(|status| connection.status == status));
    let rows = stream::iter(fit.map(|connection| row(ports, scope, filter, connection)));
    let rows: Vec<Option<Row>> = rows.buffered(AT_ONCE).try_collect().await?;
    Ok(rows.into_iter().flatten().collect())
}

/// A connection's row; none where the client that is looked for is not its partner's.
async fn row(ports: &Ports, scope: &Scope, filter: &BoardFilter, connection: Connection) -> Result<Option<Row>> {
    let (partner, id) = (connection.partner.clone(), connection.id.clone());
    let storage = &*ports.storage;
    let clients = match &filter.client {
        Some(client) => clients(ports, scope, &connection, client).await?,
        None => Vec::new(),
    };
    if filter.client.is_some() && clients.is_empty() {
        return Ok(None);
    }
    let day = match (&filter.client, filter.date) {
        (Some(client), Some(date)) => Some(day(ports, scope, &connection, client, date).await?),
        _ => None,
    };
    let of = Collection::Issues(partner.clone(), id.clone());
    let issues = load_all::<Issue>(storage, scope, &of, Read::Eventual).await?;
    let of = Collection::Runs(partner.clone(), id.clone());
    let page = PageRequest { limit: RUNS_LOOKED_AT, after: None, order: Order::Descending, read: Read::Eventual };
    let (runs, _) = load_page::<Run>(storage, scope, &of, page).await?;
    let newest = |kinds: &[RunKind]| {
        let fits = |run: &&Versioned<Run>| kinds.contains(&run.kind) && run.mode == RunMode::Apply;
        runs.iter().find(fits).map(|run| run.value.clone())
    };
    let progress = load::<Progress>(storage, scope, &Key::FetchState(partner.clone(), id)).await?;
    let last = progress.map(|found| found.value.last).unwrap_or_default();
    Ok(Some(Row {
        partner: load::<Partner>(storage, scope, &Key::Partner(partner)).await?.map(|found| found.value),
        issues: issues.iter().filter(|issue| issue.is_active()).count(),
        seat_sync: newest(&[RunKind::SeatSync]),
        packages: newest(&[RunKind::Initial, RunKind::PackageChanges]),
        invoices: last.into_iter().max_by_key(|(_, last)| last.ended_at),
        connection,
        clients,
        day,
    }))
}

/// The partner's accounts that are named so, or whose company is.
async fn clients(ports: &Ports, scope: &Scope, connection: &Connection, client: &str) -> Result<Vec<Client>> {
    let of = Collection::Accounts(connection.partner.clone());
    let accounts = load_all::<Account>(&*ports.storage, scope, &of, Read::Eventual).await?;
    let of = Collection::Mappings(connection.partner.clone(), connection.id.clone());
    let mappings = load_all::<Mapping>(&*ports.storage, scope, &of, Read::Eventual).await?;
    let mut mappings: BTreeMap<AccountId, Mapping> =
        mappings.into_iter().map(|found| (found.account.clone(), found.value)).collect();
    let client = client.to_lowercase();
    let named = |text: &str| text.to_lowercase().contains(&client);
    let mut found = Vec::new();
    for account in accounts {
        let mapping = mappings.remove(&account.id);
        let status = mapping.as_ref().map(|mapping| mapping.status);
        let company = mapping.and_then(|mapping| mapping.company).map(|company| (company.id, company.name));
        if named(&account.name) || company.as_ref().is_some_and(|(_, name)| named(name)) {
            let Account { id, name, .. } = account.value;
            found.push(Client { account: id, name, company, mapping: status });
        }
    }
    found.truncate(CLIENTS_MAX);
    Ok(found)
}

/// What runs of the connection did about such clients on a day.
async fn day(ports: &Ports, scope: &Scope, connection: &Connection, client: &str, date: Date) -> Result<Day> {
    let found = runs::search_lines(ports, scope, &connection.partner, client, date).await?;
    let own: Vec<_> = found.lines.iter().filter(|found| found.run.connection == connection.id).collect();
    let troubled = |state| matches!(state, LineState::Failed | LineState::Held | LineState::Unverified);
    let troubled = own.iter().filter(|found| troubled(found.line.state)).count();
    Ok(Day { lines: own.len(), troubled, truncated: found.truncated })
}
