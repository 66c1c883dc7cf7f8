//! What is made of a count before it becomes units. Pure.

use serde::{Deserialize, Serialize};

/// Applied in this order to the sum of all counts that go into a line: free, ratio, minimum, maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuantityRule {
    /// Units that are not billed; 0 or more.
    pub free: i64,
    /// Committed minimum.
    pub min: Option<i64>,
    /// Cap.
    pub max: Option<i64>,
    /// Counts per unit, rounded up; 1 or more.
    pub ratio: i64,
}

impl Default for QuantityRule {
    fn default() -> Self {
        Self { free: 0, min: None, max: None, ratio: 1 }
    }
}

impl QuantityRule {
    /// The units of a sum of counts: free units off it (never below 0), divided by the ratio and rounded up, raised to
    /// the minimum, lowered to the cap.
    ///
    /// A committed minimum also applies to a sum of 0: it was promised whatever is used. Where minimum and cap
    /// contradict each other, the cap, which comes last, decides. Bounds below 0 and ratios below 1 count as 0 and 1.
    #[must_use]
    pub fn apply(&self, sum: i64) -> i64 {
        let billed = sum.saturating_sub(self.free.max(0)).max(0);
        let ratio = self.ratio.max(1);
        let units = billed / ratio + i64::from(billed % ratio != 0);
        let raised = self.min.map_or(units, |min| units.max(min));
        let capped = self.max.map_or(raised, |max| raised.min(max));
        capped.max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: QuantityRule = QuantityRule { free: 5, min: Some(3), max: Some(8), ratio: 10 };

    #[test]
    fn free_comes_before_ratio_before_minimum_before_cap() {
        let free = QuantityRule { free: 5, ..QuantityRule::default() };
        let ratio = QuantityRule { ratio: 10, ..QuantityRule::default() };
        let min = QuantityRule { min: Some(3), ..QuantityRule::default() };
        let max = QuantityRule { max: Some(8), ..QuantityRule::default() };
        for (rule, sum, units) in [
            (QuantityRule::default(), 47, 47),
            (free, 47, 42),
            (free, 4, 0),
            (ratio, 0, 0),
            (ratio, 1, 1),
            (ratio, 10, 1),
            (ratio, 11, 2),
            (min, 2, 3),
            (min, 0, 3),
            (min, 4, 4),
            (max, 9, 8),
            (max, 8, 8),
            // The ratio first: 45 / 10 = 5, and nothing left of it after 5 free ones.
            (QuantityRule { free: 5, ratio: 10, ..QuantityRule::default() }, 45, 4),
            // The minimum before the ratio: 30 / 10 = 3, where 3 units are committed and 2 used.
            (QuantityRule { ratio: 10, min: Some(30), ..QuantityRule::default() }, 12, 30),
            // The cap before the ratio: 20 / 10.
            (QuantityRule { ratio: 10, max: Some(20), ..QuantityRule::default() }, 150, 15),
            // Free units off the minimum: 5 - 5.
            (QuantityRule { free: 5, min: Some(5), ..QuantityRule::default() }, 2, 5),
            // Free units off the cap: 8 - 5.
            (QuantityRule { free: 5, max: Some(8), ..QuantityRule::default() }, 13, 8),
            // The cap is the last word.
            (QuantityRule { min: Some(9), max: Some(8), ..QuantityRule::default() }, 1, 8),
            (ALL, 0, 3),
            (ALL, 45, 4),
            (ALL, 46, 5),
            (ALL, 1_000, 8),
        ] {
            assert_eq!(rule.apply(sum), units, "{rule:?} of {sum}");
        }
    }

    #[test]
    fn numbers_that_no_check_lets_in_do_no_harm() {
        let odd = QuantityRule { free: -3, min: Some(-5), max: Some(-1), ratio: 0 };
        assert_eq!(odd.apply(7), 0);
        assert_eq!(QuantityRule { free: -3, ratio: -2, ..QuantityRule::default() }.apply(7), 7);
        assert_eq!(QuantityRule { free: i64::MAX, ..QuantityRule::default() }.apply(i64::MIN), 0);
        assert_eq!(QuantityRule { ratio: i64::MAX, ..QuantityRule::default() }.apply(i64::MAX), 1);
    }

    prop_compose! {
        fn rule()(
            free in 0..50_i64,
            ratio in 1..20_i64,
            min in proptest::option::of(0..40_i64),
            over in proptest::option::of(0..40_i64),
        ) -> QuantityRule {
            QuantityRule { free, ratio, min, max: over.map(|over| min.unwrap_or(0) + over) }
        }
    }

    proptest! {
        #[test]
        fn more_counts_are_never_fewer_units(rule in rule(), sum in 0..2_000_i64, more in 0..2_000_i64) {
            prop_assert!(rule.apply(sum) <= rule.apply(sum + more));
        }

        #[test]
        fn units_lie_between_minimum_and_cap(rule in rule(), sum in -10..2_000_i64) {
            let units = rule.apply(sum);
            prop_assert!(rule.min.is_none_or(|min| min <= units) && rule.max.is_none_or(|max| units <= max));
            prop_assert!(units >= 0);
        }

        #[test]
        fn a_rule_without_rules_changes_nothing(sum in 0..i64::MAX) {
            prop_assert_eq!(QuantityRule::default().apply(sum), sum);
        }

        /// As many units as it takes to cover what is not free, and not one more.
        #[test]
        fn a_ratio_covers_every_count_and_no_unit_is_idle(free in 0..50_i64, ratio in 1..20_i64, sum in 0..2_000_i64) {
            let units = QuantityRule { free, ratio, ..QuantityRule::default() }.apply(sum);
            let billed = (sum - free).max(0);
            prop_assert!(units * ratio >= billed && (units - 1) * ratio < billed.max(1));
        }
    }
}
