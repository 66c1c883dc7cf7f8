//! What a run that has ended means for the package changes that it covered: done, or still pending and why.

use super::{ChangeState, PackageChange, PackageMapping, PendingChange};
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::ids::{AccountId, ChangeId, ConnectionId, PackageId, PartnerId, RunId};
use crate::issues::{self, Met, Subject};
use crate::mappings::{Mapping, MappingStatus};
use crate::ports::{Ports, Read, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, Expect, Key, Record, Versioned, Write, load, load_all};
use crate::runs::{LineState, Run, RunKind, RunLine, RunMode};
use crate::vendor::Account;
use futures::{TryStreamExt, stream};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// How often a change is judged anew because somebody else wrote to its records in between.
const TRIES: u32 = 5;
/// Accounts whose changes are written at a time.
const ACCOUNTS_AT_ONCE: usize = 8;

/// What a run's lines make of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// Every line of its packages is right.
    Done,
    /// The first package whose line is not, and why.
    Kept(PackageId, Code, String),
    /// The run says nothing about it: other runs write its lines.
    Elsewhere,
}

/// What is known of a change's account besides the run's lines.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The account.
    pub account: Option<&'a Account>,
    /// Its mapping.
    pub mapping: Option<&'a Mapping>,
    /// The connection's package mappings.
    pub packages: &'a BTreeMap<PackageId, PackageMapping>,
}

impl Facts<'_> {
    /// Whether the account has the package now.
    #[must_use]
    pub fn has(&self, package: &PackageId) -> bool {
        self.account.is_some_and(|account| account.active && account.packages.iter().any(|own| own.id == *package))
    }

    /// Whether a line of the account was chosen for the package.
    fn has_line(&self, package: &PackageId) -> bool {
        self.mapping.is_some_and(|mapping| mapping.lines.iter().any(|line| line.package_id == *package))
    }

    /// What keeps a package from being billed whatever a run does.
    #[must_use]
    pub fn hindrance(&self, package: &PackageId) -> Option<(Code, String)> {
        let own = self.packages.get(package);
        if !self.has(package) || own.is_some_and(|own| own.excluded) {
            return None;
        }
        let Some(mapping) = self.mapping else {
            return Some((Code::UnmappedAccount, "The account is not mapped to a company.".to_owned()));
        };
        match (mapping.status, &mapping.broken) {
            (MappingStatus::Excluded, _) => return None,
            (MappingStatus::Suggested, _) => {
                return Some((Code::MappingUnconfirmed, "The account's mapping waits for a yes.".to_owned()));
            }
            (MappingStatus::Broken, Some(broken)) => return Some((broken.code, broken.detail.clone())),
            (MappingStatus::Broken | MappingStatus::Confirmed, _) => {}
        }
        let served = own.is_some_and(|own| own.target.is_some() || own.sum_into.is_some());
        if !served && !self.has_line(package) {
            let words = format!("The package {package} is mapped to no service and not excluded.");
            return Some((Code::PackageUnmapped, words));
        }
        if mapping.contract.is_none() && mapping.lines.is_empty() {
            return Some((Code::NoContractSelected, "The account is mapped without a contract.".to_owned()));
        }
        None
    }

    /// Whether a package without a line in a run has one, or must get one.
    fn ought_to_have_a_line(&self, package: &PackageId) -> bool {
        let excluded = self.packages.get(package).is_some_and(|own| own.excluded)
            || self.mapping.is_some_and(|mapping| mapping.status == MappingStatus::Excluded);
        !excluded && (self.has(package) || self.has_line(package))
    }
}

/// Judges a change by the lines of a run that has ended. A package that the account no longer has and that has no
/// line is right, and so is one that is excluded.
#[must_use]
pub fn judge(change: &PackageChange, kind: RunKind, lines: &[RunLine], facts: &Facts<'_>) -> Judged {
    let (mut kept, mut elsewhere) = (Vec::new(), None);
    for package in change.packages() {
        let own: Vec<&RunLine> = lines.iter().filter(|line| is_of(line, &change.account, package)).collect();
        // A seat sync counts on what was told to be gone.
        let still_counted = kind == RunKind::SeatSync && !facts.has(package);
        if still_counted && own.iter().any(|line| line.units_wanted != Some(0)) {
            elsewhere.get_or_insert(package);
        } else if !own.is_empty() {
            kept.extend(
                own.into_iter()
                    .filter(|line| !is_right(line))
                    .map(|line| (package, line.code.unwrap_or(Code::RunPartial), line.words.clone())),
            );
        } else if let Some((code, words)) = facts.hindrance(package) {
            kept.push((package, code, words));
        } else if facts.ought_to_have_a_line(package) {
            elsewhere.get_or_insert(package);
        }
    }
    // A line that waits for the other one says nothing of why that is not right.
    kept.sort_by_key(|(_, code, _)| *code == Code::SwapWaiting);
    if let Some((package, code, words)) = kept.into_iter().next() {
        return Judged::Kept(package.clone(), code, words);
    }
    match elsewhere {
        None => Judged::Done,
        Some(_) if kind == RunKind::SeatSync => Judged::Elsewhere,
        Some(package) => {
            let words = format!("The run had no line of the package {package} to write.");
            Judged::Kept(package.clone(), Code::RunPartial, words)
        }
    }
}

