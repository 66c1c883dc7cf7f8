//! The security level that the API user needs: one table for the setup guide, the probe and the portal
//! A row names what the administrator ticks; the entities behind it are what the probe asks.

use super::findings::{Access, AccessOf, Grant};
use super::record::{FeatureState, Permission};

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// See.
    View,
    /// Create.
    Add,
    /// Change.
    Edit,
    /// Remove.
    Delete,
}

impl Right {
    /// The column's name in Autotask.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Right::View => "View",
            Right::Add => "Add",
            Right::Edit => "Edit",
            Right::Delete => "Delete",
        }
    }
}

/// One row of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixRow {
    /// Autotask's module.
    pub module: &'static str,
    /// The object within it.
    pub object: &'static str,
    /// Rights to tick.
    pub rights: &'static [Right],
    /// Why.
    pub why: &'static str,
}

/// The whole security level: nothing more is ever needed.
pub const MATRIX: &[MatrixRow] = &[
    MatrixRow { module: "CRM", object: "Companies", rights: &[Right::View], why: "Companies are offered for mapping." },
    MatrixRow {
        module: "CRM",
        object: "Contacts",
        rights: &[Right::View],
        why: "Accounts are matched by their primary contact's e-mail address.",
    },
    MatrixRow {
        module: "Contracts",
        object: "Contracts",
        rights: &[Right::View],
        why: "The contract to bill on is chosen and watched.",
    },
    MatrixRow {
        module: "Contracts",
        object: "Contract Services",
        rights: &[Right::View, Right::Add, Right::Edit, Right::Delete],
        why: "Units are read and adjusted; a missing line is added; a cost is changed. Nothing is ever deleted: lines go to 0 units.",
    },
    MatrixRow {
        module: "Products",
        object: "Products and Services",
        rights: &[Right::View],
        why: "Packages are mapped to services.",
    },
];

/// The level that invoices need: no costs, no contracts.
pub const INVOICE_MATRIX: &[MatrixRow] = &[
    MatrixRow { module: "CRM", object: "Companies", rights: &[Right::View], why: "Invoices go to companies." },
    MatrixRow {
        module: "CRM",
        object: "Contacts",
        rights: &[Right::View],
        why: "A customer's people get its invoices; filters may look at a field of theirs.",
    },
    MatrixRow {
        module: "Contracts",
        object: "Invoices",
        rights: &[Right::View, Right::Edit],
        why: "Invoices are read; the date of payment is written back, and nothing else.",
    },
    MatrixRow {
        module: "Contracts",
        object: "Billing Items",
        rights: &[Right::View],
        why: "They are the lines of invoices.",
    },
];

const COMPANIES: &str = "CRM › Companies";
const CONTACTS: &str = "CRM › Contacts";
const CONTRACTS: &str = "Contracts › Contracts";
const LINES: &str = "Contracts › Contract Services";
const SERVICES: &str = "Products › Products and Services";
const INVOICES: &str = "Contracts › Invoices";
const BILLING_ITEMS: &str = "Contracts › Billing Items";
const BILLING_CODES: &str = "Finance › Billing Codes";
/// What stands for readable costs, which are no row of the matrix but a property of the level.
const COSTS: &str = "Contracts › Costs › View";

/// One need of a feature: a right to an entity, and the words for it.
struct Need {
    access: fn(&AccessOf) -> &Access,
    right: Right,
    object: &'static str,
}

const fn need(access: fn(&AccessOf) -> &Access, right: Right, object: &'static str) -> Need {
    Need { access, right, object }
}

struct FeatureNeeds {
    feature: &'static str,
    reads: &'static [Need],
    writes: &'static [Need],
    costs: bool,
}

const FEATURE_NEEDS: &[FeatureNeeds] = &[
    FeatureNeeds {
        feature: "mapping",
        reads: &[
            need(|of| &of.companies, Right::View, COMPANIES),
            need(|of| &of.contacts, Right::View, CONTACTS),
            need(|of| &of.contracts, Right::View, CONTRACTS),
            need(|of| &of.contract_services, Right::View, LINES),
            need(|of| &of.services, Right::View, SERVICES),
        ],
        writes: &[],
        costs: false,
    },
    FeatureNeeds {
        feature: "seat_sync",
        reads: &[
            need(|of| &of.contracts, Right::View, CONTRACTS),
            need(|of| &of.contract_services, Right::View, LINES),
            need(|of| &of.units, Right::View, LINES),
        ],
        writes: &[need(|of| &of.adjustments, Right::Add, LINES)],
        costs: false,
    },
    FeatureNeeds {
        feature: "overwrite_cost",
        reads: &[need(|of| &of.contract_services, Right::View, LINES)],
        writes: &[need(|of| &of.adjustments, Right::Add, LINES), need(|of| &of.contract_services, Right::Edit, LINES)],
        costs: true,
    },
    FeatureNeeds {
        feature: "package_billing",
        reads: &[
            need(|of| &of.contracts, Right::View, CONTRACTS),
            need(|of| &of.contract_services, Right::View, LINES),
            need(|of| &of.units, Right::View, LINES),
            need(|of| &of.services, Right::View, SERVICES),
        ],
        writes: &[need(|of| &of.contract_services, Right::Add, LINES), need(|of| &of.adjustments, Right::Add, LINES)],
        costs: false,
    },
    FeatureNeeds {
        feature: "invoices",
        reads: &[
            need(|of| &of.companies, Right::View, COMPANIES),
            need(|of| &of.contacts, Right::View, CONTACTS),
            need(|of| &of.invoices, Right::View, INVOICES),
            need(|of| &of.billing_items, Right::View, BILLING_ITEMS),
        ],
        writes: &[need(|of| &of.invoices, Right::Edit, INVOICES)],
        costs: false,
    },
    FeatureNeeds {
        feature: "billing_code_check",
        reads: &[need(|of| &of.billing_codes, Right::View, BILLING_CODES)],
        writes: &[],
        costs: false,
    },
];

