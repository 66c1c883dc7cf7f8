//! A mapping as the audit trail and the bus show it.

use super::{Mapping, PackageContract};
use serde_json::{Value, json};

/// What of a mapping counts as a change: everything but names and times. Also what goes on the bus.
pub(super) fn shown(mapping: &Mapping) -> Value {
    let lines: Vec<Value> = mapping
        .lines
        .iter()
        .map(|l| json!({"package_id": l.package_id, "kind": l.line.kind, "line_id": l.line.id, "overwrite_cost": l.overwrite_cost}))
        .collect();
    let own = |c: &PackageContract| json!({"package_id": c.package_id, "contract_id": c.contract.id});
    json!({
        "account_id": mapping.account,
        "status": mapping.status,
        "company_id": mapping.company.as_ref().map(|c| c.id),
        "contract_id": mapping.contract.as_ref().map(|c| c.id),
        "contracts": mapping.contracts.iter().map(own).collect::<Vec<_>>(),
        "lines": lines,
        "leaving": mapping.leaving.iter().map(|l| l.line.to_string()).collect::<Vec<_>>(),
        "source": mapping.source,
        "paused": mapping.paused,
    })
}