/// Whether the account's package is billed on the line.
fn is_of(line: &RunLine, account: &AccountId, package: &PackageId) -> bool {
    let own = line.account == *account && line.package == *package;
    let mut parts = line.reckoning.iter().flat_map(|reckoning| &reckoning.parts);
    own || parts.any(|part| part.account == *account && part.package == *package)
}

fn is_right(line: &RunLine) -> bool {
    match line.state {
        LineState::Changed | LineState::Unchanged | LineState::Superseded => true,
        LineState::Held | LineState::Failed | LineState::Skipped | LineState::Unverified => false,
    }
}

/// Judges the pending changes that a run covered by its final `lines`, and writes what becomes of each: to be called
/// once the lines are what they will be, before or after the run's end; twice is as good as once. A preview settles
/// nothing. A change that was told after the plan was made is left for another run.
///
/// # Errors
/// Records.
pub async fn settle(ports: &Ports, scope: &Scope, run: &Run, lines: &[RunLine]) -> Result<()> {
    let covers = matches!(run.kind, RunKind::SeatSync | RunKind::Initial | RunKind::PackageChanges);
    let Some(planned_at) = run.planned_at.filter(|_| covers && run.mode == RunMode::Apply) else { return Ok(()) };
    let of = Collection::PendingChanges(run.partner.clone());
    let pending = load_all::<PendingChange>(&*ports.storage, scope, &of, Read::Strong).await?;
    let accounts: Option<BTreeSet<&AccountId>> = run.accounts.as_ref().map(|accounts| accounts.iter().collect());
    let changes: Option<BTreeSet<&ChangeId>> = run.changes.as_ref().map(|changes| changes.iter().collect());
    let covered = pending.into_iter().map(|found| found.value.0).filter(|change| {
        change.received_at <= planned_at
            && accounts.as_ref().is_none_or(|accounts| accounts.contains(&change.account))
            && changes.as_ref().is_none_or(|changes| changes.contains(&change.id))
    });
    let mut by_account: BTreeMap<AccountId, Vec<ChangeId>> = BTreeMap::new();
    for change in covered {
        by_account.entry(change.account).or_default().push(change.id);
    }
    if by_account.is_empty() {
        return Ok(());
    }
    let packages = package_mappings(ports, scope, run).await?;
    let settling = Settling { ports, scope, run, lines, packages: &packages };
    stream::iter(by_account.into_iter().map(Ok::<_, Error>))
        .try_for_each_concurrent(ACCOUNTS_AT_ONCE, |(account, changes)| settling.account(account, changes))
        .await
}

async fn package_mappings(ports: &Ports, scope: &Scope, run: &Run) -> Result<BTreeMap<PackageId, PackageMapping>> {
    let of = Collection::PackageMappings(run.partner.clone(), run.connection.clone());
    let found = load_all::<PackageMapping>(&*ports.storage, scope, &of, Read::Strong).await?;
    Ok(found.into_iter().map(|found| (found.value.package.clone(), found.value)).collect())
}

/// A run that settles changes.
struct Settling<'a> {
    ports: &'a Ports,
    scope: &'a Scope,
    run: &'a Run,
    lines: &'a [RunLine],
    packages: &'a BTreeMap<PackageId, PackageMapping>,
}

