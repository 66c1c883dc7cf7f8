//! Judges what was loaded. Pure: facts in, findings out.

use super::record::{About, Finding, Severity};
use crate::connections::settings::RenewalPolicy;
use crate::connections::{Connection, ConnectionStatus, FeatureState, Findings, Settings};
use crate::ids::{AccountId, PackageId};
use crate::issues::Fix;
use crate::mappings::{MappedLine, Mapping, MappingStatus, Standing, Trouble};
use crate::packages::{CountRule, PackageChange, PackageMapping, QuantitySource};
use crate::problem::Code;
use crate::runs::{Run, RunKind, RunMode, RunState, Trigger};
use crate::vendor::{Account, Usage};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The feature of package billing.
pub(super) const PACKAGE_BILLING: &str = "package_billing";
/// A package change that is not pushed for longer than this is worth knowing.
const PENDING_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Everything of ours.
pub(super) struct Ours {
    pub(super) connection: Connection,
    pub(super) settings: Settings,
    pub(super) slot: Option<Timestamp>,
    pub(super) now: Timestamp,
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) mappings: BTreeMap<AccountId, Mapping>,
    pub(super) packages: BTreeMap<PackageId, PackageMapping>,
    pub(super) usage: BTreeMap<AccountId, BTreeMap<PackageId, Usage>>,
    pub(super) claimed: BTreeSet<AccountId>,
    pub(super) pending: Vec<PackageChange>,
    /// Newest first.
    pub(super) runs: Vec<Run>,
}

/// What Autotask says.
pub(super) struct Live {
    pub(super) rights: Findings,
    pub(super) standings: BTreeMap<AccountId, Standing>,
    pub(super) blind: Vec<String>,
    pub(super) left_out: usize,
    pub(super) calls: u32,
}

impl Ours {
    pub(super) fn name<'a>(&'a self, id: &'a AccountId) -> &'a str {
        self.accounts.get(id).map_or(id.as_str(), |account| &account.name)
    }

    /// Whether an account is billed by this connection at all.
    pub(super) fn is_ours(&self, id: &AccountId) -> bool {
        let pilot = &self.settings.pilot_accounts;
        self.accounts.get(id).is_some_and(|account| account.active)
            && !self.claimed.contains(id)
            && (pilot.is_empty() || pilot.contains(id))
    }

    /// The day of the run that is looked ahead to; where none is due, the next first of a month.
    pub(super) fn day(&self) -> Date {
        let day = |at: Timestamp| at.to_zoned(self.settings.zone()).date();
        let next_month = || {
            let last = day(self.now).last_of_month();
            last.tomorrow().unwrap_or(last)
        };
        self.slot.map_or_else(next_month, day)
    }

    fn seats(&self, id: &AccountId) -> i64 {
        let excluded = |package| self.packages.get(package).is_some_and(|mapping| mapping.excluded);
        let own = self.usage.get(id).into_iter().flatten().filter(|(package, _)| !excluded(package));
        own.map(|(_, usage)| usage.active).sum()
    }

    fn fix(&self, method: &str, path: &str, body: Value) -> Option<Fix> {
        Some(Fix::of(&self.connection.id, method, path, body))
    }
}

/// A line by what names it before a run.
type LineName = (AccountId, PackageId);

/// What a check found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) findings: Vec<Finding>,
    lines: BTreeSet<LineName>,
    blocked: BTreeSet<LineName>,
    all_blocked: bool,
}

impl Found {
    fn add(&mut self, code: Code, about: About, words: String, severity: Severity, fix: Option<Fix>) {
        let subject = subject_of(code, &about);
        self.findings.push(Finding { code, about, subject, words, severity, fix });
    }

    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// Lines that nothing blocks.
    pub(super) fn ready(&self) -> usize {
        if self.all_blocked { 0 } else { self.lines.difference(&self.blocked).count() }
    }

    /// Share of ready lines, rounded down; without lines all or nothing.
    pub(super) fn score(&self) -> u8 {
        let share = match self.lines() {
            0 if self.all_blocked => 0,
            0 => 100,
            lines => self.ready() * 100 / lines,
        };
        u8::try_from(share).unwrap_or(100)
    }
}

