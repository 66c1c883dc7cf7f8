//! What a person maps a package to.

use super::put::{SavedPackage, at, check_free, precondition, put};
use super::target::{WantedTarget, read_target};
use super::{CatalogueKind, CountRule, PackageMapping, QuantityRule, QuantitySource, ServiceTarget};
use crate::connections::{Connection, load_connection};
use crate::ids::{LineKind, PackageId};
use crate::mappings::{Context, Remark, Theirs};
use crate::ports::{Order, PageRequest, Read};
use crate::problem::{Code, Error, FieldError, Problem, Result};
use crate::records::{Collection, Key, PAGE_RECORDS, Versioned, load, load_page};
use crate::vendor::{Package, PartnerPackages, Usage};

/// Most units of a rule's `free`, `min` and `max`.
pub const RULE_UNITS_MAX: i64 = 1_000_000;
/// Most counts per unit.
pub const RATIO_MAX: i64 = 100_000;

/// What a person wants a package billed as: exactly one of `target`, `sum_into` and `excluded`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WantedPackage {
    /// As a service or bundle.
    pub target: Option<WantedTarget>,
    /// Together with another package.
    pub sum_into: Option<PackageId>,
    /// Not at all.
    pub excluded: bool,
    /// Overwrite Cost of its lines; absent: the connection's.
    pub overwrite_cost: Option<bool>,
    /// Where units come from; absent: `usage` where a count rule is given, else what it was, else `usage` where counts
    /// of this package are known, else `package`.
    pub quantity_source: Option<QuantitySource>,
    /// Which of the counts; absent: the newest one.
    pub count_rule: Option<CountRule>,
    /// What is made of the sum.
    pub quantity_rule: QuantityRule,
}

/// A saved mapping, with what to know about it.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedWithWarnings {
    /// The mapping.
    pub saved: SavedPackage,
    /// Warnings: a period that is not monthly.
    pub warnings: Vec<Remark>,
}

/// Saves what a person chose. Nothing in Autotask is touched: lines follow at the next sync.
///
/// # Errors
/// `not_found` for a package that the partner may not use; `invalid_input` with every refused field;
/// `bundle_cost_unsupported`, `cost_not_readable`, `service_inactive`, `product_not_billable_as_service` with `near`,
/// `contract_service_shared` with `package_id`, `conflict` with `packages` that are summed into this one,
/// `precondition_failed`. Nothing is saved then.
pub async fn save_package(
    context: Context<'_>,
    package: &PackageId,
    wanted: WantedPackage,
    if_match: Option<u64>,
) -> Result<SavedWithWarnings> {
    let connection = load_connection(context.ports, context.scope, context.partner, context.connection).await?;
    let available = available(context).await?;
    known(context, &available, package).await?;
    check(package, &wanted, &available)?;
    check_cost(&connection, &wanted)?;
    let present = mapping(context, package).await?;
    precondition(present.as_ref().map(|p| p.v), if_match)?;
    let next = next(context, package, &wanted, present.as_ref().map(|p| &p.value)).await?;
    // Which service a product stands for is not known yet.
    if wanted.target.is_none_or(|target| target.kind != CatalogueKind::Product) {
        check_free(context, &next).await?;
    }
    let (target, warnings, seen) = match wanted.target {
        Some(target) => {
            let theirs = Theirs::open(context).await?;
            let read = read_target(&theirs, target).await;
            let seen = theirs.connection.clone();
            theirs.close().await;
            let (target, warnings) = read?;
            (Some(target), warnings, seen)
        }
        None => (None, Vec::new(), connection),
    };
    let saved = put(context, &seen, &PackageMapping { target, ..next }, if_match).await?;
    Ok(SavedWithWarnings { saved, warnings })
}

/// A package's mapping.
///
/// # Errors
/// `not_found` for a package that the partner may not use, or that is not mapped.
pub async fn package_mapping(context: Context<'_>, package: &PackageId) -> Result<Versioned<PackageMapping>> {
    load_connection(context.ports, context.scope, context.partner, context.connection).await?;
    known(context, &available(context).await?, package).await?;
    mapping(context, package).await?.ok_or_else(|| Error::not_found("package mapping"))
}

async fn mapping(context: Context<'_>, package: &PackageId) -> Result<Option<Versioned<PackageMapping>>> {
    let key = Key::PackageMapping(context.partner.clone(), context.connection.clone(), package.clone());
    Ok(load(&*context.ports.storage, context.scope, &key).await?)
}

async fn available(context: Context<'_>) -> Result<Vec<PackageId>> {
    let key = Key::PartnerPackages(context.partner.clone());
    let found = load::<PartnerPackages>(&*context.ports.storage, context.scope, &key).await?;
    Ok(found.map(|found| found.value.packages).unwrap_or_default())
}