impl Settling<'_> {
    /// One account's changes, one after the other: they share issues.
    async fn account(&self, account: AccountId, changes: Vec<ChangeId>) -> Result<()> {
        let (partner, connection) = (self.run.partner.clone(), self.run.connection.clone());
        let storage = &*self.ports.storage;
        let mapping = Key::Mapping(partner.clone(), connection, account.clone());
        let mapping = load::<Mapping>(storage, self.scope, &mapping).await?;
        let own = load::<Account>(storage, self.scope, &Key::Account(partner, account)).await?;
        let facts = Facts {
            account: own.as_ref().map(|found| &found.value),
            mapping: mapping.as_ref().map(|found| &found.value),
            packages: self.packages,
        };
        for id in &changes {
            self.change(id, &facts).await?;
        }
        Ok(())
    }

    async fn change(&self, id: &ChangeId, facts: &Facts<'_>) -> Result<()> {
        for _ in 0..TRIES {
            let key = Key::PendingChange(self.run.partner.clone(), id.clone());
            let Some(pending) = load::<PendingChange>(&*self.ports.storage, self.scope, &key).await? else {
                return Ok(());
            };
            let written = match judge(&pending.value.0, self.run.kind, self.lines, facts) {
                Judged::Done => {
                    let of = (&self.run.partner, &self.run.connection);
                    done(self.ports, self.scope, &self.run.actor, of, pending, Some(&self.run.id)).await
                }
                Judged::Kept(package, code, words) => self.kept(pending, &package, (code, words)).await,
                Judged::Elsewhere => return Ok(()),
            };
            match written {
                Err(Error::Storage(StorageError::Conflict { .. })) => {}
                other => return other,
            }
        }
        Err(StorageError::Conflict { at: 0, current: None }.into())
    }

    async fn kept(&self, pending: Versioned<PendingChange>, package: &PackageId, why: (Code, String)) -> Result<()> {
        let why = Some(why);
        if pending.value.0.run.as_ref() == Some(&self.run.id) && pending.value.0.why == why {
            return Ok(());
        }
        let mut change = pending.value.0.clone();
        change.why = why;
        change.run = Some(self.run.id.clone());
        change.tries += 1;
        let kept = PendingChange(change.clone());
        let mut write = Change::of_connection(self.ports, &self.run.actor, &self.run.partner, &self.run.connection)
            .replace(&kept, pending.v)?
            .write(own_record(self.ports, self.scope, &change).await?);
        if let Some((Code::PackageUnmapped, words)) = &change.why {
            let subject = unmapped_subject(&change.account, package);
            let on = self.on(&subject);
            let met = Met { detail: words, more: None, by: Some(self.run.id.as_str()) };
            write = issues::open_in(write, self.ports, self.scope, on, Code::PackageUnmapped, met).await?;
        }
        Ok(write.commit(self.scope).await?)
    }

    fn on<'a>(&'a self, subject: &'a str) -> Subject<'a> {
        Subject { partner: &self.run.partner, connection: &self.run.connection, subject }
    }
}

/// Closes a change for which no run has anything to write.
///
/// # Errors
/// Records.
pub(super) async fn close(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    connection: &ConnectionId,
    change: &PackageChange,
) -> Result<()> {
    let key = PendingChange(change.clone()).key();
    let Some(pending) = load::<PendingChange>(&*ports.storage, scope, &key).await? else { return Ok(()) };
    match done(ports, scope, actor, (&change.partner, connection), pending, None).await {
        // Somebody else settles it.
        Err(Error::Storage(StorageError::Conflict { .. })) => Ok(()),
        other => other,
    }
}

/// Ends a change: all its lines are right.
async fn done(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, connection): (&PartnerId, &ConnectionId),
    pending: Versioned<PendingChange>,
    run: Option<&RunId>,
) -> Result<()> {
    let mut change = pending.value.0.clone();
    change.state = ChangeState::Done;
    change.why = None;
    change.run = run.cloned().or(change.run);
    change.tries += u32::from(run.is_some());
    change.done_at = Some(ports.clock.now());
    let told = json!({
        "change_id": change.id, "account_id": change.account, "from": change.from, "to": change.to,
        "quantity": change.quantity, "occurred_at": change.occurred_at, "run_id": run,
    });
    let mut write = Change::of_connection(ports, actor, partner, connection)
        .write(Write::delete(pending.value.key(), Expect::Version(pending.v)))
        .write(own_record(ports, scope, &change).await?)
        .audit(
            "package_change.billed",
            format!("package_change/{}", change.id),
            json!({"state": ChangeState::Pending}),
            json!({"state": change.state, "run": run}),
        )?
        .event("billing.package_change_billed", told)?;
    for package in change.packages() {
        let subject = unmapped_subject(&change.account, package);
        let on = Subject { partner, connection, subject: &subject };
        write = issues::resolve(write, ports, scope, on, Code::PackageUnmapped).await?;
    }
    Ok(write.commit(scope).await?)
}

