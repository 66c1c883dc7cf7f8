//! What the simulator says of it.

use serde_json::Value;
use simulator::seed::DemoLine;
use std::collections::{BTreeMap, BTreeSet};

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

/// A package's line as it should be.
#[derive(Debug, Clone)]
pub(super) struct Owed {
    /// Whose.
    pub(super) account: String,
    /// On which contract.
    pub(super) contract_id: i64,
    /// Of which service.
    pub(super) service_id: i64,
    /// How many units.
    pub(super) units: i64,
}

/// Compares lines of the packages' services with what they should be in all periods of a span of days (`2026-12-01`):
/// each is there once, and there is no other. Takes the rows of the lines and of their units.
pub(super) fn packages(
    owed: &[Owed],
    services: &[i64],
    rows: (&[Value], &[Value]),
    (first, last): (&str, &str),
) -> Vec<String> {
    let (lines, units) = rows;
    let mut there: BTreeMap<(Option<i64>, Option<i64>), Vec<&Value>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line["serviceID"].as_i64().is_some_and(|id| services.contains(&id))) {
        there.entry((line["contractID"].as_i64(), line["serviceID"].as_i64())).or_default().push(&line["id"]);
    }
    let mut wrong = Vec::new();
    for Owed { account, contract_id, service_id, units: wanted } in owed {
        let what = format!("service {service_id} of {account} on contract {contract_id}");
        let ids = there.remove(&(Some(*contract_id), Some(*service_id))).unwrap_or_default();
        let [id] = ids[..] else {
            wrong.push(format!("{what} stands on the contract {} times", ids.len()));
            continue;
        };
        let date = |row: &Value, field: &str| row[field].as_str().and_then(|text| text.get(..10)).map(str::to_owned);
        let within = |row: &&Value| {
            date(row, "startDate").is_some_and(|start| start.as_str() <= last)
                && date(row, "endDate").is_some_and(|end| first <= end.as_str())
        };
        let own = units.iter().filter(|row| row["contractServiceID"] == *id).filter(within);
        let found: BTreeSet<i64> = own.map(|row| row["units"].as_i64().unwrap_or_default()).collect();
        // A line that was added later has no units yet.
        if found != BTreeSet::from([*wanted]) && !(found.is_empty() && *wanted == 0) {
            wrong.push(format!("{what}: {found:?} units from {first} to {last} instead of {wanted}"));
        }
    }
    wrong.extend(there.keys().map(|(contract, service)| format!("nobody owes service {service:?} of {contract:?}")));
    wrong
}

/// Requests that change something: everything but `GET` and queries.
pub(super) fn writes(requests: &[Value]) -> usize {
    let is_query = |path: &str| path.trim_end_matches('/').to_ascii_lowercase().ends_with("/query");
    let changes =
        |request: &&Value| request["method"].as_str() != Some("GET") && !request["path"].as_str().is_some_and(is_query);
    requests.iter().filter(changes).count()
}
