//! Compares Autotask with the model: the same, or a line, an issue or a pending change says why not.

use super::model::{Model, Place};
use super::{Item, Town, next_first};
use domain::ids::{LineKind, LineRef, RunId};
use domain::issues::{Issue, IssueState};
use domain::records::Collection;
use domain::runs::{LineState, Run, RunKind, RunLine};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What an account is billed of an item, on whichever lines.
type Spot = (usize, Item);

/// A line as Autotask has it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub spot: Spot,
    pub line: LineRef,
    pub contract: i64,
    /// From, to, units.
    rows: Vec<(Date, Date, i64)>,
}

impl Line {
    pub(super) fn units(&self, day: Date) -> i64 {
        let row = self.rows.iter().find(|(from, to, _)| *from <= day && day <= *to);
        row.map_or(0, |(_, _, units)| *units)
    }
}

/// Units that a person changed, which nothing has put right yet.
#[derive(Debug)]
struct Edit {
    spot: Spot,
    line: LineRef,
    from: Date,
    at: Timestamp,
}

/// What was seen until now.
#[derive(Debug, Default)]
pub(super) struct Seen {
    runs: BTreeSet<RunId>,
    /// The newest run's lines of an account's package.
    newest: BTreeMap<Place, Vec<RunLine>>,
    edits: Vec<Edit>,
    /// The most units that a spot had in a month: where fewer are wanted, they stay until the next one.
    peak: BTreeMap<Spot, (Date, i64)>,
    /// The old lines of swaps, which have nothing left on the day of the swap.
    swapped: BTreeSet<Spot>,
    /// What spots had before a run that was taken back. It stands against what was said before, unless the account's
    /// mapping changes as well.
    undone: BTreeMap<Spot, (i64, Timestamp)>,
    /// Spots of which something was said since they were last seen to be right.
    reasons: BTreeSet<Spot>,
    adjustments: usize,
    /// How many spots were compared, and how many of those were not as the model says but named.
    pub compared: usize,
    pub named: usize,
}

impl Seen {
    /// Something was said that may change what a spot has.
    pub(super) fn reason(&mut self, spot: Spot) {
        self.reasons.insert(spot);
    }

    pub(super) fn undone(&mut self, spot: Spot, units: i64, at: Timestamp) {
        self.undone.insert(spot, (units, at));
    }

    /// Something was said: newer than that a run was taken back, it counts instead.
    pub(super) fn said_again(&mut self, spot: Spot, at: Timestamp) {
        if self.undone.get(&spot).is_some_and(|(_, undone)| *undone < at) {
            self.undone.remove(&spot);
        }
    }

    pub(super) fn swapped(&mut self, spot: Spot) {
        self.swapped.insert(spot);
    }

    pub(super) fn not_only_swapped(&mut self, spot: Spot) {
        self.swapped.remove(&spot);
    }

    pub(super) fn edited(&mut self, line: &Line, from: Date, at: Timestamp, units: i64) {
        self.reason(line.spot);
        self.not_only_swapped(line.spot);
        self.edits.push(Edit { spot: line.spot, line: line.line, from, at });
        self.raise(line.spot, from, units);
    }

    fn raise(&mut self, spot: Spot, day: Date, units: i64) {
        let month = day.first_of_month();
        let peak = self.peak.entry(spot).or_insert((month, units));
        if peak.0 < month {
            *peak = (month, units);
        }
        peak.1 = peak.1.max(units);
    }

    fn peak(&self, spot: Spot, day: Date) -> i64 {
        self.peak.get(&spot).filter(|(month, _)| *month == day.first_of_month()).map_or(0, |(_, units)| *units)
    }

    pub(super) fn is_edited(&self, spot: Spot, day: Date) -> bool {
        self.edits.iter().any(|edit| edit.spot == spot && edit.from <= day)
    }

    /// Takes in the runs that have ended since.
    async fn take_in(&mut self, town: &Town, model: &mut Model) {
        for run in town.runs().await {
            assert!(run.state.is_final(), "all is drained: {run:?}");
            if !self.runs.insert(run.id.clone()) || !run.kind.is_billing() {
                continue;
            }
            let mut places: BTreeMap<Place, Vec<RunLine>> = BTreeMap::new();
            for line in town.report(&run).await {
                let account = town.account(line.account.as_str());
                places.entry((account, line.package.to_string())).or_default().push(line);
            }
            for ((account, package), lines) in places {
                if lines.iter().all(is_right) {
                    model.synced(account, &package);
                    if let Some((at, item)) = model.counted_at(account, &package) {
                        self.said_again((account, item), at);
                    }
                }
                self.edits.retain(|edit| !puts_right(&run, &lines, edit));
                self.newest.insert((account, package), lines);
            }
        }
    }

