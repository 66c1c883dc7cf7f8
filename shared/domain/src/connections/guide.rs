//! The setup guide as data: ordered steps, the form's fields, the
//! permission matrix, and what the integration never does. A portal renders it; the probe checks it.

use super::billing_codes::steps as billing_code_steps;
use super::matrix::{INVOICE_MATRIX, MATRIX, MatrixRow};
use crate::vendor::VendorProfile;

/// One step, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuideStep {
    /// Stable name.
    pub id: &'static str,
    /// Where in Autotask (or here).
    pub place: &'static str,
    /// What to do.
    pub text: String,
    /// A value to copy, where there is one.
    pub value: Option<String>,
    /// What to beware of.
    pub warning: Option<String>,
}

/// One field of Autotask's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuideField {
    /// Its name in Autotask.
    pub field: &'static str,
    /// What to enter.
    pub value: String,
    /// How.
    pub how: &'static str,
    /// Whether it can be copied from here.
    pub copy: bool,
}

/// Something that the integration does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Never {
    /// Stable name.
    pub id: &'static str,
    /// In words.
    pub text: &'static str,
    /// Whether it is planned.
    pub planned: bool,
}

/// One field of our own connect form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormField {
    /// Its name in the request.
    pub name: &'static str,
    /// Its label.
    pub label: &'static str,
    /// Whether it must be filled.
    pub required: bool,
    /// What to enter.
    pub how: &'static str,
}

/// The guide for one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guide {
    /// Which profile.
    pub profile: &'static str,
    /// Whether this version does the profile's job.
    pub available: bool,
    /// Our own connect form, in order.
    pub form: Vec<FormField>,
    /// The vendor's name in Autotask's list.
    pub integration_vendor: String,
    /// The vendor's support address.
    pub support: String,
    /// What to do, in order.
    pub steps: Vec<GuideStep>,
    /// The API user's form.
    pub fields: Vec<GuideField>,
    /// The security level that is recommended.
    pub security_level: &'static str,
    /// Why it is recommended, and that it is not forced.
    pub security_note: &'static str,
    /// What the level must allow.
    pub matrix: Vec<MatrixRow>,
    /// What this never does.
    pub never: Vec<Never>,
    /// The vendor's own words.
    pub notes: Vec<String>,
}

/// Names that `?profile=` takes.
pub const GUIDE_PROFILES: &[&str] = &["seat_count", "package_billing", "invoices"];

const DEDICATED_NOTE: &str = "Recommended, not required: copy the level \"API User (system)\", give the copy only the \
    rights of the matrix, and use it for this integration alone. It limits what the integration can see.";
const SYSTEM_NOTE: &str = "Use an API User (system) level, not one of the regular Account Manager or Service Desk \
    levels. A copy with only the rights of the matrix is recommended, not required.";
const LINE_OF_BUSINESS: &str = "Where lines of business are used, add the API user to those that your invoices belong to: \
    one outside an invoice's line of business does not see it.";
const COSTLESS_NOTE: &str = "Invoices need no costs, so the level that cannot read them is enough.";

/// The guide of a profile; none where there is no such profile. Pure.
#[must_use]
pub fn guide(profile: &str, vendor: Option<&VendorProfile>) -> Option<Guide> {
    let profile = GUIDE_PROFILES.iter().copied().find(|name| *name == profile)?;
    let vendor_name = vendor.map(|v| v.integration_vendor.clone()).unwrap_or_default();
    let billing_code = vendor.map_or("Software as a Service", |v| v.saas_billing_code.as_str());
    let (security_level, security_note) = match profile {
        "package_billing" => ("A dedicated copy of API User (system)", DEDICATED_NOTE),
        "invoices" => ("API User (system) Can't Read Costs", COSTLESS_NOTE),
        _ => ("API User (system)", SYSTEM_NOTE),
    };
    Some(Guide {
        profile,
        available: true,
        form: form(profile),
        steps: steps(profile, &vendor_name, security_level, billing_code),
        fields: fields(&vendor_name, security_level),
        security_level,
        security_note,
        matrix: if profile == "invoices" { INVOICE_MATRIX.to_vec() } else { MATRIX.to_vec() },
        never: never(profile),
        notes: vendor.map(|v| v.guide_notes.clone()).unwrap_or_default(),
        support: vendor.map(|v| v.support_address.clone()).unwrap_or_default(),
        integration_vendor: vendor_name,
    })
}

