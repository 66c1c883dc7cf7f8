//! What a person enters to connect, checked field by field.

use super::profiles::{FEATURES, JobProfile};
use super::settings::InvoiceReference;
use super::{PSA, Priority};
use crate::invoices::filtering;
use crate::invoices::filters::Filters;
use crate::problem::{FieldError, Problem};
use jiff::civil::Date;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// Longest user name or secret that is taken, in characters: an HTTP header's worth.
pub const CREDENTIAL_CHARS_MAX: usize = 256;
/// Longest e-mail address (RFC 5321).
const EMAIL_CHARS_MAX: usize = 254;

/// A connect request as it came.
#[derive(Debug, Clone)]
pub struct NewConnection {
    /// Which PSA; absent: Autotask.
    pub psa: Option<String>,
    /// The API user's key.
    pub username: Option<String>,
    /// The API user's secret.
    pub secret: Option<SecretString>,
    /// Notification contact.
    pub email: Option<String>,
    /// `primary` (default) or `secondary`.
    pub priority: Option<String>,
    /// `invoice_number` (default) or `autotask_id`.
    pub invoice_reference: Option<String>,
    /// Filters of the invoice import; absent or null: all is wanted.
    pub filters: Option<Value>,
    /// Features to switch on; absent: the profile's.
    pub features: Option<Vec<String>>,
    /// Defaults in one choice; absent: `seat_count`.
    pub profile: Option<String>,
}

/// A connect request whose fields are all right.
#[derive(Debug)]
pub(super) struct Valid {
    pub(super) username: String,
    pub(super) secret: SecretString,
    pub(super) email: Option<String>,
    pub(super) priority: Priority,
    pub(super) invoice_reference: InvoiceReference,
    pub(super) features: Vec<String>,
    pub(super) profile: JobProfile,
    pub(super) filters: Option<Filters>,
}

impl NewConnection {
    /// All field errors at once, or what to do.
    pub(super) fn check(self, today: Date) -> Result<Valid, Problem> {
        let mut errors = Vec::new();
        let mut refuse = |pointer: &str, rule: &str| errors.push(error(pointer, rule));
        if self.psa.as_deref().is_some_and(|psa| psa != PSA) {
            refuse("/psa", "must be `autotask`");
        }
        let profile = match self.profile.as_deref().map(str::parse) {
            None => JobProfile::default(),
            Some(Ok(profile)) => profile,
            Some(Err(())) => {
                refuse("/profile", "must be `seat_count`, `package_billing` or `invoices`");
                JobProfile::default()
            }
        };
        let invoice_reference = match self.invoice_reference.as_deref() {
            None | Some("invoice_number") => InvoiceReference::InvoiceNumber,
            Some("autotask_id") => InvoiceReference::AutotaskId,
            Some(_) => {
                refuse("/invoice_reference", "must be `invoice_number` or `autotask_id`");
                InvoiceReference::InvoiceNumber
            }
        };
        let priority = match self.priority.as_deref().map(priority) {
            None => Priority::Primary,
            Some(Some(priority)) => priority,
            Some(None) => {
                refuse("/priority", PRIORITY_RULE);
                Priority::Primary
            }
        };
        let filters = match self.filters.filter(|filters| !filters.is_null()).map(filtering::decoded) {
            None => None,
            Some(Ok(filters)) => {
                errors.extend(filtering::below(filtering::bounds(&filters, today)));
                Some(filters)
            }
            Some(Err(refused)) => {
                errors.extend(refused);
                None
            }
        };
        let features = self.features.unwrap_or_else(|| profile.features());
        errors.extend(feature_errors(&features));
        errors.extend(email_error(self.email.as_deref()));
        let login = login(self.username.as_deref(), self.secret.as_ref(), &mut errors);
        match (login, Problem::fields(errors)) {
            (Some((username, secret)), None) => Ok(Valid {
                username,
                secret,
                email: self.email.map(|email| email.trim().to_owned()).filter(|email| !email.is_empty()),
                priority,
                invoice_reference,
                features: without_doubles(features),
                profile,
                filters,
            }),
            (_, Some(problem)) => Err(problem),
            (None, None) => Err(Problem::field("/username", REQUIRED)),
        }
    }
}

const REQUIRED: &str = "is required";
pub(super) const PRIORITY_RULE: &str = "must be `primary` or `secondary`";

