//! Package changes that are not billed yet: why each waits, and whether it will be pushed by itself.

use super::settle::Facts;
use super::{PackageChange, PackageMapping, PendingChange, ServiceTarget};
use crate::actor::Scope;
use crate::connections::settings::{Settings, SettingsRecord};
use crate::connections::{Connection, ConnectionStatus, PSA, PsaGuard, load_connection};
use crate::ids::{AccountId, ChangeId, ConnectionId, LineRef, PackageId, PartnerId, RunId};
use crate::mappings::{MappedLine, Mapping, MappingStatus};
use crate::ports::{Ports, Read};
use crate::problem::{Code, Result};
use crate::records::{Collection, Key, load, load_all};
use crate::runs::{PLAN_TTL, Run, RunState};
use crate::units::UnitLine;
use crate::vendor::{Account, AccountPackage};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The feature that bills package changes.
pub const FEATURE: &str = "package_billing";
/// How long a change waits whose cause passes with days, not with minutes.
const DAILY: SignedDuration = SignedDuration::from_hours(24);

/// The connection that bills a partner's package changes, and what it bills packages as.
#[derive(Debug, Clone)]
pub struct Biller {
    /// The connection: of any state but disconnected.
    pub connection: Connection,
    /// Its settings.
    pub settings: Settings,
    /// Since when changes are pushed by themselves; none while they are not.
    pub since: Option<Timestamp>,
    /// Its package mappings.
    pub packages: BTreeMap<PackageId, PackageMapping>,
}

/// The connection that bills a partner's package changes, if any does.
///
/// # Errors
/// Records.
pub async fn biller(ports: &Ports, scope: &Scope, partner: &PartnerId) -> Result<Option<Biller>> {
    let storage = &*ports.storage;
    let key = Key::ConnectionOfPsa(partner.clone(), PSA.to_owned());
    let Some(guard) = load::<PsaGuard>(storage, scope, &key).await? else { return Ok(None) };
    let key = Key::Connection(partner.clone(), guard.value.connection);
    let Some(connection) = load::<Connection>(storage, scope, &key).await? else { return Ok(None) };
    if !connection.has_feature(FEATURE) || connection.status == ConnectionStatus::Disconnected {
        return Ok(None);
    }
    Ok(Some(of_connection(ports, scope, connection.value).await?))
}

pub(super) async fn of_connection(ports: &Ports, scope: &Scope, connection: Connection) -> Result<Biller> {
    let (storage, partner, id) = (&*ports.storage, &connection.partner, &connection.id);
    let key = Key::Settings(partner.clone(), id.clone());
    let record = load::<SettingsRecord>(storage, scope, &key).await?.map(|found| found.value);
    let of = Collection::PackageMappings(partner.clone(), id.clone());
    let packages = load_all::<PackageMapping>(storage, scope, &of, Read::Strong).await?;
    let since = record.as_ref().and_then(|record| record.auto_sync_since);
    let settings = record.map(|record| record.settings).unwrap_or_default();
    Ok(Biller {
        since: since.filter(|_| settings.billing_auto_sync),
        packages: packages.into_iter().map(|found| (found.value.package.clone(), found.value)).collect(),
        settings,
        connection,
    })
}

impl Biller {
    /// Whether a change received then is pushed by itself.
    #[must_use]
    pub fn pushes(&self, received_at: Timestamp) -> bool {
        self.since.is_some_and(|since| received_at >= since)
    }

    /// Why nothing of this account, or of the whole connection, may be pushed now.
    fn held(&self, account: &AccountId, now: Timestamp) -> Option<Waits> {
        let settings = &self.settings;
        match self.connection.status {
            ConnectionStatus::Connected => {}
            ConnectionStatus::NeedsRelink | ConnectionStatus::Disconnected => {
                return Some(Waits::until(Code::NeedsRelink, "The connection needs new credentials."));
            }
            ConnectionStatus::Paused => {
                return Some(Waits::until(Code::ConnectionPaused, "The connection is paused."));
            }
        }
        if settings.kill_switch {
            return Some(Waits::by_hand("The connection's kill switch is on."));
        }
        let today = now.to_zoned(settings.zone()).date();
        if let Some(freeze) = settings.freeze.as_ref().filter(|freeze| freeze.from <= today && today <= freeze.to) {
            let words = format!("Writes are frozen from {} to {}.", freeze.from, freeze.to);
            return Some(Waits { code: None, words, auto: true });
        }
        if !settings.pilot_accounts.is_empty() && !settings.pilot_accounts.contains(account) {
            return Some(Waits::by_hand("The account is not in the pilot."));
        }
        None
    }
}

/// Why a change waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// The code, where there is one.
    pub code: Option<Code>,
    /// In words.
    pub words: String,
    /// Whether it will be pushed by itself, without anybody doing anything.
    pub auto: bool,
}

