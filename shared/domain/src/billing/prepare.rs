//! Loads ours and theirs and makes the plan: what both a preview and a run begin with.

use super::apply::{Applied, dates_of};
use super::plan::{Frame, Plan, Planned, overwrites_cost, plan};
use super::reading::{self, Theirs};
use super::sources::{self, Ours};
use crate::actor::Scope;
use crate::autotask_session::Session;
use crate::connections::Settings;
use crate::ids::{LineKind, LineRef};
use crate::ports::Ports;
use crate::problem::{Error, Result};
use crate::runs::{LineState, Run};
use crate::units::Want;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Ours, theirs, and the plan made of them.
pub(super) struct Prepared {
    pub ours: Ours,
    pub theirs: Theirs,
    pub plan: Plan,
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

    /// Lines with an open intent for which this run wants nothing, or nothing more.
    pub fn abandoned(&self, wanted: &BTreeSet<LineRef>, applied: &Applied) -> BTreeSet<LineRef> {
        let open = self.ours.ledger.iter().filter(|(_, ledger)| ledger.open.is_some()).map(|(line, _)| *line);
        let begun = |line: &LineRef| applied.verdicts.contains_key(line) || applied.waiting.contains_key(line);
        open.filter(|line| !begun(line) && (applied.cancelled || !wanted.contains(line))).collect()
    }

    /// The contract of each line: only lines that this run has seen may be written.
    pub fn contracts(&self) -> BTreeMap<LineRef, i64> {
        let lines = self.ours.targets.iter().map(|target| target.line.line);
        lines.filter_map(|line| Some((line, self.theirs.contract_of(line)?))).collect()
    }

    /// Whether this run has already begun to write.
    pub fn begun(&self, run: &Run) -> bool {
        self.ours.ledger.values().any(|ledger| {
            ledger.open.as_ref().is_some_and(|open| open.run == run.id)
                || ledger.last.as_ref().is_some_and(|last| last.run == run.id)
        })
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
    let ours = sources::load(ports, scope, &run.partner, &run.connection, run.accounts.as_deref()).await?;
    let zone = settings.zone();
    let now = ports.clock.now();
    let date = run.effective_date.unwrap_or_else(|| now.to_zoned(zone.clone()).date().first_of_month());
    let mut reader = Reader { session, zone: &zone, theirs: Theirs { seen_at: now, ..Theirs::default() } };
    let lines: BTreeSet<LineRef> = ours.targets.iter().map(|target| target.line.line).collect();
    reader.rows(&ours, &lines, date).await?;
    reader.missing(&ours, &lines, date).await?;
    reader.costs(&ours, settings, with_prices).await?;
    let theirs = reader.theirs;
    let frame = Frame { run: &run.id, date, now, settings };
    let plan = plan(&ours, &theirs, &frame);
    Ok(Prepared { ours, theirs, plan })
}

struct Reader<'a> {
    session: &'a Session,
    zone: &'a TimeZone,
    theirs: Theirs,
}

impl Reader<'_> {
    /// Rows at the run's date for all lines; at other dates for the few lines with something open, owed or kept.
    async fn rows(&mut self, ours: &Ours, lines: &BTreeSet<LineRef>, date: Date) -> Result<()> {
        let mut by_date: BTreeMap<Date, BTreeSet<LineRef>> = BTreeMap::new();
        by_date.insert(date, lines.clone());
        for (line, ledger) in &ours.ledger {
            let mapped = lines.contains(line);
            let unfinished = ledger.open.is_some() || ledger.owed.is_some();
            if mapped || unfinished {
                for other in dates_of(Some(&ledger.value), date) {
                    if other != date || unfinished {
                        by_date.entry(other).or_default().insert(*line);
                    }
                }
            }
        }
        for (date, lines) in by_date {
            let rows = reading::rows(&self.session.client, self.zone, &lines, date).await.map_err(reading_units)?;
            self.theirs.add_rows(rows);
        }
        Ok(())
    }

    /// Where a row is missing: the line, its contract, the contract's successor, and the right to read units.
    async fn missing(&mut self, ours: &Ours, lines: &BTreeSet<LineRef>, date: Date) -> Result<()> {
        let missing: BTreeSet<LineRef> =
            lines.iter().copied().filter(|line| self.theirs.row_at(*line, date).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let client = &self.session.client;
        let of = |line: &LineRef| ours.targets.iter().find(|target| target.line.line == *line);
        let mut contracts: BTreeSet<i64> =
            missing.iter().filter_map(|line| Some(of(line)?.mapping.contract.as_ref()?.id)).collect();
        let found = reading::lines(client, &missing).await.map_err(reading_units)?;
        contracts.extend(found.values().map(|facts| facts.contract_id));
        self.theirs.lines.extend(found);
        self.theirs.contracts = reading::contracts(client, self.zone, &contracts).await.map_err(reading_units)?;
        let mut ended = self.theirs.contracts.clone();
        ended.retain(|_, facts| facts.end.is_some_and(|end| end < date));
        if !ended.is_empty() {
            let next = reading::successors(client, self.zone, &ended).await.map_err(reading_units)?;
            for id in ended.keys() {
                if let Some(contract) = self.theirs.contracts.get_mut(id) {
                    contract.renewed_by = next.get(id).copied();
                }
            }
        }
        self.rights(&missing, &contracts).await
    }

    /// Restricted rights give empty lists: what was not found is gone only where it could have been seen.
    async fn rights(&mut self, missing: &BTreeSet<LineRef>, contracts: &BTreeSet<i64>) -> Result<()> {
        let client = &self.session.client;
        for kind in missing.iter().map(|line| line.kind).collect::<BTreeSet<LineKind>>() {
            let readable = reading::units_readable(client, kind).await.map_err(reading_units)?;
            self.theirs.units_readable.insert(kind, readable);
            if missing.iter().any(|line| line.kind == kind && !self.theirs.lines.contains_key(line)) {
                let readable = reading::lines_readable(client, kind).await.map_err(reading_units)?;
                self.theirs.lines_readable.insert(kind, readable);
            }
        }
        if contracts.iter().any(|id| !self.theirs.contracts.contains_key(id)) {
            self.theirs.contracts_readable = Some(reading::contracts_readable(client).await.map_err(reading_units)?);
        }
        Ok(())
    }

    /// Costs of lines whose cost is overwritten; in a preview prices of all lines, for the estimate.
    async fn costs(&mut self, ours: &Ours, settings: &Settings, with_prices: bool) -> Result<()> {
        let wanted = ours.targets.iter().filter(|target| with_prices || overwrites_cost(target, settings));
        let unread: BTreeSet<LineRef> =
            wanted.map(|target| target.line.line).filter(|line| !self.theirs.lines.contains_key(line)).collect();
        if unread.is_empty() {
            return Ok(());
        }
        let found = reading::lines(&self.session.client, &unread).await.map_err(reading_units)?;
        self.theirs.lines.extend(found);
        Ok(())
    }
}

fn reading_units(source: autotask::Error) -> Error {
    Error::Autotask { doing: "reading units", source }
}

/// What a plan would write, hashed: two plans with the same hash write the same.
pub(super) fn hash(lines: &[Planned]) -> String {
    let mut digest = Sha256::new();
    for planned in lines {
        let line = &planned.line;
        let text = format!(
            "{}|{}|{:?}|{}|{}|{:?}|{:?}|{:?}|{}|{:?}\n",
            line.account,
            line.package,
            line.kind,
            line.service_id,
            line.leaving,
            line.units_now,
            line.units_wanted,
            line.cost_wanted,
            line.effective_date,
            line.state
        );
        digest.update(text.as_bytes());
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
