//! What the vendor is in Autotask. Its integration code goes into the secret store and never comes out.

use super::record::{ManualLimits, VendorProfile};
use crate::actor::{Actor, Scope};
use crate::autotask_session::secrets_problem;
use crate::connections::check_version;
use crate::ports::{Ports, SecretName, StorageError};
use crate::problem::{Code, Error, FieldError, Problem, Result};
use crate::records::{Expect, Key, Versioned, Write, load};
use secrecy::{ExposeSecret, SecretString};

/// Longest name, address or code, in characters.
const TEXT_CHARS_MAX: usize = 200;
/// Most paragraphs of notes.
const NOTES_MAX: usize = 20;
/// Shortest time between two presses of a button, in minutes: fetches are started every five minutes.
const LIMIT_MINUTES_MIN: i64 = 5;
/// Longest time, in minutes: a week.
const LIMIT_MINUTES_MAX: i64 = 7 * 24 * 60;
/// Longest paragraph, in characters.
const NOTE_CHARS_MAX: usize = 2_000;

/// A profile as the vendor's administrator sends it.
#[derive(Debug, Clone)]
pub struct ProfileInput {
    /// The name in Autotask's list of integration vendors.
    pub integration_vendor: String,
    /// The tracking identifier; absent: the stored one stays.
    pub integration_code: Option<SecretString>,
    /// Shown wherever an error is shown.
    pub support_address: String,
    /// Name of the recurring-service billing code.
    pub saas_billing_code: String,
    /// Further words for the setup guide.
    pub guide_notes: Vec<String>,
    /// How often partners may fetch invoices by hand.
    pub manual_limits: ManualLimits,
}

/// The vendor's profile, where it has been set.
pub async fn get_profile(ports: &Ports, scope: &Scope) -> Result<Option<Versioned<VendorProfile>>> {
    Ok(load::<VendorProfile>(&*ports.storage, scope, &Key::VendorProfile).await?)
}

/// Sets the vendor's profile. A code is stored as a new version of the vendor's secret first; the record then names
/// it, so that every call has either the old code or the new one.
///
/// # Errors
/// `invalid_input`, `precondition_failed`, `conflict`, `secret_store_unavailable`.
pub async fn put_profile(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    if_match: Option<u64>,
    input: ProfileInput,
) -> Result<Versioned<VendorProfile>> {
    check(&input)?;
    let present = get_profile(ports, scope).await?;
    check_version(if_match, present.as_ref().map_or(0, |found| found.v))?;
    let code = match &input.integration_code {
        Some(code) => {
            let code = SecretString::from(code.expose_secret().trim().to_owned());
            Some(ports.secrets.put(&SecretName::Vendor, code).await.map_err(secrets_problem)?)
        }
        None => present.as_ref().and_then(|found| found.value.integration_code.clone()),
    };
    let renewed = input.integration_code.is_some();
    let profile = VendorProfile {
        integration_vendor: input.integration_vendor.trim().to_owned(),
        integration_code: code,
        support_address: input.support_address.trim().to_owned(),
        saas_billing_code: input.saas_billing_code.trim().to_owned(),
        guide_notes: input.guide_notes,
        manual_limits: input.manual_limits,
    };
    let (expect, v) = match &present {
        Some(found) if found.value == profile => return Ok(Versioned { v: found.v, value: profile }),
        Some(found) => (Expect::Version(found.v), found.v + 1),
        None => (Expect::Absent, 1),
    };
    let written = ports.storage.write(scope, vec![Write::put(&profile, expect)?]).await;
    written.map_err(|error| match error {
        StorageError::Conflict { .. } => {
            Error::problem(Code::Conflict, "The vendor's profile was changed by another request.")
        }
        other => other.into(),
    })?;
    // The audit trail belongs to partners; what the vendor does to itself is kept in the log.
    tracing::info!(
        audit = true,
        actor.who,
        request_id = actor.request_id,
        integration_vendor = profile.integration_vendor,
        code_renewed = renewed,
        "the vendor's profile was changed"
    );
    Ok(Versioned { v, value: profile })
}

fn check(input: &ProfileInput) -> Result<()> {
    let mut errors = Vec::new();
    let mut refuse =
        |pointer: &str, rule: &str| errors.push(FieldError { pointer: pointer.to_owned(), detail: rule.to_owned() });
    for (pointer, text) in [
        ("/integration_vendor", &input.integration_vendor),
        ("/support_address", &input.support_address),
        ("/saas_billing_code", &input.saas_billing_code),
    ] {
        if text.trim().is_empty() {
            refuse(pointer, "is required");
        } else if text.chars().count() > TEXT_CHARS_MAX || text.chars().any(char::is_control) {
            refuse(pointer, "has at most 200 characters, all of them printable");
        }
    }
    if let Some(code) = &input.integration_code {
        let code = code.expose_secret().trim();
        if code.is_empty() || code.len() > TEXT_CHARS_MAX || !code.bytes().all(|b| b.is_ascii_graphic()) {
            refuse("/integration_code", "has 1 to 200 characters, without spaces");
        }
    }
    if input.guide_notes.len() > NOTES_MAX || input.guide_notes.iter().any(|n| n.chars().count() > NOTE_CHARS_MAX) {
        refuse("/guide_notes", "has at most 20 paragraphs of 2000 characters");
    }
    for (pointer, minutes) in [
        ("/manual_limits/fetch_new_minutes", input.manual_limits.fetch_new_minutes),
        ("/manual_limits/fetch_unpaid_minutes", input.manual_limits.fetch_unpaid_minutes),
    ] {
        if !(LIMIT_MINUTES_MIN..=LIMIT_MINUTES_MAX).contains(&minutes) {
            refuse(pointer, "is from 5 minutes to 10080, a week");
        }
    }
    match Problem::fields(errors) {
        Some(problem) => Err(problem.into()),
        None => Ok(()),
    }
}
