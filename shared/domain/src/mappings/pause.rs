//! Setting an account apart for a while: its mapping stays, and no run writes its lines.

use super::Mapping;
use super::context::Context;
use super::put::{Saved, When, Words, put};
use crate::ids::AccountId;
use crate::problem::{Error, Result};

/// Pauses an account or ends its pause. Doing it twice is doing it once.
///
/// # Errors
/// `not_found` for an account without a mapping; `precondition_failed`, `conflict`.
pub async fn set_paused(
    context: Context<'_>,
    account: &AccountId,
    paused: bool,
    if_match: Option<u64>,
) -> Result<Saved> {
    context.connection().await?;
    let present = context.mapping(account).await?.ok_or_else(|| Error::not_found("mapping"))?;
    When::if_match(if_match).check(Some(present.v))?;
    if present.paused == paused {
        return Ok(Saved { mapping: present, changed: false });
    }
    let action = if paused { "mapping.paused" } else { "mapping.resumed" };
    let next = Mapping { paused, updated_at: context.ports.clock.now(), ..present.value };
    put(context, &next, When::Seen(Some(present.v)), Words { action, event: None }).await
}
