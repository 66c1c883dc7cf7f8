//! Loads ours: what should be where, by what we were told.

use super::along::along;
use super::creation::{Creation, LineCreation};
use super::targets::{self, Asked, Target, Unserved};
use super::undo::{self, Undone};
use crate::actor::Scope;
use crate::connections::Settings;
use crate::ids::{AccountId, ConnectionId, LineRef, PackageId, PartnerId, RunId};
use crate::mappings::{LineTaken, Mapping};
use crate::packages::{CountRule, PackageChange, PackageMapping, PendingChange};
use crate::ports::{Ports, Read};
use crate::problem::Result;
use crate::records::{Collection, Key, Record, Versioned, load, load_all};
use crate::runs::{Dismissal, LineName, Run, RunKind, RunLine, RunState, lines};
use crate::units::UnitLine;
use crate::vendor::{Account, AccountClaim, Package, Partner, Usage, UsageMonth};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// How many undos of undos are followed to the run that began it: a person who changes their mind more often is rare.
const UNDOS_MAX: usize = 16;

/// Everything of ours that a plan is made of.
#[derive(Debug, Default)]
pub struct Ours {
    /// What the run decides about, in the order of account and package.
    pub targets: Vec<Target>,
    /// Packages that the run should bill and that are mapped to nothing.
    pub unserved: Vec<Unserved>,
    /// All accounts of the partner.
    pub accounts: BTreeMap<AccountId, Account>,
    /// All mappings of the connection.
    pub mappings: BTreeMap<AccountId, Mapping>,
    /// All package mappings of the connection.
    pub package_mappings: BTreeMap<PackageId, PackageMapping>,
    /// The newest counts.
    pub usage: BTreeMap<(AccountId, PackageId), Usage>,
    /// The daily counts of the month that is counted, where a rule asks for them.
    pub months: BTreeMap<(AccountId, PackageId), UsageMonth>,
    /// The vendor's packages.
    pub packages: BTreeMap<PackageId, Package>,
    /// Accounts that another PSA has claimed.
    pub claimed: BTreeMap<AccountId, AccountClaim>,
    /// Package changes that are pending and within the run's reach.
    pub changes: Vec<PackageChange>,
    /// Lines that mappings hold, by whom.
    pub taken: BTreeMap<LineRef, LineTaken>,
    /// Lines that were, or are being, added to contracts.
    pub creations: BTreeMap<Creation, Versioned<LineCreation>>,
    /// Our ledger.
    pub ledger: BTreeMap<LineRef, Versioned<UnitLine>>,
    /// The run's own lines as stored, where people may have decided about them.
    pub stored: BTreeMap<LineName, RunLine>,
    /// What people dismissed for the run's period.
    pub dismissed: BTreeMap<(AccountId, PackageId), Dismissal>,
    /// What the run takes back.
    pub undone: BTreeMap<LineName, Undone>,
    /// The partner's time zone, by which days are counted.
    pub zone: Option<TimeZone>,
}

impl Ours {
    /// Whether a run added a target's line to its contract.
    pub(super) fn added_by(&self, target: &Target, run: &RunId) -> bool {
        let found = self.creations.get(&target.creation());
        found.is_some_and(|found| found.run.as_ref() == Some(run) && found.line == target.line && found.line.is_some())
    }
}

/// Loads everything of ours for one run. It comes before anything is read of Autotask, which so is never older than
/// the ledger.
///
/// # Errors
/// Storage.
pub async fn load_ours(ports: &Ports, scope: &Scope, run: &Run, settings: &Settings, counted: Date) -> Result<Ours> {
    let (p, c) = (run.partner.clone(), run.connection.clone());
    let packages_too = matches!(run.kind, RunKind::Initial | RunKind::PackageChanges);
    let mappings = every::<Mapping>(ports, scope, Collection::Mappings(p.clone(), c.clone()), Read::Strong).await?;
    let package_mappings =
        every::<PackageMapping>(ports, scope, Collection::PackageMappings(p.clone(), c.clone()), Read::Strong).await?;
    let usage = every::<Usage>(ports, scope, Collection::Usage(p.clone()), Read::Strong).await?;
    let read = if run.kind == RunKind::Undo { Read::Eventual } else { Read::Strong };
    let accounts = every::<Account>(ports, scope, Collection::Accounts(p.clone()), read).await?;
    let claims = every::<AccountClaim>(ports, scope, Collection::AccountClaims(p.clone()), Read::Eventual).await?;
    let packages = every::<Package>(ports, scope, Collection::Packages, Read::Eventual).await?;
    let counts_days = package_mappings
        .iter()
        .any(|mapping| matches!(mapping.count_rule, CountRule::HighWaterMark | CountRule::AverageRoundedUp));
    let months = match counts_days {
        true => every::<UsageMonth>(ports, scope, Collection::UsageMonth(p.clone(), counted), Read::Strong).await?,
        false => Vec::new(),
    };
    let (named, others) = match run.kind {
        RunKind::Undo => (Vec::new(), Vec::new()),
        _ => changes(ports, scope, run).await?,
    };
    let mut ours = Ours {
        targets: Vec::new(),
        unserved: Vec::new(),
        accounts: accounts.into_iter().map(|a| (a.id.clone(), a)).collect(),
        mappings: mappings.into_iter().map(|m| (m.account.clone(), m)).collect(),
        package_mappings: package_mappings.into_iter().map(|m| (m.package.clone(), m)).collect(),
        usage: usage.into_iter().map(|u| ((u.account.clone(), u.package.clone()), u)).collect(),
        months: months.into_iter().map(|m| ((m.account.clone(), m.package.clone()), m)).collect(),
        packages: packages.into_iter().map(|k| (k.id.clone(), k)).collect(),
        claimed: claims.into_iter().map(|k| (k.account.clone(), k)).collect(),
        changes: Vec::new(),
        taken: BTreeMap::new(),
        creations: BTreeMap::new(),
        ledger: BTreeMap::new(),
        stored: BTreeMap::new(),
        dismissed: BTreeMap::new(),
        undone: BTreeMap::new(),
        zone: None,
    };
    ours.changes = along(&ours, named, others);
    if counts_days {
        let partner = load::<Partner>(&*ports.storage, scope, &Key::Partner(p.clone())).await?;
        ours.zone = partner.and_then(|partner| TimeZone::get(&partner.time_zone).ok());
    }
    decided(ports, scope, run, &mut ours).await?;
    if run.kind == RunKind::Undo {
        ours.undone = undone(ports, scope, run, &ours.stored).await?;
        ours.targets = undo::targets(&ours, run);
        ours.ledger = load_ledger(ports, scope, &p, &c).await?;
        return Ok(ours);
    }
    ours.ledger = load_ledger(ports, scope, &p, &c).await?;
    let asked = Asked { kind: run.kind, accounts: run.accounts.as_deref(), all: run.changes.is_none() };
    (ours.targets, ours.unserved) = targets::targets(&ours, &asked, settings.topologies.many_accounts_per_company);
    if ours.targets.iter().any(|target| target.line.is_none()) || packages_too {
        let taken =
            every::<LineTaken>(ports, scope, Collection::LinesTaken(p.clone(), c.clone()), Read::Strong).await?;
        ours.taken = taken.into_iter().map(|taken| (taken.line, taken)).collect();
        let of = Collection::LineCreations(p.clone(), c.clone());
        let creations = load_all::<LineCreation>(&*ports.storage, scope, &of, Read::Strong).await?;
        ours.creations = creations.into_iter().map(|found| (found.value.name(), found)).collect();
    }
    Ok(ours)
}

