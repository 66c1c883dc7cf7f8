//! Writing a package's mapping so that the connection's mappings fit together: a service is billed by one package,
//! and what is summed is summed into a package that is billed itself.

use super::shown::{shown, unmapped};
use super::standing::mapped;
use super::{PackageMapping, ServiceTarget};
use crate::change::Change;
use crate::connections::{Connection, load_connection};
use crate::ids::{ConnectionId, PackageId, PartnerId};
use crate::mappings::Context;
use crate::ports::StorageError;
use crate::problem::{Code, Error, FieldError, Problem, Result};
use crate::records::{Expect, Key, Record, Versioned, Write, load};
use crate::vendor::Package;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How often a write is tried again when somebody else wrote in between.
const ATTEMPTS_MAX: usize = 5;
/// Most earlier targets that a mapping remembers; beyond it the oldest are forgotten, and their lines count as chosen
/// by hand.
const FORMER_MAX: usize = 20;

/// Whose turn it was to change a connection's package mappings. What must be true of several mappings at once cannot
/// be a condition on any one of them, so every change of any of them writes this record over the version that it read
/// before it read the mappings. Of two at once, the second one finds it changed and looks again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PackageMappingTurn {
    partner: PartnerId,
    connection: ConnectionId,
    /// The package that was changed last.
    package: PackageId,
    /// When.
    at: Timestamp,
}

impl Record for PackageMappingTurn {
    const ENTITY: &'static str = "package_mapping_turn";
    fn key(&self) -> Key {
        Key::PackageMappingTurn(self.partner.clone(), self.connection.clone())
    }
}

/// A mapping after a write, and whether anything was written.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedPackage {
    /// The mapping, with its version.
    pub mapping: Versioned<PackageMapping>,
    /// Whether this call changed it.
    pub changed: bool,
}

/// Why a mapping does not fit the connection's others.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Clash {
    /// Another package is billed as the same service.
    Shared(PackageId),
    /// Others are summed into this one, which would have no line any more.
    SummedInto(Vec<PackageId>),
    /// It would be summed into a package without a target.
    NoTarget(PackageId),
    /// It would be summed into a package that is summed itself.
    Chain(PackageId, PackageId),
}

/// A problem with the field that it is about.
pub(super) fn at(pointer: &str, mut problem: Problem) -> Problem {
    problem.errors.push(FieldError { pointer: pointer.to_owned(), detail: problem.detail.clone() });
    problem
}

/// Refuses another version than the caller named.
pub(super) fn precondition(present: Option<u64>, if_match: Option<u64>) -> Result<()> {
    match if_match {
        Some(v) if present != Some(v) => {
            Err(Error::problem(Code::PreconditionFailed, format!("Version {v} is not the present one.")))
        }
        _ => Ok(()),
    }
}

/// Refuses early what [`put`] would refuse, before Autotask is asked. The target's name does not matter.
pub(super) async fn check_free(context: Context<'_>, next: &PackageMapping) -> Result<()> {
    let Context { ports, scope, partner, connection, .. } = context;
    let all = mapped(ports, scope, partner, connection).await?;
    fits(context, next, &all).await
}

/// Writes a mapping with its audit row and its event, all or nothing. What is already so is not written again.
/// `seen` is the connection whose Autotask the target was read from.
pub(super) async fn put(
    context: Context<'_>,
    seen: &Connection,
    next: &PackageMapping,
    if_match: Option<u64>,
) -> Result<SavedPackage> {
    for _ in 0..ATTEMPTS_MAX {
        match try_put(context, seen, next, if_match).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => {} // read again: what was refused tells why
            other => return other,
        }
    }
    Err(overtaken())
}