/// The write of a change's own record, beside the one among those that are pending.
async fn own_record(ports: &Ports, scope: &Scope, change: &PackageChange) -> Result<Write> {
    let own = load::<PackageChange>(&*ports.storage, scope, &change.key()).await?;
    let expect = own.map_or(Expect::Absent, |own| Expect::Version(own.v));
    Ok(Write::put(change, expect)?)
}

/// What the issue of an account's unmapped package is about.
pub(super) fn unmapped_subject(account: &AccountId, package: &PackageId) -> String {
    format!("account/{account}/{package}")
}

#[cfg(test)]
mod tests {
    use super::super::{ChangeSource, QuantityRule, QuantitySource, ServiceTarget};
    use super::*;
    use crate::ids::{ConnectionId, LineKind, PartnerId};
    use crate::vendor::AccountPackage;
    use serde_json::{Value, json};

    const AT: &str = "2026-11-20T11:00:00Z";

    fn id(text: &str) -> PackageId {
        PackageId::new(text).unwrap()
    }

    fn swap() -> PackageChange {
        PackageChange {
            partner: PartnerId::new("acme").unwrap(),
            id: ChangeId::new("c1").unwrap(),
            account: AccountId::new("a1").unwrap(),
            from: Some(id("old")),
            to: Some(id("new")),
            quantity: Some(10),
            occurred_at: AT.parse().unwrap(),
            received_at: AT.parse().unwrap(),
            source: ChangeSource::Change,
            state: ChangeState::Pending,
            why: None,
            run: None,
            tries: 0,
            done_at: None,
        }
    }

    fn account(packages: &[&str], active: bool) -> Account {
        Account {
            partner: PartnerId::new("acme").unwrap(),
            id: AccountId::new("a1").unwrap(),
            name: "Blue Kite".to_owned(),
            contact_email: None,
            packages: packages.iter().map(|package| AccountPackage::new(id(package), Some(10))).collect(),
            removed: Vec::new(),
            told: std::collections::BTreeSet::new(),
            packages_at: None,
            active,
            updated_at: AT.parse().unwrap(),
        }
    }

    fn line(package: &str, state: &str, code: Value) -> RunLine {
        let line = json!({
            "no": 1, "account": "a1", "account_name": "Blue Kite", "company_id": 1, "company_name": null,
            "contract_id": 1, "contract_name": null, "package": package, "kind": "service", "service_id": 5,
            "line": null, "service_name": "S", "units_now": 1, "count": null, "count_as_of": null, "units_wanted": 1,
            "effective_date": "2026-12-01", "period_billed": false, "drift_from": null, "state": state, "code": code,
            "words": format!("{package} is {state}."), "sent": null, "verified_units": null, "adjustment_id": null,
        });
        serde_json::from_value(line).unwrap()
    }

    fn right(package: &str) -> RunLine {
        line(package, "changed", Value::Null)
    }

    fn mapping(status: &str, lines: &[&str]) -> Mapping {
        let line = |package: &&str| json!({"package_id": package, "line": {"kind": "service", "id": 7}, "service_id": 5, "service_name": "S", "overwrite_cost": null});
        let mapping = json!({
            "partner": "acme", "connection": "con_1", "account": "a1", "status": status,
            "company": {"id": 1, "name": "Blue Kite"},
            "contract": {"id": 1, "name": "Managed", "start": null, "end": null},
            "lines": lines.iter().map(line).collect::<Vec<_>>(), "source": "manual", "broken": null,
            "confirmed_at": AT, "updated_at": AT,
        });
        serde_json::from_value(mapping).unwrap()
    }

    fn mapped(package: &str, excluded: bool) -> (PackageId, PackageMapping) {
        let mapping = PackageMapping {
            partner: PartnerId::new("acme").unwrap(),
            connection: ConnectionId::new("con_1").unwrap(),
            package: id(package),
            target: (!excluded).then(|| ServiceTarget {
                kind: LineKind::Service,
                id: 5,
                name: "S".to_owned(),
                product_id: None,
            }),
            former: Vec::new(),
            sum_into: None,
            excluded,
            overwrite_cost: None,
            quantity_source: QuantitySource::Package,
            count_rule: super::super::CountRule::Fixed,
            quantity_rule: QuantityRule::default(),
            updated_at: AT.parse().unwrap(),
        };
        (id(package), mapping)
    }

