//! Accounts: the partner's end clients. The vendor's back end owns them.

use super::check::{
    BATCH_AT_ONCE, Checks, NAME_CHARS_MAX, Put, PutOutcome, known, known_partner, narrowed, over, precondition,
    unless_overtaken,
};
use super::usage::COUNT_MAX;
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::ids::{AccountId, PackageId, PartnerId};
use crate::packages::tell::{self, Billed, CHANGES_AT_ONCE, Expected};
use crate::packages::{push_told, registers};
use crate::ports::Ports;
use crate::problem::Result;
use crate::records::{Key, Versioned, Write, load};
use crate::vendor::{Account, AccountPackage};
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most packages of one account: keeps its record far under DynamoDB's 400 KB.
pub const ACCOUNT_PACKAGES_MAX: usize = 100;

/// What the vendor says of an account: the whole of it, not a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountInput {
    /// Its name.
    pub name: String,
    /// E-mail address of its primary contact; auto-map compares it.
    pub contact_email: Option<String>,
    /// What it has, and nothing else; none leaves its packages as they are.
    pub packages: Option<Vec<AccountPackage>>,
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

/// Makes an account known or changes it. What is older than what is known is ignored: the account's own facts as a
/// whole, each of its packages by itself. Where a connection bills packages, what changes of them is recorded as
/// package changes, and pushed where that goes by itself.
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
    let (partner, id) = (item.partner.clone(), item.id.clone());
    let (put, told) = put_and_tell(ports, scope, actor, item, if_match).await?;
    if told {
        push_told(ports, &narrowed(scope, &partner)?, actor, &partner, Some(&id)).await;
    }
    Ok(put)
}

/// The same without pushing; and whether package changes were recorded.
async fn put_and_tell(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    item: AccountItem,
    if_match: Option<u64>,
) -> Result<(Put<Account>, bool)> {
    let scope = narrowed(scope, &item.partner)?;
    let item = checked(item)?;
    known_partner(ports, &scope, &item.partner).await?;
    unless_overtaken!(if_match, try_put(ports, &scope, actor, &item, if_match).await)
}

/// Puts many accounts, each for itself: one that is refused stops no other. Answers in the order of the items.
pub async fn put_accounts(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    items: Vec<AccountItem>,
) -> Vec<Result<Put<Account>>> {
    let put = |item| put_and_tell(ports, scope, actor, item, None);
    let done: Vec<Result<(Put<Account>, bool)>> = stream::iter(items).map(put).buffered(BATCH_AT_ONCE).collect().await;
    let told = done.iter().flatten().filter(|(_, told)| *told).map(|(put, _)| put.record.partner.clone());
    for partner in told.collect::<BTreeSet<_>>() {
        if let Some(own) = scope.narrow(&partner) {
            push_told(ports, &own, actor, &partner, None).await;
        }
    }
    done.into_iter().map(|done| done.map(|(put, _)| put)).collect()
}

/// Notes that an account is no longer a client: it has none of its packages any more. Its record, mapping and counts
/// stay, and so does what it had, for when it is a client again.
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
    let input = AccountInput { name: found.name, contact_email: found.contact_email, packages: None, active: false };
    let item = AccountItem { partner: partner.clone(), id: id.clone(), input, at };
    put_account(ports, scope, actor, item, if_match).await
}

fn checked(mut item: AccountItem) -> Result<AccountItem> {
    let mut checks = Checks::default();
    item.input.name = checks.name("/name", &item.input.name, NAME_CHARS_MAX);
    item.input.contact_email = checks.email("/contact_email", item.input.contact_email);
    check_packages(&mut checks, item.input.packages.as_deref().unwrap_or_default());
    checks.done()?;
    Ok(item)
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
    item: &AccountItem,
    if_match: Option<u64>,
) -> Result<(Put<Account>, bool)> {
    let key = Key::Account(item.partner.clone(), item.id.clone());
    let found = load::<Account>(&*ports.storage, scope, &key).await?;
    precondition(found.as_ref().map(|f| f.v), if_match)?;
    let (present, before) = (found.as_ref().map(|f| f.v), found.as_ref().map(|f| &f.value));
    let at = time_of(item, before, ports.clock.now());
    let after = merged(item, before, at);
    let (expect, outcome) = over(present);
    let mut write = Change::of_partner(ports, actor, &item.partner).write(Write::put(&after, expect)?);
    let (mut outcome, mut told) = (outcome, false);
    match before {
        Some(before) if shown(before) == shown(&after) => {
            outcome = if says(item, before) { PutOutcome::Unchanged } else { PutOutcome::OlderIgnored };
            if *before == after {
                return Ok((Put { record: found.expect("it was looked at"), outcome }, told));
            }
            // That it is still so is written, so that nothing older comes between; it is no change.
        }
        _ => {
            let before_shown = before.map_or(Value::Null, shown);
            write = write.audit("account.saved", format!("account/{}", item.id), before_shown, shown(&after))?;
            (write, told) = recorded(ports, scope, actor, write, before, &after, at).await?;
        }
    }
    write.commit(scope).await?;
    Ok((Put { record: Versioned { v: present.unwrap_or_default() + 1, value: after }, outcome }, told))
}

