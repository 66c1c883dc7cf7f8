//! Loads theirs: units rows in batches with few fields; contracts and lines only where a row is missing.

use crate::ids::{LineKind, LineRef};
use autotask::{
    Client, Contract, ContractService, ContractServiceBundle, ContractServiceBundleUnit, ContractServiceUnit,
    ContractType, Entity, Filter, Id, Service, ServiceBundle, metadata::UserAccess,
};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// How far a date-only value may lie before its own midnight in UTC: the easternmost zone is 14 hours ahead.
const EASTERNMOST: SignedDuration = SignedDuration::from_hours(14);
/// How long after midnight in UTC a day begins in the last zone.
const WESTERNMOST: SignedDuration = SignedDuration::from_hours(12);

/// A row of units as the calendar has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Autotask's id of the row.
    pub id: i64,
    /// The contract it is of.
    pub contract_id: Option<i64>,
    /// First day.
    pub start: Date,
    /// Last day.
    pub end: Date,
    /// Units.
    pub units: i64,
    /// Whether it is approved and posted.
    pub billed: bool,
}

/// A contract as far as a plan needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractFacts {
    /// `contractName`.
    pub name: String,
    /// Whether it is a recurring service contract.
    pub recurring: bool,
    /// First day.
    pub start: Option<Date>,
    /// Last day.
    pub end: Option<Date>,
    /// The contract that renews it; where it was only read, what `renewedContractID` says, which may be its forerunner.
    pub renewed_by: Option<i64>,
}

/// What the contract line itself says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFacts {
    /// The contract it is on.
    pub contract_id: i64,
    /// Cost of one unit, where readable.
    pub unit_cost: Option<Decimal>,
    /// Price of one unit, where readable.
    pub unit_price: Option<Decimal>,
}

/// What was read of Autotask.
#[derive(Debug, Default)]
pub struct Theirs {
    /// Before the reading of rows began.
    pub seen_at: Timestamp,
    /// Rows per line.
    pub rows: BTreeMap<LineRef, Vec<Row>>,
    /// The date at which the rows of all lines were read; none where only what is asked for was read.
    pub read_at: Option<Date>,
    /// Other dates at which a line's rows were read.
    pub read_on: BTreeSet<(LineRef, Date)>,
    /// From which day on a line's rows were read, beyond those that cover the run's date.
    pub read_from: BTreeMap<LineRef, Date>,
    /// Lines that we added to a contract and have not given any units: nothing is hidden of them.
    pub fresh: BTreeSet<LineRef>,
    /// Whether a row of a period that has not begun everywhere was read: Autotask then shows rows ahead.
    pub rows_ahead: bool,
    /// Contracts that were asked for and found.
    pub contracts: BTreeMap<i64, ContractFacts>,
    /// Whether the API user may read contracts, where that was asked for.
    pub contracts_readable: Option<bool>,
    /// Lines that were asked for and found.
    pub lines: BTreeMap<LineRef, LineFacts>,
    /// Prices in the catalogue of what is to be added, by service or bundle, named like a line by its id.
    pub prices: BTreeMap<LineRef, Decimal>,
    /// Whether the API user may read lines of a kind, where that was asked for.
    pub lines_readable: BTreeMap<LineKind, bool>,
    /// Whether the API user may read units of a kind, where that was asked for.
    pub units_readable: BTreeMap<LineKind, bool>,
}

impl Theirs {
    /// The row of a line that covers a date; of several the one that starts last.
    #[must_use]
    pub fn row_at(&self, line: LineRef, date: Date) -> Option<&Row> {
        let rows = self.rows.get(&line)?;
        rows.iter().filter(|row| row.start <= date && date <= row.end).max_by_key(|row| (row.start, row.id))
    }

    /// The contract that a line stands on, by what was read; none where the line was not seen.
    #[must_use]
    pub fn contract_of(&self, line: LineRef) -> Option<i64> {
        let by_row = self.rows.get(&line).and_then(|rows| rows.iter().find_map(|row| row.contract_id));
        by_row.or_else(|| self.lines.get(&line).map(|facts| facts.contract_id))
    }

    /// Adds rows, each once.
    pub fn add_rows(&mut self, rows: BTreeMap<LineRef, Vec<Row>>) {
        let begun = self.begun_everywhere();
        for (line, rows) in rows {
            let known = self.rows.entry(line).or_default();
            for row in rows {
                self.rows_ahead |= row.start > begun;
                if !known.iter().any(|other| other.id == row.id) {
                    known.push(row);
                }
            }
        }
    }

    /// Whether a line's rows at a date were asked for, over and above the run's own date.
    #[must_use]
    pub fn was_read(&self, line: LineRef, date: Date) -> bool {
        self.read_from.get(&line).is_some_and(|from| *from <= date) || self.read_on.contains(&(line, date))
    }

