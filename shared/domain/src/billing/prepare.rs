//! Loads ours and theirs and makes the plan: what both a preview and a run begin with.

use super::apply::{Applied, dates_of};
use super::creation::{self, Step};
use super::dating::day_of;
use super::decide::overwrites_cost;
use super::decisions;
use super::plan::{Frame, Plan, Planned, plan};
use super::reading::{self, Found, Theirs};
use super::sources::{self, Ours};
use super::targets::{Role, Target};
use crate::actor::Scope;
use crate::autotask_session::Session;
use crate::connections::Settings;
use crate::connections::settings::ManyAccounts;
use crate::ids::{AccountId, LineKind, LineRef};
use crate::mappings::LineHolder;
use crate::packages::counting::counting_month;
use crate::ports::Ports;
use crate::problem::{Error, Result};
use crate::runs::{LineState, Run, RunKind};
use crate::units::Want;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// How often rows of further dates are read and the plan is made again: the date of a change, that of the other line
/// of its swap, and a posted period after another.
const READINGS_MAX: u32 = 4;
/// How many months of rows are read from the date of a change on: enough to roll past what is posted.
const MONTHS_AHEAD: i32 = 2;

/// Ours, theirs, and the plan made of them.
pub(super) struct Prepared {
    pub ours: Ours,
    pub theirs: Theirs,
    pub plan: Plan,
    dates: Dates,
}

/// The run's dates: taken from its record, so that another invocation makes the same plan.
#[derive(Debug, Clone, Copy)]
struct Dates {
    date: Date,
    day: Date,
    now: Timestamp,
}

impl Prepared {
    /// What the protocol is to bring about.
    pub fn wants(&self) -> Vec<(LineRef, Want)> {
        let changing = self.plan.lines.iter().filter(|planned| planned.line.state == LineState::Changed);
        changing.filter_map(|planned| Some((planned.line.line?, planned.want.clone()?))).collect()
    }

    /// The same, and lines that are right already: their newer count has to be put on record.
    pub fn wants_and_right_ones(&self) -> Vec<(LineRef, Want)> {
        self.plan.lines.iter().filter_map(|planned| Some((planned.line.line?, planned.want.clone()?))).collect()
    }

    /// Lines that go down only after others are right, with those.
    pub fn after(&self) -> BTreeMap<LineRef, Vec<LineRef>> {
        let names: BTreeMap<_, _> =
            self.plan.lines.iter().filter_map(|planned| Some((planned.line.name(), planned.line.line?))).collect();
        let waits = self.plan.lines.iter().filter(|planned| !planned.after.is_empty());
        waits
            .filter_map(|planned| {
                let after = planned.after.iter().filter_map(|name| names.get(name).copied()).collect();
                Some((planned.line.line?, after))
            })
            .collect()
    }

    /// Lines with an open intent for which this run wants nothing, or nothing more.
    pub fn abandoned(&self, wanted: &BTreeSet<LineRef>, applied: &Applied) -> BTreeSet<LineRef> {
        let open = self.ours.ledger.iter().filter(|(_, ledger)| ledger.open.is_some()).map(|(line, _)| *line);
        let begun = |line: &LineRef| applied.verdicts.contains_key(line) || applied.waiting.contains_key(line);
        open.filter(|line| !begun(line) && (applied.cancelled || !wanted.contains(line))).collect()
    }

    /// The contract of each line: only lines that this run has seen may be written.
    pub fn contracts(&self) -> BTreeMap<LineRef, i64> {
        let lines = self.ours.targets.iter().filter_map(|target| target.line);
        lines.filter_map(|line| Some((line, self.theirs.contract_of(line)?))).collect()
    }

    /// Whether this run has already begun to write.
    pub fn begun(&self, run: &Run) -> bool {
        let units = self.ours.ledger.values().any(|ledger| ledger.begun_by(&run.id));
        let lines = self.ours.creations.values().any(|creation| {
            creation.run.as_ref() == Some(&run.id) || creation.open.as_ref().is_some_and(|open| open.run == run.id)
        });
        units || lines
    }

    /// Makes the plan again, with what is known by now.
    pub fn replan(&mut self, run: &Run, settings: &Settings) {
        let Dates { date, day, now } = self.dates;
        self.plan = plan(&self.ours, &self.theirs, &Frame { run, date, day, now, settings });
    }
}