    /// What differs from the model and is not named; empty if all is well.
    pub(super) async fn check(&mut self, town: &Town, model: &mut Model) -> Vec<String> {
        self.take_in(town, model).await;
        let lines = town.lines();
        let (mut wrong, today) = (self.without_a_reason(town, &lines), town.world.sim.today());
        wrong.extend(twice_on_a_contract(&lines));
        let names = Names { pending: town.pending().await, issues: town.issues().await };
        for account in 0..town.clients.len() {
            for item in &town.items {
                let spot = (account, *item);
                let own: Vec<&Line> = lines.iter().filter(|line| line.spot == spot).collect();
                wrong.extend(self.compare(town, model, &names, spot, &own, today));
            }
        }
        wrong
    }

    fn compare(
        &mut self,
        town: &Town,
        model: &Model,
        names: &Names,
        spot: Spot,
        lines: &[&Line],
        today: Date,
    ) -> Option<String> {
        let (account, item) = spot;
        let package = model.package_of(item);
        let wanted = match package {
            Some(package) => model.units(account, package),
            None => Some(0),
        };
        let units = |day| lines.iter().map(|line| line.units(day)).sum::<i64>();
        let (now, then) = (units(today), units(next_first(today)));
        let goes_down = |wanted: i64| {
            let swapped = self.swapped.contains(&spot);
            wanted < now && now <= self.peak(spot, today) && !swapped
        };
        let is_as = |wanted: i64| {
            let now_right = now == wanted || goes_down(wanted) || self.is_edited(spot, today);
            now_right && (then == wanted || self.is_edited(spot, next_first(today)))
        };
        let undone = self.undone.get(&spot).map(|(units, _)| *units);
        let is_right = wanted.is_none_or(is_as) || undone.is_some_and(is_as);
        self.compared += 1;
        let named = model.ever(item).find_map(|package| self.named(town, names, account, package));
        self.raise(spot, today, now);
        match (is_right, named) {
            (true, None) => {
                // What nobody can say yet is still to come.
                if !self.is_edited(spot, next_first(today)) && undone.is_none() && wanted.is_some() {
                    self.reasons.remove(&spot);
                }
                if wanted == Some(now) {
                    self.swapped.remove(&spot);
                }
                None
            }
            (true, Some(_)) => None,
            (false, Some(_)) => {
                self.named += 1;
                None
            }
            (false, None) => Some(format!(
                "{} has {now} units of {item:?} today ({today}) and {then} next month, not {wanted:?} ({package:?}); at \
                 most {} this month; {lines:?}; the newest reports: {:#?}",
                town.clients[account].account,
                self.peak(spot, today),
                self.said_last(account)
            )),
        }
    }

    /// What the newest reports leave to somebody.
    pub(super) fn left(&self) -> Vec<String> {
        let left = self.newest.iter().flat_map(|(place, lines)| lines.iter().map(move |line| (place, line)));
        let left = left.filter(|(_, line)| !is_right(line));
        left.map(|(place, line)| format!("{place:?}: {:?} {:?} {}", line.state, line.code, line.words)).collect()
    }

    /// The newest reports about an account.
    fn said_last(&self, account: usize) -> Vec<String> {
        let lines = self.newest.iter().filter(|((of, _), _)| *of == account).flat_map(|(_, lines)| lines);
        let words = |line: &RunLine| {
            let RunLine { package, line, state, effective_date, words, units_wanted, .. } = line;
            format!("{package} {line:?} {state:?} {units_wanted:?} from {effective_date}: {words}")
        };
        lines.map(words).collect()
    }

    /// The newest reports about an account's lines of an item.
    fn said_of(&self, (account, item): Spot) -> Vec<String> {
        let kind = if item.bundle { LineKind::Bundle } else { LineKind::Service };
        let own = self.newest.iter().filter(|((of, _), _)| *of == account).flat_map(|(_, lines)| lines);
        let own = own.filter(|line| line.service_id == item.id && line.kind == kind);
        own.map(|line| format!("{} {:?} from {}: {}", line.package, line.state, line.effective_date, line.words))
            .collect()
    }

    fn named(&self, town: &Town, names: &Names, account: usize, package: &str) -> Option<String> {
        let lines = self.newest.get(&(account, package.to_owned()));
        let held = lines.into_iter().flatten().find(|line| !is_right(line));
        let id = town.clients[account].account.as_str();
        held.map(|line| line.words.clone()).or_else(|| names.of(id, package))
    }

