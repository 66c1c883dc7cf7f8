//! Whether other filters let more through, or less. Pure.

use crate::invoices::filters::{Filters, FiltersRecord, UdfFilter};

/// What a change of filters asks of the fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing that is not done anyway.
    None,
    /// All customers are looked at again: some may be kept out now.
    Customers,
    /// Everything is read again: some may be let through only now.
    Import,
}

/// What must be read again. In doubt, everything: nothing is lost by that but calls.
pub(super) fn step(before: &FiltersRecord, after: &FiltersRecord) -> Step {
    let (old, new) = (&before.filters, &after.filters);
    let narrower = list_narrower(&before.company_type_ids, &after.company_type_ids)
        && list_narrower(&before.classification_ids, &after.classification_ids)
        && list_narrower(&old.company_ids.only, &new.company_ids.only)
        && old.company_ids.except.iter().all(|id| new.company_ids.except.contains(id))
        && udf_narrower((&old.company_udf, &before.company_udf_value), (&new.company_udf, &after.company_udf_value))
        && udf_narrower((&old.contact_udf, &before.contact_udf_value), (&new.contact_udf, &after.contact_udf_value))
        && date_narrower(old, new)
        && (old.include_zero || !new.include_zero)
        && (!old.unpaid_only || new.unpaid_only);
    let same_customers = before.company_type_ids == after.company_type_ids
        && before.classification_ids == after.classification_ids
        && old.company_ids == new.company_ids
        && (&old.company_udf, &before.company_udf_value) == (&new.company_udf, &after.company_udf_value)
        && (&old.contact_udf, &before.contact_udf_value) == (&new.contact_udf, &after.contact_udf_value);
    match (narrower, same_customers) {
        (false, _) => Step::Import,
        (true, false) => Step::Customers,
        (true, true) => Step::None,
    }
}

/// An empty list lets all through.
fn list_narrower(before: &[i64], after: &[i64]) -> bool {
    before.is_empty() || (!after.is_empty() && after.iter().all(|id| before.contains(id)))
}

type Udf<'a> = (&'a Option<UdfFilter>, &'a Option<String>);

fn udf_narrower(before: Udf<'_>, after: Udf<'_>) -> bool {
    before.0.is_none() || before == after
}

fn date_narrower(before: &Filters, after: &Filters) -> bool {
    match (before.invoice_date_from, after.invoice_date_from) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(before), Some(after)) => after >= before,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ConnectionId, PartnerId};
    use jiff::civil::date;

    fn of(change: impl FnOnce(&mut FiltersRecord)) -> FiltersRecord {
        let (partner, connection) = (PartnerId::new("acme").unwrap(), ConnectionId::new("con_1").unwrap());
        let mut record = FiltersRecord::none(&partner, &connection);
        change(&mut record);
        record
    }

    #[test]
    fn what_lets_more_through_is_read_again_and_what_keeps_more_out_is_not() {
        let udf = |equals: &str| Some(UdfFilter { name: "Tier".to_owned(), equals: equals.to_owned() });
        let none = || of(|_| {});
        let types = |ids: &[i64]| of(|r| r.company_type_ids = ids.to_vec());
        let only = |ids: &[i64]| of(|r| r.filters.company_ids.only = ids.to_vec());
        let except = |ids: &[i64]| of(|r| r.filters.company_ids.except = ids.to_vec());
        let tier = |equals: &str| of(|r| r.filters.company_udf = udf(equals));
        let from = |day: i8| of(|r| r.filters.invoice_date_from = Some(date(2026, 11, day)));
        let zero = |include: bool| of(|r| r.filters.include_zero = include);
        let unpaid = |only: bool| of(|r| r.filters.unpaid_only = only);
        let stored = |value: &str| {
            of(|r| {
                r.filters.company_udf = udf("Gold");
                r.company_udf_value = Some(value.to_owned());
            })
        };
        for (name, before, after, wanted) in [
            ("nothing", none(), none(), Step::None),
            ("a first type", none(), types(&[1]), Step::Customers),
            ("one type less", types(&[1, 2]), types(&[1]), Step::Customers),
            ("one type more", types(&[1]), types(&[1, 2]), Step::Import),
            ("another type", types(&[1]), types(&[2]), Step::Import),
            ("no type any more", types(&[1]), none(), Step::Import),
            ("some companies", none(), only(&[5]), Step::Customers),
            ("other companies", only(&[5]), only(&[6]), Step::Import),
            ("all companies", only(&[5]), none(), Step::Import),
            ("all but one", none(), except(&[5]), Step::Customers),
            ("that one, too", except(&[5]), none(), Step::Import),
            ("a field", none(), tier("Gold"), Step::Customers),
            ("another value", tier("Gold"), tier("Silver"), Step::Import),
            ("another stored value", stored("1"), stored("2"), Step::Import),
            ("a first day", none(), from(5), Step::None),
            ("a later day", from(5), from(6), Step::None),
            ("an earlier day", from(6), from(5), Step::Import),
            ("no first day", from(6), none(), Step::Import),
            ("not zero", zero(true), zero(false), Step::None),
            ("zero, too", zero(false), zero(true), Step::Import),
            ("unpaid ones", unpaid(false), unpaid(true), Step::None),
            ("paid ones, too", unpaid(true), unpaid(false), Step::Import),
        ] {
            assert_eq!(step(&before, &after), wanted, "{name}");
        }
    }
}
