//! What a probe found, and what it means for the connection's record and issues.

use super::record::{Connection, FeatureState, Permission};
use super::{FEATURES, matrix};
use crate::actor::Scope;
use crate::change::Change;
use crate::invoices::FEATURE;
use crate::issues::{self, Subject};
use crate::ports::Ports;
use crate::problem::{Code, Result};
use autotask::metadata::{EntityInformation, UserAccess};
use jiff::Timestamp;
use serde::Serialize;

/// Whether a right is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// No.
    None,
    /// For some rows only: what is hidden looks as if it were not there.
    Restricted,
    /// Yes.
    All,
}

/// What the API user may do with one entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) view: Grant,
    pub(super) add: Grant,
    pub(super) edit: Grant,
    pub(super) delete: Grant,
}

impl Access {
    pub(super) const NONE: Access =
        Access { view: Grant::None, add: Grant::None, edit: Grant::None, delete: Grant::None };

    pub(super) fn grant(&self, right: matrix::Right) -> Grant {
        match right {
            matrix::Right::View => self.view,
            matrix::Right::Add => self.add,
            matrix::Right::Edit => self.edit,
            matrix::Right::Delete => self.delete,
        }
    }

    /// From what Autotask says. Adjustments cannot be queried by anybody: only what the user may do counts, and the
    /// entity's own flag where Autotask does not say.
    pub(super) fn of(info: &EntityInformation) -> Self {
        Self {
            view: grant(info.can_query, info.user_access_for_query.as_ref()),
            add: grant(info.can_create, info.user_access_for_create.as_ref()),
            edit: grant(info.can_update, info.user_access_for_update.as_ref()),
            delete: grant(info.can_delete, info.user_access_for_delete.as_ref()),
        }
    }
}

fn grant(can: Option<bool>, access: Option<&UserAccess>) -> Grant {
    match (can, access) {
        (Some(false), _) | (_, Some(UserAccess::None)) | (None, None) => Grant::None,
        (_, Some(UserAccess::Restricted)) => Grant::Restricted,
        (_, Some(UserAccess::All | UserAccess::Other(_))) | (Some(true), None) => Grant::All,
    }
}

/// What the API user may do with each entity that the features need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccessOf {
    pub(super) companies: Access,
    pub(super) contacts: Access,
    pub(super) contracts: Access,
    pub(super) contract_services: Access,
    pub(super) units: Access,
    pub(super) adjustments: Access,
    pub(super) services: Access,
    pub(super) billing_codes: Access,
    pub(super) invoices: Access,
    pub(super) billing_items: Access,
}

/// Objects of which only the invoice import reads rows.
const OF_INVOICES: &[&str] = &["Invoices", "Billing Items"];
/// Objects of which only billing reads rows.
const OF_BILLING: &[&str] = &["Contracts", "Contract Services", "Services"];

/// Whether a connection with these features bills: all of them do that but the invoice import.
pub(super) fn bills(features: &[String]) -> bool {
    features.is_empty() || features.iter().any(|feature| feature != FEATURE)
}

impl AccessOf {
    fn restricted(&self) -> Vec<&'static str> {
        [
            ("Companies", self.companies),
            ("Contacts", self.contacts),
            ("Contracts", self.contracts),
            ("Contract Services", self.contract_services),
            ("Services", self.services),
            ("Invoices", self.invoices),
            ("Billing Items", self.billing_items),
        ]
        .into_iter()
        .filter(|(_, access)| access.view == Grant::Restricted)
        .map(|(name, _)| name)
        .collect()
    }
}

/// Something that works only in part, told when connecting and with each probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Stable: `permission_missing`, `cost_not_readable`, `billing_code_missing`, `view_restricted`,
    /// `feature_not_available`, `filter_label_inactive`.
    pub code: &'static str,
    /// What happened.
    pub detail: String,
    /// What to do.
    pub action: String,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// Each feature's state.
    pub permissions: Vec<Permission>,
    /// Whether costs can be read; none where there is no row to tell by.
    pub costs_readable: Option<bool>,
    /// Whether the SaaS billing code is there; none where billing codes cannot be read.
    pub billing_code_present: Option<bool>,
    /// The billing code's name that was looked for.
    pub billing_code: String,
    /// Objects of which the user sees only a part.
    pub restricted: Vec<&'static str>,
    /// When.
    pub at: Timestamp,
}

