//! What is made of a count before it becomes units.

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
