//! The lines of a page of invoices, in as few requests as possible.

use super::place::{Place, Rows};
use super::theirs;
use crate::invoices::record::InvoiceLine;
use crate::problem::Result;
use autotask::{BillingItem, Filter};
use std::collections::{BTreeMap, BTreeSet};

/// Rows taken from a page at a time.
const ROWS_AT_ONCE: usize = 500;

/// Lines by invoice. Every invoice that was asked for has an entry.
pub(super) type Lines = BTreeMap<i64, Vec<InvoiceLine>>;

/// Reads the lines of these invoices. `dense`: between the first and the last there are no others in Autotask that are
/// not wanted either, so that they are asked for by a span of ids: a list of ids is cut at 490, and each piece ends in
/// a page of its own.
pub(super) async fn read(place: &Place<'_>, invoices: &BTreeSet<i64>, dense: bool) -> Result<Lines> {
    let mut lines: Lines = invoices.iter().map(|id| (*id, Vec::new())).collect();
    let (Some(first), Some(last)) = (invoices.first(), invoices.last()) else { return Ok(lines) };
    let query = place.client().query::<BillingItem>().include(BillingItem::READ_FIELDS);
    let query = match dense {
        true => query.filter(Filter::gte("invoiceID", *first)).filter(Filter::lte("invoiceID", *last)),
        false => query.any_of("invoiceID", invoices.iter().copied()),
    };
    let mut rows = Rows::of(query, "reading lines of invoices");
    loop {
        let some = rows.next(ROWS_AT_ONCE).await?;
        for row in &some {
            let of = row.invoice_id.and_then(|id| lines.get_mut(&id.get()));
            if let Some(of) = of {
                of.push(theirs::line(row, place.zone));
            }
        }
        if some.len() < ROWS_AT_ONCE {
            return Ok(lines);
        }
    }
}