/// A user name and a secret that can be sent in a header; what is wrong goes into `errors`. White space around
/// them comes from copying and is dropped.
pub(super) fn login(
    username: Option<&str>,
    secret: Option<&SecretString>,
    errors: &mut Vec<FieldError>,
) -> Option<(String, SecretString)> {
    let username = username.unwrap_or_default().trim();
    let secret = secret.map(|secret| secret.expose_secret().trim()).unwrap_or_default();
    let before = errors.len();
    for (pointer, text) in [("/username", username), ("/secret", secret)] {
        if text.is_empty() {
            errors.push(error(pointer, REQUIRED));
        } else if text.chars().count() > CREDENTIAL_CHARS_MAX {
            errors.push(error(pointer, "has at most 256 characters"));
        } else if !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            errors.push(error(pointer, "has characters that Autotask's generated keys and secrets never have"));
        }
    }
    (errors.len() == before).then(|| (username.to_owned(), SecretString::from(secret.to_owned())))
}

pub(super) fn priority(text: &str) -> Option<Priority> {
    match text {
        "primary" => Some(Priority::Primary),
        "secondary" => Some(Priority::Secondary),
        _ => None,
    }
}

pub(super) fn feature_errors(features: &[String]) -> Vec<FieldError> {
    let known = || FEATURES.iter().map(|f| f.name).collect::<Vec<_>>().join(", ");
    let unknown = |name: &String| !FEATURES.iter().any(|known| known.name == name);
    features
        .iter()
        .enumerate()
        .filter(|(_, name)| unknown(name))
        .map(|(i, _)| error(&format!("/features/{i}"), &format!("is none of {}", known())))
        .collect()
}

pub(super) fn email_error(email: Option<&str>) -> Option<FieldError> {
    let email = email?.trim();
    if email.is_empty() {
        return None;
    }
    let fits = |part: &str| !part.is_empty() && part.chars().all(|c| !c.is_whitespace() && !c.is_control());
    let good = email.chars().count() <= EMAIL_CHARS_MAX
        && email.split_once('@').is_some_and(|(local, domain)| {
            fits(local)
                && fits(domain)
                && !domain.contains('@')
                && domain.split('.').count() > 1
                && domain.split('.').all(|label| !label.is_empty())
        });
    (!good).then(|| error("/email", "is not an e-mail address"))
}

pub(super) fn without_doubles(features: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    features.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

pub(super) fn error(pointer: &str, rule: &str) -> FieldError {
    FieldError { pointer: pointer.to_owned(), detail: rule.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Date = jiff::civil::date(2026, 11, 20);

    fn nothing() -> NewConnection {
        NewConnection {
            psa: None,
            username: None,
            secret: None,
            email: None,
            priority: None,
            invoice_reference: None,
            filters: None,
            features: None,
            profile: None,
        }
    }

    #[test]
    fn every_wrong_field_is_told_at_once() {
        let input = NewConnection {
            psa: Some("halo".to_owned()),
            username: Some("  ".to_owned()),
            secret: Some(SecretString::from("a\nb".to_owned())),
            email: Some("not-an-address".to_owned()),
            priority: Some("third".to_owned()),
            invoice_reference: Some("name".to_owned()),
            filters: Some(serde_json::json!({"unpaid_only": true, "company_ids": {"in": [1, -2]}})),
            features: Some(vec!["seat_sync".to_owned(), "frobs".to_owned()]),
            profile: Some("other".to_owned()),
        };
        let problem = input.check(TODAY).unwrap_err();
        let mut pointers: Vec<_> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(
            pointers,
            [
                "/email",
                "/features/1",
                "/filters/company_ids/in/1",
                "/invoice_reference",
                "/priority",
                "/profile",
                "/psa",
                "/secret",
                "/username"
            ]
        );
    }

    #[test]
    fn a_user_name_and_a_secret_are_all_that_is_required() {
        let problem = nothing().check(TODAY).unwrap_err();
        assert_eq!(problem.errors.len(), 2, "{problem:?}");
        let login = NewConnection {
            username: Some(" key@msp.example ".to_owned()),
            secret: Some(SecretString::from("s3cret\n".to_owned())),
            ..nothing()
        };
        let valid = login.check(TODAY).unwrap();
        assert_eq!((valid.username.as_str(), valid.secret.expose_secret()), ("key@msp.example", "s3cret"));
        assert_eq!(valid.features, ["seat_sync"]);
    }

    #[test]
    fn e_mail_addresses_are_told_from_other_text() {
        for good in ["a@b.example", "first.last+tag@sub.msp.example", "", "  "] {
            assert!(email_error(Some(good)).is_none(), "{good}");
        }
        for bad in ["a", "a@b", "@b.example", "a@", "a b@c.example", "a@b@c.example", "a@.example", "a@b..c"] {
            assert!(email_error(Some(bad)).is_some(), "{bad}");
        }
    }
}