/// The name that the issue of a finding has, the one under which other flows have it, too.
fn subject_of(code: Code, about: &About) -> String {
    match about.kind.as_str() {
        "connection" => "connection".to_owned(),
        // That it sees too little is told of all mappings, as the nightly watch tells it.
        "permission" if code == Code::PermissionMissing && about.id == "view" => "mappings".to_owned(),
        "permission" => "connection".to_owned(),
        kind => format!("{kind}/{}", about.id),
    }
}

fn about(kind: &str, id: impl ToString, name: Option<&str>) -> About {
    About { kind: kind.to_owned(), id: id.to_string(), name: name.map(str::to_owned) }
}

/// Judges everything.
pub(super) fn check(ours: &Ours, live: Option<&Live>) -> Found {
    let mut found = Found::default();
    connection(ours, &mut found);
    settings(ours, &mut found);
    if let Some(live) = live {
        rights(ours, live, &mut found);
    }
    for account in ours.accounts.values().filter(|account| ours.is_ours(&account.id)) {
        let standing = live.and_then(|live| live.standings.get(&account.id));
        self::account(ours, account, standing, &mut found);
    }
    if ours.connection.has_feature(PACKAGE_BILLING) {
        packages(ours, &mut found);
        pending(ours, &mut found);
    }
    runs(ours, &mut found);
    found.findings.sort_by_key(|finding| finding.severity);
    found
}

fn connection(ours: &Ours, found: &mut Found) {
    let on = about("connection", &ours.connection.id, None);
    let (code, words, fix) = match ours.connection.status {
        ConnectionStatus::Connected => return,
        ConnectionStatus::NeedsRelink => {
            (Code::NeedsRelink, "Autotask refused the stored credentials.", ours.fix("POST", "relink", Value::Null))
        }
        ConnectionStatus::Paused => {
            (Code::ConnectionPaused, "Somebody paused the connection.", ours.fix("POST", "resume", Value::Null))
        }
        ConnectionStatus::Disconnected => (Code::NeedsRelink, "The connection was disconnected.", None),
    };
    found.all_blocked = true;
    found.add(code, on, words.to_owned(), Severity::Blocking, fix);
}

fn settings(ours: &Ours, found: &mut Found) {
    if ours.settings.kill_switch {
        found.all_blocked = true;
        let words = "The kill switch is on: no run writes anything.".to_owned();
        let fix = ours.fix("PATCH", "settings", json!({"kill_switch": false}));
        found.add(Code::RunStopped, about("setting", "kill_switch", None), words, Severity::Blocking, fix);
    }
    let day = ours.day();
    if let Some(freeze) = ours.settings.freeze.as_ref().filter(|f| f.from <= day && day <= f.to) {
        found.all_blocked = true;
        let words = format!("Writes are frozen from {} to {}; the run is due on {day}.", freeze.from, freeze.to);
        let fix = ours.fix("PATCH", "settings", json!({"freeze": null}));
        found.add(Code::RunStopped, about("setting", "freeze", None), words, Severity::Blocking, fix);
    }
}