async fn known(context: Context<'_>, available: &[PackageId], package: &PackageId) -> Result<()> {
    let key = Key::Package(package.clone());
    let there =
        available.contains(package) && load::<Package>(&*context.ports.storage, context.scope, &key).await?.is_some();
    if there { Ok(()) } else { Err(Error::not_found("package")) }
}

/// Checks what can be checked without asking anybody: all wrong fields at once.
fn check(package: &PackageId, wanted: &WantedPackage, available: &[PackageId]) -> Result<()> {
    let mut errors = Vec::new();
    let mut refuse = |pointer: &str, detail: String| errors.push(FieldError { pointer: pointer.to_owned(), detail });
    let ways = [wanted.target.is_some(), wanted.sum_into.is_some(), wanted.excluded];
    match ways.iter().filter(|given| **given).count() {
        0 => refuse("/target", "is required, or `sum_into`, or `excluded`".to_owned()),
        1 => {}
        _ => {
            let named = [("/target", ways[0]), ("/sum_into", ways[1]), ("/excluded", ways[2])];
            for (pointer, _) in named.iter().filter(|(_, given)| *given) {
                refuse(pointer, "exactly one of `target`, `sum_into` and `excluded` may be given".to_owned());
            }
        }
    }
    if wanted.target.is_some_and(|target| target.id <= 0) {
        refuse("/target/id", "must be an id of Autotask's".to_owned());
    }
    match &wanted.sum_into {
        Some(into) if into == package => refuse("/sum_into", "must be another package".to_owned()),
        Some(into) if !available.contains(into) => {
            refuse("/sum_into", format!("{into} is not a package of this partner"));
        }
        _ => {}
    }
    let has_line = wanted.target.is_some();
    if wanted.overwrite_cost.is_some() && !has_line {
        refuse("/overwrite_cost", "takes a target: a package without a line of its own has no cost".to_owned());
    }
    if wanted.sum_into.is_some() && wanted.quantity_rule != QuantityRule::default() {
        let rule = "must not be given with `sum_into`: the sum has the rule of the package that it goes into";
        refuse("/quantity_rule", rule.to_owned());
    }
    let counted = matches!(wanted.count_rule, Some(CountRule::HighWaterMark | CountRule::AverageRoundedUp));
    if wanted.quantity_source == Some(QuantitySource::Package) && counted {
        refuse("/count_rule", "is about counts: it takes the `quantity_source` `usage`".to_owned());
    }
    check_rule(&wanted.quantity_rule, &mut refuse);
    Problem::fields(errors).map_or(Ok(()), |problem| Err(problem.into()))
}

fn check_rule(rule: &QuantityRule, refuse: &mut impl FnMut(&str, String)) {
    let units = 0..=RULE_UNITS_MAX;
    for (pointer, value) in
        [("/quantity_rule/free", Some(rule.free)), ("/quantity_rule/min", rule.min), ("/quantity_rule/max", rule.max)]
    {
        if value.is_some_and(|value| !units.contains(&value)) {
            refuse(pointer, format!("must be 0 to {RULE_UNITS_MAX}"));
        }
    }
    if !(1..=RATIO_MAX).contains(&rule.ratio) {
        refuse("/quantity_rule/ratio", format!("must be 1 to {RATIO_MAX}"));
    }
    if let (Some(min), Some(max)) = (rule.min, rule.max)
        && min > max
    {
        refuse("/quantity_rule/min", "must not be more than `max`".to_owned());
    }
}

fn check_cost(connection: &Connection, wanted: &WantedPackage) -> Result<()> {
    let (Some(true), Some(target)) = (wanted.overwrite_cost, wanted.target) else { return Ok(()) };
    let refused = |code, detail: &str| Err(at("/overwrite_cost", Problem::new(code, detail)).into());
    if target.kind == CatalogueKind::Bundle {
        return refused(Code::BundleCostUnsupported, "The target is a service bundle: bundles take quantity only.");
    }
    if connection.costs_readable == Some(false) {
        return refused(Code::CostNotReadable, "The last probe found no cost that the API user may read.");
    }
    Ok(())
}

