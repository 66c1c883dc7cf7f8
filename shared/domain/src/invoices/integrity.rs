//! Whether an invoice adds up.

use super::record::{Check, LinesRef};
use rust_decimal::Decimal;

/// By how much each line may be off, in units of the currency's hundredth: Autotask keeps four decimals and rounds
/// each item to two when it is posted.
const CENTS_PER_LINE: i64 = 1;

/// Lines and their tax against the total.
#[must_use]
pub fn check(lines: &LinesRef, total: Decimal) -> Check {
    let sum = lines.amount + lines.tax;
    let tolerance = Decimal::new(CENTS_PER_LINE * i64::from(lines.count.max(1)), 2);
    match (sum - total).abs() <= tolerance {
        true => Check::Matches,
        false => Check::Differs { lines: sum, total },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_tax_come_to_the_total_within_a_cent_a_line() {
        for (amount, tax, count, total, matches) in [
            ("125.00", "25.00", 2, "150.00", true),
            ("125.00", "25.01", 2, "150.00", true),
            ("125.00", "25.03", 2, "150.00", false),
            ("125.00", "25.00", 0, "150.01", true),
            ("0", "0", 0, "150.00", false),
            ("-20", "0", 1, "-20", true),
        ] {
            let d = |text: &str| text.parse::<Decimal>().unwrap();
            let lines = LinesRef { amount: d(amount), tax: d(tax), count, ..LinesRef::none() };
            assert_eq!(check(&lines, d(total)) == Check::Matches, matches, "{amount} + {tax} = {total}");
        }
    }
}
