//! A package's mapping as the audit trail and the bus show it.

use super::{PackageMapping, ServiceTarget};
use crate::ids::PackageId;
use serde_json::{Value, json};

/// What of a mapping counts as a change: everything but names and times. Also what goes on the bus.
pub(super) fn shown(mapping: &PackageMapping) -> Value {
    let target = |t: &ServiceTarget| json!({"kind": t.kind, "id": t.id, "product_id": t.product_id});
    json!({
        "package_id": mapping.package,
        "mapped": true,
        "target": mapping.target.as_ref().map(target),
        "former": mapping.former.iter().map(target).collect::<Vec<_>>(),
        "sum_into": mapping.sum_into,
        "excluded": mapping.excluded,
        "overwrite_cost": mapping.overwrite_cost,
        "quantity_source": mapping.quantity_source,
        "count_rule": mapping.count_rule,
        "quantity_rule": mapping.quantity_rule,
    })
}

/// A package without a mapping, on the bus.
pub(super) fn unmapped(package: &PackageId) -> Value {
    json!({"package_id": package, "mapped": false})
}