/// The mapping as it will be, its target still without a name.
async fn next(
    context: Context<'_>,
    package: &PackageId,
    wanted: &WantedPackage,
    present: Option<&PackageMapping>,
) -> Result<PackageMapping> {
    let kind = |kind| match kind {
        CatalogueKind::Service => Some(LineKind::Service),
        CatalogueKind::Bundle => Some(LineKind::Bundle),
        CatalogueKind::Product => None,
    };
    let target = wanted.target.and_then(|target| {
        let (kind, id) = (kind(target.kind)?, target.id);
        Some(ServiceTarget { kind, id, name: String::new(), product_id: None })
    });
    let quantity_source = match (wanted.quantity_source, wanted.count_rule, present) {
        (Some(given), ..) => given,
        (None, Some(_), _) => QuantitySource::Usage,
        (None, None, Some(present)) => present.quantity_source,
        (None, None, None) if is_counted(context, package).await? => QuantitySource::Usage,
        (None, None, None) => QuantitySource::Package,
    };
    Ok(PackageMapping {
        partner: context.partner.clone(),
        connection: context.connection.clone(),
        package: package.clone(),
        target,
        former: Vec::new(),
        sum_into: wanted.sum_into.clone(),
        excluded: wanted.excluded,
        overwrite_cost: wanted.overwrite_cost,
        quantity_source,
        count_rule: wanted.count_rule.unwrap_or_default(),
        quantity_rule: wanted.quantity_rule,
        updated_at: context.ports.clock.now(),
    })
}

/// Whether any of the partner's clients was ever counted for this package.
async fn is_counted(context: Context<'_>, package: &PackageId) -> Result<bool> {
    let of = Collection::Usage(context.partner.clone());
    let mut after = None;
    loop {
        let page = PageRequest { limit: PAGE_RECORDS, after, order: Order::Ascending, read: Read::Eventual };
        let (counts, next) = load_page::<Usage>(&*context.ports.storage, context.scope, &of, page).await?;
        if counts.iter().any(|count| count.package == *package) {
            return Ok(true);
        }
        match next {
            Some(token) => after = Some(token),
            None => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> PackageId {
        PackageId::new(text).unwrap()
    }

    fn service() -> WantedPackage {
        let target = Some(WantedTarget { kind: CatalogueKind::Service, id: 55 });
        WantedPackage { target, ..WantedPackage::default() }
    }

    fn with(rule: QuantityRule) -> WantedPackage {
        WantedPackage { quantity_rule: rule, ..service() }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let plain = QuantityRule::default;
        let summed = |into: &str| WantedPackage { sum_into: Some(id(into)), ..WantedPackage::default() };
        let counted = |count_rule| WantedPackage {
            quantity_source: Some(QuantitySource::Package),
            count_rule: Some(count_rule),
            ..service()
        };
        let excluded = WantedPackage { excluded: true, ..WantedPackage::default() };
        let table: &[(WantedPackage, &[&str])] = &[
            (service(), &[]),
            (summed("p2"), &[]),
            (excluded.clone(), &[]),
            (WantedPackage::default(), &["/target"]),
            (WantedPackage { excluded: true, ..service() }, &["/target", "/excluded"]),
            (WantedPackage { sum_into: Some(id("p2")), ..service() }, &["/target", "/sum_into"]),
            (
                WantedPackage { target: Some(WantedTarget { kind: CatalogueKind::Bundle, id: 0 }), ..service() },
                &["/target/id"],
            ),
            (summed("p1"), &["/sum_into"]),
            (summed("p3"), &["/sum_into"]),
            (WantedPackage { overwrite_cost: Some(false), ..excluded }, &["/overwrite_cost"]),
            (WantedPackage { quantity_rule: QuantityRule { free: 1, ..plain() }, ..summed("p2") }, &["/quantity_rule"]),
            (counted(CountRule::HighWaterMark), &["/count_rule"]),
            (counted(CountRule::AverageRoundedUp), &["/count_rule"]),
            (counted(CountRule::Fixed), &[]),
            (with(QuantityRule { free: 1_000_000, min: Some(0), max: Some(0), ratio: 100_000 }), &[]),
            (
                with(QuantityRule { free: 1_000_001, min: Some(-1), max: Some(1_000_001), ratio: 100_001 }),
                &["/quantity_rule/free", "/quantity_rule/min", "/quantity_rule/max", "/quantity_rule/ratio"],
            ),
            (
                with(QuantityRule { free: -1, min: Some(6), max: Some(5), ratio: 0 }),
                &["/quantity_rule/free", "/quantity_rule/ratio", "/quantity_rule/min"],
            ),
        ];
        for (no, (wanted, pointers)) in table.iter().enumerate() {
            let found = match check(&id("p1"), wanted, &[id("p1"), id("p2")]) {
                Err(Error::Problem(problem)) => problem.errors.into_iter().map(|e| e.pointer).collect(),
                Ok(()) => Vec::new(),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, *pointers, "row {no}");
        }
    }
}
