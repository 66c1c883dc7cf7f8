//! What filters let through, counted in Autotask: in few calls, and exactly where that takes few.

use crate::invoices::filters::FiltersRecord;
use autotask::{Client, Company, Contact, Filter, Invoice, Query};
use futures::StreamExt;
use std::collections::BTreeSet;

/// Companies that are read to count their invoices exactly: one page, and one request that names them all. Of more,
/// invoices are estimated by their share.
const COMPANIES_MAX: usize = 450;
/// Contacts that are read to find the companies that a field of theirs lets through: two pages.
const CONTACTS_MAX: usize = 1_000;

/// Invoices that filters let through, as Autotask counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InvoiceCounts {
    /// All that Autotask shows.
    pub total: u64,
    /// Let through.
    pub matching: u64,
    /// Of those, neither paid nor voided.
    pub open: u64,
    /// Let through by these filters and not by the present ones.
    pub appears: u64,
    /// Let through by the present filters and not by these: they stay here as they are.
    pub stops_updating: u64,
}

/// What filters would make of what Autotask has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// Companies that Autotask shows.
    pub companies_total: u64,
    /// Let through.
    pub companies_matching: u64,
    /// Invoices.
    pub invoices: InvoiceCounts,
    /// Whether the numbers were counted; else they are estimated by the companies' share.
    pub exact: bool,
}

/// Companies that filters let through.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Companies {
    All,
    These(BTreeSet<i64>),
    /// Too many to name.
    Many(u64),
}

impl Companies {
    fn count(&self, total: u64) -> u64 {
        match self {
            Companies::All => total,
            Companies::These(ids) => u64::try_from(ids.len()).unwrap_or(u64::MAX),
            Companies::Many(count) => *count,
        }
    }

    /// Those that both let through; none where that cannot be told.
    fn both(&self, other: &Companies) -> Option<Companies> {
        match (self, other) {
            (Companies::All, some) | (some, Companies::All) => Some(some.clone()),
            (Companies::These(ids), Companies::These(others)) => {
                Some(Companies::These(ids.intersection(others).copied().collect()))
            }
            (Companies::Many(_), _) | (_, Companies::Many(_)) => None,
        }
    }
}

/// Counts what filters let through beside what the present ones do. `first`: nothing was fetched yet.
pub(super) async fn effect(
    client: &Client,
    present: &FiltersRecord,
    next: &FiltersRecord,
    first: bool,
) -> autotask::Result<Effect> {
    let total = client.query::<Company>().count().await?;
    let (before, before_exact) = companies(client, present).await?;
    let (after, after_exact) = match same_companies(present, next) {
        true => (before.clone(), before_exact),
        false => companies(client, next).await?,
    };
    let count = Counting { client, total, first };
    let invoices_total = client.query::<Invoice>().count().await?;
    let (matching, of_after) = count.invoices(&after, &[next], invoices_total, false).await?;
    let (open, _) = count.invoices(&after, &[next], invoices_total, true).await?;
    let (known, of_before) = count.invoices(&before, &[present], invoices_total, false).await?;
    let both = match before.both(&after) {
        Some(both) => Some(count.invoices(&both, &[present, next], invoices_total, false).await?),
        None => None,
    };
    let exact = before_exact && after_exact && of_after && of_before && both.is_some_and(|(_, exact)| exact);
    let stays = both.map_or_else(|| matching.min(known), |(both, _)| both);
    let invoices = InvoiceCounts {
        total: invoices_total,
        matching,
        open,
        appears: matching.saturating_sub(stays),
        stops_updating: known.saturating_sub(stays),
    };
    Ok(Effect { companies_total: total, companies_matching: after.count(total), invoices, exact })
}

fn same_companies(one: &FiltersRecord, other: &FiltersRecord) -> bool {
    let of = |record: &FiltersRecord| {
        let filters = record.filters.clone();
        (
            (record.company_type_ids.clone(), record.classification_ids.clone(), filters.company_ids),
            (filters.company_udf, record.company_udf_value.clone()),
            (filters.contact_udf, record.contact_udf_value.clone()),
        )
    };
    of(one) == of(other)
}

/// The companies that filters let through, and whether that is exact.
async fn companies(client: &Client, of: &FiltersRecord) -> autotask::Result<(Companies, bool)> {
    let filters = &of.filters;
    let by_contact = match &filters.contact_udf {
        Some(udf) => {
            let value = of.contact_udf_value.as_deref().unwrap_or(&udf.equals);
            match having(client, &udf.name, value).await? {
                Some(ids) => Some(ids),
                // Too many to look at: the contacts' part is left out.
                None => return Ok((of_companies(client, of, None).await?, false)),
            }
        }
        None => None,
    };
    Ok((of_companies(client, of, by_contact).await?, true))
}