/// When a statement was so. One that does not say is newer than everything that was told before it; a time ahead of
/// ours would shut out every change until then.
fn time_of(item: &AccountItem, before: Option<&Account>, now: Timestamp) -> Timestamp {
    match (item.at, before) {
        (Some(at), _) => at.min(now),
        (None, Some(before)) if !says(item, before) => {
            let newest = registers::newest(before);
            newest.checked_add(SignedDuration::from_nanos(1)).map_or(now, |after| after.max(now))
        }
        (None, _) => now,
    }
}

/// Whether an account is as a statement says.
fn says(item: &AccountItem, account: &Account) -> bool {
    let AccountInput { name, contact_email, packages, active } = &item.input;
    let listed = |packages: &[AccountPackage]| -> BTreeMap<PackageId, Option<i64>> {
        packages.iter().map(|package| (package.id.clone(), package.quantity)).collect()
    };
    (name, contact_email, *active) == (&account.name, &account.contact_email, account.active)
        && packages.as_ref().is_none_or(|packages| listed(packages) == listed(&account.packages))
}

/// The account as a statement of `at` leaves it.
fn merged(item: &AccountItem, before: Option<&Account>, at: Timestamp) -> Account {
    let AccountInput { name, contact_email, packages, active } = item.input.clone();
    let mut account = match before {
        Some(before) => {
            Account { packages_at: Some(before.packages_at.unwrap_or(before.updated_at)), ..before.clone() }
        }
        None => Account {
            partner: item.partner.clone(),
            id: item.id.clone(),
            name: name.clone(),
            contact_email: contact_email.clone(),
            packages: Vec::new(),
            removed: Vec::new(),
            told: std::collections::BTreeSet::new(),
            // Nothing was said of its packages yet.
            packages_at: Some(Timestamp::UNIX_EPOCH),
            active,
            updated_at: at,
        },
    };
    if at >= account.updated_at {
        account = Account { name, contact_email, active, updated_at: at, ..account };
    }
    match packages {
        Some(packages) => registers::tell_all(&account, &packages, at, |package| {
            tell::name(&item.id, at, &package.id, Some(package.quantity))
        }),
        None => account,
    }
}

/// Adds the package changes that a statement makes; and whether there are any that are billed. Those that one
/// transaction does not hold are written before: until the account's own record follows, nothing is to be written for
/// them, and a repetition writes them again.
async fn recorded<'a>(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    mut write: Change<'a>,
    before: Option<&Account>,
    after: &Account,
    at: Timestamp,
) -> Result<(Change<'a>, bool)> {
    let billed = Billed::load(ports, scope, &after.partner, &after.id).await?;
    let changes = tell::differences(before, after, at, ports.clock.now());
    if !billed.is_billed() || changes.is_empty() {
        return Ok((write, false));
    }
    let (first, last) = changes.split_at(changes.len().saturating_sub(CHANGES_AT_ONCE));
    for batch in first.chunks(CHANGES_AT_ONCE) {
        let mut ahead = Change::of_partner(ports, actor, &after.partner);
        for change in batch {
            ahead = billed.record(ahead, change, &Expected::Any)?;
        }
        ahead.commit(scope).await?;
    }
    for change in last {
        write = billed.record(write, change, &Expected::Any)?;
    }
    if let Some(wake) = billed.wake(ports) {
        write = write.write(wake?);
    }
    Ok((write, true))
}

/// What of an account counts as a change: everything but the times.
fn shown(account: &Account) -> Value {
    json!({
        "name": account.name,
        "contact_email": account.contact_email,
        "packages": tell::shown(account),
        "active": account.active,
    })
}