/// Missing rights of all features together: one right that two features need is one finding.
fn rights(ours: &Ours, live: &Live, found: &mut Found) {
    let features = &ours.connection.features;
    let wanted = |feature: &str| feature == "mapping" || features.iter().any(|own| own == feature);
    let lacking: Vec<_> =
        live.rights.permissions.iter().filter(|p| wanted(&p.feature) && p.state != FeatureState::Ready).collect();
    let probe = || ours.fix("POST", "permissions/probe", Value::Null);
    if lacking.is_empty() {
        let hidden = live.rights.restricted.join(", ");
        let blind = live.blind.join(" ");
        if !blind.is_empty() {
            found.add(Code::PermissionMissing, about("permission", "view", None), blind, Severity::Blocking, probe());
        } else if !hidden.is_empty() {
            let words = format!("The API user sees only some of: {hidden}.");
            found.add(Code::PermissionMissing, about("permission", "view", None), words, Severity::Warning, probe());
        }
    } else {
        let names: Vec<&str> = lacking.iter().map(|p| p.feature.as_str()).collect();
        let blocks = names.iter().any(|name| *name != "mapping");
        found.all_blocked |= blocks;
        let words: Vec<String> =
            lacking.iter().map(|p| format!("{} lacks {}", p.feature, p.missing.join(", "))).collect();
        let severity = if blocks { Severity::Blocking } else { Severity::Warning };
        let on = about("permission", names.join(","), None);
        found.add(Code::PermissionMissing, on, format!("{}.", words.join("; ")), severity, probe());
    }
    if live.rights.billing_code_present == Some(false) {
        let on = about("connection", &ours.connection.id, None);
        let fix = ours.fix("POST", "billing-codes/ensure", Value::Null);
        found.add(Code::BillingCodeMissing, on, live.rights.billing_code_words(), Severity::Warning, fix);
    }
    if live.rights.costs_readable == Some(false) && ours.settings.overwrite_cost {
        let on = about("setting", "overwrite_cost", None);
        let words = "Overwrite Cost is on, and the API user cannot read costs.".to_owned();
        found.add(Code::CostNotReadable, on, words, Severity::Warning, None);
    }
}

fn account(ours: &Ours, account: &Account, standing: Option<&Standing>, found: &mut Found) {
    let on = || about("account", &account.id, Some(&account.name));
    let who = format!("{} ({})", account.name, account.id);
    let path = format!("company-mappings/{}", account.id);
    let save = || ours.fix("PUT", &path, Value::Null);
    let Some(mapping) = ours.mappings.get(&account.id) else {
        let seats = ours.seats(&account.id);
        if seats > 0 {
            let words = format!("{who} has {seats} seats and is not mapped.");
            found.add(Code::UnmappedAccount, on(), words, Severity::Warning, save());
        }
        return;
    };
    match mapping.status {
        MappingStatus::Excluded => {}
        MappingStatus::Suggested => {
            let words = format!("{who}: the proposed mapping waits for somebody's yes.");
            let fix = ours.fix("POST", &format!("{path}/confirm"), Value::Null);
            found.add(Code::MappingUnconfirmed, on(), words, Severity::Warning, fix);
        }
        MappingStatus::Confirmed | MappingStatus::Broken if mapping.paused => {}
        MappingStatus::Confirmed | MappingStatus::Broken => {
            if mapping.contract.is_none() {
                let words = format!("{who} is mapped without a contract.");
                found.add(Code::NoContractSelected, on(), words, Severity::Warning, save());
            } else if mapping.lines.is_empty()
                && ours.seats(&account.id) > 0
                && !ours.connection.has_feature(PACKAGE_BILLING)
            {
                let words = format!("{who} is mapped to a contract, and to none of its lines.");
                found.add(Code::NoContractSelected, on(), words, Severity::Warning, save());
            }
            mapped(ours, account, mapping, standing, found);
        }
    }
}

