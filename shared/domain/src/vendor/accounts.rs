//! Accounts: the partner's end clients. The vendor's back end owns them.

use super::check::{
    BATCH_AT_ONCE, Checks, NAME_CHARS_MAX, Put, PutOutcome, known, known_partner, narrowed, over, precondition,
    unless_overtaken,
};
use super::usage::COUNT_MAX;
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::ids::{AccountId, PartnerId};
use crate::ports::Ports;
use crate::problem::Result;
use crate::records::{Key, Record, Versioned, Write, load};
use crate::vendor::{Account, AccountPackage};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Most packages of one account: keeps its record far under DynamoDB's 400 KB.
pub const ACCOUNT_PACKAGES_MAX: usize = 100;

/// What the vendor says of an account: the whole of it, not a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountInput {
    /// Its name.
    pub name: String,
    /// E-mail address of its primary contact; auto-map compares it.
    pub contact_email: Option<String>,
    /// What it has.
    pub packages: Vec<AccountPackage>,
    /// Whether it still is a client.
    pub active: bool,
}

/// One account of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountItem {
    /// Whose client.
    pub partner: PartnerId,
    /// Its id at the vendor.
    pub id: AccountId,
    /// What the vendor says of it.
    pub input: AccountInput,
    /// When it was so at the vendor; absent: now. What is older than what is known is ignored.
    pub at: Option<Timestamp>,
}

/// Makes an account known or changes it.
///
/// # Errors
/// `not_found` for an unknown partner; `invalid_input` with every refused field; `precondition_failed` for
/// another version.
pub async fn put_account(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    item: AccountItem,
    if_match: Option<u64>,
) -> Result<Put<Account>> {
    let scope = narrowed(scope, &item.partner)?;
    let now = ports.clock.now();
    let wanted = checked(item, now)?;
    known_partner(ports, &scope, &wanted.partner).await?;
    unless_overtaken!(if_match, try_put(ports, &scope, actor, &wanted, if_match).await)
}

/// Puts many accounts, each for itself: one that is refused stops no other. Answers in the order of the items.
pub async fn put_accounts(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    items: Vec<AccountItem>,
) -> Vec<Result<Put<Account>>> {
    stream::iter(items).map(|item| put_account(ports, scope, actor, item, None)).buffered(BATCH_AT_ONCE).collect().await
}

/// Notes that an account is no longer a client. Its record, mapping and counts stay.
///
/// # Errors
/// `not_found` for an account that nobody made known.
pub async fn deactivate_account(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, id): (&PartnerId, &AccountId),
    at: Option<Timestamp>,
    if_match: Option<u64>,
) -> Result<Put<Account>> {
    let own = narrowed(scope, partner)?;
    let key = Key::Account(partner.clone(), id.clone());
    let found = known::<Account>(ports, &own, &key, "account").await?.value;
    let input =
        AccountInput { name: found.name, contact_email: found.contact_email, packages: found.packages, active: false };
    let item = AccountItem { partner: partner.clone(), id: id.clone(), input, at };
    put_account(ports, scope, actor, item, if_match).await
}

fn checked(item: AccountItem, now: Timestamp) -> Result<Account> {
    let AccountItem { partner, id, input, at } = item;
    let mut checks = Checks::default();
    let name = checks.name("/name", &input.name, NAME_CHARS_MAX);
    let contact_email = checks.email("/contact_email", input.contact_email);
    check_packages(&mut checks, &input.packages);
    checks.done()?;
    // A time ahead of ours would shut out every change until then.
    let updated_at = at.map_or(now, |at| at.min(now));
    Ok(Account {
        partner,
        id,
        name,
        contact_email,
        packages: input.packages,
        removed: Vec::new(),
        packages_at: None,
        active: input.active,
        updated_at,
    })
}

fn check_packages(checks: &mut Checks, packages: &[AccountPackage]) {
    if packages.len() > ACCOUNT_PACKAGES_MAX {
        checks.refuse("/packages", format!("must have at most {ACCOUNT_PACKAGES_MAX} entries"));
    }
    let mut seen = BTreeSet::new();
    for (no, package) in packages.iter().enumerate() {
        if !seen.insert(&package.id) {
            checks.refuse(format!("/packages/{no}/id"), "stands twice");
        }
        if package.quantity.is_some_and(|quantity| !(0..=COUNT_MAX).contains(&quantity)) {
            checks.refuse(format!("/packages/{no}/quantity"), format!("must be 0 to {COUNT_MAX}"));
        }
    }
}

async fn try_put(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    wanted: &Account,
    if_match: Option<u64>,
) -> Result<Put<Account>> {
    let found = load::<Account>(&*ports.storage, scope, &wanted.key()).await?;
    precondition(found.as_ref().map(|f| f.v), if_match)?;
    if let Some(found) = &found {
        let outcome = if shown(found) == shown(wanted) {
            Some(PutOutcome::Unchanged)
        } else {
            (wanted.updated_at < found.updated_at).then_some(PutOutcome::OlderIgnored)
        };
        if let Some(outcome) = outcome {
            return Ok(Put { record: found.clone(), outcome });
        }
    }
    let present = found.as_ref().map(|f| f.v);
    let before = found.map_or(Value::Null, |f| shown(&f.value));
    let (expect, outcome) = over(present);
    Change::of_partner(ports, actor, &wanted.partner)
        .write(Write::put(wanted, expect)?)
        .audit("account.saved", format!("account/{}", wanted.id), before, shown(wanted))?
        .commit(scope)
        .await?;
    Ok(Put { record: Versioned { v: present.unwrap_or_default() + 1, value: wanted.clone() }, outcome })
}

/// What of an account counts as a change: everything but the time.
fn shown(account: &Account) -> Value {
    json!({
        "name": account.name,
        "contact_email": account.contact_email,
        "packages": account.packages,
        "active": account.active,
    })
}
