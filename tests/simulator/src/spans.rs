//! How an adjustment cuts the units rows of a line, as plain data.

use jiff::civil::Date;

/// A units row without its prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The row's id; none for a row that is to be made.
    pub(crate) id: Option<i64>,
    /// The row whose prices a new row takes over.
    pub(crate) like: Option<i64>,
    pub(crate) start: Date,
    pub(crate) end: Date,
    pub(crate) units: i64,
}

/// The spans after `delta` units from `at` on. `spans` are in order; `periods` are the contract's.
///
/// The row that contains `at` is cut (or changes whole, if it begins there), every later row moves
/// by the same delta. Where no row contains `at`, rows are made up to the next row or the end.
pub(crate) fn adjusted(spans: &[Span], periods: &[(Date, Date)], at: Date, delta: i64) -> Vec<Span> {
    let mut after = Vec::with_capacity(spans.len() + 1);
    let mut covered = false;
    for span in spans {
        if span.end < at {
            after.push(*span);
        } else if span.start >= at {
            covered |= span.start == at;
            after.push(Span { units: span.units + delta, ..*span });
        } else {
            covered = true;
            after.push(Span { end: at.yesterday().unwrap_or(at), ..*span });
            after.push(Span { id: None, like: span.id, start: at, end: span.end, units: span.units + delta });
        }
    }
    if !covered {
        let next = spans.iter().map(|span| span.start).filter(|start| *start > at).min();
        after.extend(filled(periods, at, next, delta, None));
        after.sort_by_key(|span| span.start);
    }
    after
}

/// New spans from `from` on, one per period, until the day before `next`.
pub(crate) fn filled(
    periods: &[(Date, Date)],
    from: Date,
    next: Option<Date>,
    units: i64,
    like: Option<i64>,
) -> Vec<Span> {
    let until = next.map_or(Date::MAX, |next| next.yesterday().unwrap_or(next));
    periods
        .iter()
        .map(|(first, last)| (from.max(*first), until.min(*last)))
        .filter(|(start, end)| start <= end)
        .map(|(start, end)| Span { id: None, like, start, end, units })
        .collect()
}

/// The units on a day; 0 where no row covers it.
pub(crate) fn units_on(spans: &[Span], at: Date) -> i64 {
    spans.iter().find(|span| span.start <= at && at <= span.end).map_or(0, |span| span.units)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::periods::periods;
    use crate::switches::PeriodStart;

    fn quarter() -> Vec<(Date, Date)> {
        periods(date(2026, 10, 1), date(2026, 12, 31), 1, PeriodStart::ContractStart)
    }

    fn ten() -> Vec<Span> {
        filled(&quarter(), date(2026, 10, 1), None, 10, None)
            .into_iter()
            .zip(1..)
            .map(|(span, id)| Span { id: Some(id), ..span })
            .collect()
    }

    fn table(spans: &[Span]) -> Vec<String> {
        spans
            .iter()
            .map(|span| {
                format!(
                    "{} {}..{} {}",
                    span.id.map_or("new".to_owned(), |id| id.to_string()),
                    span.start,
                    span.end,
                    span.units
                )
            })
            .collect()
    }

    #[test]
    fn a_change_on_the_first_day_of_a_row_changes_the_row_itself() {
        assert_eq!(
            table(&adjusted(&ten(), &quarter(), date(2026, 11, 1), 3)),
            ["1 2026-10-01..2026-10-31 10", "2 2026-11-01..2026-11-30 13", "3 2026-12-01..2026-12-31 13"]
        );
    }

    #[test]
    fn a_change_in_the_middle_of_a_row_cuts_it() {
        assert_eq!(
            table(&adjusted(&ten(), &quarter(), date(2026, 11, 20), -4)),
            [
                "1 2026-10-01..2026-10-31 10",
                "2 2026-11-01..2026-11-19 10",
                "new 2026-11-20..2026-11-30 6",
                "3 2026-12-01..2026-12-31 6",
            ]
        );
    }

    #[test]
    fn a_line_without_rows_gets_them_from_the_date_on() {
        assert_eq!(
            table(&adjusted(&[], &quarter(), date(2026, 11, 20), 5)),
            ["new 2026-11-20..2026-11-30 5", "new 2026-12-01..2026-12-31 5"]
        );
    }

    #[test]
    fn a_gap_is_filled_up_to_the_next_row_which_moves_along() {
        let december = &ten()[2..];
        assert_eq!(
            table(&adjusted(december, &quarter(), date(2026, 11, 1), 2)),
            ["new 2026-11-01..2026-11-30 2", "3 2026-12-01..2026-12-31 12"]
        );
    }

    #[test]
    fn a_change_and_its_opposite_leave_every_day_as_it_was() {
        let there = adjusted(&ten(), &quarter(), date(2026, 10, 15), 7);
        let and_back = adjusted(&there, &quarter(), date(2026, 10, 15), -7);
        for (first, last) in quarter() {
            assert_eq!(units_on(&and_back, first), 10);
            assert_eq!(units_on(&and_back, last), 10);
        }
    }
}