/// What stands in the way of an account's lines.
fn mapped(ours: &Ours, account: &Account, mapping: &Mapping, standing: Option<&Standing>, found: &mut Found) {
    let excluded = |line: &MappedLine| ours.packages.get(&line.package_id).is_some_and(|package| package.excluded);
    let name = |line: &MappedLine| (account.id.clone(), line.package_id.clone());
    let lines: Vec<&MappedLine> = match mapping.contract {
        Some(_) => mapping.lines.iter().filter(|line| !excluded(line)).collect(),
        None => Vec::new(),
    };
    found.lines.extend(lines.iter().map(|line| name(line)));
    if let Some(standing) = standing {
        for trouble in &standing.troubles {
            if let Some(severity) = severity_of(ours, standing, trouble) {
                let touched = lines.iter().filter(|l| trouble.lines.is_empty() || trouble.lines.contains(&l.line));
                if severity == Severity::Blocking {
                    found.blocked.extend(touched.map(|line| name(line)));
                }
                let on = match (trouble.code, trouble.lines.as_slice()) {
                    (Code::ServiceInactive, [line]) => about("line", line, Some(&account.name)),
                    _ => about("account", &account.id, Some(&account.name)),
                };
                found.add(trouble.code, on, trouble.words.clone(), severity, follow(ours, mapping, standing, trouble));
            }
        }
        let monthly = standing.contract.iter().flat_map(|contract| &contract.warnings);
        for remark in monthly.filter(|remark| remark.code == Code::ContractNotMonthly) {
            let words = format!("{} ({}): {}", account.name, account.id, remark.detail);
            let on = about("account", &account.id, Some(&account.name));
            found.add(remark.code, on, words, Severity::Warning, None);
        }
    }
    for line in lines {
        if let Some((code, words)) = uncounted(ours, account, line) {
            found.blocked.insert(name(line));
            let on = about("line", line.line, Some(&account.name));
            let words = format!("{} ({}), {}: {words}", account.name, account.id, line.package_id);
            found.add(code, on, words, Severity::Blocking, None);
            if let Some(added) = found.findings.last_mut() {
                // A run that meets it tells it of the account's package.
                added.subject = format!("account/{}/{}", account.id, line.package_id);
            }
        }
    }
}

/// How much a trouble matters to the run that is looked ahead to; none: not to that one.
fn severity_of(ours: &Ours, standing: &Standing, trouble: &Trouble) -> Option<Severity> {
    if trouble.code != Code::ContractRenewed {
        return Some(Severity::Blocking);
    }
    let day = ours.day();
    let begun = |start: Option<Date>| start.is_none_or(|start| start <= day);
    let lasts = standing.contract.as_ref().is_some_and(|contract| contract.end.is_none_or(|end| end >= day));
    if lasts && !trouble.breaks && !standing.renewal.candidates.iter().any(|next| begun(next.contract.start)) {
        return None;
    }
    // The watch follows it in time.
    let followed = standing.renewal.unambiguous().is_some_and(|next| begun(next.contract.start));
    let by_itself = ours.settings.renewal == RenewalPolicy::AutoRemap && followed;
    Some(if by_itself { Severity::Warning } else { Severity::Blocking })
}

fn follow(ours: &Ours, mapping: &Mapping, standing: &Standing, trouble: &Trouble) -> Option<Fix> {
    let path = format!("company-mappings/{}", mapping.account);
    match trouble.code {
        Code::ContractRenewed => {
            let next = standing.renewal.unambiguous()?;
            let body = json!({"to_contract_id": next.contract.id, "reason": "renewal"});
            let today = ours.now.to_zoned(ours.settings.zone()).date();
            let not_before = next.contract.start.filter(|start| *start > today);
            Some(Fix { not_before, ..Fix::of(&mapping.connection, "POST", &format!("{path}/remap"), body) })
        }
        Code::ContractEnding => None,
        _ => ours.fix("PUT", &path, Value::Null),
    }
}

/// Why there is no count to write, if so.
fn uncounted(ours: &Ours, account: &Account, line: &MappedLine) -> Option<(Code, String)> {
    let package = ours.packages.get(&line.package_id);
    let told =
        package.is_some_and(|p| p.quantity_source == QuantitySource::Package || p.count_rule == CountRule::Fixed);
    if told {
        let quantity = account.packages.iter().find(|own| own.id == line.package_id).map(|own| own.quantity);
        let unknown = matches!(quantity, Some(None));
        return unknown.then(|| (Code::QuantityMissing, "the package's quantity is not known.".to_owned()));
    }
    let Some(usage) = ours.usage.get(&account.id).and_then(|own| own.get(&line.package_id)) else {
        return Some((Code::UsageMissing, "there is no count.".to_owned()));
    };
    let age = ours.now.duration_since(usage.as_of);
    let hours = ours.settings.guards.usage_max_age_hours;
    let stale = age > SignedDuration::from_hours(hours);
    stale.then(|| {
        let words = format!("the last count, {} of {}, is older than {hours} hours.", usage.active, usage.as_of);
        (Code::UsageStale, words)
    })
}

