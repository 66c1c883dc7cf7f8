//! What is paid or void, a little of it every day: Autotask tells no changes of an invoice, and nobody looks for those
//! that are closed. Edited, reopened and deleted ones, and any that was never seen, are found within a round.

use super::invoices::{by_id, every, headers};
use super::place::{Place, Rows};
use super::record::{Counts, Round};
use super::upsert::{self, How, Known};
use super::vanished::too_many;
use crate::invoices::Invoice;
use crate::ports::{Order, PageRequest, Read};
use crate::problem::Result;
use crate::records::{Collection, load_page};
use std::collections::BTreeSet;

/// Invoices of one page: one call.
pub(super) const PAGE: usize = 500;
/// Days in which all invoices are to be looked at once.
const ROUND_DAYS: u32 = 28;
/// Ours that are held against a page: more than that are not there because the page is not whole.
const OURS_MAX: u32 = 1_000;

/// Pages of one day: more where there are more than that many days' single pages. `here`: how many are known to be.
pub(super) fn pages_of(round: Round, here: u32) -> u32 {
    let rows = round.rows_before.max(round.rows).max(here);
    let page = u32::try_from(PAGE).unwrap_or(u32::MAX);
    rows.div_ceil(page.saturating_mul(ROUND_DAYS)).max(1)
}

/// Looks at the next page of the round. Answers where the round stands, and whether it was the last page.
pub(super) async fn look(
    place: &Place<'_>,
    known: &mut Known,
    round: Round,
    history: How,
) -> Result<(Round, bool, Counts)> {
    let mut counts = Counts::default();
    let rows = Rows::of(every(place, round.after), "reading closed invoices").next(PAGE).await?;
    let last = rows.len() < PAGE;
    let to = if last { i64::MAX } else { rows.last().map_or(round.after, |row| row.id.get()) };
    let seen: BTreeSet<i64> = rows.iter().map(|row| row.id.get()).collect();
    let page = headers(place, &rows, &mut counts);
    counts.add(&upsert::take(place, known, page, How { dense: true, ..history }).await?);
    counts.invoices_missing += gone(place, round, to, &seen).await?;
    let rows = round.rows.saturating_add(u32::try_from(seen.len()).unwrap_or(u32::MAX));
    let next = match last {
        true => Round { after: 0, rows: 0, rows_before: rows },
        false => Round { after: to, rows, ..round },
    };
    Ok((next, last, counts))
}

/// Marks ours of the page, up to the id `to`, that Autotask no longer has. Answers how many.
async fn gone(place: &Place<'_>, round: Round, to: i64, seen: &BTreeSet<i64>) -> Result<u32> {
    let of = Collection::InvoicesBetween(place.partner().clone(), place.id().clone(), round.after, to);
    let page = PageRequest { limit: OURS_MAX, after: None, order: Order::Ascending, read: Read::Strong };
    let (ours, more) = load_page::<Invoice>(&*place.ports.storage, place.scope, &of, page).await?;
    let standing: Vec<i64> =
        ours.iter().filter(|invoice| invoice.missing_since.is_none()).map(|invoice| invoice.id).collect();
    let others: Vec<i64> = standing.iter().copied().filter(|id| !seen.contains(id)).collect();
    if others.is_empty() {
        return Ok(0);
    }
    if more.is_some() || too_many(others.len(), whole(standing.len(), round)) {
        // The day's look at open ones tells people, where it meets the same.
        let (gone, looked_for) = (others.len(), standing.len());
        tracing::warn!(connection.id = %place.id(), gone, looked_for, "closed invoices vanished");
        return Ok(0);
    }
    let rows = place.all("reading invoices that vanished", by_id(place, others.iter().copied())).await?;
    let found: BTreeSet<i64> = rows.iter().map(|row| row.id.get()).collect();
    let gone: Vec<i64> = others.into_iter().filter(|id| !found.contains(id)).collect();
    if gone.is_empty() || !place.sees_invoices().await? {
        return Ok(0);
    }
    upsert::take_missing(place, &gone).await
}

/// How many a page counts for: the last page of many may be a short one, and the newest are deleted together.
fn whole(of: usize, round: Round) -> usize {
    let all = usize::try_from(round.rows_before.max(round.rows)).unwrap_or(PAGE);
    of.max(all.min(PAGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dozen_of_a_short_last_page_may_be_gone_and_half_of_all_may_not() {
        let of = |rows_before| Round { rows_before, ..Round::default() };
        for (gone, page, all, wanted) in [
            (12, 20, 5_000, false),
            (12, 20, 20, true),
            (9, 9, 9, false),
            (151, 500, 5_000, true),
            (150, 500, 5_000, false),
            (20, 40, 0, true),
        ] {
            assert_eq!(too_many(gone, whole(page, of(all))), wanted, "{gone} of {page}, {all} in all");
        }
    }

    #[test]
    fn a_day_takes_one_call_and_more_where_a_round_would_last_longer_than_four_weeks() {
        for (rows, rows_before, here, pages) in
            [(0, 0, 0, 1), (0, 14_000, 0, 1), (0, 14_001, 0, 2), (20_000, 0, 0, 2), (0, 0, 50_000, 4)]
        {
            assert_eq!(pages_of(Round { after: 7, rows, rows_before }, here), pages, "{rows} {rows_before} {here}");
        }
    }
}