    /// Units at a date. Without a row they are 0 only where the line was read on a contract that covers the date, and
    /// where a row would be shown.
    #[must_use]
    pub fn units_at(&self, line: LineRef, date: Date) -> Option<i64> {
        if let Some(row) = self.row_at(line, date) {
            return Some(row.units);
        }
        // Rows of a date that nobody asked for are not missing.
        if self.read_at.is_some_and(|read| read != date) && !self.was_read(line, date) {
            return None;
        }
        let contract = self.contracts.get(&self.lines.get(&line)?.contract_id)?;
        let begun = contract.start.is_none_or(|start| start <= date);
        let running = contract.end.is_none_or(|end| date <= end);
        let readable = self.units_readable.get(&line.kind) == Some(&true);
        let shown = self.would_show(date) || (self.fresh.contains(&line) && !self.rows.contains_key(&line));
        (contract.recurring && begun && running && readable && shown).then_some(0)
    }

    /// Whether a row at a date would be shown if there were one. Nobody knows whether Autotask shows rows of periods
    /// that have not begun: to take such a row's absence for "no units" could bill everything twice.
    #[must_use]
    pub fn would_show(&self, date: Date) -> bool {
        self.rows_ahead || date <= self.begun_everywhere()
    }

    /// The newest day that has begun in every zone when reading began.
    fn begun_everywhere(&self) -> Date {
        let latest = self.seen_at.checked_sub(WESTERNMOST).unwrap_or(Timestamp::MIN);
        latest.to_zoned(TimeZone::UTC).date()
    }
}

/// Reads the rows that cover `date` for these lines.
pub async fn rows(
    client: &Client,
    zone: &TimeZone,
    lines: &BTreeSet<LineRef>,
    date: Date,
) -> autotask::Result<BTreeMap<LineRef, Vec<Row>>> {
    rows_between(client, zone, lines, (date, date)).await
}

/// Lines and dates that one query of a span reads without a second page: every line has a row for each of its dates.
const SPAN_ROWS_MAX: usize = 450;
/// Longest span that is read at once, in days: of months in between there are rows, too.
const SPAN_DAYS_MAX: i32 = 62;

/// Reads the rows that cover each of these dates for its lines: in one query where that is no more to read.
pub async fn rows_at(
    client: &Client,
    zone: &TimeZone,
    by_date: BTreeMap<Date, BTreeSet<LineRef>>,
) -> autotask::Result<BTreeMap<LineRef, Vec<Row>>> {
    let by_date: BTreeMap<Date, BTreeSet<LineRef>> =
        by_date.into_iter().filter(|(_, lines)| !lines.is_empty()).collect();
    let all: BTreeSet<LineRef> = by_date.values().flatten().copied().collect();
    let (Some(first), Some(last)) = (by_date.keys().next().copied(), by_date.keys().last().copied()) else {
        return Ok(BTreeMap::new());
    };
    let near = first.until(last).is_ok_and(|span| span.get_days() <= SPAN_DAYS_MAX);
    if near && all.len() * (by_date.len() + 1) <= SPAN_ROWS_MAX {
        return rows_between(client, zone, &all, (first, last)).await;
    }
    let mut found: BTreeMap<LineRef, Vec<Row>> = BTreeMap::new();
    for (date, lines) in by_date {
        for (line, rows) in self::rows(client, zone, &lines, date).await? {
            found.entry(line).or_default().extend(rows);
        }
    }
    Ok(found)
}

/// Reads the rows that cover any day of a span, first and last included, for these lines.
pub async fn rows_between(
    client: &Client,
    zone: &TimeZone,
    lines: &BTreeSet<LineRef>,
    span: (Date, Date),
) -> autotask::Result<BTreeMap<LineRef, Vec<Row>>> {
    let mut found: BTreeMap<LineRef, Vec<Row>> = BTreeMap::new();
    let services: Vec<i64> = ids_of(lines, LineKind::Service);
    if !services.is_empty() {
        let query = client.query::<ContractServiceUnit>().any_of("contractServiceID", services);
        let query = query.filter(covering(span)).include(ContractServiceUnit::PERIOD_FIELDS);
        for row in query.all().await? {
            let line = row.contract_service_id.map(|id| LineRef::service(id.get()));
            let ids = (row.id.get(), row.contract_id.map(Id::get));
            let parts = (ids, row.units, row.start_date, row.end_date, row.approve_and_post_date.is_some());
            keep(&mut found, zone, line, parts);
        }
    }
    let bundles: Vec<i64> = ids_of(lines, LineKind::Bundle);
    if !bundles.is_empty() {
        let query = client.query::<ContractServiceBundleUnit>().any_of("contractServiceBundleID", bundles);
        let query = query.filter(covering(span)).include(ContractServiceBundleUnit::PERIOD_FIELDS);
        for row in query.all().await? {
            let line = row.contract_service_bundle_id.map(|id| LineRef::bundle(id.get()));
            let ids = (row.id.get(), row.contract_id.map(Id::get));
            let parts = (ids, row.units, row.start_date, row.end_date, row.approve_and_post_date.is_some());
            keep(&mut found, zone, line, parts);
        }
    }
    Ok(found)
}