    /// A line that was right is changed only for something that was said since, and once on a day.
    fn without_a_reason(&mut self, town: &Town, lines: &[Line]) -> Vec<String> {
        let all = town.world.sim.adjustments();
        let (mut wrong, mut dates) = (Vec::new(), BTreeSet::new());
        for done in &all[self.adjustments..] {
            let kind = if done.kind == "bundle" { LineKind::Bundle } else { LineKind::Service };
            let line = LineRef { kind, id: done.line_id };
            let spot = lines.iter().find(|own| own.line == line).map(|own| own.spot);
            if spot.is_none_or(|spot| !self.reasons.contains(&spot)) {
                let before: Vec<_> = all.iter().filter(|other| other.line_id == done.line_id).collect();
                let last = spot.map(|spot| self.said_of(spot));
                wrong.push(format!("{spot:?}: nothing was said that explains {done:?} of {before:#?}; {last:?}"));
            }
            if !dates.insert((line, done.effective_date)) {
                wrong.push(format!("it was changed twice: {done:?}"));
            }
        }
        self.adjustments = all.len();
        wrong
    }
}

fn is_right(line: &RunLine) -> bool {
    matches!(line.state, LineState::Changed | LineState::Unchanged | LineState::Superseded)
}

/// Whether a run went over what a person had changed. A count's run looks at the first of its month; one that finds a
/// newer word leaves all as it is.
fn puts_right(run: &Run, lines: &[RunLine], edit: &Edit) -> bool {
    let own = lines.iter().find(|line| line.line == Some(edit.line) && is_right(line));
    let own = own.filter(|line| line.state != LineState::Superseded);
    own.is_some_and(|line| {
        let late_enough = run.kind == RunKind::PackageChanges || edit.from <= line.effective_date;
        run.created_at > edit.at && late_enough
    })
}

fn twice_on_a_contract(lines: &[Line]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let twice = lines.iter().filter(|line| !seen.insert((line.contract, line.spot.1)));
    twice.map(|line| format!("a second line of one item on a contract: {line:?}")).collect()
}

/// What says of accounts and packages that something is not as it should be.
struct Names {
    pending: Vec<Value>,
    issues: Vec<Issue>,
}

impl Names {
    fn of(&self, account: &str, package: &str) -> Option<String> {
        let pending = self
            .pending
            .iter()
            .find(|row| row["account"]["id"] == account && (row["from"] == package || row["to"] == package));
        let (all, one) = (format!("account/{account}"), format!("account/{account}/{package}"));
        let names = |issue: &&Issue| {
            issue.subject == all || issue.subject == one || issue.subject.starts_with(&format!("{one}/"))
        };
        let issue = || self.issues.iter().find(names);
        pending.map(ToString::to_string).or_else(|| issue().map(|issue| format!("{issue:?}")))
    }
}

impl Town {
    pub(super) fn account(&self, id: &str) -> usize {
        self.clients.iter().position(|client| client.account.as_str() == id).unwrap()
    }

    async fn issues(&self) -> Vec<Issue> {
        let of = Collection::Issues(self.world.partner.clone(), self.world.connection.clone());
        let all = self.world.load_all::<Issue>(&of).await;
        all.into_iter().filter(|issue| issue.state == IssueState::Open).collect()
    }

    /// Every line of the clients' contracts, as Autotask has it.
    pub(super) fn lines(&self) -> Vec<Line> {
        let world = &self.world;
        let number = |row: &Value, field: &str| row[field].as_i64().unwrap();
        let day = |row: &Value, field: &str| -> Date { row[field].as_str().unwrap()[..10].parse().unwrap() };
        let contracts = world.rows("Contracts");
        let mut lines = Vec::new();
        for (kind, of_lines, of_units, line_field, item_field) in [
            (LineKind::Service, "ContractServices", "ContractServiceUnits", "contractServiceID", "serviceID"),
            (
                LineKind::Bundle,
                "ContractServiceBundles",
                "ContractServiceBundleUnits",
                "contractServiceBundleID",
                "serviceBundleID",
            ),
        ] {
            let mut rows: BTreeMap<i64, Vec<(Date, Date, i64)>> = BTreeMap::new();
            for row in world.rows(of_units).values() {
                let span = (day(row, "startDate"), day(row, "endDate"), number(row, "units"));
                rows.entry(number(row, line_field)).or_default().push(span);
            }
            for (id, row) in world.rows(of_lines) {
                let contract = number(&row, "contractID");
                let company = number(&contracts[&contract], "companyID");
                let Some(account) = self.clients.iter().position(|client| client.company_id == company) else {
                    continue;
                };
                let item = Item { bundle: kind == LineKind::Bundle, id: number(&row, item_field) };
                let mut rows = rows.remove(&id).unwrap_or_default();
                rows.sort_unstable();
                lines.push(Line { spot: (account, item), line: LineRef { kind, id }, contract, rows });
            }
        }
        lines.sort_by_key(|line| line.line);
        lines
    }
}