/// Companies with an active contact whose field has a value; none where there are too many.
async fn having(client: &Client, name: &str, value: &str) -> autotask::Result<Option<BTreeSet<i64>>> {
    let query = client.query::<Contact>().include(&["id", "companyID"]);
    let query = query.filter(Filter::eq(name, value).udf()).filter(Filter::eq("isActive", 1_i64));
    let mut rows = std::pin::pin!(query.stream());
    let (mut found, mut read) = (BTreeSet::new(), 0);
    while let Some(row) = rows.next().await {
        found.extend(row?.company_id.map(autotask::Id::get));
        read += 1;
        if read > CONTACTS_MAX {
            return Ok(None);
        }
    }
    Ok(Some(found))
}

async fn of_companies(
    client: &Client,
    of: &FiltersRecord,
    among: Option<BTreeSet<i64>>,
) -> autotask::Result<Companies> {
    let filters = &of.filters;
    let ids = &filters.company_ids;
    let plain = filters.company_types.is_empty() && filters.classifications.is_empty() && filters.company_udf.is_none();
    if plain && ids.only.is_empty() && ids.except.is_empty() && among.is_none() {
        return Ok(Companies::All);
    }
    let query = || narrowed(client, of, among.as_ref());
    let mut rows = std::pin::pin!(query().include(&["id"]).stream());
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next().await {
        let id = row?.id.get();
        if !ids.except.contains(&id) {
            found.insert(id);
        }
        if found.len() > COMPANIES_MAX {
            let except = u64::try_from(ids.except.len()).unwrap_or(0);
            // Of those that are left out some may not be among the others.
            return Ok(Companies::Many(query().count().await?.saturating_sub(except)));
        }
    }
    Ok(Companies::These(found))
}

fn narrowed(client: &Client, of: &FiltersRecord, among: Option<&BTreeSet<i64>>) -> Query<Company> {
    let filters = &of.filters;
    let mut query = client.query::<Company>();
    if !filters.company_types.is_empty() {
        query = query.filter(Filter::is_in("companyType", of.company_type_ids.iter().copied()));
    }
    if !filters.classifications.is_empty() {
        query = query.filter(Filter::is_in("classification", of.classification_ids.iter().copied()));
    }
    if let Some(udf) = &filters.company_udf {
        let value = of.company_udf_value.as_deref().unwrap_or(&udf.equals);
        query = query.filter(Filter::eq(udf.name.clone(), value).udf());
    }
    let only = &filters.company_ids.only;
    match among {
        Some(among) => {
            let left = among.iter().copied().filter(|id| only.is_empty() || only.contains(id));
            query.any_of("id", left)
        }
        None if only.is_empty() => query,
        None => query.any_of("id", only.iter().copied()),
    }
}

struct Counting<'a> {
    client: &'a Client,
    /// Companies that Autotask shows.
    total: u64,
    first: bool,
}

impl Counting<'_> {
    /// Invoices of these companies that all of these filters let through, and whether they were counted.
    async fn invoices(
        &self,
        companies: &Companies,
        filters: &[&FiltersRecord],
        all: u64,
        open: bool,
    ) -> autotask::Result<(u64, bool)> {
        let mut query = self.client.query::<Invoice>();
        let mut narrowed = false;
        for of in filters.iter().map(|of| &of.filters) {
            if let Some(from) = of.invoice_date_from {
                (query, narrowed) = (query.filter(Filter::gte("invoiceDateTime", from)), true);
            }
            if !of.include_zero {
                (query, narrowed) = (query.filter(Filter::not_eq("invoiceTotal", 0_i64)), true);
            }
        }
        if open || filters.iter().any(|of| of.filters.unpaid_only && self.first) {
            query = query.filter(Filter::not_exist("paidDate")).filter(Filter::eq("isVoided", false));
            narrowed = true;
        }
        match companies {
            Companies::All if !narrowed => Ok((all, true)),
            Companies::All => Ok((query.count().await?, true)),
            Companies::These(ids) => Ok((query.any_of("companyID", ids.iter().copied()).count().await?, true)),
            Companies::Many(count) => {
                let whole = if narrowed { query.count().await? } else { all };
                let share = u128::from(whole) * u128::from(*count) / u128::from(self.total.max(1));
                Ok((u64::try_from(share).unwrap_or(u64::MAX), false))
            }
        }
    }
}
