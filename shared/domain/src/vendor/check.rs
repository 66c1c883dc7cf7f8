//! What the intake's calls have in common: how a put ends, and the rules of simple fields.

use crate::actor::Scope;
use crate::ids::PartnerId;
use crate::ports::{Ports, StorageError};
use crate::problem::{Code, Error, FieldError, Problem, Result};
use crate::records::{Expect, Key, Record, Versioned, load};
use crate::vendor::Partner;

/// Most items of one batch: what is written well inside an API function's 29 s.
pub const BATCH_ITEMS_MAX: usize = 500;
/// Items of a batch that are worked on at a time.
pub(super) const BATCH_AT_ONCE: usize = 8;
/// How often a read and its conditional write are repeated when somebody else wrote in between.
pub(crate) const ATTEMPTS_MAX: usize = 5;

/// Reads and writes again while somebody else writes in between, at most [`ATTEMPTS_MAX`] times.
macro_rules! unless_overtaken {
    ($if_match:expr, $attempt:expr) => {{
        let mut attempts = 1;
        loop {
            let result = $attempt;
            if !crate::vendor::check::is_overtaken(&result) {
                break result;
            }
            if attempts == crate::vendor::check::ATTEMPTS_MAX {
                break Err(crate::vendor::check::overtaken($if_match));
            }
            attempts += 1;
        }
    }};
}
pub(crate) use unless_overtaken;

/// Longest name of a partner, account or package, in characters.
pub(super) const NAME_CHARS_MAX: usize = 200;
/// Longest e-mail address, in characters (RFC 5321).
const EMAIL_CHARS_MAX: usize = 254;

/// How a put ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PutOutcome {
    /// It was not known before.
    Created,
    /// It was changed.
    Updated,
    /// It was already so; nothing was written.
    Unchanged,
    /// Something newer is known; nothing was written.
    OlderIgnored,
}

/// A record after a put, and how the put ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Put<T> {
    /// The record as it is now, with its version.
    pub record: Versioned<T>,
    /// How the put ended.
    pub outcome: PutOutcome,
}

/// Refuses where the caller's `If-Match` is not the present version.
pub(super) fn precondition(present: Option<u64>, if_match: Option<u64>) -> Result<()> {
    match if_match {
        Some(wanted) if present != Some(wanted) => Err(not_the_version(wanted)),
        _ => Ok(()),
    }
}

fn not_the_version(wanted: u64) -> Error {
    Error::problem(Code::PreconditionFailed, format!("Version {wanted} is not the present one."))
}

/// On what condition a put writes over the version that was read, and how it then ends.
pub(super) fn over(present: Option<u64>) -> (Expect, PutOutcome) {
    present.map_or((Expect::Absent, PutOutcome::Created), |v| (Expect::Version(v), PutOutcome::Updated))
}

/// Whether to read and try again: somebody else wrote first, and the caller did not insist on a version.
pub(crate) fn is_overtaken<T>(result: &Result<T>) -> bool {
    match result {
        Err(Error::Storage(StorageError::Conflict { .. })) => true,
        Err(error) => error.code() == Some(Code::Conflict),
        Ok(_) => false,
    }
}

/// What the caller is told when every attempt was overtaken.
pub(crate) fn overtaken(if_match: Option<u64>) -> Error {
    if_match.map_or_else(|| Error::problem(Code::Conflict, "It is being changed by others right now."), not_the_version)
}

/// The partner must be known: a misspelt id would otherwise collect records that nobody ever sees.
pub(super) async fn known_partner(ports: &Ports, scope: &Scope, partner: &PartnerId) -> Result<Versioned<Partner>> {
    known(ports, scope, &Key::Partner(partner.clone()), "partner").await
}

/// Reads a record that must be there.
pub(crate) async fn known<R: Record>(ports: &Ports, scope: &Scope, key: &Key, what: &str) -> Result<Versioned<R>> {
    load::<R>(&*ports.storage, scope, key).await?.ok_or_else(|| Error::not_found(what))
}

/// The scope of one partner's records.
pub(crate) fn narrowed(scope: &Scope, partner: &PartnerId) -> Result<Scope> {
    scope.narrow(partner).ok_or_else(|| Error::not_found("partner"))
}

/// Collects what is wrong with a body.
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<FieldError>);

impl Checks {
    /// Notes a broken rule.
    pub(crate) fn refuse(&mut self, pointer: impl Into<String>, rule: impl Into<String>) {
        self.0.push(FieldError { pointer: pointer.into(), detail: rule.into() });
    }

    /// A name: not empty, not too long, no control characters. Returns it trimmed.
    pub(crate) fn name(&mut self, pointer: &str, text: &str, chars_max: usize) -> String {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > chars_max || text.chars().any(char::is_control) {
            self.refuse(pointer, format!("must have 1 to {chars_max} printable characters"));
        }
        text.to_owned()
    }

    /// An e-mail address, or nothing. Returns it trimmed; an empty text is nothing.
    pub(super) fn email(&mut self, pointer: &str, text: Option<String>) -> Option<String> {
        let text = text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty())?;
        if !is_email(&text) {
            self.refuse(pointer, "must be an e-mail address");
        }
        Some(text)
    }

    /// Ends the check.
    pub(crate) fn done(self) -> Result<()> {
        Problem::fields(self.0).map_or(Ok(()), |problem| Err(problem.into()))
    }
}

fn is_email(text: &str) -> bool {
    let sound = text.len() <= EMAIL_CHARS_MAX && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let parts = text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.starts_with('.')
    });
    sound && parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_something_on_both_sides_of_one_at_sign() {
        for bad in ["x", "@x", "x@", "a@b@c", "a b@c", "a@.c", &format!("{}@x", "a".repeat(254))] {
            assert!(!is_email(bad), "{bad:?} was taken");
        }
        for good in ["a@b", "a.b+c@d.example", "ä@ö.example"] {
            assert!(is_email(good), "{good:?} was refused");
        }
    }

    #[test]
    fn all_broken_rules_are_told_at_once() {
        let mut checks = Checks::default();
        checks.name("/name", " ", 10);
        checks.email("/contact_email", Some("nobody".to_owned()));
        let Err(Error::Problem(problem)) = checks.done() else { panic!("taken") };
        let pointers: Vec<_> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, ["/name", "/contact_email"]);
    }
}
