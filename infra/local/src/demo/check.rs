//! What the simulator says of it.

use serde_json::Value;
use simulator::seed::DemoLine;
use std::collections::BTreeMap;

/// What to do with a line in truth.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// Where the account is billed in truth.
    pub(super) line: DemoLine,
    /// The vendor's count.
    pub(super) seats: i64,
    /// Whether its period is posted already, so that it must stay.
    pub(super) billed: bool,
}

/// Compares each line's units on a day (`2026-12-01`) with what they should be.
pub(super) fn units(expected: &[Expected], rows: &[Value], day: &str) -> Vec<String> {
    let mut now = BTreeMap::new();
    for row in rows {
        let date = |field: &str| row[field].as_str().and_then(|text| text.get(..10)).unwrap_or_default().to_owned();
        if date("startDate").as_str() <= day && day <= date("endDate").as_str() {
            now.insert(row["contractServiceID"].as_i64(), row["units"].as_i64());
        }
    }
    let wrong = |each: &Expected| {
        let wanted = if each.billed { each.line.units } else { each.seats };
        let found = now.get(&Some(each.line.contract_service_id)).copied().flatten();
        let (account, line) = (&each.line.account_id, each.line.contract_service_id);
        (found != Some(wanted)).then(|| format!("line {line} of {account}: {found:?} units instead of {wanted}"))
    };
    expected.iter().filter_map(wrong).collect()
}

/// Requests that change something: everything but `GET` and queries.
pub(super) fn writes(requests: &[Value]) -> usize {
    let is_query = |path: &str| path.trim_end_matches('/').to_ascii_lowercase().ends_with("/query");
    let changes =
        |request: &&Value| request["method"].as_str() != Some("GET") && !request["path"].as_str().is_some_and(is_query);
    requests.iter().filter(changes).count()
}