    fn kept(package: &str, code: Code) -> (Option<PackageId>, Option<Code>) {
        (Some(id(package)), Some(code))
    }

    const DONE: (Option<PackageId>, Option<Code>) = (None, None);

    #[test]
    fn a_swap_is_done_when_both_of_its_lines_are_right_and_not_before() {
        let both = BTreeMap::from([mapped("old", false), mapped("new", false)]);
        let confirmed = mapping("confirmed", &["old"]);
        let (has_new, failed) = (account(&["new"], true), json!("rejected_by_autotask"));
        for (lines, wanted) in [
            (vec![right("old"), right("new")], DONE),
            (vec![line("old", "unchanged", Value::Null), line("new", "superseded", json!("superseded"))], DONE),
            (vec![right("old"), line("new", "failed", failed.clone())], kept("new", Code::RejectedByAutotask)),
            (vec![line("old", "held", json!("swap_waiting")), right("new")], kept("old", Code::SwapWaiting)),
            (
                vec![line("old", "held", json!("swap_waiting")), line("new", "failed", json!("duplicate_line"))],
                kept("new", Code::DuplicateLine),
            ),
            (
                vec![right("old"), line("new", "unverified", json!("write_unverified"))],
                kept("new", Code::WriteUnverified),
            ),
            (vec![right("old"), line("new", "skipped", Value::Null)], kept("new", Code::RunPartial)),
            (vec![right("old"), right("new"), line("new", "failed", failed)], kept("new", Code::RejectedByAutotask)),
            (vec![right("new")], kept("old", Code::RunPartial)),
            (vec![right("old")], kept("new", Code::RunPartial)),
        ] {
            let facts = Facts { account: Some(&has_new), mapping: Some(&confirmed), packages: &both };
            let judged = match judge(&swap(), RunKind::PackageChanges, &lines, &facts) {
                Judged::Done => DONE,
                Judged::Kept(package, code, _) => (Some(package), Some(code)),
                Judged::Elsewhere => panic!("{lines:?}"),
            };
            assert_eq!(judged, wanted, "{lines:?}");
        }
    }

    #[test]
    fn a_package_without_a_line_is_right_only_where_none_is_due() {
        let none = BTreeMap::new();
        let new = BTreeMap::from([mapped("new", false)]);
        let excluded = BTreeMap::from([mapped("new", true)]);
        let (confirmed, suggested) = (mapping("confirmed", &[]), mapping("suggested", &[]));
        let not_billed = mapping("excluded", &[]);
        let (has, has_not, gone) = (account(&["new"], true), account(&[], true), account(&["new"], false));
        for (account, mapping, packages, wanted) in [
            (&has, Some(&confirmed), &none, kept("new", Code::PackageUnmapped)),
            (&has, Some(&confirmed), &new, kept("new", Code::RunPartial)),
            (&has, Some(&confirmed), &excluded, DONE),
            (&has, None, &new, kept("new", Code::UnmappedAccount)),
            (&has, Some(&suggested), &new, kept("new", Code::MappingUnconfirmed)),
            (&has, Some(&not_billed), &new, DONE),
            (&has_not, Some(&confirmed), &new, DONE),
            (&has_not, None, &none, DONE),
            (&gone, Some(&confirmed), &new, DONE),
        ] {
            let facts = Facts { account: Some(account), mapping, packages };
            let judged = match judge(&swap(), RunKind::Initial, &[], &facts) {
                Judged::Done => DONE,
                Judged::Kept(package, code, _) => (Some(package), Some(code)),
                Judged::Elsewhere => panic!("it is this run's"),
            };
            assert_eq!(judged, wanted, "{facts:?}");
        }
    }

    #[test]
    fn a_seat_sync_judges_only_what_it_has_lines_of() {
        let both = BTreeMap::from([mapped("old", false), mapped("new", false)]);
        let (confirmed, has_new) = (mapping("confirmed", &["old"]), account(&["new"], true));
        let facts = Facts { account: Some(&has_new), mapping: Some(&confirmed), packages: &both };
        assert_eq!(judge(&swap(), RunKind::SeatSync, &[right("new")], &facts), Judged::Elsewhere);
        assert_eq!(judge(&swap(), RunKind::SeatSync, &[right("new"), right("old")], &facts), Judged::Elsewhere);
        let gone = RunLine { units_wanted: Some(0), ..right("old") };
        assert_eq!(judge(&swap(), RunKind::SeatSync, &[right("new"), gone], &facts), Judged::Done);
    }
}