impl Waits {
    fn until(code: Code, words: &str) -> Self {
        Self { code: Some(code), words: words.to_owned(), auto: true }
    }

    fn by_hand(words: &str) -> Self {
        Self { code: None, words: words.to_owned(), auto: false }
    }

    fn for_person((code, words): (Code, String)) -> Self {
        Self { code: Some(code), words, auto: false }
    }
}

/// Where a pending change stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is to be pushed now.
    Due,
    /// There is nothing to write for it: the account has no line and needs none.
    Nothing,
    /// It waits.
    Waits(Waits),
}

/// When a cause is looked at again without anything having changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Soon,
    Daily,
    Person,
}

fn again(code: Code) -> Again {
    match code {
        Code::AutotaskUnavailable
        | Code::Throttled
        | Code::Unavailable
        | Code::SecretStoreUnavailable
        | Code::Internal
        | Code::Conflict
        | Code::NeedsRelink
        | Code::ConnectionPaused
        | Code::AlreadyRunning
        | Code::PlanStale
        | Code::SwapWaiting
        | Code::AutoSyncOff
        | Code::WriteUnverified => Again::Soon,
        Code::PermissionMissing
        | Code::UsageMissing
        | Code::UsageStale
        | Code::PeriodAlreadyBilled
        | Code::PeriodNotVisible
        | Code::EffectiveDateOutsideContract => Again::Daily,
        _ => Again::Person,
    }
}

/// Everything that decides where a change stands.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The connection.
    pub biller: &'a Biller,
    /// The change's account.
    pub facts: Facts<'a>,
    /// The run that last took it up.
    pub run: Option<&'a Run>,
    /// When the newest change of the account was told.
    pub newest: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// Where a pending change stands. Pure.
#[must_use]
pub fn standing(change: &PackageChange, frame: &Frame<'_>) -> Standing {
    let Frame { biller, facts, now, .. } = *frame;
    if !biller.pushes(change.received_at) {
        let words = match biller.since {
            None => "Automatic billing sync is off; use Sync now, or switch it on for later changes.".to_owned(),
            Some(since) => {
                format!("It was told before automatic billing sync was switched on at {since}; use Sync now.")
            }
        };
        // What a person's run found out says more than that nothing goes by itself.
        let why = change.why.clone().unwrap_or((Code::AutoSyncOff, words));
        return Standing::Waits(Waits::for_person(why));
    }
    if let Some(waits) = biller.held(&change.account, now).or_else(|| under_way(frame)) {
        return Standing::Waits(waits);
    }
    if let Some(why) = change.packages().find_map(|package| facts.hindrance(package)) {
        return Standing::Waits(Waits::for_person(why));
    }
    let billable = |mapping: &&Mapping| matches!(mapping.status, MappingStatus::Confirmed | MappingStatus::Broken);
    let Some(mapping) = facts.mapping.filter(billable) else { return Standing::Nothing };
    if mapping.paused {
        return Standing::Waits(Waits::by_hand("The account is paused."));
    }
    tried(change, frame, mapping).map_or(Standing::Due, Standing::Waits)
}

/// Whether a run that has not ended has it.
fn under_way(frame: &Frame<'_>) -> Option<Waits> {
    let run = frame.run.filter(|run| !run.state.is_final())?;
    if run.state != RunState::Planned {
        return Some(Waits { code: None, words: format!("The run {} is at work on it.", run.id), auto: true });
    }
    let fresh = run.planned_at.is_none_or(|at| frame.now.duration_since(at) <= PLAN_TTL);
    fresh.then(|| Waits::by_hand(&format!("The run {} waits for somebody to apply it.", run.id)))
}

/// Why it is not tried again yet, where a run has failed to do it.
fn tried(change: &PackageChange, frame: &Frame<'_>, mapping: &Mapping) -> Option<Waits> {
    let (code, words) = change.why.clone()?;
    let at = frame.run.map(|run| run.finished_at.unwrap_or(run.created_at))?;
    let mapped = change.packages().filter_map(|package| frame.biller.packages.get(package)).map(|own| own.updated_at);
    let touched = mapped.chain([mapping.updated_at, frame.newest]).max();
    if touched.is_some_and(|touched| touched > at) {
        return None;
    }
    match again(code) {
        Again::Soon => None,
        Again::Daily if frame.now.duration_since(at) >= DAILY => None,
        Again::Daily => Some(Waits { code: Some(code), words, auto: true }),
        Again::Person => Some(Waits::for_person((code, words))),
    }
}

/// A partner's pending changes, with what decides about each.
#[derive(Debug)]
pub struct Backlog {
    /// The connection.
    pub biller: Biller,
    /// The changes, oldest first.
    pub changes: Vec<PackageChange>,
    /// The accounts that they are about.
    pub accounts: BTreeMap<AccountId, Account>,
    /// Those accounts' mappings; all of the connection's where all accounts were asked for.
    pub mappings: BTreeMap<AccountId, Mapping>,
    runs: BTreeMap<RunId, Run>,
    now: Timestamp,
}