/// Packages that mapped accounts have and that are billed as nothing: neither mapped nor on a line of theirs.
fn packages(ours: &Ours, found: &mut Found) {
    let mut unmapped: BTreeMap<&PackageId, usize> = BTreeMap::new();
    let confirmed = |account: &&Account| {
        let mapping = ours.mappings.get(&account.id);
        ours.is_ours(&account.id) && mapping.is_some_and(|m| m.status == MappingStatus::Confirmed && !m.paused)
    };
    for account in ours.accounts.values().filter(confirmed) {
        let lines = ours.mappings.get(&account.id).map(|mapping| &mapping.lines);
        for package in account.packages.iter().map(|package| &package.id) {
            let mapped = ours.packages.get(package);
            let settled = mapped.is_some_and(|p| p.excluded || p.target.is_some() || p.sum_into.is_some());
            let by_hand = lines.is_some_and(|lines| lines.iter().any(|line| line.package_id == *package));
            if !settled && !by_hand {
                *unmapped.entry(package).or_default() += 1;
            }
        }
    }
    for (package, accounts) in unmapped {
        let words = format!("The package {package} of {accounts} mapped accounts is not mapped to a service.");
        let fix = ours.fix("PUT", &format!("package-mappings/{package}"), Value::Null);
        found.add(Code::PackageUnmapped, about("package", package, None), words, Severity::Warning, fix);
    }
}

fn pending(ours: &Ours, found: &mut Found) {
    let old = |change: &&PackageChange| ours.now.duration_since(change.received_at) > PENDING_MAX;
    for change in ours.pending.iter().filter(old).filter(|change| ours.is_ours(&change.account)) {
        let why = match &change.why {
            Some((_, words)) => words.clone(),
            None if !ours.settings.billing_auto_sync => "automatic billing sync is off.".to_owned(),
            None => "it was not pushed yet.".to_owned(),
        };
        let who = ours.name(&change.account);
        let words = format!("{who} ({}), since {}: {why}", change.account, change.received_at);
        let fix = ours.fix("POST", "runs", json!({"kind": "package_changes", "mode": "preview"}));
        let on = about("package_change", &change.id, Some(who));
        found.add(Code::PackageChangePending, on, words, Severity::Warning, fix);
    }
}

/// A plan that waits for a person, lines that were held, and a run that is under way.
fn runs(ours: &Ours, found: &mut Found) {
    for kind in [RunKind::SeatSync, RunKind::Initial, RunKind::PackageChanges] {
        // A person's preview waits for nobody.
        let by_itself = |run: &&Run| !(run.mode == RunMode::Preview && run.trigger == Trigger::Manual);
        let newest = ours.runs.iter().filter(|run| run.kind == kind).find(by_itself);
        let Some(run) = newest else { continue };
        let on = about("run", &run.id, Some(kind.as_str()));
        let path = |act: &str| format!("runs/{}{act}", run.id);
        match run.state {
            RunState::Planned => {
                let words = format!("The plan of the {} run of {} waits for approval.", kind.as_str(), run.created_at);
                let body = json!({"plan_hash": run.plan_hash});
                let fix = ours.fix("POST", &path("/apply"), body);
                found.add(Code::ApprovalWaiting, on, words, Severity::Warning, fix);
            }
            state if !state.is_final() => {
                let words = format!("The {} run of {} is {}.", kind.as_str(), run.created_at, state.as_str());
                found.add(Code::AlreadyRunning, on, words, Severity::Warning, ours.fix("GET", &path(""), Value::Null));
            }
            _ if run.totals.held > 0 => {
                let words = format!("The {} run of {} holds {} lines.", kind.as_str(), run.created_at, run.totals.held);
                let fix = ours.fix("GET", &path("/lines?state=held"), Value::Null);
                found.add(Code::ApprovalWaiting, on, words, Severity::Warning, fix);
            }
            _ => {}
        }
    }
}