fn step(id: &'static str, place: &'static str, text: impl Into<String>) -> GuideStep {
    GuideStep { id, place, text: text.into(), value: None, warning: None }
}

fn steps(profile: &str, vendor: &str, level: &str, billing_code: &str) -> Vec<GuideStep> {
    let mut steps = vec![step("log_in", "Autotask", "Log in as an administrator.")];
    if profile == "invoices" {
        steps.push(step(
            "open_resources",
            "Admin > Account Settings & Users > Resources/Users (HR) > Resources/Users",
            "Expand Resources/Users (HR) and open Resources/Users.",
        ));
    } else {
        steps.push(step("open_resources", "Admin > Resources (Users)", "Open the list of users."));
    }
    steps.push(step("new_api_user", "New > New API User", "Start a new API user."));
    steps.push(GuideStep {
        warning: Some(
            "Copy the username and the password now: Autotask never shows the password again, and neither do we."
                .to_owned(),
        ),
        ..step(
            "fill_form",
            "New API User",
            "Fill the form with the values of the field table; press Generate Key and Generate Secret.",
        )
    });
    steps.push(GuideStep {
        value: Some(level.to_owned()),
        warning: (profile == "invoices").then(|| LINE_OF_BUSINESS.to_owned()),
        ..step("security_level", "New API User > General", "Choose the security level.")
    });
    steps.push(GuideStep {
        value: Some(vendor.to_owned()),
        ..step(
            "tracking_identifier",
            "New API User > API Tracking Identifier",
            "Choose Integration Vendor and pick the vendor from the list.",
        )
    });
    steps.push(step("save", "New API User", "Press Save & Close."));
    if profile == "seat_count" {
        steps.push(GuideStep { value: Some(billing_code.to_owned()), ..billing_code_step(billing_code) });
        steps.push(step(
            "contract_lines",
            "Contracts > Recurring Service contracts",
            "See that each client has a recurring service contract with a line for the vendor's service.",
        ));
    }
    let enter = match profile {
        "invoices" => {
            "Enter the e-mail address, the username (key) and the password (secret), choose Invoice Number or Autotask ID, \
             set filters if not everything is to be fetched, and press Save & Connect."
        }
        _ => "Enter the username (key) and the password (secret), and press Save & Connect.",
    };
    steps.push(step("connect", "Integrations > Autotask > Connect", enter));
    steps
}

/// Our own form: what a person enters here after all that.
fn form(profile: &str) -> Vec<FormField> {
    let username = FormField {
        name: "username",
        label: "Username (Key)",
        required: true,
        how: "The generated key, not somebody's own login.",
    };
    let secret = FormField {
        name: "secret",
        label: "Password (Secret)",
        required: true,
        how: "The generated secret; it is never shown again.",
    };
    if profile != "invoices" {
        return vec![username, secret];
    }
    let email = FormField {
        name: "email",
        label: "E-mail address of the Autotask account",
        required: false,
        how: "Who is told when something is wrong; it is no credential.",
    };
    let reference = FormField {
        name: "invoice_reference",
        label: "Invoice Number or Autotask ID",
        required: false,
        how: "By what invoices are named outside Autotask: `invoice_number` (default) or `autotask_id`. Numbers may clash, \
              ids do not.",
    };
    let filters = FormField {
        name: "filters",
        label: "Filters",
        required: false,
        how: "Which invoices and customers are fetched; none: everything. They can be changed later without connecting \
              again.",
    };
    vec![email, username, secret, reference, filters]
}

