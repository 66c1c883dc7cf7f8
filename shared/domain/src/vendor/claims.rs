//! Accounts that another PSA's integration has claimed: they are not billed through this one.

use super::check::{Checks, known, narrowed, unless_overtaken};
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::connections::Connection;
use crate::ids::{AccountId, PartnerId};
use crate::mappings::{self, Mapping};
use crate::ports::{Ports, Read};
use crate::problem::{Code, Result};
use crate::records::{Collection, Expect, Key, Versioned, Write, load, load_all};
use crate::vendor::{Account, AccountClaim};
use serde_json::{Value, json};

/// What this bundle is called where PSAs are named; its own claims are no claims of others.
pub const OWN_PSA: &str = "autotask";
/// Longest name of a PSA, in characters.
const PSA_CHARS_MAX: usize = 40;

/// Notes that another PSA synchronises an account. A mapping that the account has here breaks, so that nobody is
/// billed by two systems.
///
/// # Errors
/// `not_found` for an unknown account; `invalid_input` for an empty name.
pub async fn claim_account(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, account): (&PartnerId, &AccountId),
    psa: &str,
) -> Result<()> {
    let scope = narrowed(scope, partner)?;
    let psa = checked(psa)?;
    if psa == OWN_PSA {
        return Ok(());
    }
    known::<Account>(ports, &scope, &Key::Account(partner.clone(), account.clone()), "account").await?;
    let claim = AccountClaim { partner: partner.clone(), account: account.clone(), psa, at: ports.clock.now() };
    unless_overtaken!(None, put(ports, &scope, actor, &claim).await)?;
    let detail = format!("The account is synchronised by {}.", claim.psa);
    for (connection, mapping) in mappings_of(ports, &scope, partner, account).await? {
        tracing::info!(connection.id = %connection.id, account.id = %account, psa = claim.psa, "another PSA claimed a mapped account");
        mappings::mark_broken(ports, &scope, actor, &mapping, (Code::AccountClaimedByOtherPsa, &detail), None).await?;
    }
    Ok(())
}

/// Notes that another PSA gave an account up. A mapping that broke for it works again as it was.
///
/// # Errors
/// `invalid_input` for an empty name.
pub async fn release_account(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, account): (&PartnerId, &AccountId),
    psa: &str,
) -> Result<()> {
    let scope = narrowed(scope, partner)?;
    let psa = checked(psa)?;
    let key = Key::AccountClaim(partner.clone(), account.clone());
    unless_overtaken!(None, delete(ports, &scope, actor, &key, &psa).await)?;
    if load::<AccountClaim>(&*ports.storage, &scope, &key).await?.is_some() {
        return Ok(()); // claimed by yet another one
    }
    for (_, mapping) in mappings_of(ports, &scope, partner, account).await? {
        if mapping.broken.as_ref().is_some_and(|b| b.code == Code::AccountClaimedByOtherPsa) {
            mappings::mark_working(ports, &scope, actor, &mapping).await?;
        }
    }
    Ok(())
}

fn checked(psa: &str) -> Result<String> {
    let mut checks = Checks::default();
    let psa = checks.name("/psa", psa, PSA_CHARS_MAX).to_lowercase();
    checks.done()?;
    Ok(psa)
}

async fn put(ports: &Ports, scope: &Scope, actor: &Actor, claim: &AccountClaim) -> Result<()> {
    let key = Key::AccountClaim(claim.partner.clone(), claim.account.clone());
    let found = load::<AccountClaim>(&*ports.storage, scope, &key).await?;
    if found.as_ref().is_some_and(|f| f.psa == claim.psa) {
        return Ok(());
    }
    let expect = found.as_ref().map_or(Expect::Absent, |f| Expect::Version(f.v));
    let before = found.map_or(Value::Null, |f| json!({"psa": f.psa}));
    Change::of_partner(ports, actor, &claim.partner)
        .write(Write::put(claim, expect)?)
        .audit("account.claimed", format!("account/{}", claim.account), before, json!({"psa": claim.psa}))?
        .commit(scope)
        .await?;
    Ok(())
}

async fn delete(ports: &Ports, scope: &Scope, actor: &Actor, key: &Key, psa: &str) -> Result<()> {
    let Some(found) = load::<AccountClaim>(&*ports.storage, scope, key).await?.filter(|f| f.psa == psa) else {
        return Ok(());
    };
    Change::of_partner(ports, actor, &found.partner)
        .write(Write::delete(key.clone(), Expect::Version(found.v)))
        .audit("account.released", format!("account/{}", found.account), json!({"psa": psa}), Value::Null)?
        .commit(scope)
        .await?;
    Ok(())
}

/// The account's mapping in each of the partner's connections.
async fn mappings_of(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    account: &AccountId,
) -> Result<Vec<(Connection, Versioned<Mapping>)>> {
    let of = Collection::Connections(partner.clone());
    let mut found = Vec::new();
    for connection in load_all::<Connection>(&*ports.storage, scope, &of, Read::Strong).await? {
        let key = Key::Mapping(partner.clone(), connection.id.clone(), account.clone());
        if let Some(mapping) = load::<Mapping>(&*ports.storage, scope, &key).await? {
            found.push((connection.value, mapping));
        }
    }
    Ok(found)
}
