//! A person's yes to a suggestion, and its opposite: unmapping.

use super::context::Context;
use super::put::{Saved, When, put, remove};
use super::save::CONFIRMED;
use super::{Mapping, MappingStatus};
use crate::ids::AccountId;
use crate::problem::{Code, Error, Result};
use crate::records::Versioned;
use futures::{StreamExt, stream};

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
    let confirmed =
        stream::iter(accounts.to_vec()).map(|account| async move { confirm(context, &account, None).await });
    Ok(confirmed.buffered(CONFIRM_AT_ONCE).collect().await)
}

/// Removes a mapping: the account is not billed any more, and Autotask stays as it is.
///
/// # Errors
/// `not_found` without a mapping; `precondition_failed` for another version.
pub async fn unmap(context: Context<'_>, account: &AccountId, if_match: Option<u64>) -> Result<()> {
    remove(context, account, When::if_match(if_match)).await
}