async fn try_put(
    context: Context<'_>,
    seen: &Connection,
    next: &PackageMapping,
    if_match: Option<u64>,
) -> Result<SavedPackage> {
    let Context { ports, scope, actor, partner, connection } = context;
    let still = same_database(context, seen).await?;
    let turn = turn(context, &next.package).await?;
    let mut all = mapped(ports, scope, partner, connection).await?;
    let present = all.remove(&next.package);
    let v = present.as_ref().map(|p| p.v);
    precondition(v, if_match)?;
    fits(context, next, &all).await?;
    let former = former(present.as_ref().map(|p| &p.value), next.target.as_ref());
    let next = PackageMapping { former, ..next.clone() };
    if let Some(present) = present.as_ref().filter(|p| is_same(p, &next)) {
        return Ok(SavedPackage { mapping: present.clone(), changed: false });
    }
    let before = present.as_ref().map_or(Value::Null, |p| shown(p));
    let expect = v.map_or(Expect::Absent, Expect::Version);
    Change::of_connection(ports, actor, partner, connection)
        .write(Write::put(&next, expect)?)
        .write(turn)
        .write(still)
        .audit("package_mapping.saved", format!("package/{}", next.package), before, shown(&next))?
        .event("package_mapping.changed", shown(&next))?
        .commit(scope)
        .await?;
    Ok(SavedPackage { mapping: Versioned { v: v.unwrap_or_default() + 1, value: next }, changed: true })
}

/// Removes a package's mapping: it is billed as nothing any more. Autotask stays as it is.
///
/// # Errors
/// `not_found` where it has none; `conflict` with `packages` where others are summed into it; `precondition_failed`.
pub async fn unmap_package(context: Context<'_>, package: &PackageId, if_match: Option<u64>) -> Result<()> {
    load_connection(context.ports, context.scope, context.partner, context.connection).await?;
    for _ in 0..ATTEMPTS_MAX {
        match try_remove(context, package, if_match).await {
            Err(Error::Storage(StorageError::Conflict { .. })) => {}
            other => return other,
        }
    }
    Err(overtaken())
}

async fn try_remove(context: Context<'_>, package: &PackageId, if_match: Option<u64>) -> Result<()> {
    let Context { ports, scope, actor, partner, connection } = context;
    let turn = turn(context, package).await?;
    let mut all = mapped(ports, scope, partner, connection).await?;
    let present = all.remove(package).ok_or_else(|| Error::not_found("package mapping"))?;
    precondition(Some(present.v), if_match)?;
    let summed = summed_into(package, &all);
    if !summed.is_empty() {
        return Err(told(context, package, Clash::SummedInto(summed)).await);
    }
    Change::of_connection(ports, actor, partner, connection)
        .write(Write::delete(present.key(), Expect::Version(present.v)))
        .write(turn)
        .audit("package_mapping.removed", format!("package/{package}"), shown(&present), Value::Null)?
        .event("package_mapping.changed", unmapped(package))?
        .commit(scope)
        .await?;
    Ok(())
}

fn overtaken() -> Error {
    Error::problem(Code::Conflict, "The package mappings are being changed by others right now.")
}

/// Lets the write depend on the connection as it is now: still of the Autotask that the target was read from.
async fn same_database(context: Context<'_>, seen: &Connection) -> Result<Write> {
    let now = load_connection(context.ports, context.scope, context.partner, context.connection).await?;
    if now.zone.ci != seen.zone.ci {
        return Err(Error::problem(Code::Conflict, "The connection was moved to another Autotask database meanwhile."));
    }
    Ok(Write::check(now.key(), Expect::Version(now.v)))
}

/// Takes the turn: read it before what it guards.
async fn turn(context: Context<'_>, package: &PackageId) -> Result<Write> {
    let next = PackageMappingTurn {
        partner: context.partner.clone(),
        connection: context.connection.clone(),
        package: package.clone(),
        at: context.ports.clock.now(),
    };
    let present = load::<PackageMappingTurn>(&*context.ports.storage, context.scope, &next.key()).await?;
    Ok(Write::put(&next, present.map_or(Expect::Absent, |present| Expect::Version(present.v)))?)
}