impl Backlog {
    /// Reads it: of one account, or all.
    ///
    /// # Errors
    /// Records.
    pub async fn load(ports: &Ports, scope: &Scope, biller: Biller, only: Option<&AccountId>) -> Result<Self> {
        let storage = &*ports.storage;
        let (partner, connection) = (biller.connection.partner.clone(), biller.connection.id.clone());
        let of = Collection::PendingChanges(partner.clone());
        let pending = load_all::<PendingChange>(storage, scope, &of, Read::Strong).await?;
        let mut changes: Vec<PackageChange> = pending.into_iter().map(|found| found.value.0).collect();
        changes.retain(|change| only.is_none_or(|only| change.account == *only));
        changes.sort_by(|a, b| (a.occurred_at, &a.id).cmp(&(b.occurred_at, &b.id)));
        let (accounts, mappings) = match only {
            Some(account) => {
                let key = Key::Account(partner.clone(), account.clone());
                let own = load::<Account>(storage, scope, &key).await?;
                let key = Key::Mapping(partner.clone(), connection.clone(), account.clone());
                let mapping = load::<Mapping>(storage, scope, &key).await?;
                (own.into_iter().collect(), mapping.into_iter().collect())
            }
            None => {
                let of = Collection::Accounts(partner.clone());
                let accounts = load_all::<Account>(storage, scope, &of, Read::Strong).await?;
                let of = Collection::Mappings(partner.clone(), connection.clone());
                (accounts, load_all::<Mapping>(storage, scope, &of, Read::Strong).await?)
            }
        };
        let mut runs = BTreeMap::new();
        for id in changes.iter().filter_map(|change| change.run.as_ref()).collect::<BTreeSet<_>>() {
            let key = Key::Run(partner.clone(), connection.clone(), id.clone());
            runs.extend(load::<Run>(storage, scope, &key).await?.map(|found| (id.clone(), found.value)));
        }
        Ok(Self {
            biller,
            changes,
            accounts: accounts.into_iter().map(|found| (found.value.id.clone(), found.value)).collect(),
            mappings: mappings.into_iter().map(|found| (found.value.account.clone(), found.value)).collect(),
            runs,
            now: ports.clock.now(),
        })
    }

    /// Where one of them stands.
    #[must_use]
    pub fn standing(&self, change: &PackageChange) -> Standing {
        let own = self.changes.iter().filter(|other| other.account == change.account);
        let facts = Facts {
            account: self.accounts.get(&change.account),
            mapping: self.mappings.get(&change.account),
            packages: &self.biller.packages,
        };
        let run = change.run.as_ref().and_then(|id| self.runs.get(id));
        let newest = own.map(|other| other.received_at).max().unwrap_or(change.received_at);
        standing(change, &Frame { biller: &self.biller, facts, run, newest, now: self.now })
    }

    /// The connection's id.
    #[must_use]
    pub fn connection(&self) -> &ConnectionId {
        &self.biller.connection.id
    }
}

/// Why something is listed as pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PendingKind {
    /// A package change was told.
    Change,
    /// A package is mapped to another service than the one its line holds.
    Remapped,
}

/// Something of an account that is not billed as it should be yet.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingEntry {
    /// Why it is listed.
    pub kind: PendingKind,
    /// The change, where one was told.
    pub change: Option<ChangeId>,
    /// Which account.
    pub account: AccountId,
    /// The account's name.
    pub account_name: String,
    /// The package that it no longer has, or had.
    pub from: Option<PackageId>,
    /// The package that it has now.
    pub to: Option<PackageId>,
    /// How many of it.
    pub quantity: Option<i64>,
    /// When it changed.
    pub occurred_at: Timestamp,
    /// When we were told.
    pub received_at: Timestamp,
    /// Why it waits; none where it is about to be pushed.
    pub why: Option<(Option<Code>, String)>,
    /// Whether it is pushed by itself.
    pub auto: bool,
    /// When the sweep looks at it next, where it is pushed by itself.
    pub next_at: Option<Timestamp>,
    /// How many runs have tried it.
    pub tries: u32,
    /// The run that has it, or had it last.
    pub run: Option<RunId>,
}

impl PendingEntry {
    /// Its place in the list: what was told, oldest first, then what was mapped anew.
    #[must_use]
    pub fn place(&self) -> String {
        match (&self.change, &self.to) {
            (Some(change), _) => format!("0|{:.9}|{change}", self.occurred_at),
            (None, package) => format!("1|{}|{}", self.account, package.as_ref().map_or("", PackageId::as_str)),
        }
    }
}

