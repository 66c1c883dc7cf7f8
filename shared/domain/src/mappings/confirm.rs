//! A person's yes to a suggestion, and its opposite: unmapping.

use super::context::Context;
use super::put::{Saved, When, put, remove};
use super::save::CONFIRMED;
use super::{Mapping, MappingStatus};
use crate::ids::AccountId;
use crate::problem::{Code, Error, Result};
use crate::records::Versioned;
use futures::{StreamExt, stream};
use std::collections::BTreeMap;

/// Most accounts that are confirmed at once.
pub const BULK_CONFIRM_MAX: usize = 200;
/// Accounts that are confirmed at a time.
const CONFIRM_AT_ONCE: usize = 8;

/// Thumbs-up: a suggestion becomes confirmed and takes its company and lines. Confirming twice changes nothing.
///
/// # Errors
/// `not_found` without a mapping; `company_already_mapped`, `contract_service_shared` or
/// `account_claimed_by_other_psa` when somebody else has what it suggests; a broken mapping's own code; `conflict`
/// for an excluded account.
pub async fn confirm(context: Context<'_>, account: &AccountId, if_match: Option<u64>) -> Result<Saved> {
    let present = context.mapping(account).await?.ok_or_else(|| Error::not_found("mapping"))?;
    When::if_match(if_match).check(Some(present.v))?;
    match present.status {
        MappingStatus::Confirmed => return Ok(Saved { mapping: present, changed: false }),
        MappingStatus::Excluded => {
            return Err(Error::problem(Code::Conflict, "The account is excluded; save a mapping for it instead."));
        }
        MappingStatus::Broken => {
            let (code, detail) = broken_words(&present);
            return Err(Error::problem(code, detail));
        }
        MappingStatus::Suggested => {}
    }
    let Versioned { v, value: mut next } = present;
    let now = context.ports.clock.now();
    next.status = MappingStatus::Confirmed;
    next.confirmed_at = Some(now);
    next.updated_at = now;
    put(context, &next, When::Seen(Some(v)), CONFIRMED).await
}

fn broken_words(mapping: &Mapping) -> (Code, String) {
    mapping.broken.as_ref().map_or_else(
        || (Code::Conflict, "The mapping is broken; save it again.".to_owned()),
        |b| (b.code, b.detail.clone()),
    )
}

/// Confirms many suggestions, each for itself. Answers in the order of the accounts.
///
/// # Errors
/// `not_found` outside the caller's reach.
pub async fn bulk_confirm(context: Context<'_>, accounts: &[AccountId]) -> Result<Vec<Result<Saved>>> {
    context.connection().await?;
    // Those of one company write the same record, and so come one after the other.
    let mut groups: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    let mut alone = Vec::new();
    let looks = stream::iter(accounts.to_vec()).map(|account| async move { context.mapping(&account).await });
    let looks = looks.buffered(CONFIRM_AT_ONCE);
    for (place, found) in looks.collect::<Vec<_>>().await.into_iter().enumerate() {
        match found.ok().flatten().and_then(|mapping| Some(mapping.company.as_ref()?.id)) {
            Some(company) => groups.entry(company).or_default().push(place),
            None => alone.push(vec![place]),
        }
    }
    let groups = groups.into_values().chain(alone);
    let confirmed = stream::iter(groups).map(|places| confirm_in_turn(context, accounts, places));
    let mut done: Vec<(usize, Result<Saved>)> =
        confirmed.buffer_unordered(CONFIRM_AT_ONCE).collect::<Vec<_>>().await.into_iter().flatten().collect();
    done.sort_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, done)| done).collect())
}

async fn confirm_in_turn(
    context: Context<'_>,
    accounts: &[AccountId],
    places: Vec<usize>,
) -> Vec<(usize, Result<Saved>)> {
    let mut done = Vec::with_capacity(places.len());
    for place in places {
        if let Some(account) = accounts.get(place) {
            done.push((place, confirm(context, account, None).await));
        }
    }
    done
}

/// Removes a mapping: the account is not billed any more, and Autotask stays as it is.
///
/// # Errors
/// `not_found` without a mapping; `precondition_failed` for another version.
pub async fn unmap(context: Context<'_>, account: &AccountId, if_match: Option<u64>) -> Result<()> {
    remove(context, account, When::if_match(if_match)).await
}