/// Whether two mappings are the same but for times.
fn is_same(present: &PackageMapping, next: &PackageMapping) -> bool {
    *present == PackageMapping { updated_at: present.updated_at, ..next.clone() }
}

/// What a mapping was billed as before, newest last, once it is billed as `next`.
fn former(present: Option<&PackageMapping>, next: Option<&ServiceTarget>) -> Vec<ServiceTarget> {
    let Some(present) = present else { return Vec::new() };
    let mut former = present.former.clone();
    if let Some(old) = &present.target {
        former.retain(|t| !t.is(old.kind, old.id));
        former.push(old.clone());
    }
    former.retain(|t| next.is_none_or(|next| !next.is(t.kind, t.id)));
    former.drain(..former.len().saturating_sub(FORMER_MAX));
    former
}

async fn fits(
    context: Context<'_>,
    next: &PackageMapping,
    all: &BTreeMap<PackageId, Versioned<PackageMapping>>,
) -> Result<()> {
    match clash(next, all) {
        Some(clash) => Err(told(context, &next.package, clash).await),
        None => Ok(()),
    }
}

/// Why a mapping does not fit the others, if so. Pure.
fn clash(next: &PackageMapping, all: &BTreeMap<PackageId, Versioned<PackageMapping>>) -> Option<Clash> {
    let mut others = all.values().map(|found| &found.value).filter(|other| other.package != next.package);
    if let Some(target) = &next.target {
        let same = |other: &&PackageMapping| other.target.as_ref().is_some_and(|t| t.is(target.kind, target.id));
        return others.find(same).map(|other| Clash::Shared(other.package.clone()));
    }
    let summed = summed_into(&next.package, all);
    if !summed.is_empty() {
        return Some(Clash::SummedInto(summed));
    }
    let into = next.sum_into.as_ref()?;
    match others.find(|other| other.package == *into) {
        Some(other) if other.target.is_some() => None,
        Some(PackageMapping { sum_into: Some(further), .. }) => Some(Clash::Chain(into.clone(), further.clone())),
        _ => Some(Clash::NoTarget(into.clone())),
    }
}

/// The packages that are summed into this one.
fn summed_into(package: &PackageId, all: &BTreeMap<PackageId, Versioned<PackageMapping>>) -> Vec<PackageId> {
    let into = |m: &&Versioned<PackageMapping>| m.sum_into.as_ref() == Some(package);
    all.values().filter(into).map(|m| m.package.clone()).collect()
}

async fn told(context: Context<'_>, package: &PackageId, clash: Clash) -> Error {
    match clash {
        Clash::Shared(other) => {
            let name = named(context, &other).await;
            let detail = format!(
                "{name} is mapped to it. To bill both on one line, give `sum_into` instead of a target for one of them."
            );
            let problem = Problem::new(Code::ContractServiceShared, detail);
            at("/target", problem).with("package_id", other.as_str()).into()
        }
        Clash::SummedInto(others) => {
            let mut names = Vec::new();
            for other in &others {
                names.push(named(context, other).await);
            }
            let name = named(context, package).await;
            let detail = format!("Summed into {name}: {}. Map these otherwise first.", names.join(", "));
            let ids: Vec<&str> = others.iter().map(PackageId::as_str).collect();
            Problem::new(Code::Conflict, detail).with("packages", ids).into()
        }
        Clash::NoTarget(into) => {
            let rule = format!("{} must be mapped to a service or bundle itself", named(context, &into).await);
            Problem::field("/sum_into", rule).into()
        }
        Clash::Chain(into, further) => {
            let (into, further) = (named(context, &into).await, named(context, &further).await);
            Problem::field("/sum_into", format!("{into} is summed into {further} itself: name that one")).into()
        }
    }
}

