//! The vendor's catalogue, and which of it a partner may use.

use super::check::{
    Checks, NAME_CHARS_MAX, Put, PutOutcome, known_partner, narrowed, over, precondition, unless_overtaken,
};
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::ids::{PackageId, PartnerId};
use crate::ports::Ports;
use crate::problem::Result;
use crate::records::{Key, Record, Versioned, Write, load};
use crate::vendor::{Package, PartnerPackages};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Most packages that a partner may use.
pub const PARTNER_PACKAGES_MAX: usize = 500;
/// Decimal places that Autotask keeps of a price.
const PRICE_PLACES_MAX: u32 = 4;
/// Longest name of what is counted, in characters.
const METRIC_CHARS_MAX: usize = 40;

/// What the vendor says of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageInput {
    /// Its name.
    pub name: String,
    /// What is counted: `user`, `domain`.
    pub metric: String,
    /// What the partner pays for one unit and month.
    pub unit_price_to_partner: Option<Decimal>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// Whether it is still sold.
    pub active: bool,
}

/// Makes a package known or changes it. The catalogue is the vendor's own and belongs to no partner, so that its
/// changes are told in the log and not in a partner's audit trail.
///
/// # Errors
/// `invalid_input` with every refused field; `precondition_failed` for another version.
pub async fn put_package(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    id: &PackageId,
    input: PackageInput,
    if_match: Option<u64>,
) -> Result<Put<Package>> {
    let wanted = checked(id, input)?;
    let put: Put<Package> = unless_overtaken!(if_match, try_put(ports, scope, &wanted, if_match).await)?;
    if put.outcome != PutOutcome::Unchanged {
        tracing::info!(
            audit = true,
            actor.who,
            request_id = actor.request_id,
            package.id = %id,
            "a package of the catalogue was changed"
        );
    }
    Ok(put)
}

fn checked(id: &PackageId, input: PackageInput) -> Result<Package> {
    let mut checks = Checks::default();
    let name = checks.name("/name", &input.name, NAME_CHARS_MAX);
    let metric = checks.name("/metric", &input.metric, METRIC_CHARS_MAX);
    let price = input.unit_price_to_partner;
    if price.is_some_and(|price| price.is_sign_negative() || price.normalize().scale() > PRICE_PLACES_MAX) {
        checks.refuse("/unit_price_to_partner", format!("must be 0 or more, with at most {PRICE_PLACES_MAX} decimals"));
    }
    let is_code = |text: &String| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
    if input.currency.as_ref().is_some_and(|text| !is_code(text)) {
        checks.refuse("/currency", "must be an ISO 4217 code, for example `USD`");
    }
    if price.is_some() && input.currency.is_none() {
        checks.refuse("/currency", "must be given together with a price");
    }
    checks.done()?;
    let PackageInput { currency, active, .. } = input;
    Ok(Package { id: id.clone(), name, metric, unit_price_to_partner: price, currency, active })
}

async fn try_put(ports: &Ports, scope: &Scope, wanted: &Package, if_match: Option<u64>) -> Result<Put<Package>> {
    let found = load::<Package>(&*ports.storage, scope, &wanted.key()).await?;
    precondition(found.as_ref().map(|f| f.v), if_match)?;
    let present = match found {
        Some(found) if found.value == *wanted => {
            return Ok(Put { record: found, outcome: PutOutcome::Unchanged });
        }
        found => found.map(|f| f.v),
    };
    let (expect, outcome) = over(present);
    ports.storage.write(scope, vec![Write::put(wanted, expect)?]).await?;
    Ok(Put { record: Versioned { v: present.unwrap_or_default() + 1, value: wanted.clone() }, outcome })
}

/// Says which packages a partner may use: the whole list.
///
/// # Errors
/// `not_found` for an unknown partner; `invalid_input` for a package that is not in the catalogue, stands twice,
/// or one too many; `precondition_failed` for another version.
pub async fn put_partner_packages(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    packages: Vec<PackageId>,
    if_match: Option<u64>,
) -> Result<Put<PartnerPackages>> {
    let own = narrowed(scope, partner)?;
    known_partner(ports, &own, partner).await?;
    check_list(ports, scope, &packages).await?;
    let wanted = PartnerPackages { partner: partner.clone(), packages };
    unless_overtaken!(if_match, try_put_list(ports, &own, actor, &wanted, if_match).await)
}

async fn check_list(ports: &Ports, scope: &Scope, packages: &[PackageId]) -> Result<()> {
    let mut checks = Checks::default();
    if packages.len() > PARTNER_PACKAGES_MAX {
        checks.refuse("/packages", format!("must have at most {PARTNER_PACKAGES_MAX} entries"));
        return checks.done();
    }
    let mut seen = BTreeSet::new();
    for (no, package) in packages.iter().enumerate() {
        if !seen.insert(package) {
            checks.refuse(format!("/packages/{no}"), "stands twice");
        } else if load::<Package>(&*ports.storage, scope, &Key::Package(package.clone())).await?.is_none() {
            checks.refuse(format!("/packages/{no}"), "is not in the catalogue");
        }
    }
    checks.done()
}

async fn try_put_list(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    wanted: &PartnerPackages,
    if_match: Option<u64>,
) -> Result<Put<PartnerPackages>> {
    let found = load::<PartnerPackages>(&*ports.storage, scope, &wanted.key()).await?;
    precondition(found.as_ref().map(|f| f.v), if_match)?;
    if let Some(found) = &found
        && found.value == *wanted
    {
        return Ok(Put { record: found.clone(), outcome: PutOutcome::Unchanged });
    }
    let present = found.as_ref().map(|f| f.v);
    let before = found.map_or(Value::Null, |f| json!(f.value.packages));
    let (expect, outcome) = over(present);
    Change::of_partner(ports, actor, &wanted.partner)
        .write(Write::put(wanted, expect)?)
        .audit("partner_packages.saved", format!("partner/{}", wanted.partner), before, json!(wanted.packages))?
        .commit(scope)
        .await?;
    Ok(Put { record: Versioned { v: present.unwrap_or_default() + 1, value: wanted.clone() }, outcome })
}