type RowParts = ((i64, Option<i64>), Option<i64>, Option<autotask::DateValue>, Option<autotask::DateValue>, bool);

fn keep(found: &mut BTreeMap<LineRef, Vec<Row>>, zone: &TimeZone, line: Option<LineRef>, parts: RowParts) {
    // A row without its line, dates or units says nothing.
    if let (Some(line), ((id, contract_id), Some(units), Some(start), Some(end), billed)) = (line, parts) {
        let (start, end) = (start.calendar_date(zone), end.calendar_date(zone));
        let row = Row { id, contract_id, start, end, units, billed };
        found.entry(line).or_default().push(row);
    }
}

/// Rows that may cover a day of a span: their dates are instants whose calendar day only the code can tell.
fn covering((first, last): (Date, Date)) -> Filter {
    let day = first.at(0, 0, 0, 0);
    let end_of_day = last.at(23, 59, 59, 0);
    let earliest_end = day.checked_sub(EASTERNMOST).unwrap_or(day);
    Filter::lte("startDate", format!("{end_of_day}Z")).and(Filter::gte("endDate", format!("{earliest_end}Z")))
}

fn ids_of(lines: &BTreeSet<LineRef>, kind: LineKind) -> Vec<i64> {
    lines.iter().filter(|line| line.kind == kind).map(|line| line.id).collect()
}

/// Reads contracts by id.
pub async fn contracts(
    client: &Client,
    zone: &TimeZone,
    ids: &BTreeSet<i64>,
) -> autotask::Result<BTreeMap<i64, ContractFacts>> {
    let rows = client
        .query::<Contract>()
        .any_of("id", ids.iter().copied())
        .include(&["id", "contractName", "contractType", "startDate", "endDate", "renewedContractID"])
        .all()
        .await?;
    let facts = rows.into_iter().map(|row| {
        let facts = ContractFacts {
            name: row.contract_name.unwrap_or_default(),
            recurring: row.contract_type == Some(ContractType::RecurringService),
            start: row.start_date.map(|date| date.calendar_date(zone)),
            end: row.end_date.map(|date| date.calendar_date(zone)),
            renewed_by: row.renewed_contract_id.map(Id::get),
        };
        (row.id.get(), facts)
    });
    Ok(facts.collect())
}

/// The successor of each of these ended contracts, where there is one. The pointer is met in either direction,
/// so that what it leads to, or comes from, is the successor only if it begins later.
pub async fn successors(
    client: &Client,
    zone: &TimeZone,
    ended: &BTreeMap<i64, ContractFacts>,
) -> autotask::Result<BTreeMap<i64, i64>> {
    let fields = &["id", "startDate", "renewedContractID"];
    let query = client.query::<Contract>().any_of("renewedContractID", ended.keys().copied());
    let mut rows = query.include(fields).all().await?;
    let named: BTreeSet<i64> = ended.values().filter_map(|facts| facts.renewed_by).collect();
    if !named.is_empty() {
        rows.extend(client.query::<Contract>().any_of("id", named).include(fields).all().await?);
    }
    let mut found = BTreeMap::new();
    for (id, facts) in ended {
        let linked = rows.iter().filter(|row| {
            facts.renewed_by == Some(row.id.get()) || row.renewed_contract_id.is_some_and(|other| other.get() == *id)
        });
        let later = linked.filter(|row| row.start_date.map(|date| date.calendar_date(zone)) > facts.start);
        if let Some(next) = later.max_by_key(|row| (row.start_date, row.id.get())) {
            found.insert(*id, next.id.get());
        }
    }
    Ok(found)
}