/// Each feature's state, with the rights that it lacks in Autotask's words. Pure.
pub(super) fn judge(access: &AccessOf, costs_readable: Option<bool>) -> Vec<Permission> {
    FEATURE_NEEDS.iter().map(|needs| judge_feature(needs, access, costs_readable)).collect()
}

fn judge_feature(needs: &FeatureNeeds, access: &AccessOf, costs_readable: Option<bool>) -> Permission {
    let mut reads = missing(needs.reads, access);
    if needs.costs && costs_readable == Some(false) {
        reads.push(COSTS.to_owned());
    }
    let writes = missing(needs.writes, access);
    let state = match (reads.is_empty(), writes.is_empty()) {
        (false, _) => FeatureState::Missing,
        (true, false) => FeatureState::ReadOnly,
        (true, true) => FeatureState::Ready,
    };
    let mut missing = reads;
    missing.extend(writes);
    let mut seen = std::collections::BTreeSet::new();
    missing.retain(|right| seen.insert(right.clone()));
    Permission { feature: needs.feature.to_owned(), state, missing }
}

fn missing(needs: &[Need], access: &AccessOf) -> Vec<String> {
    needs
        .iter()
        .filter(|need| (need.access)(access).grant(need.right) == Grant::None)
        .map(|need| format!("{} › {}", need.object, need.right.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> AccessOf {
        let access = Access { view: Grant::All, add: Grant::All, edit: Grant::All, delete: Grant::All };
        AccessOf {
            companies: access,
            contacts: access,
            contracts: access,
            contract_services: access,
            units: access,
            adjustments: access,
            services: access,
            billing_codes: access,
            invoices: access,
            billing_items: access,
        }
    }

    fn state(permissions: &[Permission], feature: &str) -> (FeatureState, Vec<String>) {
        let found = permissions.iter().find(|p| p.feature == feature).unwrap();
        (found.state, found.missing.clone())
    }

    #[test]
    fn with_every_right_every_feature_is_ready() {
        assert!(judge(&all(), Some(true)).iter().all(|p| p.state == FeatureState::Ready && p.missing.is_empty()));
    }

    #[test]
    fn each_denied_right_is_named_where_it_is_needed() {
        let none = Access { view: Grant::None, add: Grant::None, edit: Grant::None, delete: Grant::None };
        let view = Access { view: Grant::All, ..none };
        let read_only = judge(&AccessOf { adjustments: view, contract_services: view, ..all() }, Some(true));
        let lines_add = vec!["Contracts › Contract Services › Add".to_owned()];
        assert_eq!(state(&read_only, "seat_sync"), (FeatureState::ReadOnly, lines_add.clone()));
        assert_eq!(state(&read_only, "package_billing"), (FeatureState::ReadOnly, lines_add));
        assert_eq!(state(&read_only, "mapping").0, FeatureState::Ready);

        let blind = judge(&AccessOf { contacts: none, ..all() }, Some(true));
        assert_eq!(state(&blind, "mapping"), (FeatureState::Missing, vec!["CRM › Contacts › View".to_owned()]));
        assert_eq!(state(&blind, "seat_sync").0, FeatureState::Ready);

        let unpaid = judge(&AccessOf { invoices: view, ..all() }, Some(false));
        let edit = vec!["Contracts › Invoices › Edit".to_owned()];
        assert_eq!(state(&unpaid, "invoices"), (FeatureState::ReadOnly, edit));
        let nothing = judge(&AccessOf { billing_items: none, ..all() }, None);
        assert_eq!(state(&nothing, "invoices").0, FeatureState::Missing);
        // What billing needs, invoices do not.
        let bare = AccessOf { contracts: none, contract_services: none, units: none, adjustments: none, ..all() };
        assert_eq!(state(&judge(&bare, Some(false)), "invoices").0, FeatureState::Ready);

        let costless = judge(&all(), Some(false));
        assert_eq!(state(&costless, "overwrite_cost"), (FeatureState::Missing, vec![COSTS.to_owned()]));
        assert_eq!(state(&costless, "seat_sync").0, FeatureState::Ready);
    }

    #[test]
    fn the_level_of_the_guide_is_enough_for_every_billing_feature_and_every_word_of_it_is_a_row() {
        for needs in FEATURE_NEEDS.iter().filter(|needs| needs.feature != "billing_code_check") {
            for need in needs.reads.iter().chain(needs.writes) {
                let matrix = if needs.feature == "invoices" { INVOICE_MATRIX } else { MATRIX };
                let row = matrix.iter().find(|row| format!("{} › {}", row.module, row.object) == need.object);
                assert!(row.is_some_and(|row| row.rights.contains(&need.right)), "{}", need.object);
            }
        }
    }
}