pub(super) async fn prepare(
    ports: &Ports,
    scope: &Scope,
    session: &Session,
    run: &Run,
    settings: &Settings,
    with_prices: bool,
) -> Result<Prepared> {
    let zone = settings.zone();
    let now = ports.clock.now();
    let day = day_of(run.due_slot.unwrap_or(run.created_at), &zone);
    // What a package should have is compared with today's units; a count is for its month.
    let packages = matches!(run.kind, RunKind::Initial | RunKind::PackageChanges);
    let by_default = if packages { day } else { day.first_of_month() };
    let date = run.effective_date.unwrap_or(by_default);
    let ours = sources::load_ours(ports, scope, run, settings, counting_month(day)).await?;
    let theirs = Theirs { seen_at: now, read_at: Some(date), ..Theirs::default() };
    let mut prepared = Prepared { ours, theirs, plan: Plan::default(), dates: Dates { date, day, now } };
    let many = settings.topologies.many_accounts_per_company;
    let reader = Reader { session, zone: &zone, run, date, many };
    reader.look_for_lines(&mut prepared).await?;
    prepared.theirs.fresh = fresh(&prepared.ours);
    reader.rows(&mut prepared).await?;
    reader.missing(&mut prepared).await?;
    reader.costs(&mut prepared, settings, with_prices).await?;
    prepared.replan(run, settings);
    for _ in 0..READINGS_MAX {
        if !reader.further(&mut prepared).await? {
            break;
        }
        prepared.replan(run, settings);
    }
    Ok(prepared)
}

/// Reads of lines that were just added, or found, what the plan needs, and makes it again.
pub(super) async fn read_placed(
    session: &Session,
    run: &Run,
    settings: &Settings,
    prepared: &mut Prepared,
    lines: &BTreeSet<LineRef>,
) -> Result<()> {
    if !lines.is_empty() {
        let zone = settings.zone();
        let many = settings.topologies.many_accounts_per_company;
        let reader = Reader { session, zone: &zone, run, date: prepared.dates.date, many };
        let from = earliest(prepared, lines);
        reader.rows_from(&mut prepared.theirs, lines, from).await?;
        let found = reading::lines(&session.client, lines).await.map_err(reading_units)?;
        prepared.theirs.lines.extend(found);
        reader.units_rights(&mut prepared.theirs, lines).await?;
    }
    prepared.replan(run, settings);
    Ok(())
}

/// The earliest date that matters for these lines: the run's, or that of what was planned for them.
fn earliest(prepared: &Prepared, lines: &BTreeSet<LineRef>) -> Date {
    let planned = prepared.plan.lines.iter().filter(|planned| planned.place);
    let dates = planned.map(|planned| planned.line.effective_date).chain([prepared.dates.date]);
    if lines.is_empty() { prepared.dates.date } else { dates.min().unwrap_or(prepared.dates.date) }
}

struct Reader<'a> {
    session: &'a Session,
    zone: &'a TimeZone,
    run: &'a Run,
    date: Date,
    many: ManyAccounts,
}