/// What of a connection's accounts is not billed as it should be yet.
///
/// # Errors
/// `not_found`.
pub async fn list_pending(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<Vec<PendingEntry>> {
    let connection = load_connection(ports, scope, partner, connection).await?.value;
    let next_at = super::push::next_sweep(ports, scope, partner, &connection.id).await?;
    let biller = of_connection(ports, scope, connection).await?;
    let backlog = Backlog::load(ports, scope, biller, None).await?;
    let told = backlog.changes.iter().map(|change| backlog.entry(change, next_at));
    let moved: Vec<Moved<'_>> = backlog.moved().collect();
    let left = emptied(ports, scope, &backlog, &moved).await?;
    // Of a package that the account no longer has there is nothing to swap, once its line is written to 0.
    let remapped = moved.iter().filter(|moved| moved.has.is_some() || !left.contains(&moved.line.line));
    let mut all: Vec<PendingEntry> = told.chain(remapped.map(|moved| backlog.remapped(moved))).collect();
    all.sort_by_key(PendingEntry::place);
    Ok(all)
}

/// A line whose package is mapped to another service by now.
struct Moved<'a> {
    account: &'a AccountId,
    line: &'a MappedLine,
    own: &'a PackageMapping,
    /// What it was billed as, and what it is to be.
    former: &'a ServiceTarget,
    target: &'a ServiceTarget,
    /// What the account has of the package.
    has: Option<&'a AccountPackage>,
}

/// Those of the lines whose 0 units are the newest word and written.
async fn emptied(ports: &Ports, scope: &Scope, backlog: &Backlog, moved: &[Moved<'_>]) -> Result<BTreeSet<LineRef>> {
    if moved.is_empty() {
        return Ok(BTreeSet::new());
    }
    let connection = &backlog.biller.connection;
    let of = Collection::UnitLines(connection.partner.clone(), connection.id.clone());
    let ledger = load_all::<UnitLine>(&*ports.storage, scope, &of, Read::Eventual).await?;
    let empty = ledger.into_iter().filter(|ledger| ledger.empty_from().is_some());
    Ok(empty.map(|ledger| ledger.line).collect())
}

impl Backlog {
    fn account_name(&self, id: &AccountId) -> String {
        self.accounts.get(id).map_or_else(|| id.to_string(), |account| account.name.clone())
    }

    fn entry(&self, change: &PackageChange, next_at: Option<Timestamp>) -> PendingEntry {
        let (why, auto) = match self.standing(change) {
            Standing::Due | Standing::Nothing => (None, true),
            Standing::Waits(waits) => (Some((waits.code, waits.words)), waits.auto),
        };
        PendingEntry {
            kind: PendingKind::Change,
            change: Some(change.id.clone()),
            account: change.account.clone(),
            account_name: self.account_name(&change.account),
            from: change.from.clone(),
            to: change.to.clone(),
            quantity: change.quantity,
            occurred_at: change.occurred_at,
            received_at: change.received_at,
            why,
            auto,
            next_at: next_at.filter(|_| auto),
            tries: change.tries,
            run: change.run.clone(),
        }
    }

    /// The lines whose package is mapped to another service by now.
    fn moved(&self) -> impl Iterator<Item = Moved<'_>> {
        let billable = |mapping: &&Mapping| matches!(mapping.status, MappingStatus::Confirmed | MappingStatus::Broken);
        let lines = self
            .mappings
            .values()
            .filter(billable)
            .flat_map(|mapping| mapping.lines.iter().map(move |line| (&mapping.account, line)));
        lines.filter_map(|(account, line)| {
            let own = self.biller.packages.get(&line.package_id)?;
            let is = |target: &&ServiceTarget| target.is(line.line.kind, line.service_id);
            let target = own.target.as_ref().filter(|target| !is(target))?;
            let former = own.former.iter().find(is)?;
            let packages = self.accounts.get(account).filter(|account| account.active).map(|account| &account.packages);
            let has = packages.into_iter().flatten().find(|has| has.id == line.package_id);
            Some(Moved { account, line, own, former, target, has })
        })
    }

    fn remapped(&self, moved: &Moved<'_>) -> PendingEntry {
        let words = format!(
            "It is billed as {} and mapped to {}: the next sync swaps the lines.",
            moved.former.name, moved.target.name
        );
        PendingEntry {
            kind: PendingKind::Remapped,
            change: None,
            account: moved.account.clone(),
            account_name: self.account_name(moved.account),
            from: Some(moved.line.package_id.clone()),
            to: Some(moved.line.package_id.clone()),
            quantity: moved.has.and_then(|has| has.quantity),
            occurred_at: moved.own.updated_at,
            received_at: moved.own.updated_at,
            why: Some((None, words)),
            auto: false,
            next_at: None,
            tries: 0,
            run: None,
        }
    }
}