impl Findings {
    pub(super) fn new(
        access: &AccessOf,
        costs_readable: Option<bool>,
        billing_code_present: Option<bool>,
        billing_code: String,
        at: Timestamp,
    ) -> Self {
        Self {
            permissions: matrix::judge(access, costs_readable),
            costs_readable,
            billing_code_present,
            billing_code,
            restricted: access.restricted(),
            at,
        }
    }

    /// Warnings for a connection with these features.
    #[must_use]
    pub fn warnings(&self, features: &[String]) -> Vec<Warning> {
        let mut warnings: Vec<Warning> = features
            .iter()
            .filter(|name| FEATURES.iter().any(|f| f.name == name.as_str() && !f.available))
            .map(|name| Warning {
                code: "feature_not_available",
                detail: format!("The feature `{name}` is chosen, and this version does not do it yet."),
                action: "Nothing; it starts when the vendor switches it on.".to_owned(),
            })
            .collect();
        if let Some(lacking) = self.lacking(features) {
            warnings.push(warning(Code::PermissionMissing, lacking));
        }
        let bills = bills(features);
        if bills && self.costs_readable == Some(false) {
            warnings.push(warning(Code::CostNotReadable, Code::CostNotReadable.title().to_owned()));
        }
        if bills && self.billing_code_present == Some(false) {
            warnings.push(warning(Code::BillingCodeMissing, self.billing_code_words()));
        }
        let invoices = features.iter().any(|feature| feature == FEATURE);
        let matters = |object: &&&str| match **object {
            object if OF_INVOICES.contains(&object) => invoices,
            object if OF_BILLING.contains(&object) => bills,
            _ => true,
        };
        let restricted: Vec<&str> = self.restricted.iter().filter(matters).copied().collect();
        if !restricted.is_empty() {
            warnings.push(Warning {
                code: "view_restricted",
                detail: format!("The API user sees only some of: {}.", restricted.join(", ")),
                action: "Grant View of all, or what it cannot see cannot be mapped, billed or fetched.".to_owned(),
            });
        }
        warnings
    }

    /// Missing rights of the features that are on, and of mapping, in one sentence.
    fn lacking(&self, features: &[String]) -> Option<String> {
        let mapping = bills(features);
        let wanted = |p: &&Permission| (mapping && p.feature == "mapping") || features.contains(&p.feature);
        let lacking: Vec<String> = self
            .permissions
            .iter()
            .filter(wanted)
            .filter(|p| p.state != FeatureState::Ready)
            .map(|p| format!("{} lacks {}", p.feature, p.missing.join(", ")))
            .collect();
        (!lacking.is_empty()).then(|| format!("{}.", lacking.join("; ")))
    }

    pub(crate) fn billing_code_words(&self) -> String {
        format!("There is no active recurring-service billing code named \"{}\".", self.billing_code)
    }

    /// Puts the findings into the connection's record.
    pub(super) fn apply(&self, connection: &mut Connection) {
        connection.permissions.clone_from(&self.permissions);
        connection.costs_readable = self.costs_readable;
        connection.saas_billing_code_present = self.billing_code_present;
        connection.probed_at = Some(self.at);
        connection.last_ok_at = Some(self.at);
    }

    /// Opens and closes the issues that the findings are about.
    pub(super) async fn issues<'a>(
        &self,
        change: Change<'a>,
        ports: &Ports,
        scope: &Scope,
        connection: &Connection,
    ) -> Result<Change<'a>> {
        let on = Subject { partner: &connection.partner, connection: &connection.id, subject: "connection" };
        let change = match self.lacking(&connection.features) {
            Some(detail) => issues::open(change, ports, scope, on, Code::PermissionMissing, &detail).await?,
            None => issues::resolve(change, ports, scope, on, Code::PermissionMissing).await?,
        };
        match self.billing_code_present {
            Some(false) if !bills(&connection.features) => {
                issues::resolve(change, ports, scope, on, Code::BillingCodeMissing).await
            }
            Some(false) => {
                let words = self.billing_code_words();
                issues::open(change, ports, scope, on, Code::BillingCodeMissing, &words).await
            }
            Some(true) => issues::resolve(change, ports, scope, on, Code::BillingCodeMissing).await,
            None => Ok(change),
        }
    }
}

fn warning(code: Code, detail: String) -> Warning {
    Warning { code: code.as_str(), detail, action: code.action().to_owned() }
}