/// What people decided that binds the run: in its own lines, and for its period.
async fn decided(ports: &Ports, scope: &Scope, run: &Run, ours: &mut Ours) -> Result<()> {
    let (p, c) = (&run.partner, &run.connection);
    if run.state == RunState::Planned || run.approved || run.kind == RunKind::Undo {
        let stored = lines::load_lines(ports, scope, p, c, &run.id).await?;
        ours.stored = stored.into_iter().map(|line| (line.name(), line)).collect();
    }
    if run.kind != RunKind::Undo {
        let of = Collection::Dismissals(p.clone(), c.clone());
        let dismissed = every::<Dismissal>(ports, scope, of, Read::Strong).await?;
        let binding = dismissed.into_iter().filter(|dismissal| dismissal.binds(run));
        ours.dismissed = binding.map(|found| ((found.account.clone(), found.package.clone()), found)).collect();
    }
    Ok(())
}

/// What the run that is undone made of the lines that this one takes back.
async fn undone(
    ports: &Ports,
    scope: &Scope,
    run: &Run,
    stored: &BTreeMap<LineName, RunLine>,
) -> Result<BTreeMap<LineName, Undone>> {
    let Some(origin) = &run.undo_of else { return Ok(BTreeMap::new()) };
    let report = lines::load_lines(ports, scope, &run.partner, &run.connection, origin).await?;
    let onward = first_kind(ports, scope, run, origin).await? != Some(RunKind::SeatSync);
    let meant = report.into_iter().filter(|line| stored.contains_key(&line.name()));
    Ok(meant.filter_map(|line| Some((line.name(), Undone::new(line, onward)?))).collect())
}

/// The kind of a run, or of the one that it undoes in the end.
async fn first_kind(ports: &Ports, scope: &Scope, run: &Run, of: &RunId) -> Result<Option<RunKind>> {
    let mut id = of.clone();
    for _ in 0..UNDOS_MAX {
        let key = Key::Run(run.partner.clone(), run.connection.clone(), id.clone());
        let Some(found) = load::<Run>(&*ports.storage, scope, &key).await? else { return Ok(None) };
        match found.value.undo_of.filter(|_| found.value.kind == RunKind::Undo) {
            Some(next) => id = next,
            None => return Ok(Some(found.value.kind)),
        }
    }
    Ok(None)
}

/// The pending changes that a run was started for, and the others within its reach.
async fn changes(ports: &Ports, scope: &Scope, run: &Run) -> Result<(Vec<PackageChange>, Vec<PackageChange>)> {
    let pending =
        every::<PendingChange>(ports, scope, Collection::PendingChanges(run.partner.clone()), Read::Strong).await?;
    let named = |change: &PackageChange| run.changes.as_ref().is_none_or(|named| named.contains(&change.id));
    let within = |change: &PackageChange| run.accounts.as_ref().is_none_or(|only| only.contains(&change.account));
    Ok(pending.into_iter().map(|pending| pending.0).filter(within).partition(named))
}

/// Loads the connection's ledger, strongly consistent.
///
/// # Errors
/// Storage.
pub async fn load_ledger(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
) -> Result<BTreeMap<LineRef, Versioned<UnitLine>>> {
    let of = Collection::UnitLines(partner.clone(), connection.clone());
    let lines = load_all::<UnitLine>(&*ports.storage, scope, &of, Read::Strong).await?;
    Ok(lines.into_iter().map(|line| (line.value.line, line)).collect())
}

async fn every<R: Record>(ports: &Ports, scope: &Scope, of: Collection, read: Read) -> Result<Vec<R>> {
    let all = load_all::<R>(&*ports.storage, scope, &of, read).await?;
    Ok(all.into_iter().map(|found| found.value).collect())
}