/// Reads lines by id: whether they are there, on which contract, with cost and price where readable.
pub async fn lines(client: &Client, lines: &BTreeSet<LineRef>) -> autotask::Result<BTreeMap<LineRef, LineFacts>> {
    let mut found = BTreeMap::new();
    let services = ids_of(lines, LineKind::Service);
    if !services.is_empty() {
        let query = client.query::<ContractService>().any_of("id", services);
        for row in query.include(&["id", "contractID", "unitCost", "unitPrice"]).all().await? {
            let contract_id = row.contract_id.map_or(0, Id::get);
            let facts = LineFacts { contract_id, unit_cost: row.unit_cost, unit_price: row.unit_price };
            found.insert(LineRef::service(row.id.get()), facts);
        }
    }
    let bundles = ids_of(lines, LineKind::Bundle);
    if !bundles.is_empty() {
        let query = client.query::<ContractServiceBundle>().any_of("id", bundles);
        for row in query.include(&["id", "contractID", "unitPrice"]).all().await? {
            let contract_id = row.contract_id.map_or(0, Id::get);
            let facts = LineFacts { contract_id, unit_cost: None, unit_price: row.unit_price };
            found.insert(LineRef::bundle(row.id.get()), facts);
        }
    }
    Ok(found)
}

/// Reads the catalogue's prices of services and bundles, named like lines by their ids; of those whose price this user
/// can read.
pub async fn prices(client: &Client, of: &BTreeSet<LineRef>) -> autotask::Result<BTreeMap<LineRef, Decimal>> {
    let mut found = BTreeMap::new();
    let services = ids_of(of, LineKind::Service);
    if !services.is_empty() {
        let query = client.query::<Service>().any_of("id", services).include(&["id", "unitPrice"]);
        let priced = |row: Service| Some((LineRef::service(row.id.get()), row.unit_price?));
        found.extend(query.all().await?.into_iter().filter_map(priced));
    }
    let bundles = ids_of(of, LineKind::Bundle);
    if !bundles.is_empty() {
        let query = client.query::<ServiceBundle>().any_of("id", bundles).include(&["id", "unitPrice"]);
        let priced = |row: ServiceBundle| Some((LineRef::bundle(row.id.get()), row.unit_price?));
        found.extend(query.all().await?.into_iter().filter_map(priced));
    }
    Ok(found)
}

/// A contract's lines of some services: each with its contract and service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which line.
    pub line: LineRef,
    /// `Contracts.id`.
    pub contract: i64,
    /// `Services.id` or `ServiceBundles.id`.
    pub service: i64,
    /// What the line says.
    pub facts: LineFacts,
}

/// Reads the lines of these services or bundles on these contracts.
pub async fn lines_on(
    client: &Client,
    kind: LineKind,
    contracts: &BTreeSet<i64>,
    services: &BTreeSet<i64>,
) -> autotask::Result<Vec<Found>> {
    let mut found = Vec::new();
    let (contracts, services) = (contracts.iter().copied(), services.iter().copied());
    match kind {
        LineKind::Service => {
            let query = client.query::<ContractService>().any_of("contractID", contracts);
            let query = query.any_of("serviceID", services);
            for row in query.include(&["id", "contractID", "serviceID", "unitCost", "unitPrice"]).all().await? {
                let contract = row.contract_id.map_or(0, Id::get);
                let facts = LineFacts { contract_id: contract, unit_cost: row.unit_cost, unit_price: row.unit_price };
                let service = row.service_id.map_or(0, Id::get);
                found.push(Found { line: LineRef::service(row.id.get()), contract, service, facts });
            }
        }
        LineKind::Bundle => {
            let query = client.query::<ContractServiceBundle>().any_of("contractID", contracts);
            let query = query.any_of("serviceBundleID", services);
            for row in query.include(&["id", "contractID", "serviceBundleID", "unitPrice"]).all().await? {
                let contract = row.contract_id.map_or(0, Id::get);
                let facts = LineFacts { contract_id: contract, unit_cost: None, unit_price: row.unit_price };
                let service = row.service_bundle_id.map_or(0, Id::get);
                found.push(Found { line: LineRef::bundle(row.id.get()), contract, service, facts });
            }
        }
    }
    Ok(found)
}

/// Whether the API user may read units of a kind at all: restricted rights give empty lists, not errors.
pub async fn units_readable(client: &Client, kind: LineKind) -> autotask::Result<bool> {
    match kind {
        LineKind::Service => readable::<ContractServiceUnit>(client).await,
        LineKind::Bundle => readable::<ContractServiceBundleUnit>(client).await,
    }
}

/// The same for contract lines.
pub async fn lines_readable(client: &Client, kind: LineKind) -> autotask::Result<bool> {
    match kind {
        LineKind::Service => readable::<ContractService>(client).await,
        LineKind::Bundle => readable::<ContractServiceBundle>(client).await,
    }
}

/// The same for contracts.
pub async fn contracts_readable(client: &Client) -> autotask::Result<bool> {
    readable::<Contract>(client).await
}

async fn readable<E: Entity>(client: &Client) -> autotask::Result<bool> {
    let info = client.entity_information::<E>().await?;
    Ok(info.can_query != Some(false) && matches!(info.user_access_for_query, None | Some(UserAccess::All)))
}