impl Reader<'_> {
    /// Finds the lines that no mapping names on their contracts.
    async fn look_for_lines(&self, prepared: &mut Prepared) -> Result<()> {
        let unplaced: Vec<usize> = places(&prepared.ours, |target| target.line.is_none() && target.step.is_none());
        self.place(prepared, &unplaced).await
    }

    async fn place(&self, prepared: &mut Prepared, unplaced: &[usize]) -> Result<()> {
        if unplaced.is_empty() {
            return Ok(());
        }
        let client = &self.session.client;
        let mut found: Vec<Found> = Vec::new();
        for kind in [LineKind::Service, LineKind::Bundle] {
            let of_kind = || {
                let targets = unplaced.iter().map(|at| &prepared.ours.targets[*at]);
                targets.filter(move |target| target.service.kind == kind)
            };
            let contracts: BTreeSet<i64> = of_kind().map(|target| target.contract.id).collect();
            let services: BTreeSet<i64> = of_kind().map(|target| target.service.id).collect();
            if contracts.is_empty() {
                continue;
            }
            let lines = reading::lines_on(client, kind, &contracts, &services).await.map_err(reading_units)?;
            found.extend(lines);
            self.lines_rights(&mut prepared.theirs, kind).await?;
        }
        let contracts: BTreeSet<i64> = unplaced.iter().map(|at| prepared.ours.targets[*at].contract.id).collect();
        self.contracts(&mut prepared.theirs, &contracts).await?;
        for at in unplaced {
            let how = (prepared.theirs.seen_at, self.many);
            let step = step(&prepared.ours, &found, self.run, how, *at);
            let target = &mut prepared.ours.targets[*at];
            if let Step::Adopt(line) = &step {
                target.line = Some(*line);
                let facts = found.iter().find(|found| found.line == *line).map(|found| found.facts.clone());
                prepared.theirs.lines.extend(facts.map(|facts| (*line, facts)));
            }
            target.step = Some(step);
        }
        Ok(())
    }

    /// Contracts that are not known yet, each with its successor where it has ended.
    async fn contracts(&self, theirs: &mut Theirs, ids: &BTreeSet<i64>) -> Result<()> {
        let client = &self.session.client;
        let unknown: BTreeSet<i64> = ids.iter().copied().filter(|id| !theirs.contracts.contains_key(id)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let mut found = reading::contracts(client, self.zone, &unknown).await.map_err(reading_units)?;
        let mut ended = found.clone();
        ended.retain(|_, facts| facts.end.is_some_and(|end| end < self.date));
        if !ended.is_empty() {
            let next = reading::successors(client, self.zone, &ended).await.map_err(reading_units)?;
            for id in ended.keys() {
                if let Some(contract) = found.get_mut(id) {
                    contract.renewed_by = next.get(id).copied();
                }
            }
        }
        let gone = unknown.iter().any(|id| !found.contains_key(id));
        theirs.contracts.extend(found);
        if gone && theirs.contracts_readable.is_none() {
            theirs.contracts_readable = Some(reading::contracts_readable(client).await.map_err(reading_units)?);
        }
        Ok(())
    }

    /// Rows at the run's date for all lines; at other dates for the few lines with something open, owed or kept.
    async fn rows(&self, prepared: &mut Prepared) -> Result<()> {
        let ours = &prepared.ours;
        let lines: BTreeSet<LineRef> = ours.targets.iter().filter_map(|target| target.line).collect();
        let mut by_date: BTreeMap<Date, BTreeSet<LineRef>> = BTreeMap::new();
        by_date.insert(self.date, lines.clone());
        for (line, ledger) in &ours.ledger {
            let mapped = lines.contains(line);
            let unfinished = ledger.open.is_some() || ledger.owed.is_some();
            if mapped || unfinished {
                for other in dates_of(Some(&ledger.value), self.date) {
                    if other != self.date || unfinished {
                        by_date.entry(other).or_default().insert(*line);
                    }
                }
            }
        }
        for (date, lines) in &by_date {
            prepared.theirs.read_on.extend(lines.iter().map(|line| (*line, *date)));
        }
        let rows = reading::rows_at(&self.session.client, self.zone, by_date).await.map_err(reading_units)?;
        prepared.theirs.add_rows(rows);
        Ok(())
    }

    /// Where a row is missing: the line, its contract, the contract's successor, and the right to read units. A line
    /// that is gone and may be added again is looked for on its contract.
    async fn missing(&self, prepared: &mut Prepared) -> Result<()> {
        let lines = prepared.ours.targets.iter().filter_map(|target| target.line);
        let missing: BTreeSet<LineRef> =
            lines.filter(|line| prepared.theirs.row_at(*line, self.date).is_none()).collect();
        self.facts(prepared, &missing).await?;
        let may_add = matches!(self.run.kind, RunKind::Initial | RunKind::PackageChanges);
        let gone = |target: &Target, theirs: &Theirs| {
            target.step.is_none()
                && target.role == Role::Billed
                && target.line.is_some_and(|line| missing.contains(&line) && !theirs.lines.contains_key(&line))
                && theirs.lines_readable.get(&target.service.kind) == Some(&true)
        };
        let gone: Vec<usize> = places(&prepared.ours, |target| {
            may_add && is_packages(&prepared.ours, target) && gone(target, &prepared.theirs)
        });
        for at in &gone {
            prepared.ours.targets[*at].line = None;
        }
        self.place(prepared, &gone).await?;
        let found: BTreeSet<LineRef> = gone.iter().filter_map(|at| prepared.ours.targets[*at].line).collect();
        if !found.is_empty() {
            self.rows_from(&mut prepared.theirs, &found, self.date).await?;
        }
        Ok(())
    }

    /// What there is to know of lines without a row: themselves, their contracts, and whether they could be seen.
    async fn facts(&self, prepared: &mut Prepared, missing: &BTreeSet<LineRef>) -> Result<()> {
        if missing.is_empty() {
            return Ok(());
        }
        let client = &self.session.client;
        let (ours, theirs) = (&prepared.ours, &mut prepared.theirs);
        let of = |line: &LineRef| ours.targets.iter().find(|target| target.line == Some(*line));
        let unread: BTreeSet<LineRef> =
            missing.iter().copied().filter(|line| !theirs.lines.contains_key(line)).collect();
        if !unread.is_empty() {
            theirs.lines.extend(reading::lines(client, &unread).await.map_err(reading_units)?);
        }
        let mut contracts: BTreeSet<i64> = missing.iter().filter_map(|line| Some(of(line)?.contract.id)).collect();
        contracts.extend(missing.iter().filter_map(|line| Some(theirs.lines.get(line)?.contract_id)));
        self.contracts(theirs, &contracts).await?;
        self.units_rights(theirs, missing).await?;
        for kind in missing.iter().map(|line| line.kind).collect::<BTreeSet<LineKind>>() {
            let gone = missing.iter().any(|line| line.kind == kind && !theirs.lines.contains_key(line));
            if gone {
                self.lines_rights(theirs, kind).await?;
            }
        }
        Ok(())
    }

    /// Restricted rights give empty lists: what was not found is none only where it could have been seen.
    async fn units_rights(&self, theirs: &mut Theirs, lines: &BTreeSet<LineRef>) -> Result<()> {
        for kind in lines.iter().map(|line| line.kind).collect::<BTreeSet<LineKind>>() {
            if let Entry::Vacant(unknown) = theirs.units_readable.entry(kind) {
                let readable = reading::units_readable(&self.session.client, kind).await.map_err(reading_units)?;
                unknown.insert(readable);
            }
        }
        Ok(())
    }

    /// The same for lines.
    async fn lines_rights(&self, theirs: &mut Theirs, kind: LineKind) -> Result<()> {
        if let Entry::Vacant(unknown) = theirs.lines_readable.entry(kind) {
            let readable = reading::lines_readable(&self.session.client, kind).await.map_err(reading_units)?;
            unknown.insert(readable);
        }
        Ok(())
    }

    /// Rows of the dates that the plan turned out to need. False: it needs none that was not read.
    async fn further(&self, prepared: &mut Prepared) -> Result<bool> {
        let unread = prepared.plan.lines.iter().filter_map(|planned| Some((planned.line.line?, planned.unread?)));
        let unread: BTreeMap<LineRef, Date> = unread.collect();
        let Some(from) = unread.values().min().copied() else { return Ok(false) };
        let lines: BTreeSet<LineRef> = unread.keys().copied().collect();
        self.rows_from(&mut prepared.theirs, &lines, from).await?;
        let missing = unread.iter().filter(|(line, date)| prepared.theirs.row_at(**line, **date).is_none());
        let missing: BTreeSet<LineRef> = missing.map(|(line, _)| *line).collect();
        self.facts(prepared, &missing).await?;
        Ok(true)
    }

    async fn rows_from(&self, theirs: &mut Theirs, lines: &BTreeSet<LineRef>, from: Date) -> Result<()> {
        let to = from.saturating_add(Span::new().months(MONTHS_AHEAD));
        let client = &self.session.client;
        let rows = reading::rows_between(client, self.zone, lines, (from, to)).await.map_err(reading_units)?;
        theirs.add_rows(rows);
        theirs.read_from.extend(lines.iter().map(|line| (*line, from)));
        Ok(())
    }

    /// Costs of lines whose cost is overwritten; in a preview prices of all lines, for the estimate.
    async fn costs(&self, prepared: &mut Prepared, settings: &Settings, with_prices: bool) -> Result<()> {
        let to_add = prepared.ours.targets.iter().filter(|target| with_prices && target.step == Some(Step::Add));
        let to_add: BTreeSet<LineRef> = to_add.map(|target| target.creation().service).collect();
        let prices = reading::prices(&self.session.client, &to_add).await.map_err(reading_units)?;
        prepared.theirs.prices.extend(prices);
        let wanted = prepared.ours.targets.iter().filter(|target| with_prices || overwrites_cost(target, settings));
        let unread: BTreeSet<LineRef> =
            wanted.filter_map(|target| target.line).filter(|line| !prepared.theirs.lines.contains_key(line)).collect();
        if unread.is_empty() {
            return Ok(());
        }
        let found = reading::lines(&self.session.client, &unread).await.map_err(reading_units)?;
        prepared.theirs.lines.extend(found);
        Ok(())
    }
}