fn billing_code_step(name: &str) -> GuideStep {
    let steps = billing_code_steps(name);
    let lines: Vec<&str> = steps.as_array().into_iter().flatten().filter_map(|line| line.as_str()).collect();
    // The first line is the log-in, the last one the button on our own page.
    let text = lines.get(1..lines.len().saturating_sub(1)).unwrap_or_default().join(" ");
    step("billing_code", "Admin > Finance, Accounting & Invoicing > Billing Codes", text)
}

fn fields(vendor: &str, level: &str) -> Vec<GuideField> {
    let typed = |field, value: String| GuideField { field, value, how: "Type it.", copy: true };
    let made = |field, how| GuideField { field, value: String::new(), how, copy: false };
    vec![
        typed("First Name", vendor.to_owned()),
        typed("Last Name", "API".to_owned()),
        made("Email Address", "A valid address that you control; Autotask writes there, nobody logs in with it."),
        GuideField { field: "Security Level", value: level.to_owned(), how: "Choose it.", copy: false },
        made("Username (Key)", "Press Generate Key and copy the result."),
        made("Password (Secret)", "Press Generate Secret and copy the result: it is shown once."),
        GuideField {
            field: "API Tracking Identifier",
            value: format!("Integration Vendor: {vendor}"),
            how: "Choose Integration Vendor, then the name.",
            copy: true,
        },
    ]
}

fn never(profile: &str) -> Vec<Never> {
    let never = |id, text| Never { id, text, planned: false };
    match profile {
        "package_billing" => vec![Never {
            id: "tickets",
            text: "Service-desk ticketing is not available: no ticket is ever created.",
            planned: true,
        }],
        "invoices" => vec![
            never("deposits", "Deposits are not synchronised."),
            never("archive_invoices", "Invoices are not archived because of Autotask."),
            never("archive_customers", "Customers are not archived because of Autotask."),
            never("edit_invoices", "Amounts and due dates changed here are not sent back."),
            never("create_customers", "Customers created here are not created in Autotask."),
            never("create_invoices", "Invoices created here are not created in Autotask."),
            never("delete_upstream", "What is deleted in Autotask is not archived here: archive it by hand."),
        ],
        _ => vec![
            never("tickets", "No ticket is ever created."),
            never("time_entries", "No time entry is ever pushed."),
            never("other_lines", "Nothing outside the mapped contract services is ever touched."),
            never(
                "other_days",
                "Nothing is written on days other than the 1st, unless somebody asks for it or a missed 1st is made up for within 72 hours.",
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vendor() -> VendorProfile {
        VendorProfile {
            integration_vendor: "Example - Security Training".to_owned(),
            integration_code: None,
            support_address: "support@vendor.example".to_owned(),
            saas_billing_code: "Software as a Service".to_owned(),
            guide_notes: Vec::new(),
            manual_limits: crate::vendor::ManualLimits::default(),
        }
    }

    #[test]
    fn the_steps_come_in_the_order_in_which_autotask_asks_for_them() {
        for profile in GUIDE_PROFILES {
            let guide = guide(profile, Some(&vendor())).unwrap();
            let ids: Vec<_> = guide.steps.iter().map(|step| step.id).collect();
            let order = [
                "log_in",
                "open_resources",
                "new_api_user",
                "fill_form",
                "security_level",
                "tracking_identifier",
                "save",
            ];
            assert_eq!(ids[..order.len()], order);
            assert_eq!(ids.last(), Some(&"connect"));
            let named = guide.steps.iter().find(|step| step.id == "tracking_identifier").unwrap();
            assert_eq!(named.value.as_deref(), Some("Example - Security Training"));
        }
    }

    #[test]
    fn each_promise_of_never_binds_the_profile_of_its_own_job() {
        let ids = |profile| guide(profile, None).unwrap().never.iter().map(|n| n.id).collect::<Vec<_>>();
        assert!(ids("seat_count").contains(&"time_entries") && !ids("seat_count").contains(&"deposits"));
        assert_eq!(ids("package_billing"), ["tickets"]);
        assert!(ids("invoices").contains(&"create_customers"));
        assert_eq!(guide("frobs", None), None);
    }
}
