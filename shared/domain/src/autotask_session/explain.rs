//! What a failed call to Autotask means to a partner.

use crate::budget::{Limit, exhausted};
use crate::problem::{Code, Error, Problem};
use autotask::ZoneError;

/// Words by which Autotask says that the tracking identifier is wrong or missing (with a 500).
const INTEGRATION_WORDS: &[&str] =
    &["integrationcode", "integration code", "tracking identifier", "integration vendor"];
/// Words that say outright that the user is locked or switched off; anything less is a wrong secret.
const LOCKED_WORDS: &[&str] = &["locked", "inactive", "not active", "disabled", "deactivated"];
/// How long to wait where Autotask does not say, in seconds.
const RETRY_AFTER_SECONDS: u64 = 60;
/// How long to wait after the thread limit, in seconds: a call takes no longer.
const RETRY_AFTER_THREADS_SECONDS: u64 = 5;

/// The problem that a failed call is, in the partner's terms; Autotask's own words go into the detail. What no rule
/// of ours explains stays an error of the client.
#[must_use]
pub fn explain(error: autotask::Error) -> Error {
    use autotask::Error as E;
    if let Some(ours) = exhausted(&error) {
        let text = match ours.limit {
            Limit::Hourly => "Our share of this Autotask database's hourly limit is used up for now.",
            Limit::Threads => "Other work is calling the same objects of this Autotask database right now.",
        };
        return Problem::new(Code::Throttled, text).retry_after(ours.retry_after.as_secs().max(1)).into();
    }
    let words = error.texts().join("; ");
    if says(&words, INTEGRATION_WORDS) && !matches!(error, E::Forbidden { .. }) {
        return Error::problem(Code::IntegrationVendorMismatch, format!("Autotask says: {words}"));
    }
    let wait = error.retry_after().map(|wait| wait.as_secs().max(1));
    match &error {
        E::Unauthorised { .. } if says(&words, LOCKED_WORDS) => {
            Error::problem(Code::AccountLockedOrInactive, format!("Autotask says: {words}"))
        }
        E::Unauthorised { .. } => Error::problem(Code::CredentialsInvalid, said("Autotask answered 401.", &words)),
        E::Forbidden { .. } => Error::problem(Code::PermissionMissing, said("Autotask does not allow it.", &words)),
        E::Rejected { .. } => Error::problem(Code::RejectedByAutotask, said("Autotask refused it.", &words)),
        E::NotFound { .. } => Error::problem(Code::NotFound, said("Autotask found nothing there.", &words)),
        E::RateLimited { .. } => Problem::new(
            Code::AutotaskUnavailable,
            said("The hourly limit of this Autotask database is used up, by all its integrations together.", &words),
        )
        .retry_after(wait.unwrap_or(RETRY_AFTER_SECONDS))
        .into(),
        E::ThreadLimit { .. } => {
            Problem::new(Code::AutotaskUnavailable, said("Autotask takes no more calls at once right now.", &words))
                .retry_after(wait.unwrap_or(RETRY_AFTER_THREADS_SECONDS))
                .into()
        }
        E::Unavailable { status, .. } => unavailable(*status, &words),
        E::NotSent { .. } => unavailable(None, ""),
        E::Malformed { what, .. } => unusable(what),
        E::UnknownOutcome { .. } | E::OutOfBounds { .. } => {
            Error::Autotask { doing: "calling Autotask", source: error }
        }
    }
}

/// The problem that a failed zone look-up is.
#[must_use]
pub fn explain_zone(error: &ZoneError) -> Error {
    match error {
        ZoneError::UnknownUser => Error::problem(Code::ZoneNotFound, "Autotask's zone look-up knows no such user."),
        ZoneError::Refused { reason } => Problem::new(
            Code::AutotaskUnavailable,
            format!("The zone's address is not one that credentials may be sent to: {reason}."),
        )
        .retry_after(RETRY_AFTER_SECONDS)
        .into(),
        ZoneError::Unavailable { source } => {
            let words = source.texts().join("; ");
            match (&**source, source.status()) {
                (autotask::Error::Malformed { what, .. }, _) => unusable(what),
                (_, None) if !words.is_empty() => away(said("Autotask's zone look-up refused the call.", &words)),
                (_, status) => unavailable(status, &words),
            }
        }
    }
}

