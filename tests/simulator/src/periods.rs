//! Billing periods of a contract.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::switches::PeriodStart;

/// Periods that a contract may have at most: a monthly one of 100 years.
const PERIODS_MAX: i32 = 1_200;

/// Months of a period by the value of the `period` picklist; none where all is one period.
pub(crate) fn months(period_type: i64) -> Option<i32> {
    match period_type {
        1 => Some(1),
        2 => Some(3),
        3 => Some(6),
        4 => Some(12),
        _ => None,
    }
}

/// The periods between two days, both included, in order and without gaps.
pub(crate) fn periods(start: Date, end: Date, period_type: i64, begin: PeriodStart) -> Vec<(Date, Date)> {
    let Some(months) = months(period_type) else {
        return if start <= end { vec![(start, end)] } else { Vec::new() };
    };
    let anchor = match begin {
        PeriodStart::ContractStart => start,
        PeriodStart::FirstOfMonth => start.first_of_month(),
    };
    let mut periods = Vec::new();
    for number in 0..PERIODS_MAX {
        // Counted from the anchor, not from the last period: the 31st stays the 31st.
        let (Ok(first), Ok(next)) =
            (anchor.checked_add((months * number).months()), anchor.checked_add((months * (number + 1)).months()))
        else {
            break;
        };
        let last = next.yesterday().unwrap_or(next);
        if first > end {
            break;
        }
        periods.push((first.max(start), last.min(end)));
    }
    periods
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn months_begin_on_the_contracts_own_day() {
        let shown: Vec<String> = periods(date(2026, 1, 31), date(2026, 4, 10), 1, PeriodStart::ContractStart)
            .iter()
            .map(|(first, last)| format!("{first}..{last}"))
            .collect();
        assert_eq!(shown, ["2026-01-31..2026-02-27", "2026-02-28..2026-03-30", "2026-03-31..2026-04-10"]);
    }

    #[test]
    fn months_may_begin_on_the_first() {
        let all = periods(date(2026, 1, 15), date(2026, 3, 31), 1, PeriodStart::FirstOfMonth);
        assert_eq!(all[0], (date(2026, 1, 15), date(2026, 1, 31)));
        assert_eq!(all[1], (date(2026, 2, 1), date(2026, 2, 28)));
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn a_one_time_contract_is_one_period() {
        assert_eq!(periods(date(2026, 1, 1), date(2026, 12, 31), 5, PeriodStart::ContractStart).len(), 1);
        assert_eq!(periods(date(2026, 1, 1), date(2026, 12, 31), 2, PeriodStart::ContractStart).len(), 4);
    }
}
