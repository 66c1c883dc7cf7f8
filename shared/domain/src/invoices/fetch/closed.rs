//! What is paid or void, a little of it every day: Autotask tells no changes of an invoice, and nobody looks for those
//! that are closed. Edited, reopened and deleted ones, and any that was never seen, are found within a round.

use super::invoices::{by_id, every, headers};
use super::place::{Place, Rows};
use super::record::{Counts, Round};
use super::upsert::{self, How, Known};
use crate::invoices::Invoice;
use crate::mappings::broken::sees_all;
use crate::ports::Read;
use crate::problem::{Error, Result};
use crate::records::{Collection, load_all};
use std::collections::BTreeSet;

/// Invoices of one page: one call.
pub(super) const PAGE: usize = 500;
/// Days in which all invoices are to be looked at once.
const ROUND_DAYS: u32 = 28;
/// Share of a page, in per cent, that may be gone before it is rather the right to see them that is.
const GONE_PERCENT_MAX: usize = 30;
/// Fewer that are gone than this are believed.
const GONE_MIN: usize = 10;

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
    let ours = load_all::<Invoice>(&*place.ports.storage, place.scope, &of, Read::Strong).await?;
    let standing = ours.iter().filter(|invoice| invoice.missing_since.is_none()).map(|invoice| invoice.id);
    let (there, others): (Vec<i64>, Vec<i64>) = standing.partition(|id| seen.contains(id));
    if others.is_empty() {
        return Ok(0);
    }
    let failed = |doing| move |source| Error::Autotask { doing, source };
    let rows = by_id(place, others.iter().copied()).all().await.map_err(failed("reading invoices that vanished"))?;
    let found: BTreeSet<i64> = rows.iter().map(|row| row.id.get()).collect();
    let gone: Vec<i64> = others.iter().copied().filter(|id| !found.contains(id)).collect();
    let of = there.len() + others.len();
    let many = too_many(gone.len(), of, round);
    if gone.is_empty() || many || !sees_all::<autotask::Invoice>(place.client()).await.map_err(failed(SEES))? {
        // The day's look at open ones says so, where it meets the same; there is no more to do about closed ones.
        if many {
            tracing::warn!(connection.id = %place.id(), gone = gone.len(), looked_for = of, "closed invoices vanished");
        }
        return Ok(0);
    }
    upsert::take_missing(place, &gone).await
}

/// Whether so many of a page are gone that it is rather the right to see them. The last page of many may be a short one,
/// and the newest are deleted together: it counts as a whole one.
fn too_many(gone: usize, of: usize, round: Round) -> bool {
    let all = usize::try_from(round.rows_before.max(round.rows)).unwrap_or(PAGE);
    gone >= GONE_MIN && gone * 100 > of.max(all.min(PAGE)) * GONE_PERCENT_MAX
}

const SEES: &str = "asking what the API user may see";

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
            assert_eq!(too_many(gone, page, of(all)), wanted, "{gone} of {page}, {all} in all");
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