fn unusable(what: &str) -> Error {
    away(format!("Autotask's answer cannot be used: {what}."))
}

fn unavailable(status: Option<u16>, words: &str) -> Error {
    let what = match status {
        Some(500) if !words.is_empty() => {
            "Autotask answered 500. If it stays so, check the API user's tracking identifier.".to_owned()
        }
        Some(status) => format!("Autotask answered {status}."),
        None => "Autotask did not answer.".to_owned(),
    };
    away(said(&what, words))
}

fn away(detail: String) -> Error {
    Problem::new(Code::AutotaskUnavailable, detail).retry_after(RETRY_AFTER_SECONDS).into()
}

fn said(what: &str, words: &str) -> String {
    if words.is_empty() { what.to_owned() } else { format!("{what} It says: {words}") }
}

fn says(words: &str, any_of: &[&str]) -> bool {
    let words = words.to_lowercase();
    any_of.iter().any(|word| words.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use autotask::Error as E;

    fn texts(text: &str) -> Vec<String> {
        [text].iter().filter(|t| !t.is_empty()).map(ToString::to_string).collect()
    }

    fn code(error: E) -> Option<Code> {
        explain(error).code()
    }

    #[test]
    fn a_refused_login_is_called_locked_only_when_autotask_says_so() {
        assert_eq!(code(E::Unauthorised { texts: texts("") }), Some(Code::CredentialsInvalid));
        assert_eq!(code(E::Unauthorised { texts: texts("Login failed.") }), Some(Code::CredentialsInvalid));
        for text in ["The user is Locked.", "Resource is inactive"] {
            assert_eq!(code(E::Unauthorised { texts: texts(text) }), Some(Code::AccountLockedOrInactive));
        }
    }

    #[test]
    fn a_wrong_tracking_identifier_is_told_from_an_autotask_that_is_down() {
        let status_500 = |text| E::Unavailable { status: Some(500), texts: texts(text), source: None };
        assert_eq!(code(status_500("IntegrationCode is invalid.")), Some(Code::IntegrationVendorMismatch));
        assert_eq!(code(status_500("A severe error occurred.")), Some(Code::AutotaskUnavailable));
        assert_eq!(code(status_500("")), Some(Code::AutotaskUnavailable));
        let rejected = E::Rejected { status: 500, texts: texts("Integration code required with this version") };
        assert_eq!(code(rejected), Some(Code::IntegrationVendorMismatch));
    }

    #[test]
    fn an_answer_that_cannot_be_used_is_not_called_no_answer() {
        let detail = |error: Error| match error {
            Error::Problem(problem) => problem.detail,
            other => panic!("not a problem: {other}"),
        };
        let malformed = || E::Malformed { what: "it is a web page".to_owned(), source: None };
        let zone = |source: E| explain_zone(&ZoneError::Unavailable { source: Box::new(source) });
        for told in [detail(explain(malformed())), detail(zone(malformed()))] {
            assert_eq!(told, "Autotask's answer cannot be used: it is a web page.");
        }
        let forbidden = zone(E::Forbidden { texts: texts("Not from here.") });
        assert_eq!(detail(forbidden), "Autotask's zone look-up refused the call. It says: Not from here.");
    }

    #[test]
    fn our_own_limit_is_not_told_as_autotasks_fault() {
        use crate::budget::BudgetExhausted;
        let ours = BudgetExhausted { limit: Limit::Hourly, retry_after: std::time::Duration::from_secs(40) };
        let error = E::NotSent { source: autotask::TransportError::not_sent(ours) };
        let Error::Problem(problem) = explain(error) else { panic!("not a problem") };
        assert_eq!((problem.code, problem.retry_after), (Code::Throttled, Some(40)));
    }

    #[test]
    fn limits_and_broken_answers_are_nobodys_mistake() {
        let wait = Some(std::time::Duration::from_secs(7));
        let Error::Problem(problem) = explain(E::ThreadLimit { retry_after: wait, texts: texts("thread limit") })
        else {
            panic!("not a problem");
        };
        assert_eq!((problem.code, problem.retry_after), (Code::AutotaskUnavailable, Some(7)));
        assert_eq!(code(E::Malformed { what: "HTML".to_owned(), source: None }), Some(Code::AutotaskUnavailable));
        assert_eq!(code(E::Forbidden { texts: texts("") }), Some(Code::PermissionMissing));
    }
}