/// A package by name and id, for words.
async fn named(context: Context<'_>, package: &PackageId) -> String {
    match load::<Package>(&*context.ports.storage, context.scope, &Key::Package(package.clone())).await {
        Ok(Some(found)) => format!("{} ({package})", found.name),
        _ => package.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CountRule, QuantityRule, QuantitySource};
    use super::*;
    use crate::ids::LineKind;

    fn id(text: &str) -> PackageId {
        PackageId::new(text).unwrap()
    }

    fn target(service: i64) -> ServiceTarget {
        ServiceTarget { kind: LineKind::Service, id: service, name: format!("service {service}"), product_id: None }
    }

    /// `55`: billed as the service 55; `>p2`: summed into p2; `-`: excluded.
    fn mapping(package: &str, what: &str) -> PackageMapping {
        PackageMapping {
            partner: PartnerId::new("acme").unwrap(),
            connection: ConnectionId::new("con_1").unwrap(),
            package: id(package),
            target: what.parse().ok().map(target),
            former: Vec::new(),
            sum_into: what.strip_prefix('>').map(id),
            excluded: what == "-",
            overwrite_cost: None,
            quantity_source: QuantitySource::Usage,
            count_rule: CountRule::SnapshotOnRun,
            quantity_rule: QuantityRule::default(),
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn one_service_is_billed_by_one_package_and_sums_go_one_step_to_a_billed_one() {
        type Row<'a> = (&'a [(&'a str, &'a str)], (&'a str, &'a str), Option<Clash>);
        let table: &[Row] = &[
            (&[], ("p1", "55"), None),
            (&[("p2", "55")], ("p1", "55"), Some(Clash::Shared(id("p2")))),
            (&[("p2", "56")], ("p1", "55"), None),
            (&[("p1", "55")], ("p1", "55"), None),
            (&[("p2", "55")], ("p1", ">p2"), None),
            (&[], ("p1", ">p2"), Some(Clash::NoTarget(id("p2")))),
            (&[("p2", "-")], ("p1", ">p2"), Some(Clash::NoTarget(id("p2")))),
            (&[("p2", ">p3"), ("p3", "55")], ("p1", ">p2"), Some(Clash::Chain(id("p2"), id("p3")))),
            (&[("p0", ">p1"), ("p1", "55"), ("p2", "56")], ("p1", ">p2"), Some(Clash::SummedInto(vec![id("p0")]))),
            (&[("p0", ">p1"), ("p1", "55")], ("p1", "-"), Some(Clash::SummedInto(vec![id("p0")]))),
            (&[("p0", ">p1"), ("p1", "55")], ("p1", "56"), None),
            (&[("p1", "55")], ("p1", "-"), None),
        ];
        for (no, (all, (package, what), wanted)) in table.iter().enumerate() {
            let versioned = |(p, w): &(&str, &str)| (id(p), Versioned { v: 1, value: mapping(p, w) });
            let all = all.iter().map(versioned).collect();
            assert_eq!(clash(&mapping(package, what), &all), *wanted, "row {no}");
        }
    }

    #[test]
    fn earlier_targets_are_remembered_once_each_newest_last_and_never_the_present_one() {
        let mut present = mapping("p1", "1");
        let ids = |all: &[ServiceTarget]| all.iter().map(|t| t.id).collect::<Vec<_>>();
        for (next, wanted) in [
            (Some(2), vec![1]),
            (Some(3), vec![1, 2]),
            (Some(1), vec![2, 3]),
            (None, vec![2, 3, 1]),
            (Some(3), vec![2, 1]),
        ] {
            let next = next.map(target);
            present.former = former(Some(&present), next.as_ref());
            present.target = next;
            assert_eq!(ids(&present.former), wanted);
        }
        for service in 100..140 {
            let next = target(service);
            present.former = former(Some(&present), Some(&next));
            present.target = Some(next);
        }
        assert_eq!(ids(&present.former), (119..139).collect::<Vec<_>>());
        assert!(former(None, Some(&target(1))).is_empty());
    }
}