/// Lines that we added to a contract, in this run or before, and have not given any units since.
fn fresh(ours: &Ours) -> BTreeSet<LineRef> {
    let added = ours.targets.iter().filter_map(|target| {
        let line = target.line?;
        let creation = ours.creations.get(&target.creation())?;
        // Found where a POST's answer was lost: it is that POST's.
        let found = creation.open.is_some() && matches!(target.step, Some(Step::Adopt(_)));
        (creation.line == Some(line) || found).then_some(line)
    });
    added.filter(|line| !ours.ledger.contains_key(line)).collect()
}

fn places(ours: &Ours, which: impl Fn(&Target) -> bool) -> Vec<usize> {
    ours.targets.iter().enumerate().filter(|(_, target)| which(target)).map(|(at, _)| at).collect()
}

/// Whether a line holds what its package is mapped to: then it may be added again where it is gone.
fn is_packages(ours: &Ours, target: &Target) -> bool {
    let own = ours.package_mappings.get(&target.package).and_then(|own| own.target.as_ref());
    own.is_some_and(|own| own.is(target.service.kind, target.service.id))
}

/// What to do about a target that no mapping gives a line.
fn step(ours: &Ours, found: &[Found], run: &Run, (seen_at, many): (Timestamp, ManyAccounts), at: usize) -> Step {
    let target = &ours.targets[at];
    let accounts: BTreeSet<&AccountId> = target.accounts();
    let fits = |found: &&Found| {
        found.contract == target.contract.id
            && found.service == target.service.id
            && found.line.kind == target.service.kind
    };
    let own = |holder: &&LineHolder| accounts.contains(&holder.account) && holder.package_id == target.package;
    let others = |line: &LineRef| {
        let left = |holder: &LineHolder| accounts.contains(&holder.account) && is_left(ours, holder, *line);
        ours.taken.get(line)?.holders.iter().find(|holder| !own(holder) && !left(holder))
    };
    let there: Vec<LineRef> = found.iter().filter(fits).map(|found| found.line).collect();
    let free: Vec<LineRef> = there.iter().copied().filter(|line| others(line).is_none()).collect();
    // Where each account has a line of its own, another account's is no answer to where this one's is.
    let blocked = free.is_empty() && many != ManyAccounts::Separate;
    if let Some(holder) = there.iter().find_map(others).filter(|_| blocked) {
        return Step::TakenBy(holder.account.clone());
    }
    let record = ours.creations.get(&target.creation()).map(|found| &found.value);
    creation::decide(record, &free, &run.id, seen_at)
}

/// Whether a package is only leaving a line, and its 0 units are written: another of the account's packages may have it.
fn is_left(ours: &Ours, holder: &LineHolder, line: LineRef) -> bool {
    let leaving = ours.mappings.get(&holder.account).into_iter().flat_map(|mapping| &mapping.leaving);
    let mut leaving = leaving.filter(|left| left.line == line && left.package_id == holder.package_id);
    leaving.next().is_some() && ours.ledger.get(&line).is_some_and(|ledger| ledger.empty_from().is_some())
}

fn reading_units(source: autotask::Error) -> Error {
    Error::Autotask { doing: "reading units", source }
}

/// What a plan would write, hashed.
pub(super) fn hash(lines: &[Planned]) -> String {
    decisions::plan_hash(lines.iter().map(|planned| &planned.line))
}
