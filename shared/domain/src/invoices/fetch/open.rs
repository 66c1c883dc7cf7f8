//! What is open here or in Autotask: amounts, due dates, payments and voids follow, and what is gone is found.

use super::invoices::{by_id, headers};
use super::place::Place;
use super::record::Counts;
use super::upsert::{self, How, Known};
use super::vanished::{GONE_MIN, too_many};
use crate::invoices::record::OpenInvoice;
use crate::ports::Read;
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, load_all};
use std::collections::BTreeSet;

/// Takes over what Autotask says of invoices that are open here and that it did not return among its open ones: those
/// with ids in `(above, to]` and not in `seen`. `gone_before`: how many of earlier pages are gone.
pub(super) async fn take_others(
    place: &Place<'_>,
    known: &mut Known,
    (above, to): (i64, i64),
    seen: &BTreeSet<i64>,
    gone_before: u32,
    how: How,
) -> Result<Counts> {
    let mut counts = Counts::default();
    if above >= to {
        return Ok(counts);
    }
    let of = Collection::OpenInvoicesBetween(place.partner().clone(), place.id().clone(), above, to);
    let ours = load_all::<OpenInvoice>(&*place.ports.storage, place.scope, &of, Read::Strong).await?;
    let others: Vec<i64> = ours.iter().map(|open| open.id).filter(|id| !seen.contains(id)).collect();
    if others.is_empty() {
        return Ok(counts);
    }
    let rows = place.all("reading invoices that are open here", by_id(place, others.iter().copied())).await?;
    let there: BTreeSet<i64> = rows.iter().map(|row| row.id.get()).collect();
    let page = headers(place, &rows, &mut counts);
    counts.add(&upsert::take(place, known, page, how).await?);
    let gone: Vec<i64> = others.iter().copied().filter(|id| !there.contains(id)).collect();
    if gone.is_empty() {
        return Ok(counts);
    }
    let (all_gone, open) = share(place, gone.len(), seen.len() + others.len(), gone_before).await?;
    if too_many(all_gone, open) || !place.sees_invoices().await? {
        let words = format!("{all_gone} of {open} open invoices are no longer returned.");
        tracing::warn!(connection.id = %place.id(), gone = all_gone, looked_for = open, "invoices vanished");
        return Err(Error::problem(Code::PermissionMissing, words));
    }
    counts.invoices_missing += upsert::take_missing(place, &gone).await?;
    Ok(counts)
}

/// How many are gone so far, and of how many that are open, here or there: of those that are open here alone nearly all
/// are gone. Not of a page, which may be a short one: the newest are deleted together.
async fn share(place: &Place<'_>, gone: usize, open: usize, gone_before: u32) -> Result<(usize, usize)> {
    let before = usize::try_from(gone_before).unwrap_or(usize::MAX);
    if gone + before < GONE_MIN {
        return Ok((gone, open));
    }
    let of = Collection::OpenInvoices(place.partner().clone(), place.id().clone());
    let ours = load_all::<OpenInvoice>(&*place.ports.storage, place.scope, &of, Read::Strong).await?.len();
    Ok((gone + before, open.max(ours + before)))
}
